//! Every key of the configuration: its meaning, its unit, its default and its limit. One table a section, and
//! the sections read from these tables, so that what is written here is what holds.

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

/// `topics`. The names default to the application's name and a suffix.
pub(crate) const TOPICS: &[Key] = &[
    optional("commands", "everything that happens to persons; default APPLICATION-commands"),
    optional("changelog", "the changelog of the profiles; default APPLICATION-profile-changelog"),
    optional("profile_updates", "the latest profile of each person; default APPLICATION-profile-updates"),
    optional("content_decisions", "decisions; default APPLICATION-content-decisions"),
    optional("segment_changes", "who entered or left which segment; default APPLICATION-segment-changes"),
    optional("dead_letters", "records that could not be used; default APPLICATION-dead-letters"),
    key("partitions", "8", "how many partitions each has, 1 to 1024"),
    key("replication", "3", "how many replicas each partition has, 1 to 9"),
];

/// `commit`.
pub(crate) const COMMIT: &[Key] = &[
    key("age_max", "100ms", "the age of the oldest record, 1ms to 30s, below kafka.transaction_timeout"),
    key("records_max", "10000", "the number of input records, 1 to 1000000"),
    key("bytes_max", "8MiB", "the bytes of the outputs, 64KiB to 256MiB"),
];

