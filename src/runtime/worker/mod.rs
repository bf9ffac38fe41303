//! One worker: one thread, one group member, one transactional producer, and the tasks of the partitions
//! that the group gave it. Nothing in it is shared with other workers.
//!
//! A turn polls, applies, restores, sweeps and commits, each a bounded amount. The commit is the heart:
//! outputs, changelog and input offsets become visible together, and only then does the store hear of it.
//! Kafka first, disk second: the disk may lag, and is caught up from the changelog; it never leads.

mod commit;
mod outputs;
mod rebalance;
mod report;
mod traffic;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use self::outputs::Outputs;
use self::traffic::Traffic;
use crate::codec::reject::{Reject, RejectCode};
use crate::mutant::{Mutant, is_armed};
use crate::runtime::assignment::{Assignment, Work};
use crate::runtime::batch::Batch;
use crate::runtime::broker::{Broker, Output, Partition, Polled, Record};
use crate::runtime::dead_letter::dead_letter;
use crate::runtime::fault::Fault;
use crate::runtime::instruments::Latency;
use crate::runtime::instruments::facts::Step;
use crate::runtime::instruments::vitals::WorkerVitals;
use crate::runtime::intake::{Intake, Taken};
use crate::runtime::plan::{Now, Plan};
use crate::runtime::restore::{Present, task_fault};
use crate::runtime::status::{ChangeKind, status};
use crate::runtime::task::{Applied, SWEEP_MAX, Task};

/// How many records are applied between two looks at everything else.
pub const RECORDS_PER_TURN: usize = 500;
/// How many records are read before the first of them is applied, so that what they need is fetched together. Their
/// outputs are known only then: those of so many may stand in a transaction beyond `commit.bytes_max`.
pub const RECORDS_AHEAD: usize = 32;
/// How long a poll waits when there is nothing to do.
const IDLE_WAIT: Duration = Duration::from_millis(50);

/// A worker over a broker.
pub struct Worker<B> {
    plan: Arc<Plan>,
    broker: B,
    vitals: WorkerVitals,
    assignments: BTreeMap<Partition, Assignment>,
    commands_partitions: i32,
    batch: Batch,
    outputs: Outputs,
    read: Traffic,
    now: Now,
    reported: Duration,
    commits: u64,
    /// Whether the group has ever said which partitions are ours, be it none.
    told: bool,
}

impl<B> Drop for Worker<B> {
    /// Its clients end with it, and whoever waits for that is told what it waits for.
    fn drop(&mut self) {
        self.vitals.step(Step::Leaving, self.now.monotonic);
    }
}

impl<B: Broker> Worker<B> {
    /// A worker that has not been given any partition yet.
    ///
    /// # Errors
    /// When the command topic is missing.
    pub fn new(plan: Arc<Plan>, mut broker: B, vitals: WorkerVitals, now: Now) -> Result<Worker<B>, Fault> {
        let commands = &plan.shared.topics.commands;
        let commands_partitions = if plan.sources.is_empty() { 0 } else { broker.partitions(commands)? };
        Ok(Worker {
            plan,
            broker,
            vitals,
            assignments: BTreeMap::new(),
            commands_partitions,
            batch: Batch::default(),
            outputs: Outputs::default(),
            read: Traffic::default(),
            now,
            reported: now.monotonic,
            commits: 0,
            told: false,
        })
    }

    /// Does a bounded amount of everything there is to do.
    pub fn turn(&mut self, now: Now) -> Result<(), Fault> {
        self.now = now;
        self.batch.turn(now.monotonic);
        self.vitals.turn(now.monotonic);
        self.step(Step::Polling);
        self.poll()?;
        self.step(Step::Restoring);
        self.restore()?;
        self.step(Step::Applying);
        self.sweep()?;
        if self.batch.is_full(&self.plan.commit, now.monotonic) {
            self.commit()?;
        }
        self.report();
        // Only now, so that the report tells who waits.
        self.retry_waiting()
    }

    /// Looks whether another process has this one's name. To be asked after the abort.
    ///
    /// # Errors
    /// `Stop` when one has.
    pub fn look_for_successor(&mut self) -> Result<(), Fault> {
        self.broker.look_for_successor()
    }

    /// How many transactions were committed.
    pub fn commits(&self) -> u64 {
        self.commits
    }

    fn step(&self, step: Step) {
        self.vitals.step(step, self.now.monotonic);
    }

    // ---- Polling ---------------------------------------------------------------------------------------

