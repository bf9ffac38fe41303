//! What a rule means, told in short stories.

use std::collections::BTreeSet;

use bespoke::domain::decision::{DecisionCause, Emission, LadderStep};
use bespoke::domain::event::{Event, Money};
use bespoke::domain::react::Outcome;
use bespoke::domain::rulebook::{Aggregation, RuleBook, SegmentRule, Trigger};
use bespoke::domain::scalar::{Properties, Scalar};
use bespoke::domain::time::{HOUR_MS, Timestamp};
use bespoke::domain::visit::Visit;

use super::builder::*;

/// A story in which only these segments are watched.
fn watching(segments: Vec<SegmentRule>) -> Story {
    Story::new(RuleBook { segments, interests: Vec::new(), rules: Vec::new(), ..shop() })
}

fn moved(name: &str, hours: i64, minutes: i64) -> (String, Timestamp) {
    (name.to_owned(), at(hours, minutes))
}

#[test]
fn a_cart_is_abandoned_at_the_due_instant_and_an_order_ends_that() {
    let mut story = watching(vec![abandoner()]);
    story.send(&about("m1", "product_added", "shoes", at(0, 7)));
    story.send(&about("m2", "product_added", "hats", at(5, 0)));
    story.sweep(at(24, 6));
    assert_eq!(story.moves(), []);
    story.sweep(at(90, 0));
    assert_eq!(story.moves(), [moved("+cart_abandoner", 24, 7)], "a day after the first, whenever swept");
    story.send(&about("m3", "product_added", "hats", at(91, 0)));
    story.sweep(at(200, 0));
    assert_eq!(story.moves(), [], "who is in it starts no other wait");
    story.send(&order("m4", "o1", at(201, 0)));
    assert_eq!(story.moves(), [moved("-cart_abandoner", 201, 0)]);
}

#[test]
fn a_cart_that_is_ordered_in_time_is_not_abandoned() {
    let mut story = watching(vec![abandoner()]);
    story.send(&about("m1", "product_added", "shoes", at(0, 0)));
    story.send(&order("m2", "o1", at(23, 59)));
    story.sweep(at(100, 0));
    assert_eq!(story.moves(), []);
    // The order is at the due instant: what is due is settled before.
    story.send(&about("m3", "product_added", "shoes", at(101, 0)));
    story.send(&order("m4", "o2", at(125, 0)));
    assert_eq!(story.moves(), [moved("+cart_abandoner", 125, 0), moved("-cart_abandoner", 125, 0)]);
}

#[test]
fn a_tag_is_won_at_one_score_and_lost_at_a_lower_one() {
    let mut story = Story::new(RuleBook { segments: Vec::new(), rules: Vec::new(), ..shop() });
    story.send(&about("m1", "product_added", "shoes", at(0, 0)));
    story.send(&about("m2", "product_viewed", "shoes", at(0, 1)));
    assert_eq!(story.moves(), [], "4 of 5");
    story.send(&about("m3", "product_viewed", "shoes", at(0, 2)));
    assert_eq!(story.moves(), [moved("+category:shoes", 0, 2)]);
    story.send(&about("m4", "product_removed", "shoes", at(0, 3)));
    assert_eq!(story.moves(), [], "3 is not below 3");
    story.send(&about("m5", "product_viewed", "shoes", at(0, 4)));
    story.send(&about("m6", "product_removed", "shoes", at(0, 5)));
    assert_eq!(story.moves(), [moved("-category:shoes", 0, 5)]);
    story.send(&about("m7", "product_added", "shoes", at(0, 6)));
    assert_eq!(story.moves(), [moved("+category:shoes", 0, 6)]);
}

#[test]
fn a_tag_is_lost_by_time_at_the_hour_at_which_its_score_is_below_the_limit() {
    let mut story = Story::new(RuleBook { segments: Vec::new(), rules: Vec::new(), ..shop() });
    story.send(&order("m1", "o1", at(0, 20)));
    assert_eq!(story.moves(), [moved("+category:shoes", 0, 20)]);
    // 5 * 2^-(h/24) is 3.06 at h = 17 and 2.97 at h = 18; hours begin at the full hour.
    story.sweep(at(18, -1));
    assert_eq!(story.moves(), []);
    story.sweep(at(300, 0));
    assert_eq!(story.moves(), [moved("-category:shoes", 18, 0)]);
}

