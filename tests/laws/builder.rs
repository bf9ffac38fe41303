//! A shop to tell stories about: events, definitions, content, and a person to whom things happen. Only what
//! the laws need; every value that a law does not speak of is fixed here.

use std::sync::Arc;

use bespoke::domain::affinity::Decay;
use bespoke::domain::catalogue::{Catalogue, Content};
use bespoke::domain::decision::{Decision, Emission, SegmentChange};
use bespoke::domain::event::{DecisionRequest, Event, Item};
use bespoke::domain::expression::Expression;
use bespoke::domain::freshness::Freshness;
use bespoke::domain::funnel::Funnel;
use bespoke::domain::lifecycle::Lifecycle;
use bespoke::domain::limit::Limit;
use bespoke::domain::person::Person;
use bespoke::domain::profile::Profile;
use bespoke::domain::react::{Knowledge, Outcome, react, settle};
use bespoke::domain::rulebook::{
    AffinityPart, Aggregation, AttributeRule, Elapsed, Facet, Field, IntakeRule, InterestRule, MaxFires,
    Membership, NameId, OrdersPart, OrdersRule, Part, RankBy, RecentRule, Rule, RuleBook, Scale, SegmentRule,
    SessionRule, SlotRule, Trigger, Window,
};
use bespoke::domain::scalar::{Properties, Scalar};
use bespoke::domain::site::Site;
use bespoke::domain::time::{HOUR_MS, Timestamp};
use bespoke::domain::zone::Zone;
use compact_str::CompactString;

pub(crate) const MINUTE_MS: i64 = 60_000;
pub(crate) const CATEGORIES: [&str; 4] = ["shoes", "hats", "bags", "coats"];

/// The instant so many hours and minutes after the story begins, at ten in the morning of a Monday.
pub(crate) fn at(hours: i64, minutes: i64) -> Timestamp {
    Timestamp::from_ms(1_767_607_200_000 + hours * HOUR_MS + minutes * MINUTE_MS)
}

pub(crate) fn person() -> Person {
    Person::bare("u-1")
}

pub(crate) fn event(message_id: &str, name: &str, timestamp: Timestamp) -> Event {
    Event {
        message_id: message_id.into(),
        name: name.into(),
        person: person(),
        timestamp,
        original_timestamp: timestamp,
        received_at: timestamp,
        time_clamped: false,
        source: "shop".into(),
        items: Vec::new(),
        order_id: None,
        value: None,
        request: None,
        page: None,
        properties: Properties::default(),
        traits: Properties::default(),
    }
}

/// An event about one unit of one item, which costs 10.00.
pub(crate) fn about(message_id: &str, name: &str, category: &str, timestamp: Timestamp) -> Event {
    Event { items: vec![item(&format!("p-{category}"), category)], ..event(message_id, name, timestamp) }
}

pub(crate) fn item(item_id: &str, category: &str) -> Item {
    let brand = Some(format!("brand of {category}").into());
    let category = Some(category.into());
    Item { item_id: item_id.into(), category, brand, price_hundredths: Some(1000), quantity: 1 }
}

pub(crate) fn order(message_id: &str, order_id: &str, timestamp: Timestamp) -> Event {
    let order_id = Some(order_id.into());
    Event { order_id, ..about(message_id, "order_completed", "shoes", timestamp) }
}

pub(crate) fn request(message_id: &str, exclude: &[&str], timestamp: Timestamp) -> Event {
    let exclude = exclude.iter().map(|id| (*id).into()).collect();
    let request_id = format!("request {message_id}").into();
    let request = Some(DecisionRequest { request_id, slot: "home".into(), exclude });
    Event { request, ..event(message_id, "decision_request", timestamp) }
}

pub(crate) fn names(names: &[&str]) -> Vec<CompactString> {
    names.iter().map(|name| (*name).into()).collect()
}

pub(crate) fn attribute(
    name: &str,
    events: &[&str],
    aggregation: Aggregation,
    window: Option<Window>,
) -> AttributeRule {
    AttributeRule::new(name, names(events), aggregation, window)
}

pub(crate) fn hourly(hours: i64, timed: bool) -> Option<Window> {
    Some(Window { bucket_ms: HOUR_MS, buckets: hours, timed, zone: None })
}