    fn poll(&mut self) -> Result<(), Fault> {
        let mut wait = self.patience();
        let mut left = RECORDS_PER_TURN;
        let mut ahead = Vec::with_capacity(RECORDS_AHEAD);
        while left > 0 {
            let then = self.read_ahead(wait, left, &mut ahead)?;
            left = left.saturating_sub(ahead.len() + 1);
            self.look_ahead(&ahead);
            ahead.drain(..).try_for_each(|record| self.record(&record))?;
            match then {
                Polled::Nothing => {
                    self.batch.run_dry();
                    return Ok(());
                }
                Polled::Record(record) => self.record(&record)?,
                Polled::Assigned(partitions) => self.assigned(partitions)?,
                Polled::Revoked(partitions) => self.revoked(&partitions)?,
                Polled::Lost(partitions) if is_armed(Mutant::SettleWhatIsLost) => {
                    self.settle_unasked()?;
                    return Err(Fault::restart("assignment_lost", format!("{partitions:?}")));
                }
                Polled::Lost(partitions) => {
                    let names: Vec<String> = partitions.iter().map(ToString::to_string).collect();
                    return Err(Fault::restart("assignment_lost", names.join(", ")));
                }
            }
            if self.batch.is_full(&self.plan.commit, self.now.monotonic) {
                return Ok(());
            }
            wait = Duration::ZERO;
        }
        Ok(())
    }

    /// Reads some records, no more than there is room for in the open transaction, and answers what came after them.
    fn read_ahead(&mut self, wait: Duration, left: usize, ahead: &mut Vec<Record>) -> Result<Polled, Fault> {
        let room = self.plan.commit.records_max.saturating_sub(self.batch.records);
        let last = RECORDS_AHEAD.min(left).min(room).saturating_sub(1);
        let mut polled = self.broker.poll(wait)?;
        while ahead.len() < last
            && let Polled::Record(record) = polled
        {
            ahead.push(record);
            polled = self.broker.poll(Duration::ZERO)?;
        }
        Ok(polled)
    }

    fn look_ahead(&self, records: &[Record]) {
        for run in records.chunk_by(|one, next| one.partition == next.partition) {
            let assignment = run.first().and_then(|record| self.assignments.get(&record.partition));
            if let Some(Assignment { work: Work::Running { task, .. }, .. }) = assignment {
                task.look_ahead(run);
            }
        }
    }

    /// How long the first poll of a turn may wait: until the open transaction is due, and not at all while
    /// there is other work.
    fn patience(&self) -> Duration {
        let busy = self.assignments.values().any(|assignment| {
            matches!(assignment.work, Work::Restoring(_) | Work::Running { sweeping: true, .. })
        });
        match self.batch.opened {
            _ if busy => Duration::ZERO,
            Some(opened) => {
                let due = opened + Duration::from_millis(self.plan.commit.age_ms_max);
                due.saturating_sub(self.now.monotonic).min(IDLE_WAIT)
            }
            None => IDLE_WAIT,
        }
    }

    fn record(&mut self, record: &Record) -> Result<(), Fault> {
        let Some(assignment) = self.assignments.get_mut(&record.partition) else { return Ok(()) };
        if !assignment.expects(record) {
            return Ok(());
        }
        if self.plan.stretch.is_over(&record.partition, record.offset) {
            return self.broker.hold(&record.partition, record.offset);
        }
        self.vitals.in_hand(&record.partition.topic, record.partition.number, record.offset);
        let used = match &mut assignment.work {
            Work::Intake { intake, next, waiting } => {
                let taken =
                    take(&self.plan, intake, record, self.commands_partitions, &mut self.outputs.held);
                match taken {
                    true => *next = record.offset + if is_armed(Mutant::TakeTheLastAgain) { 0 } else { 1 },
                    false => *waiting = true,
                }
                taken
            }
            Work::Running { task, sweeping } => {
                let timed = self.batch.is_timed().then_some(self.now);
                let applied = apply(&self.plan, task, record, timed, &mut self.outputs.held)?;
                *sweeping |= !applied;
                applied
            }
            Work::Restoring(_) => false,
        };
        if !used {
            return self.broker.hold(&record.partition, record.offset);
        }
        assignment.last_timestamp = Some(record.timestamp);
        self.batch.open(self.now.monotonic);
        self.read.count(&record.partition.topic);
        self.batch.count_input(record);
        self.outputs.send_many(&mut self.broker, &mut self.batch)
    }

    // ---- Other work of a turn --------------------------------------------------------------------------

    fn restore(&mut self) -> Result<(), Fault> {
        let mut restored = Vec::new();
        for (partition, assignment) in &mut self.assignments {
            if let Work::Restoring(restore) = &mut assignment.work
                && restore.step(&self.plan, self.now)?
            {
                restored.push(partition.clone());
            }
        }
        if restored.is_empty() {
            return Ok(());
        }
        // Asked once for all of them, before any is read: behind a fetch an answer waits.
        let present = self.present(&restored)?;
        for (partition, present) in restored.into_iter().zip(present) {
            let Some(Assignment { work: Work::Restoring(restore), committed, first, .. }) =
                self.assignments.remove(&partition)
            else {
                continue;
            };
            let task = Box::new(restore.finish(&self.plan, present, self.now)?);
            if committed.is_none() {
                // Where a first start began is committed even if no record ever comes.
                self.batch.open(self.now.monotonic);
            }
            let work = Work::Running { task, sweeping: false };
            let assignment = Assignment { work, committed, first, last_timestamp: None };
            self.assignments.insert(partition.clone(), assignment);
            self.broker.resume(&partition)?;
        }
        Ok(())
    }

