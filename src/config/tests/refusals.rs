//! What is wrong, where exactly, and in which words. Each text has one mistake and must give one finding.

use super::load;

/// Two right lines, so that a mistake in the first line of a row stands in line 3.
const HEAD: &str = "application: shop\nsources: [{topic: clicks}]\n";

fn check(rows: &[(&str, &str, &str)], head: &str) {
    for (text, place, fragment) in rows {
        let errors = load(&format!("{head}{text}")).expect_err(text);
        let shown = errors.to_string();
        assert_eq!(errors.findings().len(), 1, "{text}\n{shown}");
        let finding = &errors.findings()[0];
        let at = format!("{}:{}", finding.line.unwrap(), finding.column.unwrap());
        assert!(shown.starts_with(&format!("shop.yaml:{at}: ")), "{shown}");
        assert_eq!(at, *place, "{text}\n{shown}");
        assert!(shown.contains(fragment), "{text}\n{shown}");
    }
}

#[test]
fn what_a_source_is_expected_to_bring() {
    let head = "application: shop\nsources:\n  - topic: clicks\n";
    check(
        &[
            ("    expected: [price]", "4:15", "it must be a mapping"),
            ("    expected: {}", "4:15", "names no event"),
            ("    expected: {login: []}", "4:23", "names no field"),
            ("    expected: {product_viewed: items.prise}", "4:32", "did you mean `items.price`?"),
            ("    expected: {product_viewed: [shelf, {}]}", "4:40", "it must be a single value"),
            ("    keyed: true\n    expected: {login: method}", "5:15", "are not looked at"),
            ("    expected: {view_item: items.price}", "4:16", "call it `product_viewed`"),
            ("    expected: {any: items.price}", "4:16", "names one kind of event"),
            ("    expected: {login: [method, method]}", "4:32", "names `method` twice"),
            ("    records_per_hour_min: 0", "4:27", "between 1 and 1000000000000"),
            (
                "    records_per_hour_min: 9\n    records_per_hour_max: 8",
                "5:27",
                "below records_per_hour_min",
            ),
        ],
        head,
    );
}

#[test]
fn tables_of_a_database() {
    let head = "application: shop\nsources:\n  - topic: orders\n";
    check(
        &[
            ("    debezium: {deleted: order_cancelled}", "4:15", "debezium.event is missing"),
            ("    debezium: {event: a, column: status}", "4:15", "only one of column and events"),
            ("    debezium: {event: a, events: {x: none}}", "4:15", "only one of column and events"),
            ("    debezium: {event: a, colums: {}}", "4:26", "`colums` is not known"),
            ("    debezium: {event: a, columns: {timestamp: at}}", "4:35", "`timestamp` cannot be the at"),
            ("    debezium: {event: a, columns: {event: user_id}}", "4:35", "`event` cannot be the user_id"),
            ("    keyed: true\n    debezium: {event: a}", "5:15", "keyed by its rows"),
        ],
        head,
    );
}