pub(crate) fn condition(name: &str, enter: &str, leave: Option<&str>, for_ms: i64) -> SegmentRule {
    let compile = |source: &str| Expression::compile(source).unwrap();
    let membership = Membership::Condition { enter: compile(enter), leave: leave.map(compile), for_ms };
    SegmentRule { id: NameId::of(name), name: name.into(), membership }
}

pub(crate) fn abandoner() -> SegmentRule {
    let membership = Membership::Absence {
        after: "product_added".into(),
        without: "order_completed".into(),
        for_ms: 24 * HOUR_MS,
    };
    SegmentRule { id: NameId::of("cart_abandoner"), name: "cart_abandoner".into(), membership }
}

pub(crate) fn interest(name: &str, facet: Facet, timed: bool) -> InterestRule {
    let weights = [
        ("product_viewed", 1.0),
        ("product_added", 3.0),
        ("product_removed", -2.0),
        ("order_completed", 5.0),
    ];
    InterestRule {
        id: NameId::of(name),
        name: name.into(),
        facet,
        weights: weights.map(|(event, weight)| (event.into(), weight)).into(),
        decay: Decay::new(24),
        enter: 5.0,
        evidence_min: 1,
        leave: 3.0,
        values_max: 32,
        top: 8,
        show_negative: false,
        timed,
        as_segments: timed,
        roll_up: None,
    }
}

pub(crate) fn rule(name: &str, trigger: Trigger, cooldown_ms: i64) -> Rule {
    Rule {
        id: NameId::of(name),
        name: name.into(),
        trigger,
        when: None,
        slot: Some("home".into()),
        set: Vec::new(),
        cooldown_ms,
        event_age_ms_max: 30 * MINUTE_MS,
        max_fires: None,
        group: None,
    }
}

/// A rule that sets the mark.
fn setting(name: &str, trigger: Trigger, mark: &str) -> Rule {
    let set = vec![("mark".into(), Scalar::Text(mark.into()))];
    Rule { slot: None, set, ..rule(name, trigger, 0) }
}

/// Definitions in which everything occurs: what changes by itself and what does not, each kind of segment,
/// conditions on each other, and each kind of trigger.
pub(crate) fn shop() -> RuleBook {
    RuleBook {
        fingerprint: 7,
        since: Timestamp::EARLIEST,
        intake: IntakeRule { seen_ids_max: 4096, ..IntakeRule::default() },
        session: SessionRule::default(),
        orders: OrdersRule::default(),
        recent: RecentRule { events: names(&["product_viewed", "order_completed"]), items_max: 3 },
        attributes: vec![
            attribute("views_day", &["product_viewed"], Aggregation::Count, hourly(24, true)),
            attribute("spent_two_days", &["order_completed"], Aggregation::Value, hourly(48, false)),
            attribute("units", &["order_completed"], Aggregation::Units, None),
            attribute("events", &[], Aggregation::Count, None),
        ],
        interests: vec![interest("category", Facet::Category, true), interest("brand", Facet::Brand, false)],
        segments: vec![
            abandoner(),
            condition("busy", "attributes.views_day >= 4", Some("attributes.views_day < 2"), 0),
            condition("steady", "attributes.views_day >= 2", None, 3 * HOUR_MS),
            condition("spender", "attributes.spent_two_days >= 20.0", None, 0),
            condition("no_buyer", "orders.count == 0", None, 0),
            condition("busy_in_session", "'busy' in segments && session.open", None, 0),
            condition("of_shoes", "'shoes' in tags.category && !('hats' in tags.brand)", None, 0),
        ],
        rules: vec![
            rule("reminder", Trigger::Entered("cart_abandoner".into()), 48 * HOUR_MS),
            rule("no_longer_busy", Trigger::Left("busy".into()), 0),
            rule("new_tag", Trigger::Tagged("category".into()), HOUR_MS),
            rule("viewed", Trigger::Event("product_viewed".into()), 2 * HOUR_MS),
        ],
        slots: vec![SlotRule {
            name: "home".into(),
            items_max: 3,
            interest: "category".into(),
            stale_ms: Some(5 * HOUR_MS),
            rank_by: RankBy::Share,
            exclude_recent: true,
            exclude_bought: true,
            fallback: names(&["default", "second"]),
        }],
    }
}

