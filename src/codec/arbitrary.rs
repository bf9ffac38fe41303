//! Values for the tests of this floor: arbitrary ones, and a few fixed ones that golden bytes are made of.

pub(crate) mod emissions;
mod orders;
mod session;

use compact_str::CompactString;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use thin_vec::{ThinVec, thin_vec};

use crate::domain::affinity::{Affinity, Decay};
use crate::domain::catalogue::Content;
use crate::domain::frequencies::Frequencies;
use crate::domain::funnel::Funnel;
use crate::domain::lifecycle::Lifecycle;
use crate::domain::person::Person;
use crate::domain::points::{Point, Points};
use crate::domain::profile::{Cause, Orders, Profile, Revenue, SegmentState, SegmentStatus, Session};
use crate::domain::rulebook::{
    Aggregation, AttributeRule, Elapsed, Facet, Field, InterestRule, Membership, NameId, RuleBook,
    SegmentRule, Window,
};
use crate::domain::scalar::{Properties, Scalar};
use crate::domain::seen::SeenId;
use crate::domain::site::{Site, SiteShares};
use crate::domain::time::{DAY_MS, HOUR_MS, Timestamp};
use crate::domain::visit::Visit;
use crate::domain::window::Counter;

const ATTRIBUTES: [&str; 4] = ["views_7d", "units", "spent", "scrolled"];
const INTERESTS: [&str; 2] = ["category", "brand"];
const SEGMENTS: [&str; 2] = ["abandoned_cart", "lapsed"];

/// Definitions of the names that arbitrary profiles use.
pub(crate) fn rules() -> RuleBook {
    let sums = [Aggregation::Count, Aggregation::Units, Aggregation::Value, Aggregation::Sum(depth())];
    let attributes = ATTRIBUTES.iter().zip(sums).map(|(name, aggregation)| {
        let window = (aggregation == Aggregation::Count).then(window);
        AttributeRule::new(name, Vec::new(), aggregation, window)
    });
    let attributes = attributes.chain(aggregates());
    let interests = INTERESTS.iter().map(|name| InterestRule {
        id: NameId::of(name),
        name: (*name).into(),
        facet: Facet::Category,
        weights: Vec::new(),
        decay: Decay::new(168),
        enter: 5.0,
        evidence_min: 1,
        leave: 2.0,
        values_max: 50,
        top: 3,
        show_negative: true,
        timed: true,
        as_segments: false,
        roll_up: None,
    });
    let segments = SEGMENTS.iter().map(|name| SegmentRule {
        id: NameId::of(name),
        name: (*name).into(),
        membership: Membership::Absence { after: "a".into(), without: "b".into(), for_ms: DAY_MS },
    });
    RuleBook {
        attributes: attributes.collect(),
        interests: interests.collect(),
        segments: segments.collect(),
        ..RuleBook::default()
    }
}

/// Site shares of some values of one interest.
pub(crate) fn site() -> Site {
    Site::from_iter([site_shares()])
}

/// Those of `category`.
pub(crate) fn site_shares() -> SiteShares {
    SiteShares {
        interest: INTERESTS[0].into(),
        as_of: Timestamp::from_ms(100 * HOUR_MS),
        persons: 900,
        shares: vec![("shoes".into(), 0.25), ("tents".into(), 0.125)],
    }
}

/// One attribute of each kind that is no sum.
fn aggregates() -> Vec<AttributeRule> {
    let category = || Field::Item(Facet::Category);
    let elapsed = Elapsed { from_first: false, step_ms: DAY_MS, steps_max: 90, timed: true };
    let lifecycle = Lifecycle { at_risk_ms: 60 * DAY_MS, lapsed_ms: 180 * DAY_MS, timed: true };
    let kinds = [
        ("typical", Aggregation::Mean(Field::Price)),
        ("cheapest", Aggregation::Min(Field::Price)),
        ("dearest", Aggregation::Max(Field::Price)),
        ("entry", Aggregation::First(Field::Page)),
        ("exit", Aggregation::Last(depth())),
        ("categories", Aggregation::List(category(), 3)),
        ("variety", Aggregation::Distinct(category())),
        ("favourite", Aggregation::MostFrequent(category())),
        ("favourites", Aggregation::Top(category(), 2)),
        ("days_away", Aggregation::Since(elapsed)),
        ("stage", Aggregation::Lifecycle(lifecycle)),
        (
            "way",
            Aggregation::Funnel(Funnel {
                steps: ["product_viewed", "order_completed"].map(Into::into).to_vec(),
            }),
        ),
    ];
    let kinds = kinds.into_iter();
    kinds.map(|(name, kind)| AttributeRule::new(name, Vec::new(), kind, Some(window()))).collect()
}

fn depth() -> Field {
    Field::Property("depth".into())
}

