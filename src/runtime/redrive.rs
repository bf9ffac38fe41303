//! Dead letters once more through intake: each record goes back to the partition of the source that it came
//! from, with its own bytes, headers and time, in the transaction that commits the offset of its letter. So a
//! redrive that is killed and started again sends nothing twice and leaves nothing out, and the committed
//! offset parts the letters that are handled from those that are open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::broker::{Broker, Output, Partition, Polled, Record};
use super::dead_letter::Letter;
use super::fault::Fault;

/// How many letters share a transaction.
const BATCH: usize = 500;
const WAIT: Duration = Duration::from_millis(100);

/// Which letters are sent back.
#[derive(Clone, Debug)]
pub struct Redrive {
    /// The dead-letter topic.
    pub letters: Arc<str>,
    /// The topics that records may go back to.
    pub sources: BTreeSet<Arc<str>>,
    /// Only letters of one of these codes; of every code where there is none.
    pub codes: BTreeSet<String>,
    /// Before which offset of each partition of the dead-letter topic it ends.
    pub ends: BTreeMap<Partition, i64>,
}

/// What a redrive did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redriven {
    /// Records that went back to their sources.
    pub sent: u64,
    /// Letters that were left open, by being written again at the end of the dead-letter topic.
    pub kept: u64,
}

impl Redrive {
    /// Sends back what is open and wanted, up to the ends.
    ///
    /// # Errors
    /// Any fault of the broker. What was committed stays so; the next redrive goes on from there.
    pub fn run(&self, broker: &mut dyn Broker) -> Result<Redriven, Fault> {
        let mut done = Redriven::default();
        let mut batch = Batch::default();
        // Where each partition stands that was assigned.
        let mut next: BTreeMap<Partition, i64> = BTreeMap::new();
        while self.ends.iter().any(|(partition, end)| next.get(partition).is_none_or(|next| next < end)) {
            match broker.poll(WAIT)? {
                Polled::Record(record) => {
                    let end = self.ends.get(&record.partition).copied().unwrap_or(0);
                    next.insert(record.partition.clone(), record.offset + 1);
                    if record.offset >= end {
                        continue;
                    }
                    batch.take(self.output(&record), &record);
                    if batch.outputs.len() >= BATCH {
                        batch.commit(broker, &mut done)?;
                    }
                }
                Polled::Assigned(partitions) => {
                    let bounds = broker.bounds(&partitions)?;
                    let starts = bounds.iter().map(|bounds| bounds.committed.unwrap_or(0).max(bounds.low));
                    let starts: Vec<(Partition, i64)> = partitions.into_iter().zip(starts).collect();
                    broker.admit(&starts)?;
                    starts.iter().try_for_each(|(partition, _)| broker.resume(partition))?;
                    next.extend(starts);
                }
                Polled::Revoked(_) | Polled::Lost(_) => {
                    return Err(Fault::restart("redrive", "another redrive of the same application began"));
                }
                Polled::Nothing => {}
            }
        }
        batch.commit(broker, &mut done)?;
        Ok(done)
    }

    fn output(&self, record: &Record) -> (Output, Fate) {
        if let Ok(letter) = Letter::read(record)
            && (self.codes.is_empty() || self.codes.contains(&letter.code))
            && self.sources.contains(&letter.partition.topic)
        {
            let Letter { partition, key, value, headers, timestamp, .. } = letter;
            let Partition { topic, number } = partition;
            return (Output { topic, partition: Some(number), key, value, headers, timestamp }, Fate::Sent);
        }
        let again = Output {
            topic: Arc::clone(&self.letters),
            partition: Some(record.partition.number),
            key: record.key.clone(),
            value: record.value.clone(),
            headers: record.headers.clone(),
            timestamp: None,
        };
        (again, Fate::Kept)
    }
}

enum Fate {
    Sent,
    Kept,
}

