//! The processor of a demo on Kafka: this very binary with `run`, as a process of its own, so that killing it
//! is what it would be in production.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::runtime::fault::{Exit, ExitCode};

/// How long it may take to finish and leave: 30 s.
const STOP_STEPS_MAX: usize = 1_500;
const STOP_STEP: Duration = Duration::from_millis(20);
/// The exit code of a clean drain after SIGTERM.
const DRAINED: i32 = 143;
/// How many of its last lines are shown when it fails.
const LINES_SHOWN: usize = 15;

/// A running process. Dropping it kills it.
pub(super) struct Processor {
    child: Child,
    log: PathBuf,
}

impl Processor {
    /// Starts `bespoke run`; what it says goes to the end of a file.
    ///
    /// # Errors
    /// When the system starts no process.
    pub(super) fn start(config: &Path, sets: &[String], log: &Path) -> Result<Processor, Exit> {
        let started = || -> io::Result<Child> {
            let output = OpenOptions::new().create(true).append(true).open(log)?;
            let errors = output.try_clone()?;
            let mut command = Command::new(std::env::current_exe()?);
            command.arg("run").arg("--config").arg(config).args(["--ordinal", "0"]);
            for set in sets {
                command.args(["--set", set]);
            }
            command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn()
        };
        let child = started().map_err(|error| failed(format!("the processor did not start: {error}")))?;
        Ok(Processor { child, log: log.to_owned() })
    }

    /// The id of the process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails when it has ended by itself, and says why.
    pub(super) fn check(&mut self) -> Result<(), Exit> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => {
                Err(failed(format!("the processor ended by itself, {status}:\n{}", self.last_words())))
            }
            Err(error) => Err(failed(format!("the processor cannot be watched: {error}"))),
        }
    }

    /// SIGKILL.
    pub(super) fn kill(mut self) -> Result<(), Exit> {
        self.check()?;
        let killed = self.child.kill().and_then(|()| self.child.wait());
        killed.map(|_| ()).map_err(|error| failed(format!("the processor could not be killed: {error}")))
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Errors
    /// When it ended otherwise than by a clean drain, or not in time.
    pub(super) fn stop(mut self) -> Result<(), Exit> {
        // The standard library sends no other signal than SIGKILL.
        let status = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]).status();
        status.map_err(|error| failed(format!("the processor could not be told to stop: {error}")))?;
        for _ in 0..STOP_STEPS_MAX {
            match self.child.try_wait() {
                Ok(Some(status)) if status.code() == Some(DRAINED) => return Ok(()),
                Ok(Some(status)) => {
                    return Err(failed(format!("the processor ended, {status}:\n{}", self.last_words())));
                }
                Ok(None) => std::thread::sleep(STOP_STEP),
                Err(error) => return Err(failed(format!("the processor cannot be watched: {error}"))),
            }
        }
        Err(failed(format!("the processor did not end when it was told to:\n{}", self.last_words())))
    }

    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let shown = lines.iter().skip(lines.len().saturating_sub(LINES_SHOWN));
        shown.map(|line| format!("  {line}\n")).collect()
    }
}

impl Drop for Processor {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn failed(text: String) -> Exit {
    Exit { code: ExitCode::Failed, text }
}