/// A profile that has something in every part but those of format 3.
pub(crate) fn sample_profile() -> Profile {
    let at = |hour: i64| Timestamp::from_ms(hour * HOUR_MS);
    let mut traits = Properties::default();
    traits.set("newsletter", Scalar::Bool(true));
    traits.set("age", Scalar::Integer(-3));
    traits.set("ratio", Scalar::Float(0.5));
    traits.set("plan", Scalar::Text("gold".into()));
    traits.set("labels", Scalar::Texts(vec!["a".into(), "b".into()]));
    let mut counter = Counter::new(NameId(7));
    counter.add(2, at(99), at(100), Some(&window()));
    Profile {
        version: 300,
        as_of: at(100),
        events_applied: 299,
        first_at: Some(at(1)),
        last_at: None,
        cause: Cause::Event("m-1".into()),
        definitions: 0,
        seen: thin_vec![SeenId { hash: u64::MAX, at: at(100) }],
        ids_full: false,
        traits,
        counters: thin_vec![counter].into(),
        points: ThinVec::new(),
        frequencies: ThinVec::new(),
        interests: thin_vec![(
            NameId(8),
            thin_vec![affinity(("shoes".into(), (1.5, None), 100, 3, Some(at(99))))]
        )],
        session: Session {
            count: 2,
            open: true,
            current: Visit { started_at: at(99), last_at: at(100), events: 5, ..Visit::default() },
            previous: None,
            forgotten_until: None,
        },
        recent: thin_vec!["sku-1".into()],
        orders: Orders {
            count: 1,
            units: 2,
            revenue: thin_vec![Revenue { currency: "EUR".into(), hundredths: -1999 }],
            first_at: Some(at(50)),
            last_at: Some(at(50)),
            seen: thin_vec![1],
            ledger: ThinVec::new(),
            items: thin_vec!["sku-2".into()],
        },
        segments: thin_vec![
            SegmentState { id: NameId(9), status: SegmentStatus::In { entered_at: at(60) } },
            SegmentState { id: NameId(10), status: SegmentStatus::Pending { due_at: at(124) } },
            SegmentState { id: NameId(11), status: SegmentStatus::Out },
        ],
        rules_fired: thin_vec![(NameId(12), at(70))],
        fires: ThinVec::new(),
    }
}

/// Content that has something in every part.
pub(crate) fn sample_content() -> Content {
    Content {
        content_id: "banner-1".into(),
        slots: vec!["home".into()],
        weights: vec![("shoes".into(), 1.0)],
        base_weight: 0.25,
        item_id: Some("sku-1".into()),
        starts_at: Some(Timestamp::from_ms(1)),
        ends_at: None,
    }
}

pub(crate) fn person() -> impl Strategy<Value = Person> {
    text().prop_map(|id| Person::bare(&id))
}

pub(crate) fn profile() -> impl Strategy<Value = Profile> {
    let numbers = (any::<u64>(), instant(), any::<u64>(), option::of(instant()), option::of(instant()));
    let lists = (vec((any::<u64>(), instant()), 0..4), vec((text(), scalar()), 0..6), vec(counter(), 0..4));
    let interests = vec((of(&INTERESTS), vec(affinity_parts(), 0..6)), 0..3);
    let rest =
        (session::session(), vec(text(), 0..4), orders::orders(), vec((of(&SEGMENTS), status()), 0..3));
    let definitions = prop_oneof![Just(0), any::<u32>()];
    let fired = vec((any::<u32>().prop_map(NameId), instant()), 0..3);
    let fires = vec((any::<u32>().prop_map(NameId), vec(instant(), 0..3).prop_map(ThinVec::from)), 0..3);
    let aggregates = (vec(points(), 0..3), vec(frequencies(), 0..3), fires);
    let cause = (cause(), definitions, any::<bool>());
    (numbers, cause, lists, interests, rest, (fired, aggregates)).prop_map(
        |(
            numbers,
            (cause, definitions, ids_full),
            (seen, traits, counters),
            interests,
            rest,
            (rules_fired, aggregates),
        )| {
            let mut properties = Properties::default();
            traits.into_iter().for_each(|(name, value)| properties.set(&name, value));
            let interests = interests.into_iter();
            let segments = rest.3.into_iter().map(|(id, status)| SegmentState { id, status });
            Profile {
                version: numbers.0,
                as_of: numbers.1,
                events_applied: numbers.2,
                first_at: numbers.3,
                last_at: numbers.4,
                cause,
                definitions,
                seen: seen.into_iter().map(|(hash, at)| SeenId { hash, at }).collect(),
                ids_full,
                traits: properties,
                counters: ThinVec::from(counters).into(),
                points: in_order(aggregates.0),
                frequencies: in_order(aggregates.1),
                fires: aggregates.2.into(),
                interests: interests.map(|(id, parts)| (id, affinities(parts))).collect(),
                session: rest.0,
                recent: rest.1.into(),
                orders: rest.2,
                segments: segments.collect(),
                rules_fired: rules_fired.into(),
            }
        },
    )
}

