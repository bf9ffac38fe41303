//! Keeps one worker going: makes it, turns it, and makes a new one after a fault that new clients mend.
//!
//! Everything happens in [`Runner::turn`], a bounded amount each time and without waiting, so that a thread
//! and a simulation drive it alike.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::broker::Broker;
use super::fault::{Exit, ExitCode, Fault, Reason};
use super::instruments::facts::{Dependency, Step, WorkerState};
use super::instruments::vitals::{Vitals, WorkerVitals};
use super::plan::{Now, Plan};
use super::worker::Worker;
use crate::mutant::{Mutant, is_armed};

const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// A store that is damaged again so soon is not mended by another rebuild.
const REBUILD_REST: Duration = Duration::from_secs(3_600);
/// How long a thread sleeps between two turns of a runner that rests.
const RESTING_TURN: Duration = Duration::from_millis(20);

/// One worker of a process, made anew as often as needed.
pub struct Runner<B, C> {
    plan: Arc<Plan>,
    vitals: Arc<Vitals>,
    thread: usize,
    connect: C,
    state: State<B>,
    /// The handle on the worker's facts while there is no worker.
    at_rest: Option<WorkerVitals>,
    backoff: Duration,
    /// When the store of a partition was rebuilt last.
    rebuilt: BTreeMap<i32, Duration>,
}

enum State<B> {
    /// Waits before the next try.
    Resting { until: Duration, dependency: Dependency },
    /// Has a worker.
    Working(Box<Worker<B>>),
}

impl<B: Broker, C: FnMut() -> Result<B, Fault>> Runner<B, C> {
    /// A runner of the worker of this number within the process. `connect` makes the worker's clients.
    pub fn new(plan: Arc<Plan>, vitals: &Arc<Vitals>, thread: usize, connect: C) -> Runner<B, C> {
        let state = State::Resting { until: Duration::ZERO, dependency: Dependency::Broker };
        let (at_rest, vitals) = (Some(vitals.worker(thread)), Arc::clone(vitals));
        let (backoff, rebuilt) = (BACKOFF_MIN, BTreeMap::new());
        Runner { plan, vitals, thread, connect, state, at_rest, backoff, rebuilt }
    }

    /// Turns until told to stop, then commits what is open.
    ///
    /// # Errors
    /// When the process must end, with the reason.
    pub fn run(mut self, clock: impl Fn() -> Now, stop: impl Fn() -> bool) -> Result<(), Exit> {
        while !stop() {
            self.turn(clock())?;
            if matches!(self.state, State::Resting { .. }) {
                std::thread::sleep(RESTING_TURN);
            }
        }
        self.drain(clock())
    }

    /// Does a bounded amount of work.
    ///
    /// # Errors
    /// When the process must end, with the reason.
    pub fn turn(&mut self, now: Now) -> Result<(), Exit> {
        let result = match &mut self.state {
            State::Working(worker) => worker.turn(now),
            State::Resting { until, dependency } if now.monotonic < *until => {
                if let Some(vitals) = &self.at_rest {
                    vitals.turn(now.monotonic);
                    vitals.state(WorkerState::WaitingFor(*dependency), now.monotonic);
                }
                return Ok(());
            }
            State::Resting { .. } => self.start(now),
        };
        match result {
            Ok(()) => Ok(()),
            Err(fault) => self.mend(fault, now),
        }
    }

    /// Commits what is open. To be called before the runner goes.
    ///
    /// # Errors
    /// When the process must not end well, with the reason.
    pub fn drain(&mut self, now: Now) -> Result<(), Exit> {
        let State::Working(worker) = &mut self.state else { return Ok(()) };
        match worker.drain(now) {
            Ok(()) => Ok(()),
            Err(fault) => self.mend(fault, now),
        }
    }

    fn start(&mut self, now: Now) -> Result<(), Fault> {
        self.at_rest = None;
        let vitals = self.vitals.worker(self.thread);
        vitals.state(WorkerState::Starting, now.monotonic);
        vitals.step(Step::Connecting, now.monotonic);
        let broker = (self.connect)()?;
        let worker = Worker::new(Arc::clone(&self.plan), broker, vitals, now)?;
        self.state = State::Working(Box::new(worker));
        Ok(())
    }

    /// Gives up what is not committed, does what the fault asks for, and rests before the next try.
    fn mend(&mut self, mut fault: Fault, now: Now) -> Result<(), Exit> {
        let mut commits = 0;
        if let State::Working(worker) = &mut self.state {
            worker.abort();
            commits = worker.commits();
            if is_armed(Mutant::KeepWorkerAfterFault) && matches!(fault, Fault::Restart(_)) {
                return Ok(());
            }
            if !matches!(fault, Fault::Stop(_)) {
                fault = worker.look_for_successor().err().unwrap_or(fault);
            }
        }
        self.rest(Duration::ZERO, Dependency::Broker, now);
        let reason = self.heed(fault, now)?;
        self.plan.instruments.aborted(reason.label);
        tracing::warn!(
            event = "worker_restarts",
            thread = self.thread,
            reason = reason.label,
            text = reason.text,
            "gave up what was not committed and goes on with new clients"
        );
        self.backoff = if commits > 0 { BACKOFF_MIN } else { (self.backoff * 2).min(BACKOFF_MAX) };
        let dependency = if reason.label == "disk" { Dependency::Disk } else { Dependency::Broker };
        self.rest(self.backoff, dependency, now);
        Ok(())
    }

    /// Lets the worker go, if there is one.
    fn rest(&mut self, time: Duration, dependency: Dependency, now: Now) {
        self.state = State::Resting { until: now.monotonic + time, dependency };
        self.at_rest = Some(self.vitals.worker(self.thread));
    }

    fn heed(&mut self, fault: Fault, now: Now) -> Result<Reason, Exit> {
        match fault {
            Fault::Stop(exit) => Err(exit),
            Fault::Rebuild { partition, reason } => {
                self.quarantine(partition, &reason.text, now)?;
                Ok(reason)
            }
            // The worker answers a rewind itself; one that it could not finish is a restart.
            Fault::Rewind(reason) | Fault::Restart(reason) => Ok(reason),
        }
    }

    fn quarantine(&mut self, partition: i32, text: &str, now: Now) -> Result<(), Exit> {
        let last = self.rebuilt.insert(partition, now.monotonic);
        if last.is_some_and(|last| now.monotonic.saturating_sub(last) < REBUILD_REST) {
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
}
