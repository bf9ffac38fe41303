//! Functions that conditions may call without declaring anything first. Each call stands for an attribute, which is
//! declared here as if somebody had written it, and for a condition on that:
//!
//! | written | stands for |
//! | --- | --- |
//! | `count('product_viewed', '7d')` | `{count: product_viewed, window: 7d}`; without a window, the lifetime |
//! | `count('product_viewed', '7d', {category: 'shoes'})` | the same, of events with an item of that category |
//! | `count('search', {query: 'tents'})` | the same of events with that property |
//! | `since('order_completed')` | `{since_last: order_completed}`, in days; `'1h'` after it, and a limit |
//! | `affinity('category', 'shoes')` | `{affinity: category, to: shoes}`, in whole points |
//! | `in_segment('vip')` | `'vip' in segments` |

mod calls;

use self::calls::{Argument, Literal};
use super::names::NAME_BYTES_MAX;
use super::node::{Entry, Node, Place, Scalar, Value};
use super::problems::Problems;
use crate::domain::expression::SOURCE_BYTES_MAX;

/// The functions, each with how it is called.
const FUNCTIONS: [(&str, &str); 4] = [
    ("affinity", "write affinity('category', 'shoes')"),
    ("count", "write count('product_viewed', '7d'), or count('product_viewed', '7d', {category: 'shoes'})"),
    ("in_segment", "write in_segment('vip')"),
    ("since", "write since('order_completed'), or since('order_completed', '1h', '48h')"),
];
/// The fields of items; any other name is one of a property.
const OF_ITEMS: [&str; 5] = ["item_id", "category", "brand", "price", "quantity"];

/// Puts what they stand for in the place of all calls in the conditions of definitions.
pub(crate) fn expand(root: &mut Node, problems: &mut Problems<'_>) {
    let mut declared = Vec::new();
    let conditions: [(&str, &[&str]); 2] = [("segments", &["enter", "leave"]), ("rules", &["when"])];
    for (section, keys) in conditions {
        let of_section = entries(root).iter_mut().filter(|entry| entry.key == section);
        let definitions = of_section.flat_map(|entry| entries(&mut entry.value));
        let members = definitions.flat_map(|definition| entries(&mut definition.value));
        for condition in members.filter(|member| keys.contains(&member.key.as_str())) {
            let place = condition.value.place.clone();
            if let Value::Scalar(scalar) = &mut condition.value.value {
                expand_condition(scalar, &place, &mut declared, problems);
            }
        }
    }
    if !declared.is_empty() {
        declare(root, declared, problems);
    }
}

/// Declares the attributes, each once.
fn declare(root: &mut Node, declared: Vec<Entry>, problems: &mut Problems<'_>) {
    let Value::Map(sections) = &mut root.value else { return };
    let at = sections.iter().position(|entry| entry.key == "attributes").unwrap_or_else(|| {
        let place = root.place.clone();
        sections.push(Entry {
            key: "attributes".into(),
            place: place.clone(),
            value: Node::empty_map(place),
        });
        sections.len() - 1
    });
    let attributes = sections.get_mut(at).map(|entry| &mut entry.value);
    let Some(attributes) = attributes else { return };
    if matches!(attributes.value, Value::Null) {
        *attributes = Node::empty_map(attributes.place.clone());
    }
    // What is no mapping is reported where attributes are read.
    let Value::Map(attributes) = &mut attributes.value else { return };
    for entry in declared {
        match attributes.iter().find(|other| other.key == entry.key) {
            None => attributes.push(entry),
            Some(other) if is_same(&other.value, &entry.value) => {}
            Some(_) => {
                let message =
                    format!("a call stands for attributes.{}, which is declared otherwise", entry.key);
                problems.error(&entry.place, message, Some("rename what is declared".into()));
            }
        }
    }
}

fn expand_condition(
    scalar: &mut Scalar,
    place: &Place,
    declared: &mut Vec<Entry>,
    problems: &mut Problems<'_>,
) {
    // What is longer is refused as it is.
    if scalar.text.len() > SOURCE_BYTES_MAX {
        return;
    }
    let names = FUNCTIONS.map(|(name, _)| name);
    let calls = calls::find(&scalar.text, &names);
    let (mut expanded, mut from) = (String::new(), 0);
    for call in &calls {
        let before = scalar.text.get(..call.at).unwrap_or_default();
        let here = place.within(scalar, before.chars().count());
        expanded.push_str(before.get(from..).unwrap_or_default());
        match call.arguments.as_deref().and_then(|given| meaning(call.name, given, &here)) {
            Some(Meaning::Attribute(entry)) => {
                expanded.push_str(&format!("attributes.{}", entry.key));
                declared.push(entry);
            }
            Some(Meaning::Segment(named)) => expanded.push_str(&format!("({named} in segments)")),
            None => {
                let how = FUNCTIONS.iter().find(|(name, _)| *name == call.name).map(|(_, how)| (*how).into());
                problems.error(
                    &here,
                    format!("this is no call of {} that can be understood", call.name),
                    how,
                );
                // So that nothing further is said of it.
                expanded.push_str("true");
                from = scalar.text.len();
                break;
            }
        }
        from = call.end;
    }
    if !calls.is_empty() {
        expanded.push_str(scalar.text.get(from..).unwrap_or_default());
        *scalar = Scalar { text: expanded, template: None, text_column: None };
    }
}

