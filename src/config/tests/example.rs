//! A whole configuration, value by value.

use super::super::definitions::parse_definitions;
use super::super::{Assignor, Format, Start};
use super::load;
use crate::codec::wire::{Clock, Ids};
use crate::domain::rulebook::{Aggregation, Facet, Field, Membership, RankBy, RuleBook, Trigger, Window};
use crate::domain::scalar::Scalar;
use crate::domain::time::{DAY_MS, HOUR_MS};

const SHOP: &str = include_str!("shop.yaml");

#[test]
fn the_settings_of_the_process_are_what_the_file_says() {
    let config = load(SHOP).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(&*config.application, "shop");
    assert_eq!(&*config.kafka.bootstrap, "kafka-0:9092, kafka-1:9092");
    assert_eq!(config.kafka.consumer["fetch.min.bytes"], "1024");
    assert_eq!(config.kafka.producer["sasl.password"], "tr0ub4dor");
    assert_eq!(config.kafka.assignor, Assignor::CooperativeSticky);
    assert_eq!((config.kafka.session_timeout_ms, config.kafka.transaction_timeout_ms), (45_000, 10_000));
    assert_eq!(config.registry.credentials, Some(("shop".into(), "hunter22".into())));
    assert_eq!((&*config.registry.url, config.registry.timeout_ms), ("https://registry:8081", 3_000));
    let [clicks, orders] = config.sources.as_slice() else { panic!("two sources") };
    assert_eq!((&*clicks.topic, clicks.format, clicks.clock), ("clickstream", Format::Avro, Clock::Trust));
    assert_eq!((clicks.start, clicks.keyed), (Start::Latest, false));
    assert_eq!(
        (orders.format, orders.clock, orders.start),
        (Format::Json, Clock::Automatic, Start::Earliest)
    );
    assert_eq!(config.catalogue_topic.as_deref(), Some("content"));
    let content = config.contents.first().unwrap();
    assert_eq!((&*content.content_id, content.base_weight), ("sneakers", 0.5));
    assert_eq!(content.weights, [("shoes".into(), 1.0), ("sport".into(), 0.5)]);
    assert_eq!(content.starts_at.unwrap().ms(), 1_769_817_600_000);
    assert_eq!(config.definitions_topic.as_deref(), Some("definitions"));
    assert_eq!(config.site_shares_topic.as_deref(), Some("site-shares"));
    assert_eq!(&*config.topics.dead_letters, "shop-rejects");
    assert_eq!(&*config.topics.changelog, "shop-profile-changelog");
    assert_eq!((config.partitions, config.replication, config.threads), (4, 1, 4));
    assert_eq!(
        (config.commit.age_ms_max, config.commit.records_max, config.commit.bytes_max),
        (50, 5_000, 4 << 20)
    );
    assert_eq!((config.state.block_cache_bytes, config.state.write_buffer_bytes), (128 << 20, 32 << 20));
    assert_eq!(config.http_listen.port(), 9_090);
    assert_eq!(config.otlp_endpoint.as_deref(), Some("http://collector:4318"));
    assert_eq!((config.ids, config.record_bytes_max), (Ids::UserOnly, 65_536));
    assert_eq!(config.aliases.events, [("Basket Filled".into(), "product_added".into())]);
    assert_eq!(config.aliases.fields, [("artikelnummer".into(), "item_id".into())]);
}

#[test]
fn the_definitions_are_what_the_file_says() {
    let rules = load(SHOP).unwrap().rules;
    assert_eq!((rules.intake.seen_ids_max, rules.intake.seen_horizon_ms), (128, 24 * HOUR_MS));
    assert_eq!((rules.intake.lateness_ms_max, rules.session.gap_ms), (48 * HOUR_MS, 20 * 60_000));
    assert_eq!((rules.session.timed, rules.recent.items_max), (false, 5));
    let names: Vec<&str> = rules.attributes.iter().map(|rule| &*rule.name).collect();
    assert_eq!(names, ["product_views_7d", "units_30d", "revenue_90d", "rating_sum", "everything"]);
    let [views, units, revenue, rating, everything] = rules.attributes.as_slice() else { panic!("five") };
    assert_eq!(views.window, Some(Window { bucket_ms: HOUR_MS, buckets: 168, timed: true, zone: None }));
    assert_eq!(views.filter.as_ref().unwrap().source(), "event.value > 10.0");
    assert_eq!(units.events, ["order_completed", "order_refunded"]);
    assert_eq!(units.window, Some(Window { bucket_ms: HOUR_MS, buckets: 720, timed: true, zone: None }));
    assert_eq!(revenue.window, Some(Window { bucket_ms: DAY_MS, buckets: 90, timed: true, zone: None }));
    assert_eq!(
        (&rating.aggregation, &rating.window),
        (&Aggregation::Sum(Field::Property("rating".into())), &None)
    );
    assert_eq!((&everything.aggregation, everything.events.len()), (&Aggregation::Count, 0));
    let interest = rules.interest("category").unwrap();
    assert_eq!((interest.facet, interest.decay.half_life_hours()), (Facet::Category, 168));
    assert_eq!((interest.enter, interest.leave, interest.values_max, interest.top), (10.0, 8.0, 32, 8));
    assert_eq!(interest.weights.get(1), Some(&("product_removed".into(), -2.0)));
    assert!(interest.timed && !interest.as_segments && !interest.show_negative);
    let [frequent, abandoner, _] = rules.segments.as_slice() else { panic!("three") };
    assert!(matches!(&frequent.membership, Membership::Condition { for_ms: HOUR_MS, leave: Some(_), .. }));
    let Membership::Absence { after, without, for_ms: DAY_MS } = &abandoner.membership else {
        panic!("absence")
    };
    assert_eq!((&**after, &**without), ("product_added", "order_completed"));
    let rule = rules.rules.first().unwrap();
    assert_eq!(
        (&rule.trigger, rule.slot.as_deref()),
        (&Trigger::Entered("cart_abandoner".into()), Some("home_hero"))
    );
    assert_eq!((rule.cooldown_ms, rule.event_age_ms_max), (HOUR_MS, 2 * HOUR_MS));
    let slot = rules.slot("home_hero").unwrap();
    assert_eq!((slot.items_max, slot.exclude_recent, slot.exclude_bought), (3, true, true));
    assert_eq!((slot.rank_by, &*slot.fallback), (RankBy::Lift, &["welcome".into()][..]));
}

