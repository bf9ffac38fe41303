//! A small schema registry for the demo, for tests and for a first try on one machine.
//!
//! It speaks the part of the Confluent API that the Avro converter, Python's confluent-kafka and kcat use.
//! It keeps everything in memory, listens on loopback addresses alone and knows no users, so it is no
//! registry for production: there, any Confluent-compatible one is used by its URL.

mod api;
mod subjects;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use api::Shared;

/// Why the registry does not listen.
#[derive(Debug, thiserror::Error)]
pub enum RegistryServerError {
    /// The address can be reached from other machines.
    #[error(
        "the built-in schema registry does not listen on {0}: it knows no users, so it is for this machine \
         alone; give a loopback address such as 127.0.0.1:8081, or use a registry of your own by its URL"
    )]
    NotLoopback(SocketAddr),
    /// The system does not give the address.
    #[error(
        "the built-in schema registry cannot listen on {address}: {source}; free the port or give another"
    )]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The system gives no thread or runtime.
    #[error("the built-in schema registry could not be started: {0}")]
    Start(#[source] io::Error),
}

/// A registry that has its address and does not answer yet.
pub struct RegistryServer {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// A registry on a thread of its own. Dropping it stops it and forgets what was registered.
pub struct RunningRegistry {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl RegistryServer {
    /// Takes the address; port 0 lets the system choose one.
    ///
    /// # Errors
    /// [`RegistryServerError::NotLoopback`] for an address that other machines could reach,
    /// [`RegistryServerError::Listen`] when the address is taken or not this machine's.
    pub async fn bind(listen: SocketAddr) -> Result<RegistryServer, RegistryServerError> {
        if !listen.ip().is_loopback() {
            return Err(RegistryServerError::NotLoopback(listen));
        }
        let refused = |source| RegistryServerError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(RegistryServer { listener, address, shared: Arc::new(Shared::default()) })
    }

    /// Where it listens, with the port that the system chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` is done, then finishes the requests under way.
    ///
    /// # Errors
    /// What the system says when it takes the listening socket away.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        axum::serve(self.listener, api::router(self.shared)).with_graceful_shutdown(stop).await
    }

    /// Starts a registry on a thread and runtime of its own; it answers when this returns.
    ///
    /// # Errors
    /// Those of [`RegistryServer::bind`], and [`RegistryServerError::Start`] when the system gives no thread.
    pub fn start_on_thread(listen: SocketAddr) -> Result<RunningRegistry, RegistryServerError> {
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(RegistryServerError::Start)?;
        let server = runtime.block_on(RegistryServer::bind(listen))?;
        let (address, shared) = (server.address, Arc::clone(&server.shared));
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("registry-server".to_owned())
            .spawn(move || {
                // The runtime ends with the stop, and every connection with it: a client that has sent half a
                // request must not hold up the end of a test.
                runtime.block_on(async {
                    tokio::select! {
                        _ = stopped => {}
                        ended = server.serve(std::future::pending()) => {
                            if let Err(error) = ended {
                                tracing::error!(%error, "the built-in schema registry ended");
                            }
                        }
                    }
                });
            })
            .map_err(RegistryServerError::Start)?;
        Ok(RunningRegistry { address, shared, stop: Some(stop), thread: Some(thread) })
    }
}

impl RunningRegistry {
    /// The base URL for clients, such as `http://127.0.0.1:8081`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on every request is answered with status 503, as by a registry whose store is away.
    pub fn pause(&self) {
        self.shared.pause(true);
    }

    /// Ends a pause.
    pub fn resume(&self) {
        self.shared.pause(false);
    }
}

impl Drop for RunningRegistry {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the server's thread has been reported on that thread.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
