//! The contract with consumers: the schemas are documented, every version can read every other, and fixed
//! values are the bytes that stand in `schemas/golden`.
//!
//! The golden bytes were made by another Avro library from the golden JSON, so that the encoder does not
//! testify for itself.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, also where a function that it shares with others does"
)]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use bespoke::codec::output::{
    CONTENT_DECISION_SCHEMA, OutputCodec, PROFILE_UPDATE_SCHEMA, SEGMENT_CHANGE_SCHEMA, SchemaIds, reading,
};
use bespoke::domain::affinity::{Affinity, Decay};
use bespoke::domain::counters::Counters;
use bespoke::domain::decision::{
    Decision, DecisionCause, Excluded, LadderStep, Ranked, Reason, SegmentChange,
};
use bespoke::domain::freshness::Status;
use bespoke::domain::person::{IdKind, Person};
use bespoke::domain::points::{Keep, Point, Points};
use bespoke::domain::profile::{
    Cause, Orders, PageView, Profile, Revenue, SegmentState, SegmentStatus, Session,
};
use bespoke::domain::rulebook::{
    Aggregation, AttributeRule, Facet, Field, InterestRule, Membership, NameId, RuleBook, SegmentRule, Window,
};
use bespoke::domain::scalar::{Properties, Scalar};
use bespoke::domain::scroll::{Scroll, Scrolls};
use bespoke::domain::site::{Site, SiteShares};
use bespoke::domain::time::{DAY_MS, HOUR_MS, Timestamp};
use bespoke::domain::visit::Visit;
use bespoke::domain::window::Counter;
use serde_json::Value;
use thin_vec::{ThinVec, thin_vec};

const SCHEMAS: [(&str, &str); 3] = [
    ("profile-update", PROFILE_UPDATE_SCHEMA),
    ("content-decision", CONTENT_DECISION_SCHEMA),
    ("segment-change", SEGMENT_CHANGE_SCHEMA),
];

#[test]
fn a_profile_update_is_its_golden_bytes() {
    let bytes = codec().profile_update(&person(), &profile(), &rules(), &site());
    let read = reading::decode_profile_update(&bytes).unwrap();
    assert_golden("profile-update", &bytes, &serde_json::to_value(read).unwrap());
}

#[test]
fn a_content_decision_is_its_golden_bytes() {
    let bytes = codec().decision(&decision());
    let read = reading::decode_decision(&bytes).unwrap();
    assert_golden("content-decision", &bytes, &serde_json::to_value(read).unwrap());
}

#[test]
fn a_segment_change_is_its_golden_bytes() {
    let bytes = codec().segment_change(&segment_change());
    let read = reading::decode_segment_change(&bytes).unwrap();
    assert_golden("segment-change", &bytes, &serde_json::to_value(read).unwrap());
}

#[test]
fn every_version_can_read_every_other() {
    for (name, text) in SCHEMAS {
        let released = released(name);
        assert!(!released.is_empty(), "{name} has no released version");
        for (version, old) in &released {
            let found = SchemaCompatibility::mutual_read(&parse(text), &parse(old));
            assert_eq!(found, Ok(Compatibility::Full), "{name} against its version {version}");
        }
        let (last, newest) = released.last().unwrap();
        let same =
            serde_json::from_str::<Value>(newest).unwrap() == serde_json::from_str::<Value>(text).unwrap();
        assert!(same, "{name} has changed: release it as schemas/released/{name}/{}.avsc", last + 1);
    }
}

#[test]
fn a_change_that_breaks_readers_is_noticed() {
    let renamed = SEGMENT_CHANGE_SCHEMA.replace("\"name\": \"segment\"", "\"name\": \"audience\"");
    assert!(SchemaCompatibility::mutual_read(&parse(SEGMENT_CHANGE_SCHEMA), &parse(&renamed)).is_err());
}

#[test]
fn everything_is_documented_and_named_by_convention() {
    for (name, text) in SCHEMAS {
        let schema: Value = serde_json::from_str(text).unwrap();
        assert_eq!(schema["namespace"], "io.bespoke.v1", "{name}");
        let mut names = BTreeSet::new();
        check(name, &schema, &mut names);
        assert!(names.len() > 1, "{name} has types: {names:?}");
    }
}

/// Walks a schema: each record, enum and field has a text for people; nullable fields start with null and
/// default to it; enums have a default; nothing is a map, whose order would not be fixed.
fn check(path: &str, schema: &Value, names: &mut BTreeSet<String>) {
    match schema {
        Value::Array(variants) => {
            if variants.iter().any(|variant| variant == "null") {
                assert_eq!(variants[0], "null", "{path}: null comes first");
            }
            variants.iter().for_each(|variant| check(path, variant, names));
        }
        Value::Object(parts) => match parts["type"].as_str() {
            Some("record") => {
                check_name(path, schema, names);
                for field in parts["fields"].as_array().unwrap() {
                    check_field(path, field, names);
                }
            }
            Some("enum") => {
                check_name(path, schema, names);
                assert!(parts.contains_key("default"), "{path}: the enum has a default");
            }
            Some("array") => check(path, &parts["items"], names),
            Some("map") => panic!("{path}: a map has no fixed order"),
            _ => {}
        },
        _ => {}
    }
}