#[test]
fn a_late_event_counts_in_the_hour_in_which_it_happened() {
    let mut story = watching(Vec::new());
    story.send(&about("m1", "product_viewed", "shoes", at(10, 0)));
    story.send(&about("m2", "product_viewed", "shoes", at(4, 30)));
    assert_eq!(story.number("views_day"), 2);
    story.sweep(at(28, -1));
    assert_eq!(story.number("views_day"), 2);
    story.sweep(at(28, 0));
    assert_eq!(story.number("views_day"), 1, "the hour of 4:30 has left");
    story.sweep(at(34, 0));
    assert_eq!(story.number("views_day"), 0);
}

#[test]
fn an_event_beyond_the_lateness_bound_counts_for_the_lifetime_only() {
    let mut rules = shop();
    rules.attributes.push(attribute(
        "views_month",
        &["product_viewed"],
        Aggregation::Count,
        hourly(720, true),
    ));
    let mut story = Story::new(rules);
    story.send(&event("m1", "page_viewed", at(200, 0)));
    let before = story.profile.clone();
    story.said.clear();
    story.send(&about("m2", "product_viewed", "shoes", at(127, 0)));
    story.send(&about("m3", "product_added", "shoes", at(127, 0)));
    assert_eq!((story.number("views_month"), story.number("events")), (0, 3));
    assert_eq!((story.profile.events_applied, story.profile.first_at), (3, Some(at(127, 0))));
    assert_eq!(story.profile.session, before.session);
    assert_eq!(story.profile.recent, before.recent);
    assert_eq!(story.profile.segments, before.segments, "it starts no wait");
    assert!(story.profile.interests.iter().all(|(_, affinities)| affinities.is_empty()));
    assert_eq!(story.said, []);
    // An order is an order, however late.
    story.send(&order("m4", "o1", at(127, 0)));
    assert_eq!((story.profile.orders.count, story.number("units")), (1, 1));
    story.send(&about("m5", "product_viewed", "shoes", at(128, 0)));
    assert_eq!(story.number("views_month"), 1, "at the bound it is not beyond it");
}

#[test]
fn a_source_may_be_waited_for_longer_than_others() {
    let mut rules = shop();
    rules.intake.lateness_by_source = vec![("phones".into(), 100 * HOUR_MS)];
    let month = hourly(720, true);
    rules.attributes.push(attribute("views_month", &["product_viewed"], Aggregation::Count, month));
    let mut story = Story::new(rules);
    story.send(&event("m1", "page_viewed", at(200, 0)));
    story.send(&about("m2", "product_viewed", "shoes", at(127, 0)));
    assert_eq!(story.number("views_month"), 0, "from the shop, which is waited for as long as usual");
    let of_phone = |id: &str, hour| Event {
        source: "phones".into(),
        ..about(id, "product_viewed", "shoes", at(hour, 0))
    };
    story.send(&of_phone("m3", 100));
    assert_eq!(story.number("views_month"), 1);
    story.send(&of_phone("m4", 99));
    assert_eq!((story.number("views_month"), story.number("events")), (1, 4), "no source for ever");
}

#[test]
fn an_order_that_two_sources_tell_of_counts_once() {
    let mut story = Story::new(shop());
    story.send(&order("from the page", "o1", at(0, 0)));
    story.send(&about("m2", "product_added", "hats", at(1, 0)));
    let before = story.clone();
    story.said.clear();
    assert_eq!(story.send(&order("from the back end", "o1", at(1, 30))), Outcome::Applied);
    assert_eq!(story.profile.orders, before.profile.orders);
    assert_eq!(story.profile.interests, before.profile.interests);
    assert_eq!(story.number("spent_two_days"), 1000);
    assert_eq!(story.number("units"), 1);
    assert_eq!(story.profile.segments, before.profile.segments, "the cart filled since then still waits");
    assert_eq!(story.said, []);
    story.send(&order("m4", "o2", at(2, 0)));
    assert_eq!((story.profile.orders.count, story.number("units")), (2, 2));
}