#[test]
fn the_text_of_the_definitions_and_the_effective_values_read_back_the_same() {
    let config = load(SHOP).unwrap();
    let shown = |rules: &RuleBook| format!("{rules:?}");
    let again = parse_definitions(&config.definitions_text, "definitions").unwrap();
    assert_eq!(shown(&again), shown(&config.rules));
    let again = load(config.effective()).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(again.definitions_text, config.definitions_text);
    assert_eq!(format!("{:?}", again.sources), format!("{:?}", config.sources));
    assert_eq!(again.contents, config.contents);
}

#[test]
fn what_is_odd_is_a_warning_at_its_name() {
    let text = "attributes: {a: {count: x, window: 1d, timed: false}}\nsegments: {s: {enter: attributes.a > 1}}\n\
                interests: {i: {facet: brand, weights: {x: 1}, enter: 2}, \
                j: {facet: item, weights: {x: 1}, enter: 2, leave: 1}, \
                k: {facet: item, weights: {x: -1}, enter: 2, leave: 1}}\n\
                slots: {t: {interest: i}}\norders: {trusted: [a.b, c_e]}\n\
                lateness_by_source: {c_e: 4d}\n";
    let text = format!("application: a\nsources: [{{topic: a.b}}, {{topic: c_d}}]\n{text}");
    let config = load(&text).unwrap_or_else(|errors| panic!("{errors}"));
    let found: Vec<String> = config
        .warnings()
        .iter()
        .map(|warning| format!("{}:{} {}", warning.line.unwrap(), warning.column.unwrap(), warning.message))
        .collect();
    assert_eq!(
        found,
        [
            "2:33 `a.b` has a '.' and `c_d` a '_'",
            "3:14 a segment reads attributes.a, whose window is not timed",
            "5:13 the interest `i` enters and leaves at the same score",
            "5:114 nothing adds to the interest `k`",
            "6:9 the slot `t` has no fallback",
            "7:25 orders.trusted names `c_e`, which is no source",
            "8:21 events may be 4d late, but their ids are known for 3d only: a repetition after that counts",
            "8:22 lateness_by_source names `c_e`, which is no source",
        ]
    );
}

/// The messages of the warnings about definitions that are right.
fn odd(definitions: &str) -> Vec<String> {
    let text = format!("application: a\nsources: [{{topic: clicks}}]\n{definitions}");
    let config = load(&text).unwrap_or_else(|errors| panic!("{errors}"));
    config.warnings().iter().map(|warning| warning.message.clone()).collect()
}

#[test]
fn a_segment_whose_members_would_come_and_go_is_odd() {
    let segment = |segment: &str| {
        odd(&format!(
            "attributes: {{w: {{count: x, window: 1d}}, l: {{count: x}}}}\nsegments: {{s: {{{segment}}}}}\n"
        ))
    };
    assert_eq!(
        segment("enter: attributes.w > 1"),
        ["the segment `s` is entered and left at the same value of attributes.w"]
    );
    assert_eq!(
        segment("enter: attributes.l > 1, leave: attributes.l > 1"),
        ["the segment `s` is entered and left by the same condition"]
    );
    for steady in [
        "enter: attributes.l > 1",
        "enter: attributes.w > 1, for: 1h",
        "enter: attributes.w > 2, leave: attributes.w < 1",
    ] {
        assert!(segment(steady).is_empty(), "{steady}");
    }
}

