//! The configuration: raw text to a checked [`Config`] in one fallible step. Behind that step nothing can
//! be wrong, so nothing else validates.
//!
//! The text becomes a tree whose values know where they came from (`document`, `node`); environment and
//! flags are laid over it (`overlay`), secrets filled in (`secrets`); then each section is read by its table
//! of keys (`keys`, `section`), which completes the tree with defaults. What is wrong is collected
//! (`problems`, `finding`), so that one run says all of it. Deliberately absent: any place where a default
//! hides from [`Config::effective`], and any reading of the process's environment.

mod attributes;
mod catalogue;
mod condition;
mod debezium;
pub mod definitions;
mod document;
mod effective;
pub(crate) mod event_schemas;
mod expected_fields;
pub mod finding;
mod functions;
mod interests;
mod keys;
mod lateness;
mod lints;
mod load;
mod names;
mod node;
pub mod overlay;
mod pass_through;
mod problems;
mod quantity;
mod secrets;
mod section;
mod segments;
mod settings;
mod slots;
mod sources;
mod suggestion;
#[cfg(test)]
mod tests;
mod time_zone;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use compact_str::CompactString;

use crate::codec::event_schema::EventSchemas;
use crate::codec::wire::Aliases;
use crate::domain::catalogue::Content;
use crate::domain::rulebook::RuleBook;

/// Everything that a process is told, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The application id: the root of every name and the consumer group's id.
    pub application: CompactString,
    /// Where Kafka is and what its clients are told.
    pub kafka: KafkaConfig,
    /// Where the schema registry is.
    pub registry: RegistryConfig,
    /// Where records come from. At least one.
    pub sources: Vec<SourceConfig>,
    /// The topic of content, if there is one.
    pub catalogue_topic: Option<CompactString>,
    /// Content that is declared in the file; the catalogue topic adds to it.
    pub contents: Vec<Content>,
    /// The topic on which new definitions arrive, if there is one.
    pub definitions_topic: Option<CompactString>,
    /// The topic on which site shares arrive, if there is one.
    pub site_shares_topic: Option<CompactString>,
    /// The names of the topics that the application owns.
    pub topics: TopicNames,
    /// How many partitions the application's topics have, 1 to 1,024.
    pub partitions: i32,
    /// How many replicas each partition has, 1 to 9.
    pub replication: i32,
    /// When a transaction is committed.
    pub commit: CommitConfig,
    /// Where state is kept and how much memory it may use.
    pub state: StateConfig,
    /// How many worker threads, 1 to 64.
    pub threads: usize,
    /// The address of the HTTP endpoints.
    pub http_listen: std::net::SocketAddr,
    /// The endpoint that traces are sent to, if any.
    pub otlp_endpoint: Option<CompactString>,
    /// How persons are keyed.
    pub ids: crate::codec::wire::Ids,
    /// The largest input record, in bytes, 1 KiB to 64 MiB; a larger one is a dead letter.
    pub record_bytes_max: usize,
    /// Further names for events and fields.
    pub aliases: AliasTable,
    /// What is demanded of the events that have a schema.
    pub schemas: Arc<EventSchemas>,
    /// Where those schemas were read from; none where there are none.
    pub schemas_directory: Option<PathBuf>,
    /// The definitions in force until the definitions topic says otherwise.
    pub rules: Arc<RuleBook>,
    /// The text of those definitions, from which [`definitions::parse_definitions`] makes the same.
    pub definitions_text: Arc<str>,
    effective: Arc<str>,
    warnings: Vec<finding::Finding>,
}

/// Further names for events and fields, beside those that are built in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AliasTable {
    /// Names of events: (alias, canonical name). At most 1,000.
    pub events: Vec<(CompactString, CompactString)>,
    /// Names of fields: (alias, canonical name). At most 1,000.
    pub fields: Vec<(CompactString, CompactString)>,
}

impl AliasTable {
    /// These names and those that are built in.
    pub fn aliases(&self) -> Aliases {
        let mut aliases = Aliases::standard();
        for (alias, canonical) in &self.events {
            aliases.add_event(alias, canonical);
        }
        for (alias, canonical) in &self.fields {
            aliases.add_field(alias, canonical);
        }
        aliases
    }
}

/// Where Kafka is and what its clients are told.
#[derive(Clone)]
pub struct KafkaConfig {
    /// host:port, separated by commas.
    pub bootstrap: CompactString,
    /// Passed to the consumers of librdkafka; settings that would break exactly-once are refused.
    pub consumer: BTreeMap<String, String>,
    /// Passed to the producers of librdkafka; settings that would break exactly-once are refused.
    pub producer: BTreeMap<String, String>,
    /// `cooperative-sticky` or `range`.
    pub assignor: Assignor,
    /// How long a static member may be away before its partitions go to others, in milliseconds.
    pub session_timeout_ms: u32,
    /// How long a transaction may stay open, in milliseconds, 1,000 to 60,000.
    pub transaction_timeout_ms: u32,
    /// Whether each record that is written has the header `transaction`, as
    /// `<member>/<incarnation>/<number of the transaction>/<number of the record>`, all counted from 0.
    pub transaction_tags: bool,
}