#[test]
fn a_refund_lowers_the_revenue_of_its_currency() {
    let mut story = watching(Vec::new());
    let mut bought = order("m1", "o1", at(0, 0));
    bought.value = Some(Money { hundredths: 5990, currency: "EUR".into() });
    story.send(&bought);
    story.send(&order("m2", "o2", at(0, 1)));
    let mut refund = bought.clone();
    (refund.message_id, refund.name) = ("m3".into(), "order_refunded".into());
    refund.value = Some(Money { hundredths: 2000, currency: "EUR".into() });
    story.send(&refund);
    refund.message_id = "m4".into();
    story.send(&refund);
    let revenue: Vec<_> = story.profile.orders.revenue.iter().map(|r| (&*r.currency, r.hundredths)).collect();
    assert_eq!(revenue, [("EUR", 3990), ("XXX", 1000)], "the refund told of twice counts once");
    assert_eq!(story.profile.orders.count, 2);
}

#[test]
fn a_session_ends_when_more_than_half_an_hour_passes() {
    let mut story = watching(Vec::new());
    story.send(&event("m1", "page_viewed", at(0, 0)));
    story.send(&event("m2", "page_viewed", at(0, 30)));
    story.send(&event("m3", "page_viewed", at(0, 15)));
    assert_eq!(visits(&story), (1, None, (at(0, 0), 3)));
    story.sweep(at(1, 0));
    assert!(story.profile.session.open, "half an hour is no longer gap");
    story.sweep(at(1, 1));
    assert!(!story.profile.session.open);
    assert_eq!(story.profile.as_of.since_ms(at(1, 0)), 1);
    story.send(&event("m4", "page_viewed", at(1, 30)));
    assert_eq!(visits(&story), (2, Some((at(0, 0), 3)), (at(1, 30), 1)));
}

#[test]
fn what_is_heard_of_late_belongs_to_the_visit_that_it_was_in() {
    let mut story = watching(Vec::new());
    let send = |story: &mut Story, minutes| {
        let id = format!("m{}", story.profile.events_applied);
        story.send(&event(&id, "page_viewed", at(0, minutes)));
        visits(story)
    };
    send(&mut story, 0);
    assert_eq!(send(&mut story, 300), (2, Some((at(0, 0), 1)), (at(5, 0), 1)));
    assert_eq!(send(&mut story, 280), (2, Some((at(0, 0), 1)), (at(4, 40), 2)), "it began earlier");
    assert_eq!(send(&mut story, 20), (2, Some((at(0, 0), 2)), (at(4, 40), 2)), "of the one before");
    assert_eq!(send(&mut story, 200), (3, Some((at(3, 20), 1)), (at(4, 40), 2)), "one between them");
    assert_eq!(send(&mut story, 25), (3, Some((at(3, 20), 1)), (at(4, 40), 2)), "further back");
    assert_eq!(send(&mut story, 180), (3, Some((at(3, 0), 2)), (at(4, 40), 2)));
    assert_eq!(send(&mut story, 225), (3, Some((at(3, 0), 3)), (at(4, 40), 2)));
    assert_eq!(send(&mut story, 252), (2, None, (at(3, 0), 6)), "both were one");
    assert_eq!(send(&mut story, 40), (2, None, (at(3, 0), 6)), "of the first, which is not held any more");
    assert_eq!(send(&mut story, 100), (3, Some((at(1, 40), 1)), (at(3, 0), 6)), "after that, and none of it");
    // Three days and a gap later nothing that is not too late can belong to it.
    send(&mut story, 300 + 72 * 60 + 30);
    assert_eq!(visits(&story).1, Some((at(3, 0), 6)));
    send(&mut story, 300 + 72 * 60 + 31);
    assert_eq!(visits(&story).1, None);
}

/// How many visits there were, and the beginnings of the last two with the numbers of their events.
fn visits(story: &Story) -> (u64, Option<(Timestamp, u64)>, (Timestamp, u64)) {
    let session = &story.profile.session;
    let shown = |visit: &Visit| (visit.started_at, visit.events);
    let previous = session.previous.as_ref().map(|previous| shown(&previous.visit));
    (session.count, previous, shown(&session.current))
}

