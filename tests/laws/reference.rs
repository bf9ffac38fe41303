//! The reference workload, told twice: by the rule book that declares it, and by a fold written from its
//! definition alone. They agree on every number, segment change and time; so configuration can say it exactly.

use std::collections::{BTreeMap, BTreeSet};

use bespoke::domain::affinity::Decay;
use bespoke::domain::event::{Event, Item};
use bespoke::domain::profile::SegmentStatus;
use bespoke::domain::rulebook::{
    Aggregation, Facet, IntakeRule, InterestRule, NameId, OrdersRule, RecentRule, RuleBook, SessionRule,
    SlotRule,
};
use bespoke::domain::time::{DAY_MS, HOUR_MS, Timestamp};
use compact_str::CompactString;
use proptest::prelude::*;

use super::builder::*;

const CATEGORIES_MAX: usize = 4;
const FREQUENT: i64 = 8;

/// The declaration; categories and events a few fewer than the workload's 32 and 20, so that stories of some
/// dozens of events reach them.
fn declared() -> RuleBook {
    let week = hourly(168, false);
    let counted = [
        "product_viewed",
        "page_viewed",
        "product_added",
        "product_removed",
        "order_completed",
        "product_searched",
    ];
    let mut attributes: Vec<_> =
        counted.iter().map(|name| attribute(name, &[name], Aggregation::Count, week.clone())).collect();
    attributes.push(attribute("events_week", &counted, Aggregation::Count, week));
    RuleBook {
        fingerprint: 0,
        since: Timestamp::EARLIEST,
        intake: IntakeRule {
            seen_ids_max: 32,
            seen_horizon_ms: i64::MAX,
            lateness_ms_max: i64::MAX,
            lateness_by_source: Vec::new(),
            retention_ms: None,
        },
        session: SessionRule { gap_ms: 30 * MINUTE_MS, timed: false, pages_max: 0, extends_back: false },
        orders: OrdersRule::default(),
        recent: RecentRule {
            events: names(&["product_viewed", "product_added", "order_completed"]),
            items_max: 10,
        },
        attributes,
        interests: vec![InterestRule {
            decay: Decay::new(168),
            enter: 10.0,
            evidence_min: 1,
            leave: 8.0,
            values_max: CATEGORIES_MAX,
            timed: false,
            as_segments: true,
            roll_up: None,
            ..interest("category_fan", Facet::Category, false)
        }],
        segments: vec![
            abandoner(),
            condition("frequent", &format!("attributes.events_week >= {FREQUENT}"), None, 0),
        ],
        rules: Vec::new(),
        slots: vec![SlotRule {
            interest: "category_fan".into(),
            exclude_bought: false,
            ..shop().slots[0].clone()
        }],
    }
}

/// One user, folded as the definition says.
#[derive(Default)]
struct User {
    ring: Vec<CompactString>,
    /// The hours of counted events, as they are kept.
    hours: Vec<(i64, CompactString)>,
    as_of: i64,
    events: u64,
    orders: u64,
    items: u64,
    cents: i64,
    scores: BTreeMap<CompactString, Vec<(f64, i64)>>,
    fans: BTreeSet<CompactString>,
    sessions: u64,
    session_events: u64,
    started_at: i64,
    last_at: i64,
    recent: Vec<CompactString>,
    cart: Option<i64>,
    abandoner: bool,
    frequent: bool,
    moves: Vec<(String, i64)>,
}

impl User {
    fn settle(&mut self, now: i64) {
        let Some(due) = self.cart.map(|cart| cart + DAY_MS).filter(|due| *due <= now) else { return };
        self.cart = None;
        self.abandoner = true;
        self.as_of = self.as_of.max(due);
        self.moves.push(("+cart_abandoner".into(), due));
    }

    fn record(&mut self, event: &Event, now: i64) {
        self.settle(now);
        if self.ring.contains(&event.message_id) {
            return;
        }
        self.ring.push(event.message_id.clone());
        if self.ring.len() > 32 {
            self.ring.remove(0);
        }
        if &*event.name != "decision_request" {
            self.apply(event, now);
        }
    }

