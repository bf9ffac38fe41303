//! What one event costs on its way, piece by piece and without Kafka or RocksDB: `cargo bench`.
//!
//! The pieces add up to the work of one record: decode it, write the command, read the command, react, and,
//! once per person and commit, encode the row and the update. Figures are only comparable with figures of
//! the same machine and the same run.

use std::sync::Arc;

use bespoke::codec::digest::row_hash;
use bespoke::codec::output::{OutputCodec, SchemaIds};
use bespoke::codec::wire::{Aliases, Clock, Ids, Source};
use bespoke::codec::{command, row};
use bespoke::config::Config;
use bespoke::config::definitions::parse_definitions;
use bespoke::config::overlay::Flags;
use bespoke::domain::catalogue::Catalogue;
use bespoke::domain::command::Command;
use bespoke::domain::event::Event;
use bespoke::domain::profile::Profile;
use bespoke::domain::react::{Knowledge, react};
use bespoke::domain::rulebook::RuleBook;
use bespoke::domain::site::Site;
use bespoke::domain::time::{DAY_MS, Timestamp};
use bespoke::shop::{self, Kind, Shop, ShopRecord, ShopSettings, ShopTopic};
use divan::{Bencher, black_box};

const DEFINITIONS: &str = "
attributes:
  views_7d: {count: product_viewed, window: 7d, bucket: 1h}
  adds_7d: {count: product_added, window: 7d, bucket: 1h}
interests:
  category: {facet: category, half_life: 7d, enter: 10, leave: 8,
    weights: {product_viewed: 1, product_added: 3, product_removed: -2, order_completed: 5}}
segments:
  frequent: {enter: 'attributes.views_7d >= 20', leave: 'attributes.views_7d < 15'}
  cart_abandoner: {after: product_added, without: order_completed, for: 24h}
slots:
  home_hero: {items: 3, interest: category, fallback: [welcome]}
";

fn main() {
    divan::main();
}

fn records() -> Vec<ShopRecord> {
    let settings = ShopSettings {
        seed: 1,
        persons: 200,
        events: 20_000,
        starts_at: Timestamp::from_ms(1_767_600_000_000),
        duration_ms: 14 * DAY_MS,
        duplicates_per_mille: 10,
        late_per_mille: 5,
        malformed_per_mille: 0,
        anonymous_per_mille: 0,
        decision_requests_per_mille: 50,
    };
    Shop::new(settings)
        .filter(|record| record.topic == ShopTopic::Clickstream && record.kind == Kind::Good)
        .collect()
}

fn source() -> Source {
    Source {
        topic: "clickstream".into(),
        clock: Clock::Trust,
        ids: Ids::ByKind,
        aliases: Arc::new(Aliases::standard()),
        known_events: None,
        table: None,
        schemas: Arc::default(),
        record_bytes_max: 1 << 20,
    }
}

fn events() -> Vec<Event> {
    let source = source();
    records().iter().filter_map(|record| source.decode_json(&record.value, record.at).ok()).collect()
}

fn rules() -> RuleBook {
    parse_definitions(DEFINITIONS, "benchmark").expect("the definitions are valid")
}

/// The profile of somebody with this many events behind them.
fn profile(events: usize) -> (Event, Profile) {
    let (all, rules, catalogue) = (self::events(), rules(), Catalogue::default());
    let last = all.last().expect("there are events").clone();
    let mut profile = Profile::default();
    for mut event in all.into_iter().take(events) {
        event.person = last.person.clone();
        let knowledge = Knowledge { rules: &rules, catalogue: &catalogue, site: &Site::default() };
        react(knowledge, &last.person, &mut profile, event.timestamp, &event, &mut Vec::new());
    }
    (last, profile)
}

#[divan::bench]
fn decode_json(bencher: Bencher) {
    let (records, source) = (records(), source());
    let mut next = records.iter().cycle();
    bencher.counter(1_usize).bench_local(|| {
        let record = next.next().expect("a cycle has no end");
        black_box(source.decode_json(&record.value, record.at).is_ok())
    });
}

