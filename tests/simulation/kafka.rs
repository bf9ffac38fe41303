//! The simulated cluster: partitions, the two coordinators, and what is still on its way. Time passes only
//! when somebody says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use bespoke::codec::partition::partition_of;
use bespoke::codec::row;
use bespoke::domain::time::Timestamp;
use bespoke::runtime::broker::{Output, Partition};

use super::coordinator::{Refusal, State, Transactions};
use super::group::{Group, GroupRefusal, Identity, Protocol};
use super::log::{Appended, PartitionLog, Producer};
use super::random::Random;

/// The wall clock when a simulation begins.
pub(crate) const EPOCH_MS: i64 = 1_800_000_000_000;

/// A cluster with one group.
pub(crate) struct Kafka {
    pub(crate) now_ms: u64,
    /// Until when no broker answers.
    pub(crate) away_until_ms: u64,
    pub(crate) logs: BTreeMap<Partition, PartitionLog>,
    pub(crate) transactions: Transactions,
    pub(crate) group: Group,
    /// Requests that were cut off from their client and arrive late.
    late: Vec<(u64, Frame)>,
    partitions: BTreeMap<Arc<str>, i32>,
    /// How many late requests did arrive, and how many of them did something.
    pub(crate) late_frames: (u64, u64),
    /// Where the state of an input partition is written: the names of the input and the changelog.
    pub(crate) state_topics: (Arc<str>, Arc<str>),
}

/// A request on its way.
pub(crate) enum Frame {
    End { id: String, producer: Producer, commit: bool },
    Produce { id: String, producer: Producer, sequence: u64, partition: Partition, batch: Vec<Output> },
}

impl Kafka {
    /// A cluster with these topics and numbers of partitions, of which the group reads some.
    pub(crate) fn new(
        topics: &[(Arc<str>, i32)],
        read: &[&str],
        protocol: Protocol,
        state_topics: (Arc<str>, Arc<str>),
    ) -> Kafka {
        let all = |name: &Arc<str>, count: i32| {
            let name = Arc::clone(name);
            (0..count).map(move |number| Partition::new(Arc::clone(&name), number))
        };
        let logs = topics.iter().flat_map(|(name, count)| all(name, *count));
        let read = topics.iter().filter(|(name, _)| read.contains(&&**name));
        let read = read.flat_map(|(name, count)| all(name, *count)).collect();
        Kafka {
            now_ms: 0,
            away_until_ms: 0,
            logs: logs.map(|partition| (partition, PartitionLog::default())).collect(),
            transactions: Transactions::default(),
            group: Group::new(protocol, read),
            late: Vec::new(),
            partitions: topics.iter().cloned().collect(),
            late_frames: (0, 0),
            state_topics,
        }
    }

    pub(crate) fn wall(&self) -> Timestamp {
        Timestamp::from_ms(EPOCH_MS + self.now_ms as i64)
    }

    pub(crate) fn is_away(&self) -> bool {
        self.now_ms < self.away_until_ms
    }

    pub(crate) fn count(&self, topic: &str) -> i32 {
        self.partitions.get(topic).copied().unwrap_or(0)
    }

    pub(crate) fn place_of(&self, output: &Output) -> Partition {
        let count = self.count(&output.topic);
        let by_key = || output.key.as_ref().map_or(0, |key| partition_of(key, count));
        Partition::new(Arc::clone(&output.topic), output.partition.unwrap_or_else(by_key))
    }

    /// A record of somebody else's, outside any transaction.
    pub(crate) fn append_plain(&mut self, output: Output, at: Timestamp) {
        let place = self.place_of(&output);
        if let Some(log) = self.logs.get_mut(&place) {
            log.append_plain(output, at);
        }
    }

    /// Produce. Who is no part of the open transaction is refused before the partition is asked.
    pub(crate) fn produce(
        &mut self,
        id: &str,
        producer: Producer,
        sequence: u64,
        partition: &Partition,
        batch: &[Output],
    ) -> Result<i64, Refusal> {
        self.transactions.verify(id, producer, partition)?;
        let at = self.wall();
        let log = self.logs.get_mut(partition).ok_or(Refusal::InvalidState)?;
        match log.append(producer, sequence, batch, at) {
            Appended::At(offset) => Ok(offset),
            Appended::Fenced => Err(Refusal::Fenced),
            Appended::OutOfOrder => Err(Refusal::OutOfOrder),
        }
    }

