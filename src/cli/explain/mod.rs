//! `bespoke explain`: what is known about one person, and why it was decided what was decided. It reads what
//! the pipeline has committed to Kafka, of the person's own partition alone, and needs no running process.

mod text;

use std::collections::{BTreeMap, VecDeque};
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use compact_str::CompactString;
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::load::print;
use super::stored::{definitions, partitions, unreadable};
use super::{ConfigSource, Format, view};
use crate::codec::output::content_decision::ContentDecision;
use crate::codec::output::reading::{decode_decision, decode_segment_change};
use crate::codec::output::segment_change::SegmentChangeRecord;
use crate::codec::partition::partition_of;
use crate::codec::row;
use crate::config::Config;
use crate::config::overlay::Flags;
use crate::domain::person::Person;
use crate::domain::profile::Profile;
use crate::domain::rulebook::RuleBook;
use crate::domain::site::Site;
use crate::runtime::broker::{Partition, Record, Replay};
use crate::runtime::fault::{Exit, ExitCode};
use crate::runtime::kafka::{KafkaAdmin, LogReader};
use crate::service::process::Clocks;
use crate::service::topics::exit;

/// A scan that is longer than this gets a progress bar.
const BAR_AFTER: Duration = Duration::from_secs(1);

/// Arguments of `bespoke explain`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bespoke explain user:ada --config shop.yaml
  bespoke explain user:ada --config shop.yaml --last 1 --output json")]
pub(super) struct ExplainArguments {
    /// The person's key: user:ID or anonymous:ID, or the bare id where the configuration says `ids: user`.
    person: String,
    #[command(flatten)]
    source: ConfigSource,
    /// Only the decision with this id.
    #[arg(long, value_name = "ID")]
    decision: Option<String>,
    /// How many decisions and segment changes, the latest ones.
    #[arg(long, value_name = "N", default_value = "5")]
    last: usize,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "text")]
    output: Format,
}

/// What was found about a person.
struct Story {
    person: Person,
    profile: Option<Profile>,
    rules: Arc<RuleBook>,
    site: Site,
    decisions: Vec<ContentDecision<'static>>,
    changes: Vec<SegmentChangeRecord<'static>>,
}

/// Explains a person.
pub(super) fn run(arguments: ExplainArguments) -> Result<i32, Exit> {
    let config = arguments.source.load(Flags::new())?;
    let story = Story::read(&config, &arguments)?;
    if story.profile.is_none() && story.decisions.is_empty() && story.changes.is_empty() {
        return Err(Exit { code: ExitCode::Failed, text: unknown(&config, &arguments) });
    }
    match arguments.output {
        Format::Text => print(story.text()),
        Format::Json => print(story.json().to_string()),
        Format::Ndjson => story.lines().iter().for_each(|line| print(line.to_string())),
    }
    Ok(0)
}

fn unknown(config: &Config, arguments: &ExplainArguments) -> String {
    let (person, application) = (&arguments.person, &config.application);
    if let Some(decision) = &arguments.decision {
        return format!("{application} has made no decision {decision} for {person}");
    }
    let kinds = config.ids == crate::codec::wire::Ids::ByKind && !person.contains(':');
    let advice = if kinds { format!(": write user:{person} or anonymous:{person}") } else { String::new() };
    format!("{application} knows nobody with the key {person}{advice}")
}

