//! The law of order: within the lateness bound, counts, sums, times and affinities depend on what happened,
//! not on when it was heard of.

use bespoke::domain::event::Event;
use bespoke::domain::profile::Profile;
use bespoke::domain::rulebook::{NameId, RuleBook};
use bespoke::domain::time::{HOUR_MS, Timestamp};
use compact_str::CompactString;
use proptest::prelude::*;

use super::builder::*;

const SPAN_HOURS: i64 = 60;

/// What happened, in two orders of arrival. No order id occurs twice: such copies may differ, and then the
/// first to arrive wins.
fn two_orders() -> impl Strategy<Value = (Vec<Event>, Vec<Event>)> {
    let name = prop_oneof![
        Just("product_viewed"),
        Just("product_added"),
        Just("product_removed"),
        Just("order_completed"),
        Just("order_refunded"),
        Just("page_viewed"),
    ];
    let one = (name, 0..CATEGORIES.len(), 0..SPAN_HOURS * HOUR_MS, 1..4_u32, 1..100_000_i64);
    let events = prop::collection::vec(one, 1..40).prop_map(|events| {
        let event = |(number, (name, category, ms, quantity, price))| {
            let id = format!("m-{number}");
            let mut event: Event = about(&id, name, CATEGORIES[category], at(0, 0).plus_ms(ms));
            event.items[0].quantity = quantity;
            event.items[0].price_hundredths = Some(price);
            event.order_id = name.starts_with("order").then(|| id.into());
            event
        };
        events.into_iter().enumerate().map(event).collect::<Vec<_>>()
    });
    events.prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle()))
}

fn end() -> Timestamp {
    at(SPAN_HOURS, 0)
}

fn after(events: &[Event]) -> Profile {
    told(shop(), events).profile
}

fn told(rules: RuleBook, events: &[Event]) -> Story {
    let mut story = Story::new(rules);
    for event in events {
        story.send(event);
    }
    story.send(&event("last", "page_viewed", end()));
    story
}

fn numbers(profile: &Profile) -> Vec<(u32, i64)> {
    profile.counters.as_slice().iter().map(|counter| (counter.id.0, counter.total)).collect()
}

/// The scores of an interest at the end, by value, with what they rest on.
fn scores(profile: &Profile, interest: &str) -> Vec<(CompactString, [f64; 2], u32)> {
    let rules = shop();
    let decay = &rules.interest(interest).unwrap().decay;
    let affinities = profile.affinities(NameId::of(interest)).iter();
    let mut scores: Vec<_> = affinities
        .map(|affinity| {
            let score = affinity.score_at(end().hour(), decay);
            (affinity.value.clone(), [score, affinity.n_eff()], affinity.evidence)
        })
        .collect();
    scores.sort_by(|one, other| one.0.cmp(&other.0));
    scores
}

fn category(event: &Event) -> &str {
    event.items[0].category.as_deref().unwrap()
}

