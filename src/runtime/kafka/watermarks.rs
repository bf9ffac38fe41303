//! Where partitions begin and end, asked on connections of their own. On that of a group member the answer waits
//! behind a fetch, which takes up to a tenth of a second where there is nothing to read.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};

use super::errors::fault;
use super::replay::reader;
use crate::config::KafkaConfig;
use crate::runtime::broker::Partition;
use crate::runtime::fault::Fault;

const CALL_TIMEOUT: Duration = Duration::from_secs(8);

/// Asks for the bounds of partitions. It is no member of the group.
pub(super) struct Watermarks {
    committed: BaseConsumer,
    uncommitted: BaseConsumer,
}

impl Watermarks {
    /// Makes the clients. They connect with the first question.
    pub(super) fn new(kafka: &KafkaConfig, application: &str) -> Result<Watermarks, Fault> {
        Ok(Watermarks {
            committed: reader(kafka, application, "read_committed")?,
            uncommitted: reader(kafka, application, "read_uncommitted")?,
        })
    }

    /// The oldest offset, and the next one that a read_committed reader cannot have yet.
    pub(super) fn committed(&self, partition: &Partition) -> Result<(i64, i64), Fault> {
        ask(&self.committed, partition)
    }

    /// The oldest offset, and the one behind the newest record, be its transaction open or not.
    pub(super) fn uncommitted(&self, partition: &Partition) -> Result<(i64, i64), Fault> {
        ask(&self.uncommitted, partition)
    }
}

/// The oldest offset, and the end in the eyes of a reader of the client's isolation level.
pub(super) fn ask<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    partition: &Partition,
) -> Result<(i64, i64), Fault> {
    client
        .fetch_watermarks(&partition.topic, partition.number, CALL_TIMEOUT)
        .map_err(|error| fault(&format!("asking for the bounds of {partition}"), &error))
}