#[test]
fn attributes_of_several_values() {
    let rows = [
        ("  e: {count: []}", "6:14", "attributes.e.count names no event"),
        ("  c: {coalesce: [a]}", "6:17", "has nothing to choose from"),
        ("  c: {coalesce: [a, d]}", "6:21", "no attribute is called `d`"),
        ("  c: {coalesce: [a, n]}", "6:21", "`n` always says something"),
        ("  c: {window: 7d, coalesce: [a, traits.b]}", "6:15", "does not go with coalesce"),
        ("  g: {gaps: x, of: any, window: 7d}", "6:33", "does not go with gaps"),
        ("  g: {gaps: x}", "6:6", "attributes.g.of is missing"),
        ("  l: {lifecycle: x, window: 7d}", "6:29", "does not go with lifecycle"),
        ("  l: {lifecycle: x, lapsed_after: 30d}", "6:35", "60d is not before lapsed after 30d"),
        ("  l: {lifecycle: x, at_risk_after: 200d}", "6:6", "200d is not before lapsed after 180d"),
        ("  f: {funnel: [x]}", "6:15", "does not have 2 to 16 steps"),
        ("  f: {funnel: [x, any]}", "6:15", "has `any` and other names"),
        ("  f: {funnel: [x, y], lapsed_after: 7d}", "6:37", "does not go with funnel"),
        ("  s: {score: n}", "6:6", "thresholds is missing"),
        ("  s: {score: n, thresholds: []}", "6:29", "thresholds has none"),
        ("  s: {score: n, thresholds: [1], timed: false}", "6:41", "does not go with score"),
        ("  c: {coalesce: [a, traits.b], scope: session}", "6:39", "does not go with coalesce"),
        ("  s: {score: a, thresholds: [1]}", "6:14", "`a` is no number"),
        ("  s: {score: b, thresholds: [1]}", "6:14", "no attribute is called `b`"),
        ("  s: {score: n, thresholds: [2, 1]}", "6:33", "1 is not above the one before it"),
        ("  s: {score: n, thresholds: [one]}", "6:30", "`one` is no number"),
        ("  s: {score: n, thresholds: [1], window: 7d}", "6:42", "does not go with score"),
        ("  s: {count: x, thresholds: [1]}", "6:29", "does not go with count"),
        ("  d: {count: x, time_zone: Europe/Berlin}", "6:28", "a time zone without a window"),
        ("  d: {count: x, window: 36h, time_zone: Asia/Tokyo}", "6:25", "no whole number of days"),
        ("  d: {count: x, window: 1d, time_zone: Europe/Berln}", "6:40", "did you mean `Europe/Berlin`?"),
        ("  d: {count: x, window: 1d, bucket: 1h, time_zone: UTC}", "6:37", "a bucket beside a time zone"),
    ];
    let attributes = "attributes:\n  a: {last: x, of: any}\n  n: {count: any}\n";
    check(&rows, &format!("{HEAD}{attributes}"));
    check(&[("lateness: 5d\nretention: 4d", "4:12", "shorter than lateness")], HEAD);
    let rows = [
        ("  p: {count: any, purposes: [add]}", "6:30", "did you mean `ads`?"),
        ("  p: {count: any, purposes: [ads, ads]}", "6:35", "names `ads` twice"),
        ("  p: {coalesce: [a, traits.b], purposes: [add]}", "6:43", "there is no purpose `add`"),
    ];
    check(&rows, &format!("{HEAD}{attributes}"));
}

#[test]
fn how_late_the_events_of_a_source_may_be() {
    let rows = [
        ("lateness_by_source: {phone: 366d}", "3:29", "between 0s and 365d"),
        ("lateness_by_source: {phone: soon}", "3:29", "lateness_by_source.phone is `soon`"),
        ("lateness_by_source: [phone]", "3:21", "must be a mapping"),
        ("lateness_by_source: {phone: 20d}\nretention: 19d", "4:12", "which are up to 20d"),
    ];
    check(&rows, HEAD);
}

#[test]
fn rules_that_do_nothing_or_set_what_is_no_trait() {
    let rows = [
        ("  r: {on: {event: x}}", "4:6", "has none of decide and set"),
        ("  r: {on: {event: x}, set: {}}", "4:28", "it must have 1 to 16"),
        ("  r: {on: {event: x}, set: {Tier: gold}}", "4:29", "`Tier` is no name"),
        ("  r: {on: {event: x}, set: {import: eu}}", "4:29", "is a word of CEL"),
        ("  r: {on: {event: x}, set: {tier: [gold]}}", "4:35", "it must be a single value"),
        ("  r: {on: {event: x}, set: tier}", "4:28", "it must be a mapping"),
    ];
    check(&rows, &format!("{HEAD}rules:\n"));
}

