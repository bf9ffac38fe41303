//! The open transaction, as far as deciding when to commit it goes.

use std::time::Duration;

use super::broker::{Output, Record};
use crate::config::CommitConfig;
use crate::domain::time::Timestamp;

/// Of how many inputs the latency of one is reported: to report it costs as much as the work on a record.
const TIMED_OF: usize = 64;

/// While records wait, a transaction lasts so many times as long as the last commit took: four fifths of the time go
/// into records then. At 20,000 events/s and 10 ms on two full cores 2 does as well as 4, while 1 and 8 do worse.
const WORK_PER_COMMIT: u32 = 4;

/// What an open transaction holds.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// When its first input came, or its first due change.
    pub(super) opened: Option<Duration>,
    /// How many inputs and due changes it holds.
    pub(super) records: usize,
    /// The Kafka timestamps of the inputs whose latency is reported.
    pub(super) appended: Vec<Timestamp>,
    bytes: usize,
    /// Whether there was nothing to read at some time since it was opened.
    ran_dry: bool,
    /// How long the commit before it took, as soon as a turn has begun after that one.
    commit_took: Duration,
    /// Until then, when the turn of that commit began.
    commit_began: Option<Duration>,
}

impl Batch {
    /// The one that follows a commit, the turn of which began at `now`.
    pub(super) fn after_commit(now: Duration) -> Batch {
        Batch { commit_began: Some(now), ..Batch::default() }
    }

    pub(super) fn turn(&mut self, now: Duration) {
        if let Some(began) = self.commit_began.take() {
            self.commit_took = now.saturating_sub(began);
        }
    }

    /// Nothing is left to read for now.
    pub(super) fn run_dry(&mut self) {
        self.ran_dry = self.opened.is_some();
    }

    pub(super) fn open(&mut self, now: Duration) {
        self.opened.get_or_insert(now);
    }

    pub(super) fn count_input(&mut self, record: &Record) {
        if self.is_timed() {
            self.appended.push(record.timestamp);
        }
        self.records += 1;
    }

    /// Whether the latency of the next input is reported.
    pub(super) fn is_timed(&self) -> bool {
        self.records.is_multiple_of(TIMED_OF)
    }

    /// Counts an output. Answers its size in bytes, as far as that matters.
    pub(super) fn count_output(&mut self, output: &Output) -> usize {
        // Kafka's own overhead is well under this for records of ours.
        const RECORD_OVERHEAD_BYTES: usize = 64;
        let bytes = output.value.as_ref().map_or(0, Vec::len) + RECORD_OVERHEAD_BYTES;
        self.bytes += bytes;
        bytes
    }

    /// Whether it is to be committed.
    pub(super) fn is_full(&self, limits: &CommitConfig, now: Duration) -> bool {
        let Some(opened) = self.opened else { return false };
        self.is_due(limits, now.saturating_sub(opened))
            || self.records >= limits.records_max
            || self.bytes >= limits.bytes_max
    }

    /// Whether it is old enough. To commit each `age_max` what comes faster than it can be committed so would leave
    /// ever more of it waiting.
    fn is_due(&self, limits: &CommitConfig, age: Duration) -> bool {
        let worthwhile =
            (self.commit_took * WORK_PER_COMMIT).min(Duration::from_millis(limits.behind_age_ms_max));
        age >= Duration::from_millis(limits.age_ms_max) && (self.ran_dry || age >= worthwhile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT_BEGAN_MS: u64 = 7;
    const OPENED_MS: u64 = 10_000;
    const LIMITS: CommitConfig =
        CommitConfig { age_ms_max: 10, behind_age_ms_max: 1_000, records_max: 1_000, bytes_max: 1 << 20 };

    /// At which age it is full, where the last commit took so long.
    fn full_at(mut batch: Batch, limits: &CommitConfig, commit_ms: u64) -> Option<u64> {
        batch.turn(Duration::from_millis(COMMIT_BEGAN_MS + commit_ms));
        batch.turn(Duration::from_millis(OPENED_MS));
        (0..5_000).find(|age| batch.is_full(limits, Duration::from_millis(OPENED_MS + age)))
    }

    fn opened() -> Batch {
        let mut batch = Batch::after_commit(Duration::from_millis(COMMIT_BEGAN_MS));
        batch.run_dry();
        batch.open(Duration::from_millis(OPENED_MS));
        batch
    }

    fn dry() -> Batch {
        let mut batch = opened();
        batch.run_dry();
        batch
    }

    #[test]
    fn nothing_open_is_never_full() {
        assert_eq!(full_at(Batch::default(), &LIMITS, 0), None);
    }

    #[test]
    fn what_keeps_up_commits_at_its_age() {
        assert_eq!([0, 1, 20, 900].map(|took| full_at(dry(), &LIMITS, took)), [Some(10); 4]);
    }

    #[test]
    fn what_is_behind_lasts_four_times_as_long_as_the_last_commit_took() {
        let ages = [0, 2, 3, 20, 249, 251, 4_000].map(|took| full_at(opened(), &LIMITS, took));
        assert_eq!(ages, [10, 10, 12, 80, 996, 1_000, 1_000].map(Some));
    }

    #[test]
    fn what_is_behind_is_committed_at_its_limit_however_slow_commits_are() {
        let limits = CommitConfig { behind_age_ms_max: 250, ..LIMITS };
        assert_eq!([62, 63, 4_000].map(|took| full_at(opened(), &limits, took)), [248, 250, 250].map(Some));
    }

    #[test]
    fn an_age_above_that_limit_is_kept_as_it_is() {
        let limits = CommitConfig { age_ms_max: 3_000, ..LIMITS };
        assert_eq!([0, 100, 4_000].map(|took| full_at(opened(), &limits, took)), [Some(3_000); 3]);
    }

    #[test]
    fn records_and_bytes_fill_it_behind_or_not() {
        let many = Batch { records: 1_000, ..opened() };
        let large = Batch { bytes: 1 << 20, ..opened() };
        assert_eq!([many, large].map(|batch| full_at(batch, &LIMITS, 500)), [Some(0); 2]);
    }
}
