//! The commit: everything the open transaction holds becomes visible together, then the stores hear of it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Step, Worker};
use crate::mutant::{Mutant, is_armed};
use crate::runtime::assignment::{Assignment, Work};
use crate::runtime::batch::Batch;
use crate::runtime::broker::{Broker, Partition};
use crate::runtime::fault::{ExitCode, Fault, Reason};
use crate::runtime::instruments::Latency;
use crate::runtime::plan::Now;
use crate::runtime::restore::{store_fault, task_fault};

impl<B: Broker> Worker<B> {
    /// Commits what is open. To be called before the worker ends.
    pub fn drain(&mut self, now: Now) -> Result<(), Fault> {
        self.now = now;
        let drained = if self.batch.opened.is_some() { self.commit() } else { Ok(()) };
        self.assignments.values_mut().for_each(Assignment::save);
        self.report_traffic();
        drained
    }

    /// Gives up what is open. The worker is of no use afterwards.
    pub fn abort(&mut self) {
        self.step(Step::Aborting);
        self.broker.abort();
        self.assignments.values_mut().for_each(Assignment::save);
    }

    /// Commits what is open. Where the group was rebalancing, everything goes back to the last commit instead.
    pub(super) fn commit(&mut self) -> Result<(), Fault> {
        match self.commit_all() {
            Err(Fault::Rewind(reason)) => self.rewind(&reason),
            other => other,
        }
    }

    fn commit_all(&mut self) -> Result<(), Fault> {
        let span = tracing::info_span!("commit", records = self.batch.records);
        let _entered = span.enter();
        self.step(Step::Sending);
        for (partition, assignment) in &mut self.assignments {
            assignment.finish(partition, &self.plan.stretch, &mut self.outputs.held)?;
            let moved = assignment.moved().is_some();
            if let Work::Running { task, .. } = &mut assignment.work {
                self.outputs.send(&mut self.broker, &mut self.batch)?;
                task.flush(moved, |output| self.outputs.send_one(output, &mut self.broker))?;
            }
        }
        self.outputs.send(&mut self.broker, &mut self.batch)?;
        self.step(Step::Committing);
        let moved = self.assignments.iter();
        let offsets: Vec<(Partition, i64)> = moved
            .filter_map(|(partition, assignment)| Some((partition.clone(), assignment.moved()?)))
            .collect();
        let offsets = if is_armed(Mutant::CommitOffsetsAhead) { ahead(offsets) } else { offsets };
        if is_armed(Mutant::SettleBeforeCommit) {
            self.settle_early()?;
        }
        let changelog_next: BTreeMap<i32, i64> = self.broker.commit(&offsets)?.into_iter().collect();
        self.step(Step::Absorbing);
        for (partition, assignment) in &mut self.assignments {
            assignment.committed = assignment.next().or(assignment.committed);
            let Work::Running { task, .. } = &mut assignment.work else { continue };
            let number = partition.number;
            let known = task.position().map_or(0, |position| position.changelog_next);
            match changelog_next.get(&number) {
                Some(next) if *next <= known => return Err(another_changelog(number, *next, known)),
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

    /// What a mutant does.
    pub(super) fn settle_unasked(&mut self) -> Result<(), Fault> {
        let held = &mut self.outputs.held;
        for assignment in self.assignments.values_mut() {
            if let Work::Running { task, .. } = &mut assignment.work {
                task.flush(true, |output| {
                    held.push(output);
                    Ok(())
                })?;
            }
        }
        self.settle_early()
    }

    /// What a mutant does.
    fn settle_early(&mut self) -> Result<(), Fault> {
        for (partition, assignment) in &mut self.assignments {
            if let Work::Running { task, .. } = &mut assignment.work
                && task.is_flushed()
            {
                let next = task.position().map_or(0, |position| position.changelog_next);
                task.settle(next).map_err(|error| store_fault(partition.number, &error))?;
            }
        }
        Ok(())
    }

    fn rewind(&mut self, reason: &Reason) -> Result<(), Fault> {
        self.step(Step::Aborting);
        tracing::info!(
            event = "rewind",
            text = reason.text,
            "gave up what was not committed: the group rebalances"
        );
        self.plan.instruments.aborted(reason.label);
        self.batch = Batch::default();
        self.outputs.clear();
        self.broker.renew()?;
        for (partition, assignment) in &mut self.assignments {
            let number = partition.number;
            if is_armed(Mutant::SkipRewind) {
                continue;
            }
            if let Some(next) = assignment.rewind().map_err(|error| task_fault(number, &error))? {
                if is_armed(Mutant::RewindWithoutSeek) {
                    continue;
                }
                self.broker.hold(partition, next)?;
                self.broker.resume(partition)?;
            }
            if assignment.committed.is_none() {
                self.batch.open(self.now.monotonic);
            }
        }
        Ok(())
    }

    fn committed(&mut self) {
        let batch = std::mem::replace(&mut self.batch, Batch::after_commit(self.now.monotonic));
        let open = batch.opened.map_or(Duration::ZERO, |opened| self.now.monotonic.saturating_sub(opened));
        self.plan.instruments.committed(batch.records as u64, open);
        for appended in batch.appended {
            self.plan.instruments.latency(Latency::AppendedToCommitted, self.now.seconds_since(appended));
        }
        self.commits += 1;
        self.vitals.committed(self.now.monotonic);
    }
}

/// What a mutant commits.
fn ahead(offsets: Vec<(Partition, i64)>) -> Vec<(Partition, i64)> {
    offsets.into_iter().map(|(partition, offset)| (partition, offset + 1)).collect()
}

fn another_changelog(number: i32, next: i64, known: i64) -> Fault {
    Fault::stop(
        ExitCode::Inconsistent,
        format!(
            "the changelog of partition {number} goes on at {next}, but the state on disk has read it up to \
             {known}: the topic was made anew or truncated while this process ran. The state on disk may be the \
             last good copy: nothing was changed"
        ),
    )
}
