//! Whether a world that has come to rest is as it must be: nothing lost, nothing doubled, everything in its
//! order, and state, changelog, outputs and offsets agree.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bespoke::codec::digest::Digest;
use bespoke::codec::output::OutputCodec;
use bespoke::codec::row;
use bespoke::config::definitions::parse_definitions;
use bespoke::domain::site::Site;
use bespoke::runtime::broker::{Partition, Record};
use bespoke::service::build;
use bespoke::store::Store;

use super::application::IDS;
use super::fold::{self, Everybody};
use super::intake::{self, Reading, Topic};
use super::outputs::{self, Outputs};
use super::world::World;

/// Whether the group has read everything that there is to read.
pub(crate) fn is_consumed(world: &World) -> bool {
    let kafka = world.kafka();
    if !kafka.transactions.are_quiet() {
        return false;
    }
    kafka.logs.iter().all(|(partition, log)| {
        let read = world.application.is_read(&partition.topic);
        let next = kafka.group.committed().get(partition).copied().unwrap_or(0);
        !read || log.next_committed(partition, next).is_err()
    })
}

/// What is not read yet, for people.
pub(crate) fn left(world: &World) -> String {
    let kafka = world.kafka();
    let left = kafka.logs.iter().filter_map(|(partition, log)| {
        let read = world.application.is_read(&partition.topic);
        let next = kafka.group.committed().get(partition).copied().unwrap_or(0);
        (read && log.next_committed(partition, next).is_ok()).then(|| format!("{partition} from {next}"))
    });
    let left: Vec<String> = left.collect();
    format!(
        "{}, transactions quiet: {}; {}",
        left.join(", "),
        kafka.transactions.are_quiet(),
        world.describe()
    )
}

/// Compares everything; the error is the first difference.
pub(crate) fn check(world: &World) -> Result<String, String> {
    let config = &world.application.config;
    let partitions = world.application.partitions;
    let sources = config.sources.iter().map(|source| Topic {
        records: records(world, &source.topic),
        reading: Reading::Json(build::wire_source(config, source)),
    });
    let content = Topic { records: records(world, "content"), reading: Reading::Content };
    let definitions = Topic { records: records(world, "definitions"), reading: Reading::Definitions };
    let site_shares = Topic { records: records(world, "site-shares"), reading: Reading::SiteShares };
    let sources: Vec<Topic> = sources.chain([content, definitions, site_shares]).collect();
    let commands = records(world, &config.topics.commands);
    let dead_letters = records(world, &config.topics.dead_letters);
    let taken = intake::compare(&sources, &commands, &dead_letters, partitions)?;

    let codec = OutputCodec::new(IDS);
    let start = fold::Start { rules: &config.rules, contents: &config.contents, codec: &codec };
    let expected = fold::fold(&commands, &start);
    let found = Outputs {
        decisions: records(world, &config.topics.decisions),
        segment_changes: records(world, &config.topics.segment_changes),
        profile_updates: records(world, &config.topics.profile_updates),
    };
    for record in &found.decisions {
        let id =
            bespoke::codec::output::reading::decode_decision(record.value.as_deref().unwrap_or_default());
        world.say(|| format!("{} offset {}: {id:?}", record.partition, record.offset));
    }
    let compared = outputs::compare(&expected, &found, partitions)?;
    world.kafka().check_positions()?;
    check_state(world, &expected, &codec)?;
    Ok(format!("{taken}, {compared}"))
}

