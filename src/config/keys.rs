//! Every key of the configuration: its meaning, its unit, its default and its limit. One table a section, and
//! the sections read from these tables, so that what is written here is what holds.

mod definitions;

pub(crate) use self::definitions::{
    ATTRIBUTE, DEDUPE, DEFINITIONS, INTEREST, MAX_FIRES, ORDERS, RECENT_ITEMS, RULE, SEGMENT, SESSION, SLOT,
    TRIGGER,
};

/// One key of a section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    /// How it is written.
    pub(crate) name: &'static str,
    /// What it is when nobody says.
    pub(crate) absent: Absent,
    /// What it means, in which unit, within which limits.
    pub(crate) meaning: &'static str,
}

/// What holds when a key is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    /// This value, as it would be written.
    Means(&'static str),
    /// Nothing, and that is meant.
    Fine,
    /// It must be given.
    Refused,
}

const fn key(name: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key { name, absent: Absent::Means(default), meaning }
}

const fn optional(name: &'static str, meaning: &'static str) -> Key {
    Key { name, absent: Absent::Fine, meaning }
}

const fn needed(name: &'static str, meaning: &'static str) -> Key {
    Key { name, absent: Absent::Refused, meaning }
}

/// The process: everything that a document of the definitions topic may not say.
pub(crate) const PROCESS: &[Key] = &[
    needed("application", "the root of every name; 1 to 100 of a-z, 0-9, '.' and '-'"),
    optional("kafka", "where Kafka is and what its clients are told"),
    optional("registry", "where the schema registry is"),
    needed("sources", "the topics of events, 1 to 64"),
    optional("catalogue", "the content that decisions choose from"),
    optional("definitions", "where new definitions arrive"),
    optional("site_shares", "where it arrives what all persons together are drawn to"),
    optional("topics", "the topics that the application owns"),
    optional("commit", "when a transaction is committed: by whichever limit is reached first"),
    optional("state", "where state is kept and how much memory it may use"),
    key("threads", "2", "how many worker threads, 1 to 64"),
    optional("http", "the HTTP endpoints"),
    optional("telemetry", "where traces go"),
    key("ids", "by_kind", "how persons are keyed: by_kind (user:42, anonymous:7) or user (the bare user id)"),
    optional("limits", "what a record may be"),
    optional("aliases", "further names for events and fields, as {alias: canonical name}"),
    optional("schemas", "JSON Schemas that events must fit"),
];

/// `kafka`.
pub(crate) const KAFKA: &[Key] = &[
    key("bootstrap", "localhost:9092", "brokers to begin with, as host:port, separated by commas"),
    key("assignor", "cooperative-sticky", "how partitions are spread: cooperative-sticky or range"),
    key("session_timeout", "45s", "how long a member may be away before others take over, 6s to 30m"),
    key("transaction_timeout", "10s", "how long a transaction may stay open, 1s to 60s"),
    key(
        "transaction_tags",
        "off",
        "on: each record that is written says in a header which transaction it is of",
    ),
    optional("consumer", "settings of librdkafka for consumers, passed on as they are"),
    optional("producer", "settings of librdkafka for producers, passed on as they are"),
];

/// `registry`.
pub(crate) const REGISTRY: &[Key] = &[
    key("url", "http://localhost:8081", "its address, http or https"),
    optional("user", "the user of basic authentication; needs a password"),
    optional("password", "the password of basic authentication; best as ${VARIABLE} or ${file:/path}"),
    key("timeout", "5s", "how long a request may take, 100ms to 60s"),
];

/// One of `sources`.
pub(crate) const SOURCE: &[Key] = &[
    needed("topic", "the topic's name"),
    key("format", "json", "how values are encoded: json or avro"),
    key(
        "clock",
        "automatic",
        "whether device clocks are corrected: automatic (where a record says when it was \
         sent and received), correct or trust",
    ),
    key("keyed", "false", "whether record keys are person keys already; then it must be the only source"),
    key("start", "earliest", "where to begin without a committed offset: earliest or latest"),
    optional(
        "debezium",
        "what the rows of a table tell, where the topic has its changes as Debezium tells them",
    ),
    optional(
        "expected",
        "which fields events should have, as {product_viewed: [items.price, shelf]}, at most 64: how often they \
         do not is counted in metrics",
    ),
    optional(
        "records_per_hour_min",
        "how many records it brings in an hour at least; a metric, for an alert",
    ),
    optional("records_per_hour_max", "and at most"),
];

