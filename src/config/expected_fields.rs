//! Reads which fields a source's events are expected to have.

use super::attributes;
use super::node::Value;
use super::problems::Problems;
use super::section::{Section, entries, text_of};
use crate::codec::wire::Aliases;
use crate::domain::quality::ExpectedField;

/// The most fields that are expected of the events of a source: each is a label on two metrics.
const FIELDS_MAX: usize = 64;

const SOME: &str = "write fields by event, as {product_viewed: [items.price]}, or leave it out";

/// The fields, in their order.
pub(crate) fn read(
    source: &mut Section<'_>,
    keyed: bool,
    aliases: &Aliases,
    problems: &mut Problems<'_>,
) -> Vec<ExpectedField> {
    let (path, place) = (source.path_of("expected"), source.place_of("expected"));
    let mut expected = Vec::new();
    let Some(node) = source.find("expected") else { return expected };
    if keyed {
        let message =
            format!("{path}: the records of a keyed source are not looked at before they are applied");
        problems.error(&place, message, Some("set keyed: false, or leave it out".into()));
    }
    let Some(events) = entries(node, &path, problems) else { return expected };
    if events.is_empty() {
        problems.error(&place, format!("{path} names no event"), Some(SOME.into()));
    }
    for entry in events {
        let path = format!("{path}.{}", entry.key);
        let canonical = aliases.canonical_event(&entry.key);
        if canonical == "any" {
            let hint = Some("name each event whose fields are expected".into());
            problems.error(&entry.place, format!("{path} names one kind of event, not all"), hint);
        } else if canonical != *entry.key {
            let hint = Some(format!("call it `{canonical}`"));
            problems.error(&entry.place, format!("{path}: no event is ever called that"), hint);
        }
        let named = match &entry.value.value {
            Value::List(nodes) => nodes.as_slice(),
            _ => std::slice::from_ref(&entry.value),
        };
        if named.is_empty() {
            problems.error(&entry.value.place, format!("{path} names no field"), Some(SOME.into()));
        }
        for node in named {
            let Some(name) = text_of(node, &path, problems) else { continue };
            let Some(field) = attributes::known_field(&name, &path, problems) else { continue };
            let field = ExpectedField { event: entry.key.as_str().into(), field };
            if expected.contains(&field) {
                let hint = Some("keep one of them".into());
                problems.error(&name.place, format!("{path} names `{}` twice", name.text), hint);
            }
            expected.push(field);
        }
    }
    if expected.len() > FIELDS_MAX {
        let message = format!("{path} names {} fields; at most {FIELDS_MAX} are allowed", expected.len());
        problems.error(&place, message, None);
    }
    expected
}
