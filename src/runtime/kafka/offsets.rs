//! Offsets from the outside: where partitions begin and end, which offset an instant is at, and how far a
//! group has come. For commands that look at a pipeline without being a member of its group.

use std::sync::Arc;
use std::time::Duration;

use compact_str::CompactString;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::errors::fault;
use super::replay::{LogReader, reader};
use crate::config::KafkaConfig;
use crate::domain::time::Timestamp;
use crate::runtime::broker::{Partition, Replay};
use crate::runtime::fault::{ExitCode, Fault};

const CALL_TIMEOUT: Duration = Duration::from_secs(8);
/// How many offsets before an end are looked at first for its last record.
const TAIL_OFFSETS: i64 = 64;

/// Asks for offsets. It is no member of the group it asks about.
pub struct OffsetClient {
    consumer: BaseConsumer,
    kafka: KafkaConfig,
    group: CompactString,
}

impl OffsetClient {
    /// A client that asks about this group.
    pub fn new(kafka: &KafkaConfig, group: &str) -> Result<OffsetClient, Fault> {
        let consumer = reader(kafka, group, "read_uncommitted")?;
        Ok(OffsetClient { consumer, kafka: kafka.clone(), group: group.into() })
    }

    /// The partitions of a topic.
    ///
    /// # Errors
    /// `Stop` when there is no such topic.
    pub fn partitions(&self, topic: &str) -> Result<Vec<Partition>, Fault> {
        let metadata = self.consumer.fetch_metadata(Some(topic), CALL_TIMEOUT);
        let metadata = metadata.map_err(|error| fault("asking for metadata", &error))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let count = found.map_or(0, |found| found.partitions().len());
        if count == 0 {
            let text = format!("the topic {topic} does not exist");
            return Err(Fault::stop(ExitCode::Misconfigured, text));
        }
        let topic: Arc<str> = Arc::from(topic);
        let count = i32::try_from(count).unwrap_or(i32::MAX);
        Ok((0..count).map(|number| Partition::new(Arc::clone(&topic), number)).collect())
    }

    /// The oldest offset of a partition and the one behind its newest, records of open transactions included.
    pub fn bounds(&self, partition: &Partition) -> Result<(i64, i64), Fault> {
        self.consumer
            .fetch_watermarks(&partition.topic, partition.number, CALL_TIMEOUT)
            .map_err(|error| fault("asking for the bounds of a partition", &error))
    }

    /// The offset of the first record that Kafka has stamped with this instant or a later one; none if there
    /// is no such record.
    pub fn at(&self, partition: &Partition, at: Timestamp) -> Result<Option<i64>, Fault> {
        let asking = |error: KafkaError| fault("asking for the offset of an instant", &error);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&partition.topic, partition.number, Offset::Offset(at.ms()))
            .map_err(asking)?;
        let found = self.consumer.offsets_for_times(list, CALL_TIMEOUT).map_err(asking)?;
        let Some(found) = found.find_partition(&partition.topic, partition.number) else { return Ok(None) };
        found.error().map_err(asking)?;
        Ok(match found.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        })
    }

    /// The offsets that the group has committed; none where it has not.
    pub fn committed(&self, partitions: &[Partition]) -> Result<Vec<Option<i64>>, Fault> {
        let asking = |error: KafkaError| fault("asking for committed offsets", &error);
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&partition.topic, partition.number);
        }
        let found = self.consumer.committed_offsets(list, CALL_TIMEOUT).map_err(asking)?;
        let committed = partitions.iter().map(|partition| {
            let found = found.find_partition(&partition.topic, partition.number);
            match found.map(|element| (element.error(), element.offset())) {
                Some((Err(error), _)) => Err(asking(error)),
                Some((Ok(()), Offset::Offset(offset))) => Ok(Some(offset)),
                _ => Ok(None),
            }
        });
        committed.collect()
    }

    /// The offset behind the last committed record in `first..end`, or `first` where there is none. Marks of
    /// transactions take offsets as records do, so that an end itself is often one that no reader commits.
    pub fn end_of_records(&self, partition: &Partition, first: i64, end: i64) -> Result<i64, Fault> {
        if first >= end {
            return Ok(first);
        }
        let mut tail = TAIL_OFFSETS;
        loop {
            let from = first.max(end.saturating_sub(tail));
            match self.last_record(partition, from, end)? {
                Some(last) => return Ok(last + 1),
                None if from == first => return Ok(first),
                None => tail = tail.saturating_mul(16),
            }
        }
    }

    /// The offset of the last committed record in `from..end`.
    fn last_record(&self, partition: &Partition, from: i64, end: i64) -> Result<Option<i64>, Fault> {
        let mut log = LogReader::open(&self.kafka, &self.group, partition, from)?;
        let mut last = None;
        while log.finished().is_none() {
            for record in log.next(1_000, Duration::from_millis(200))? {
                if record.offset >= end {
                    return Ok(last);
                }
                last = Some(record.offset);
            }
        }
        Ok(last)
    }
}
