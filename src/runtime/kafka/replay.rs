//! Reads a partition's committed records from an offset up to where it ended when reading began. Restores
//! state from changelogs, and lets commands read outputs.
//!
//! The end is the high watermark, which counts records of open transactions too. Reading begins when none is
//! open below it any more, and is over at the client's own end-of-partition mark: counting records would
//! prove nothing, because control records and compaction leave gaps.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::aside::Aside;
use super::client;
use super::errors::{fault, is_transient, refused};
use super::message::{TopicNames, record};
use super::watermarks::Watermarks;
use crate::config::KafkaConfig;
use crate::runtime::broker::{Partition, Record, Replay};
use crate::runtime::fault::{ExitCode, Fault};

const CALL_TIMEOUT: Duration = Duration::from_secs(8);
/// Longer than the longest transaction that a predecessor may have left open.
const OPEN_TRANSACTION_WAIT: Duration = Duration::from_secs(90);

/// How much a reader fetches ahead. Each partition that is restored has a reader of its own, all of them at once, and
/// what is fetched takes about twice as much once it is unpacked: so much is enough to keep a restore busy.
const READER_SETTINGS: &[(&str, &str)] = &[
    ("queued.max.messages.kbytes", "2048"),
    ("fetch.message.max.bytes", "524288"),
    // The client's own second, once that is reached, would be most of a restore.
    ("fetch.queue.backoff.ms", "5"),
];

/// Reads one partition up to a fixed end.
pub struct LogReader {
    /// None where there is nothing to read.
    consumer: Option<BaseConsumer>,
    topics: TopicNames,
    low: i64,
    next: i64,
    end: i64,
    finished: bool,
}

impl LogReader {
    /// Opens a partition for reading from `from`.
    ///
    /// # Errors
    /// `Stop` when the partition does not reach `from`, or no longer does.
    pub fn open(
        kafka: &KafkaConfig,
        application: &str,
        partition: &Partition,
        from: i64,
    ) -> Result<LogReader, Fault> {
        LogReader::open_between(kafka, application, partition, from, &Watermarks::new(kafka, application)?)
    }

    fn open_between(
        kafka: &KafkaConfig,
        application: &str,
        partition: &Partition,
        from: i64,
        watermarks: &Watermarks,
    ) -> Result<LogReader, Fault> {
        let (low, end) = watermarks.uncommitted(partition)?;
        if from > end {
            return Err(Fault::stop(
                ExitCode::Inconsistent,
                format!(
                    "{partition} ends at {end}, but the state on disk has read it up to {from}: the topic was \
                     recreated or truncated. The state on disk may be the last good copy: nothing was changed"
                ),
            ));
        }
        let next = from.max(low);
        let finished = next >= end;
        let consumer = if finished {
            // No transaction is open below the end: its records would have to be in between.
            None
        } else {
            wait_for_open_transactions(watermarks, partition, end)?;
            let consumer = reader(kafka, application, "read_committed")?;
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&partition.topic, partition.number, Offset::Offset(next))
                .and_then(|()| consumer.assign(&list))
                .map_err(|error| fault("opening a partition to read", &error))?;
            Some(consumer)
        };
        let topics = TopicNames::from([(partition.topic.to_string(), Arc::clone(&partition.topic))]);
        Ok(LogReader { consumer, topics, low, next, end, finished })
    }

    /// As `open`, for a log that must be whole from `from` on: a compacted one, which never loses its start by
    /// itself.
    pub(super) fn open_whole(
        kafka: &KafkaConfig,
        application: &str,
        partition: &Partition,
        from: i64,
        watermarks: &Watermarks,
    ) -> Result<LogReader, Fault> {
        let reader = LogReader::open_between(kafka, application, partition, from, watermarks)?;
        if reader.low <= from {
            return Ok(reader);
        }
        Err(Fault::stop(
            ExitCode::Inconsistent,
            format!(
                "{partition} begins at {}, but the state on disk has read it up to {from} only: records of the \
                 changelog were deleted, and the state cannot be made whole from what is left. Put a newer state \
                 directory back, or replay the input under another application id",
                reader.low
            ),
        ))
    }
}

impl Replay for Aside<LogReader> {
    fn next(&mut self, limit: usize, wait: Duration) -> Result<Vec<Record>, Fault> {
        (**self).next(limit, wait)
    }

    fn finished(&self) -> Option<i64> {
        (**self).finished()
    }

    fn remaining(&self) -> i64 {
        (**self).remaining()
    }
}

impl Replay for LogReader {
    fn next(&mut self, limit: usize, wait: Duration) -> Result<Vec<Record>, Fault> {
        let mut records = Vec::new();
        let mut wait = wait;
        while records.len() < limit
            && !self.finished
            && let Some(consumer) = &self.consumer
        {
            match consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    records.push(record(&self.topics, &message));
                    self.next = message.offset() + 1;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    self.finished = true;
                    self.next = self.next.max(self.end);
                }
                Some(Err(error)) if is_transient(&error) => {
                    tracing::debug!(event = "kafka_replay_error", %error, "reading failed for now");
                }
                Some(Err(error)) => return Err(fault("reading a partition", &error)),
            }
            wait = Duration::ZERO;
        }
        Ok(records)
    }

    fn finished(&self) -> Option<i64> {
        self.finished.then_some(self.next)
    }

    fn remaining(&self) -> i64 {
        (self.end - self.next).max(0)
    }
}

/// Reads all committed records of a topic, partition by partition. For commands and tests.
pub fn read_topic(kafka: &KafkaConfig, application: &str, topic: &str) -> Result<Vec<Record>, Fault> {
    let consumer = reader(kafka, application, "read_committed")?;
    let metadata = consumer
        .fetch_metadata(Some(topic), CALL_TIMEOUT)
        .map_err(|error| fault("asking for metadata", &error))?;
    let count = metadata.topics().first().map_or(0, |found| found.partitions().len());
    let topic: Arc<str> = Arc::from(topic);
    let mut records = Vec::new();
    for number in 0..i32::try_from(count).unwrap_or(i32::MAX) {
        let mut log = LogReader::open(kafka, application, &Partition::new(Arc::clone(&topic), number), 0)?;
        while log.finished().is_none() {
            records.extend(log.next(10_000, Duration::from_millis(200))?);
        }
    }
    Ok(records)
}

fn wait_for_open_transactions(watermarks: &Watermarks, partition: &Partition, end: i64) -> Result<(), Fault> {
    let deadline = now() + OPEN_TRANSACTION_WAIT;
    while watermarks.committed(partition)?.1 < end {
        if now() > deadline {
            return Err(Fault::restart("broker", format!("a transaction in {partition} stays open")));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// A consumer that is given partitions by us and belongs to no group, though the client wants a name.
pub(super) fn reader(kafka: &KafkaConfig, application: &str, isolation: &str) -> Result<BaseConsumer, Fault> {
    let mut configuration = client(kafka, &format!("{application}-reader"));
    configuration
        .set("group.id", application)
        // This is no member, but what is passed on for consumers is checked against it.
        .set("session.timeout.ms", kafka.session_timeout_ms.to_string())
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("isolation.level", isolation)
        .set("enable.partition.eof", "true")
        .set("check.crcs", "true")
        .set("fetch.wait.max.ms", "50");
    for (key, value) in READER_SETTINGS {
        configuration.set(*key, *value);
    }
    for (key, value) in &kafka.consumer {
        configuration.set(key, value);
    }
    configuration.create().map_err(|error| refused("a reader", &error))
}

#[allow(clippy::disallowed_methods)] // A deadline: nothing that is written depends on it.
fn now() -> Instant {
    Instant::now()
}
