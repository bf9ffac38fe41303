//! Follows topics as a consumer of another team would: committed records only, from the beginning, on and on.
//! It belongs to no group and keeps no offsets.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::errors::{fault, is_transient};
use super::message::{TopicNames, names, record};
use super::replay::reader;
use crate::config::KafkaConfig;
use crate::runtime::broker::Record;
use crate::runtime::fault::Fault;

const CALL_TIMEOUT: Duration = Duration::from_secs(8);

/// A reader of all partitions of some topics.
pub struct Follower {
    consumer: BaseConsumer,
    topics: TopicNames,
}

impl Follower {
    /// Begins to follow topics that exist; their partitions are those of this moment.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub fn open(kafka: &KafkaConfig, application: &str, topics: &[&str]) -> Result<Follower, Fault> {
        let consumer = reader(kafka, application, "read_committed")?;
        let mut list = TopicPartitionList::new();
        for topic in topics {
            let metadata = consumer
                .fetch_metadata(Some(topic), CALL_TIMEOUT)
                .map_err(|error| fault("asking for metadata", &error))?;
            let found = metadata.topics().iter().find(|found| found.name() == *topic);
            for partition in found.into_iter().flat_map(|found| found.partitions()) {
                list.add_partition_offset(topic, partition.id(), Offset::Beginning)
                    .map_err(|error| fault("naming a partition", &error))?;
            }
        }
        consumer.assign(&list).map_err(|error| fault("opening partitions to read", &error))?;
        Ok(Follower { consumer, topics: names(topics.iter().copied()) })
    }

    /// At most `limit` further records; an empty answer when none came within `wait`.
    ///
    /// # Errors
    /// When reading fails in a way that the client does not mend by itself.
    pub fn next(&mut self, limit: usize, wait: Duration) -> Result<Vec<Record>, Fault> {
        let mut records = Vec::new();
        let mut wait = wait;
        while records.len() < limit {
            match self.consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    records.push(record(&self.topics, &message));
                    // What has arrived is taken along; what has not is not waited for.
                    wait = Duration::ZERO;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) if is_transient(&error) => {
                    tracing::debug!(event = "kafka_follow_error", %error, "reading failed for now");
                }
                Some(Err(error)) => return Err(fault("following topics", &error)),
            }
        }
        Ok(records)
    }
}