/// Calendar days, one of them an hour shorter and one an hour longer than others.
fn days(days: i64) -> Option<Window> {
    let changes = [(at(30, 0), 2 * HOUR_MS), (at(80, 30), HOUR_MS)];
    let zone = Some(Arc::new(Zone::new("Europe/Near", HOUR_MS, changes)));
    Some(Window { bucket_ms: 24 * HOUR_MS, buckets: days, zone, timed: true })
}

/// An attribute that is stale after three hours and expired after thirty.
fn believed(rule: AttributeRule, timed: bool) -> AttributeRule {
    let id = NameId::of(&format!("{}|latest", rule.name));
    let [stale_ms, expires_ms] = [3, 30].map(|hours| Some(hours * HOUR_MS));
    AttributeRule { freshness: Some(Freshness { id, stale_ms, expires_ms, timed }), ..rule }
}

/// The same with an attribute of each kind, and segments that read some of them.
pub(crate) fn shop_of_all_kinds() -> RuleBook {
    let (views, category) = (["product_viewed"], || Field::Item(Facet::Category));
    let since = |from_first, timed| {
        Aggregation::Since(Elapsed { from_first, step_ms: 5 * HOUR_MS, steps_max: 12, timed })
    };
    let lifecycle = Lifecycle { at_risk_ms: 15 * HOUR_MS, lapsed_ms: 40 * HOUR_MS, timed: true };
    let steps = ["product_viewed", "product_added", "order_completed"];
    let way = || Funnel { steps: steps.map(Into::into).to_vec() };
    let kinds = [
        attribute("typical", &views, Aggregation::Mean(Field::Price), hourly(24, true)),
        attribute("cheapest", &[], Aggregation::Min(Field::Price), hourly(48, true)),
        attribute("dearest", &[], Aggregation::Max(Field::Worth), hourly(30, false)),
        attribute("dearest_ever", &views, Aggregation::Max(Field::Price), None),
        attribute("entry", &views, Aggregation::First(category()), hourly(20, true)),
        attribute("exit", &[], Aggregation::Last(Field::EventName), hourly(20, true)),
        attribute("first_item", &views, Aggregation::First(Field::Item(Facet::Item)), None),
        attribute("categories", &[], Aggregation::List(category(), 2), hourly(40, true)),
        attribute("variety", &views, Aggregation::Distinct(Field::Item(Facet::Item)), hourly(24, true)),
        attribute("variety_ever", &views, Aggregation::Distinct(category()), None),
        attribute("favourite", &[], Aggregation::MostFrequent(category()), hourly(24, true)),
        attribute("favourites", &views, Aggregation::Top(category(), 2), None),
        attribute("away", &["order_completed"], since(false, true), None),
        attribute("known", &[], since(true, false), None),
        attribute("missing", &views, Aggregation::Gaps(Field::Quantity), None),
        attribute("views_today", &views, Aggregation::Count, days(1)),
        attribute("categories_of_days", &views, Aggregation::Top(category(), 3), days(2)),
        attribute("stage", &["order_completed"], Aggregation::Lifecycle(lifecycle), None),
        attribute("way", &steps, Aggregation::Funnel(way()), hourly(20, true)),
        attribute("way_ever", &steps, Aggregation::Funnel(way()), None),
    ];
    let mut rules = shop();
    rules.attributes.extend(kinds);
    rules.attributes.extend([
        believed(attribute("exit_lately", &[], Aggregation::Last(Field::EventName), None), true),
        believed(attribute("typical_lately", &views, Aggregation::Mean(Field::Price), None), false),
        believed(attribute("dearest_lately", &[], Aggregation::Max(Field::Worth), hourly(60, true)), true),
    ]);
    let of_session = [
        attribute("views_in_session", &views, Aggregation::Count, None),
        attribute("dearest_in_session", &views, Aggregation::Max(Field::Price), None),
        attribute("typical_in_session", &views, Aggregation::Mean(Field::Price), None),
        attribute("worth_in_session", &[], Aggregation::Sum(Field::Worth), None),
        attribute("top_in_session", &views, Aggregation::Top(category(), 3), None),
    ];
    rules.attributes.extend(of_session.map(|rule| AttributeRule { of_session: true, ..rule }));
    let parts = ["entry", "favourite", "exit_lately", "exit"].iter().filter_map(|part| {
        let rule = rules.attributes.iter().find(|rule| rule.name == part);
        rule.cloned().map(|rule| Part::Attribute(Box::new(rule)))
    });
    let parts = [Part::Trait("liked".into())].into_iter().chain(parts).collect();
    rules.attributes.push(AttributeRule { parts, ..attribute("liked", &[], Aggregation::Coalesce, None) });
    let away = rules.attributes.iter().find(|rule| rule.name == "away").cloned();
    let parts = away.map(|rule| Part::Attribute(Box::new(rule))).into_iter().collect();
    let recency = Aggregation::Score(Scale { thresholds: vec![1.0, 4.0], lowest_is_best: true });
    rules.attributes.push(AttributeRule { parts, ..attribute("recency", &[], recency, None) });
    for interest in ["category", "brand"] {
        let rule = rules.interest(interest).unwrap();
        let part = AffinityPart {
            id: rule.id,
            interest: rule.name.clone(),
            value: if interest == "category" { "hats".into() } else { "brand of shoes".into() },
            decay: rule.decay.clone(),
            timed: rule.timed,
        };
        let name = format!("{interest}_affinity");
        let parts = vec![Part::Affinity(part)];
        rules.attributes.push(AttributeRule { parts, ..attribute(&name, &[], Aggregation::Affinity, None) });
    }
    let parts = vec![Part::Orders(OrdersPart::Revenue("EUR".into()))];
    let money = Aggregation::Score(Scale { thresholds: vec![10.0, 50.0], lowest_is_best: false });
    rules.attributes.push(AttributeRule { parts, ..attribute("money", &[], money, None) });
    rules.segments.extend([
        condition("likes_hats", "attributes.category_affinity >= 3", None, 0),
        condition("likes_brand", "attributes.brand_affinity >= 2 && attributes.money < 3", None, 0),
        condition("of_hats", "attributes.favourite == 'hats' || 'hats' in attributes.categories", None, 0),
        condition("lately", "attributes.exit_lately == 'product_viewed'", None, 0),
        condition("dear", "attributes.dearest_lately > 5.0 && attributes.typical_lately > 0.0", None, 0),
        condition("away", "attributes.away >= 2", Some("attributes.away < 2"), 0),
        condition("old_friend", "attributes.known >= 3", None, 0),
        condition("picky", "attributes.typical > 9.0 && attributes.variety < 2", None, HOUR_MS),
        condition("looks", "attributes.views_in_session > 1", None, 0),
        condition("lost", "attributes.stage == 'lapsed' || attributes.recency == 1", None, 0),
        condition("halfway", "attributes.way == 2", None, 0),
        condition("hatter", "attributes.liked == 'hats'", None, 0),
        condition("fickle", "'liked' in profile.contradictions && profile.completeness > 0.5", None, 0),
    ]);
    add_rules_of_all_kinds(&mut rules);
    rules
}

