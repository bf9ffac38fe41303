//! What is accepted but probably not meant. Looked for only where nothing is wrong: a half-read rule book
//! would make most names look unused.

use compact_str::CompactString;

use super::names::Names;
use super::problems::Problems;
use crate::domain::expression::Expression;
use crate::domain::rulebook::{DecisionRule, Membership, RuleBook};

/// Reports what is odd in definitions.
pub(crate) fn check(rules: &RuleBook, names: &Names, problems: &mut Problems<'_>) {
    attributes(rules, names, problems);
    interests(rules, names, problems);
    segments(rules, names, problems);
    decisions(rules, names, problems);
    for (slot, declared) in rules.slots.iter().zip(&names.slots).filter(|(slot, _)| slot.fallback.is_empty())
    {
        let message = format!("the slot `{}` has no fallback", slot.name);
        let hint = "for somebody unknown, with an empty catalogue, its answer is empty; name some content";
        problems.warning(&declared.place, message, Some(hint.into()));
    }
}

fn attributes(rules: &RuleBook, names: &Names, problems: &mut Problems<'_>) {
    for (rule, declared) in rules.attributes.iter().zip(&names.attributes) {
        let reads = |condition: &Expression| condition.reads().attributes.contains(&rule.name);
        let in_segment = of_segments(rules).any(reads);
        if in_segment && rule.window.as_ref().is_some_and(|window| !window.timed) {
            let message = format!("a segment reads attributes.{}, whose window is not timed", rule.name);
            let hint = "as time passes, the segment moves only with the person's next event; set timed: true";
            problems.warning(&declared.place, message, Some(hint.into()));
        }
    }
}

fn interests(rules: &RuleBook, names: &Names, problems: &mut Problems<'_>) {
    for (rule, declared) in rules.interests.iter().zip(&names.interests) {
        if rule.enter == rule.leave {
            let message = format!("the interest `{}` enters and leaves at the same score", rule.name);
            let hint = "scores decay, so its tags will flicker; set `leave` below `enter`";
            problems.warning(&declared.place, message, Some(hint.into()));
        }
        if rule.weights.iter().all(|(_, weight)| *weight <= 0.0) {
            let message = format!("nothing adds to the interest `{}`", rule.name);
            let hint = "without a weight above 0 no value ever becomes a tag; give one to an event";
            problems.warning(&declared.place, message, Some(hint.into()));
        }
    }
}

/// A count over a window falls with time, so whoever is at the threshold crosses it again and again where
/// entering and leaving have the same one.
fn segments(rules: &RuleBook, names: &Names, problems: &mut Problems<'_>) {
    let falls = |name: &CompactString| {
        let named = rules.attributes.iter().find(|rule| rule.name == *name);
        named.and_then(|rule| rule.window.as_ref()).is_some_and(|window| window.timed)
    };
    for (rule, declared) in rules.segments.iter().zip(&names.segments) {
        let Membership::Condition { enter, leave, for_ms } = &rule.membership else { continue };
        let (message, hint) = match (leave, enter.reads().attributes.iter().find(|name| falls(name))) {
            (Some(leave), _) if leave == enter => (
                format!("the segment `{}` is entered and left by the same condition", rule.name),
                "whoever enters leaves with the next change, though it still holds; let `leave` say who is out",
            ),
            (None, Some(attribute)) if *for_ms == 0 => (
                format!(
                    "the segment `{}` is entered and left at the same value of attributes.{attribute}",
                    rule.name
                ),
                "that value falls with time, so its members will come and go; set `leave` below it, or `for`",
            ),
            _ => continue,
        };
        problems.warning(&declared.place, message, Some(hint.into()));
    }
}

/// Of the rules of a group the first that may fire is the only one that does: behind one that always may,
/// the others never come to it.
fn decisions(rules: &RuleBook, names: &Names, problems: &mut Problems<'_>) {
    let always = |rule: &DecisionRule, other: &DecisionRule| {
        rule.group.is_some()
            && rule.group == other.group
            && rule.trigger == other.trigger
            && rule.when.is_none()
            && rule.cooldown_ms == 0
            && rule.max_fires.is_none()
            && rule.event_age_ms_max >= other.event_age_ms_max
    };
    for (at, (rule, declared)) in rules.rules.iter().zip(&names.rules).enumerate() {
        let before = rules.rules.get(..at).unwrap_or_default();
        if let Some(first) = before.iter().find(|before| always(before, rule)) {
            let message =
                format!("the rule `{}` can never fire: `{}` always does before it", rule.name, first.name);
            let hint = "both are of one group and are set off by the same; move this one up, or give the other a \
                        condition";
            problems.warning(&declared.place, message, Some(hint.into()));
        }
    }
}

fn of_segments(rules: &RuleBook) -> impl Iterator<Item = &Expression> {
    rules
        .segments
        .iter()
        .flat_map(|rule| match &rule.membership {
            Membership::Condition { enter, leave, .. } => [Some(enter), leave.as_ref()],
            Membership::Absence { .. } => [None, None],
        })
        .flatten()
}
