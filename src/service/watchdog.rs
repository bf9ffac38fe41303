//! Ends a process that cannot end itself: a worker that hangs in a call, or a drain that does not end.
//!
//! A call into a client library may never return, and a thread cannot be stopped from outside. So a thread
//! of its own, which shares nothing with the workers but atomics, looks once in a while and ends the process
//! after one line that says where it hung; starting again is the tested path. A partition that does not get on
//! is named in the log and the process goes on: starting again would not mend a batch that cannot be read. It
//! judges no broker: that is readiness.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::runtime::fault::ExitCode;
use crate::runtime::instruments::facts::{WorkerFacts, WorkerState};
use crate::runtime::instruments::progress::Stalled;
use crate::runtime::instruments::readiness::whereabouts;
use crate::runtime::instruments::vitals::Vitals;

use super::Clock;
use super::shutdown::Stop;

/// Who looks each second and has not for this long was not running, and neither was anybody else.
const ASLEEP_AFTER: Duration = Duration::from_secs(5);

/// What is too long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// One blocking step of a worker: the transaction's timeout and ten seconds.
    pub step: Duration,
    /// The drain, from the moment that a stop was asked for.
    pub drain: Duration,
    /// How long a partition with lag may stand at one offset before it is named in the log.
    pub stall: Duration,
}

/// Why the process has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitReason {
    /// A worker hangs in a step.
    StuckStep,
    /// The drain did not end in time. It may have been for something that failed.
    DrainOverdue(Option<ExitCode>),
    /// The watch itself has panicked: nobody would see a worker hang any more.
    WatchPanicked,
}

impl ExitReason {
    /// The code to exit with: 70 for a worker that hangs, 75 for a drain that was cut off, or that of what had failed
    /// before it, and 76 for a panic.
    pub fn exit_code(self) -> i32 {
        match self {
            Self::StuckStep => 70,
            Self::DrainOverdue(failure) => failure.map_or(75, |code| code as i32),
            Self::WatchPanicked => ExitCode::Panicked as i32,
        }
    }
}

/// The watching thread. Dropping it, when the drain is done, ends the watch.
#[derive(Debug)]
pub struct Watchdog {
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Starts to look at the vitals each `pause`, which is a second outside tests. When something takes too
    /// long, it logs and calls `end` once, from its own thread; `end` is meant not to return.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        vitals: Arc<Vitals>,
        stop: Stop,
        limits: Limits,
        clock: Clock,
        pause: Duration,
        end: impl FnOnce(ExitReason) + Send + 'static,
    ) -> std::io::Result<Self> {
        let done = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&done);
        let mut watch = Watch::new(limits);
        let look = move || {
            while !seen.load(Ordering::Acquire) {
                let mut look = || watch.look(&vitals.workers(), &stop, clock());
                let found = catch_unwind(AssertUnwindSafe(&mut look)).unwrap_or_else(|_| Some(panicked()));
                watch.named.drain(..).for_each(|text| tracing::error!(event = "partition_stalled", "{text}"));
                if let Some(found) = found {
                    tracing::error!(event = found.event(), "{}", found.text);
                    return end(found.reason);
                }
                thread::park_timeout(pause);
            }
        };
        let thread = thread::Builder::new().name("watchdog".to_owned()).spawn(look)?;
        Ok(Self { done, thread: Some(thread) })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Release);
        let Some(thread) = self.thread.take() else { return };
        thread.thread().unpark();
        // `end` may itself drop what holds this watchdog: a thread cannot wait for itself.
        if thread.thread().id() != thread::current().id() && thread.join().is_err() {
            tracing::warn!(event = "watchdog_panicked", "the watchdog had ended with a panic");
        }
    }
}

/// What the thread remembers between two looks.
#[derive(Debug)]
struct Watch {
    limits: Limits,
    drain_since: Option<Duration>,
    /// When it looked last.
    looked: Option<Duration>,
    /// Since when the process has been running without a pause as a whole, as a virtual machine that is
    /// suspended makes one. A step that was cut in two by that is given its time again.
    awake_since: Duration,
    /// The stalls that were named already, by worker.
    stalls: BTreeMap<usize, Stalled>,
    /// What is to be said and does not end the process.
    named: Vec<String>,
}

#[derive(Debug)]
struct Finding {
    reason: ExitReason,
    text: String,
}

impl Finding {
    fn event(&self) -> &'static str {
        match self.reason {
            ExitReason::StuckStep => "worker_stuck",
            ExitReason::DrainOverdue(_) => "drain_overdue",
            ExitReason::WatchPanicked => "watchdog_panicked",
        }
    }
}