#[test]
fn settings_of_the_process() {
    check(
        &[
            ("kafak: {}", "3:1", "did you mean `kafka`?"),
            ("kafka: {bootstrp: a:1}", "3:9", "`bootstrp` is not known"),
            ("kafka: {bootstrap: nowhere}", "3:20", "not host:port"),
            ("kafka: {bootstrap: 'a:1,b:0'}", "3:20", "names `b:0`"),
            ("kafka: {assignor: stickiest}", "3:19", "must be cooperative-sticky or range"),
            ("kafka: {session_timeout: 5s}", "3:26", "must lie between 6s and 30m"),
            ("kafka: {session_timeout: 50}", "3:26", "a unit of ms, s, m, h, d or w"),
            ("kafka: {transaction_timeout: 2m}", "3:30", "between 1s and 1m"),
            ("kafka: {consumer: {enable.auto.commit: true}}", "3:20", "committed in the transaction"),
            ("kafka: {consumer: {Isolation.Level: read_uncommitted}}", "3:20", "aborted transactions"),
            ("kafka: {consumer: {auto.offset.reset: latest}}", "3:20", "see `start` of a source"),
            ("kafka:\n  producer:\n    transactional.id: x", "5:5", "fences its former self"),
            ("kafka: {producer: {acks: 1}}", "3:20", "every replica in sync"),
            ("kafka: {producer: {partitioner: random}}", "3:20", "murmur2"),
            ("kafka: []", "3:8", "kafka is a list; it must be a mapping"),
            ("registry: {url: 'ftp://a'}", "3:17", "not an address of http"),
            ("registry: {url: 'http://me:pass1@a'}", "3:17", "holds a user or password"),
            ("registry: {user: me}", "3:18", "only one of user and password"),
            ("topics: {commands: clicks}", "3:20", "`clicks` is named twice"),
            ("topics: {commands: a b}", "3:20", "no name for a topic"),
            ("topics: {partitions: 0}", "3:22", "between 1 and 1024"),
            ("topics: {replication: many}", "3:23", "a whole number"),
            ("commit: {age_max: 10s}", "3:19", "below kafka.transaction_timeout"),
            ("commit: {bytes_max: 8}", "3:21", "such as 8MiB"),
            ("threads: 65", "3:10", "between 1 and 64"),
            ("http: {listen: localhost}", "3:16", "not ip:port"),
            ("ids: usr", "3:6", "did you mean `user`?"),
            ("limits: {record_bytes_max: 1GiB}", "3:28", "between 1KiB and 64MiB"),
            ("aliases: {events: {a: [b]}}", "3:23", "must be a single value"),
            ("catalogue: {items: [{content_id: a}, {content_id: a}]}", "3:51", "twice"),
            ("catalogue: {items: [{content_id: a, slots: [hero]}]}", "3:45", "no slot is called `hero`"),
            ("catalogue: {items: [{content_id: a, weights: {x: -1}}]}", "3:50", "between 0 and 1000000"),
            ("catalogue: {items: [{content_id: a, starts_at: today}]}", "3:48", "no instant"),
            ("catalogue: {items: [{}]}", "3:21", "content_id is missing"),
            ("state: {directory: ''}", "3:20", "is empty"),
            ("state: {directory: '${NOWHERE}/x'}", "3:20", "`NOWHERE` is not set"),
            ("state: {directory: '${file:/none}'}", "3:20", "cannot be read"),
            ("state: {directory: '${HOME'}", "3:20", "not closed"),
            ("threads: 1\nthreads: 2", "4:1", "twice; the first stands in line 3"),
            ("threads: &x 1", "3:13", "anchors"),
        ],
        HEAD,
    );
}

