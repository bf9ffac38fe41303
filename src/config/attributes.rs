//! Reads `attributes`: what is counted, over which window.

mod derived;
mod purposes;
mod window;

use std::ops::RangeInclusive;

use compact_str::CompactString;

use super::condition::{self, Sight};
use super::definitions::{self, each, one_of};
use super::keys;
use super::names::Names;
use super::problems::Problems;
use super::quantity::Quantity;
use super::section::{Section, Text};
use super::suggestion;
use crate::domain::freshness::Freshness;
use crate::domain::funnel::Funnel;
use crate::domain::lifecycle::Lifecycle;
use crate::domain::rulebook::{Aggregation, AttributeRule, Elapsed, Facet, Field, InterestRule, NameId};
use crate::domain::time::DAY_MS;

const MINUTE_MS: i64 = 60_000;
/// The most buckets of a window.
const BUCKETS_MAX: i64 = 2_400;
/// The longest window, in milliseconds.
const WINDOW_MS_MAX: i64 = 2_400 * DAY_MS;

/// From which ages on something may be stale, in milliseconds.
pub(crate) const AGE_MS: RangeInclusive<i64> = MINUTE_MS..=WINDOW_MS_MAX;

/// How many steps a funnel has.
const FUNNEL_STEPS: RangeInclusive<usize> = 2..=16;

/// What an attribute may be; exactly one of them is given.
const KINDS: [&str; 21] = [
    "count",
    "units",
    "value",
    "sum",
    "mean",
    "min",
    "max",
    "first",
    "last",
    "list",
    "distinct",
    "most_frequent",
    "top",
    "since_first",
    "since_last",
    "gaps",
    "lifecycle",
    "funnel",
    "affinity",
    "coalesce",
    "score",
];
/// Those that are about a field, of the events that `of` names.
const OF_FIELD: [&str; 11] =
    ["sum", "mean", "min", "max", "first", "last", "list", "distinct", "most_frequent", "top", "gaps"];
/// Those that tell how long ago something was.
const SINCE: [&str; 2] = ["since_first", "since_last"];
/// The fields that are no properties.
const FIELDS: [(&str, Kind, Field); 9] = [
    ("items.item_id", Kind::Text, Field::Item(Facet::Item)),
    ("items.category", Kind::Text, Field::Item(Facet::Category)),
    ("items.brand", Kind::Text, Field::Item(Facet::Brand)),
    ("items.price", Kind::Number, Field::Price),
    ("items.quantity", Kind::Number, Field::Quantity),
    ("event.value", Kind::Number, Field::Worth),
    ("event.page", Kind::Text, Field::Page),
    ("event.name", Kind::Text, Field::EventName),
    ("event.source", Kind::Text, Field::SourceTopic),
];

/// Reads all attributes, in their order.
pub(crate) fn read(
    definitions: &mut Section<'_>,
    names: &Names,
    interests: &[InterestRule],
    problems: &mut Problems<'_>,
) -> Vec<AttributeRule> {
    let mut parts = Vec::new();
    let mut rules =
        each(definitions, "attributes", keys::ATTRIBUTE, problems, |_, name, mut section, problems| {
            let section = &mut section;
            let kind = one_of(section, &format!("attributes.{name}"), &KINDS, problems)?;
            let purposes = purposes::read(section, problems);
            if derived::KINDS.contains(&kind) {
                let (rule, named) = derived::read(name, kind, section, interests, problems);
                parts.push((rule.name.clone(), named));
                return Some(AttributeRule { purposes, ..rule });
            }
            attribute(name, kind, section, names, problems).map(|rule| AttributeRule { purposes, ..rule })
        });
    derived::resolve(&mut rules, parts, problems);
    rules
}

fn attribute(
    name: &str,
    kind: &str,
    section: &mut Section<'_>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<AttributeRule> {
    let path = format!("attributes.{name}");
    let filter = condition::compile(section, "where", names, Sight::Event, problems);
    let of_session = section.choice("scope", &[("profile", false), ("session", true)], problems);
    let timed = section.truth("timed", problems);
    let window = window::read(section, timed, problems);
    refuse_what_does_not_belong(section, &path, kind, of_session, problems);
    let aggregation = aggregation(section, &path, kind, timed, problems)?;
    let key = if OF_FIELD.contains(&kind) { "of" } else { kind };
    let events = events(section, &path, key, problems);
    let freshness = freshness(name, &format!("{kind}|{}", events.join(",")), section, timed, problems);
    Some(AttributeRule {
        filter,
        of_session,
        freshness,
        ..AttributeRule::new(name, events, aggregation, window)
    })
}

