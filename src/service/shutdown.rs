//! How the process is asked to stop, and how the workers hear of it.
//!
//! The first SIGTERM or SIGINT asks for a drain: workers finish their turn, commit and leave. A second one
//! means that somebody does not want to wait. This ends nothing by itself: the service decides what a signal
//! and a code are good for, and the watchdog holds the drain's deadline.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::signal::unix::{self, SignalKind};

use crate::runtime::fault::ExitCode;

/// The flag that asks workers to stop; a clone is the same flag. Once raised it stays.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Request>);

#[derive(Debug, Default)]
struct Request {
    made: AtomicBool,
    failure: OnceLock<ExitCode>,
}

impl Stop {
    /// Asks for the stop.
    pub fn request(&self) {
        self.0.made.store(true, Ordering::Release);
    }

    /// Asks for the stop because of a failure. What has failed first is what the process ends with.
    pub fn fail(&self, code: ExitCode) {
        let _ = self.0.failure.set(code);
        self.request();
    }

    /// Whether a stop was asked for.
    pub fn requested(&self) -> bool {
        self.0.made.load(Ordering::Acquire)
    }

    /// What has failed, if that is why.
    pub fn failure(&self) -> Option<ExitCode> {
        self.0.failure.get().copied()
    }
}

/// A signal that asks for the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT, as from Ctrl-C.
    Interrupt,
    /// SIGTERM, as from Kubernetes or `kill`.
    Terminate,
}

impl Signal {
    /// The signal's number.
    pub fn number(self) -> i32 {
        match self {
            Self::Interrupt => 2,
            Self::Terminate => 15,
        }
    }

    /// The code to exit with after it, as shells count: 130 or 143.
    pub fn exit_code(self) -> i32 {
        128 + self.number()
    }

    fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }
}

/// The signals of this process. From [`Signals::listen`] on they no longer kill it.
#[derive(Debug)]
pub struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Signals {
    /// Begins to listen; must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// When the system refuses the handler.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the first signal and raises `stop`.
    pub async fn first(&mut self, stop: &Stop) -> Signal {
        let signal = self.next().await;
        stop.request();
        tracing::info!(
            event = "stop_requested",
            signal = signal.name(),
            "asked to stop: workers commit and leave; a second signal ends the process at once"
        );
        signal
    }

    /// Waits, while the drain runs, for one more signal and calls `end`, which is meant not to return.
    pub async fn second(mut self, end: impl FnOnce(Signal)) {
        let signal = self.next().await;
        tracing::warn!(
            event = "stop_forced",
            signal = signal.name(),
            "asked a second time: the process ends without its drain; what was open is aborted and read again"
        );
        end(signal);
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;
    use std::sync::mpsc;

    fn kill(signal: &str) {
        let process = std::process::id().to_string();
        let status = Command::new("sh").args(["-c", &format!("kill -{signal} {process}")]).status().unwrap();
        assert!(status.success());
    }

    #[tokio::test]
    async fn the_first_signal_asks_and_the_second_ends() {
        let mut signals = Signals::listen().unwrap();
        let stop = Stop::default();
        let workers_flag = stop.clone();
        kill("TERM");
        let first = signals.first(&stop).await;
        assert_eq!((first, first.exit_code()), (Signal::Terminate, 143));
        assert!(workers_flag.requested());
        kill("INT");
        let (say, heard) = mpsc::channel();
        signals.second(move |signal| say.send(signal).expect("the test listens")).await;
        assert_eq!(heard.recv().unwrap().exit_code(), 130);
    }
}
