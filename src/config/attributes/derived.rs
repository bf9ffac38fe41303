//! Reads attributes that are made of what is known already: the affinity to a value; the best of several values, as
//! what a person has declared before what was bought, and that before what was looked at; and the mark of a number
//! on a scale.

use compact_str::CompactString;

use crate::config::problems::Problems;
use crate::config::section::{Section, Text, read_number};
use crate::config::suggestion;
use crate::domain::rulebook::{
    AffinityPart, Aggregation, AttributeRule, InterestRule, OrdersPart, Part, Scale,
};

/// The kinds of attributes that are made of others.
pub(super) const KINDS: [&str; 3] = ["affinity", "coalesce", "score"];
/// How many values there are to choose from.
const PARTS: std::ops::RangeInclusive<usize> = 2..=8;
/// The most thresholds of a scale.
const THRESHOLDS_MAX: usize = 16;
const SOME: &str = "say from which numbers on there is another mark, as [1, 3, 10]";
/// What only attributes that are made of events can have.
const OF_EVENTS: [&str; 12] = [
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
    "stale_after",
    "expires_after",
];

/// Reads the attribute without its parts, and the names of these.
pub(super) fn read(
    name: &str,
    kind: &str,
    section: &mut Section<'_>,
    interests: &[InterestRule],
    problems: &mut Problems<'_>,
) -> (AttributeRule, Vec<Text>) {
    let path = format!("attributes.{name}");
    let elsewhere = if kind == "affinity" { "set it at the interest" } else { "set it at the parts" };
    for key in OF_EVENTS {
        if section.has(key) {
            let message = format!("{path}.{key} does not go with {kind}");
            problems.error(&section.place_of(key), message, Some(elsewhere.into()));
        }
    }
    let timed = section.truth("timed", problems);
    let of_session = section.choice("scope", &[("profile", false), ("session", true)], problems);
    let mut refuse = |key: &str| {
        let message = format!("{path}.{key} does not go with {kind}, which changes when its parts do");
        problems.error(&section.place_of(key), message, Some(elsewhere.into()));
    };
    if !timed {
        refuse("timed");
    }
    if of_session {
        refuse("scope");
    }
    if kind != "affinity" && section.has("to") {
        let message = format!("{path}.to does not go with {kind}");
        problems.error(&section.place_of("to"), message, Some("leave it out; it belongs to affinity".into()));
    }
    if kind == "score" {
        let named = section.text("score", problems).into_iter().collect();
        let scale = Aggregation::Score(scale(&path, section, problems));
        return (AttributeRule::new(name, Vec::new(), scale, None), named);
    }
    super::refuse_scale(section, &path, kind, problems);
    if kind == "coalesce" {
        let named = choices(&path, section, problems);
        return (AttributeRule::new(name, Vec::new(), Aggregation::Coalesce, None), named);
    }
    let parts = affinity(&path, section, interests, problems).into_iter().collect();
    let rule = AttributeRule::new(name, Vec::new(), Aggregation::Affinity, None);
    (AttributeRule { parts, ..rule }, Vec::new())
}

fn affinity(
    path: &str,
    section: &mut Section<'_>,
    interests: &[InterestRule],
    problems: &mut Problems<'_>,
) -> Option<Part> {
    let named = section.text("affinity", problems)?;
    let Some(value) = section.text("to", problems) else {
        let hint = Some("name the value, such as shoes".into());
        problems.error(section.place(), format!("{path}.to is missing"), hint);
        return None;
    };
    let Some(rule) = interests.iter().find(|rule| rule.name == named.text) else {
        let hint = suggestion::hint(&named.text, interests.iter().map(|rule| &*rule.name));
        let message = format!("{path}.affinity: no interest is called `{}`", named.text);
        problems.error(&named.place, message, hint);
        return None;
    };
    let (id, interest, decay, timed) = (rule.id, rule.name.clone(), rule.decay.clone(), rule.timed);
    Some(Part::Affinity(AffinityPart { id, interest, value: value.text, decay, timed }))
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
        if named.is_empty() {
            continue;
        }
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
    if let Some(part) = part.text.strip_prefix("orders.").filter(|_| scores).and_then(orders_part) {
        return Some(Part::Orders(part));
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

fn orders_part(name: &str) -> Option<OrdersPart> {
    match name {
        "count" => Some(OrdersPart::Count),
        "units" => Some(OrdersPart::Units),
        _ => {
            let currency = name.strip_prefix("revenue.")?;
            let is_code = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase());
            is_code.then(|| OrdersPart::Revenue(currency.into()))
        }
    }
}