fn close(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-9 * one.abs().max(other.abs()) + 1e-12
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_adds_up_does_not_depend_on_the_order_of_arrival((one, other) in two_orders()) {
        let (one, other) = (after(&one), after(&other));
        prop_assert_eq!(numbers(&one), numbers(&other));
        prop_assert_eq!(one.events_applied, other.events_applied);
        prop_assert_eq!((one.first_at, one.last_at), (other.first_at, other.last_at));
        prop_assert_eq!((one.orders.count, one.orders.units), (other.orders.count, other.orders.units));
        prop_assert_eq!(&one.orders.revenue, &other.orders.revenue);
        prop_assert_eq!(
            (one.orders.first_at, one.orders.last_at),
            (other.orders.first_at, other.orders.last_at)
        );
        for interest in ["category", "brand"] {
            let (one, other) = (scores(&one, interest), scores(&other, interest));
            prop_assert_eq!(one.len(), other.len());
            for (one, other) in one.iter().zip(&other) {
                prop_assert_eq!((&one.0, one.2), (&other.0, other.2));
                let pairs = one.1.into_iter().zip(other.1);
                prop_assert!(pairs.into_iter().all(|(one, other)| close(one, other)), "{one:?} or {other:?}");
            }
        }
    }

    #[test]
    fn what_attributes_keep_does_not_depend_on_it_either((one, other) in two_orders()) {
        // Sessions have a law of their own, which holds for the last two.
        let of_events = || {
            let mut rules = shop_of_all_kinds();
            rules.attributes.retain(|rule| !rule.of_session);
            rules.segments.retain(|segment| &*segment.name != "looks");
            rules
        };
        let (one, other) = (told(of_events(), &one), told(of_events(), &other));
        prop_assert_eq!(one.readings(), other.readings());
        prop_assert_eq!(&one.profile.points, &other.profile.points);
        prop_assert_eq!(&one.profile.frequencies, &other.profile.frequencies);
    }

    #[test]
    fn what_attributes_keep_is_what_their_definitions_say((events, _) in two_orders()) {
        let story = told(shop_of_all_kinds(), &events);
        let said: Vec<_> = story.readings();
        let said = |name: &str| said.iter().find(|(other, _)| other == name).unwrap().1.clone();
        let views = |hours: i64| {
            let last = end().hour();
            let views = events.iter().filter(|event| &*event.name == "product_viewed");
            views.filter(move |event| event.timestamp.hour() > last - hours).collect::<Vec<_>>()
        };
        let price = |event: &&Event| event.items[0].price_hundredths.unwrap() as f64 / 100.0;
        let number = |number: Option<f64>| number.map_or("Missing".to_owned(), |n| format!("Number({n:?})"));
        prop_assert_eq!(said("dearest_ever"), number(views(999).iter().map(price).reduce(f64::max)));
        let mean = said("typical").trim_start_matches("Number(").trim_end_matches(')').parse::<f64>();
        let prices: Vec<f64> = views(24).iter().map(price).collect();
        match mean {
            Err(_) => prop_assert!(prices.is_empty()),
            Ok(mean) => prop_assert!(close(mean, prices.iter().sum::<f64>() / prices.len() as f64)),
        }
        let first = views(20).into_iter().min_by_key(|event| (event.timestamp, category(event)));
        let text = |text: Option<&str>| text.map_or("Missing".to_owned(), |text| format!("Text({text:?})"));
        prop_assert_eq!(said("entry"), text(first.map(category)));
        let different: std::collections::BTreeSet<&str> = views(24).into_iter().map(category).collect();
        prop_assert_eq!(said("variety"), format!("Whole({})", different.len()));
        let rests = |name: &str| said(&format!("{name} n_eff")).parse::<f64>().unwrap() as usize;
        let kept = |name: &'static str, hours: i64| {
            let of_name = events.iter().filter(move |event| &*event.name == name);
            of_name.filter(move |event| event.timestamp.hour() > end().hour() - hours).count()
        };
        prop_assert_eq!(rests("views_day"), kept("product_viewed", 24));
        prop_assert_eq!(rests("spent_two_days"), kept("order_completed", 48));
        prop_assert_eq!(rests("units"), kept("order_completed", 999));
        prop_assert_eq!(rests("typical"), kept("product_viewed", 24));
        prop_assert_eq!(rests("dearest_ever"), usize::from(kept("product_viewed", 999) > 0));
        prop_assert_eq!(rests("favourites"), kept("product_viewed", 999));
        prop_assert_eq!(rests("stage"), kept("order_completed", 999).min(2));
    }

    #[test]
    fn numbers_and_scores_are_what_their_definitions_say((events, _) in two_orders()) {
        let profile = after(&events);
        let last = end().hour();
        let named = |name: &'static str| events.iter().filter(move |event| &*event.name == name);
        let within = |event: &&Event, hours| event.timestamp.hour() > last - hours;
        let number = |name| profile.number(NameId::of(name));
        let views = named("product_viewed").filter(|event| within(event, 24)).count();
        prop_assert_eq!(number("views_day"), views as i64);
        let spent = named("order_completed").filter(|event| within(event, 48));
        prop_assert_eq!(number("spent_two_days"), spent.map(|event| event.money().hundredths).sum::<i64>());
        prop_assert_eq!(number("events"), events.len() as i64 + 1);
        let weight = |name: &str| match name {
            "product_viewed" => 1.0,
            "product_added" => 3.0,
            "product_removed" => -2.0,
            "order_completed" => 5.0,
            _ => 0.0,
        };
        for (category, [score, n_eff], evidence) in scores(&profile, "category") {
            let mine = events.iter().filter(|event| event.items[0].category.as_ref() == Some(&category));
            let decayed = |event: &Event| {
                weight(&event.name) * (-(last - event.timestamp.hour()) as f64 / 24.0).exp2()
            };
            let contributions: Vec<f64> = mine.map(decayed).filter(|one| *one != 0.0).collect();
            let expected: f64 = contributions.iter().sum();
            prop_assert!((score - expected).abs() < 1e-9, "{category} is {score}, not {expected}");
            let squares: f64 = contributions.iter().map(|one| one * one).sum();
            prop_assert!((n_eff - expected * expected / squares).abs() < 1e-9, "{n_eff} of {contributions:?}");
            prop_assert!(evidence as usize == contributions.len() && n_eff <= f64::from(evidence) + 1e-9);
        }
    }
}