/// From which ages on it is believed less; none where it is believed for ever. When the latest of its events was is
/// not known any more once other events count.
fn freshness(
    name: &str,
    counts: &str,
    section: &mut Section<'_>,
    timed: bool,
    problems: &mut Problems<'_>,
) -> Option<Freshness> {
    let mut age_ms = |key| {
        let given = section.has(key);
        given.then(|| section.duration_ms(key, AGE_MS, problems))
    };
    let [stale_ms, expires_ms] = [age_ms("stale_after"), age_ms("expires_after")];
    stale_ms.or(expires_ms)?;
    if stale_ms.zip(expires_ms).is_some_and(|(stale, expires)| stale >= expires) {
        let message = format!("attributes.{name} is expired before it is stale");
        let hint = Some("set expires_after above stale_after".into());
        problems.error(&section.place_of("expires_after"), message, hint);
    }
    Some(Freshness { id: NameId::of(&format!("{name}|latest|{counts}")), stale_ms, expires_ms, timed })
}

/// The names of the events that count; none for all.
fn events(
    section: &mut Section<'_>,
    path: &str,
    key: &str,
    problems: &mut Problems<'_>,
) -> Vec<CompactString> {
    let mut events = definitions::events(section, key, problems);
    if events.is_empty() && section.has(key) && key != "funnel" {
        let hint = Some("name at least one, or `any` for all".into());
        problems.error(&section.place_of(key), format!("{path}.{key} names no event"), hint);
    }
    if events.iter().any(|event| &**event == "any") {
        if events.len() > 1 {
            let hint = Some("leave the other names out, or leave `any` out".into());
            problems.error(&section.place_of(key), format!("{path}.{key} has `any` and other names"), hint);
        }
        events.clear();
    }
    events
}

fn refuse_what_does_not_belong(
    section: &Section<'_>,
    path: &str,
    kind: &str,
    of_session: bool,
    problems: &mut Problems<'_>,
) {
    let of_field = OF_FIELD.contains(&kind);
    if of_field && !section.has("of") {
        let hint = "name the events whose field it is about, or any".into();
        problems.error(section.place(), format!("{path}.of is missing"), Some(hint));
    }
    let since = SINCE.contains(&kind);
    let own_time = since || kind == "lifecycle";
    let misplaced: [(&str, bool, &str); 14] = [
        ("to", true, "leave it out; it belongs to affinity"),
        ("of", !of_field, "leave it out; the events are named there"),
        ("most", !matches!(kind, "list" | "top"), "leave it out; it belongs to list and top"),
        ("step", !since, "leave it out; it belongs to since_first and since_last"),
        ("up_to", !since, "leave it out; it belongs to since_first and since_last"),
        ("at_risk_after", kind != "lifecycle", "leave it out; it belongs to lifecycle"),
        ("lapsed_after", kind != "lifecycle", "leave it out; it belongs to lifecycle"),
        ("window", own_time, "leave it out; how long ago an event was is told without"),
        ("window", of_session, "leave it out; a session is its own window"),
        ("window", kind == "gaps", "leave it out; a sequence is counted from its beginning"),
        ("stale_after", own_time, "leave it out; it says itself how long ago its events were"),
        ("expires_after", own_time, "leave it out; it says itself how long ago its events were"),
        ("stale_after", of_session, "leave it out; what is of a session ends with it"),
        ("expires_after", of_session, "leave it out; what is of a session ends with it"),
    ];
    for (key, _, hint) in misplaced.iter().filter(|(key, wrong, _)| *wrong && section.has(key)) {
        let message = format!(
            "{path}.{key} does not go with {}",
            if of_session && hint.contains("session") { "scope: session" } else { kind }
        );
        problems.error(&section.place_of(key), message, Some((*hint).into()));
    }
    refuse_scale(section, path, kind, problems);
}

fn refuse_scale(section: &Section<'_>, path: &str, kind: &str, problems: &mut Problems<'_>) {
    for key in ["thresholds", "best"].into_iter().filter(|key| section.has(key)) {
        let message = format!("{path}.{key} does not go with {kind}");
        problems.error(&section.place_of(key), message, Some("leave it out; it belongs to score".into()));
    }
}

