//! Until when what is said of a person holds if nothing happens, so that caches need not guess. It may hold longer,
//! never shorter.

use super::freshness::Status;
use super::interest;
use super::profile::{Profile, SegmentStatus};
use super::react::Knowledge;
use super::retention;
use super::rulebook::{AttributeRule, Membership, Part, RuleBook, SegmentRule, SlotRule};
use super::session;
use super::time::Timestamp;

/// Until when somebody who is in a segment stays there: when the first of the values that decide it changes.
/// `due` is when anything about the person changes next.
pub fn of_segment(
    rules: &RuleBook,
    rule: &SegmentRule,
    profile: &Profile,
    due: Option<Timestamp>,
) -> Option<Timestamp> {
    let Some(SegmentStatus::In { .. }) = profile.segment(rule.id).map(|state| state.status) else {
        return None;
    };
    let forgotten = retention::due(rules, profile);
    // What ends an absence is an event.
    let Membership::Condition { enter, leave, .. } = &rule.membership else { return forgotten };
    let reads = leave.as_ref().unwrap_or(enter).reads();
    // Whatever is due may set off a rule that sets traits.
    let of_traits = due.filter(|_| rules.rules.iter().any(|rule| !rule.set.is_empty()));
    let of_attribute = |rule: &AttributeRule| {
        let has_trait = rule.parts.iter().any(|part| matches!(part, Part::Trait(_)));
        rule.due(profile).into_iter().chain(of_traits.filter(|_| has_trait)).min()
    };
    let of_root = |root: &&str| match *root {
        "attributes" => {
            let read = rules.attributes.iter().filter(|rule| reads.attributes.contains(&rule.name));
            read.filter_map(of_attribute).min()
        }
        "traits" => of_traits,
        "tags" => {
            let read = rules.interests.iter().filter(|rule| reads.tags.contains(&rule.name));
            read.filter_map(|rule| interest::due_of(rule, profile)).min()
        }
        "session" => session::due(rules, profile),
        // Whatever is due may be what moves another segment, or how complete the profile is.
        "segments" | "profile" => due,
        _ => None,
    };
    reads.roots.iter().filter_map(of_root).chain(forgotten).min()
}

/// Until when a slot has the same answer for a person: when the next content for it begins or ceases to be shown.
/// The person's interests rank it, and keep their shares while they decay, for a thousand half-lives; but they may
/// become stale.
pub(crate) fn of_answer(
    knowledge: Knowledge<'_>,
    profile: &Profile,
    rule: &SlotRule,
    status: Status,
    now: Timestamp,
) -> Option<Timestamp> {
    let shown = knowledge.catalogue.next_change(&rule.name, now);
    let stale = stale_from(rule, profile).filter(|_| status == Status::Present);
    shown.into_iter().chain(stale).chain(retention::due(knowledge.rules, profile)).min()
}

/// From when on a personal answer is stale, if nothing happens.
pub(crate) fn stale_from(rule: &SlotRule, profile: &Profile) -> Option<Timestamp> {
    Some(profile.last_at?.plus_ms(rule.stale_ms?))
}
