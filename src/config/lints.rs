//! What is accepted but probably not meant. Looked for only where nothing is wrong: a half-read rule book
//! would make most names look unused.

use super::names::Names;
use super::problems::Problems;
use crate::domain::expression::Expression;
use crate::domain::rulebook::{Membership, RuleBook};

/// Reports what is odd in definitions.
pub(crate) fn check(rules: &RuleBook, names: &Names, problems: &mut Problems<'_>) {
    attributes(rules, names, problems);
    interests(rules, names, problems);
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