impl Story {
    fn read(config: &Config, arguments: &ExplainArguments) -> Result<Story, Exit> {
        let admin = KafkaAdmin::connect(&config.kafka, Duration::from_secs(30)).map_err(exit)?;
        let person = Person::bare(&arguments.person);
        let scan = Scan { config, admin: &admin, person: &person };
        let (mut profile, mut rules, mut site) = (None, Arc::clone(&config.rules), Site::default());
        let key = row::profile_key(&person);
        if arguments.decision.is_none() {
            let (mut last_profile, mut last_rules, mut last_shares) = (None, None, BTreeMap::new());
            scan.each(&config.topics.changelog, |record| match record.key.as_deref() {
                Some(found) if found == key => last_profile = record.value,
                Some(row::DEFINITIONS_KEY) => last_rules = record.value,
                Some(found) if found.starts_with(row::SITE_PREFIX) => {
                    last_shares.insert(found.to_vec(), record.value);
                }
                _ => {}
            })?;
            if let Some(bytes) = last_rules {
                rules = Arc::new(definitions(&bytes)?);
            }
            for bytes in last_shares.into_values().flatten() {
                site.put(row::decode_site(&bytes).map_err(unreadable)?);
            }
            profile =
                last_profile.map(|bytes| row::decode_profile(&bytes)).transpose().map_err(unreadable)?;
        }
        let mut decisions = Latest::new(arguments.last);
        scan.each(&config.topics.decisions, |record| {
            if record.key.as_deref() != Some(person.as_bytes()) {
                return;
            }
            let decision = decode_decision(record.value.as_deref().unwrap_or(&[]));
            let wanted = decision.as_ref().is_ok_and(|decision| {
                arguments.decision.as_ref().is_none_or(|wanted| *wanted == decision.decision_id)
            });
            if wanted || decision.is_err() {
                decisions.push(decision);
            }
        })?;
        let mut changes = Latest::new(arguments.last);
        if arguments.decision.is_none() {
            scan.each(&config.topics.segment_changes, |record| {
                if record.key.as_deref() == Some(person.as_bytes()) {
                    changes.push(decode_segment_change(record.value.as_deref().unwrap_or(&[])));
                }
            })?;
        }
        let (decisions, changes) = (decisions.finish()?, changes.finish()?);
        Ok(Story { person, profile, rules, site, decisions, changes })
    }

    fn json(&self) -> Value {
        let profile = self.profile.as_ref();
        json!({
            "profile": profile.map(|profile| view::profile(&self.person, profile, &self.rules, &self.site)),
            "decisions": Value::from_iter(self.decisions.iter().map(view::decision)),
            "segment_changes": Value::from_iter(self.changes.iter().map(view::segment_change)),
        })
    }

    /// One document a line, each under the name of what it is.
    fn lines(&self) -> Vec<Value> {
        let profile = self.profile.as_ref();
        let profile = profile
            .map(|profile| json!({"profile": view::profile(&self.person, profile, &self.rules, &self.site)}));
        let decisions = self.decisions.iter().map(|decision| json!({"decision": view::decision(decision)}));
        let changes =
            self.changes.iter().map(|change| json!({"segment_change": view::segment_change(change)}));
        profile.into_iter().chain(decisions).chain(changes).collect()
    }
}

/// Reads the person's partition of a topic.
struct Scan<'a> {
    config: &'a Config,
    admin: &'a KafkaAdmin,
    person: &'a Person,
}

impl Scan<'_> {
    fn each(&self, topic: &CompactString, mut take: impl FnMut(Record)) -> Result<(), Exit> {
        let count = partitions(self.config, self.admin, topic)?;
        let partition = Partition::new(&**topic, partition_of(self.person.as_bytes(), count));
        let (kafka, application) = (&self.config.kafka, &self.config.application);
        let mut log = LogReader::open(kafka, application, &partition, 0).map_err(exit)?;
        let (clocks, total) = (Clocks::start(), log.remaining().unsigned_abs());
        let is_terminal = std::io::stderr().is_terminal();
        let mut bar: Option<ProgressBar> = None;
        while log.finished().is_none() {
            log.next(10_000, Duration::from_millis(200)).map_err(exit)?.into_iter().for_each(&mut take);
            if bar.is_none() && is_terminal && clocks.now().monotonic > BAR_AFTER {
                bar = Some(ProgressBar::new(total).with_message(topic.to_string()));
            }
            if let Some(bar) = &bar {
                bar.set_position(total.saturating_sub(log.remaining().unsigned_abs()));
            }
        }
        bar.iter().for_each(ProgressBar::finish_and_clear);
        Ok(())
    }
}

/// The latest few, or why one of them cannot be read.
struct Latest<T> {
    kept: VecDeque<Result<T, String>>,
    count_max: usize,
}

impl<T> Latest<T> {
    fn new(count_max: usize) -> Latest<T> {
        Latest { kept: VecDeque::new(), count_max }
    }

    fn push(&mut self, found: Result<T, impl ToString>) {
        self.kept.push_back(found.map_err(|error| error.to_string()));
        while self.kept.len() > self.count_max {
            self.kept.pop_front();
        }
    }

    fn finish(self) -> Result<Vec<T>, Exit> {
        self.kept.into_iter().collect::<Result<_, String>>().map_err(unreadable)
    }
}