#[test]
fn applications_and_sources() {
    check(
        &[
            ("sources: [{topic: a}]", "1:1", "application is missing"),
            ("application: Shop\nsources: [{topic: a}]", "1:14", "a-z, 0-9"),
            ("application: shop", "1:1", "sources is missing"),
            ("application: shop\nsources: []", "2:10", "must have 1 to 64"),
            ("application: shop\nsources: {topic: a}", "2:10", "it must be a list"),
            ("application: shop\nsources:\n  - topic: a\n    fromat: json", "4:5", "did you mean `format`?"),
            ("application: shop\nsources: [{topic: a, keyed: true}, {topic: b}]", "2:29", "the only source"),
            (
                "application: shop\nsources: [{topic: a, keyed: true}]\ncatalogue: {topic: c}",
                "3:20",
                "needs the command log",
            ),
            (
                "application: shop\nsources: [{topic: a, keyed: true}]\ndefinitions: {topic: d}",
                "3:22",
                "needs the command log",
            ),
            (
                "application: shop\nsources: [{topic: a, keyed: true}]\nsite_shares: {topic: s}",
                "3:22",
                "needs the command log",
            ),
            ("- a", "1:1", "the document is a list"),
            ("a: [", "1:4", "not YAML"),
        ],
        "",
    );
}

#[test]
fn attributes() {
    check(
        &[
            ("attributes: {a: {max: items.brand, of: any}}", "3:23", "`items.brand` is not a number"),
            ("attributes: {a: {top: items.price, of: any}}", "3:23", "`items.price` is not a text"),
            ("attributes: {a: {first: items.brnd, of: any}}", "3:25", "did you mean `items.brand`?"),
            ("attributes: {a: {max: depth, of: any, most: 3}}", "3:45", "most does not go with max"),
            ("attributes: {a: {since_last: x, window: 7d}}", "3:41", "window does not go with since_last"),
            ("attributes: {a: {since_last: x, step: 7m, up_to: 1h}}", "3:39", "whole steps of 7m"),
            ("attributes: {a: {count: x, scope: session, window: 7d}}", "3:52", "scope: session"),
            ("attributes: {a: {list: x, of: any, most: 65}}", "3:42", "between 1 and 64"),
        ],
        HEAD,
    );
}

#[test]
fn definitions() {
    check(
        &[
            ("lateness: 366d", "3:11", "between 0s and 365d"),
            ("dedupe: {ids_max: 5000}", "3:19", "between 1 and 4096"),
            ("session: {timed: perhaps}", "3:18", "must be false or true"),
            ("recent_items: {max: 201}", "3:21", "between 0 and 200"),
            ("attributes: {Views: {count: a}}", "3:14", "`Views` is no name"),
            ("attributes: {in: {count: a}}", "3:14", "a word of CEL"),
            ("attributes:\n  a:", "4:3", "has none of count, units, value, sum"),
            ("attributes: {a: {count: x, units: x}}", "3:17", "count and units, of which only one"),
            ("attributes: {a: {sum: x}}", "3:17", "attributes.a.of is missing"),
            ("attributes: {a: {count: [x, x]}}", "3:29", "names `x` twice"),
            ("attributes: {a: {count: [x, any]}}", "3:25", "`any` and other names"),
            ("attributes: {a: {count: x, window: 90m, bucket: 1h}}", "3:49", "no whole number of buckets"),
            ("attributes: {a: {count: x, window: 30d, bucket: 1m}}", "3:49", "43200 buckets"),
            ("attributes: {a: {count: x, bucket: 1h}}", "3:36", "without a window"),
            (
                "attributes: {a: {count: x, where: orders.count > 1}}",
                "3:35",
                "`orders` cannot be looked at here",
            ),
            ("attributes: {a: {count: x, where: 'event.value >'}}", "3:49", "not a CEL expression"),
            (
                "interests: {i: {facet: colour, weights: {x: 1}, enter: 1}}",
                "3:24",
                "category or brand or item",
            ),
            (
                "interests: {i: {facet: brand, weights: {x: 1}, enter: 1, leave: 2}}",
                "3:65",
                "not be above `enter`",
            ),
            ("interests: {i: {facet: brand, weights: {x: one}, enter: 1}}", "3:44", "a number such as"),
            ("interests: {i: {facet: brand, weights: {}, enter: 1}}", "3:40", "has no entries"),
            ("interests: {i: {facet: brand, weights: {x: 1}}}", "3:16", "interests.i.enter is missing"),
            (
                "interests: {i: {facet: brand, weights: {x: 1}, enter: 1, half_life: 90m}}",
                "3:69",
                "whole number of hours",
            ),
            ("segments:\n  s: {enter: attributes.views > 1}", "4:14", "no attribute is called `views`"),
            (
                "segments:\n  s: {enter: \"1 > 0 && tags.brand == []\"}",
                "4:24",
                "no interest is called `brand`",
            ),
            ("segments:\n  s: {enter: atributes.views > 1}", "4:14", "did you mean `attributes`?"),
            ("segments:\n  s: {enter: '''t'' in segments'}\n  t: {enter: 'true'}", "4:14", "evaluated later"),
            ("segments:\n  s: {enter: \"'t' in segments\"}\n  t: {enter: 'true'}", "4:16", "evaluated later"),
            ("segments:\n  s:\n    enter: >-\n     'x' in\n     segments", "6:6", "no segment is called `x`"),
            ("segments: {s: {leave: 'true'}}", "3:15", "segments.s.enter is missing"),
            ("segments: {s: {}}", "3:15", "does not say who is in it"),
            ("segments: {s: {enter: 'true', after: x}}", "3:38", "both enter and after"),
            ("segments: {s: {after: a, without: a, for: 1h}}", "3:35", "also ends the wait"),
            ("segments: {s: {after: a, without: b}}", "3:15", "segments.s.for is missing"),
            ("rules: {r: {on: {event: x}, decide: hero}}", "3:37", "no slot is called `hero`"),
            ("slots: {t: {interest: brnd}}", "3:23", "declare it under interests"),
            (
                "interests: {b: {facet: brand, weights: {x: 1}, enter: 1}}\nslots: {t: {interest: b, rank_by: lifts}}",
                "4:35",
                "must be share or lift",
            ),
            ("slots: {t: {}}", "3:12", "slots.t.interest is missing"),
        ],
        HEAD,
    );
}

