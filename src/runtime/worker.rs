//! One worker: one thread, one group member, one transactional producer, and the tasks of the partitions
//! that the group gave it. Nothing in it is shared with other workers.
//!
//! A turn polls, applies, restores, sweeps and commits, each a bounded amount. The commit is the heart:
//! outputs, changelog and input offsets become visible together, and only then does the store hear of it.
//! Kafka first, disk second: the disk may lag, and is caught up from the changelog; it never leads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::assignment::{Assignment, Work};
use super::batch::Batch;
use super::broker::{Bounds, Broker, Output, Partition, Polled, Record};
use super::fault::{ExitCode, Fault};
use super::instruments::Latency;
use super::instruments::facts::{Dependency, Step, WorkerState};
use super::instruments::vitals::WorkerVitals;
use super::intake::Taken;
use super::plan::{Now, Plan};
use super::restore::{Restore, store_fault, task_fault};
use super::task::{Applied, SWEEP_MAX, Task, dead_letter};
use crate::config::Start;

/// How many records are applied between two looks at everything else.
const RECORDS_PER_TURN: usize = 500;
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
    outputs: Vec<Output>,
    now: Now,
    reported: Duration,
    commits: u64,
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
            outputs: Vec::new(),
            now,
            reported: now.monotonic,
            commits: 0,
        })
    }

    /// Does a bounded amount of everything there is to do.
    pub fn turn(&mut self, now: Now) -> Result<(), Fault> {
        self.now = now;
        self.vitals.turn(now.monotonic);
        self.step(Step::Polling);
        self.poll()?;
        self.step(Step::Restoring);
        self.restore()?;
        self.step(Step::Applying);
        self.retry_waiting()?;
        self.sweep()?;
        if self.batch.is_full(&self.plan.commit, now.monotonic) {
            self.commit()?;
        }
        self.report();
        Ok(())
    }

    /// Commits what is open. To be called before the worker ends.
    pub fn drain(&mut self, now: Now) -> Result<(), Fault> {
        self.now = now;
        if self.batch.opened.is_some() { self.commit() } else { Ok(()) }
    }

    /// Gives up what is open. The worker is of no use afterwards.
    pub fn abort(&mut self) {
        self.step(Step::Aborting);
        self.broker.abort();
    }

    /// How many transactions were committed.
    pub fn commits(&self) -> u64 {
        self.commits
    }

    /// The tasks that are running.
    pub fn tasks(&mut self) -> impl Iterator<Item = &mut Task> {
        self.assignments.values_mut().filter_map(|assignment| match &mut assignment.work {
            Work::Running { task, .. } => Some(&mut **task),
            Work::Intake { .. } | Work::Restoring(_) => None,
        })
    }

    fn step(&self, step: Step) {
        self.vitals.step(step, self.now.monotonic);
    }

    // ---- Polling ---------------------------------------------------------------------------------------

    fn poll(&mut self) -> Result<(), Fault> {
        let mut wait = self.patience();
        for _ in 0..RECORDS_PER_TURN {
            match self.broker.poll(wait)? {
                Polled::Nothing => return Ok(()),
                Polled::Record(record) => self.record(&record)?,
                Polled::Assigned(partitions) => self.assigned(partitions)?,
                Polled::Revoked(partitions) => self.revoked(&partitions)?,
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
        self.vitals.in_hand(&record.partition.topic, record.partition.number, record.offset);
        self.batch.open(self.now.monotonic);
        let used = match &mut assignment.work {
            Work::Intake { .. } => self.take(record)?,
            Work::Running { .. } => self.apply(record)?,
            Work::Restoring(_) => false,
        };
        if !used {
            return self.broker.hold(&record.partition, record.offset);
        }
        if let Some(assignment) = self.assignments.get_mut(&record.partition) {
            assignment.last_timestamp = Some(record.timestamp);
        }
        self.plan.instruments.records_in(&record.partition.topic, 1);
        self.batch.count_input(record);
        self.send_outputs()
    }

    /// Turns a source's record into commands. False if it must be handed in again later.
    fn take(&mut self, record: &Record) -> Result<bool, Fault> {
        let Some(Assignment { work: Work::Intake { intake, next, waiting }, .. }) =
            self.assignments.get_mut(&record.partition)
        else {
            return Ok(false);
        };
        let topics = &self.plan.shared.topics;
        match intake.take(record, &topics.commands, self.commands_partitions, &mut self.outputs) {
            Taken::Sent => {}
            Taken::Rejected(reject) => {
                self.plan.instruments.dead_letter(reject.code.as_str());
                self.outputs.push(dead_letter(&topics.dead_letters, record, &reject));
            }
            Taken::Waiting => {
                *waiting = true;
                return Ok(false);
            }
        }
        *next = record.offset + 1;
        Ok(true)
    }

    /// Applies an input record to the state. False if it must be handed in again later.
    fn apply(&mut self, record: &Record) -> Result<bool, Fault> {
        let Some(Assignment { work: Work::Running { task, sweeping }, .. }) =
            self.assignments.get_mut(&record.partition)
        else {
            return Ok(false);
        };
        let number = record.partition.number;
        let applied = task.apply(record, &mut self.outputs).map_err(|error| task_fault(number, &error))?;
        let instruments = &self.plan.instruments;
        match applied {
            Applied::SweepFirst => {
                *sweeping = true;
                return Ok(false);
            }
            Applied::Changed(times) | Applied::Answered(times) => {
                let now = self.now;
                instruments.latency(Latency::ReceivedToApplied, now.seconds_since(times.received_at));
                instruments.latency(Latency::AppendedToApplied, now.seconds_since(record.timestamp));
            }
            Applied::Duplicate(source) => instruments.duplicate(&source),
            Applied::Knowledge => {}
            Applied::Rejected(reject) => {
                instruments.dead_letter(reject.code.as_str());
                let topic = &self.plan.shared.topics.dead_letters;
                self.outputs.push(dead_letter(topic, record, &reject));
            }
        }
        Ok(true)
    }

    fn send_outputs(&mut self) -> Result<(), Fault> {
        for output in self.outputs.drain(..) {
            self.batch.count_output(&output);
            self.plan.instruments.records_out(&output.topic, 1);
            self.broker.send(output)?;
        }
        Ok(())
    }

    // ---- Rebalances ------------------------------------------------------------------------------------

    fn assigned(&mut self, partitions: Vec<Partition>) -> Result<(), Fault> {
        self.step(Step::Rebalancing);
        let bounds = self.broker.bounds(&partitions)?;
        let mut admitted = Vec::with_capacity(partitions.len());
        for (partition, bounds) in partitions.into_iter().zip(bounds) {
            let next = self.begin(&partition, bounds)?;
            tracing::info!(event = "partition_assigned", %partition, next, "a partition was assigned");
            admitted.push((partition, next));
        }
        self.broker.admit(&admitted)?;
        for (partition, _) in &admitted {
            let assignment = self.assignments.get(partition);
            if assignment.is_some_and(|assignment| matches!(assignment.work, Work::Intake { .. })) {
                self.broker.resume(partition)?;
            }
        }
        Ok(())
    }

    /// Begins the work on a partition. Answers the offset to read first.
    fn begin(&mut self, partition: &Partition, bounds: Bounds) -> Result<i64, Fault> {
        let source = self.plan.sources.get(&partition.topic);
        let start = source.map_or(self.plan.input_start, |(_, start)| *start);
        let next = first_offset(partition, bounds, start)?;
        let work = match source {
            Some((intake, _)) => Work::Intake { intake: intake.clone(), next, waiting: false },
            None => {
                self.step(Step::Opening);
                let number = partition.number;
                let committed = bounds.committed;
                let broker = &mut self.broker;
                let restore = Restore::begin(&self.plan, broker, number, committed, next, self.now)?;
                Work::Restoring(Box::new(restore))
            }
        };
        // Where a first start began is committed too: else a restart before the first record would choose
        // again, and `latest` would choose otherwise.
        if bounds.committed.is_none() {
            self.batch.open(self.now.monotonic);
        }
        let assignment = Assignment { work, committed: bounds.committed, last_timestamp: None };
        self.assignments.insert(partition.clone(), assignment);
        Ok(next)
    }

    fn revoked(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        if self.batch.opened.is_some() {
            self.commit()?;
        }
        self.step(Step::Rebalancing);
        for partition in partitions {
            self.assignments.remove(partition);
            self.plan.instruments.forget(&partition.topic, partition.number);
            if partition.topic == self.plan.input {
                self.plan.instruments.forget_store(partition.number);
            }
            tracing::info!(event = "partition_revoked", %partition, "a partition was given back");
        }
        self.broker.release(partitions)
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
        for partition in restored {
            let Some(Assignment { work: Work::Restoring(restore), committed, .. }) =
                self.assignments.remove(&partition)
            else {
                continue;
            };
            let task = Box::new(restore.finish(&self.plan, self.now)?);
            let work = Work::Running { task, sweeping: false };
            let assignment = Assignment { work, committed, last_timestamp: None };
            self.assignments.insert(partition.clone(), assignment);
            self.broker.resume(&partition)?;
        }
        Ok(())
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
                task.sweep(SWEEP_MAX, &mut self.outputs).map_err(|error| task_fault(number, &error))?;
            if settled > 0 {
                self.batch.open(self.now.monotonic);
                self.batch.records += settled;
            }
            if *sweeping && settled < SWEEP_MAX {
                *sweeping = false;
                self.broker.resume(partition)?;
            }
        }
        self.send_outputs()
    }

    // ---- The commit ------------------------------------------------------------------------------------

    fn commit(&mut self) -> Result<(), Fault> {
        self.step(Step::Sending);
        for assignment in self.assignments.values_mut() {
            let moved = assignment.moved().is_some();
            if let Work::Running { task, .. } = &mut assignment.work {
                task.flush(moved, &mut self.outputs);
            }
        }
        self.send_outputs()?;
        self.step(Step::Committing);
        let moved = self.assignments.iter();
        let offsets: Vec<(Partition, i64)> = moved
            .filter_map(|(partition, assignment)| Some((partition.clone(), assignment.moved()?)))
            .collect();
        let changelog_next: BTreeMap<i32, i64> = self.broker.commit(&offsets)?.into_iter().collect();
        self.step(Step::Absorbing);
        for (partition, assignment) in &mut self.assignments {
            assignment.committed = assignment.next().or(assignment.committed);
            let Work::Running { task, .. } = &mut assignment.work else { continue };
            let number = partition.number;
            match changelog_next.get(&number) {
                Some(next) => task.settle(*next).map_err(|error| store_fault(number, &error))?,
                None if task.is_flushed() => {
                    let text = format!("no delivery report named the changelog of {partition}: a defect");
                    return Err(Fault::stop(ExitCode::Failed, text));
                }
                None => {}
            }
        }
        self.committed();
        Ok(())
    }

    fn committed(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        let open = batch.opened.map_or(Duration::ZERO, |opened| self.now.monotonic.saturating_sub(opened));
        self.plan.instruments.committed(batch.records as u64, open);
        for appended in batch.appended {
            self.plan.instruments.latency(Latency::AppendedToCommitted, self.now.seconds_since(appended));
        }
        self.commits += 1;
        self.vitals.committed(self.now.monotonic);
    }

    // ---- Reports ---------------------------------------------------------------------------------------

    fn report(&mut self) {
        let mut state = WorkerState::Running;
        let mut lagging = false;
        let thorough = self.now.monotonic.saturating_sub(self.reported) >= Duration::from_secs(1);
        for (partition, assignment) in &self.assignments {
            match &assignment.work {
                Work::Restoring(_) => state = WorkerState::Restoring,
                Work::Intake { waiting: true, .. } => state = WorkerState::WaitingFor(Dependency::Registry),
                Work::Intake { .. } | Work::Running { .. } => {}
            }
            let Some(next) = assignment.next() else { continue };
            let lag = self.broker.lag(partition, next);
            lagging |= lag > 0;
            if thorough {
                let behind = assignment.last_timestamp.filter(|_| lag > 0);
                let seconds = behind.map_or(0.0, |timestamp| self.now.seconds_since(timestamp));
                self.plan.instruments.lag(&partition.topic, partition.number, lag, seconds);
            }
        }
        if thorough {
            self.reported = self.now.monotonic;
        }
        self.vitals.state(state, self.now.monotonic);
        self.vitals.lag(lagging, self.now.monotonic);
    }
}

/// Where reading begins: at the committed offset, or where the first start is told to.
fn first_offset(partition: &Partition, bounds: Bounds, start: Start) -> Result<i64, Fault> {
    let Bounds { low, high, committed } = bounds;
    match committed {
        None if start == Start::Earliest => Ok(low),
        None => Ok(high),
        Some(committed) if (low..=high).contains(&committed) => Ok(committed),
        Some(committed) => Err(Fault::stop(
            ExitCode::Inconsistent,
            format!(
                "{partition} holds offsets {low} to {high}, but the group has committed {committed}: records \
                 are gone, or the topic was recreated. Decide where to go on and set the group's offset there"
            ),
        )),
    }
}