#[test]
fn a_rule_that_never_fires_is_odd() {
    let rules = |first: &str, second: &str| {
        odd(&format!(
            "interests: {{i: {{facet: brand, weights: {{x: 1}}, enter: 2, leave: 1}}}}\n\
             slots: {{t: {{interest: i, fallback: [c]}}}}\nrules:\n  \
             first: {{on: {{event: x}}, decide: t, group: g{first}}}\n  \
             second: {{decide: t, on: {{event: {second}}}\n"
        ))
    };
    assert_eq!(
        rules("", "x}, group: g"),
        ["the rule `second` can never fire: `first` always does before it"]
    );
    for (first, second) in [
        (", when: event.value > 1", "x}, group: g"),
        (", cooldown: 1h", "x}, group: g"),
        (", max_fires: {count: 1, per: 1h}", "x}, group: g"),
        (", event_age_max: 1h", "x}, group: g, event_age_max: 2h"),
        ("", "x}, group: h"),
        ("", "y}, group: g"),
        ("", "x}"),
    ] {
        assert!(rules(first, second).is_empty(), "{first} {second}");
    }
}

#[test]
fn rules_that_set_themselves_off_are_odd() {
    let rules = |condition: &str, rules: &str| {
        odd(&format!(
            "attributes: {{likes: {{coalesce: [traits.mark, traits.other]}}}}\n\
             segments: {{s: {{enter: \"{condition}\"}}, t: {{enter: \"'s' in segments\"}}}}\nrules: {{{rules}}}\n"
        ))
    };
    let set = |on: &str| format!("first: {{on: {{{on}}}, set: {{mark: 1}}}}");
    for condition in [
        "traits.mark == 1",
        "traits.n == 1 || traits['mark'] == 1",
        "attributes.likes == 1",
        "profile.completeness > 0.5",
    ] {
        for on in ["entered: s", "left: t"] {
            let found = rules(condition, &set(on));
            assert_eq!(
                found,
                ["the rule `first` may set itself off, by what `first` sets"],
                "{condition} {on}"
            );
        }
    }
    let by_way_of = format!("{}, second: {{on: {{entered: t}}, set: {{n: 1}}}}", set("left: s"));
    assert_eq!(rules("traits.mark == 1 && traits.n == 2", &by_way_of).len(), 2);
    let steady = "first: {on: {entered: s}, set: {mark: 1}, cooldown: 1h}";
    for steady in [set("event: x"), steady.into(), "first: {on: {entered: s}, set: {n: 1}}".into()] {
        assert!(rules("traits.mark == 1", &steady).is_empty(), "{steady}");
    }
    let alias = odd("attributes: {a: {count: view_item}}\n");
    assert_eq!(alias, ["attributes.a.count: `view_item` is another name of `product_viewed`"]);
    let alias = odd("interests: {i: {facet: brand, enter: 2, leave: 1, weights: {view_item: 1}}}\n");
    assert_eq!(alias, ["interests.i.weights: `view_item` is another name of `product_viewed`"]);
}

#[test]
fn what_a_rule_sets_is_what_it_looks_like() {
    let values = "a: true, b: 12, c: -0.5, d: 007, e: 1.5e400, f: 9223372036854775808, g: 1e5, h: '12'";
    let text = format!("rules: {{r: {{on: {{event: x}}, set: {{{values}}}}}}}");
    let rules = parse_definitions(&text, "d").unwrap();
    let values: Vec<Scalar> = rules.rules[0].set.iter().map(|(_, value)| value.clone()).collect();
    let text = |text: &str| Scalar::Text(text.into());
    let numbers = [Scalar::Bool(true), Scalar::Integer(12), Scalar::Float(-0.5)];
    let texts = [text("007"), text("1.5e400"), text("9223372036854775808"), text("1e5"), Scalar::Integer(12)];
    assert_eq!(values, [numbers.as_slice(), texts.as_slice()].concat());
}

#[test]
fn little_is_enough() {
    let config = load("application: a\nsources: [{topic: clicks}]\n").unwrap();
    assert_eq!((config.threads, config.partitions, config.replication), (2, 8, 3));
    assert_eq!((&*config.kafka.bootstrap, config.record_bytes_max), ("localhost:9092", 1 << 20));
    assert_eq!((config.rules.recent.items_max, config.rules.intake.seen_ids_max), (10, 256));
    assert!(config.warnings().is_empty());
    let spelled_out = "application: a\nsources: [{topic: clicks}]\nthreads: ~\n\
                       http: {listen: 127.0.0.1:8080}\n\
                       registry: {url: http://localhost:8081, user:, password:, timeout: 5s}\n\
                       kafka: {bootstrap: localhost:9092, consumer: {}}\n\
                       catalogue: {topic:, items: []}\nslots:\n";
    let spelled_out = load(spelled_out).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(format!("{:?}", spelled_out.registry), format!("{:?}", config.registry));
    assert_eq!((spelled_out.threads, spelled_out.registry.credentials), (2, None));
    assert!(parse_definitions("", "empty").unwrap().attributes.is_empty());
    assert!(
        parse_definitions("kafka: {}", "d")
            .unwrap_err()
            .to_string()
            .starts_with("d:1:1: `kafka` is a setting")
    );
}
