//! Keeps one worker going: makes it, turns it, and makes a new one after a fault that new clients mend.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::broker::Broker;
use super::fault::{Exit, ExitCode, Fault};
use super::instruments::facts::{Dependency, WorkerState};
use super::instruments::vitals::Vitals;
use super::plan::{Now, Plan};
use super::worker::Worker;

const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// A store that is damaged again so soon is not mended by another rebuild.
const REBUILD_REST: Duration = Duration::from_secs(3_600);

/// Runs one worker until it is told to stop.
pub struct Runner {
    /// What the worker does.
    pub plan: Arc<Plan>,
    /// Where it reports how it is.
    pub vitals: Arc<Vitals>,
    /// Its number within the process.
    pub thread: usize,
    /// The time, read once a turn.
    pub clock: Arc<dyn Fn() -> Now + Send + Sync>,
    /// Whether it shall stop.
    pub stop: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Runner {
    /// Runs until told to stop.
    ///
    /// # Errors
    /// When the process must end, with the reason.
    pub fn run<B: Broker>(&self, mut connect: impl FnMut() -> Result<B, Fault>) -> Result<(), Exit> {
        let mut backoff = BACKOFF_MIN;
        let mut rebuilt: BTreeMap<i32, Duration> = BTreeMap::new();
        while !(self.stop)() {
            let mut commits = 0;
            let Err(fault) = self.run_one(&mut connect, &mut commits) else { return Ok(()) };
            let reason = match fault {
                Fault::Stop(exit) => return Err(exit),
                Fault::Rebuild { partition, reason } => {
                    self.quarantine(partition, &reason.text, &mut rebuilt)?;
                    reason
                }
                // The worker answers a rewind itself; one that it could not finish is a restart.
                Fault::Rewind(reason) | Fault::Restart(reason) => reason,
            };
            self.plan.instruments.aborted(reason.label);
            tracing::warn!(
                event = "worker_restarts",
                thread = self.thread,
                reason = reason.label,
                text = reason.text,
                "gave up what was not committed and goes on with new clients"
            );
            backoff = if commits > 0 { BACKOFF_MIN } else { (backoff * 2).min(BACKOFF_MAX) };
            self.rest(backoff, reason.label);
        }
        Ok(())
    }

    fn run_one<B: Broker>(
        &self,
        connect: &mut impl FnMut() -> Result<B, Fault>,
        commits: &mut u64,
    ) -> Result<(), Fault> {
        let now = (self.clock)();
        let vitals = self.vitals.worker(self.thread);
        vitals.state(WorkerState::Starting, now.monotonic);
        let broker = connect()?;
        let mut worker = Worker::new(Arc::clone(&self.plan), broker, vitals, now)?;
        let mut run = || {
            while !(self.stop)() {
                worker.turn((self.clock)())?;
            }
            worker.drain((self.clock)())
        };
        let result = run();
        *commits = worker.commits();
        if result.is_err() {
            worker.abort();
        }
        result
    }

    fn quarantine(
        &self,
        partition: i32,
        text: &str,
        rebuilt: &mut BTreeMap<i32, Duration>,
    ) -> Result<(), Exit> {
        let now = (self.clock)().monotonic;
        let again =
            rebuilt.insert(partition, now).is_some_and(|last| now.saturating_sub(last) < REBUILD_REST);
        if again {
            let text = format!(
                "the store of partition {partition} was rebuilt less than an hour ago and is damaged again: \
                 {text}. Check the disk"
            );
            return Err(Exit { code: ExitCode::Failed, text });
        }
        self.plan.stores.quarantine(partition).map_err(|error| Exit {
            code: ExitCode::Failed,
            text: format!("the damaged store of partition {partition} could not be put aside: {error}"),
        })
    }

    /// Waits before the next try, in small steps, so that a stop is heard.
    fn rest(&self, backoff: Duration, label: &str) {
        let vitals = self.vitals.worker(self.thread);
        let until = (self.clock)().monotonic + backoff;
        loop {
            let now = (self.clock)().monotonic;
            let dependency = if label == "disk" { Dependency::Disk } else { Dependency::Broker };
            vitals.turn(now);
            vitals.state(WorkerState::WaitingFor(dependency), now);
            if now >= until || (self.stop)() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
