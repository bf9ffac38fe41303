//! Brings a partition's store up to the end of its changelog, a bounded amount at a time, so that the group
//! member keeps polling. Nothing of the partition is read until it is done.
//!
//! When it is done, the rows must have the digest that was committed last: else something is missing from the
//! changelog. And the state's own input offset must be the one that the group has committed: both were written
//! in the same transactions. If they differ, a transaction was torn, and going on would hide it.

use std::time::Duration;

use super::broker::{Broker, Partition, Record, Replay};
use super::fault::{ExitCode, Fault, Reason};
use super::plan::{Now, Plan};
use super::recount::{Incomplete, Recount};
use super::task::{Task, TaskError};
use crate::codec::row;
use crate::domain::react;
use crate::mutant::{Mutant, is_armed};
use crate::store::{Change, DueBefore, Position, Store, StoreError};

const RECORDS_PER_STEP: usize = 5_000;

/// A restore under way.
pub struct Restore {
    number: i32,
    store: Box<dyn Store>,
    replay: Box<dyn Replay>,
    recount: Recount,
    committed: Option<i64>,
    first_offset: i64,
    records: u64,
    began: Duration,
    reported: Duration,
}

/// How things stand when a restore is over.
#[derive(Clone, Copy, Debug)]
pub struct Present {
    /// The group's offset of the input partition.
    pub committed: Option<i64>,
    /// Where the changelog ends.
    pub changelog_high: i64,
}

impl Restore {
    /// Opens the store and its changelog. `committed` is the group's offset of the input partition.
    pub fn begin(
        plan: &Plan,
        broker: &mut impl Broker,
        number: i32,
        committed: Option<i64>,
        first_offset: i64,
        now: Now,
    ) -> Result<Restore, Fault> {
        let _entered = tracing::info_span!("restore", number).entered();
        let store = plan.stores.open(number).map_err(|error| store_fault(number, &error))?;
        let recount = Recount::begin(&*store).map_err(|error| task_fault(number, &error))?;
        let from = store.position().map_or(0, |position| position.changelog_next);
        let from = if is_armed(Mutant::RestoreOneTooFar) && from > 0 { from + 1 } else { from };
        let changelog = Partition::new(plan.shared.topics.changelog.clone(), number);
        let replay = broker.replay(&changelog, from)?;
        let began = now.monotonic;
        let (records, reported) = (0, began);
        Ok(Restore { number, store, replay, recount, committed, first_offset, records, began, reported })
    }

    /// Restores some more. True when the end is reached.
    pub fn step(&mut self, plan: &Plan, now: Now) -> Result<bool, Fault> {
        let records = self.replay.next(RECORDS_PER_STEP, Duration::from_millis(5))?;
        if !records.is_empty() {
            self.records += records.len() as u64;
            self.absorb(plan, &records)?;
        }
        plan.instruments.restore(self.number, self.records, self.replay.remaining());
        if now.monotonic.saturating_sub(self.reported) > Duration::from_secs(5) {
            self.reported = now.monotonic;
            let (number, remaining) = (self.number, self.replay.remaining());
            tracing::info!(event = "restoring", number, records = self.records, remaining, "restoring state");
        }
        let enough = is_armed(Mutant::RestoreStopsEarly) && self.records > 0;
        Ok(enough || self.replay.finished().is_some())
    }

    /// The task over the restored store. `present` is how things stand now, asked for anew: where it is not as it
    /// was at the beginning, somebody else owns the partition, and what was read since is theirs. A process that
    /// stood still for longer than its session gets here so.
    pub fn finish(self, plan: &Plan, present: Present, now: Now) -> Result<Task, Fault> {
        let Restore { number, mut store, replay, recount, records, began, .. } = self;
        if present.committed != self.committed {
            let text =
                format!("the group's offset went from {:?} to {:?}", self.committed, present.committed);
            return Err(taken_over(number, &text));
        }
        let end = replay.finished();
        match complete(number, &mut *store, recount, end) {
            Err(Fault::Stop(_)) if end.is_some_and(|end| present.changelog_high > end) => {
                return Err(taken_over(number, "its changelog goes on"));
            }
            completed => completed?,
        }
        let mut task = Task::open(plan.shared.clone(), number, store, &plan.profile_cache)
            .map_err(|error| task_fault(number, &error))?;
        if task.is_new() {
            // Offsets and state are written in the same transactions, so whoever committed left a row behind.
            if let Some(committed) = self.committed {
                return Err(lost(number, committed));
            }
            task.start_at(self.first_offset);
        }
        if let Some(committed) = self.committed
            && committed != task.input_next()
        {
            return Err(disagreement(number, committed, task.input_next()));
        }
        let took = now.monotonic.saturating_sub(began);
        plan.instruments.restored(number, took, records);
        plan.instruments.site_shares(task.site_shares());
        tracing::info!(event = "restored", number, records, ?took, "state is complete");
        Ok(task)
    }

