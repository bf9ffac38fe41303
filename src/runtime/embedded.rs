//! The broker trait on a log in memory: for the demo where there is no Kafka, and for tests of the runtime
//! that need none. One member, transactions that become visible at their commit. It proves nothing about
//! Kafka's transactions.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::broker::{Bounds, Broker, Output, Partition, Polled, Record, Replay};
use super::fault::{ExitCode, Fault};
use crate::codec::partition::partition_of;
use crate::domain::time::Timestamp;

/// Topics in memory, shared by all who have a clone.
#[derive(Clone, Debug, Default)]
pub struct EmbeddedLog(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    topics: BTreeMap<Arc<str>, Vec<Vec<Record>>>,
    committed: BTreeMap<Partition, i64>,
}

/// The one member over an embedded log.
pub struct EmbeddedBroker {
    log: EmbeddedLog,
    changelog: Arc<str>,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    subscribed: Vec<Arc<str>>,
    joined: bool,
    positions: BTreeMap<Partition, i64>,
    held: BTreeMap<Partition, i64>,
    turn: usize,
    pending: Vec<Output>,
}

struct EmbeddedReplay {
    records: VecDeque<Record>,
    end: i64,
}

impl EmbeddedLog {
    /// A log with these topics and numbers of partitions.
    pub fn new<'t>(topics: impl IntoIterator<Item = (&'t str, i32)>) -> EmbeddedLog {
        let log = EmbeddedLog::default();
        for (topic, partitions) in topics {
            let empty = (0..partitions.max(1)).map(|_| Vec::new()).collect();
            log.lock().topics.insert(Arc::from(topic), empty);
        }
        log
    }

    /// Appends a record, as any producer would.
    ///
    /// # Errors
    /// When there is no such topic.
    pub fn append(&self, output: Output, at: Timestamp) -> Result<(), Fault> {
        self.lock().append(output, at)
    }

    /// All records of a topic, partition by partition.
    pub fn read(&self, topic: &str) -> Vec<Record> {
        let inner = self.lock();
        inner.topics.get(topic).map(|partitions| partitions.concat()).unwrap_or_default()
    }

    /// Deletes all records of a topic, as somebody might who does not know what it is for.
    pub fn empty(&self, topic: &str) {
        for records in self.lock().topics.get_mut(topic).into_iter().flatten() {
            records.clear();
        }
    }

    /// Whether the member has committed everything that these topics hold.
    pub fn is_consumed(&self, topics: &[&str]) -> bool {
        let inner = self.lock();
        topics.iter().all(|topic| {
            let Some((name, partitions)) = inner.topics.get_key_value(*topic) else { return true };
            partitions.iter().enumerate().all(|(number, records)| {
                let partition = Partition::new(Arc::clone(name), to_offset(number) as i32);
                inner.committed.get(&partition).copied().unwrap_or(0) >= to_offset(records.len())
            })
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn append(&mut self, output: Output, at: Timestamp) -> Result<(), Fault> {
        let unknown = || Fault::stop(ExitCode::Misconfigured, format!("there is no topic {}", output.topic));
        let (topic, partitions) = self.topics.get_key_value(&output.topic).ok_or_else(unknown)?;
        let topic = Arc::clone(topic);
        let count = i32::try_from(partitions.len()).unwrap_or(i32::MAX);
        let number = match (output.partition, &output.key) {
            (Some(number), _) => number,
            (None, Some(key)) => partition_of(key, count),
            (None, None) => 0,
        };
        let log = self.topics.get_mut(&topic).and_then(|all| all.get_mut(usize::try_from(number).ok()?));
        let log = log.ok_or_else(unknown)?;
        log.push(Record {
            partition: Partition::new(topic, number),
            offset: to_offset(log.len()),
            timestamp: output.timestamp.unwrap_or(at),
            key: output.key,
            value: output.value,
            headers: output.headers,
        });
        Ok(())
    }

    fn records(&self, partition: &Partition) -> &[Record] {
        let partitions = self.topics.get(&partition.topic);
        let records = partitions.and_then(|all| all.get(usize::try_from(partition.number).ok()?));
        records.map_or(&[], Vec::as_slice)
    }
}

impl EmbeddedBroker {
    /// A member that reads these topics. `clock` gives the timestamps of the records that it writes.
    pub fn new(
        log: EmbeddedLog,
        topics: &[&str],
        changelog: Arc<str>,
        clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    ) -> EmbeddedBroker {
        EmbeddedBroker {
            log,
            changelog,
            clock,
            subscribed: topics.iter().map(|topic| Arc::from(*topic)).collect(),
            joined: false,
            positions: BTreeMap::new(),
            held: BTreeMap::new(),
            turn: 0,
            pending: Vec::new(),
        }
    }

    fn join(&mut self) -> Vec<Partition> {
        self.joined = true;
        let inner = self.log.lock();
        let count = |topic: &Arc<str>| inner.topics.get(topic).map_or(0, Vec::len);
        self.subscribed
            .iter()
            .flat_map(|topic| {
                (0..count(topic)).map(|number| Partition::new(Arc::clone(topic), to_offset(number) as i32))
            })
            .collect()
    }

    /// The next record of a partition that is not held, each partition in its turn.
    fn next(&mut self) -> Option<Record> {
        let open: Vec<Partition> =
            self.positions.keys().filter(|partition| !self.held.contains_key(partition)).cloned().collect();
        for step in 0..open.len() {
            let partition = open.get((self.turn + step) % open.len())?;
            let position = self.positions.get_mut(partition)?;
            let record = {
                let inner = self.log.lock();
                usize::try_from(*position).ok().and_then(|at| inner.records(partition).get(at).cloned())
            };
            if let Some(record) = record {
                *position += 1;
                self.turn = self.turn.wrapping_add(step + 1);
                return Some(record);
            }
        }
        None
    }
}

impl Broker for EmbeddedBroker {
    fn poll(&mut self, wait: Duration) -> Result<Polled, Fault> {
        if !self.joined {
            return Ok(Polled::Assigned(self.join()));
        }
        match self.next() {
            Some(record) => Ok(Polled::Record(record)),
            None => {
                std::thread::sleep(wait.min(Duration::from_millis(2)));
                Ok(Polled::Nothing)
            }
        }
    }

    fn bounds(&mut self, partitions: &[Partition]) -> Result<Vec<Bounds>, Fault> {
        let inner = self.log.lock();
        let bounds = partitions.iter().map(|partition| Bounds {
            low: 0,
            high: to_offset(inner.records(partition).len()),
            committed: inner.committed.get(partition).copied(),
        });
        Ok(bounds.collect())
    }

    fn admit(&mut self, partitions: &[(Partition, i64)]) -> Result<(), Fault> {
        self.positions.extend(partitions.iter().cloned());
        self.held.extend(partitions.iter().cloned());
        Ok(())
    }

    fn release(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        self.positions.retain(|partition, _| !partitions.contains(partition));
        Ok(())
    }

    fn hold(&mut self, partition: &Partition, offset: i64) -> Result<(), Fault> {
        self.held.insert(partition.clone(), offset);
        Ok(())
    }

    fn resume(&mut self, partition: &Partition) -> Result<(), Fault> {
        if let Some(offset) = self.held.remove(partition) {
            self.positions.insert(partition.clone(), offset);
        }
        Ok(())
    }

    fn replay(&mut self, changelog: &Partition, from: i64) -> Result<Box<dyn Replay>, Fault> {
        let inner = self.log.lock();
        let records = inner.records(changelog);
        let end = to_offset(records.len());
        let records = records.iter().skip(usize::try_from(from).unwrap_or(0)).cloned().collect();
        Ok(Box::new(EmbeddedReplay { records, end }))
    }

    fn send(&mut self, output: Output) -> Result<(), Fault> {
        self.pending.push(output);
        Ok(())
    }

    fn commit(&mut self, offsets: &[(Partition, i64)]) -> Result<Vec<(i32, i64)>, Fault> {
        let at = (self.clock)();
        let mut inner = self.log.lock();
        let mut changed: Vec<i32> = Vec::new();
        for output in self.pending.drain(..) {
            if output.topic == self.changelog {
                changed.extend(output.partition);
            }
            inner.append(output, at)?;
        }
        inner.committed.extend(offsets.iter().cloned());
        changed.sort_unstable();
        changed.dedup();
        let next = |number: &i32| {
            let partition = Partition::new(Arc::clone(&self.changelog), *number);
            (*number, to_offset(inner.records(&partition).len()))
        };
        Ok(changed.iter().map(next).collect())
    }

    fn abort(&mut self) {
        self.pending.clear();
    }

    /// The log is this process's own.
    fn look_for_successor(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    fn renew(&mut self) -> Result<(), Fault> {
        self.pending.clear();
        Ok(())
    }

    fn partitions(&mut self, topic: &str) -> Result<i32, Fault> {
        let count = self.log.lock().topics.get(topic).map(Vec::len);
        count
            .and_then(|count| i32::try_from(count).ok())
            .ok_or_else(|| Fault::stop(ExitCode::Misconfigured, format!("there is no topic {topic}")))
    }

    fn lag(&self, partition: &Partition, next: i64) -> i64 {
        (to_offset(self.log.lock().records(partition).len()) - next).max(0)
    }
}

impl Replay for EmbeddedReplay {
    fn next(&mut self, limit: usize, _: Duration) -> Result<Vec<Record>, Fault> {
        let count = limit.min(self.records.len());
        Ok(self.records.drain(..count).collect())
    }

    fn finished(&self) -> Option<i64> {
        self.records.is_empty().then_some(self.end)
    }

    fn remaining(&self) -> i64 {
        to_offset(self.records.len())
    }
}

fn to_offset(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