    fn apply(&mut self, event: &Event, now: i64) {
        let (at, hour) = (event.timestamp.ms(), event.timestamp.hour());
        self.as_of = now;
        self.events += 1;
        self.hours.push((hour, event.name.clone()));
        self.hours.retain(|(hour, _)| *hour > now / HOUR_MS - 168);
        if self.sessions == 0 || at - self.last_at > 30 * MINUTE_MS {
            self.sessions += 1;
            (self.session_events, self.started_at, self.last_at) = (1, at, at);
        } else if at >= self.started_at {
            self.session_events += 1;
            self.last_at = self.last_at.max(at);
        }
        let weight = match &*event.name {
            "product_viewed" => 1.0,
            "product_added" => 3.0,
            "product_removed" => -2.0,
            "order_completed" => 5.0,
            _ => 0.0,
        };
        for item in event.items.iter().filter(|_| weight != 0.0) {
            self.score(item, weight, hour, now);
        }
        if &*event.name == "product_added" && !self.abandoner && self.cart.is_none() {
            self.cart = Some(at);
        }
        if &*event.name == "order_completed" {
            self.orders += 1;
            self.items += event.items.iter().map(|item| u64::from(item.quantity)).sum::<u64>();
            let line = |item: &Item| item.price_hundredths.unwrap() * i64::from(item.quantity);
            self.cents += event.items.iter().map(line).sum::<i64>();
            self.cart = None;
            self.turn(now, "cart_abandoner", self.abandoner, false);
            self.abandoner = false;
        }
        self.judge(now);
    }

    fn score(&mut self, item: &Item, weight: f64, hour: i64, now: i64) {
        self.scores.entry(item.category.clone().unwrap()).or_default().push((weight, hour));
        if self.scores.len() > CATEGORIES_MAX {
            let lowest = self.scores.keys().map(|name| self.score_at(name, now)).fold(f64::MAX, f64::min);
            let equals = self.scores.keys().filter(|name| self.score_at(name, now) <= lowest + 1e-9);
            let gone = equals.max().unwrap().clone();
            self.scores.remove(&gone);
            let was = self.fans.remove(&gone);
            self.turn(now, &format!("category_fan:{gone}"), was, false);
        }
        if weight > 0.0 {
            self.recent.retain(|other| *other != item.item_id);
            self.recent.insert(0, item.item_id.clone());
            self.recent.truncate(10);
        }
    }

    fn score_at(&self, category: &str, now: i64) -> f64 {
        let decayed = |(weight, hour): &(f64, i64)| weight * ((hour - now / HOUR_MS) as f64 / 168.0).exp2();
        self.scores[category].iter().map(decayed).sum()
    }

    fn judge(&mut self, now: i64) {
        for name in self.scores.keys().cloned().collect::<Vec<_>>() {
            let (score, was) = (self.score_at(&name, now), self.fans.contains(&name));
            let is = if was { score >= 8.0 - 1e-9 } else { score >= 10.0 - 1e-9 };
            self.turn(now, &format!("category_fan:{name}"), was, is);
            if is {
                self.fans.insert(name)
            } else {
                self.fans.remove(&name)
            };
        }
        let is = self.hours.len() as i64 >= FREQUENT;
        self.turn(now, "frequent", self.frequent, is);
        self.frequent = is;
        self.settle(now);
    }

    fn turn(&mut self, now: i64, segment: &str, was: bool, is: bool) {
        if was != is {
            self.moves.push((format!("{}{segment}", if is { '+' } else { '-' }), now));
        }
    }

    fn count(&self, name: &str) -> i64 {
        let oldest = self.as_of / HOUR_MS - 168;
        self.hours.iter().filter(|(hour, counted)| *hour > oldest && **counted == *name).count() as i64
    }
}

fn assert_same(story: &Story, user: &User) {
    let profile = &story.profile;
    let hour = Timestamp::from_ms(user.as_of).hour();
    assert_eq!((profile.as_of.ms(), profile.events_applied), (user.as_of, user.events));
    for rule in &story.rules.attributes {
        let expected = match &*rule.name {
            "events_week" => user.hours.iter().filter(|(kept, _)| *kept > hour - 168).count() as i64,
            name => user.count(name),
        };
        assert_eq!(profile.number(rule.id), expected, "{}", rule.name);
    }
    assert_eq!((profile.orders.count, profile.orders.units), (user.orders, user.items));
    assert_eq!(profile.orders.revenue.iter().map(|revenue| revenue.hundredths).sum::<i64>(), user.cents);
    let session = &profile.session;
    assert_eq!((session.count, session.current.events), (user.sessions, user.session_events));
    assert_eq!(
        (session.current.started_at.ms(), session.current.last_at.ms()),
        (user.started_at, user.last_at)
    );
    assert_eq!(profile.recent, user.recent);
    let interest = &story.rules.interests[0];
    let affinities = profile.affinities(interest.id);
    let values: BTreeSet<_> = affinities.iter().map(|affinity| &affinity.value).collect();
    assert_eq!(values, user.scores.keys().collect());
    for affinity in affinities {
        let expected = user.score_at(&affinity.value, user.as_of);
        assert!((affinity.score_at(hour, &interest.decay) - expected).abs() < 1e-9);
        assert_eq!(affinity.tagged_at.is_some(), user.fans.contains(&affinity.value));
    }
    assert_eq!((story.is_in("cart_abandoner"), story.is_in("frequent")), (user.abandoner, user.frequent));
    let cart = profile.segment(NameId::of("cart_abandoner")).map(|state| state.status);
    let due_at = user.cart.map(|cart| SegmentStatus::Pending { due_at: Timestamp::from_ms(cart + DAY_MS) });
    assert_eq!(cart.filter(|status| matches!(status, SegmentStatus::Pending { .. })), due_at);
}

