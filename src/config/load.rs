//! The one fallible step from text to [`Config`]: file, environment and flags are laid over one another, then
//! read section by section. Whatever is wrong is collected, and all of it is said.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use compact_str::CompactString;

use super::effective::{self, Origins};
use super::finding::{ConfigErrors, Finding};
use super::node::{Node, Place, Source, Value};
use super::overlay::Flags;
use super::problems::Problems;
use super::secrets::Filling;
use super::section::{self, Section, Text};
use super::{
    AliasTable, Config, catalogue, definitions, document, event_schemas, keys, lints, overlay, settings,
    sources, suggestion,
};
use crate::codec::wire::{Aliases, Ids};
use crate::domain::rulebook::RuleBook;

impl Config {
    /// Reads a configuration: `text` is the content of `file`, whose name is shown. Flags stand above
    /// variables of the environment, these above the file, and that above the defaults. `${VARIABLE}` and
    /// `${file:/path}` in values are filled in.
    ///
    /// # Errors
    /// When anything is wrong; all of it is listed.
    pub fn load(
        text: &str,
        file: &str,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &Flags,
    ) -> Result<Config, ConfigErrors> {
        let variables = environment.into_iter().collect();
        load(text, file, &variables, flags, &|path| std::fs::read_to_string(path))
    }

    /// The topics of content, definitions and site shares, whose records go to every partition.
    pub fn broadcast_topics(&self) -> impl Iterator<Item = &CompactString> {
        let topics = [&self.catalogue_topic, &self.definitions_topic, &self.site_shares_topic];
        topics.into_iter().flatten()
    }

    /// What is accepted and is probably not what was meant, in the order of the file.
    pub fn warnings(&self) -> &[Finding] {
        &self.warnings
    }

    /// Every value in force as YAML, each with its origin as a comment; secrets are left out.
    pub fn effective(&self) -> &str {
        &self.effective
    }
}

fn load(
    text: &str,
    file: &str,
    variables: &BTreeMap<String, String>,
    flags: &Flags,
    read: &dyn Fn(&str) -> io::Result<String>,
) -> Result<Config, ConfigErrors> {
    let mut problems = Problems::new(text, file);
    let config = document::parse(text, &Source::File, &mut problems).and_then(|mut root| {
        overlay::environment(&mut root, variables, &mut problems);
        overlay::flags(&mut root, flags, &mut problems);
        let (mut process, mut defined) = split(root, &mut problems)?;
        Filling { variables, read }.fill(&mut process, false, &mut problems);
        let mut config = read_config(&mut process, &mut defined, file, &mut problems)?;
        config.definitions_text = effective::print(&defined, Origins::Left).into();
        let fingerprint = RuleBook::fingerprint_of(&config.definitions_text);
        Arc::make_mut(&mut config.rules).fingerprint = fingerprint;
        let [process, defined] = [&process, &defined].map(|node| effective::print(node, Origins::Shown));
        let heading =
            format!("\n# The definitions, which decisions and segment changes call {fingerprint:016x}.\n");
        config.effective = [process, heading, defined].concat().into();
        Some(config)
    });
    let warnings = problems.finish()?;
    let mut config = config.expect("without a configuration, something was wrong");
    config.warnings = warnings;
    Ok(config)
}

/// Parts the process's own settings from the definitions, and reports keys that are neither.
fn split(mut root: Node, problems: &mut Problems<'_>) -> Option<(Node, Node)> {
    let place = root.place.clone();
    let all = std::mem::take(section::entries(&mut root, "", problems)?);
    let known = || keys::PROCESS.iter().chain(keys::DEFINITIONS).map(|key| key.name);
    let (mut process, mut defined) = (Vec::new(), Vec::new());
    for entry in all {
        if keys::PROCESS.iter().any(|key| key.name == entry.key) {
            process.push(entry);
        } else if keys::DEFINITIONS.iter().any(|key| key.name == entry.key) {
            defined.push(entry);
        } else {
            let names: Vec<&str> = known().collect();
            let hint = suggestion::hint(&entry.key, names.iter().copied());
            problems.error(&entry.place, format!("`{}` is not known", entry.key), hint);
        }
    }
    let node = |entries| Node { place: place.clone(), value: Value::Map(entries) };
    Some((node(process), node(defined)))
}

