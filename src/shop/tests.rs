//! What whoever replays a shop may rely on.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{CONFIG, Kind, Shop, ShopRecord, ShopSettings, ShopTopic};
use crate::domain::time::{DAY_MS, Timestamp};

const STARTS_AT: Timestamp = Timestamp::from_ms(1_767_225_600_000);

fn settings() -> ShopSettings {
    ShopSettings {
        seed: 42,
        persons: 500,
        events: 20_000,
        starts_at: STARTS_AT,
        duration_ms: 14 * DAY_MS,
        duplicates_per_mille: 20,
        late_per_mille: 30,
        malformed_per_mille: 10,
        anonymous_per_mille: 200,
        decision_requests_per_mille: 50,
    }
}

fn parsed(record: &ShopRecord) -> Value {
    serde_json::from_slice(&record.value).unwrap()
}

fn person(value: &Value) -> Option<&str> {
    let names = ["userId", "user_id", "anonymousId", "user_pseudo_id", "client_id"];
    names.iter().find_map(|name| value[name].as_str())
}

/// When an event happened, after correction of the device's clock, in milliseconds.
fn happened_ms(value: &Value) -> i64 {
    let instant = |name: &str| {
        let at = value[name].as_str()?.parse::<jiff::Timestamp>().ok()?;
        Some(at.as_millisecond())
    };
    if let Some(original) = instant("originalTimestamp") {
        return instant("receivedAt").unwrap() - (instant("sentAt").unwrap() - original);
    }
    let micros = value["timestamp_micros"].as_i64().map(|micros| micros / 1000);
    micros.or_else(|| instant("timestamp")).unwrap()
}

fn is_request(value: &Value) -> bool {
    value["event"] == "decision_request" || value["name"] == "decision_request"
}

fn hash(records: impl Iterator<Item = ShopRecord>) -> u64 {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    for record in records {
        hasher.update(record.topic.name().as_bytes());
        hasher.update(&record.key);
        hasher.update(&record.value);
        hasher.update(&record.at.ms().to_le_bytes());
        hasher.update(format!("{:?}", record.kind).as_bytes());
    }
    hasher.digest()
}

#[test]
fn a_shop_is_its_seed() {
    assert_eq!(hash(Shop::new(settings()).take(1_000)), 7_590_312_605_582_252_698);
    assert_eq!(hash(Shop::new(settings()).contents().into_iter()), 9_368_244_269_249_148_437);
    let other = Shop::new(ShopSettings { seed: 43, ..settings() });
    assert_ne!(hash(other.take(1_000)), hash(Shop::new(settings()).take(1_000)));
}

#[test]
fn every_kind_of_record_has_its_share() {
    let records: Vec<_> = Shop::new(settings()).collect();
    assert_eq!(records.len(), 20_000);
    let share = |is: &dyn Fn(&ShopRecord) -> bool| records.iter().filter(|record| is(record)).count() / 20;
    assert!((16..=24).contains(&share(&|record| record.kind == Kind::Duplicate)));
    assert!((8..=12).contains(&share(&|record| matches!(record.kind, Kind::Malformed(_)))));
    assert!((42..=58).contains(&share(&|record| record.kind == Kind::Good && is_request(&parsed(record)))));
    let is_late = |record: &ShopRecord| record.at.ms() - happened_ms(&parsed(record)) >= 60_000;
    assert!((20..=36).contains(&share(&|record| record.kind == Kind::Good && is_late(record))));
    assert!((5..=40).contains(&share(&|record| record.topic == ShopTopic::Orders)));
    let malformed = records.iter().filter_map(|record| match record.kind {
        Kind::Malformed(code) => Some(code),
        Kind::Good | Kind::Duplicate => None,
    });
    assert_eq!(malformed.collect::<BTreeSet<_>>().len(), 7);
}