fn aggregation(
    section: &mut Section<'_>,
    path: &str,
    kind: &str,
    timed: bool,
    problems: &mut Problems<'_>,
) -> Option<Aggregation> {
    Some(match kind {
        "count" => Aggregation::Count,
        "units" => Aggregation::Units,
        "value" => Aggregation::Value,
        "since_first" | "since_last" => {
            Aggregation::Since(elapsed(section, kind == "since_first", timed, problems))
        }
        "sum" | "mean" | "min" | "max" => {
            let field = field(section, path, kind, Kind::Number, problems)?;
            match kind {
                "sum" => Aggregation::Sum(field),
                "mean" => Aggregation::Mean(field),
                "min" => Aggregation::Min(field),
                _ => Aggregation::Max(field),
            }
        }
        "lifecycle" => Aggregation::Lifecycle(lifecycle(section, path, timed, problems)),
        "funnel" => {
            let steps = definitions::events(section, kind, problems);
            if !FUNNEL_STEPS.contains(&steps.len()) {
                let [least, most] = [FUNNEL_STEPS.start(), FUNNEL_STEPS.end()];
                let message = format!("{path}.funnel does not have {least} to {most} steps, each an event");
                problems.error(
                    &section.place_of(kind),
                    message,
                    Some("name them, the first one first".into()),
                );
            }
            Aggregation::Funnel(Funnel { steps })
        }
        "gaps" => Aggregation::Gaps(field(section, path, kind, Kind::Number, problems)?),
        "first" => Aggregation::First(field(section, path, kind, Kind::Any, problems)?),
        "last" => Aggregation::Last(field(section, path, kind, Kind::Any, problems)?),
        "distinct" => Aggregation::Distinct(field(section, path, kind, Kind::Text, problems)?),
        "most_frequent" => Aggregation::MostFrequent(field(section, path, kind, Kind::Text, problems)?),
        _ => {
            let field = field(section, path, kind, Kind::Text, problems)?;
            section.put_default("most", "10");
            let most = section.whole("most", 1..=64, problems).unsigned_abs() as usize;
            if kind == "list" { Aggregation::List(field, most) } else { Aggregation::Top(field, most) }
        }
    })
}

fn elapsed(section: &mut Section<'_>, from_first: bool, timed: bool, problems: &mut Problems<'_>) -> Elapsed {
    section.put_default("step", "1d");
    section.put_default("up_to", "90d");
    let step_ms = section.duration_ms("step", MINUTE_MS..=365 * DAY_MS, problems);
    let up_to_ms = section.duration_ms("up_to", MINUTE_MS..=WINDOW_MS_MAX, problems);
    let [step, up_to] = [step_ms, up_to_ms].map(|ms| Quantity::Duration.show(ms));
    if up_to_ms % step_ms != 0 || up_to_ms / step_ms > BUCKETS_MAX {
        let message = format!("{up_to} are not 1 to {BUCKETS_MAX} whole steps of {step}");
        let hint = Some("set a step that divides up_to".into());
        problems.error(&section.place_of("step"), message, hint);
    }
    Elapsed { from_first, step_ms, steps_max: (up_to_ms / step_ms).max(1), timed }
}

fn lifecycle(section: &mut Section<'_>, path: &str, timed: bool, problems: &mut Problems<'_>) -> Lifecycle {
    section.put_default("at_risk_after", "60d");
    section.put_default("lapsed_after", "180d");
    let mut gap_ms = |key| section.duration_ms(key, MINUTE_MS..=WINDOW_MS_MAX, problems);
    let [at_risk_ms, lapsed_ms] = [gap_ms("at_risk_after"), gap_ms("lapsed_after")];
    if at_risk_ms >= lapsed_ms {
        let [at_risk, lapsed] = [at_risk_ms, lapsed_ms].map(|ms| Quantity::Duration.show(ms));
        let message = format!("{path}: at risk after {at_risk} is not before lapsed after {lapsed}");
        let hint = Some("set lapsed_after above at_risk_after".into());
        problems.error(&section.place_of("lapsed_after"), message, hint);
    }
    Lifecycle { at_risk_ms, lapsed_ms, timed }
}

/// What an aggregation can do with a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
    Any,
}

/// The field that is named under a key.
fn field(
    section: &mut Section<'_>,
    path: &str,
    key: &str,
    wanted: Kind,
    problems: &mut Problems<'_>,
) -> Option<Field> {
    let named = section.text(key, problems)?;
    let known = FIELDS.iter().find(|(name, _, _)| *name == &*named.text);
    match known {
        Some((_, kind, _)) if wanted != Kind::Any && *kind != wanted => {
            let kind = if wanted == Kind::Number { "a number" } else { "a text" };
            let hint = Some(format!("{key} is about {kind}; name another field"));
            problems.error(&named.place, format!("{path}.{key}: `{}` is not {kind}", named.text), hint);
            None
        }
        _ => known_field(&named, &format!("{path}.{key}"), problems),
    }
}

/// The field of a name. What begins as the fields of products and of events do, and is none of them, is wrong;
/// anything else is a property.
pub(crate) fn known_field(named: &Text, path: &str, problems: &mut Problems<'_>) -> Option<Field> {
    if let Some((_, _, field)) = FIELDS.iter().find(|(name, _, _)| *name == &*named.text) {
        return Some(field.clone());
    }
    if named.text.starts_with("items.") || named.text.starts_with("event.") {
        let hint = suggestion::hint(&named.text, FIELDS.iter().map(|(name, _, _)| *name));
        problems.error(&named.place, format!("{path}: there is no field `{}`", named.text), hint);
        return None;
    }
    Some(Field::Property(named.text.clone()))
}
