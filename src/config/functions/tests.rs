//! What calls in conditions stand for.

use super::*;
use crate::config::definitions::parse_definitions;
use crate::config::document;
use crate::config::node::Source;

/// The document after all calls were replaced, as `key: text` in its order, and what was reported.
fn expanded(text: &str) -> (Vec<String>, String) {
    let mut problems = Problems::new(text, "f");
    let mut root = document::parse(text, &Source::File, &mut problems).unwrap();
    expand(&mut root, &mut problems);
    let mut lines = Vec::new();
    write("", &root, &mut lines);
    (lines, problems.finish().err().map(|errors| errors.to_string()).unwrap_or_default())
}

fn write(path: &str, node: &Node, lines: &mut Vec<String>) {
    match &node.value {
        Value::Map(entries) => {
            entries.iter().for_each(|entry| write(&format!("{path}.{}", entry.key), &entry.value, lines));
        }
        Value::Scalar(scalar) => lines.push(format!("{path}: {}", scalar.text)),
        Value::Null | Value::List(_) => {}
    }
}

#[test]
fn a_call_stands_for_an_attribute() {
    let (lines, problems) = expanded(
        "segments:\n  s: {enter: \"count('product_viewed', '7d') >= 3 && !in_segment('vip')\"}\n\
         rules:\n  r: {when: \"since('order_completed') > 7 || affinity('category', 'shoes') >= 2\"}\n",
    );
    let expected = [
        ".segments.s.enter: attributes.count_product_viewed_7d >= 3 && !('vip' in segments)",
        ".rules.r.when: attributes.since_order_completed > 7 || attributes.affinity_category_shoes >= 2",
        ".attributes.count_product_viewed_7d.count: product_viewed",
        ".attributes.count_product_viewed_7d.window: 7d",
        ".attributes.since_order_completed.since_last: order_completed",
        ".attributes.affinity_category_shoes.affinity: category",
        ".attributes.affinity_category_shoes.to: shoes",
    ];
    assert_eq!((lines, problems.as_str()), (expected.map(str::to_owned).to_vec(), ""));
}

#[test]
fn a_mapping_is_a_condition_on_the_event() {
    let enter = |call: &str| expanded(&format!("segments:\n  s:\n    enter: >-\n      {call} > 0\n")).0;
    let call = "count('search', {query: \"women's\", category: \"shoes\", price: 2.5, 'page': -1})";
    let condition = "event.properties.query == \"women's\" && event.properties.page == -1 && \
                     event.items.exists(item, item.category == 'shoes' && item.price == 2.5)";
    let lines = enter(call);
    let name = lines[0].trim_start_matches(".segments.s.enter: attributes.").trim_end_matches(" > 0");
    assert!(name.starts_with("count_search_query_women_s_category_shoes_price_2_5"), "{name}");
    let expected =
        [format!(".attributes.{name}.count: search"), format!(".attributes.{name}.where: {condition}")];
    assert_eq!(lines[1..], expected);
    let quotes = ["count('a', {b: 'c'})", "count( \"a\" ,{ 'b' : \"c\" } )"];
    assert_eq!(enter(quotes[0]), enter(quotes[1]), "which quotes stand around a text means nothing");
}

#[test]
fn what_is_declared_already_stays_and_what_differs_is_reported() {
    let with = |declared: &str| {
        expanded(&format!(
            "attributes: {declared}\n\
             segments:\n  s: {{enter: \"count('a', '7d') > 1 || count('a','7d') > 2\"}}\n"
        ))
    };
    for declared in ["", "{}", "{count_a_7d: {window: 7d, count: a}}"] {
        let (lines, problems) = with(declared);
        assert_eq!(lines.iter().filter(|line| line.starts_with(".attributes")).count(), 2, "{declared}");
        assert_eq!(problems, "");
    }
    let (_, problems) = with("{count_a_7d: {window: 8d, count: a}}");
    assert!(problems.contains("f:3:15") && problems.contains("declared otherwise"), "{problems}");
}

#[test]
fn what_is_no_call_stays() {
    for condition in [
        "'count(1)' == traits.a",
        "session.count > 1",
        "traits.count (1)",
        "traits . count('a')",
        "recount('a')",
        "r'\\' + 'count(1)' == traits.a",
        "'''it's count('a')''' == traits.a",
        "true // count('a') isn't asked for",
    ] {
        let (lines, problems) = expanded(&format!("segments:\n  s:\n    enter: |-\n      {condition}\n"));
        assert_eq!((lines, problems.as_str()), (vec![format!(".segments.s.enter: {condition}")], ""));
    }
    let (lines, _) = expanded("segments:\n  s:\n    enter: |-\n      // it's one\n      count('a') > 3\n");
    assert_eq!(lines[0], ".segments.s.enter: // it's one\nattributes.count_a > 3");
}

#[test]
fn what_is_no_right_call_is_reported_once() {
    for call in [
        "count()",
        "count(1)",
        "count('a', '7d', 'x')",
        "count(r'a')",
        "count('a\\'b')",
        "since('a'",
        "affinity('a')",
        "affinity('a', {b:1})",
        "in_segment(x, y)",
    ] {
        let text = format!("segments:\n  s:\n    enter: true && {call}\n");
        let problems = parse_definitions(&text, "f").unwrap_err().to_string();
        assert!(problems.contains("f:3:20: this is no call of"), "{call}: {problems}");
        assert_eq!(problems.matches("f:3:").count(), 1, "{call}: {problems}");
    }
}

#[test]
fn where_a_name_loses_letters_a_hash_tells_it_from_others() {
    let values = ["shoes", "Shoes", "обувь", "сумки", "a/b", "a-b"];
    let names = values.map(|to| name_of(&["affinity", "category", to]));
    assert_eq!(names[0], "affinity_category_shoes");
    assert_eq!(std::collections::BTreeSet::from(names).len(), 6);
    let long = |last: &str| name_of(&["count", &"a".repeat(80), last]);
    assert_eq!(long("7d").len(), NAME_BYTES_MAX);
    assert_ne!(long("7d"), long("8d"));
}
