//! Segments: small state machines per person, moved by conditions, by events and by time.
//!
//! A condition that cannot be said, because something it names is absent, lets nobody in and nobody out.

use compact_str::CompactString;

use super::decision::{Emission, SegmentChange};
use super::person::Person;
use super::profile::{Cause, Profile, SegmentStatus};
use super::react::{Change, Happened, Touched};
use super::rulebook::{Membership, RuleBook, SegmentRule};
use super::time::Timestamp;

/// Evaluates, in their order, the segments that the change can have moved.
pub(crate) fn apply(change: &mut Change<'_>) {
    let rules = change.rules;
    for rule in &rules.segments {
        let status = change.profile.segment(rule.id).map_or(SegmentStatus::Out, |state| state.status);
        let next = match &rule.membership {
            Membership::Absence { after, without, for_ms } => {
                absence(change, status, after, without, *for_ms)
            }
            Membership::Condition { .. } => condition(change, status, rule),
        };
        if next != status {
            move_to(change, rule, status, next);
        }
    }
}

/// When the first segment is entered if nothing happens.
pub(crate) fn due(rules: &RuleBook, profile: &Profile) -> Option<Timestamp> {
    // By the rules, not by what the profile holds: what no rule settles, such as a segment that is not
    // declared any more, is due never.
    let states = rules.segments.iter().filter_map(|rule| profile.segment(rule.id));
    let pending = states.filter_map(|state| match state.status {
        SegmentStatus::Pending { due_at } => Some(due_at),
        SegmentStatus::Out | SegmentStatus::In { .. } => None,
    });
    pending.min()
}

/// The id of a transition, the same on every replay.
pub(crate) fn transition_id(
    person: &Person,
    segment: &str,
    version: u64,
    life: &str,
    entered: bool,
) -> CompactString {
    let way = if entered { "enter" } else { "leave" };
    stable_id(&format!("segment|{person}|{segment}|{version}|{way}{life}"))
}

/// A UUID of version 5 over a name (RFC 9562, section 5.5).
pub(crate) fn stable_id(name: &str) -> CompactString {
    const NAMESPACE: uuid::Uuid = uuid::Uuid::from_u128(0x5a2f_3b0e_97c4_4d6b_8f10_c1d5_7e6a_90b3);
    uuid::Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string().into()
}

fn absence(
    change: &Change<'_>,
    status: SegmentStatus,
    after: &str,
    without: &str,
    for_ms: i64,
) -> SegmentStatus {
    let event = change.event.filter(|_| !change.repeated);
    let name = event.map_or("", |event| &*event.name);
    match status {
        _ if name == without => SegmentStatus::Out,
        SegmentStatus::Out if name == after && !change.late => {
            let started = change.event.map_or(change.now, |event| event.timestamp);
            SegmentStatus::Pending { due_at: started.plus_ms(for_ms) }
        }
        SegmentStatus::Pending { due_at } if change.event.is_none() && due_at <= change.at => {
            SegmentStatus::In { entered_at: due_at }
        }
        unmoved => unmoved,
    }
}

fn condition(change: &Change<'_>, status: SegmentStatus, rule: &SegmentRule) -> SegmentStatus {
    let Membership::Condition { enter, leave, for_ms } = &rule.membership else { return status };
    match status {
        SegmentStatus::Out if change.touched.reaches(enter.reads(), change.is_of_event()) => {
            match enter.holds(&change.scope()) {
                Some(true) if *for_ms == 0 => SegmentStatus::In { entered_at: change.at },
                Some(true) => SegmentStatus::Pending { due_at: change.at.plus_ms(*for_ms) },
                _ => SegmentStatus::Out,
            }
        }
        SegmentStatus::Pending { due_at } => {
            let moved = change.touched.reaches(enter.reads(), change.is_of_event());
            if moved && enter.holds(&change.scope()) != Some(true) {
                SegmentStatus::Out
            } else if change.event.is_none() && due_at <= change.at {
                SegmentStatus::In { entered_at: due_at }
            } else {
                status
            }
        }
        SegmentStatus::In { .. } => {
            let (decider, out) = leave.as_ref().map_or((enter, false), |leave| (leave, true));
            let moved = change.touched.reaches(decider.reads(), change.is_of_event());
            if moved && decider.holds(&change.scope()) == Some(out) { SegmentStatus::Out } else { status }
        }
        SegmentStatus::Out => status,
    }
}

fn move_to<'a>(change: &mut Change<'a>, rule: &'a SegmentRule, from: SegmentStatus, to: SegmentStatus) {
    change.profile.segment_mut(rule.id).status = to;
    let (was_in, is_in) = (is_in(from), is_in(to));
    if was_in == is_in {
        return;
    }
    change.touched.segments = true;
    let happened = if is_in { Happened::Entered } else { Happened::Left };
    change.happened.push(happened(&rule.name));
    let version = change.profile.version;
    let cause = match &change.profile.cause {
        Cause::Event(message_id) => Some(message_id.clone()),
        Cause::None | Cause::Time => None,
    };
    change.emissions.push(Emission::SegmentChange(SegmentChange {
        transition_id: transition_id(change.person, &rule.name, version, &change.occasion(), is_in),
        person: change.person.clone(),
        segment: rule.name.clone(),
        entered: is_in,
        at: change.at,
        profile_version: version,
        cause,
        definitions: change.rules.fingerprint,
    }));
}

fn is_in(status: SegmentStatus) -> bool {
    matches!(status, SegmentStatus::In { .. })
}

impl Touched<'_> {
    /// Whether a condition that reads this can have another answer now.
    fn reaches(&self, reads: &super::expression::Reads, by_event: bool) -> bool {
        // Where everything is looked at again without an event, what looks at one has nothing new to say.
        (self.everything && (by_event || !reads.event()))
            || reads.roots.iter().any(|root| match *root {
                "attributes" => any_in(&self.attributes, &reads.attributes),
                "tags" => any_in(&self.tags, &reads.tags),
                "segments" => self.segments,
                "session" => self.session,
                "orders" => self.orders,
                "recent" => self.recent,
                "traits" => self.traits,
                // The profile's own version and the event are new each time.
                "profile" => true,
                _ => by_event,
            })
    }
}

fn any_in(touched: &[&str], read: &[CompactString]) -> bool {
    touched.iter().any(|name| read.iter().any(|read| **read == **name))
}