    fn present(&mut self, inputs: &[Partition]) -> Result<Vec<Present>, Fault> {
        let topic = &self.plan.shared.topics.changelog;
        let changelogs = inputs.iter().map(|input| Partition::new(Arc::clone(topic), input.number));
        let asked: Vec<Partition> = inputs.iter().cloned().chain(changelogs).collect();
        let mut bounds = self.broker.bounds(&asked)?;
        let of_changelogs = bounds.split_off(inputs.len());
        let both = bounds.into_iter().zip(of_changelogs);
        Ok(both
            .map(|(input, changelog)| Present { committed: input.committed, changelog_high: changelog.high })
            .collect())
    }

    fn retry_waiting(&mut self) -> Result<(), Fault> {
        for (partition, assignment) in &mut self.assignments {
            if let Work::Intake { waiting, .. } = &mut assignment.work
                && *waiting
            {
                *waiting = false;
                self.broker.resume(partition)?;
            }
        }
        Ok(())
    }

    fn sweep(&mut self) -> Result<(), Fault> {
        for (partition, assignment) in &mut self.assignments {
            let Work::Running { task, sweeping } = &mut assignment.work else { continue };
            let number = partition.number;
            let settled =
                task.sweep(SWEEP_MAX, &mut self.outputs.held).map_err(|error| task_fault(number, &error))?;
            if settled > 0 {
                self.batch.open(self.now.monotonic);
                self.batch.records += settled;
            }
            if *sweeping && settled < SWEEP_MAX {
                *sweeping = false;
                self.broker.resume(partition)?;
            }
        }
        self.outputs.send_many(&mut self.broker, &mut self.batch)
    }
}

/// Turns a source's record into commands. False if it must be handed in again later.
fn take(plan: &Plan, intake: &Intake, record: &Record, partitions: i32, outputs: &mut Vec<Output>) -> bool {
    let topics = &plan.shared.topics;
    match intake.take(record, &topics.commands, partitions, outputs) {
        Taken::Sent | Taken::Silent => true,
        Taken::Broadcast(fingerprint) => {
            let kind = intake.changes();
            outputs.extend(kind.map(|kind| status(&topics.status, kind, record, Ok(fingerprint))));
            true
        }
        Taken::Rejected(reject) => {
            if let Some(kind) = intake.changes() {
                tell_refused(record, &reject);
                outputs.push(status(&topics.status, kind, record, Err(&reject)));
            }
            plan.instruments.dead_letter(reject.code.as_str());
            let times = match () {
                () if is_armed(Mutant::DropDeadLetters) => 0,
                () if is_armed(Mutant::DoubleDeadLetters) => 2,
                () => 1,
            };
            let letter = dead_letter(&topics.dead_letters, record, &reject);
            outputs.extend(std::iter::repeat_n(letter, times));
            true
        }
        Taken::Waiting => false,
    }
}

/// Whoever has changed content, definitions or site shares looks into the log, or on the status topic, for what became
/// of it. What stood before stays in force.
fn tell_refused(record: &Record, reject: &Reject) {
    let Record { partition, offset, .. } = record;
    let (code, message) = (reject.code.as_str(), &*reject.message);
    tracing::warn!(event = "change_refused", %partition, offset, code, message, "a change was refused");
}

/// Applies an input record to the state, and reports how long it took to get there where a time is given. False
/// if it must be handed in again later.
fn apply(
    plan: &Plan,
    task: &mut Task,
    record: &Record,
    now: Option<Now>,
    outputs: &mut Vec<Output>,
) -> Result<bool, Fault> {
    let instruments = &plan.instruments;
    match task.apply(record, outputs).map_err(|error| task_fault(record.partition.number, &error))? {
        Applied::SweepFirst => return Ok(false),
        Applied::Changed(times) | Applied::Answered(times) => {
            if let Some(now) = now {
                instruments.latency(Latency::ReceivedToApplied, now.seconds_since(times.received_at));
                instruments.latency(Latency::AppendedToApplied, now.seconds_since(record.timestamp));
            }
        }
        Applied::Duplicate { source, conflicting } => instruments.duplicate(&source, conflicting),
        Applied::Knowledge => instruments.site_shares(task.site_shares()),
        Applied::Rejected(reject) => {
            if reject.code == RejectCode::InvalidDefinitions {
                tell_refused(record, &reject);
                let topic = &plan.shared.topics.status;
                outputs.push(status(topic, ChangeKind::Definitions, record, Err(&reject)));
            }
            instruments.dead_letter(reject.code.as_str());
            outputs.push(dead_letter(&plan.shared.topics.dead_letters, record, &reject));
        }
    }
    Ok(true)
}
