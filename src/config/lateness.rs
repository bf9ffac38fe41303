//! Reads how late events may be, and whether that goes with what else is declared.

use compact_str::CompactString;

use super::definitions::WAIT_MS;
use super::node::Place;
use super::problems::Problems;
use super::quantity::Quantity;
use super::section::{self, Section};
use crate::domain::rulebook::IntakeRule;

/// The most sources of which it is declared.
const SOURCES_MAX: usize = 64;
/// What declares it.
pub(super) const KEY: &str = "lateness_by_source";

/// How late the events of single sources may be.
pub(super) fn by_source(
    definitions: &mut Section<'_>,
    problems: &mut Problems<'_>,
) -> Vec<(CompactString, i64)> {
    let Some(node) = definitions.find(KEY) else { return Vec::new() };
    let place = node.place.clone();
    let Some(entries) = section::entries(node, KEY, problems) else { return Vec::new() };
    if entries.len() > SOURCES_MAX {
        let message = format!("{KEY} has {} entries; at most {SOURCES_MAX} are allowed", entries.len());
        problems.error(&place, message, None);
    }
    let mut all = Vec::new();
    for entry in entries {
        let path = format!("{KEY}.{}", entry.key);
        let Some(text) = section::text_of(&entry.value, &path, problems) else { continue };
        match Quantity::Duration.read(&text.text) {
            Ok(lateness_ms) if WAIT_MS.contains(&lateness_ms) => {
                all.push((entry.key.as_str().into(), lateness_ms));
            }
            Ok(_) => {
                let [least, most] = [WAIT_MS.start(), WAIT_MS.end()].map(|ms| Quantity::Duration.show(*ms));
                let message = format!("{path} is {}; it must lie between {least} and {most}", text.text);
                problems.error(&text.place, message, None);
            }
            Err(expected) => {
                problems.error(&text.place, format!("{path} is `{}`: {expected}", text.text), None);
            }
        }
    }
    all
}

/// Looks whether a device may send something twice of which the first is forgotten when the second still counts.
pub(super) fn check_repetitions(rule: &IntakeRule, place: &Place, problems: &mut Problems<'_>) {
    let lateness_ms = rule.lateness_ms_of_any();
    if lateness_ms > rule.seen_horizon_ms {
        let [lateness, horizon] = [lateness_ms, rule.seen_horizon_ms].map(|ms| Quantity::Duration.show(ms));
        let message = format!(
            "events may be {lateness} late, but their ids are known for {horizon} only: a repetition after that counts"
        );
        problems.warning(place, message, Some("set dedupe.horizon to at least as much".into()));
    }
}

/// Who is forgotten must not come back by a repetition, or by an event that was on its way.
pub(super) fn check_retention(
    rule: &IntakeRule,
    retention_ms: i64,
    place: &Place,
    problems: &mut Problems<'_>,
) {
    let least_ms = rule.lateness_ms_of_any().max(rule.seen_horizon_ms);
    if retention_ms < least_ms {
        let least = Quantity::Duration.show(least_ms);
        let message =
            format!("retention is shorter than lateness or dedupe.horizon, which are up to {least}");
        problems.error(place, message, Some(format!("set at least {least}")));
    }
}
