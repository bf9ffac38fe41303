//! A partition as Kafka keeps it: records and markers take offsets alike, records of a transaction are hidden
//! from a committed reader until its marker is there, and everything behind the first open one with them.

use std::collections::{BTreeMap, VecDeque};

use bespoke::domain::time::Timestamp;
use bespoke::runtime::broker::{Header, Output, Partition, Record};

/// A producer id with its epoch.
pub(crate) type Producer = (u64, i16);

/// Of how many batches of a producer it is known where they are; of older ones only that they are there.
const BATCHES_KNOWN: usize = 5;

/// One partition.
#[derive(Default)]
pub(crate) struct PartitionLog {
    entries: Vec<Entry>,
    /// The offset behind the last committed entry: from there on there may be many that were given up.
    committed_end: usize,
    /// The first offset of each producer's open transaction.
    open: BTreeMap<u64, i64>,
    /// The newest epoch and the last batch of each producer.
    producers: BTreeMap<u64, ProducerState>,
}

struct ProducerState {
    epoch: i16,
    /// The number of the last batch.
    last: u64,
    /// Where the last batches were put, the newest at the end.
    offsets: VecDeque<i64>,
}

struct Entry {
    data: Option<Data>,
    producer: Option<u64>,
    outcome: Outcome,
}

struct Data {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<Header>,
    timestamp: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Pending,
    Committed,
    Aborted,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// It stands at this offset, and perhaps did before; -1 where that is not known any more.
    At(i64),
    /// Its producer has been fenced.
    Fenced,
    /// Batches before it are missing.
    OutOfOrder,
}

impl PartitionLog {
    /// Appends a record that belongs to no transaction.
    pub(crate) fn append_plain(&mut self, output: Output, at: Timestamp) {
        self.push(output, at, None, Outcome::Committed);
        self.committed_end = self.entries.len();
    }

    /// Appends a batch of a transaction. A batch that was appended before is not appended again.
    pub(crate) fn append(
        &mut self,
        producer: Producer,
        sequence: u64,
        batch: &[Output],
        at: Timestamp,
    ) -> Appended {
        let (id, epoch) = producer;
        let offset = self.end();
        let state = self.producers.entry(id).or_insert_with(|| ProducerState::new(epoch));
        if epoch < state.epoch {
            return Appended::Fenced;
        }
        if epoch > state.epoch {
            *state = ProducerState::new(epoch);
        }
        if sequence <= state.last {
            let before_last = (state.last - sequence) as usize;
            return Appended::At(state.offsets.iter().rev().nth(before_last).copied().unwrap_or(-1));
        }
        if sequence > state.last + 1 {
            return Appended::OutOfOrder;
        }
        state.last = sequence;
        state.offsets.push_back(offset);
        if state.offsets.len() > BATCHES_KNOWN {
            state.offsets.pop_front();
        }
        self.open.entry(id).or_insert(offset);
        for output in batch {
            self.push(output.clone(), at, Some(id), Outcome::Pending);
        }
        Appended::At(offset)
    }

    /// Writes the marker that ends a producer's transaction here.
    pub(crate) fn end_transaction(&mut self, producer: Producer, committed: bool) {
        let (id, epoch) = producer;
        let outcome = if committed { Outcome::Committed } else { Outcome::Aborted };
        if let Some(first) = self.open.remove(&id) {
            for entry in &mut self.entries[first as usize..] {
                if entry.producer == Some(id) && entry.outcome == Outcome::Pending {
                    entry.outcome = outcome;
                }
            }
        }
        let state = self.producers.entry(id).or_insert_with(|| ProducerState::new(epoch));
        if epoch > state.epoch {
            *state = ProducerState::new(epoch);
        }
        self.entries.push(Entry { data: None, producer: Some(id), outcome });
        if committed {
            self.committed_end = self.entries.len();
        }
    }

    /// The offset behind the last entry.
    pub(crate) fn end(&self) -> i64 {
        self.entries.len() as i64
    }

    /// Up to where a committed reader may read.
    pub(crate) fn last_stable(&self) -> i64 {
        self.open.values().copied().min().unwrap_or_else(|| self.end())
    }

    /// The next committed record at or behind an offset; else the offset from which there is none yet.
    pub(crate) fn next_committed(&self, partition: &Partition, from: i64) -> Result<Record, i64> {
        let stable = self.last_stable();
        let mut at = from;
        while at < stable {
            let entry = &self.entries[at as usize];
            if let (Some(data), Outcome::Committed) = (&entry.data, entry.outcome) {
                return Ok(data.record(partition, at));
            }
            at += 1;
        }
        Err(at)
    }

    /// All committed records.
    pub(crate) fn committed(&self, partition: &Partition) -> Vec<Record> {
        let mut records = Vec::new();
        let mut from = 0;
        while let Ok(record) = self.next_committed(partition, from) {
            from = record.offset + 1;
            records.push(record);
        }
        records
    }

    /// The value of the last committed record with this key.
    pub(crate) fn last_committed_value(&self, key: &[u8]) -> Option<&[u8]> {
        let stable = usize::try_from(self.last_stable()).unwrap_or(0);
        let entries = &self.entries[..stable.min(self.committed_end)];
        entries.iter().rev().filter(|entry| entry.outcome == Outcome::Committed).find_map(|entry| {
            let data = entry.data.as_ref().filter(|data| data.key.as_deref() == Some(key))?;
            data.value.as_deref()
        })
    }

    fn push(&mut self, output: Output, timestamp: Timestamp, producer: Option<u64>, outcome: Outcome) {
        let Output { key, value, headers, .. } = output;
        let data = Some(Data { key, value, headers, timestamp });
        self.entries.push(Entry { data, producer, outcome });
    }
}

impl ProducerState {
    fn new(epoch: i16) -> ProducerState {
        ProducerState { epoch, last: 0, offsets: VecDeque::new() }
    }
}

impl Data {
    fn record(&self, partition: &Partition, offset: i64) -> Record {
        Record {
            partition: partition.clone(),
            offset,
            timestamp: self.timestamp,
            key: self.key.clone(),
            value: self.value.clone(),
            headers: self.headers.clone(),
        }
    }
}