/// What the next transaction holds.
#[derive(Default)]
struct Batch {
    outputs: Vec<Output>,
    offsets: BTreeMap<Partition, i64>,
    done: Redriven,
}

impl Batch {
    fn take(&mut self, (output, fate): (Output, Fate), letter: &Record) {
        match fate {
            Fate::Sent => self.done.sent += 1,
            Fate::Kept => self.done.kept += 1,
        }
        self.outputs.push(output);
        self.offsets.insert(letter.partition.clone(), letter.offset + 1);
    }

    fn commit(&mut self, broker: &mut dyn Broker, done: &mut Redriven) -> Result<(), Fault> {
        if self.outputs.is_empty() {
            return Ok(());
        }
        let Batch { outputs, offsets, done: ours } = std::mem::take(self);
        outputs.into_iter().try_for_each(|output| broker.send(output))?;
        broker.commit(&offsets.into_iter().collect::<Vec<_>>())?;
        done.sent += ours.sent;
        done.kept += ours.kept;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::reject::{Reject, RejectCode};
    use crate::domain::time::Timestamp;
    use crate::runtime::broker::Header;
    use crate::runtime::dead_letter::dead_letter;
    use crate::runtime::embedded::{EmbeddedBroker, EmbeddedLog};

    const NOW: Timestamp = Timestamp::from_ms(1_767_700_000_000);

    /// A log with `count` dead letters, of the codes `schema_mismatch` and `empty` in turn.
    fn log(count: i64) -> EmbeddedLog {
        let log = EmbeddedLog::new([("events", 2), ("letters", 1)]);
        for offset in 0..count {
            let record = Record {
                partition: Partition::new("events", 1),
                offset,
                timestamp: Timestamp::from_ms(1_767_607_200_000 + offset),
                key: Some(b"k".to_vec()),
                value: Some(format!("{offset}").into_bytes()),
                headers: vec![Header::text("trace", offset.to_string())],
            };
            let code = if offset % 2 == 0 { RejectCode::SchemaMismatch } else { RejectCode::Empty };
            let letter = dead_letter(&Arc::from("letters"), &record, &Reject::new(code, "$", "why"));
            log.append(letter, NOW).unwrap();
        }
        log
    }

    fn redrive(log: &EmbeddedLog, codes: &[&str], source: &str) -> Redriven {
        let end = log.read("letters").len() as i64;
        let redrive = Redrive {
            letters: "letters".into(),
            sources: [Arc::from(source)].into(),
            codes: codes.iter().map(|code| (*code).to_owned()).collect(),
            ends: [(Partition::new("letters", 0), end)].into(),
        };
        redrive.run(&mut broker(log)).unwrap()
    }

    fn broker(log: &EmbeddedLog) -> EmbeddedBroker {
        EmbeddedBroker::new(log.clone(), &["letters"], "changelog".into(), Arc::new(|| NOW))
    }

    fn values(log: &EmbeddedLog, topic: &str) -> Vec<String> {
        log.read(topic).into_iter().map(|record| String::from_utf8(record.value.unwrap()).unwrap()).collect()
    }

    #[test]
    fn records_go_back_as_they_were_and_once() {
        let log = log(1201);
        assert_eq!(redrive(&log, &[], "events"), Redriven { sent: 1201, kept: 0 });
        let sent = log.read("events");
        assert_eq!(sent.len(), 1201);
        for (offset, record) in (0..).zip(sent) {
            assert_eq!((record.partition.number, record.offset), (1, offset));
            assert_eq!(record.timestamp, Timestamp::from_ms(1_767_607_200_000 + offset));
            assert_eq!(record.key.as_deref(), Some(b"k".as_slice()));
            assert_eq!(record.value, Some(format!("{offset}").into_bytes()));
            assert_eq!(record.headers, [Header::text("trace", offset.to_string())]);
        }
        assert_eq!(redrive(&log, &[], "events"), Redriven::default(), "nothing is open any more");
    }

    #[test]
    fn what_is_not_wanted_stays_open() {
        let log = log(6);
        assert_eq!(redrive(&log, &["schema_mismatch"], "events"), Redriven { sent: 3, kept: 3 });
        assert_eq!(values(&log, "events"), ["0", "2", "4"]);
        assert_eq!(log.read("letters").len(), 9);
        assert_eq!(redrive(&log, &[], "events"), Redriven { sent: 3, kept: 0 });
        assert_eq!(values(&log, "events"), ["0", "2", "4", "1", "3", "5"]);
    }

    #[test]
    fn a_record_whose_source_is_not_read_any_more_stays_open_as_it_is() {
        let log = log(2);
        assert_eq!(redrive(&log, &[], "orders"), Redriven { sent: 0, kept: 2 });
        let letters = log.read("letters");
        assert_eq!(letters.len(), 4);
        assert_eq!((&letters[0].headers, &letters[0].value), (&letters[2].headers, &letters[2].value));
    }

    #[test]
    fn a_redrive_that_ends_in_between_is_gone_on_with() {
        let log = log(1100);
        let end = 700;
        let redrive_to = |end| Redrive {
            letters: "letters".into(),
            sources: ["events".into()].into(),
            codes: BTreeSet::new(),
            ends: [(Partition::new("letters", 0), end)].into(),
        };
        let mut dying = Dying { broker: broker(&log), commits: 1 };
        assert!(redrive_to(end).run(&mut dying).is_err());
        assert_eq!(log.read("events").len(), 500, "the first transaction stays");
        assert_eq!(redrive_to(1100).run(&mut broker(&log)).unwrap(), Redriven { sent: 600, kept: 0 });
        let expected: Vec<String> = (0..1100).map(|offset: i64| offset.to_string()).collect();
        assert_eq!(values(&log, "events"), expected);
    }

    /// A broker that goes away after so many commits.
    struct Dying {
        broker: EmbeddedBroker,
        commits: usize,
    }

    impl Broker for Dying {
        fn commit(&mut self, offsets: &[(Partition, i64)]) -> Result<Vec<(i32, i64)>, Fault> {
            self.commits = self.commits.checked_sub(1).ok_or_else(|| Fault::restart("test", "gone"))?;
            self.broker.commit(offsets)
        }

        fn poll(&mut self, wait: Duration) -> Result<Polled, Fault> {
            self.broker.poll(wait)
        }

        fn bounds(&mut self, partitions: &[Partition]) -> Result<Vec<super::super::broker::Bounds>, Fault> {
            self.broker.bounds(partitions)
        }

        fn admit(&mut self, partitions: &[(Partition, i64)]) -> Result<(), Fault> {
            self.broker.admit(partitions)
        }

        fn send(&mut self, output: Output) -> Result<(), Fault> {
            self.broker.send(output)
        }

        fn release(&mut self, _: &[Partition]) -> Result<(), Fault> {
            unreachable!()
        }

        fn hold(&mut self, _: &Partition, _: i64) -> Result<(), Fault> {
            unreachable!()
        }

        fn resume(&mut self, partition: &Partition) -> Result<(), Fault> {
            self.broker.resume(partition)
        }

        fn replay(&mut self, _: &Partition, _: i64) -> Result<Box<dyn super::super::broker::Replay>, Fault> {
            unreachable!()
        }

        fn abort(&mut self) {
            self.broker.abort();
        }

        fn look_for_successor(&mut self) -> Result<(), Fault> {
            unreachable!()
        }

        fn renew(&mut self) -> Result<(), Fault> {
            unreachable!()
        }

        fn partitions(&mut self, topic: &str) -> Result<i32, Fault> {
            self.broker.partitions(topic)
        }

        fn lag(&self, partition: &Partition, next: i64) -> i64 {
            self.broker.lag(partition, next)
        }
    }
}
