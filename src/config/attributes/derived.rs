//! Reads attributes that are made of others: the best of several values, as what a person has declared before
//! what was bought, and that before what was looked at; and the mark of a number on a scale.

use compact_str::CompactString;

use crate::config::problems::Problems;
use crate::config::section::{Section, Text, read_number};
use crate::config::suggestion;
use crate::domain::rulebook::{Aggregation, AttributeRule, Part, Scale};

/// The kinds of attributes that are made of others.
pub(super) const KINDS: [&str; 2] = ["coalesce", "score"];
/// How many values there are to choose from.
const PARTS: std::ops::RangeInclusive<usize> = 2..=8;
/// The most thresholds of a scale.
const THRESHOLDS_MAX: usize = 16;
const SOME: &str = "say from which numbers on there is another mark, as [1, 3, 10]";
/// What only attributes that are made of events can have.
const OF_EVENTS: [&str; 10] = [
    "of",
    "most",
    "step",
    "up_to",
    "at_risk_after",
    "lapsed_after",
    "where",
    "window",
    "bucket",
    "time_zone",
];

/// Reads the attribute without its parts, and the names of these.
pub(super) fn read(
    name: &str,
    kind: &str,
    section: &mut Section<'_>,
    problems: &mut Problems<'_>,
) -> (AttributeRule, Vec<Text>) {
    let path = format!("attributes.{name}");
    for key in OF_EVENTS {
        if section.has(key) {
            let message = format!("{path}.{key} does not go with {kind}");
            problems.error(&section.place_of(key), message, Some("set it at the parts".into()));
        }
    }
    let timed = section.truth("timed", problems);
    let of_session = section.choice("scope", &[("profile", false), ("session", true)], problems);
    let mut refuse = |key: &str| {
        let message = format!("{path}.{key} does not go with {kind}, which changes when its parts do");
        problems.error(&section.place_of(key), message, Some("set it at the parts".into()));
    };
    if !timed {
        refuse("timed");
    }
    if of_session {
        refuse("scope");
    }
    let (aggregation, named) = if kind == "score" {
        let named = section.text("score", problems).into_iter().collect();
        (Aggregation::Score(scale(&path, section, problems)), named)
    } else {
        super::refuse_scale(section, &path, kind, problems);
        (Aggregation::Coalesce, choices(&path, section, problems))
    };
    (AttributeRule::new(name, Vec::new(), aggregation, None), named)
}

fn choices(path: &str, section: &mut Section<'_>, problems: &mut Problems<'_>) -> Vec<Text> {
    let named = section.texts("coalesce", *PARTS.end(), problems);
    if named.len() < *PARTS.start() {
        let message = format!("{path}.coalesce has nothing to choose from");
        problems.error(&section.place_of("coalesce"), message, Some("name at least two values".into()));
    }
    named
}

fn scale(path: &str, section: &mut Section<'_>, problems: &mut Problems<'_>) -> Scale {
    section.put_default("best", "highest");
    let lowest_is_best = section.choice("best", &[("highest", false), ("lowest", true)], problems);
    let mut thresholds: Vec<f64> = Vec::new();
    let named = section.texts("thresholds", THRESHOLDS_MAX, problems);
    if section.has("thresholds") && named.is_empty() {
        let message = format!("{path}.thresholds has none");
        problems.error(&section.place_of("thresholds"), message, Some(SOME.into()));
    }
    for text in named {
        match read_number(&text.text) {
            Ok(number) if thresholds.last().is_none_or(|last| *last < number) => thresholds.push(number),
            Ok(_) => {
                let message = format!("{path}.thresholds: {} is not above the one before it", text.text);
                problems.error(&text.place, message, Some("let them ascend".into()));
            }
            Err(hint) => {
                let message = format!("{path}.thresholds: `{}` is no number", text.text);
                problems.error(&text.place, message, Some(hint));
            }
        }
    }
    if !section.has("thresholds") {
        problems.error(section.place(), format!("{path}.thresholds is missing"), Some(SOME.into()));
    }
    Scale { thresholds, lowest_is_best }
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
    let of = rules.iter().find(|rule| *rule.name == *name)?;
    let scores = of.aggregation != Aggregation::Coalesce;
    let path = format!("attributes.{name}.{}", if scores { "score" } else { "coalesce" });
    if let Some(name) = part.text.strip_prefix("traits.").filter(|_| !scores) {
        return Some(Part::Trait(name.into()));
    }
    let Some(rule) = rules.iter().find(|rule| rule.name == part.text) else {
        let hint = suggestion::hint(&part.text, rules.iter().map(|rule| &*rule.name));
        problems.error(&part.place, format!("{path}: no attribute is called `{}`", part.text), hint);
        return None;
    };
    let (message, hint) = if rule.is_derived() {
        ("is made of others itself", "name what it is made of here")
    } else if scores && !rule.aggregation.is_number() {
        ("is no number", "name an attribute that is a number")
    } else if !scores && !rule.can_be_missing() {
        ("always says something", "name values that may be missing")
    } else {
        return Some(Part::Attribute(Box::new(rule.clone())));
    };
    problems.error(&part.place, format!("{path}: `{}` {message}", part.text), Some(hint.into()));
    None
}
