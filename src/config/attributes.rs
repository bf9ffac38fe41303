//! Reads `attributes`: what is counted, over which window.

mod coalesce;

use compact_str::CompactString;

use super::condition::{self, Sight};
use super::definitions::{self, each, one_of};
use super::keys;
use super::names::Names;
use super::problems::Problems;
use super::quantity::Quantity;
use super::section::Section;
use super::suggestion;
use crate::domain::rulebook::{Aggregation, AttributeRule, Elapsed, Facet, Field, Window};
use crate::domain::time::{DAY_MS, HOUR_MS};

const MINUTE_MS: i64 = 60_000;
/// The most buckets of a window.
const BUCKETS_MAX: i64 = 2_400;
/// The longest window, in milliseconds.
const WINDOW_MS_MAX: i64 = 2_400 * DAY_MS;

/// What an attribute may be; exactly one of them is given.
const KINDS: [&str; 17] = [
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
    "coalesce",
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
    problems: &mut Problems<'_>,
) -> Vec<AttributeRule> {
    let mut parts = Vec::new();
    let mut rules =
        each(definitions, "attributes", keys::ATTRIBUTE, problems, |_, name, mut section, problems| {
            let section = &mut section;
            let kind = one_of(section, &format!("attributes.{name}"), &KINDS, problems)?;
            if kind == "coalesce" {
                let (rule, named) = coalesce::read(name, section, problems);
                parts.push((rule.name.clone(), named));
                return Some(rule);
            }
            attribute(name, kind, section, names, problems)
        });
    coalesce::resolve(&mut rules, parts, problems);
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
    let window = window(section, timed, problems);
    refuse_what_does_not_belong(section, &path, kind, of_session, problems);
    let aggregation = aggregation(section, &path, kind, timed, problems)?;
    let key = if OF_FIELD.contains(&kind) { "of" } else { kind };
    let events = events(section, &path, key, problems);
    Some(AttributeRule { filter, of_session, ..AttributeRule::new(name, events, aggregation, window) })
}

/// The names of the events that count; none for all.
fn events(
    section: &mut Section<'_>,
    path: &str,
    key: &str,
    problems: &mut Problems<'_>,
) -> Vec<CompactString> {
    let mut events = definitions::events(section, key, problems);
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
    let misplaced: [(&str, bool, &str); 7] = [
        ("of", !of_field, "leave it out; the events are named there"),
        ("most", !matches!(kind, "list" | "top"), "leave it out; it belongs to list and top"),
        ("step", !since, "leave it out; it belongs to since_first and since_last"),
        ("up_to", !since, "leave it out; it belongs to since_first and since_last"),
        ("window", since, "leave it out; set up_to to bound the time"),
        ("window", of_session, "leave it out; a session is its own window"),
        ("window", kind == "gaps", "leave it out; a sequence is counted from its beginning"),
    ];
    for (key, _, hint) in misplaced.iter().filter(|(key, wrong, _)| *wrong && section.has(key)) {
        let message = format!(
            "{path}.{key} does not go with {}",
            if *key == "window" && of_session { "scope: session" } else { kind }
        );
        problems.error(&section.place_of(key), message, Some((*hint).into()));
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
        Some((_, _, field)) => Some(field.clone()),
        None if named.text.starts_with("items.") || named.text.starts_with("event.") => {
            let names = FIELDS.iter().map(|(name, _, _)| *name);
            let hint = suggestion::hint(&named.text, names);
            problems.error(&named.place, format!("{path}.{key}: there is no field `{}`", named.text), hint);
            None
        }
        None => Some(Field::Property(named.text)),
    }
}

fn window(section: &mut Section<'_>, timed: bool, problems: &mut Problems<'_>) -> Option<Window> {
    if !section.has("window") {
        if section.has("bucket") {
            let hint = Some("give a window, or leave the bucket out".into());
            problems.error(&section.place_of("bucket"), "a bucket without a window", hint);
        }
        return None;
    }
    let window_ms = section.duration_ms("window", MINUTE_MS..=WINDOW_MS_MAX, problems);
    section.put_default("bucket", &Quantity::Duration.show(default_bucket_ms(window_ms)));
    let bucket_ms = section.duration_ms("bucket", MINUTE_MS..=WINDOW_MS_MAX, problems);
    let place = section.place_of("bucket");
    let [window, bucket] = [window_ms, bucket_ms].map(|ms| Quantity::Duration.show(ms));
    if window_ms % bucket_ms != 0 {
        let message = format!("a window of {window} is no whole number of buckets of {bucket}");
        problems.error(&place, message, Some("set a bucket that divides the window".into()));
    } else if window_ms / bucket_ms > BUCKETS_MAX {
        let count = window_ms / bucket_ms;
        let message = format!(
            "a window of {window} has {count} buckets of {bucket}; at most {BUCKETS_MAX} are allowed"
        );
        problems.error(&place, message, Some("set a longer bucket".into()));
    }
    Some(Window { bucket_ms, buckets: window_ms / bucket_ms, timed })
}

/// The step of a window that names none: fine enough that nobody sees it, coarse enough to be small.
fn default_bucket_ms(window_ms: i64) -> i64 {
    const STEPS: [(i64, i64); 4] = [
        (2 * HOUR_MS, MINUTE_MS),
        (6 * HOUR_MS, 5 * MINUTE_MS),
        (DAY_MS, 15 * MINUTE_MS),
        // One more, so that 100 days themselves still go by the hour, in 2,400 buckets.
        (100 * DAY_MS + 1, HOUR_MS),
    ];
    let step = STEPS.iter().find(|(below_ms, _)| window_ms < *below_ms);
    step.map_or(DAY_MS, |(_, bucket_ms)| *bucket_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_names_no_step_gets_one_that_fits_its_length() {
        let hours =
            [1, 2, 6, 24, 168, 2_400, 2_401].map(|hours| default_bucket_ms(hours * HOUR_MS) / MINUTE_MS);
        assert_eq!(hours, [1, 5, 15, 60, 60, 60, 1_440]);
    }
}
