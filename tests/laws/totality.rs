//! The law of totality: nothing that a sender can say makes the ground floor panic, go on for ever or keep
//! more than its limits.

use bespoke::codec::row;
use bespoke::domain::decision::Emission;
use bespoke::domain::event::{DecisionRequest, Event, Item, Money};
use bespoke::domain::profile::Profile;
use bespoke::domain::rulebook::{Aggregation, Facet, Field, RuleBook};
use bespoke::domain::scalar::{Properties, Scalar};
use bespoke::domain::time::Timestamp;
use compact_str::CompactString;
use proptest::prelude::*;

use super::builder::*;

fn text() -> impl Strategy<Value = CompactString> {
    prop_oneof![
        Just("".into()),
        (0..600).prop_map(|number| format!("t{number}").into()),
        ".{0,8}".prop_map(Into::into)
    ]
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(0), any::<i64>(), -1000..1000_i64]
}

fn instant() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        Just(Timestamp::EARLIEST),
        Just(Timestamp::LATEST),
        (Timestamp::EARLIEST.ms()..=Timestamp::LATEST.ms()).prop_map(Timestamp::from_ms),
        (0..200 * 24_i64).prop_map(|hours| at(hours, 0)),
    ]
}

fn item() -> impl Strategy<Value = Item> {
    let quantity = prop_oneof![Just(0), Just(u32::MAX), any::<u32>()];
    (text(), prop::option::of(text()), prop::option::of(number()), quantity).prop_map(
        |(item_id, category, price_hundredths, quantity)| Item {
            brand: category.clone(),
            item_id,
            category,
            price_hundredths,
            quantity,
        },
    )
}

fn scalar() -> impl Strategy<Value = Scalar> {
    let float = prop_oneof![Just(f64::MAX), Just(f64::MIN), Just(-0.0), Just(1e-320), -1e9..1e9];
    prop_oneof![
        any::<bool>().prop_map(Scalar::Bool),
        number().prop_map(Scalar::Integer),
        float.prop_map(Scalar::Float),
        text().prop_map(Scalar::Text),
        prop::collection::vec(text(), 0..3).prop_map(Scalar::Texts),
    ]
}

fn properties(length_max: usize) -> impl Strategy<Value = Properties> {
    let entry =
        (prop_oneof![2 => Just("points".into()), 1 => Just("currency".into()), 3 => text()], scalar());
    prop::collection::vec(entry, 0..=length_max).prop_map(|entries| {
        let mut properties = Properties::default();
        entries.into_iter().for_each(|(name, value)| properties.set(&name, value));
        properties
    })
}

fn anything() -> impl Strategy<Value = Event> {
    let name = prop::sample::select(vec![
        "product_viewed",
        "product_added",
        "product_removed",
        "order_completed",
        "order_refunded",
        "identify",
        "decision_request",
        "",
    ]);
    let items =
        prop_oneof![4 => prop::collection::vec(item(), 0..5), 1 => prop::collection::vec(item(), 200)];
    let money = (number(), text()).prop_map(|(hundredths, currency)| Money { hundredths, currency });
    let exclude = prop::collection::vec(text(), 0..5);
    let request = (text(), prop_oneof![Just("home".into()), text()], exclude)
        .prop_map(|(request_id, slot, exclude)| DecisionRequest { request_id, slot, exclude });
    let said = (prop::option::of(text()), prop::option::of(money), prop::option::of(request));
    let more = (properties(3), prop_oneof![4 => properties(3), 1 => properties(100)]);
    (text(), name, instant(), items, said, more).prop_map(
        |(message_id, name, timestamp, items, (order_id, value, request), (properties, traits))| Event {
            items,
            order_id,
            value,
            request,
            properties,
            traits,
            ..event(&message_id, name, timestamp)
        },
    )
}

/// Definitions with small limits, which are reached soon, and with extremes where nothing forbids them.
fn tight() -> RuleBook {
    let mut rules = shop_of_all_kinds();
    rules.intake.seen_ids_max = 7;
    rules.intake.seen_horizon_ms = i64::MAX;
    rules.intake.lateness_ms_max = i64::MAX;
    rules.attributes.push(attribute(
        "points",
        &[],
        Aggregation::Sum(Field::Property("points".into())),
        hourly(48, true),
    ));
    rules.attributes.push(attribute(
        "points_ever",
        &[],
        Aggregation::Sum(Field::Property("points".into())),
        None,
    ));
    rules.interests.push(interest("item", Facet::Item, true));
    for interest in &mut rules.interests {
        interest.values_max = 5;
        interest.weights.push(("".into(), f64::MAX));
    }
    rules.segments.push(condition("rich", "attributes.points + attributes.points_ever > 1.0", None, 1));
    rules.segments.push(condition("odd", "profile.events % (orders.units - 1) == orders.units * 9", None, 0));
    rules
}

fn is_within_limits(rules: &RuleBook, profile: &Profile) -> bool {
    profile.seen.len() <= rules.intake.seen_ids_max
        && profile.traits.len() <= 64
        && profile.counters.as_slice().len() <= 2 * rules.attributes.len()
        && profile.points.len() + profile.frequencies.len() <= rules.attributes.len()
        && profile.points.iter().all(|(_, points)| points.as_slice().len() <= 2_400)
        && profile.interests.len() <= rules.interests.len()
        && profile.interests.iter().all(|(_, affinities)| affinities.len() <= 5)
        && profile.interests.iter().flat_map(|(_, kept)| kept).all(|affinity| affinity.score.is_finite())
        && profile.recent.len() <= rules.recent.items_max
        && profile.orders.revenue.len() <= 16
        && profile.orders.seen.len() <= 256
        && profile.orders.items.len() <= 200
        && profile.segments.len() <= rules.segments.len()
        && profile.rules_fired.len() <= rules.rules.len()
        && profile.fires.iter().all(|(_, fires)| fires.len() <= 2)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_that_is_said_breaks_anything(events in prop::collection::vec(anything(), 1..30)) {
        let mut story = Story::new(tight());
        for event in &events {
            story.send(event);
            prop_assert!(is_within_limits(&story.rules, &story.profile), "{:?}", story.profile);
        }
        story.sweep(Timestamp::LATEST);
        story.sweep(Timestamp::from_ms(i64::MAX));
        prop_assert_eq!(story.due(), None);
        for said in &story.said {
            if let Emission::Decision(decision) = said {
                prop_assert!(decision.ranked.len() <= 3 && decision.excluded.len() <= 20);
                prop_assert!(decision.ranked.iter().all(|ranked| ranked.score.is_finite()));
            }
        }
        let bytes = row::encode_profile(&story.profile);
        let read = row::decode_profile(&bytes).unwrap();
        prop_assert_eq!(row::encode_profile(&read), bytes);
    }
}