#[test]
fn a_rule_rests_after_it_fired_and_old_events_do_not_set_it_off() {
    let viewed = rule("viewed", Trigger::Event("product_viewed".into()), 2 * HOUR_MS);
    let mut story = Story::new(RuleBook { rules: vec![viewed], ..shop() });
    let fired = |story: &mut Story, id: &str, hours, minutes| {
        story.send(&about(id, "product_viewed", "shoes", at(hours, minutes)));
        story.decisions().len()
    };
    assert_eq!(fired(&mut story, "m1", 0, 0), 1);
    assert_eq!(fired(&mut story, "m2", 1, 59), 0, "it rests");
    assert_eq!(fired(&mut story, "m3", 2, 0), 1);
    story.send(&event("m4", "page_viewed", at(9, 0)));
    story.decisions();
    assert_eq!(fired(&mut story, "m5", 8, 29), 0, "too old");
    assert_eq!(fired(&mut story, "m6", 8, 30), 1);
}

#[test]
fn a_decision_says_what_set_it_off_and_what_it_knew() {
    let mut story = Story::new(shop());
    story.send(&about("m1", "product_added", "hats", at(0, 0)));
    story.said.clear();
    story.sweep(at(24, 0));
    let decisions = story.decisions();
    assert_eq!(decisions.len(), 1);
    assert_eq!(decisions[0].cause, DecisionCause::Rule("reminder".into(), None));
    assert_eq!((decisions[0].at, decisions[0].profile_version), (at(24, 0), story.profile.version));
    assert_eq!(decisions[0].ladder, LadderStep::Personal);
    story.send(&request("m2", &["hats"], at(25, 0)));
    let asked = story.decisions().remove(0);
    assert_eq!(asked.cause, DecisionCause::Request("m2".into()));
    assert_eq!(asked.request_id.as_deref(), Some("request m2"));
    assert_eq!(asked.excluded[0].reason, "requested");
}

#[test]
fn a_condition_that_must_hold_for_a_while_lets_in_when_it_did() {
    let mut story = watching(vec![condition("steady", "attributes.views_day >= 2", None, 3 * HOUR_MS)]);
    story.send(&about("m1", "product_viewed", "shoes", at(0, 0)));
    story.send(&about("m2", "product_viewed", "shoes", at(22, 0)));
    story.sweep(at(100, 0));
    assert_eq!(story.moves(), [], "the first view left after two hours");
    story.send(&about("m3", "product_viewed", "shoes", at(101, 0)));
    story.send(&about("m4", "product_viewed", "shoes", at(101, 5)));
    story.sweep(at(200, 0));
    assert_eq!(story.moves(), [moved("+steady", 104, 5), moved("-steady", 125, 0)]);
}

#[test]
fn a_condition_that_holds_for_a_new_person_lets_in_with_the_first_event() {
    let mut story = watching(vec![condition("no_buyer", "orders.count == 0", None, 0)]);
    story.send(&event("m1", "page_viewed", at(0, 0)));
    assert_eq!(story.moves(), [moved("+no_buyer", 0, 0)]);
    story.send(&order("m2", "o1", at(1, 0)));
    assert_eq!(story.moves(), [moved("-no_buyer", 1, 0)]);
}

#[test]
fn a_condition_that_cannot_be_said_lets_nobody_in_and_nobody_out() {
    let mut story = watching(vec![condition("gold", "traits.level == 'gold'", None, 0)]);
    story.send(&event("m1", "page_viewed", at(0, 0)));
    story.send(&identify("m2", "level", "gold"));
    assert!(story.is_in("gold"));
    story.profile.traits = Properties::default();
    story.send(&identify("m3", "name", "Ada"));
    assert!(story.is_in("gold"), "the level is not known any more");
    story.send(&identify("m4", "level", "silver"));
    assert!(!story.is_in("gold"));
}