fn add_rules_of_all_kinds(rules: &mut RuleBook) {
    // `hats` lie below `h`, and `bags` below `b`.
    let rolled_up = interest("initial", Facet::Category, true);
    rules.interests.push(InterestRule { roll_up: Some("a".into()), ..rolled_up });
    let limit = Some(MaxFires { count: 2, per_ms: 30 * HOUR_MS });
    let grouped = |name, event: &str, max_fires| {
        let trigger = Trigger::Event(event.into());
        Rule { max_fires, group: Some("nudge".into()), ..rule(name, trigger, 0) }
    };
    rules.rules.push(grouped("nudge", "product_viewed", limit));
    rules.rules.push(grouped("nudge_after_that", "product_viewed", None));
    // Two rules that set one another off for ever.
    rules.segments.push(condition("marked", "traits.mark == 'on'", None, 0));
    rules.rules.extend([
        setting("mark", Trigger::Entered("halfway".into()), "on"),
        setting("take_back", Trigger::Entered("marked".into()), "off"),
        setting("mark_again", Trigger::Left("marked".into()), "on"),
        rule("of_marked", Trigger::Entered("marked".into()), 0),
    ]);
}

pub(crate) fn content(id: &str, base_weight: f64, weights: &[(&str, f64)]) -> Content {
    let weights = weights.iter().map(|(value, weight)| ((*value).into(), *weight)).collect();
    Content { content_id: id.into(), base_weight, weights, ..Content::default() }
}

pub(crate) fn contents(contents: impl IntoIterator<Item = Content>) -> Catalogue {
    let mut catalogue = Catalogue::default();
    contents.into_iter().for_each(|content| catalogue.put(content));
    catalogue
}