#[test]
fn triggers() {
    let head = format!(
        "{HEAD}interests: {{brand: {{facet: brand, weights: {{x: 1}}, enter: 1}}}}\n\
         slots: {{t: {{interest: brand}}}}\n\
         segments: {{vip: {{enter: 'true'}}}}\n"
    );
    check(
        &[
            ("rules: {r: {on: {entered: vpi}, decide: t}}", "6:27", "did you mean `vip`?"),
            ("rules: {r: {on: {tagged: brnad}, decide: t}}", "6:26", "did you mean `brand`?"),
            ("rules: {r: {on: {entered: vip, left: vip}, decide: t}}", "6:17", "entered and left"),
            ("rules: {r: {on: {left: vip}, decide: t, max_fires: {per: 1h}}}", "6:52", "count is missing"),
            (
                "rules: {r: {on: {left: vip}, decide: t, max_fires: {count: 0, per: 1h}}}",
                "6:60",
                "between 1 and 100",
            ),
            ("rules: {r: {on: {}, decide: t}}", "6:17", "has none of entered, left, tagged, event"),
            ("rules: {r: {decide: t}}", "6:12", "rules.r.on is missing"),
            (
                "rules: {r: {on: {event: x}, decide: t, when: \"'brand:nike' in segments\"}}",
                "6:48",
                "in tags.brand",
            ),
            ("rules: {r: {on: {event: x}, decide: t, cooldown: never}}", "6:50", "a whole number and a unit"),
        ],
        &head,
    );
}

#[test]
fn everything_that_is_wrong_is_said_at_once_with_its_line() {
    let errors =
        load("application: shop\nsources: [{topic: clicks}]\nthreads: 0\nkafka:\n  asignor: range\n")
            .unwrap_err();
    let shown = "shop.yaml:3:10: threads is 0; it must lie between 1 and 64\n  3 | threads: 0\n    \
                 |          ^\n  \
                 = threads: how many worker threads, 1 to 64\n\
                 shop.yaml:5:3: kafka.`asignor` is not known\n  5 |   asignor: range\n    |   ^\n  \
                 = did you mean `assignor`?";
    assert_eq!(errors.to_string(), shown);
}