#[test]
fn a_trusted_word_on_an_order_leaves_alone_the_windows_that_the_order_came_too_late_for() {
    let ordered = ["order_completed"];
    let mut story = watching(Vec::new());
    story.rules.orders.trusted = names(&["backend"]);
    story.rules.attributes = vec![
        attribute("spent_month", &ordered, Aggregation::Value, hourly(720, true)),
        attribute("spent_ever", &ordered, Aggregation::Value, None),
    ];
    let backend = |message_id: &str, order_id: &str, hour: i64, hundredths: i64| Event {
        source: "backend".into(),
        value: Some(Money { hundredths, currency: "EUR".into() }),
        ..order(message_id, order_id, at(hour, 0))
    };
    story.send(&event("m1", "page_viewed", at(200, 0)));
    story.send(&order("m2", "late", at(100, 0)));
    story.send(&order("m3", "in time", at(190, 0)));
    assert_eq!((story.number("spent_month"), story.number("spent_ever")), (1_000, 2_000));
    story.send(&backend("m4", "late", 100, 700));
    story.send(&backend("m5", "in time", 190, 600));
    assert_eq!((story.number("spent_month"), story.number("spent_ever")), (600, 1_300));
    assert_eq!(story.profile.orders.count, 2);
}

fn identify(message_id: &str, name: &str, value: &str) -> Event {
    let mut event = event(message_id, "identify", at(1, 0));
    event.traits.set(name, Scalar::Text(value.into()));
    event
}

#[test]
fn rules_set_one_another_off_four_times_and_the_person_still_moves() {
    let rules = shop_of_all_kinds();
    let segments = vec![
        condition("halfway", "orders.count > 0", None, 0),
        condition("marked", "traits.mark == 'on'", None, 0),
    ];
    let mut story = Story::new(RuleBook { segments, interests: Vec::new(), ..rules });
    story.send(&order("m1", "o1", at(0, 0)));
    // What was set last moves the person and sets nothing off.
    assert_eq!(story.stopped, ["mark_again"]);
    let ids = |said: &Emission| match said {
        Emission::SegmentChange(change) => Some(change.transition_id.clone()),
        _ => None,
    };
    let ids: BTreeSet<_> = story.said.iter().filter_map(ids).collect();
    let moves = story.moves();
    let names: Vec<&str> = moves.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["+halfway", "+marked", "-marked", "+marked", "-marked"]);
    assert_eq!(ids.len(), names.len(), "each transition has an id of its own");
    assert_eq!(story.profile.version, 1, "all of it is one change");
}

#[test]
fn new_definitions_are_heard_with_the_next_change() {
    let mut story = watching(vec![condition("busy", "attributes.views_day >= 4", None, 0)]);
    story.send(&about("m1", "product_viewed", "shoes", at(0, 0)));
    story.send(&about("m2", "product_viewed", "shoes", at(0, 1)));
    story.rules.segments = vec![condition("busy", "attributes.views_day >= 2", None, 0)];
    story.rules.fingerprint += 1;
    assert_eq!(story.moves(), []);
    story.send(&event("m3", "login", at(0, 2)));
    assert_eq!(story.moves(), [moved("+busy", 0, 2)], "though a login is no view");
}

#[test]
fn what_new_definitions_make_due_is_not_due_before_them() {
    let seen = |days: i64| {
        vec![attribute("views", &["product_viewed"], Aggregation::Count, hourly(24 * days, true))]
    };
    let quiet = || vec![condition("quiet", "attributes.views == 0", None, 0)];
    let mut story = watching(quiet());
    story.rules.attributes = seen(7);
    story.send(&about("m1", "product_viewed", "shoes", at(0, 0)));
    story.sweep(at(24 * 5, 0));
    story.rules.attributes = seen(3);
    (story.rules.fingerprint, story.rules.since) = (8, story.now);
    story.sweep(at(24 * 5, 1));
    assert_eq!(story.moves(), [moved("+quiet", 24 * 5, 0)], "not on the third day");
}

#[test]
fn new_definitions_say_nothing_of_an_event_that_is_over() {
    let hit = || vec![condition("hit", "event.name == 'hit'", None, 3 * HOUR_MS)];
    let mut story = watching(hit());
    story.send(&event("m1", "hit", at(0, 0)));
    story.rules.fingerprint += 1;
    story.sweep(at(9, 0));
    assert_eq!(story.moves(), [moved("+hit", 3, 0)]);
}
