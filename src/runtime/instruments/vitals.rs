//! What is known about each worker's life: its state, its last turn, the step it is in, what it holds.
//!
//! Workers write, one thread each; probes and the watchdog read. Everything is an atomic, so that a worker
//! which hangs cannot make the reader hang with it, and writing costs a worker next to nothing. A reader may
//! see a partition and an offset of two moments: they are for people, no decision rests on the pair.
//! It reads no clock: `now` is always the monotonic time since the process started, given by the caller.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicI64, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed,
};
use std::time::Duration;

use super::facts::{InHand, Step, WorkerFacts, WorkerState};
use super::progress::{Place, Progress, Stalled};
use super::readiness;

/// The shared facts of all workers of one process.
#[derive(Debug)]
pub struct Vitals {
    topics: Vec<String>,
    ready_commit_age_max: Duration,
    cells: Vec<Arc<Cells>>,
}

impl Vitals {
    /// Facts for `workers` workers, all `Starting`, which may hold records of `topics`.
    ///
    /// `ready_commit_ms_max` is how many milliseconds may pass without a commit while there is lag before
    /// the process stops being ready; 10,000 is the usual value.
    pub fn new(workers: usize, topics: Vec<String>, ready_commit_ms_max: u64) -> Arc<Self> {
        Arc::new(Self {
            topics,
            ready_commit_age_max: Duration::from_millis(ready_commit_ms_max),
            cells: (0..workers).map(|_| Arc::new(Cells::default())).collect(),
        })
    }

    /// The handle with which worker `index`, counted from 0, reports. A restarted worker takes a new
    /// one after the old one is gone.
    ///
    /// # Panics
    /// When `index` is not below the number of workers.
    pub fn worker(self: &Arc<Self>, index: usize) -> WorkerVitals {
        let cells = self.cells.get(index).expect("a worker's index is below the number of workers");
        WorkerVitals { vitals: Arc::clone(self), cells: Arc::clone(cells), progress: RefCell::default() }
    }

    /// Whether every worker's loop turns; if not, which does not, and where it is.
    pub fn live(&self, now: Duration) -> Result<(), String> {
        readiness::live(&self.workers(), now)
    }

    /// Whether every worker does its job: assigned or idle, restored, and committing while there is lag.
    pub fn ready(&self, now: Duration) -> Result<(), String> {
        readiness::ready(&self.workers(), self.ready_commit_age_max, now)
    }

    /// Whether every worker has come as far as joining its group, once in this process's life.
    pub fn started(&self) -> Result<(), String> {
        readiness::started(&self.workers())
    }

    fn topic(&self, name: &str) -> usize {
        self.topics.iter().position(|known| known == name).unwrap_or(UNKNOWN_TOPIC)
    }

    /// All facts as they are now, in the order of workers.
    pub fn workers(&self) -> Vec<WorkerFacts> {
        self.cells.iter().enumerate().map(|(worker, cells)| cells.read(worker, &self.topics)).collect()
    }
}

/// One worker's handle on its facts, which lives as long as the worker does.
///
/// Dropped in any state but `Stopping`, by a panic or an early return, it leaves the worker `Failed`, so that
/// a dead worker can never look ready.
#[derive(Debug)]
pub struct WorkerVitals {
    vitals: Arc<Vitals>,
    cells: Arc<Cells>,
    progress: RefCell<Progress>,
}

impl WorkerVitals {
    /// Reports a state; saying the same again changes nothing.
    pub fn state(&self, state: WorkerState, now: Duration) {
        let code = position(&WorkerState::ALL, state);
        if self.cells.state.swap(code, Relaxed) != code {
            self.cells.state_since_ms.store(millis(now), Relaxed);
        }
        if !matches!(state, WorkerState::Starting | WorkerState::Failed) {
            self.cells.started.store(true, Relaxed);
        }
    }

    /// Reports that a turn of the loop begins; it also ends the step.
    pub fn turn(&self, now: Duration) {
        self.cells.turns.fetch_add(1, Relaxed);
        self.cells.last_turn_ms.store(millis(now), Relaxed);
        self.step(Step::Turning, now);
    }

    /// Reports that a step begins, and so that the one before has ended.
    pub fn step(&self, step: Step, now: Duration) {
        self.cells.step_since_ms.store(millis(now), Relaxed);
        self.cells.step.store(position(&Step::ALL, step), Relaxed);
    }

    /// Reports what the worker holds.
    pub fn in_hand(&self, topic: &str, partition: i32, offset: i64) {
        self.cells.topic.store(self.vitals.topic(topic), Relaxed);
        self.cells.partition.store(partition, Relaxed);
        self.cells.offset.store(offset, Relaxed);
    }

    /// Reports a commit.
    pub fn committed(&self, now: Duration) {
        self.cells.last_commit_ms.store(millis(now), Relaxed);
    }

    /// Reports whether any of the worker's partitions has records that wait.
    pub fn lag(&self, lagging: bool, now: Duration) {
        if !lagging {
            self.cells.lag_since_ms.store(NEVER, Relaxed);
        } else if self.cells.lag_since_ms.load(Relaxed) == NEVER {
            self.cells.lag_since_ms.store(millis(now), Relaxed);
        }
    }
}