    fn absorb(&mut self, plan: &Plan, records: &[Record]) -> Result<(), Fault> {
        let number = self.number;
        let mut changes = Vec::with_capacity(records.len());
        let before = self.store.position();
        let mut position = before.unwrap_or(Position { changelog_next: 0, input_next: 0 });
        let skipped = usize::from(is_armed(Mutant::RestoreSkipsRecords));
        for record in records.iter().skip(skipped) {
            position.changelog_next = record.offset + 1;
            // A store's notes about its restore are in no changelog: nobody else writes over them.
            let Some(key) = record.key.clone().filter(|key| !row::is_note(key)) else { continue };
            let value = record.value.clone();
            if key == row::META_KEY
                && let Some(bytes) = &value
            {
                let meta = row::decode_meta(bytes).map_err(|error| task_fault(number, &error.into()))?;
                position.input_next = meta.input_next;
                if is_armed(Mutant::RestoreWithoutMeta) {
                    continue;
                }
            }
            changes.push(change(plan, key, value).map_err(|error| task_fault(number, &error))?);
        }
        let note =
            self.recount.take(&*self.store, &mut changes).map_err(|error| store_fault(number, &error))?;
        changes.push(note);
        self.store.absorb(&changes, position).map_err(|error| store_fault(number, &error))
    }
}

/// Compares what was restored with what was committed, and leaves the store as a commit does.
fn complete(number: i32, store: &mut dyn Store, recount: Recount, end: Option<i64>) -> Result<(), Fault> {
    let Some(position) = store.position() else { return Ok(()) };
    let is_restored = recount.is_noted();
    let changes = recount.finish(store).map_err(|error| task_fault(number, &error))?;
    let mut changes = changes.map_err(|incomplete| another_state(number, &incomplete))?;
    if is_restored {
        changes.push(Change { key: row::MISREAD_KEY.to_vec(), value: Some(Vec::new()), ..Change::default() });
    }
    // Control records lie behind the last change: remember that they were read.
    let changelog_next = end.unwrap_or(0).max(position.changelog_next);
    if changes.is_empty() && changelog_next == position.changelog_next {
        return Ok(());
    }
    let position = Position { changelog_next, ..position };
    store.absorb(&changes, position).map_err(|error| store_fault(number, &error))
}

/// A changelog record as a change of the store. A person's due time is not in the changelog: it follows
/// from the profile and the definitions.
fn change(plan: &Plan, key: Vec<u8>, value: Option<Vec<u8>>) -> Result<Change, TaskError> {
    let due = match (&value, row::person_of_key(&key)) {
        (Some(_), Some(_)) if is_armed(Mutant::RestoreForgetsDueTimes) => None,
        (Some(bytes), Some(_)) => react::due(&plan.shared.rules, &row::decode_profile(bytes)?),
        _ => None,
    };
    Ok(Change { key, value, due, due_before: DueBefore::Unknown })
}

fn taken_over(number: i32, how: &str) -> Fault {
    let text = format!(
        "while the state of input partition {number} was restored, {how}: another member has taken it over"
    );
    Fault::restart("assignment_lost", text)
}

fn disagreement(number: i32, committed: i64, applied: i64) -> Fault {
    Fault::stop(
        ExitCode::Inconsistent,
        format!(
            "the group has committed offset {committed} of input partition {number}, but its state has \
             applied up to {applied}: a transaction was torn, or offsets were set by hand. Nothing was \
             changed. To go on from the state, set the group's offset to {applied}"
        ),
    )
}

fn another_state(number: i32, Incomplete { expected, found }: &Incomplete) -> Fault {
    Fault::stop(
        ExitCode::Inconsistent,
        format!(
            "the changelog of partition {number} leads to a state of {found}, but the last commit left one of \
             {expected}: records of the changelog are gone, or the topic was made anew. Going on would answer \
             from another state. Put the state directory or the changelog back; with the changelog, remove the \
             partition's directory, which was restored from this one. Or replay the input under another \
             application id"
        ),
    )
}

fn lost(number: i32, committed: i64) -> Fault {
    Fault::stop(
        ExitCode::Inconsistent,
        format!(
            "the group has committed offset {committed} of input partition {number}, but neither the disk nor \
             the changelog holds any state: the changelog was emptied or recreated. Going on would answer from \
             a smaller state. Put the state directory or the changelog back, or replay the input under another \
             application id"
        ),
    )
}

/// What to do about an error of a task.
pub fn task_fault(number: i32, error: &TaskError) -> Fault {
    match error {
        TaskError::Store(error) => store_fault(number, error),
        TaskError::Row(row::RowError::Newer { .. }) | TaskError::Definitions(_) => {
            Fault::stop(ExitCode::Misconfigured, format!("partition {number}: {error}. Run a newer version"))
        }
        TaskError::Row(_) => Fault::Rebuild { partition: number, reason: reason(error) },
    }
}

/// What to do about an error of a store.
pub fn store_fault(number: i32, error: &StoreError) -> Fault {
    match error {
        StoreError::Damaged { .. } => Fault::Rebuild { partition: number, reason: reason(error) },
        StoreError::InUse { .. } => {
            Fault::stop(ExitCode::Fenced, format!("{error}. Give each process a state directory of its own"))
        }
        StoreError::Newer { .. } => Fault::stop(ExitCode::Misconfigured, error.to_string()),
        StoreError::Busy { .. } | StoreError::Full { .. } | StoreError::Failed { .. } => {
            Fault::Restart(reason(error))
        }
    }
}

fn reason(error: &impl ToString) -> Reason {
    Reason { label: "disk", text: error.to_string() }
}
