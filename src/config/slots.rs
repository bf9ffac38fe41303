//! Reads `slots`, and the `rules` that ask for their decisions or set traits.

use compact_str::CompactString;

use super::attributes::AGE_MS;
use super::condition::{self, Sight};
use super::definitions::{WAIT_MS, each, event, one_of};
use super::names::{Declared, Names, Spelling, check_spelling, names_of, position};
use super::problems::Problems;
use super::section::{Section, Text, entries, read_number, text_of};
use super::{keys, suggestion};
use crate::domain::rulebook::{MaxFires, NameId, RankBy, Rule, SlotRule, Trigger};
use crate::domain::scalar::Scalar;
use crate::domain::time::DAY_MS;

/// The longest name of a group, in bytes.
const GROUP_BYTES_MAX: usize = 64;
/// The longest fallback.
const FALLBACK_MAX: usize = 100;
/// The most traits that a rule sets.
const SET_MAX: usize = 16;

/// Reads all slots, in their order.
pub(crate) fn read_slots(
    definitions: &mut Section<'_>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Vec<SlotRule> {
    each(definitions, "slots", keys::SLOT, problems, |_, name, section, problems| {
        slot(name, section, names, problems)
    })
}

fn slot(
    name: &str,
    mut section: Section<'_>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<SlotRule> {
    let items_max = section.whole("items", 1..=100, problems).unsigned_abs() as usize;
    let exclude_recent = section.truth("exclude_recent", problems);
    let exclude_bought = section.truth("exclude_bought", problems);
    let fallback =
        section.texts("fallback", FALLBACK_MAX, problems).into_iter().map(|text| text.text).collect();
    let stale_ms = section.has("stale_after").then(|| section.duration_ms("stale_after", AGE_MS, problems));
    let rank_by = section.choice("rank_by", &[("share", RankBy::Share), ("lift", RankBy::Lift)], problems);
    let interest = declared(&mut section, "interest", "interest", &names.interests, problems)?;
    Some(SlotRule {
        name: name.into(),
        items_max,
        interest,
        rank_by,
        exclude_recent,
        exclude_bought,
        stale_ms,
        fallback,
    })
}

/// Reads all rules, in their order.
pub(crate) fn read_rules(
    definitions: &mut Section<'_>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Vec<Rule> {
    each(definitions, "rules", keys::RULE, problems, |_, name, section, problems| {
        rule(name, section, names, problems)
    })
}

fn rule(name: &str, mut section: Section<'_>, names: &Names, problems: &mut Problems<'_>) -> Option<Rule> {
    let when = condition::compile(&mut section, "when", names, Sight::All, problems);
    let cooldown_ms = section.duration_ms("cooldown", WAIT_MS, problems);
    let event_age_ms_max = section.duration_ms("event_age_max", 1_000..=90 * DAY_MS, problems);
    let max_fires = max_fires(&mut section, problems);
    let group = section.text("group", problems).and_then(|group| group_of(name, group, problems));
    let slot = declared(&mut section, "decide", "slot", &names.slots, problems);
    let set = set(&mut section, problems);
    if !section.has("decide") && !section.has("set") {
        let hint = Some("name the slot to decide, or what to set".into());
        problems.error(section.place(), format!("rules.{name} has none of decide and set"), hint);
    }
    let trigger = if section.has("on") { trigger(name, &mut section, names, problems) } else { None }?;
    Some(Rule {
        id: NameId::of(name),
        name: name.into(),
        trigger,
        when,
        slot,
        set,
        cooldown_ms,
        event_age_ms_max,
        max_fires,
        group,
    })
}

/// What a rule sets: traits by their names.
fn set(section: &mut Section<'_>, problems: &mut Problems<'_>) -> Vec<(CompactString, Scalar)> {
    let (path, place) = (section.path_of("set"), section.place_of("set"));
    let Some(node) = section.find("set") else { return Vec::new() };
    let Some(entries) = entries(node, &path, problems) else { return Vec::new() };
    if entries.is_empty() || entries.len() > SET_MAX {
        let message = format!("{path} has {} entries; it must have 1 to {SET_MAX}", entries.len());
        problems.error(&place, message, Some("write them as NAME: VALUE".into()));
    }
    let mut set = Vec::new();
    for entry in entries {
        let declared = Declared { name: entry.key.clone(), place: entry.place.clone() };
        check_spelling(&declared, Spelling::Member, problems);
        let value = text_of(&entry.value, &format!("{path}.{}", entry.key), problems);
        set.extend(value.map(|value| (entry.key.as_str().into(), trait_of(&value.text))));
    }
    set
}

/// The value that a text stands for: true or false, a number as it is usually written, else the text.
fn trait_of(text: &CompactString) -> Scalar {
    let whole = text.parse().ok().filter(|number: &i64| number.to_string() == *text);
    let decimal = read_number(text).ok().filter(|_| text.contains('.'));
    match (&**text, whole, decimal) {
        ("true", ..) => Scalar::Bool(true),
        ("false", ..) => Scalar::Bool(false),
        (_, Some(number), _) => Scalar::Integer(number),
        (_, _, Some(number)) => Scalar::Float(number),
        _ => Scalar::Text(text.clone()),
    }
}

fn max_fires(section: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<MaxFires> {
    if !section.has("max_fires") {
        return None;
    }
    let mut limit = section.section("max_fires", keys::MAX_FIRES, problems)?;
    let count = limit.whole("count", 1..=100, problems).unsigned_abs() as usize;
    Some(MaxFires { count, per_ms: limit.duration_ms("per", 1_000..=*WAIT_MS.end(), problems) })
}

fn group_of(name: &str, group: Text, problems: &mut Problems<'_>) -> Option<CompactString> {
    if group.text.len() > GROUP_BYTES_MAX {
        let message = format!(
            "rules.{name}.group has {} bytes; at most {GROUP_BYTES_MAX} are allowed",
            group.text.len()
        );
        problems.error(&group.place, message, None);
        return None;
    }
    Some(group.text)
}

fn trigger(
    name: &str,
    rule: &mut Section<'_>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<Trigger> {
    let mut on = rule.section("on", keys::TRIGGER, problems)?;
    let path = format!("rules.{name}.on");
    let kind = one_of(&on, &path, &["entered", "left", "tagged", "event"], problems)?;
    match kind {
        "entered" => declared(&mut on, kind, "segment", &names.segments, problems).map(Trigger::Entered),
        "left" => declared(&mut on, kind, "segment", &names.segments, problems).map(Trigger::Left),
        "tagged" => declared(&mut on, kind, "interest", &names.interests, problems).map(Trigger::Tagged),
        _ => event(&mut on, kind, problems).map(Trigger::Event),
    }
}

/// A name that must be declared.
fn declared(
    section: &mut Section<'_>,
    key: &str,
    kind: &str,
    known: &[Declared],
    problems: &mut Problems<'_>,
) -> Option<CompactString> {
    let path = section.path_of(key);
    let text = section.text(key, problems)?;
    if position(known, &text.text).is_none() {
        let message = format!("{path}: no {kind} is called `{}`", text.text);
        let hint = suggestion::hint(&text.text, names_of(known));
        let hint = hint.or_else(|| Some(format!("declare it under {kind}s")));
        problems.error(&text.place, message, hint);
    }
    Some(text.text)
}