/// `state`.
pub(crate) const STATE: &[Key] = &[
    key("directory", "./state", "the directory; each partition has one of its own below"),
    key("block_cache", "64MiB", "memory for blocks read from disk, for all partitions, 1MiB to 1TiB"),
    key("write_buffer", "64MiB", "memory for rows not yet on disk, for all partitions, 1MiB to 64GiB"),
    key("profiles_cached_max", "20000", "decoded profiles kept in memory for each partition, 1 to 10000000"),
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

/// The definitions: what a document of the definitions topic may say.
pub(crate) const DEFINITIONS: &[Key] = &[
    optional("dedupe", "how repeated messages are recognised"),
    optional(
        "retention",
        "persons of whom nothing was heard for so long are forgotten, 1d to 3650d, at least lateness and \
         dedupe.horizon; without, nobody is",
    ),
    key("lateness", "72h", "older events count in lifetime values only, 0s to 365d behind stream time"),
    optional("session", "how events form sessions"),
    optional("orders", "whose word on orders counts"),
    optional("recent_items", "which items are remembered"),
    optional(
        "attributes",
        "numbers, windowed or for a lifetime, as {name: {count: product_viewed}}; at most 256",
    ),
    optional("interests", "decayed affinities, as {name: {facet: category, …}}; at most 64"),
    optional("segments", "sets of persons, in the order in which they are evaluated; at most 256"),
    optional("rules", "what is done because of a change: a decision, traits that are set; at most 256"),
    optional("slots", "places where content is shown; at most 256"),
];

/// `dedupe`.
pub(crate) const DEDUPE: &[Key] = &[
    key("ids_max", "256", "how many message ids are remembered for a person, 1 to 4096"),
    key("horizon", "72h", "how long a message id is remembered, 1m to 90d of event time"),
];

/// `session`.
pub(crate) const SESSION: &[Key] = &[
    key("gap", "30m", "a session ends when this long passes without an event, 1s to 24h"),
    key("timed", "true", "whether its end is a change of its own, at its due time"),
    key(
        "pages_max",
        "10",
        "how many of its last pages are remembered, 0 to 50; with 0, no entry page either",
    ),
    key(
        "extends_back",
        "true",
        "whether it began earlier once an event is heard of that precedes it by no more than the gap",
    ),
];

/// `orders`.
pub(crate) const ORDERS: &[Key] = &[optional(
    "trusted",
    "the source topics whose word on an order's money, units and cancellation replaces that of others; at most 64",
)];

/// `recent_items`.
pub(crate) const RECENT_ITEMS: &[Key] = &[
    key(
        "events",
        "[product_viewed, product_added, order_completed]",
        "events whose items are remembered, at most 64",
    ),
    key("max", "10", "how many items are remembered, 0 to 200"),
];

/// One of `attributes`: exactly one of the keys before `of`.
pub(crate) const ATTRIBUTE: &[Key] = &[
    optional("count", "counts events: one name, a list of at most 64 names, or any"),
    optional("units", "adds up the units of these events' items"),
    optional("value", "adds up what these events are worth"),
    optional(
        "sum",
        "adds up a field of the events that `of` names: a property, items.price, items.quantity or event.value",
    ),
    optional("mean", "the mean of such a field"),
    optional("min", "its smallest value"),
    optional("max", "its largest value"),
    optional(
        "first",
        "the earliest value of a field: also items.item_id, items.category, items.brand, event.page, \
         event.name or event.source",
    ),
    optional("last", "the latest value of a field"),
    optional("list", "the distinct texts of a field, the one that occurred last first"),
    optional("distinct", "about how many distinct texts a field had: the standard error is 4.6 %"),
    optional("most_frequent", "the text that occurred most often in a field, of at most 64 that are counted"),
    optional("top", "the texts that occurred most often, the most frequent first"),
    optional("since_first", "how many whole steps ago the first of these events was"),
    optional("since_last", "how many whole steps ago the last of these events was"),
    optional("gaps", "how many numbers of a sequence in a field are missing; senders count from 1"),
    optional(
        "coalesce",
        "the first of these that says something, best first: 2 to 8 attributes that may be missing, or traits.NAME",
    ),
    optional(
        "lifecycle",
        "the customer's stage by the time since these events: new, active, at_risk, lapsed or returning",
    ),
    optional("funnel", "how many of these steps happened in this order: 2 to 16 events, the first one first"),
    optional("score", "the mark of a number on a scale: the name of another attribute"),
    optional("of", "the events whose field it is about: one name, a list, or any"),
    optional("most", "how many texts `list` and `top` show, 1 to 64, default 10"),
    optional("step", "the step of `since_first` and `since_last`, 1m to 365d, default 1d"),
    optional("up_to", "what they stay at in the end, at most 2,400 steps, default 90d"),
    optional("at_risk_after", "after how long without such events `lifecycle` is at_risk, default 60d"),
    optional("lapsed_after", "after how long it is lapsed, default 180d; who then comes again is returning"),
    optional("thresholds", "the numbers from which on `score` gives another mark: 1 to 16, ascending"),
    optional("best", "which numbers have the highest mark: highest, which is the default, or lowest"),
    optional("where", "a condition on the event, in CEL; others do not count"),
    key("scope", "profile", "session: it starts afresh with every session, and has no window; or profile"),
    optional("window", "the sliding window, 1m to 2,400 buckets; without, the lifetime"),
    optional(
        "bucket",
        "the window's step, at least 1m, of which the window is a whole number. Default: 1m for \
              windows under 2h, 5m under 6h, 15m under 24h, 1h up to 100d, 1d above",
    ),
    optional(
        "time_zone",
        "makes the window one of calendar days, today and those before it, in this zone, such as Europe/Berlin",
    ),
    key("timed", "true", "whether what falls with time is a change of its own, at its due time"),
];

/// One of `interests`.
pub(crate) const INTEREST: &[Key] = &[
    needed("facet", "the field of an event's items that carries the values: category, brand or item"),
    key("half_life", "7d", "the time in which a score halves: whole hours, 1h to 3650d"),
    needed(
        "weights",
        "what one item of an event adds, as {product_viewed: 1}; 1 to 64, -1,000,000 to 1,000,000",
    ),
    needed("enter", "a value becomes a tag when its score reaches this; above 0, at most 1e9"),
    optional(
        "leave",
        "a tag is lost when its score falls below this; above 0, at most `enter`, which is the default",
    ),
    key("values_max", "32", "how many values are kept for a person, 1 to 256"),
    key("top", "8", "how many values outputs show, 1 to 256"),
    key("show_negative", "false", "whether they show values whose score is not above zero, too"),
    key("timed", "true", "whether the loss of a tag is a change of its own, at its due time"),
    optional(
        "roll_up",
        "what parts the steps of values that are paths, as / does in shoes/running: they count for the values \
         above them too, of which the widest are the whole of all shares",
    ),
    key("as_segments", "false", "whether a tag is a segment too, called name:value"),
];

/// One of `segments`: a condition (enter, leave), or an absence (after, without, for).
pub(crate) const SEGMENT: &[Key] = &[
    optional("enter", "who is not in it enters when this CEL condition holds"),
    optional("leave", "who is in it leaves when this holds; without, when `enter` does not hold"),
    optional("after", "the event that starts the wait"),
    optional("without", "the event that ends the wait, and the membership"),
    optional(
        "for",
        "how long `enter` must hold, 0s to 365d, default 0s; or how long the wait is, 1s to 365d",
    ),
];

/// One of `rules`.
pub(crate) const RULE: &[Key] = &[
    needed(
        "on",
        "what sets it off: one of {entered: SEGMENT}, {left: SEGMENT}, {tagged: INTEREST}, {event: NAME}",
    ),
    optional("when", "a further condition, in CEL"),
    optional("decide", "the slot to decide; a rule has this, or `set`, or both"),
    optional(
        "set",
        "traits to set, as {NAME: VALUE}, at most 16; true, false and numbers such as 7 and 0.5 are such with or without quotes. \
         Conditions see them as traits.NAME, beside what identify said; of both, a person has at most 64",
    ),
    key("cooldown", "0s", "how long it rests after it fired, 0s to 365d"),
    key("event_age_max", "1h", "an event older than this against stream time sets nothing off, 1s to 90d"),
    optional(
        "max_fires",
        "how often it may fire for a person, as {count: 3, per: 7d}; without, any number of times",
    ),
    optional(
        "group",
        "of the rules with the same group, the first in the file that may fire is the only one that does for one \
         change; at most 64 bytes",
    ),
];

/// `max_fires` of a rule.
pub(crate) const MAX_FIRES: &[Key] =
    &[needed("count", "how often, 1 to 100"), needed("per", "within which time, 1s to 365d")];

/// `on` of a rule: exactly one.
pub(crate) const TRIGGER: &[Key] = &[
    optional("entered", "a segment that the person entered"),
    optional("left", "a segment that the person left"),
    optional("tagged", "an interest of which a value became a tag"),
    optional("event", "an event"),
];

/// One of `slots`.
pub(crate) const SLOT: &[Key] = &[
    key("items", "1", "how many pieces of content a decision names, 1 to 100"),
    needed("interest", "the interest that scores content"),
    key("exclude_recent", "true", "whether content that shows a recent item is left out"),
    key("exclude_bought", "false", "whether content that shows an item bought before is left out"),
    optional("fallback", "content ids for when there is nothing better, best first; at most 100"),
];