fn check_name(path: &str, schema: &Value, names: &mut BTreeSet<String>) {
    let name = schema["name"].as_str().unwrap();
    assert!(has_doc(schema), "{path}: {name} has no doc");
    assert!(name.starts_with(char::is_uppercase) && !name.contains('_'), "{path}: {name} is in PascalCase");
    assert!(names.insert(name.to_owned()), "{path}: {name} is defined twice");
}

fn check_field(path: &str, field: &Value, names: &mut BTreeSet<String>) {
    let name = field["name"].as_str().unwrap();
    let path = format!("{path}.{name}");
    assert!(has_doc(field), "{path} has no doc");
    let snake = name.chars().all(|character| character.is_ascii_lowercase() || character == '_');
    assert!(snake, "{path} is in lower snake_case");
    let nullable = field["type"].as_array().is_some_and(|variants| variants[0] == "null");
    assert_eq!(nullable, field.get("default").is_some_and(Value::is_null), "{path} defaults to null");
    check(&path, &field["type"], names);
}

fn has_doc(part: &Value) -> bool {
    part["doc"].as_str().is_some_and(|doc| doc.ends_with('.'))
}

fn assert_golden(name: &str, frame: &[u8], read: &Value) {
    let golden = folder().join("golden").join(name);
    let json: Value = serde_json::from_str(&text(&golden.with_extension("json"))).unwrap();
    assert_eq!(*read, json, "{name}");
    let datum = frame[5..].iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    });
    assert_eq!(datum, text(&golden.with_extension("hex")).trim(), "{name}");
}

fn released(name: &str) -> Vec<(u32, String)> {
    let entries = fs::read_dir(folder().join("released").join(name)).unwrap();
    let mut versions: Vec<(u32, String)> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().parse().unwrap(), text(&path)))
        .collect();
    versions.sort();
    versions
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn parse(text: &str) -> Schema {
    Schema::parse_str(text).unwrap()
}

fn codec() -> OutputCodec {
    OutputCodec::new(SchemaIds { profile_update: 1, decision: 2, segment_change: 3 })
}

fn person() -> Person {
    Person::of_kind(IdKind::User, "42")
}

/// The hour of the samples: 2026-01-01T00:00:00Z.
const HOUR: i64 = 490_896;

fn at(hour: i64) -> Timestamp {
    Timestamp::from_ms((HOUR + hour) * HOUR_MS)
}

fn rules() -> RuleBook {
    let window = Window { bucket_ms: HOUR_MS, buckets: 168, timed: true, zone: None };
    let attribute =
        |name: &str, aggregation, window| AttributeRule::new(name, Vec::new(), aggregation, window);
    let interest = |name: &str| InterestRule {
        id: NameId::of(name),
        name: name.into(),
        facet: Facet::Category,
        weights: Vec::new(),
        decay: Decay::new(168),
        enter: 5.0,
        evidence_min: 1,
        leave: 2.0,
        values_max: 4,
        top: 2,
        show_negative: false,
        timed: false,
        as_segments: false,
        roll_up: None,
    };
    let segment = |name: &str| SegmentRule {
        id: NameId::of(name),
        name: name.into(),
        membership: Membership::Absence { after: "a".into(), without: "b".into(), for_ms: DAY_MS },
    };
    RuleBook {
        attributes: vec![
            attribute("views_7d", Aggregation::Count, Some(window)),
            attribute("units", Aggregation::Units, None),
            AttributeRule {
                purposes: vec!["analytics", "ads"],
                ..attribute("spent", Aggregation::Value, None)
            },
            attribute("scrolled", Aggregation::Sum(Field::Property("depth".into())), None),
            attribute("entry", Aggregation::First(Field::Page), None),
            attribute("categories", Aggregation::List(Field::Item(Facet::Category), 5), None),
            attribute("dearest", Aggregation::Max(Field::Price), None),
        ],
        interests: vec![interest("category"), interest("brand")],
        segments: vec![segment("abandoned_cart"), segment("lapsed"), segment("never")],
        ..RuleBook::default()
    }
}

fn site() -> Site {
    Site::from_iter([SiteShares {
        interest: "category".into(),
        as_of: at(-1),
        persons: 900,
        shares: vec![("boots".into(), 0.2), ("shoes".into(), 0.3)],
    }])
}

