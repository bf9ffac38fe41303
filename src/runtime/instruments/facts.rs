//! One worker's facts at one moment, in plain values: what probes, the watchdog and metrics are told.
//!
//! States and steps are closed lists, so that they fit an atomic and a metric's label. Nothing here is shared
//! or changes by itself: `vitals` keeps what workers report, `readiness` judges it.

use std::time::Duration;

use super::progress::Stalled;

/// What a worker is doing with its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerState {
    /// Opening stores and joining the group.
    Starting,
    /// Joined, and the group has not answered yet. A worker that was given nothing is `Running`, idle.
    WaitingForAssignment,
    /// Reading its changelog.
    Restoring,
    /// Doing its job.
    Running,
    /// Not able to go on until something outside is back.
    WaitingFor(Dependency),
    /// Draining after a stop was asked for, or stopped.
    Stopping,
    /// Ended by a fault or a panic.
    Failed,
}

impl WorkerState {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Starting,
        Self::WaitingForAssignment,
        Self::Restoring,
        Self::Running,
        Self::WaitingFor(Dependency::Broker),
        Self::WaitingFor(Dependency::Registry),
        Self::WaitingFor(Dependency::Disk),
        Self::Stopping,
        Self::Failed,
    ];

    /// The state's name on metrics and in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::WaitingForAssignment => "waiting_for_assignment",
            Self::Restoring => "restoring",
            Self::Running => "running",
            Self::WaitingFor(Dependency::Broker) => "waiting_for_broker",
            Self::WaitingFor(Dependency::Registry) => "waiting_for_registry",
            Self::WaitingFor(Dependency::Disk) => "waiting_for_disk",
            Self::Stopping => "stopping",
            Self::Failed => "failed",
        }
    }
}

/// What a worker may have to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependency {
    /// The Kafka cluster.
    Broker,
    /// The schema registry.
    Registry,
    /// Space on, or an answer from, the disk of the stores.
    Disk,
}

/// What a worker's thread is in at this moment. All but the first two are expected to return soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing that blocks.
    Turning,
    /// Opening a store, which may take minutes after a kill.
    Opening,
    /// Asking the consumer for records.
    Polling,
    /// Decoding and reacting.
    Applying,
    /// Handing records to the producer.
    Sending,
    /// Initialising a producer, or beginning a transaction.
    Beginning,
    /// Committing a transaction.
    Committing,
    /// Aborting a transaction.
    Aborting,
    /// Writing committed changes to the store.
    Absorbing,
    /// Reading a piece of the changelog.
    Restoring,
    /// Taking or giving back partitions.
    Rebalancing,
    /// Asking the broker for offsets or metadata.
    Asking,
    /// Making clients, and joining the group.
    Connecting,
    /// Ending its clients, and leaving the group.
    Leaving,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 14] = [
        Self::Turning,
        Self::Opening,
        Self::Polling,
        Self::Applying,
        Self::Sending,
        Self::Beginning,
        Self::Committing,
        Self::Aborting,
        Self::Absorbing,
        Self::Restoring,
        Self::Rebalancing,
        Self::Asking,
        Self::Connecting,
        Self::Leaving,
    ];

    /// The step's name in logs and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Turning => "turn",
            Self::Opening => "open store",
            Self::Polling => "poll",
            Self::Applying => "apply",
            Self::Sending => "send",
            Self::Beginning => "begin transaction",
            Self::Committing => "commit transaction",
            Self::Aborting => "abort transaction",
            Self::Absorbing => "absorb",
            Self::Restoring => "restore",
            Self::Rebalancing => "rebalance",
            Self::Asking => "ask broker",
            Self::Connecting => "connect",
            Self::Leaving => "leave",
        }
    }

    /// Whether staying in it for long means that the thread hangs.
    pub fn must_return_soon(self) -> bool {
        !matches!(self, Self::Turning | Self::Opening)
    }
}

/// One worker's facts at one moment. Times are since the start of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerFacts {
    /// The worker's index, from 0.
    pub worker: usize,
    /// Its state.
    pub state: WorkerState,
    /// When it entered that state.
    pub state_since: Duration,
    /// Whether it has ever come past `Starting`.
    pub started: bool,
    /// How many turns its loop has made.
    pub turns: u64,
    /// When its last turn began; zero before the first.
    pub last_turn: Duration,
    /// The step that it is in.
    pub step: Step,
    /// When it entered that step.
    pub step_since: Duration,
    /// What it holds, or held last.
    pub in_hand: Option<InHand>,
    /// When it committed last.
    pub last_commit: Option<Duration>,
    /// Since when there has been lag on its partitions; none when it has caught up.
    pub lag_since: Option<Duration>,
    /// Of its partitions with lag, the one that has not got on for longest.
    pub stalled: Option<Stalled>,
}

/// A place in a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InHand {
    /// The topic's name; `?` for one that was not named to [`super::vitals::Vitals::new`].
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}
