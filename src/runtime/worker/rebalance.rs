//! Taking and giving back partitions. The group waits for the answer, so a worker commits first what it holds
//! and only then gives back: the next owner finds everything committed.

use super::{Step, Worker};
use crate::config::Start;
use crate::mutant::{Mutant, is_armed};
use crate::runtime::assignment::{Assignment, Work};
use crate::runtime::broker::{Bounds, Broker, Partition};
use crate::runtime::fault::{ExitCode, Fault};
use crate::runtime::restore::Restore;

impl<B: Broker> Worker<B> {
    pub(super) fn assigned(&mut self, partitions: Vec<Partition>) -> Result<(), Fault> {
        self.told = true;
        // Opening stores takes a while, and an open transaction has a time limit.
        if self.batch.opened.is_some() {
            self.commit()?;
        }
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
        if source.is_none() && partition.topic != self.plan.input {
            // A static member that comes back with other topics is given its old partitions until the group
            // rebalances. They are taken, since the group wants an answer, and not read.
            return Ok(bounds.low);
        }
        let start = source.map_or(self.plan.input_start, |(_, start)| *start);
        let next = first_offset(partition, bounds, start, self.plan.stretch.first(partition))?;
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
        let assignment = Assignment { work, committed: bounds.committed, first: next, last_timestamp: None };
        self.assignments.insert(partition.clone(), assignment);
        Ok(next)
    }

    pub(super) fn revoked(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        if self.batch.opened.is_some() && !is_armed(Mutant::RevokeWithoutCommit) {
            self.commit()?;
        }
        self.step(Step::Rebalancing);
        for partition in partitions {
            if let Some(mut assignment) = self.assignments.remove(partition) {
                assignment.save();
            }
            self.plan.instruments.forget(&partition.topic, partition.number);
            if partition.topic == self.plan.input {
                self.plan.instruments.forget_store(partition.number);
            }
            tracing::info!(event = "partition_revoked", %partition, "a partition was given back");
        }
        self.broker.release(partitions)
    }
}

/// Where reading begins: at the committed offset, or where the first start is told to.
fn first_offset(
    partition: &Partition,
    bounds: Bounds,
    start: Start,
    told: Option<i64>,
) -> Result<i64, Fault> {
    let Bounds { low, high, committed } = bounds;
    match committed {
        None => Ok(match (told, start) {
            (Some(told), _) => told.clamp(low, high),
            (None, Start::Earliest) => low,
            (None, Start::Latest) => high,
        }),
        Some(_) if is_armed(Mutant::BeginAtTheStart) => Ok(low),
        Some(_) if is_armed(Mutant::BeginAtTheEnd) => Ok(high),
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