fn panicked() -> Finding {
    let text = format!(
        "the watchdog panicked: this is a defect, to be reported with the lines above. The process exits with \
         code {} and is to be started again; nothing committed is lost",
        ExitReason::WatchPanicked.exit_code()
    );
    Finding { reason: ExitReason::WatchPanicked, text }
}

impl Watch {
    fn new(limits: Limits) -> Watch {
        Watch {
            limits,
            drain_since: None,
            looked: None,
            awake_since: Duration::ZERO,
            stalls: BTreeMap::new(),
            named: Vec::new(),
        }
    }

    fn look(&mut self, workers: &[WorkerFacts], stop: &Stop, now: Duration) -> Option<Finding> {
        let looked = self.looked.replace(now).unwrap_or(now);
        if now.saturating_sub(looked) > ASLEEP_AFTER {
            self.awake_since = now;
        }
        workers.iter().for_each(|facts| self.name_stall(facts, now));
        self.stuck(workers, now).or_else(|| self.overdue(workers, stop, now))
    }

    /// Names a partition once for each offset that it stands at.
    fn name_stall(&mut self, facts: &WorkerFacts, now: Duration) {
        let Some(stalled) = &facts.stalled else {
            self.stalls.remove(&facts.worker);
            return;
        };
        let age = now.saturating_sub(stalled.since);
        if age <= self.limits.stall || self.stalls.get(&facts.worker) == Some(stalled) {
            return;
        }
        self.stalls.insert(facts.worker, stalled.clone());
        self.named.push(format!(
            "{}-{} has lag and stands at offset {} for {:.0} s: {}. If the registry and the broker are well, \
             look at the record there; what cannot be read at all keeps its partition",
            stalled.topic,
            stalled.partition,
            stalled.offset,
            age.as_secs_f64(),
            whereabouts(facts, now)
        ));
    }

    fn stuck(&self, workers: &[WorkerFacts], now: Duration) -> Option<Finding> {
        let facts = workers.iter().find(|facts| {
            facts.state != WorkerState::Failed
                && facts.step.must_return_soon()
                && now.saturating_sub(facts.step_since.max(self.awake_since)) > self.limits.step
        })?;
        let text = format!(
            "{}, longer than {:.0} s: the process exits with code {} and is to be started again; nothing \
             committed is lost. If it comes back at the same offset, look at that record and the broker's log",
            whereabouts(facts, now),
            self.limits.step.as_secs_f64(),
            ExitReason::StuckStep.exit_code()
        );
        Some(Finding { reason: ExitReason::StuckStep, text })
    }