/// The same where the shipped schemas are held against it, which most of the shop's events have.
#[divan::bench]
fn decode_checked_json(bencher: Bencher) {
    let text = format!("{}\nschemas:\n  directory: schemas/events\n", shop::CONFIG);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/bespoke.yaml");
    let config = Config::load(&text, file, [], &Flags::new()).expect("the configuration is valid");
    let source = Source { schemas: config.schemas, ..source() };
    let records = records();
    let mut next = records.iter().cycle();
    bencher.counter(1_usize).bench_local(|| {
        let record = next.next().expect("a cycle has no end");
        black_box(source.decode_json(&record.value, record.at).is_ok())
    });
}

#[divan::bench]
fn encode_and_decode_command(bencher: Bencher) {
    let commands: Vec<Command> = events().into_iter().map(Command::Event).collect();
    let mut next = commands.iter().cycle();
    bencher.counter(1_usize).bench_local(|| {
        let bytes = command::encode(next.next().expect("a cycle has no end"));
        black_box(command::decode(&bytes).is_ok())
    });
}

/// With further segments, each on an attribute of its own that counts one in ten kinds of event.
#[divan::bench(args = [0, 50])]
fn react_to_an_event(bencher: Bencher, further_segments: usize) {
    let mut text = DEFINITIONS.to_owned();
    for number in 0..further_segments {
        let attribute = format!("attributes:\n  n{number}: {{count: kind_{}, window: 7d}}", number % 10);
        text = text.replacen("attributes:", &attribute, 1);
        let segment = format!("segments:\n  s{number}: {{enter: 'attributes.n{number} >= {}'}}", number + 1);
        text = text.replacen("segments:", &segment, 1);
    }
    let rules = parse_definitions(&text, "benchmark").expect("the definitions are valid");
    let (mut events, catalogue) = (events(), Catalogue::default());
    if further_segments > 0 {
        for (number, event) in events.iter_mut().enumerate().filter(|(number, _)| number % 2 == 0) {
            event.name = format!("kind_{}", number % 10).into();
        }
    }
    let mut persons = std::collections::HashMap::new();
    let mut now = Timestamp::EARLIEST;
    let mut next = events.iter().cycle().enumerate();
    let mut emissions = Vec::new();
    bencher.counter(1_usize).bench_local(|| {
        let (number, event) = next.next().expect("a cycle has no end");
        let event = Event { message_id: number.to_string().into(), ..event.clone() };
        let profile: &mut Profile = persons.entry(event.person.clone()).or_default();
        now = now.max(event.timestamp);
        emissions.clear();
        let knowledge = Knowledge { rules: &rules, catalogue: &catalogue, site: &Site::default() };
        black_box(react(knowledge, &event.person, profile, now, &event, &mut emissions))
    });
}

#[divan::bench(args = [1, 20, 200])]
fn encode_and_decode_row(bencher: Bencher, events: usize) {
    let (_, profile) = profile(events);
    bencher.counter(1_usize).bench_local(|| {
        let bytes = row::encode_profile(black_box(&profile));
        black_box(row::decode_profile(&bytes).is_ok())
    });
}

/// What the digest of the state costs for each row that is read from the store, and each that is written.
#[divan::bench(args = [1, 20, 200])]
fn hash_row(bencher: Bencher, events: usize) {
    let (event, profile) = profile(events);
    let (key, value) = (row::profile_key(&event.person), row::encode_profile(&profile));
    bencher.counter(1_usize).bench_local(|| row_hash(black_box(&key), black_box(&value)));
}

#[divan::bench(args = [1, 20, 200])]
fn encode_profile_update(bencher: Bencher, events: usize) {
    let ((event, profile), rules) = (profile(events), rules());
    let codec = OutputCodec::new(SchemaIds { profile_update: 1, decision: 2, segment_change: 3 });
    bencher.counter(1_usize).bench_local(|| {
        codec.profile_update(&event.person, black_box(&profile), &rules, &Site::default()).len()
    });
}