pub(crate) fn banners() -> Catalogue {
    contents([
        content("shoes", 0.1, &[("shoes", 1.0)]),
        content("hats", 0.2, &[("hats", 1.0), ("bags", 0.3)]),
        content("bags", 0.3, &[("bags", 1.0), ("shoes", 0.2)]),
        content("news", 0.9, &[]),
    ])
}

/// A person to whom things happen, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub(crate) rules: RuleBook,
    pub(crate) catalogue: Catalogue,
    pub(crate) site: Site,
    pub(crate) profile: Profile,
    pub(crate) now: Timestamp,
    pub(crate) said: Vec<Emission>,
    /// The rules that were not let fire any more.
    pub(crate) stopped: Vec<CompactString>,
    /// What was lost to limits.
    pub(crate) lost: Vec<Limit>,
}

impl Story {
    pub(crate) fn new(rules: RuleBook) -> Story {
        Story {
            rules,
            catalogue: banners(),
            site: Site::default(),
            profile: Profile::default(),
            now: Timestamp::EARLIEST,
            said: Vec::new(),
            stopped: Vec::new(),
            lost: Vec::new(),
        }
    }

    /// An event arrives; stream time moves to it unless it is late.
    pub(crate) fn send(&mut self, event: &Event) -> Outcome {
        self.now = self.now.max(event.timestamp);
        let knowledge = Knowledge { rules: &self.rules, catalogue: &self.catalogue, site: &self.site };
        let outcome = react(knowledge, &person(), &mut self.profile, self.now, event, &mut self.said);
        self.set_metrics_apart();
        outcome
    }

    /// Stream time moves, and the sweep comes by.
    pub(crate) fn sweep(&mut self, now: Timestamp) -> bool {
        self.now = self.now.max(now);
        let knowledge = Knowledge { rules: &self.rules, catalogue: &self.catalogue, site: &self.site };
        let changed = settle(knowledge, &person(), &mut self.profile, now, &mut self.said);
        self.set_metrics_apart();
        changed
    }

    fn set_metrics_apart(&mut self) {
        for said in std::mem::take(&mut self.said) {
            match said {
                Emission::LoopStopped(rule) => self.stopped.push(rule),
                Emission::Lost(limit) => self.lost.push(limit),
                said => self.said.push(said),
            }
        }
    }

    pub(crate) fn due(&self) -> Option<Timestamp> {
        bespoke::domain::react::due(&self.rules, &self.profile)
    }

    pub(crate) fn number(&self, attribute: &str) -> i64 {
        self.profile.number(NameId::of(attribute))
    }

    /// What each attribute says, by name, and on how much that rests.
    pub(crate) fn readings(&self) -> Vec<(CompactString, String)> {
        let reading = |rule: &AttributeRule| (rule.name.clone(), format!("{:?}", rule.value(&self.profile)));
        let status = |rule: &AttributeRule| {
            (format!("{} status", rule.name).into(), format!("{:?}", rule.status(&self.profile)))
        };
        // The order of additions shows in the last digits.
        let rests = |rule: &AttributeRule| {
            let n_eff = rule.n_eff(&self.profile, &rule.value(&self.profile));
            (format!("{} n_eff", rule.name).into(), format!("{n_eff:.6}"))
        };
        let all = || self.rules.attributes.iter();
        all().map(reading).chain(all().map(status)).chain(all().map(rests)).collect()
    }

    pub(crate) fn is_in(&self, segment: &str) -> bool {
        self.profile.is_in(NameId::of(segment))
    }

    /// The segment changes said since the last call, as `+name` and `-name`, with their times.
    pub(crate) fn moves(&mut self) -> Vec<(String, Timestamp)> {
        let moves = self.said.drain(..).filter_map(|said| match said {
            Emission::SegmentChange(SegmentChange { segment, entered, at, .. }) => {
                Some((format!("{}{segment}", if entered { '+' } else { '-' }), at))
            }
            _ => None,
        });
        moves.collect()
    }

    /// The decisions said since the last call.
    pub(crate) fn decisions(&mut self) -> Vec<Decision> {
        let decisions = self.said.drain(..).filter_map(|said| match said {
            Emission::Decision(decision) => Some(decision),
            _ => None,
        });
        decisions.collect()
    }
}
