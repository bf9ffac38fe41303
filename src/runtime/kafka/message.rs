//! A message of librdkafka as a record of ours. The bytes are copied: a message keeps its whole fetch alive.

use std::collections::BTreeMap;
use std::sync::Arc;

use rdkafka::message::{BorrowedMessage, Headers, Message};

use crate::domain::time::Timestamp;
use crate::runtime::broker::{Header, Partition, Record};

/// One shared name for each topic, so that records do not carry copies.
pub(super) type TopicNames = BTreeMap<String, Arc<str>>;

/// The time of a record without one, as Kafka's protocol has it: no event happened then.
const NO_TIMESTAMP_MS: i64 = -1;

/// The record that a message is.
pub(super) fn record(topics: &TopicNames, message: &BorrowedMessage<'_>) -> Record {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        headers
            .iter()
            .map(|header| Header { name: header.key.to_owned(), value: header.value.map(<[u8]>::to_vec) })
            .collect()
    });
    Record {
        partition: partition(topics, message.topic(), message.partition()),
        offset: message.offset(),
        timestamp: Timestamp::from_ms(message.timestamp().to_millis().unwrap_or(NO_TIMESTAMP_MS)),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers,
    }
}

/// A partition under the shared name of its topic.
pub(super) fn partition(topics: &TopicNames, topic: &str, number: i32) -> Partition {
    let topic = topics.get(topic).cloned().unwrap_or_else(|| Arc::from(topic));
    Partition { topic, number }
}

/// The shared names of these topics.
pub(super) fn names<'t>(topics: impl IntoIterator<Item = &'t str>) -> TopicNames {
    topics.into_iter().map(|topic| (topic.to_owned(), Arc::from(topic))).collect()
}