    /// AddOffsetsToTxn.
    pub(crate) fn add_offsets(&mut self, id: &str, producer: Producer) -> Result<(), Refusal> {
        self.transactions.add(id, producer, &offsets_log(), self.now_ms)
    }

    /// TxnOffsetCommit.
    pub(crate) fn commit_offsets(
        &mut self,
        id: &str,
        producer: Producer,
        who: &Identity,
        offsets: &[(Partition, i64)],
    ) -> Result<(), GroupRefusal> {
        self.transactions.verify(id, producer, &offsets_log()).map_err(|refusal| match refusal {
            Refusal::Fenced => GroupRefusal::FencedProducer,
            _ => GroupRefusal::InvalidState,
        })?;
        self.group.add_offsets(producer, who, offsets)
    }

    /// Cuts a request off from its client. It arrives when its time has come.
    pub(crate) fn delay(&mut self, until_ms: u64, frame: Frame) {
        self.late.push((until_ms, frame));
    }

    /// Does what brokers do by themselves. The error is a torn transaction.
    pub(crate) fn pass_time(&mut self, time_ms: u64, random: &mut Random) -> Result<(), String> {
        self.now_ms += time_ms;
        if self.is_away() {
            return Ok(());
        }
        self.deliver_late();
        self.transactions.expire(self.now_ms);
        self.group.pass_time(self.now_ms);
        self.write_markers(random)
    }

    /// After everything has been healed nothing is late any more.
    pub(crate) fn drop_late(&mut self) {
        self.late.clear();
    }

    fn deliver_late(&mut self) {
        let now = self.now_ms;
        let (due, rest) = std::mem::take(&mut self.late).into_iter().partition(|(until, _)| *until <= now);
        self.late = rest;
        let due: Vec<(u64, Frame)> = due;
        for (_, frame) in due {
            self.late_frames.0 += 1;
            let worked = match frame {
                Frame::End { id, producer, commit } => self.transactions.end(&id, producer, commit).is_ok(),
                Frame::Produce { id, producer, sequence, partition, batch } => {
                    let end = |kafka: &Kafka| kafka.logs.get(&partition).map_or(0, PartitionLog::end);
                    let before = end(self);
                    let produced = self.produce(&id, producer, sequence, &partition, &batch);
                    produced.is_ok() && end(self) > before
                }
            };
            self.late_frames.1 += u64::from(worked);
        }
    }

    /// Writes some of the markers that are due: a transaction becomes visible partition by partition.
    fn write_markers(&mut self, random: &mut Random) -> Result<(), String> {
        let mut ended = false;
        for transaction in self.transactions.prepared() {
            let State::Prepared { commit } = transaction.state else { continue };
            while let Some(partition) = transaction.partitions.pop_first() {
                if let Some(log) = self.logs.get_mut(&partition) {
                    log.end_transaction(transaction.producer, commit);
                }
                if random.chance(20_000) {
                    break;
                }
            }
            if transaction.partitions.is_empty() {
                self.group.end_transaction(transaction.producer, commit);
                transaction.state = State::Complete { commit };
                ended = true;
            }
        }
        if ended { self.check_positions() } else { Ok(()) }
    }

    /// The state of an input partition says how far it has read; so does the group. Both are written in the
    /// same transactions, so where nothing is open they agree.
    pub(crate) fn check_positions(&self) -> Result<(), String> {
        let (input, changelog) = &self.state_topics;
        for number in 0..self.count(input) {
            let read = Partition::new(Arc::clone(input), number);
            let state = Partition::new(Arc::clone(changelog), number);
            let Some(log) = self.logs.get(&state).filter(|log| log.last_stable() == log.end()) else {
                continue;
            };
            let (Ok(committed), Some(meta)) =
                (self.group.stable_offset(&read), log.last_committed_value(row::META_KEY))
            else {
                continue;
            };
            let meta = row::decode_meta(meta).map_err(|error| format!("{state}: {error}"))?;
            if committed != Some(meta.input_next) {
                return Err(format!(
                    "torn: the state of {read} has applied up to {}, and the group has committed {committed:?}",
                    meta.input_next
                ));
            }
        }
        Ok(())
    }
}

/// Where the group's offsets are kept, which is part of each transaction that commits some.
pub(crate) fn offsets_log() -> Partition {
    Partition::new("__consumer_offsets", 0)
}