#[test]
fn good_records_are_json_with_ids_and_times_and_come_in_order() {
    let (mut last_at, mut persons) = (STARTS_AT, BTreeSet::new());
    let mut happened: BTreeMap<String, i64> = BTreeMap::new();
    for record in Shop::new(settings()) {
        assert!(record.at >= last_at && !record.key.is_empty());
        last_at = record.at;
        if record.kind != Kind::Good {
            continue;
        }
        let value = parsed(&record);
        let person = person(&value).unwrap().to_owned();
        assert_ne!(record.key, person.as_bytes());
        let at_ms = happened_ms(&value);
        let delay_ms = record.at.ms() - at_ms;
        assert!((0..=600_000).contains(&delay_ms), "{value}");
        if delay_ms < 60_000 {
            let before_ms = happened.insert(person.clone(), at_ms);
            assert!(before_ms.is_none_or(|before_ms| before_ms < at_ms), "{person} at {at_ms}");
        }
        persons.insert(person);
    }
    assert!(persons.len() > 450, "{}", persons.len());
    assert!(persons.contains("ada"));
    let took_ms = last_at.since_ms(STARTS_AT);
    assert!((13 * DAY_MS..15 * DAY_MS).contains(&took_ms), "{took_ms}");
}

#[test]
fn duplicates_are_exact_copies_of_what_the_person_sent_just_before() {
    let mut sent: BTreeMap<String, Vec<ShopRecord>> = BTreeMap::new();
    let mut copies = 0;
    for record in Shop::new(settings()) {
        match record.kind {
            Kind::Good => sent.entry(person(&parsed(&record)).unwrap().to_owned()).or_default().push(record),
            Kind::Duplicate => {
                let before = &sent[person(&parsed(&record)).unwrap()];
                let original = before.iter().rev().take(20).find(|original| original.value == record.value);
                let original = original.unwrap();
                assert_eq!((original.topic, &original.key), (record.topic, &record.key));
                assert!(original.at <= record.at);
                copies += 1;
            }
            Kind::Malformed(_) => {}
        }
    }
    assert!(copies > 300, "{copies}");
}

#[test]
fn ada_leaves_a_tent_in_her_cart_and_buys_it_a_day_later() {
    let told: Vec<(i64, Value)> = Shop::new(settings())
        .filter(|record| record.kind == Kind::Good)
        .map(|record| parsed(&record))
        .filter(|value| person(value) == Some("ada"))
        .map(|value| (happened_ms(&value), value))
        .collect();
    let about_tent = |value: &Value| value.to_string().contains("\"p050\"");
    let is_add = |value: &Value| {
        ["add_to_cart", "Product Added"]
            .iter()
            .any(|name| value["event"] == **name || value["name"] == **name)
    };
    let (added_ms, _) = told.iter().find(|(_, value)| is_add(value) && about_tent(value)).unwrap();
    let (ordered_ms, order) = told.iter().find(|(_, value)| value["event"] == "Order Completed").unwrap();
    assert!(about_tent(order) && order["value"].as_f64().unwrap() > 100.0 && order["orderId"].is_string());
    assert!(ordered_ms - added_ms > DAY_MS);
    assert_eq!(told.iter().filter(|(_, value)| is_request(value)).count(), 12);
    assert_eq!(person(&told[0].1), Some("ada"));
}

#[test]
fn small_and_odd_shops_come_to_their_end() {
    for (persons, events, duration_ms) in [(0, 100, DAY_MS), (2, 5_000, 0), (10_000, 10, -1), (5, 0, DAY_MS)]
    {
        let shop = Shop::new(ShopSettings { persons, events, duration_ms, ..settings() });
        assert_eq!(shop.count(), events);
    }
    let all_at_most = ShopSettings {
        duplicates_per_mille: 1_000,
        late_per_mille: u32::MAX,
        malformed_per_mille: 1_000,
        anonymous_per_mille: 1_000,
        decision_requests_per_mille: 1_000,
        ..settings()
    };
    let records: Vec<_> = Shop::new(all_at_most).collect();
    let duplicates = records.iter().filter(|record| record.kind == Kind::Duplicate).count();
    assert!((5_000..7_000).contains(&duplicates), "{duplicates}");
}

#[test]
fn the_configuration_names_the_topics_and_the_content_of_the_shop() {
    for topic in [ShopTopic::Clickstream, ShopTopic::Orders, ShopTopic::Content] {
        assert!(CONFIG.contains(&format!("topic: {}\n", topic.name())));
    }
    let contents = Shop::new(settings()).contents();
    let ids: BTreeSet<_> = contents.iter().map(|record| String::from_utf8_lossy(&record.key)).collect();
    let fallbacks = CONFIG.lines().filter_map(|line| line.trim().strip_prefix("fallback: ["));
    let fallbacks: Vec<_> = fallbacks.flat_map(|list| list.trim_end_matches(']').split(", ")).collect();
    assert_eq!(fallbacks.len(), 5);
    assert!(fallbacks.iter().all(|id| ids.contains(*id)));
}
