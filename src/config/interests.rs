//! Reads `interests`: which values are scored, how they decay, when they become tags.

use super::catalogue;
use super::definitions::{each, warn_of_alias};
use super::keys;
use super::node::Value;
use super::problems::Problems;
use super::section::Section;
use crate::domain::affinity::Decay;
use crate::domain::rulebook::{Facet, InterestRule, NameId};
use crate::domain::time::{DAY_MS, HOUR_MS};

/// The most events that one interest weighs.
const WEIGHTS_MAX: usize = 64;
/// The lowest weight.
const WEIGHT_MIN: f64 = -1e6;
/// The highest threshold.
const THRESHOLD_MAX: f64 = 1e9;
/// The lowest threshold: clearly above the tolerance with which scores are compared.
const THRESHOLD_MIN: f64 = 1e-6;

/// Reads all interests, in their order.
pub(crate) fn read(definitions: &mut Section<'_>, problems: &mut Problems<'_>) -> Vec<InterestRule> {
    each(definitions, "interests", keys::INTEREST, problems, |_, name, section, problems| {
        interest(name, section, problems)
    })
}

fn interest(name: &str, mut section: Section<'_>, problems: &mut Problems<'_>) -> Option<InterestRule> {
    let section = &mut section;
    let facets = [("category", Facet::Category), ("brand", Facet::Brand), ("item", Facet::Item)];
    let facet = section.choice("facet", &facets, problems);
    let weights = catalogue::weights(section, "weights", WEIGHTS_MAX, WEIGHT_MIN, problems);
    let path = section.path_of("weights");
    let given = section.find("weights");
    if let Some(Value::Map(entries)) = given.as_ref().map(|node| &node.value) {
        entries.iter().for_each(|entry| warn_of_alias(&entry.key, &entry.place, &path, problems));
    }
    if given.is_some_and(|node| matches!(&node.value, Value::Map(entries) if entries.is_empty())) {
        let message = format!("interests.{name}.weights has no entries");
        problems.error(&section.place_of("weights"), message, Some("name at least one event".into()));
    }
    let (enter, leave) = thresholds(name, section, problems);
    let evidence_min = section.whole("evidence_min", 1..=1_000_000, problems).unsigned_abs() as u32;
    let values_max = section.whole("values_max", 1..=256, problems).unsigned_abs() as usize;
    let top = section.whole("top", 1..=256, problems).unsigned_abs() as usize;
    Some(InterestRule {
        id: NameId::of(name),
        name: name.into(),
        facet,
        weights,
        decay: Decay::new(half_life_hours(name, section, problems)),
        enter,
        leave,
        evidence_min,
        values_max,
        top,
        show_negative: section.truth("show_negative", problems),
        timed: section.truth("timed", problems),
        as_segments: section.truth("as_segments", problems),
        roll_up: section.text("roll_up", problems).map(|separator| separator.text),
    })
}

fn thresholds(name: &str, section: &mut Section<'_>, problems: &mut Problems<'_>) -> (f64, f64) {
    let enter = section.number("enter", THRESHOLD_MIN..=THRESHOLD_MAX, problems);
    if section.has("enter") {
        section.put_default("leave", &enter.to_string());
    }
    let leave = section.number("leave", THRESHOLD_MIN..=THRESHOLD_MAX, problems);
    if enter < leave {
        let message = format!("interests.{name} would lose a tag below {leave} but enter only at {enter}");
        let hint = "`leave` must not be above `enter`, or a tag would be lost as soon as it is there";
        problems.error(&section.place_of("leave"), message, Some(hint.into()));
    }
    (enter, leave)
}

fn half_life_hours(name: &str, section: &mut Section<'_>, problems: &mut Problems<'_>) -> u32 {
    let half_life_ms = section.duration_ms("half_life", HOUR_MS..=3_650 * DAY_MS, problems);
    if half_life_ms % HOUR_MS != 0 {
        let message = format!("interests.{name}.half_life is no whole number of hours");
        problems.error(&section.place_of("half_life"), message, Some("scores decay by the hour".into()));
    }
    u32::try_from(half_life_ms / HOUR_MS).expect("the range of a half-life fits")
}
