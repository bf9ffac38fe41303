//! A listener that does not wait for ever for peers that send nothing.
//!
//! The server library bounds the size of a request's head but not the time it may take to arrive, and a peer
//! that opens connections and stays silent, or never reads its answer, would hold a file each. So reads and
//! writes carry a deadline, from the last byte that moved, and a bound holds the number of connections. It knows nothing of HTTP.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// A TCP listener whose connections end when their peer is silent for too long.
#[derive(Debug)]
pub(super) struct PatientListener {
    listener: TcpListener,
    silence_max: Duration,
    places: Arc<Semaphore>,
}

impl PatientListener {
    pub(super) fn new(listener: TcpListener, silence_max: Duration, connections_max: usize) -> Self {
        Self { listener, silence_max, places: Arc::new(Semaphore::new(connections_max)) }
    }
}

impl Listener for PatientListener {
    type Io = PatientStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let place = Arc::clone(&self.places).acquire_owned().await.expect("the places are never closed");
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let silence = Box::pin(sleep(self.silence_max));
        (PatientStream { stream, silence, silence_max: self.silence_max, _place: place }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A connection with a deadline on silence and a place among the connections.
#[derive(Debug)]
pub(super) struct PatientStream {
    stream: TcpStream,
    silence: Pin<Box<Sleep>>,
    silence_max: Duration,
    _place: OwnedSemaphorePermit,
}

impl PatientStream {
    fn stream(self: Pin<&mut Self>) -> Pin<&mut TcpStream> {
        Pin::new(&mut self.get_mut().stream)
    }

    /// Lets something that moved bytes renew the deadline, and ends something that waits past it.
    fn judge<T>(&mut self, moved: Poll<io::Result<T>>, task: &mut Context<'_>) -> Poll<io::Result<T>> {
        if moved.is_pending() {
            return self.silence.as_mut().poll(task).map(|()| Err(io::ErrorKind::TimedOut.into()));
        }
        // Tokio's clock, which is the one that its timers run on.
        #[allow(clippy::disallowed_methods)]
        let now = Instant::now();
        self.silence.as_mut().reset(now + self.silence_max);
        moved
    }
}

impl AsyncRead for PatientStream {
    fn poll_read(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let moved = Pin::new(&mut this.stream).poll_read(task, into);
        this.judge(moved, task)
    }
}

impl AsyncWrite for PatientStream {
    fn poll_write(self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let moved = Pin::new(&mut this.stream).poll_write(task, bytes);
        this.judge(moved, task)
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(task)
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(task)
    }
}
