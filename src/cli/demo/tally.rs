//! Counts what comes out while it comes out, and knows from that when everything has been processed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::codec::row;
use crate::runtime::broker::Record;
use crate::runtime::topics::OwnTopics;

/// Counts by topic.
pub(super) struct Tally {
    topics: OwnTopics,
    /// Events of persons in the command log.
    pub(super) events: u64,
    /// Changes of content in the command log, in all partitions together.
    pub(super) contents: u64,
    /// Decisions.
    pub(super) decisions: u64,
    /// Segment changes.
    pub(super) segment_changes: u64,
    /// Dead letters by code.
    pub(super) dead_letters: BTreeMap<String, u64>,
    /// By partition: the offset of the last command.
    last_command: BTreeMap<i32, i64>,
    /// By partition: the offset of the next command that the state has not seen.
    applied_next: BTreeMap<i32, i64>,
}

impl Tally {
    pub(super) fn new(topics: OwnTopics) -> Tally {
        Tally {
            topics,
            events: 0,
            contents: 0,
            decisions: 0,
            segment_changes: 0,
            dead_letters: BTreeMap::new(),
            last_command: BTreeMap::new(),
            applied_next: BTreeMap::new(),
        }
    }

    /// Counts a record of one of the application's topics.
    pub(super) fn count(&mut self, record: &Record) {
        let topic = &record.partition.topic;
        let is = |other: &Arc<str>| **other == **topic;
        if is(&self.topics.commands) {
            // An event is keyed by its person; what is for everybody has no key.
            let counter = if record.key.is_some() { &mut self.events } else { &mut self.contents };
            *counter += 1;
            self.last_command.insert(record.partition.number, record.offset);
        } else if is(&self.topics.changelog) {
            self.position(record);
        } else if is(&self.topics.decisions) {
            self.decisions += 1;
        } else if is(&self.topics.segment_changes) {
            self.segment_changes += 1;
        } else if is(&self.topics.dead_letters) {
            *self.dead_letters.entry(code_of(record)).or_default() += 1;
        }
    }

    /// How many records of sources have become a command or a dead letter.
    pub(super) fn taken(&self) -> u64 {
        self.events + self.dead_letters.values().sum::<u64>()
    }

    /// Whether the state has seen every command that is there.
    pub(super) fn is_applied(&self) -> bool {
        self.last_command
            .iter()
            .all(|(number, last)| self.applied_next.get(number).is_some_and(|next| next > last))
    }

    fn position(&mut self, record: &Record) {
        if record.key.as_deref() != Some(row::META_KEY) {
            return;
        }
        let meta = record.value.as_deref().and_then(|value| row::decode_meta(value).ok());
        if let Some(meta) = meta {
            self.applied_next.insert(record.partition.number, meta.input_next);
        }
    }
}

/// The code of a dead letter.
pub(super) fn code_of(record: &Record) -> String {
    let header = record.headers.iter().find(|header| header.name == "bespoke.error.code");
    let code = header.and_then(|header| header.value.as_deref()).unwrap_or(b"no code");
    String::from_utf8_lossy(code).into_owned()
}

/// Counts by code as text, or `none`.
pub(super) fn by_code(counts: &BTreeMap<String, u64>) -> String {
    if counts.is_empty() {
        return "none".into();
    }
    let counts: Vec<String> = counts.iter().map(|(code, count)| format!("{code} {count}")).collect();
    counts.join(", ")
}
