//! The open transaction, as far as deciding when to commit it goes.

use std::time::Duration;

use super::broker::{Output, Record};
use crate::config::CommitConfig;
use crate::domain::time::Timestamp;

/// Of how many inputs the latency of one is reported: to report it costs as much as the work on a record.
const TIMED_OF: usize = 64;

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
}

impl Batch {
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

    pub(super) fn is_full(&self, limits: &CommitConfig, now: Duration) -> bool {
        let Some(opened) = self.opened else { return false };
        let age = now.saturating_sub(opened);
        age >= Duration::from_millis(limits.age_ms_max)
            || self.records >= limits.records_max
            || self.bytes >= limits.bytes_max
    }
}