/// What a call stands for.
enum Meaning {
    Attribute(Entry),
    Segment(String),
}

fn meaning(name: &str, given: &[Argument<'_>], place: &Place) -> Option<Meaning> {
    let (texts, conditions) = match given {
        [texts @ .., Argument::Map(conditions)] if name == "count" => (texts, conditions.as_slice()),
        texts => (texts, &[][..]),
    };
    let texts = texts.iter().map(Argument::text).collect::<Option<Vec<Literal<'_>>>>()?;
    let keys: &[&str] = match (name, texts.as_slice()) {
        ("in_segment", [segment]) => return Some(Meaning::Segment(segment.shown())),
        ("count", [_] | [_, _]) => &["count", "window"],
        ("since", [_] | [_, _] | [_, _, _]) => &["since_last", "step", "up_to"],
        ("affinity", [_, _]) => &["affinity", "to"],
        _ => return None,
    };
    let members = keys.iter().zip(&texts).map(|(key, text)| member(key, text.plain(), place));
    let mut members: Vec<Entry> = members.collect();
    let mut called = vec![name];
    called.extend(texts.iter().map(|text| text.plain()));
    called.extend(conditions.iter().flat_map(|(name, value)| [*name, value.plain()]));
    if !conditions.is_empty() {
        members.push(member("where", &filter(conditions), place));
    }
    let value = Node { place: place.clone(), value: Value::Map(members) };
    Some(Meaning::Attribute(Entry { key: name_of(&called), place: place.clone(), value }))
}

/// The condition on events that a mapping means.
fn filter(conditions: &[(&str, Literal<'_>)]) -> String {
    let of_items = |condition: &&(&str, Literal<'_>)| OF_ITEMS.contains(&condition.0);
    let (of_items, others): (Vec<_>, Vec<_>) = conditions.iter().partition(of_items);
    let equal = |root: &str, pairs: &[&(&str, Literal<'_>)]| -> Vec<String> {
        pairs.iter().map(|(name, value)| format!("{root}.{name} == {}", value.shown())).collect()
    };
    let mut all = equal("event.properties", &others);
    if !of_items.is_empty() {
        all.push(format!("event.items.exists(item, {})", equal("item", &of_items).join(" && ")));
    }
    all.join(" && ")
}

/// A name that says what is called with what. Where letters of that are lost, as names have few, or it is too long,
/// a hash tells it from others.
fn name_of(called: &[&str]) -> String {
    let is_kept = |next: char| next.is_ascii_lowercase() || next.is_ascii_digit() || next == '_';
    let all = called.join("_");
    if all.chars().all(is_kept) && all.len() <= NAME_BYTES_MAX {
        return all;
    }
    let mut name = String::new();
    for next in all.chars().map(|next| next.to_ascii_lowercase()) {
        let next = if is_kept(next) { next } else { '_' };
        if next != '_' || !name.ends_with('_') {
            name.push(next);
        }
    }
    let kept = name.get(..name.len().min(NAME_BYTES_MAX - 9)).unwrap_or_default().trim_end_matches('_');
    format!("{kept}_{:08x}", xxhash_rust::xxh3::xxh3_64(called.join("|").as_bytes()) as u32)
}

fn member(key: &str, text: &str, place: &Place) -> Entry {
    Entry { key: key.into(), place: place.clone(), value: Node::text(place.clone(), text) }
}

/// The entries of a mapping; none of what is none.
fn entries(node: &mut Node) -> &mut [Entry] {
    match &mut node.value {
        Value::Map(entries) => entries,
        _ => &mut [],
    }
}

/// Whether two trees say the same, wherever they stand.
fn is_same(one: &Node, other: &Node) -> bool {
    match (&one.value, &other.value) {
        (Value::Scalar(one), Value::Scalar(other)) => one.text == other.text,
        (Value::Map(one), Value::Map(other)) => {
            let has = |entry: &Entry| {
                other.iter().any(|twin| twin.key == entry.key && is_same(&entry.value, &twin.value))
            };
            one.len() == other.len() && one.iter().all(has)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
