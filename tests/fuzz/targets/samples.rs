//! Good values for seeds: an event and a profile that have something in every part, and the shop's rules.

use std::sync::{Arc, LazyLock};

use bespoke::config::Config;
use bespoke::config::overlay::Flags;
use bespoke::domain::catalogue::{Catalogue, Content};
use bespoke::domain::event::{DecisionRequest, Event, Item, Money};
use bespoke::domain::person::Person;
use bespoke::domain::profile::Profile;
use bespoke::domain::react::{Knowledge, react};
use bespoke::domain::scalar::{Properties, Scalar};
use bespoke::domain::site::{Site, SiteShares};
use bespoke::domain::time::Timestamp;
use bespoke::shop::CONFIG;

/// When samples happen: 2026-01-05T10:00:00Z.
pub(crate) const AT: i64 = 1_767_607_200_000;

/// The shop's configuration.
pub(crate) static SHOP: LazyLock<Arc<Config>> =
    LazyLock::new(|| Arc::new(Config::load(CONFIG, "shop.yaml", [], &Flags::new()).unwrap()));

/// An event of this name.
pub(crate) fn event(name: &str, message_id: &str, ms: i64) -> Event {
    let mut properties = Properties::default();
    properties.set("colour", Scalar::Text("red".into()));
    properties.set("sizes", Scalar::Texts(vec!["s".into(), "m".into()]));
    properties.set("stock", Scalar::Integer(-4));
    properties.set("discount", Scalar::Float(0.25));
    properties.set("gift", Scalar::Bool(true));
    let request =
        DecisionRequest { request_id: "r".into(), slot: "home_hero".into(), exclude: vec!["c-9".into()] };
    Event {
        message_id: message_id.into(),
        name: name.into(),
        person: Person::bare("user:1"),
        timestamp: Timestamp::from_ms(ms),
        original_timestamp: Timestamp::from_ms(ms),
        received_at: Timestamp::from_ms(ms),
        time_clamped: false,
        source: "clickstream".into(),
        items: vec![Item {
            item_id: "p-1".into(),
            category: Some("shoes".into()),
            brand: Some("acme".into()),
            price_hundredths: Some(5990),
            quantity: 2,
        }],
        order_id: (name.starts_with("order")).then(|| message_id.into()),
        value: Some(Money { hundredths: 11_980, currency: "EUR".into() }),
        request: (name == "decision_request").then_some(request),
        page: Some("/c/shoes".into()),
        traits: properties.clone(),
        properties,
    }
}

/// The names of events that the rules know.
pub(crate) const NAMES: [&str; 8] = [
    "product_viewed",
    "product_added",
    "product_removed",
    "order_completed",
    "order_refunded",
    "page_viewed",
    "identify",
    "decision_request",
];

/// A piece of content.
pub(crate) fn content() -> Content {
    Content {
        content_id: "c-1".into(),
        slots: vec!["home_hero".into()],
        weights: vec![("shoes".into(), 0.5)],
        base_weight: 2.0,
        item_id: Some("p-1".into()),
        starts_at: Some(Timestamp::from_ms(1)),
        ends_at: None,
    }
}

/// What all persons together are drawn to.
pub(crate) fn site_shares() -> SiteShares {
    SiteShares {
        interest: "category".into(),
        as_of: Timestamp::from_ms(AT),
        persons: 9,
        shares: vec![("boots".into(), 0.125), ("shoes".into(), 0.5)],
    }
}

/// The same, as all that is known.
pub(crate) fn site() -> Site {
    Site::from_iter([site_shares()])
}

/// A profile that has seen some of everything.
pub(crate) fn profile() -> Profile {
    let (mut profile, catalogue, mut emissions) = (Profile::default(), Catalogue::default(), Vec::new());
    let knowledge = Knowledge { rules: &SHOP.rules, catalogue: &catalogue, site: &site() };
    for (number, name) in NAMES.iter().enumerate() {
        let ms = AT + number as i64 * 1_000;
        let event = event(name, &format!("m-{number}"), ms);
        react(knowledge, &event.person, &mut profile, Timestamp::from_ms(ms), &event, &mut emissions);
    }
    profile
}
