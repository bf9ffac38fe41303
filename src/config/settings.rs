//! Reads the process's own settings: everything but the definitions. It deliberately decides nothing about
//! several settings together but where they contradict one another.

use std::collections::BTreeMap;
use std::path::PathBuf;

use compact_str::CompactString;

use super::node::Place;
use super::pass_through::{self, Clients};
use super::problems::Problems;
use super::section::Section;
use super::{
    AliasTable, Assignor, CommitConfig, KafkaConfig, RegistryConfig, StateConfig, TopicNames, keys, section,
};

/// The longest table of aliases.
const ALIASES_MAX: usize = 1_000;
const MIB: i64 = 1 << 20;
/// How old a transaction becomes at most, in milliseconds, for the sake of a worker that is behind.
const BEHIND_AGE_MS_MAX: u64 = 1_000;

/// The application's name.
pub(crate) fn application(process: &mut Section<'_>, problems: &mut Problems<'_>) -> CompactString {
    let Some(text) = process.text("application", problems) else { return "unnamed".into() };
    let allowed =
        |next: char| next.is_ascii_lowercase() || next.is_ascii_digit() || matches!(next, '.' | '-');
    if text.text.len() > 100 || !text.text.chars().all(allowed) || matches!(&*text.text, "." | "..") {
        let message = format!("application is `{}`; it must be 1 to 100 of a-z, 0-9, '.' and '-'", text.text);
        problems.error(
            &text.place,
            message,
            Some("it becomes part of the names of topics and groups".into()),
        );
    }
    text.text
}

/// `kafka`.
pub(crate) fn kafka(process: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<KafkaConfig> {
    let mut kafka = process.section("kafka", keys::KAFKA, problems)?;
    let assignors = [("cooperative-sticky", Assignor::CooperativeSticky), ("range", Assignor::Range)];
    let mut passed = |clients, problems: &mut Problems<'_>| match kafka.find(clients) {
        Some(node) => {
            let which = if clients == "consumer" { Clients::Consumers } else { Clients::Producers };
            pass_through::read(node, which, problems)
        }
        None => BTreeMap::new(),
    };
    let consumer = passed("consumer", problems);
    let producer = passed("producer", problems);
    Some(KafkaConfig {
        bootstrap: bootstrap(&mut kafka, problems),
        consumer,
        producer,
        assignor: kafka.choice("assignor", &assignors, problems),
        session_timeout_ms: small(kafka.duration_ms("session_timeout", 6_000..=1_800_000, problems)),
        transaction_timeout_ms: small(kafka.duration_ms("transaction_timeout", 1_000..=60_000, problems)),
        transaction_tags: kafka.choice("transaction_tags", &[("off", false), ("on", true)], problems),
    })
}

fn bootstrap(kafka: &mut Section<'_>, problems: &mut Problems<'_>) -> CompactString {
    let Some(text) = kafka.text("bootstrap", problems) else { return "".into() };
    for broker in text.text.split(',').map(str::trim) {
        let parts = broker.rsplit_once(':');
        let port = parts.and_then(|(_, port)| port.parse::<u16>().ok()).filter(|port| *port > 0);
        let host = parts.map_or("", |(host, _)| host);
        if host.is_empty() || port.is_none() || host.contains(['/', ' ']) {
            let message = format!("kafka.bootstrap names `{broker}`, which is not host:port");
            problems.error(&text.place, message, Some("write host:port, separated by commas".into()));
        }
    }
    text.text
}

/// `registry`.
pub(crate) fn registry(process: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<RegistryConfig> {
    let mut registry = process.section("registry", keys::REGISTRY, problems)?;
    let url = url(&mut registry, "url", problems).unwrap_or_default();
    let user = registry.text("user", problems);
    let password = registry.text("password", problems);
    let credentials = match (user, password) {
        (Some(user), Some(password)) => Some((user.text, password.text)),
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => {
            let hint = Some("basic authentication needs both, or leave both out".into());
            problems.error(&one.place, "registry has only one of user and password", hint);
            None
        }
    };
    let timeout_ms = registry.duration_ms("timeout", 100..=60_000, problems);
    Some(RegistryConfig { url, credentials, timeout_ms: timeout_ms.unsigned_abs() })
}

/// An address of http or https, without credentials in it: those would be shown with it.
fn url(section: &mut Section<'_>, key: &str, problems: &mut Problems<'_>) -> Option<CompactString> {
    let path = section.path_of(key);
    let text = section.text(key, problems)?;
    let rest = text.text.strip_prefix("http://").or_else(|| text.text.strip_prefix("https://"));
    let host = rest.map(|rest| rest.split('/').next().unwrap_or_default());
    match host {
        Some(host) if host.contains('@') => {
            problems.hide(host.rsplit_once('@').map_or("", |(credentials, _)| credentials));
            let hint = "put them into keys of their own, where they are not shown".into();
            problems.error(&text.place, format!("{path} holds a user or password"), Some(hint));
        }
        Some(host) if !host.is_empty() && !text.text.contains(char::is_whitespace) => {}
        _ => {
            let message = format!("{path} is `{}`, which is not an address of http or https", text.text);
            problems.error(&text.place, message, Some("write it as http://host:port".into()));
        }
    }
    Some(text.text)
}

/// `topics`.
pub(crate) struct Topics {
    /// The names.
    pub(crate) names: TopicNames,
    /// How many partitions each has.
    pub(crate) partitions: i32,
    /// How many replicas each partition has.
    pub(crate) replication: i32,
    /// The names again, each with where it stands.
    pub(crate) places: Vec<(CompactString, Place)>,
}

/// Reads `topics`.
pub(crate) fn topics(
    process: &mut Section<'_>,
    application: &str,
    problems: &mut Problems<'_>,
) -> Option<Topics> {
    let mut topics = process.section("topics", keys::TOPICS, problems)?;
    let names = TopicNames::of(application);
    let mut places = Vec::new();
    let mut name = |key: &str, default: &str, problems: &mut Problems<'_>| -> CompactString {
        topics.put_default(key, default);
        let place = topics.place_of(key);
        let text = topics.text(key, problems).map_or_else(|| default.into(), |text| text.text);
        places.push((text.clone(), place));
        text
    };
    let names = TopicNames {
        commands: name("commands", &names.commands, problems),
        changelog: name("changelog", &names.changelog, problems),
        profile_updates: name("profile_updates", &names.profile_updates, problems),
        decisions: name("content_decisions", &names.decisions, problems),
        segment_changes: name("segment_changes", &names.segment_changes, problems),
        dead_letters: name("dead_letters", &names.dead_letters, problems),
        status: name("status", &names.status, problems),
    };
    let partitions = topics.whole("partitions", 1..=1_024, problems) as i32;
    let replication = topics.whole("replication", 1..=9, problems) as i32;
    Some(Topics { names, partitions, replication, places })
}