pub(crate) fn content() -> impl Strategy<Value = Content> {
    let lists = (vec(text(), 0..3), vec((text(), number()), 0..4));
    (text(), lists, number(), option::of(text()), option::of(instant()), option::of(instant())).prop_map(
        |(content_id, (slots, weights), base_weight, item_id, starts_at, ends_at)| Content {
            content_id,
            slots,
            weights,
            base_weight,
            item_id,
            starts_at,
            ends_at,
        },
    )
}

fn window() -> Window {
    Window { bucket_ms: HOUR_MS, buckets: 168, timed: true, zone: None }
}

type AffinityParts = (CompactString, (f64, Option<f64>), i64, u32, Option<Timestamp>);

fn affinity(parts: AffinityParts) -> Affinity {
    let (value, (score, squares), hour, evidence, tagged_at) = parts;
    Affinity {
        value,
        score,
        squares: squares.unwrap_or(Affinity::squares_of_one(score)),
        hour: hour as i32,
        evidence,
        tagged_at,
    }
}

fn affinities(parts: Vec<AffinityParts>) -> ThinVec<Affinity> {
    let mut affinities: ThinVec<Affinity> = parts.into_iter().map(affinity).collect();
    affinities.sort_by(|one, other| one.value.cmp(&other.value));
    affinities.dedup_by(|one, other| one.value == other.value);
    affinities
}

fn affinity_parts() -> impl Strategy<Value = AffinityParts> {
    let score = (number(), option::of(number()));
    (text(), score, instant().prop_map(Timestamp::hour), any::<u32>(), option::of(instant()))
}

fn counter() -> impl Strategy<Value = Counter> {
    (of(&ATTRIBUTES), vec((any::<i64>(), 0..200_i64), 0..6), any::<bool>()).prop_map(
        |(id, adds, windowed)| {
            let mut counter = Counter::new(id);
            for (amount, hour) in adds {
                let now = Timestamp::from_ms(200 * HOUR_MS);
                counter.add(amount, Timestamp::from_ms(hour * HOUR_MS), now, windowed.then(window).as_ref());
            }
            counter
        },
    )
}

fn in_order<T>(mut held: Vec<(NameId, T)>) -> ThinVec<(NameId, T)> {
    held.sort_by_key(|(id, _)| *id);
    held.dedup_by_key(|(id, _)| *id);
    held.into()
}

fn points() -> impl Strategy<Value = (NameId, Points)> {
    let id = prop::sample::select(aggregates().iter().map(|rule| rule.id).collect::<Vec<_>>());
    let point = (instant(), scalar()).prop_map(|(at, value)| Point { at, value });
    (id, vec(point, 1..4).prop_map(|points| Points::of_points(points.into())))
}

fn frequencies() -> impl Strategy<Value = (NameId, Frequencies)> {
    let of_values = vec((text(), counter()), 1..4).prop_map(|counters| {
        let counters = counters.into_iter();
        let nameless = |counter: Counter| Counter { id: NameId::default(), ..counter };
        Frequencies::of_counters(counters.map(|(value, counter)| (value, nameless(counter))).collect())
    });
    (any::<u32>().prop_map(NameId), of_values)
}

fn status() -> impl Strategy<Value = SegmentStatus> {
    prop_oneof![
        Just(SegmentStatus::Out),
        instant().prop_map(|due_at| SegmentStatus::Pending { due_at }),
        instant().prop_map(|entered_at| SegmentStatus::In { entered_at }),
    ]
}

fn cause() -> impl Strategy<Value = Cause> {
    prop_oneof![Just(Cause::None), Just(Cause::Time), text().prop_map(Cause::Event)]
}

fn scalar() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        any::<bool>().prop_map(Scalar::Bool),
        any::<i64>().prop_map(Scalar::Integer),
        number().prop_map(Scalar::Float),
        text().prop_map(Scalar::Text),
        vec(text(), 0..3).prop_map(Scalar::Texts),
    ]
}

fn of(names: &'static [&'static str]) -> impl Strategy<Value = NameId> {
    prop::sample::select(names).prop_map(NameId::of)
}

fn text() -> impl Strategy<Value = CompactString> {
    vec(any::<char>(), 0..8).prop_map(|characters| characters.into_iter().collect::<String>().into())
}

fn number() -> impl Strategy<Value = f64> {
    -1e6..1e6_f64
}

fn instant() -> impl Strategy<Value = Timestamp> {
    (Timestamp::EARLIEST.ms()..=Timestamp::LATEST.ms()).prop_map(Timestamp::from_ms)
}
