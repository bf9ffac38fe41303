//! The law of sessions: whatever order events are heard of in, the visits are those of what happened.

use bespoke::domain::event::Event;
use bespoke::domain::profile::PageView;
use bespoke::domain::rulebook::RuleBook;
use bespoke::domain::scalar::Scalar;
use bespoke::domain::time::Timestamp;
use proptest::prelude::*;

use super::builder::*;

const GAP_MINUTES: i64 = 30;

/// What happened within two gaps, so that there are never more than two visits, in the order of time and in
/// another one.
fn two_orders() -> impl Strategy<Value = (Vec<Event>, Vec<Event>)> {
    let name = prop_oneof![
        1 => Just("product_viewed"),
        1 => Just("product_added"),
        2 => Just("page_viewed"),
        2 => Just("engagement"),
    ];
    let one = (name, 0..CATEGORIES.len(), 0..=2 * GAP_MINUTES, 1..4_u32, 1..900_i64);
    let events = prop::collection::vec(one, 1..12).prop_map(|events| {
        let event = |(number, (name, category, minute, quantity, price))| {
            let mut event: Event = about(&format!("m-{number}"), name, CATEGORIES[category], at(0, minute));
            event.items[0].quantity = quantity;
            event.items[0].price_hundredths = Some(price);
            event.page = (name == "page_viewed" || quantity > 1).then(|| format!("/{category}").into());
            event.properties.set("scroll_pct", Scalar::Integer(price % 101));
            event
        };
        let mut events: Vec<Event> = events.into_iter().enumerate().map(event).collect();
        events.sort_by_key(|event| event.timestamp);
        events
    });
    events.prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle()))
}

fn told(rules: RuleBook, events: &[Event]) -> Story {
    let mut story = Story::new(rules);
    events.iter().for_each(|event| {
        story.send(event);
    });
    story
}

/// The events in their visits.
fn visits(events: &[Event]) -> Vec<&[Event]> {
    events.chunk_by(|one, next| next.timestamp.since_ms(one.timestamp) <= GAP_MINUTES * 60_000).collect()
}

fn pages(events: &[Event]) -> Vec<(Timestamp, String)> {
    let pages = events.iter().filter(|event| &*event.name == "page_viewed");
    let mut pages: Vec<_> =
        pages.map(|page| (page.timestamp, page.page.as_deref().unwrap().into())).collect();
    pages.sort();
    pages
}

/// How far each view of a page was scrolled, as it is told: by the engagements after it and before the next view of
/// the page that they name, or of any page where they name none.
fn scrolled(events: &[Event]) -> Vec<Option<u8>> {
    let pages: Vec<_> = pages(events);
    let mut scrolled = vec![None; pages.len()];
    for event in events.iter().filter(|event| &*event.name == "engagement") {
        let percent = event.properties.number("scroll_pct").unwrap() as u8;
        let is_of = |(at, path): &(Timestamp, String)| {
            *at <= event.timestamp && event.page.as_ref().is_none_or(|page| *page == **path)
        };
        if let Some(place) = pages.iter().rposition(is_of).filter(|_| percent > 0) {
            scrolled[place] = scrolled[place].max(Some(percent));
        }
    }
    scrolled
}

fn path(page: &PageView) -> (Timestamp, String) {
    (page.at, page.path.to_string())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn visits_are_those_of_what_happened((in_order, shuffled) in two_orders()) {
        let story = told(shop_of_all_kinds(), &shuffled);
        let session = &story.profile.session;
        let visits = visits(&in_order);
        prop_assert_eq!(session.count, visits.len() as u64);
        let held = [session.previous.as_ref().map(|previous| &previous.visit), Some(&session.current)];
        for (held, happened) in held.into_iter().flatten().zip(&visits) {
            prop_assert_eq!(Some(held.started_at), happened.first().map(|event| event.timestamp));
            prop_assert_eq!(Some(held.last_at), happened.last().map(|event| event.timestamp));
            prop_assert_eq!(held.events, happened.len() as u64);
            let pages = pages(happened);
            prop_assert_eq!(held.entry.as_deref().map(path), pages.first().cloned());
            let is_last = pages.len().saturating_sub(10)..;
            prop_assert_eq!(held.scrolls.furthest(&held.pages), &scrolled(happened)[is_last.clone()]);
            let held: Vec<_> = held.pages.iter().map(path).collect();
            prop_assert_eq!(&held, &pages[is_last]);
        }
    }

    #[test]
    fn attributes_of_the_session_are_those_of_the_last_visit((in_order, shuffled) in two_orders()) {
        let of_session = |story: &Story| {
            let readings = story.readings().into_iter();
            readings.filter(|(name, _)| name.ends_with("in_session")).collect::<Vec<_>>()
        };
        let (one, other) = (told(shop_of_all_kinds(), &in_order), told(shop_of_all_kinds(), &shuffled));
        let said = of_session(&other);
        prop_assert_eq!(of_session(&one), said.clone());
        let visits = visits(&in_order);
        let viewed = visits.last().unwrap().iter().filter(|event| &*event.name == "product_viewed").count();
        prop_assert_eq!(&said[0], &("views_in_session".into(), format!("Whole({viewed})")));
        let previous = |story: &Story| story.profile.session.previous.clone();
        prop_assert_eq!(previous(&one), previous(&other));
    }
}