    fn overdue(&mut self, workers: &[WorkerFacts], stop: &Stop, now: Duration) -> Option<Finding> {
        if !stop.requested() {
            return None;
        }
        let age = now.saturating_sub(*self.drain_since.get_or_insert(now));
        if age <= self.limits.drain {
            return None;
        }
        let reason = ExitReason::DrainOverdue(stop.failure());
        let places: Vec<String> = workers.iter().map(|facts| whereabouts(facts, now)).collect();
        let text = format!(
            "the drain has taken {:.0} s and is cut off with code {}; what was open is aborted and will be \
             read again. {}",
            age.as_secs_f64(),
            reason.exit_code(),
            places.join("; ")
        );
        Some(Finding { reason, text })
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test that panics has failed")]
mod tests {
    use super::*;
    use crate::runtime::instruments::facts::Step;
    use crate::runtime::instruments::progress::Place;
    use std::sync::mpsc;

    const LIMITS: Limits = Limits {
        step: Duration::from_secs(20),
        drain: Duration::from_secs(60),
        stall: Duration::from_secs(30),
    };

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_step_that_hangs_is_named_with_its_record() {
        let vitals = Vitals::new(2, vec!["clicks".to_owned()], 10_000);
        let worker = vitals.worker(1);
        let mut watch = Watch::new(LIMITS);
        worker.in_hand("clicks", 3, 99);
        worker.step(Step::Committing, at(10));
        assert!(watch.look(&vitals.workers(), &Stop::default(), at(30)).is_none());
        let found = watch.look(&vitals.workers(), &Stop::default(), at(31)).unwrap();
        assert_eq!(found.reason, ExitReason::StuckStep);
        for part in ["worker 1", "`commit transaction` for 21.0 s", "clicks-3 offset 99", "code 70"] {
            assert!(found.text.contains(part), "{part} in {}", found.text);
        }
        worker.step(Step::Opening, at(31));
        assert!(
            watch.look(&vitals.workers(), &Stop::default(), at(900)).is_none(),
            "opening a store may take long"
        );
        worker.step(Step::Polling, at(31));
        drop(worker);
        assert!(
            watch.look(&vitals.workers(), &Stop::default(), at(900)).is_none(),
            "a worker that ended is in no step"
        );
    }

    #[test]
    fn a_step_in_which_the_whole_process_stood_still_is_given_its_time_again() {
        let vitals = Vitals::new(1, Vec::new(), 10_000);
        let worker = vitals.worker(0);
        let mut watch = Watch::new(LIMITS);
        worker.step(Step::Aborting, at(10));
        assert!(watch.look(&vitals.workers(), &Stop::default(), at(12)).is_none());
        assert!(watch.look(&vitals.workers(), &Stop::default(), at(300)).is_none(), "asleep from 12 to 300");
        let looks = |seconds: std::ops::RangeInclusive<u64>, watch: &mut Watch| {
            seconds.filter_map(|second| watch.look(&vitals.workers(), &Stop::default(), at(second))).count()
        };
        assert_eq!(looks(301..=320, &mut watch), 0);
        assert_eq!(looks(321..=321, &mut watch), 1);
    }

    #[test]
    fn a_partition_that_does_not_get_on_is_named_once_for_each_offset() {
        let vitals = Vitals::new(1, vec!["clicks".to_owned()], 10_000);
        let worker = vitals.worker(0);
        let mut watch = Watch::new(LIMITS);
        let mut named_at = Vec::new();
        for second in 1..=90 {
            let committed = if second < 50 { 99 } else { 100 };
            let place = Place { topic: "clicks", partition: 3, committed, lag: 5 };
            worker.places([place], at(second));
            assert!(
                watch.look(&vitals.workers(), &Stop::default(), at(second)).is_none(),
                "the process goes on"
            );
            named_at.extend(watch.named.drain(..).map(|text| (second, text)));
        }
        let seconds: Vec<u64> = named_at.iter().map(|(second, _)| *second).collect();
        assert_eq!(seconds, [32, 81]);
        assert!(
            named_at[0].1.starts_with("clicks-3 has lag and stands at offset 99 for 31 s"),
            "{named_at:?}"
        );
    }

    #[test]
    fn a_watch_that_panics_ends_the_process() {
        let vitals = Vitals::new(1, Vec::new(), 10_000);
        let (say, heard) = mpsc::channel();
        let clock: Clock = Arc::new(|| panic!("a clock that panics"));
        let end = move |reason| say.send(reason).expect("the test listens");
        let watchdog = Watchdog::start(vitals, Stop::default(), LIMITS, clock, at(1), end).unwrap();
        assert_eq!(heard.recv_timeout(at(10)).map(ExitReason::exit_code), Ok(76));
        drop(watchdog);
    }

    #[test]
    fn a_drain_has_a_deadline_of_its_own() {
        let vitals = Vitals::new(1, Vec::new(), 10_000);
        let mut watch = Watch::new(LIMITS);
        assert!(watch.look(&vitals.workers(), &Stop::default(), at(500)).is_none());
        let stop = Stop::default();
        stop.request();
        assert!(watch.look(&vitals.workers(), &stop, at(501)).is_none());
        assert!(watch.look(&vitals.workers(), &stop, at(561)).is_none());
        let found = watch.look(&vitals.workers(), &stop, at(562)).unwrap();
        assert_eq!(found.reason.exit_code(), 75);
        stop.fail(ExitCode::Inconsistent);
        stop.fail(ExitCode::Failed);
        let found = watch.look(&vitals.workers(), &stop, at(563)).unwrap();
        assert_eq!(found.reason.exit_code(), 72, "what has failed first says why the process ends");
        assert!(found.text.contains("cut off with code 72"), "{}", found.text);
    }

    #[test]
    fn the_thread_calls_the_end_once_and_stops() {
        let vitals = Vitals::new(1, Vec::new(), 10_000);
        let worker = vitals.worker(0);
        worker.step(Step::Polling, at(0));
        let (say, heard) = mpsc::channel();
        let clock: Clock = Arc::new(|| at(21));
        let end = move |reason| say.send(reason).expect("the test listens");
        let watchdog = Watchdog::start(vitals, Stop::default(), LIMITS, clock, at(1), end).unwrap();
        assert_eq!(heard.recv_timeout(at(10)), Ok(ExitReason::StuckStep));
        assert!(heard.recv_timeout(at(10)).is_err(), "the sender is gone with the closure");
        drop(watchdog);
    }

    #[test]
    fn a_watch_that_found_nothing_ends_at_once() {
        let clock: Clock = Arc::new(|| at(1));
        let end = |_| panic!("nothing hangs");
        let vitals = Vitals::new(1, Vec::new(), 10_000);
        drop(Watchdog::start(vitals, Stop::default(), LIMITS, clock, at(3600), end).unwrap());
    }
}