/// The changelog must give each person's profile as it must be, and each store must be as the changelog was at its
/// position.
fn check_state(world: &World, expected: &Everybody, codec: &OutputCodec) -> Result<(), String> {
    let config = &world.application.config;
    let mut persons = BTreeSet::new();
    for number in 0..world.application.partitions {
        let partition = Partition::new(Arc::from(&*config.topics.changelog), number);
        let rows = replayed(world, &partition, i64::MAX);
        let changed = rows.get(row::DEFINITIONS_KEY).map(|row| {
            let (_, text) = row::decode_definitions(row).map_err(|error| format!("{partition}: {error}"))?;
            parse_definitions(&text, "definitions").map(Arc::new).map_err(|errors| errors.to_string())
        });
        let rules = changed.transpose()?.unwrap_or_else(|| Arc::clone(&config.rules));
        let mut site = Site::default();
        for (_, value) in rows.iter().filter(|(key, _)| key.starts_with(row::SITE_PREFIX)) {
            site.put(row::decode_site(value).map_err(|error| format!("{partition}: {error}"))?);
        }
        for (key, value) in &rows {
            let Some(person) = row::person_of_key(key) else { continue };
            let profile =
                row::decode_profile(value).map_err(|error| format!("{partition}: {person}: {error}"))?;
            let name = person.to_string();
            let wanted = expected.get(&name).and_then(|expected| expected.profile.last());
            let update = codec.profile_update(&person, &profile, &rules, &site);
            let state = expected.get(&name).and_then(|expected| expected.state.as_ref());
            if profile.version > 0 && (wanted != Some(&update) || state != Some(&profile)) {
                return Err(format!("{partition}: the state of {name} is not what it must be"));
            }
            if profile.version > 0 {
                persons.insert(name);
            }
        }
        check_digest(&partition, &rows)?;
        check_stores(world, number, &partition)?;
    }
    let missing =
        expected.iter().find(|(name, wanted)| !wanted.profile.is_empty() && !persons.contains(*name));
    missing.map_or(Ok(()), |(name, _)| Err(format!("{name} is in no state")))
}

/// The digest that is kept change by change must be the one of all rows together.
fn check_digest(partition: &Partition, rows: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<(), String> {
    let Some(meta) = rows.get(row::META_KEY) else { return Ok(()) };
    let told = row::decode_meta(meta).map_err(|error| format!("{partition}: {error}"))?.digest;
    let found = Digest::of(rows.iter().map(|(key, value)| (&key[..], &value[..])));
    let wrong = told != Some(found);
    if wrong { Err(format!("{partition}: it holds {found}, and says {told:?}")) } else { Ok(()) }
}

fn check_stores(world: &World, number: i32, changelog: &Partition) -> Result<(), String> {
    for process in 0..world.process_count() {
        let Some(store) = world.disk(process).store(number) else { continue };
        let Some(position) = store.position() else { continue };
        let rows = replayed(world, changelog, position.changelog_next);
        let mut kept: BTreeMap<Vec<u8>, Vec<u8>> = store.scan(&[]).unwrap().into_iter().collect();
        // A restore that was broken off leaves a note for the next one, another one for the next commit.
        kept.retain(|key, _| !row::is_note(key));
        if kept != rows {
            let differs = rows.iter().find(|(key, value)| kept.get(*key) != Some(value));
            let key = differs.map_or("more rows than there should be".into(), |(key, _)| format!("{key:?}"));
            return Err(format!(
                "process {process}, store {number} at {position:?} differs from its changelog: {key}"
            ));
        }
        let meta = rows.get(row::META_KEY).map(|meta| row::decode_meta(meta).unwrap().input_next);
        if meta.is_some_and(|input_next| input_next != position.input_next) {
            return Err(format!(
                "process {process}, store {number}: its position {position:?} is not {meta:?}"
            ));
        }
    }
    Ok(())
}

/// What the records of a changelog partition before an offset lead to.
fn replayed(world: &World, partition: &Partition, until: i64) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut rows = BTreeMap::new();
    let records = world.kafka().logs[partition].committed(partition);
    for record in records.into_iter().filter(|record| record.offset < until) {
        let Some(key) = record.key else { continue };
        match record.value {
            Some(value) => rows.insert(key, value),
            None => rows.remove(&key),
        };
    }
    rows
}

fn records(world: &World, topic: &str) -> Vec<Record> {
    let kafka = world.kafka();
    let of_topic = kafka.logs.iter().filter(|(partition, _)| &*partition.topic == topic);
    of_topic.flat_map(|(partition, log)| log.committed(partition)).collect()
}
