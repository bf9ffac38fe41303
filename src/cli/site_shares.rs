//! `bespoke site-shares`: works out what all persons together are drawn to, from what the pipeline has committed, and
//! tells it to the pipeline. It needs no running process; whoever runs it every hour has lifts that are an hour old.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use compact_str::CompactString;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use super::load::print;
use super::stored::{self, partitions, unreadable};
use super::view::instant;
use super::{ConfigSource, Format};
use crate::codec::row;
use crate::codec::wire::{SHARES_MAX, encode_site_shares};
use crate::config::Config;
use crate::config::overlay::Flags;
use crate::domain::rulebook::RuleBook;
use crate::domain::site::SiteShares;
use crate::domain::site_totals::SiteTotals;
use crate::domain::time::Timestamp;
use crate::runtime::broker::{Output, Partition, Record, Replay};
use crate::runtime::fault::{Exit, ExitCode};
use crate::runtime::kafka::{Feeder, KafkaAdmin, LogReader};
use crate::service::topics::exit;

/// How many values of each interest are printed.
const SHOWN: usize = 5;

/// Arguments of `bespoke site-shares`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bespoke site-shares --config shop.yaml
  bespoke site-shares --config shop.yaml --dry-run --output json

Run it as often as lifts should follow the site, such as every hour: it reads the changelog from its beginning.")]
pub(super) struct SiteSharesArguments {
    #[command(flatten)]
    source: ConfigSource,
    /// Only print the shares.
    #[arg(long)]
    dry_run: bool,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "text")]
    output: Format,
}

/// Works out the shares and tells them.
pub(super) fn run(arguments: SiteSharesArguments) -> Result<i32, Exit> {
    let config = arguments.source.load(Flags::new())?;
    let Some(topic) = &config.site_shares_topic else {
        let text = "site_shares.topic is not set: name the topic, and restart the pipeline, which reads it";
        return Err(Exit { code: ExitCode::Misconfigured, text: text.to_owned() });
    };
    let admin = KafkaAdmin::connect(&config.kafka, Duration::from_secs(30)).map_err(exit)?;
    let changelog: Arc<str> = Arc::from(&*config.topics.changelog);
    let count = partitions(&config, &admin, &config.topics.changelog)?;
    let partitions: Vec<Partition> =
        (0..count).map(|number| Partition::new(Arc::clone(&changelog), number)).collect();
    if admin.describe(topic).map_err(exit)?.is_none() {
        let text = format!("the topic {topic} of site_shares does not exist. Create it, compacted");
        return Err(Exit { code: ExitCode::Misconfigured, text });
    }
    let states = partitions.iter().map(|partition| State::read(&config, partition));
    let states = states.collect::<Result<Vec<State>, Exit>>()?;
    let as_of = states.iter().filter_map(|state| state.stream_time).max();
    let mut totals = BTreeMap::new();
    for (partition, state) in partitions.iter().zip(&states) {
        state.add(&config, partition, as_of.unwrap_or(Timestamp::EARLIEST), &mut totals)?;
    }
    let told = totals.iter().filter_map(|(interest, totals)| {
        let shares = totals.shares(interest, as_of?, SHARES_MAX);
        (!shares.shares.is_empty()).then_some(shares)
    });
    let told: Vec<SiteShares> = told.collect();
    if !arguments.dry_run {
        tell(&config, topic, &told)?;
    }
    show(&told, arguments.output);
    Ok(0)
}

/// What is known of a partition of the changelog before its persons are added up.
struct State {
    /// By the hash of the key: where the latest row of each person is. A changelog has earlier ones, too.
    latest: HashMap<u64, i64>,
    stream_time: Option<Timestamp>,
    rules: Arc<RuleBook>,
}

