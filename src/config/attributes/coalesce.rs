//! Reads attributes that choose the best of several values: what a person has declared before what was
//! bought, and that before what was looked at.

use compact_str::CompactString;

use crate::config::problems::Problems;
use crate::config::section::{Section, Text};
use crate::config::suggestion;
use crate::domain::rulebook::{Aggregation, AttributeRule, Part};

/// How many values there are to choose from.
const PARTS: std::ops::RangeInclusive<usize> = 2..=8;

/// Reads the attribute without its parts, and the names of these.
pub(super) fn read(
    name: &str,
    section: &mut Section<'_>,
    problems: &mut Problems<'_>,
) -> (AttributeRule, Vec<Text>) {
    let path = format!("attributes.{name}");
    for key in ["of", "most", "step", "up_to", "where", "window", "bucket"] {
        if section.has(key) {
            let message = format!("{path}.{key} does not go with coalesce");
            problems.error(&section.place_of(key), message, Some("set it at the parts".into()));
        }
    }
    let named = section.texts("coalesce", *PARTS.end(), problems);
    if named.len() < *PARTS.start() {
        let message = format!("{path}.coalesce has nothing to choose from");
        problems.error(&section.place_of("coalesce"), message, Some("name at least two values".into()));
    }
    (AttributeRule::new(name, Vec::new(), Aggregation::Coalesce, None), named)
}

/// Gives each of the attributes its parts.
pub(super) fn resolve(
    rules: &mut [AttributeRule],
    parts: Vec<(CompactString, Vec<Text>)>,
    problems: &mut Problems<'_>,
) {
    for (name, named) in parts {
        let found = named.iter().filter_map(|part| resolved(rules, &name, part, problems)).collect();
        if let Some(rule) = rules.iter_mut().find(|rule| rule.name == name) {
            rule.parts = found;
        }
    }
}

fn resolved(rules: &[AttributeRule], name: &str, part: &Text, problems: &mut Problems<'_>) -> Option<Part> {
    if let Some(name) = part.text.strip_prefix("traits.") {
        return Some(Part::Trait(name.into()));
    }
    let path = format!("attributes.{name}.coalesce");
    let Some(rule) = rules.iter().find(|rule| rule.name == part.text) else {
        let hint = suggestion::hint(&part.text, rules.iter().map(|rule| &*rule.name));
        problems.error(&part.place, format!("{path}: no attribute is called `{}`", part.text), hint);
        return None;
    };
    let (message, hint) = match rule.aggregation {
        Aggregation::Coalesce => ("chooses itself", "name its parts here"),
        _ if !rule.aggregation.can_be_missing() => {
            ("always says something", "name values that may be missing")
        }
        _ => return Some(Part::Attribute(Box::new(rule.clone()))),
    };
    problems.error(&part.place, format!("{path}: `{}` {message}", part.text), Some(hint.into()));
    None
}
