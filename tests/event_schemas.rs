//! The schemas of events that are shipped: their examples fit, and they take nothing away from what is
//! accepted without them.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, also where a function that it shares with others does"
)]

use bespoke::config::Config;
use bespoke::config::overlay::Flags;
use bespoke::domain::time::Timestamp;
use bespoke::service::build;
use bespoke::shop::{self, Shop, ShopSettings, ShopTopic};

/// The shop's configuration with the shipped schemas, and without.
fn configurations() -> [Config; 2] {
    let text = format!("{}\nschemas:\n  directory: schemas/events\n", shop::CONFIG);
    let root = env!("CARGO_MANIFEST_DIR");
    let load = |text: &str| Config::load(text, &format!("{root}/bespoke.yaml"), [], &Flags::new()).unwrap();
    [load(&text), load(shop::CONFIG)]
}

#[test]
fn the_examples_fit() {
    let [config, _] = configurations();
    let mut examples = 0;
    for (event, version) in config.schemas.all() {
        let broken: Vec<_> = version.broken_examples().collect();
        assert!(broken.is_empty(), "{event}/{}: {broken:?}", version.number());
        examples += version.document()["examples"].as_array().map_or(0, Vec::len);
        for example in version.document()["examples"].as_array().into_iter().flatten() {
            let source = build::wire_source(&config, &config.sources[0]);
            let now = Timestamp::from_ms(1_767_607_260_000);
            let decoded = source.decode_value(example.clone(), now);
            assert_eq!(decoded.as_ref().map(|event| &event.name), Ok(event), "{example}");
        }
    }
    assert!(examples >= 10, "{examples} examples");
}

#[test]
fn the_shop_sends_nothing_that_they_refuse() {
    let [with, without] = configurations();
    let shop = Shop::new(ShopSettings {
        seed: 7,
        persons: 300,
        events: 20_000,
        starts_at: Timestamp::from_ms(1_767_571_200_000),
        duration_ms: 10 * 86_400_000,
        duplicates_per_mille: 30,
        late_per_mille: 40,
        malformed_per_mille: 10,
        anonymous_per_mille: 200,
        decision_requests_per_mille: 60,
    });
    let sources = [&with, &without]
        .map(|config| [0, 1].map(|source| build::wire_source(config, &config.sources[source])));
    let (mut checked, mut refused) = (0, 0);
    for record in shop {
        let source = match record.topic {
            ShopTopic::Clickstream => 0,
            ShopTopic::Orders => 1,
            ShopTopic::Content => continue,
        };
        let read = |sources: &[_; 2]| -> Result<_, _> {
            let source: &bespoke::codec::wire::Source = &sources[source];
            source.decode_json(&record.value, record.at)
        };
        match (read(&sources[0]), read(&sources[1])) {
            (Ok(with), Ok(without)) => {
                assert_eq!(with, without);
                checked += usize::from(sources[0][source].schemas.versions(&with.name).is_some());
            }
            (Err(_), Err(_)) => refused += 1,
            (with, without) => panic!("{with:?} with the schemas, {without:?} without"),
        }
    }
    assert!(checked > 10_000 && refused > 100, "{checked} checked, {refused} refused");
}
