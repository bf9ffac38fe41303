//! Reads `catalogue`: the topic of content, and content that is declared in the file.

use std::collections::HashSet;

use compact_str::CompactString;

use super::node::{Node, Place, Value};
use super::problems::Problems;
use super::section::{self, Section, Text};
use super::{keys, suggestion};
use crate::domain::catalogue::Content;
use crate::domain::rulebook::RuleBook;
use crate::domain::time::Timestamp;

/// The most content that is declared in the file.
const ITEMS_MAX: usize = 10_000;
/// The most values that a piece of content is about.
const WEIGHTS_MAX: usize = 64;
/// The longest id, in bytes.
const ID_BYTES_MAX: usize = 200;
/// The largest weight: sums and products of weights and scores stay far from the end of the numbers.
const WEIGHT_MAX: f64 = 1e6;

/// The topic of content with its place, and the declared content.
pub(crate) fn read(
    process: &mut Section<'_>,
    rules: &RuleBook,
    problems: &mut Problems<'_>,
) -> Option<(Option<Text>, Vec<Content>)> {
    let mut catalogue = process.section("catalogue", keys::CATALOGUE, problems)?;
    let topic = catalogue.text("topic", problems);
    let Some(node) = catalogue.find("items") else { return Some((topic, Vec::new())) };
    let (place, kind) = (node.place.clone(), node.kind());
    let Value::List(nodes) = &mut node.value else {
        let hint = Some("begin each piece with `- content_id: ID`".into());
        problems.error(&place, format!("catalogue.items is {kind}; it must be a list"), hint);
        return None;
    };
    if nodes.len() > ITEMS_MAX {
        let message = format!("catalogue.items has {} entries; at most {ITEMS_MAX} are allowed", nodes.len());
        problems.error(&place, message, Some("put content on the catalogue topic".into()));
    }
    let mut seen = HashSet::new();
    let mut contents = Vec::new();
    for (number, node) in nodes.iter_mut().enumerate() {
        contents.extend(content(node, number, rules, &mut seen, problems));
    }
    Some((topic, contents))
}

fn content(
    node: &mut Node,
    number: usize,
    rules: &RuleBook,
    seen: &mut HashSet<CompactString>,
    problems: &mut Problems<'_>,
) -> Option<Content> {
    let mut section = Section::open(node, &format!("catalogue.items.{number}"), keys::CONTENT, problems)?;
    let id = section.text("content_id", problems);
    if let Some(id) = &id {
        if id.text.len() > ID_BYTES_MAX {
            let message =
                format!("content_id has {} bytes; at most {ID_BYTES_MAX} are allowed", id.text.len());
            problems.error(&id.place, message, None);
        }
        if !seen.insert(id.text.clone()) {
            problems.error(&id.place, format!("the content `{}` is here twice", id.text), None);
        }
    }
    let slots = section.texts("slots", 256, problems);
    for slot in slots.iter().filter(|slot| rules.slot(&slot.text).is_none()) {
        let known = rules.slots.iter().map(|rule| &*rule.name);
        problems.error(
            &slot.place,
            format!("no slot is called `{}`", slot.text),
            suggestion::hint(&slot.text, known),
        );
    }
    let starts_at = instant(&mut section, "starts_at", problems);
    let ends_at = instant(&mut section, "ends_at", problems);
    if starts_at.zip(ends_at).is_some_and(|(starts, ends)| ends <= starts) {
        problems.error(&section.place_of("ends_at"), "ends_at is not after starts_at", None);
    }
    let base_weight = section.number("base_weight", 0.0..=WEIGHT_MAX, problems);
    let item_id = section.text("item_id", problems).map(|text| text.text);
    let weights = weights(&mut section, "weights", WEIGHTS_MAX, 0.0, problems);
    let slots = slots.into_iter().map(|slot| slot.text).collect();
    Some(Content { content_id: id?.text, slots, weights, base_weight, item_id, starts_at, ends_at })
}

/// A mapping of names to numbers between `least` and a million, in its order.
pub(crate) fn weights(
    section: &mut Section<'_>,
    key: &str,
    count_max: usize,
    least: f64,
    problems: &mut Problems<'_>,
) -> Vec<(CompactString, f64)> {
    let path = section.path_of(key);
    let Some(node) = section.find(key) else { return Vec::new() };
    let place = node.place.clone();
    let Some(entries) = section::entries(node, &path, problems) else { return Vec::new() };
    if entries.len() > count_max {
        let message = format!("{path} has {} entries; at most {count_max} are allowed", entries.len());
        problems.error(&place, message, None);
    }
    let mut weights = Vec::new();
    for entry in entries {
        let path = format!("{path}.{}", entry.key);
        let Some(text) = section::text_of(&entry.value, &path, problems) else { continue };
        if entry.key.trim().is_empty() {
            problems.error(&entry.place, format!("{path} has no name"), None);
        }
        match section::read_number(&text.text) {
            Ok(weight) if (least..=WEIGHT_MAX).contains(&weight) => {
                // Minus zero is zero: its bits sort above every other weight.
                weights.push((entry.key.as_str().into(), weight + 0.0));
            }
            Ok(_) => {
                let message =
                    format!("{path} is {}; it must lie between {least} and {WEIGHT_MAX}", text.text);
                problems.error(&text.place, message, None);
            }
            Err(expected) => {
                problems.error(&text.place, format!("{path} is `{}`: {expected}", text.text), None)
            }
        }
    }
    weights
}

fn instant(section: &mut Section<'_>, key: &str, problems: &mut Problems<'_>) -> Option<Timestamp> {
    let text = section.text(key, problems)?;
    let instant = text.text.parse::<jiff::Timestamp>().ok();
    let timestamp = instant.map(|instant| Timestamp::from_ms(instant.as_millisecond()));
    let timestamp = timestamp.filter(|timestamp| timestamp.is_plausible());
    if timestamp.is_none() {
        let message =
            format!("{} is `{}`, which is no instant from 1970 to 2199", section.path_of(key), text.text);
        problems.error(&text.place, message, Some("write it as 2026-01-31T00:00:00Z".into()));
    }
    timestamp
}

/// Where the topic of content stands, if there is one.
pub(crate) fn place(topic: &Option<Text>) -> Option<(CompactString, Place)> {
    topic.as_ref().map(|topic| (topic.text.clone(), topic.place.clone()))
}
