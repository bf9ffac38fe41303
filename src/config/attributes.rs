//! Reads `attributes`: what is counted, over which window.

use super::condition::{self, Sight};
use super::definitions::{self, each, one_of};
use super::keys;
use super::names::Names;
use super::problems::Problems;
use super::quantity::Quantity;
use super::section::Section;
use crate::domain::rulebook::{AttributeRule, Measure, NameId, Window};
use crate::domain::time::{DAY_MS, HOUR_MS};

const MINUTE_MS: i64 = 60_000;
/// The most buckets of a window.
const BUCKETS_MAX: i64 = 2_400;
/// The longest window, in milliseconds.
const WINDOW_MS_MAX: i64 = 2_400 * DAY_MS;

/// Reads all attributes, in their order.
pub(crate) fn read(
    definitions: &mut Section<'_>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Vec<AttributeRule> {
    each(definitions, "attributes", keys::ATTRIBUTE, problems, |_, name, section, problems| {
        attribute(name, section, names, problems)
    })
}

fn attribute(
    name: &str,
    mut section: Section<'_>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<AttributeRule> {
    let path = format!("attributes.{name}");
    let filter = condition::compile(&mut section, "where", names, Sight::Event, problems);
    let window = window(&mut section, problems);
    let kind = one_of(&section, &path, &["count", "units", "value", "sum"], problems)?;
    if kind != "sum" && section.has("of") {
        let hint = format!("leave it out; {kind} names the events itself");
        problems.error(&section.place_of("of"), format!("{path}.of belongs to sum"), Some(hint));
    }
    let (measure, key) = match kind {
        "count" => (Measure::Count, "count"),
        "units" => (Measure::Units, "units"),
        "value" => (Measure::Value, "value"),
        _ => {
            if !section.has("of") {
                let hint = "name the events whose property is added up, or any".into();
                problems.error(section.place(), format!("{path}.of is missing"), Some(hint));
            }
            (Measure::Property(section.text("sum", problems)?.text), "of")
        }
    };
    let mut events = definitions::events(&mut section, key, problems);
    if events.iter().any(|event| &**event == "any") {
        if events.len() > 1 {
            let hint = Some("leave the other names out, or leave `any` out".into());
            problems.error(&section.place_of(key), format!("{path}.{key} has `any` and other names"), hint);
        }
        events.clear();
    }
    Some(AttributeRule { id: NameId::of(name), name: name.into(), events, filter, measure, window })
}

fn window(section: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<Window> {
    let timed = section.truth("timed", problems);
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
