//! Settings of librdkafka that are passed on, and those that are not: each of the latter would break
//! exactly-once or contradict a key of our own, and is refused with the reason.

use std::collections::BTreeMap;

use super::node::Node;
use super::problems::Problems;
use super::section;

/// The most settings that are passed on.
const SETTINGS_MAX: usize = 200;

/// Whose settings they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clients {
    /// Those that read.
    Consumers,
    /// Those that write.
    Producers,
}

/// Settings that are refused, with the reason. For both kinds of clients: what one does not know is as wrong.
const REFUSED: &[(&str, &str)] = &[
    ("enable.auto.commit", "offsets are committed in the transaction that holds what follows from them"),
    ("auto.commit.interval.ms", "offsets are committed in the transaction that holds what follows from them"),
    ("auto.commit.enable", "offsets are committed in the transaction that holds what follows from them"),
    (
        "enable.auto.offset.store",
        "offsets are committed in the transaction that holds what follows from them",
    ),
    ("offset.store.method", "offsets are committed in the transaction that holds what follows from them"),
    ("isolation.level", "records of aborted transactions never happened; they must not be read"),
    (
        "auto.offset.reset",
        "a lost offset must stop the process, not skip or repeat records; see `start` of a source",
    ),
    ("group.id", "it is the application's name, which the committed offsets are found by"),
    ("group.instance.id", "each worker has its own, so that a restart keeps its partitions"),
    ("group.protocol", "partitions are committed and released in the classic protocol's callbacks"),
    ("group.remote.assignor", "partitions are committed and released in the classic protocol's callbacks"),
    ("partition.assignment.strategy", "set kafka.assignor"),
    ("session.timeout.ms", "set kafka.session_timeout"),
    ("transaction.timeout.ms", "set kafka.transaction_timeout"),
    ("bootstrap.servers", "set kafka.bootstrap"),
    ("metadata.broker.list", "set kafka.bootstrap"),
    ("client.id", "it names the application, the process and the worker"),
    ("check.crcs", "a damaged record must not be taken for an event"),
    ("allow.auto.create.topics", "a topic made by accident has the wrong partitions and retention"),
    ("transactional.id", "each worker has its own, so that a restarted one fences its former self"),
    ("enable.idempotence", "without it a retried record is written twice"),
    ("enable.gapless.guarantee", "a failed record aborts its transaction already"),
    ("acks", "a transaction needs every replica in sync to have it"),
    ("request.required.acks", "a transaction needs every replica in sync to have it"),
    ("max.in.flight", "more than five lose the order that idempotence keeps"),
    ("max.in.flight.requests.per.connection", "more than five lose the order that idempotence keeps"),
    ("retries", "a record that is not retried fails its transaction"),
    ("message.send.max.retries", "a record that is not retried fails its transaction"),
    ("partitioner", "every record of a person must land in the person's partition, by murmur2 as in Java"),
    ("partitioner_cb", "every record of a person must land in the person's partition, by murmur2 as in Java"),
];

/// Reads `kafka.consumer` or `kafka.producer`.
pub(crate) fn read(
    node: &mut Node,
    clients: Clients,
    problems: &mut Problems<'_>,
) -> BTreeMap<String, String> {
    let path = match clients {
        Clients::Consumers => "kafka.consumer",
        Clients::Producers => "kafka.producer",
    };
    let place = node.place.clone();
    let Some(entries) = section::entries(node, path, problems) else { return BTreeMap::new() };
    if entries.len() > SETTINGS_MAX {
        let message = format!("{path} has {} settings; at most {SETTINGS_MAX} are allowed", entries.len());
        problems.error(&place, message, None);
    }
    let mut settings = BTreeMap::new();
    for entry in entries {
        // librdkafka's own spelling is lower case; another case would slip past the list.
        let name = entry.key.trim().to_lowercase();
        if let Some((_, reason)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
            let message = format!("{path}.{} may not be set: {reason}", entry.key);
            problems.error(&entry.place, message, Some("leave it out".into()));
            continue;
        }
        if let Some(text) = section::text_of(&entry.value, &format!("{path}.{}", entry.key), problems) {
            settings.insert(entry.key.clone(), text.text.into());
        }
    }
    settings
}