fn input() -> impl Strategy<Value = Vec<Event>> {
    let name = prop::sample::select(vec![
        "product_viewed",
        "product_viewed",
        "page_viewed",
        "product_added",
        "product_removed",
        "order_completed",
        "product_searched",
        "decision_request",
    ]);
    let gap_ms = prop_oneof![4 => 0..50 * MINUTE_MS, 2 => 0..20 * HOUR_MS, 1 => 0..200 * HOUR_MS];
    let late_ms = prop_oneof![8 => Just(0), 2 => 0..10 * MINUTE_MS, 1 => 0..200 * HOUR_MS];
    let lines = prop::collection::vec((0..6_u8, 0..12_u8, 1..3_u32), 1..4);
    let one = (name, gap_ms, late_ms, lines, prop::option::weighted(0.1, 1..20_usize));
    prop::collection::vec(one, 1..60).prop_map(|events| {
        let (mut now, mut sent) = (at(0, 0), Vec::<Event>::new());
        for (name, gap_ms, late_ms, lines, back) in events {
            now = now.plus_ms(gap_ms);
            if let Some(repeat) =
                back.and_then(|back| sent.len().checked_sub(back)).map(|at| sent[at].clone())
            {
                sent.push(repeat);
                continue;
            }
            let mut event = event(&format!("m-{}", sent.len()), name, now.plus_ms(-late_ms));
            let length = match name {
                "order_completed" => 3,
                "page_viewed" | "product_searched" | "decision_request" => 0,
                _ => 1,
            };
            event.items = lines
                .iter()
                .take(length)
                .map(|(category, number, quantity)| Item {
                    quantity: *quantity,
                    ..item(&format!("p-{number}"), &format!("c-{category}"))
                })
                .collect();
            sent.push(event);
        }
        sent
    })
}

fn moves(story: &mut Story) -> Vec<(String, i64)> {
    let mut moves: Vec<_> = story.moves().into_iter().map(|(name, at)| (name, at.ms())).collect();
    moves.sort();
    moves
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_declaration_and_the_definition_agree(input in input()) {
        let (mut story, mut user) = (Story::new(declared()), User::default());
        for event in &input {
            story.send(event);
            user.record(event, story.now.ms());
            if user.events > 0 {
                // A cart opened by a record more than a day late is settled at once by the fold.
                story.sweep(story.now);
                assert_same(&story, &user);
            }
        }
        let end = story.now.plus_ms(3 * DAY_MS);
        story.sweep(end);
        user.settle(end.ms());
        if user.events > 0 {
            assert_same(&story, &user);
        }
        user.moves.sort();
        prop_assert_eq!(moves(&mut story), user.moves);
    }
}

#[test]
fn only_the_cart_has_a_timer_and_it_shows_what_has_fallen_since() {
    let mut story = Story::new(declared());
    for number in 0..16 {
        story.send(&about(&format!("m{number}"), "product_viewed", "shoes", at(0, number)));
    }
    story.send(&about("cart", "product_added", "hats", at(150, 0)));
    story.moves();
    assert_eq!(story.due(), Some(at(174, 0)));
    story.sweep(at(174, 29));
    assert_eq!(story.moves(), [("+cart_abandoner".to_owned(), at(174, 0))], "frequent waits for an event");
    assert_eq!(
        (story.number("events_week"), story.profile.as_of),
        (1, at(174, 0)),
        "what is shown has fallen"
    );
    assert_eq!(story.due(), None);
    story.send(&event("page", "page_viewed", at(174, 30)));
    assert_eq!(
        story.moves(),
        [("-category_fan:shoes".to_owned(), at(174, 30)), ("-frequent".to_owned(), at(174, 30))]
    );
}