/// `commit`, which must be well within the transaction's timeout.
pub(crate) fn commit(
    process: &mut Section<'_>,
    transaction_timeout_ms: u32,
    problems: &mut Problems<'_>,
) -> Option<CommitConfig> {
    let mut commit = process.section("commit", keys::COMMIT, problems)?;
    let age_ms_max = commit.duration_ms("age_max", 1..=30_000, problems).unsigned_abs();
    if age_ms_max >= u64::from(transaction_timeout_ms) {
        let message = "commit.age_max must be below kafka.transaction_timeout";
        let hint = "else the broker aborts every transaction before it is committed".into();
        problems.error(&commit.place_of("age_max"), message, Some(hint));
    }
    Some(CommitConfig {
        age_ms_max,
        behind_age_ms_max: BEHIND_AGE_MS_MAX.min(u64::from(transaction_timeout_ms) / 4),
        records_max: commit.whole("records_max", 1..=1_000_000, problems).unsigned_abs() as usize,
        bytes_max: commit.size_bytes("bytes_max", 64 << 10..=256 * MIB, problems),
    })
}

/// `state`.
pub(crate) fn state(process: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<StateConfig> {
    let mut state = process.section("state", keys::STATE, problems)?;
    Some(StateConfig {
        directory: state
            .text("directory", problems)
            .map_or_else(PathBuf::new, |text| PathBuf::from(&*text.text)),
        block_cache_bytes: state.size_bytes("block_cache", MIB..=MIB << 20, problems),
        write_buffer_bytes: state.size_bytes("write_buffer", MIB..=64 << 30, problems),
        profile_cache_bytes: state.size_bytes("profile_cache", MIB..=MIB << 20, problems),
    })
}

/// `http.listen`.
pub(crate) fn http_listen(
    process: &mut Section<'_>,
    problems: &mut Problems<'_>,
) -> Option<std::net::SocketAddr> {
    let mut http = process.section("http", keys::HTTP, problems)?;
    let text = http.text("listen", problems)?;
    let address = text.text.parse().ok();
    if address.is_none() {
        let message = format!("http.listen is `{}`, which is not ip:port", text.text);
        problems.error(&text.place, message, Some("write 127.0.0.1:8080, or 0.0.0.0:8080 for all".into()));
    }
    address
}

/// `telemetry.otlp_endpoint`.
pub(crate) fn otlp_endpoint(process: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<CompactString> {
    let mut telemetry = process.section("telemetry", keys::TELEMETRY, problems)?;
    url(&mut telemetry, "otlp_endpoint", problems)
}

/// `limits.record_bytes_max`.
pub(crate) fn record_bytes_max(process: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<usize> {
    let mut limits = process.section("limits", keys::LIMITS, problems)?;
    Some(limits.size_bytes("record_bytes_max", 1_024..=64 * MIB, problems))
}

/// `aliases`.
pub(crate) fn aliases(process: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<AliasTable> {
    let mut aliases = process.section("aliases", keys::ALIASES, problems)?;
    let mut table = |key: &str| table(&mut aliases, key, problems);
    Some(AliasTable { events: table("events"), fields: table("fields") })
}

/// A mapping of at most 1,000 names to names.
pub(crate) fn table(
    section: &mut Section<'_>,
    key: &str,
    problems: &mut Problems<'_>,
) -> Vec<(CompactString, CompactString)> {
    let path = section.path_of(key);
    let Some(node) = section.find(key) else { return Vec::new() };
    let place = node.place.clone();
    let Some(entries) = section::entries(node, &path, problems) else { return Vec::new() };
    if entries.len() > ALIASES_MAX {
        let message = format!("{path} has {} entries; at most {ALIASES_MAX} are allowed", entries.len());
        problems.error(&place, message, None);
    }
    let text = |entry: &super::node::Entry, problems: &mut Problems<'_>| {
        let path = format!("{path}.{}", entry.key);
        section::text_of(&entry.value, &path, problems).map(|text| (entry.key.as_str().into(), text.text))
    };
    entries.iter().filter_map(|entry| text(entry, problems)).collect()
}

fn small(number: i64) -> u32 {
    u32::try_from(number).expect("the range of a timeout fits")
}
