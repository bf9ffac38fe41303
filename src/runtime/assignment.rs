//! A partition that the group gave to a worker: what the worker does with it, and how far it has come.

use super::broker::{Output, Partition, Record};
use super::fault::Fault;
use super::intake::Intake;
use super::restore::{Restore, task_fault};
use super::stretch::Stretch;
use super::task::{SWEEP_MAX, Task, TaskError};
use crate::domain::time::Timestamp;
use crate::mutant::{Mutant, is_armed};

/// A partition in a worker's hands.
pub(super) struct Assignment {
    /// What is done with it.
    pub(super) work: Work,
    /// The offset that the group has committed; none before the first commit.
    pub(super) committed: Option<i64>,
    /// The offset at which reading began.
    pub(super) first: i64,
    /// The Kafka timestamp of the last record, for the lag in seconds.
    pub(super) last_timestamp: Option<Timestamp>,
}

/// What is done with a partition.
pub(super) enum Work {
    /// A source: its records become commands.
    Intake { intake: Intake, next: i64, waiting: bool },
    /// An input whose state is not complete yet.
    Restoring(Box<Restore>),
    /// An input with its state. While `sweeping`, a record waits for everything due before it.
    Running { task: Box<Task>, sweeping: bool },
}

impl Assignment {
    /// The next offset to read; none while that is not known.
    pub(super) fn next(&self) -> Option<i64> {
        match &self.work {
            Work::Intake { next, .. } => Some(*next),
            Work::Running { task, .. } => Some(task.input_next()),
            Work::Restoring(_) => None,
        }
    }

    /// The offset to commit, if it is another one than the group has.
    pub(super) fn moved(&self) -> Option<i64> {
        self.next().filter(|next| self.committed != Some(*next))
    }

    /// Goes back to what is committed. Answers the offset to read next; none while state is restored, which
    /// nothing uncommitted can have touched.
    pub(super) fn rewind(&mut self) -> Result<Option<i64>, TaskError> {
        let committed = self.committed.unwrap_or(self.first);
        match &mut self.work {
            Work::Intake { next, waiting, .. } => (*next, *waiting) = (committed, false),
            Work::Running { task, sweeping } => {
                task.rewind(self.first)?;
                *sweeping = false;
            }
            Work::Restoring(_) => {}
        }
        Ok(self.next())
    }

    /// Before it goes: hands the store what it lacks of the committed state. Where that fails, it is read from the
    /// changelog again, so the failure is told and no more.
    pub(super) fn save(&mut self) {
        if let Work::Running { task, .. } = &mut self.work
            && let Err(error) = task.save()
        {
            tracing::warn!(event = "state_not_saved", %error, "the next start reads it from the changelog");
        }
    }

    /// At the end of a bounded run, settles everything that is due, so that who sees the end committed knows
    /// that nothing is left to be said.
    pub(super) fn finish(
        &mut self,
        partition: &Partition,
        stretch: &Stretch,
        outputs: &mut Vec<Output>,
    ) -> Result<(), Fault> {
        let Work::Running { task, .. } = &mut self.work else { return Ok(()) };
        if stretch.is_over(partition, task.input_next()) {
            let mut sweep =
                || task.sweep(SWEEP_MAX, outputs).map_err(|error| task_fault(partition.number, &error));
            while sweep()? > 0 {}
        }
        Ok(())
    }

    /// Whether a record is the one to go on with. One that was under way when its partition was held comes
    /// again when the partition is resumed.
    pub(super) fn expects(&self, record: &Record) -> bool {
        let held = match &self.work {
            Work::Intake { waiting, .. } => *waiting,
            Work::Running { sweeping, .. } => *sweeping,
            Work::Restoring(_) => true,
        };
        let held = held && !is_armed(Mutant::ApplyWhatIsHeld);
        !held && self.next().is_some_and(|next| record.offset >= next || is_armed(Mutant::ApplyAgain))
    }
}