fn read_config(
    process: &mut Node,
    defined: &mut Node,
    file: &str,
    problems: &mut Problems<'_>,
) -> Option<Config> {
    let read = definitions::read(defined, problems);
    if let Some((rules, names)) = read.as_ref().filter(|_| !problems.any_error()) {
        lints::check(rules, names, problems);
    }
    let rules = read.map(|(rules, _)| rules);
    let mut process = Section::open(process, "", keys::PROCESS, problems)?;
    let process = &mut process;
    let application = settings::application(process, problems);
    let kafka = settings::kafka(process, problems);
    let transaction_timeout_ms = kafka.as_ref().map_or(u32::MAX, |kafka| kafka.transaction_timeout_ms);
    let registry = settings::registry(process, problems);
    let aliases = settings::aliases(process, problems);
    let known = aliases.as_ref().map_or_else(Aliases::standard, AliasTable::aliases);
    let sources = sources::read(process, &known, problems);
    let catalogue = rules.as_ref().and_then(|rules| catalogue::read(process, rules, problems));
    let broadcast = broadcast_topics(process, catalogue.as_ref().map(|(topic, _)| topic), problems);
    let topics = settings::topics(process, &application, problems);
    let commit = settings::commit(process, transaction_timeout_ms, problems);
    let state = settings::state(process, problems);
    let threads = process.whole("threads", 1..=64, problems).unsigned_abs() as usize;
    let http_listen = settings::http_listen(process, problems);
    let otlp_endpoint = settings::otlp_endpoint(process, problems);
    let ids = process.choice("ids", &[("by_kind", Ids::ByKind), ("user", Ids::UserOnly)], problems);
    let record_bytes_max = settings::record_bytes_max(process, problems);
    let schemas = event_schemas::read(process, file, aliases.as_ref(), problems);

    let mut all = sources.topics.clone();
    all.extend(broadcast.iter().filter_map(|(_, topic)| topic.clone()));
    all.extend(topics.iter().flat_map(|topics| &topics.places).cloned());
    sources::check_topics(&all, problems);
    sources::check_mentions(defined, &sources, problems);
    check_keyed(&sources, &broadcast, problems);
    let broadcast = broadcast.map(|(_, topic)| topic.map(|(topic, _)| topic));
    let [catalogue_topic, definitions_topic, site_shares_topic] = broadcast;

    let topics = topics?;
    Some(Config {
        application,
        kafka: kafka?,
        registry: registry?,
        sources: sources.sources,
        catalogue_topic,
        contents: catalogue?.1,
        definitions_topic,
        site_shares_topic,
        topics: topics.names,
        partitions: topics.partitions,
        replication: topics.replication,
        commit: commit?,
        state: state?,
        threads,
        http_listen: http_listen?,
        otlp_endpoint,
        ids,
        record_bytes_max: record_bytes_max?,
        aliases: aliases?,
        schemas: Arc::clone(&schemas.as_ref()?.schemas),
        schemas_directory: schemas?.directory,
        rules: Arc::new(rules?),
        definitions_text: "".into(),
        effective: "".into(),
        warnings: Vec::new(),
    })
}

/// The topics whose records go to every partition, by the sections that name them.
type BroadcastTopics = [(&'static str, Option<(CompactString, Place)>); 3];

fn broadcast_topics(
    process: &mut Section<'_>,
    content: Option<&Option<Text>>,
    problems: &mut Problems<'_>,
) -> BroadcastTopics {
    [
        ("catalogue", content.and_then(catalogue::place)),
        ("definitions", topic_of(process, "definitions", keys::DEFINITIONS_SOURCE, problems)),
        ("site_shares", topic_of(process, "site_shares", keys::SITE_SHARES, problems)),
    ]
}

fn topic_of(
    process: &mut Section<'_>,
    name: &str,
    known: &'static [keys::Key],
    problems: &mut Problems<'_>,
) -> Option<(CompactString, Place)> {
    let mut section = process.section(name, known, problems)?;
    section.text("topic", problems).map(|topic| (topic.text, topic.place))
}

/// A keyed source stands in for the command log, so everything that needs that log is refused beside it.
fn check_keyed(sources: &sources::Sources, broadcast: &BroadcastTopics, problems: &mut Problems<'_>) {
    let Some(keyed) = &sources.keyed else { return };
    if sources.topics.len() > 1 {
        let message = "a keyed source must be the only source: it stands in for the command log, in which \
                       the records of several sources are brought into one order";
        problems.error(keyed, message, Some("set keyed: false".into()));
    }
    for (what, topic) in broadcast {
        if let Some((topic, place)) = topic {
            let message = format!(
                "the {what} topic `{topic}` needs the command log, which a keyed source goes without"
            );
            problems.error(place, message, Some(format!("set keyed: false, or leave {what}.topic out")));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Loads with a file system of one file, `/run/password`.
    pub(crate) fn load_with(
        text: &str,
        variables: &[(&str, &str)],
        flags: &Flags,
    ) -> Result<Config, ConfigErrors> {
        let variables = variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let read = |path: &str| match path {
            "/run/password" => Ok("tr0ub4dor\n".into()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        load(text, "shop.yaml", &variables, flags, &read)
    }

    /// Loads a file of this name, without environment and flags.
    pub(crate) fn load_file(text: &str, file: &str) -> Result<Config, ConfigErrors> {
        Config::load(text, file, [], &Flags::new())
    }
}