impl fmt::Debug for KafkaConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is passed on may hold passwords, so only its names are shown.
        formatter
            .debug_struct("KafkaConfig")
            .field("bootstrap", &self.bootstrap)
            .field("consumer", &self.consumer.keys())
            .field("producer", &self.producer.keys())
            .field("assignor", &self.assignor)
            .field("session_timeout_ms", &self.session_timeout_ms)
            .field("transaction_timeout_ms", &self.transaction_timeout_ms)
            .field("transaction_tags", &self.transaction_tags)
            .finish()
    }
}

/// How partitions are spread over members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignor {
    /// Moves as few partitions as possible and stops only those that move.
    CooperativeSticky,
    /// Stops everything and spreads anew.
    Range,
}

impl Assignor {
    /// The name that Kafka knows it by.
    pub fn as_str(self) -> &'static str {
        match self {
            Assignor::CooperativeSticky => "cooperative-sticky",
            Assignor::Range => "range",
        }
    }
}

/// Where the schema registry is.
#[derive(Clone)]
pub struct RegistryConfig {
    /// Its URL.
    pub url: CompactString,
    /// User and password for basic authentication.
    pub credentials: Option<(CompactString, CompactString)>,
    /// How long a request may take, in milliseconds.
    pub timeout_ms: u64,
}

impl fmt::Debug for RegistryConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.credentials.as_ref().map(|(user, _)| user);
        formatter
            .debug_struct("RegistryConfig")
            .field("url", &self.url)
            .field("user", &user)
            .field("timeout_ms", &self.timeout_ms)
            .finish()
    }
}

/// One topic of events.
#[derive(Clone, Debug)]
pub struct SourceConfig {
    /// The topic.
    pub topic: CompactString,
    /// How values are encoded.
    pub format: Format,
    /// Whether device clocks are corrected.
    pub clock: crate::codec::wire::Clock,
    /// Whether its key is the person's key already, so that its records need no re-keying.
    pub keyed: bool,
    /// Where to begin when the group has no offset yet.
    pub start: Start,
    /// What its records tell, where they are the changes of a database's table.
    pub table: Option<Arc<crate::codec::wire::Table>>,
    /// What its events are expected to say; how often they do not is counted.
    pub expected: Vec<crate::domain::quality::ExpectedField>,
    /// How many records it is expected to bring in an hour, at least and at most.
    pub records_per_hour: [Option<u64>; 2],
}

/// How values are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// Avro in Confluent's frame.
    Avro,
}

/// Where to begin when the group has no offset yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the oldest record.
    Earliest,
    /// With the next record.
    Latest,
}

/// The names of the topics that the application owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicNames {
    /// Everything that happens to persons, keyed by person.
    pub commands: CompactString,
    /// The changelog of the profiles.
    pub changelog: CompactString,
    /// The latest profile of each person.
    pub profile_updates: CompactString,
    /// Decisions.
    pub decisions: CompactString,
    /// Who entered or left which segment.
    pub segment_changes: CompactString,
    /// Records that could not be used.
    pub dead_letters: CompactString,
    /// What became of changes of definitions, content and site shares.
    pub status: CompactString,
}

impl TopicNames {
    /// The names of an application that does not choose its own.
    pub fn of(application: &str) -> TopicNames {
        let name = |suffix: &str| format!("{application}-{suffix}").into();
        TopicNames {
            commands: name("commands"),
            changelog: name("profile-changelog"),
            profile_updates: name("profile-updates"),
            decisions: name("content-decisions"),
            segment_changes: name("segment-changes"),
            dead_letters: name("dead-letters"),
            status: name("status"),
        }
    }
}

/// When a transaction is committed: by whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitConfig {
    /// The age of its oldest record, in milliseconds, 1 to 30,000.
    pub age_ms_max: u64,
    /// The age up to which that may be exceeded while records wait, in milliseconds: a second, or a quarter of what
    /// the broker gives a transaction where that is less. Not a key of its own.
    pub behind_age_ms_max: u64,
    /// Its number of input records, 1 to 1,000,000.
    pub records_max: usize,
    /// The bytes of its outputs, 64 KiB to 256 MiB.
    pub bytes_max: usize,
}

/// Where state is kept and how much memory it may use.
#[derive(Clone, Debug)]
pub struct StateConfig {
    /// The directory; each partition has one of its own below.
    pub directory: PathBuf,
    /// Memory for blocks read from disk, shared by all partitions, in bytes.
    pub block_cache_bytes: usize,
    /// Memory for rows not yet on disk, shared by all partitions, in bytes.
    pub write_buffer_bytes: usize,
    /// Memory for profiles that stay decoded between commits, shared by all partitions, in bytes.
    pub profile_cache_bytes: usize,
}