impl State {
    fn read(config: &Config, partition: &Partition) -> Result<State, Exit> {
        let (mut latest, mut meta, mut definitions) = (HashMap::new(), None, None);
        each(config, partition, |record| match record.key.as_deref() {
            Some(row::META_KEY) => meta = record.value,
            Some(row::DEFINITIONS_KEY) => definitions = record.value,
            Some(key) if key.first() == Some(&row::PERSON_PREFIX) => {
                latest.insert(xxh3_64(key), record.offset);
            }
            _ => {}
        })?;
        let meta = meta.map(|bytes| row::decode_meta(&bytes)).transpose();
        let meta = meta.map_err(|error| unreadable(format!("{partition}: {error}")))?;
        let rules = match definitions {
            None => Arc::clone(&config.rules),
            Some(bytes) => Arc::new(stored::definitions(&bytes)?),
        };
        Ok(State { latest, stream_time: meta.map(|meta| meta.stream_time), rules })
    }

    fn add(
        &self,
        config: &Config,
        partition: &Partition,
        as_of: Timestamp,
        totals: &mut BTreeMap<CompactString, SiteTotals>,
    ) -> Result<(), Exit> {
        let mut wrong = None;
        each(config, partition, |record| {
            let key = record.key.as_deref().unwrap_or_default();
            let is_latest = self.latest.get(&xxh3_64(key)) == Some(&record.offset);
            let Some(value) = record.value.filter(|_| is_latest) else { return };
            match row::decode_profile(&value) {
                Ok(profile) => {
                    for rule in &self.rules.interests {
                        let totals = totals.entry(rule.name.clone()).or_default();
                        totals.add(profile.affinities(rule.id), rule, as_of);
                    }
                }
                Err(error) => wrong = Some(format!("{partition} at {}: {error}", record.offset)),
            }
        })?;
        wrong.map_or(Ok(()), |error| Err(unreadable(error)))
    }
}

fn each(config: &Config, partition: &Partition, mut take: impl FnMut(Record)) -> Result<(), Exit> {
    let mut log = LogReader::open(&config.kafka, &config.application, partition, 0).map_err(exit)?;
    while log.finished().is_none() {
        log.next(10_000, Duration::from_millis(200)).map_err(exit)?.into_iter().for_each(&mut take);
    }
    Ok(())
}

fn tell(config: &Config, topic: &CompactString, told: &[SiteShares]) -> Result<(), Exit> {
    let feeder = Feeder::connect(&config.kafka, &format!("{}-site-shares", config.application));
    let feeder = feeder.map_err(exit)?;
    for shares in told {
        let (key, value) = encode_site_shares(shares);
        let output = Output {
            topic: Arc::from(&**topic),
            partition: None,
            key: Some(key),
            value: Some(value),
            headers: Vec::new(),
            timestamp: None,
        };
        feeder.send(&output, shares.as_of).map_err(exit)?;
    }
    feeder.flush().map_err(exit)
}

fn show(told: &[SiteShares], format: Format) {
    let rows: Vec<Value> = told.iter().map(row_of).collect();
    match format {
        Format::Text => told.iter().for_each(|shares| print(text(shares))),
        Format::Json => print(json!(rows).to_string()),
        Format::Ndjson => rows.iter().for_each(|row| print(row.to_string())),
    }
}

fn row_of(told: &SiteShares) -> Value {
    let shares = told.shares.iter().map(|(value, share)| (value.to_string(), json!(share)));
    json!({
        "interest": told.interest, "as_of": instant(told.as_of.ms()), "persons": told.persons,
        "shares": Value::Object(shares.collect()),
    })
}

fn text(told: &SiteShares) -> String {
    let mut largest: Vec<&(CompactString, f64)> = told.shares.iter().collect();
    largest.sort_by(|one, other| other.1.total_cmp(&one.1));
    let shown = largest.iter().take(SHOWN).map(|(value, share)| format!("{value} {:.1} %", share * 100.0));
    let (interest, persons, values) = (&told.interest, told.persons, told.shares.len());
    let shown = shown.collect::<Vec<_>>().join(", ");
    format!("{interest} as of {}: {persons} persons, {values} values: {shown}", instant(told.as_of.ms()))
}