/// `debezium` of a source.
pub(crate) const DEBEZIUM: &[Key] = &[
    needed("event", "the event that a row tells, such as order_completed"),
    optional("deleted", "the event that a deleted row tells; without, deletions pass"),
    optional("columns", "what columns are, as {customer_id: user_id, total: value}; at most 1,000"),
    optional("column", "a column whose values say what a row tells"),
    optional("events", "by such a value: the event, or `none`, as {cancelled: order_cancelled, draft: none}"),
];

/// `catalogue`.
pub(crate) const CATALOGUE: &[Key] = &[
    optional("topic", "the topic of content"),
    optional("items", "content that is declared here, at most 10,000 pieces"),
];

/// One of `catalogue.items`.
pub(crate) const CONTENT: &[Key] = &[
    needed("content_id", "its id, which decisions name; at most 200 bytes"),
    optional("slots", "the slots that it may fill; without, any"),
    optional(
        "weights",
        "how much it is about a value of an interest, as {shoes: 1.0}; at most 64, 0 to 1,000,000",
    ),
    key("base_weight", "0", "how good it is for somebody unknown, 0 to 1,000,000"),
    optional("item_id", "the product that it shows"),
    optional("starts_at", "shown from this instant on, as 2026-01-31T00:00:00Z"),
    optional("ends_at", "shown until before this instant"),
];

/// `definitions`.
pub(crate) const DEFINITIONS_SOURCE: &[Key] =
    &[optional("topic", "the topic on which new definitions arrive")];

/// `site_shares`.
pub(crate) const SITE_SHARES: &[Key] =
    &[optional("topic", "the topic that `bespoke site-shares` tells them on; lifts compare with them")];

/// `topics`. The names default to the application's name and a suffix.
pub(crate) const TOPICS: &[Key] = &[
    optional("commands", "everything that happens to persons; default APPLICATION-commands"),
    optional("changelog", "the changelog of the profiles; default APPLICATION-profile-changelog"),
    optional("profile_updates", "the latest profile of each person; default APPLICATION-profile-updates"),
    optional("content_decisions", "decisions; default APPLICATION-content-decisions"),
    optional("segment_changes", "who entered or left which segment; default APPLICATION-segment-changes"),
    optional("dead_letters", "records that could not be used; default APPLICATION-dead-letters"),
    optional("status", "what became of changes of definitions and content; default APPLICATION-status"),
    key("partitions", "8", "how many partitions each has, 1 to 1024"),
    key("replication", "3", "how many replicas each partition has, 1 to 9"),
];

/// `commit`.
pub(crate) const COMMIT: &[Key] = &[
    key(
        "age_max",
        "100ms",
        "the age of the oldest record, 1ms to 30s, below kafka.transaction_timeout; while records wait, up to four \
         times what the last commit took, within 1s and a quarter of that timeout",
    ),
    key("records_max", "10000", "the number of input records, 1 to 1000000"),
    key("bytes_max", "8MiB", "the bytes of the outputs, 64KiB to 256MiB"),
];

/// `state`.
pub(crate) const STATE: &[Key] = &[
    key("directory", "./state", "the directory; each partition has one of its own below"),
    key("block_cache", "32MiB", "memory for blocks read from disk, for all partitions, 1MiB to 1TiB"),
    key("write_buffer", "32MiB", "memory for rows not yet on disk, for all partitions, 1MiB to 64GiB"),
    key("profile_cache", "128MiB", "memory for profiles between commits, for all partitions, 1MiB to 1TiB"),
];

/// `http`.
pub(crate) const HTTP: &[Key] = &[key("listen", "127.0.0.1:8080", "the address to listen on, as ip:port")];

/// `telemetry`.
pub(crate) const TELEMETRY: &[Key] =
    &[optional("otlp_endpoint", "the address that traces are sent to, http or https; without, nowhere")];

/// `limits`.
pub(crate) const LIMITS: &[Key] = &[key(
    "record_bytes_max",
    "1MiB",
    "the largest input record; a larger one is a dead letter, 1KiB to 64MiB",
)];

/// `aliases`.
pub(crate) const ALIASES: &[Key] = &[
    optional("events", "names of events, as {Basket Filled: product_added}; at most 1,000"),
    optional("fields", "names of fields, as {artikelnummer: item_id}; at most 1,000"),
];

/// `schemas`.
pub(crate) const SCHEMAS: &[Key] = &[needed(
    "directory",
    "where they lie, each as <event>/<version>.json; seen from the configuration's own directory",
)];