impl WorkerVitals {
    /// Reports where all of the worker's partitions stand. To be said each turn, so that a partition which
    /// does not get on is known by its name.
    pub fn places<'p>(&self, places: impl IntoIterator<Item = Place<'p>>, now: Duration) {
        let worst = self.progress.borrow_mut().note(places, now);
        let Some(worst) = worst else {
            self.cells.stalled_since_ms.store(NEVER, Relaxed);
            return;
        };
        self.cells.stalled_topic.store(self.vitals.topic(&worst.topic), Relaxed);
        self.cells.stalled_partition.store(worst.partition, Relaxed);
        self.cells.stalled_offset.store(worst.offset, Relaxed);
        self.cells.stalled_since_ms.store(millis(worst.since), Relaxed);
    }
}

impl Drop for WorkerVitals {
    fn drop(&mut self) {
        self.cells.step.store(position(&Step::ALL, Step::Turning), Relaxed);
        // The next worker in this place reports its partitions itself.
        self.cells.stalled_since_ms.store(NEVER, Relaxed);
        let stopping = position(&WorkerState::ALL, WorkerState::Stopping);
        if std::thread::panicking() || self.cells.state.load(Relaxed) != stopping {
            self.cells.state.store(position(&WorkerState::ALL, WorkerState::Failed), Relaxed);
        }
    }
}

/// No topic has been reported yet.
const NO_TOPIC: usize = usize::MAX;
/// A topic that was not named at the start.
const UNKNOWN_TOPIC: usize = usize::MAX - 1;
/// It has not happened yet.
const NEVER: u64 = u64::MAX;

#[derive(Debug)]
struct Cells {
    state: AtomicU8,
    state_since_ms: AtomicU64,
    started: AtomicBool,
    turns: AtomicU64,
    last_turn_ms: AtomicU64,
    step: AtomicU8,
    step_since_ms: AtomicU64,
    topic: AtomicUsize,
    partition: AtomicI32,
    offset: AtomicI64,
    last_commit_ms: AtomicU64,
    lag_since_ms: AtomicU64,
    stalled_topic: AtomicUsize,
    stalled_partition: AtomicI32,
    stalled_offset: AtomicI64,
    stalled_since_ms: AtomicU64,
}

impl Default for Cells {
    fn default() -> Self {
        Self {
            state: AtomicU8::new(0),
            state_since_ms: AtomicU64::new(0),
            started: AtomicBool::new(false),
            turns: AtomicU64::new(0),
            last_turn_ms: AtomicU64::new(0),
            step: AtomicU8::new(0),
            step_since_ms: AtomicU64::new(0),
            topic: AtomicUsize::new(NO_TOPIC),
            partition: AtomicI32::new(0),
            offset: AtomicI64::new(0),
            last_commit_ms: AtomicU64::new(NEVER),
            lag_since_ms: AtomicU64::new(NEVER),
            stalled_topic: AtomicUsize::new(NO_TOPIC),
            stalled_partition: AtomicI32::new(0),
            stalled_offset: AtomicI64::new(0),
            stalled_since_ms: AtomicU64::new(NEVER),
        }
    }
}

impl Cells {
    fn read(&self, worker: usize, topics: &[String]) -> WorkerFacts {
        let topic = self.topic.load(Relaxed);
        let named = |index: usize| topics.get(index).cloned().unwrap_or_else(|| "?".to_owned());
        let in_hand = (topic != NO_TOPIC).then(|| InHand {
            topic: named(topic),
            partition: self.partition.load(Relaxed),
            offset: self.offset.load(Relaxed),
        });
        WorkerFacts {
            worker,
            state: at(&WorkerState::ALL, self.state.load(Relaxed)),
            state_since: Duration::from_millis(self.state_since_ms.load(Relaxed)),
            started: self.started.load(Relaxed),
            turns: self.turns.load(Relaxed),
            last_turn: Duration::from_millis(self.last_turn_ms.load(Relaxed)),
            step: at(&Step::ALL, self.step.load(Relaxed)),
            step_since: Duration::from_millis(self.step_since_ms.load(Relaxed)),
            in_hand,
            last_commit: moment(self.last_commit_ms.load(Relaxed)),
            lag_since: moment(self.lag_since_ms.load(Relaxed)),
            stalled: moment(self.stalled_since_ms.load(Relaxed)).map(|since| Stalled {
                topic: named(self.stalled_topic.load(Relaxed)),
                partition: self.stalled_partition.load(Relaxed),
                offset: self.stalled_offset.load(Relaxed),
                since,
            }),
        }
    }
}

fn position<T: PartialEq>(all: &[T], one: T) -> u8 {
    let index = all.iter().position(|known| *known == one).expect("the table holds every value");
    u8::try_from(index).expect("the table is shorter than 256")
}

fn at<T: Copy>(all: &[T], code: u8) -> T {
    *all.get(usize::from(code)).expect("only positions in the table are stored")
}

fn millis(now: Duration) -> u64 {
    u64::try_from(now.as_millis()).unwrap_or(NEVER - 1)
}

fn moment(millis: u64) -> Option<Duration> {
    (millis != NEVER).then(|| Duration::from_millis(millis))
}
