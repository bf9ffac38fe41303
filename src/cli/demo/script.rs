//! What the demo streams in, made before it begins: the shop's records, and what is to be expected of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::domain::time::{DAY_MS, Timestamp};
use crate::shop::{Kind, Shop, ShopRecord, ShopSettings, ShopTopic};

/// The first day of the story, 2025-01-06, a Monday. A fixed day, so that a seed gives the same bytes.
const STARTS_AT: Timestamp = Timestamp::from_ms(1_736_121_600_000);
/// How long the story takes in event time.
const DURATION_MS: i64 = 14 * DAY_MS;
/// About how many records a person leaves.
const RECORDS_PER_PERSON: usize = 40;

/// Everything that is sent, in order.
pub(super) struct Script {
    /// The content that decisions choose from.
    pub(super) contents: Vec<ShopRecord>,
    /// The clickstream and the orders.
    pub(super) records: Vec<ShopRecord>,
}

/// The shop of a demo with this many records and this seed.
pub fn shop_settings(events: usize, seed: u64) -> ShopSettings {
    ShopSettings {
        seed,
        persons: (events / RECORDS_PER_PERSON).clamp(20, 100_000),
        events,
        starts_at: STARTS_AT,
        duration_ms: DURATION_MS,
        duplicates_per_mille: 20,
        late_per_mille: 30,
        malformed_per_mille: 10,
        anonymous_per_mille: 200,
        decision_requests_per_mille: 50,
    }
}

/// The topic of one application's shop: each run has topics of its own on a broker that many share.
pub(super) fn topic(application: &str, topic: ShopTopic) -> String {
    format!("{application}-{}", topic.name())
}

impl Script {
    pub(super) fn new(events: usize, seed: u64) -> Script {
        let shop = Shop::new(shop_settings(events, seed));
        Script { contents: shop.contents(), records: shop.collect() }
    }

    /// How many records are exact copies.
    pub(super) fn copies(&self) -> u64 {
        self.records.iter().filter(|record| record.kind == Kind::Duplicate).count() as u64
    }

    /// How many dead letters there have to be, by code.
    pub(super) fn malformed(&self) -> BTreeMap<String, u64> {
        let mut malformed = BTreeMap::new();
        for record in &self.records {
            if let Kind::Malformed(code) = record.kind {
                *malformed.entry(code.as_str().to_owned()).or_default() += 1;
            }
        }
        malformed
    }

    /// The ids of the requests that have to be answered.
    pub(super) fn requests(&self) -> BTreeSet<String> {
        self.records
            .iter()
            .filter(|record| record.kind == Kind::Good)
            .filter_map(|record| request_id(&serde_json::from_slice(&record.value).ok()?))
            .collect()
    }
}

/// The day of the story, from 1, and the time of that day.
pub(super) fn moment(at: Timestamp) -> String {
    let passed_ms = at.since_ms(STARTS_AT);
    let minutes = passed_ms.rem_euclid(DAY_MS) / 60_000;
    format!("day {:>2} {:02}:{:02}", passed_ms.div_euclid(DAY_MS) + 1, minutes / 60, minutes % 60)
}

/// Read here from the sender's own JSON and not through the decoder that is being checked.
fn request_id(value: &Value) -> Option<String> {
    let is_request = ["event", "name"].iter().any(|name| value.get(name).is_some_and(|name| name == REQUEST));
    let places = [value.get("params"), value.get("properties"), Some(value)];
    let id = places.into_iter().flatten().find_map(|place| place.get("requestId")?.as_str())?;
    is_request.then(|| id.to_owned())
}

/// What the shop's senders call a request.
const REQUEST: &str = "decision_request";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_knows_what_its_records_are() {
        let script = Script::new(2_000, 7);
        assert_eq!(script.records.len(), 2_000);
        let requests = script.requests().len();
        assert!((50..250).contains(&requests), "{requests}");
        assert!(script.malformed().values().sum::<u64>() >= 5);
        assert!(script.copies() >= 10);
        assert_eq!(script.records, Script::new(2_000, 7).records);
    }

    #[test]
    fn moments_are_days_and_times_of_the_story() {
        assert_eq!(moment(STARTS_AT), "day  1 00:00");
        assert_eq!(moment(STARTS_AT.plus_ms(2 * DAY_MS + 14 * 3_600_000 + 125_000)), "day  3 14:02");
    }
}