fn profile() -> Profile {
    Profile {
        version: 17,
        as_of: at(0),
        events_applied: 16,
        first_at: Some(at(-300)),
        last_at: Some(at(0)),
        cause: Cause::Event("0d6e7c1a".into()),
        traits: traits(),
        counters: counters(),
        points: points(),
        interests: thin_vec![(NameId::of("category"), affinities())],
        session: session(),
        recent: thin_vec!["sku-9".into(), "sku-é".into()],
        orders: Orders {
            count: 1,
            units: 2,
            revenue: thin_vec![
                Revenue { currency: "EUR".into(), hundredths: 4998 },
                Revenue { currency: "USD".into(), hundredths: -250 },
            ],
            first_at: Some(at(-100)),
            last_at: Some(at(-100)),
            ..Orders::default()
        },
        segments: thin_vec![
            SegmentState {
                id: NameId::of("abandoned_cart"),
                status: SegmentStatus::Pending { due_at: at(24) },
            },
            SegmentState { id: NameId::of("lapsed"), status: SegmentStatus::In { entered_at: at(-200) } },
            SegmentState { id: NameId::of("never"), status: SegmentStatus::Out },
        ],
        ..Profile::default()
    }
}

fn traits() -> Properties {
    let mut traits = Properties::default();
    traits.set("newsletter", Scalar::Bool(true));
    traits.set("age", Scalar::Integer(41));
    traits.set("ratio", Scalar::Float(0.5));
    traits.set("plan", Scalar::Text("gold".into()));
    traits.set("labels", Scalar::Texts(vec!["vip".into(), "press".into()]));
    traits
}

fn counters() -> Counters {
    let window = Window { bucket_ms: HOUR_MS, buckets: 168, timed: true, zone: None };
    let sums = [
        ("views_7d", Some(&window), 12),
        ("spent", None, 4998),
        ("spent|evidence|0", None, 2),
        ("scrolled", None, 2_750_000),
    ];
    let counters = sums.map(|(name, window, amount)| {
        let mut counter = Counter::new(NameId::of(name));
        counter.add(amount, at(-150), at(0), window);
        counter
    });
    ThinVec::from(counters).into()
}

fn session() -> Session {
    let page = |hour, path: &str| PageView { at: at(hour), path: path.into(), medium: Some("search".into()) };
    let mut scrolls = Scrolls::default();
    scrolls.add(Scroll { at: at(-1), path: Some("/guide".into()), percent: 75 });
    Session {
        count: 3,
        open: true,
        current: Visit {
            started_at: at(-1),
            last_at: at(0),
            events: 4,
            entry: Some(Box::new(page(-1, "/guide"))),
            pages: thin_vec![page(-1, "/guide"), page(0, "/tents")],
            scrolls,
        },
        previous: None,
        forgotten_until: None,
    }
}

fn points() -> ThinVec<(NameId, Points)> {
    let rules = rules();
    let of = |name: &str, values: &[&str]| {
        let rule = rules.attributes.iter().find(|rule| &*rule.name == name).unwrap();
        let mut points = Points::default();
        for (number, value) in (-9_i64..).zip(values) {
            let point = Point { at: at(number), value: Scalar::Text((*value).into()) };
            points.add(point, Keep::LatestOfEach { most: 5 }, at(0), None);
        }
        (rule.id, points)
    };
    let mut points = thin_vec![of("entry", &["/guide"]), of("categories", &["hats", "bøger"])];
    points.sort_by_key(|(id, _)| *id);
    points
}

/// Two of equal score, one that has decayed for a half-life, and one that is below zero.
fn affinities() -> ThinVec<Affinity> {
    let affinity = |value: &str, score, hour: i64, tagged_at| Affinity {
        value: value.into(),
        score,
        squares: score * score / 2.25,
        hour: (HOUR + hour) as i32,
        evidence: 4,
        tagged_at,
    };
    thin_vec![
        affinity("boots", 16.0, -168, Some(at(-170))),
        affinity("gloves", -1.0, 0, None),
        affinity("hats", 4.0, 0, None),
        affinity("socks", 4.0, 0, Some(at(-5))),
    ]
}

fn decision() -> Decision {
    let reason = Reason {
        code: "affinity",
        weight: 0.5,
        evidence: "category boots: share 0.500, score 8.000, 4 events".into(),
        n_eff: 2.5,
    };
    Decision {
        decision_id: "7f1f3c52-8f5e-5f7a-9a36-0d1c1f6f2a11".into(),
        request_id: Some("r-1".into()),
        slot: "home_hero".into(),
        person: person(),
        profile_version: 17,
        at: at(0),
        cause: DecisionCause::Rule("welcome".into(), None),
        ladder: LadderStep::Personal,
        ranked: vec![
            Ranked { content_id: "banner-2".into(), score: 0.5, reasons: vec![reason] },
            Ranked { content_id: "banner-7".into(), score: 0.0, reasons: Vec::new() },
        ],
        excluded: vec![Excluded { content_id: "banner-1".into(), reason: "bought" }],
        definitions: 0x0123_4567_89ab_cdef,
        valid_until: Some(at(24)),
        last_at: Some(at(-1)),
        status: Status::Stale,
    }
}

fn segment_change() -> SegmentChange {
    SegmentChange {
        transition_id: "2b0c7f6e-1c7d-5d0b-8a52-57a1e7a5c0de".into(),
        person: person(),
        segment: "lapsed".into(),
        entered: true,
        at: at(0),
        profile_version: 17,
        cause: None,
        definitions: 0x0123_4567_89ab_cdef,
    }
}
