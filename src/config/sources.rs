//! Reads `sources`, and checks what is said of their topics elsewhere: that all names of topics go
//! together, and that the sources that definitions speak of are sources.

use compact_str::CompactString;

use super::node::{Node, Place, Value};
use super::problems::Problems;
use super::section::Section;
use super::{Format, SourceConfig, Start, debezium, expected_fields, keys, lateness, suggestion};
use crate::codec::wire::{Aliases, Clock};

/// The most sources.
const SOURCES_MAX: usize = 64;
/// The longest name that Kafka gives a topic, in bytes.
const TOPIC_BYTES_MAX: usize = 249;

/// What the sources say, with where each says it.
pub(crate) struct Sources {
    /// The sources.
    pub(crate) sources: Vec<SourceConfig>,
    /// Their topics.
    pub(crate) topics: Vec<(CompactString, Place)>,
    /// Where the first says that it is keyed.
    pub(crate) keyed: Option<Place>,
}

/// Reads `sources`.
pub(crate) fn read(process: &mut Section<'_>, aliases: &Aliases, problems: &mut Problems<'_>) -> Sources {
    let mut read = Sources { sources: Vec::new(), topics: Vec::new(), keyed: None };
    let Some(node) = process.find("sources") else { return read };
    let place = node.place.clone();
    let kind = node.kind();
    let Value::List(nodes) = &mut node.value else {
        let hint = Some("begin each source with `- topic: NAME`".into());
        problems.error(&place, format!("sources is {kind}; it must be a list"), hint);
        return read;
    };
    if nodes.is_empty() || nodes.len() > SOURCES_MAX {
        let message = format!("sources has {} entries; it must have 1 to {SOURCES_MAX}", nodes.len());
        problems.error(&place, message, None);
        nodes.truncate(SOURCES_MAX);
    }
    for (number, node) in nodes.iter_mut().enumerate() {
        let path = format!("sources.{number}");
        if let Some(section) = Section::open(node, &path, keys::SOURCE, problems) {
            source(section, &mut read, aliases, problems);
        }
    }
    read
}

fn source(mut section: Section<'_>, read: &mut Sources, aliases: &Aliases, problems: &mut Problems<'_>) {
    let clocks = [("automatic", Clock::Automatic), ("correct", Clock::Correct), ("trust", Clock::Trust)];
    let keyed = section.truth("keyed", problems);
    if keyed && read.keyed.is_none() {
        read.keyed = Some(section.place_of("keyed"));
    }
    let format = section.choice("format", &[("json", Format::Json), ("avro", Format::Avro)], problems);
    let clock = section.choice("clock", &clocks, problems);
    let start =
        section.choice("start", &[("earliest", Start::Earliest), ("latest", Start::Latest)], problems);
    let table = debezium::read(&mut section, keyed, problems);
    let expected = expected_fields::read(&mut section, keyed, aliases, problems);
    let records_per_hour = records_per_hour(&mut section, problems);
    let Some(topic) = section.text("topic", problems) else { return };
    read.topics.push((topic.text.clone(), topic.place));
    read.sources.push(SourceConfig {
        topic: topic.text,
        format,
        clock,
        keyed,
        start,
        table,
        expected,
        records_per_hour,
    });
}

fn records_per_hour(section: &mut Section<'_>, problems: &mut Problems<'_>) -> [Option<u64>; 2] {
    let [least, most] = ["records_per_hour_min", "records_per_hour_max"].map(|key| {
        let is_there = section.has(key);
        is_there.then(|| section.whole(key, 1..=1_000_000_000_000, problems).unsigned_abs())
    });
    if least.zip(most).is_some_and(|(least, most)| least > most) {
        let (path, place) =
            (section.path_of("records_per_hour_max"), section.place_of("records_per_hour_max"));
        let hint = Some("exchange them, or leave one out".into());
        problems.error(&place, format!("{path} is below records_per_hour_min"), hint);
    }
    [least, most]
}

/// Looks for sources that definitions speak of and that are none: in `orders.trusted` and `lateness_by_source`.
/// Definitions may come before the source that they speak of, so this is odd and not wrong; but as long as it is so,
/// what they say of it is for nothing.
pub(crate) fn check_mentions(defined: &Node, sources: &Sources, problems: &mut Problems<'_>) {
    let names = || sources.topics.iter().map(|(topic, _)| topic.as_str());
    let mut check = |key: &str, topic: &str, place: &Place| {
        if !names().any(|name| name == topic) {
            let message = format!("{key} names `{topic}`, which is no source");
            problems.warning(place, message, suggestion::hint(topic, names()));
        }
    };
    let trusted = defined.member("orders").and_then(|orders| orders.member("trusted"));
    for node in trusted.map_or(&[][..], Node::elements) {
        let Value::Scalar(topic) = &node.value else { continue };
        check("orders.trusted", &topic.text, &node.place);
    }
    if let Some(Value::Map(entries)) = defined.member(lateness::KEY).map(|node| &node.value) {
        entries.iter().for_each(|entry| check(lateness::KEY, &entry.key, &entry.place));
    }
}

/// Checks the names of all topics: Kafka must accept each, no two may be one, and no two should get the same
/// name in metrics.
pub(crate) fn check_topics(topics: &[(CompactString, Place)], problems: &mut Problems<'_>) {
    for (number, (topic, place)) in topics.iter().enumerate() {
        let allowed = |next: char| next.is_ascii_alphanumeric() || matches!(next, '.' | '_' | '-');
        if topic.len() > TOPIC_BYTES_MAX || !topic.chars().all(allowed) || matches!(&**topic, "." | "..") {
            let message = format!("`{topic}` is no name for a topic");
            let hint = "Kafka allows 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-', but not '.' or '..'";
            problems.error(place, message, Some(hint.into()));
        }
        let before = topics.get(..number).unwrap_or_default();
        if before.iter().any(|(other, _)| other == topic) {
            let hint = "each topic has one use; give this one another name".into();
            problems.error(place, format!("the topic `{topic}` is named twice"), Some(hint));
        }
    }
    let dotted = topics.iter().find(|(topic, _)| topic.contains('.'));
    let underscored = topics.iter().find(|(topic, _)| topic.contains('_'));
    if let (Some((dotted, _)), Some((underscored, place))) = (dotted, underscored) {
        let message = format!("`{dotted}` has a '.' and `{underscored}` a '_'");
        let hint = "Kafka's metrics show both as '_', and two topics may become one there; use one of them";
        problems.warning(place, message, Some(hint.into()));
    }
}
