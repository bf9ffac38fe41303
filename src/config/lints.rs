//! What is accepted but probably not meant. Looked for only where nothing is wrong: a half-read rule book
//! would make most names look unused.

use compact_str::CompactString;

use super::names::Names;
use super::problems::Problems;
use crate::domain::expression::Expression;
use crate::domain::rulebook::{Membership, Part, Rule, RuleBook, SegmentRule, Trigger};

/// Reports what is odd in definitions.
pub(crate) fn check(rules: &RuleBook, names: &Names, problems: &mut Problems<'_>) {
    attributes(rules, names, problems);
    interests(rules, names, problems);
    segments(rules, names, problems);
    decisions(rules, names, problems);
    loops(rules, names, problems);
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
        let is_untimed = |part: &Part| matches!(part, Part::Affinity(part) if !part.timed);
        let untimed = if rule.window.as_ref().is_some_and(|window| !window.timed) {
            Some("whose window is not timed")
        } else if rule.freshness.as_ref().is_some_and(|freshness| !freshness.timed) {
            Some("whose age is not timed")
        } else {
            rule.parts.iter().any(is_untimed).then_some("whose interest is not timed")
        };
        if let Some(untimed) = untimed.filter(|_| in_segment) {
            let message = format!("a segment reads attributes.{}, {untimed}", rule.name);
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

/// A count over a window and an affinity fall with time, so whoever is at the threshold crosses it again and again where
/// entering and leaving have the same one.
fn segments(rules: &RuleBook, names: &Names, problems: &mut Problems<'_>) {
    let falls = |name: &CompactString| {
        let named = rules.attributes.iter().find(|rule| rule.name == *name);
        named.is_some_and(|rule| {
            let is_timed = |part: &Part| matches!(part, Part::Affinity(part) if part.timed);
            rule.window.as_ref().is_some_and(|window| window.timed) || rule.parts.iter().any(is_timed)
        })
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
    let always = |rule: &Rule, other: &Rule| {
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

/// Rules that set one another off: what the one sets moves a segment that sets off the other.
fn loops(rules: &RuleBook, names: &Names, problems: &mut Problems<'_>) {
    let moved: Vec<Vec<&str>> = rules.rules.iter().map(|rule| moved_by(rules, rule)).collect();
    for (number, (rule, declared)) in rules.rules.iter().zip(&names.rules).enumerate() {
        let Some(other) = set_off_by(rules, &moved, number) else { continue };
        let message = format!("the rule `{}` may set itself off, by what `{}` sets", rule.name, other.name);
        let hint = "after four rules, one because of the other, nothing fires any more for that change; give one of \
                    them a cooldown";
        problems.warning(&declared.place, message, Some(hint.into()));
    }
}

/// The rule by which a rule sets itself off, directly or by way of others: `moved` are the segments that each rule
/// moves. What fires so often only ends every such circle.
fn set_off_by<'r>(rules: &'r RuleBook, moved: &[Vec<&str>], rule: usize) -> Option<&'r Rule> {
    let is_endless = |rule: &Rule| rule.cooldown_ms == 0 && rule.group.is_none() && rule.max_fires.is_none();
    let mut reached = vec![rule];
    let mut next = 0;
    while let Some(from) = reached.get(next).copied() {
        next += 1;
        let moved = moved.get(from).map_or(&[][..], Vec::as_slice);
        for (number, other) in rules.rules.iter().enumerate().filter(|(_, other)| is_endless(other)) {
            let (Trigger::Entered(segment) | Trigger::Left(segment)) = &other.trigger else { continue };
            if !moved.contains(&&**segment) {
                continue;
            }
            if number == rule {
                return rules.rules.get(from);
            }
            if !reached.contains(&number) {
                reached.push(number);
            }
        }
    }
    None
}

/// The segments that what a rule sets may move.
fn moved_by<'r>(rules: &'r RuleBook, rule: &Rule) -> Vec<&'r str> {
    let is_set = |name: &CompactString| rule.set.iter().any(|(set, _)| set == name);
    let is_part = |part: &Part| matches!(part, Part::Trait(name) if is_set(name));
    let made_of_it = rules.attributes.iter().filter(|attribute| attribute.parts.iter().any(is_part));
    let made_of_it: Vec<&CompactString> = made_of_it.map(|attribute| &attribute.name).collect();
    let mut moved: Vec<&str> = Vec::new();
    for segment in rules.segments.iter().filter(|_| !rule.set.is_empty()) {
        let is_moved = conditions(segment).any(|condition| {
            let reads = condition.reads();
            let looks_at = |root: &str| reads.roots.contains(&root);
            reads.any_trait
                || reads.traits.iter().any(is_set)
                || reads.attributes.iter().any(|name| made_of_it.contains(&name))
                || (looks_at("profile") && !made_of_it.is_empty())
                || (looks_at("segments") && moved.iter().any(|segment| may_name(condition.source(), segment)))
        });
        if is_moved {
            moved.push(&segment.name);
        }
    }
    moved
}

/// Whether a condition that looks at segments looks at this one: it names it, or none.
fn may_name(condition: &str, segment: &str) -> bool {
    let named = ['\'', '"'].iter().any(|quote| condition.contains(&format!("{quote}{segment}{quote}")));
    named || !condition.contains(" in segments")
}

fn of_segments(rules: &RuleBook) -> impl Iterator<Item = &Expression> {
    rules.segments.iter().flat_map(conditions)
}

fn conditions(segment: &SegmentRule) -> impl Iterator<Item = &Expression> {
    let conditions = match &segment.membership {
        Membership::Condition { enter, leave, .. } => [Some(enter), leave.as_ref()],
        Membership::Absence { .. } => [None, None],
    };
    conditions.into_iter().flatten()
}
