//! Reads `segments`, in the order in which they are evaluated.

use super::condition::{self, Sight};
use super::definitions::{WAIT_MS, each, event};
use super::keys;
use super::names::Names;
use super::problems::Problems;
use super::section::Section;
use crate::domain::rulebook::{Membership, NameId, SegmentRule};

/// Reads all segments, in their order.
pub(crate) fn read(
    definitions: &mut Section<'_>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Vec<SegmentRule> {
    each(definitions, "segments", keys::SEGMENT, problems, |number, name, section, problems| {
        let membership = membership(number, name, section, names, problems)?;
        Some(SegmentRule { id: NameId::of(name), name: name.into(), membership })
    })
}

fn membership(
    number: usize,
    name: &str,
    section: Section<'_>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<Membership> {
    let given = |keys: [&'static str; 2]| keys.into_iter().find(|key| section.has(key));
    match (given(["enter", "leave"]), given(["after", "without"])) {
        (Some(_), None) => condition(number, name, section, names, problems),
        (None, Some(_)) => absence(name, section, problems),
        (None, None) => {
            let message = format!("segments.{name} does not say who is in it");
            let hint = "give `enter`, or `after`, `without` and `for`".into();
            problems.error(section.place(), message, Some(hint));
            None
        }
        (Some(one), Some(other)) => {
            let message = format!("segments.{name} has both {one} and {other}");
            let hint = "a segment is a condition (enter, leave) or an absence (after, without)".into();
            problems.error(&section.place_of(other), message, Some(hint));
            None
        }
    }
}

fn condition(
    number: usize,
    name: &str,
    mut section: Section<'_>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<Membership> {
    let sight = Sight::SegmentsBefore(number);
    if !section.has("enter") {
        let message = format!("segments.{name}.enter is missing");
        problems.error(section.place(), message, Some("nobody could ever leave what nobody enters".into()));
    }
    section.put_default("for", "0s");
    let for_ms = section.duration_ms("for", WAIT_MS, problems);
    let leave = condition::compile(&mut section, "leave", names, sight, problems);
    let enter = condition::compile(&mut section, "enter", names, sight, problems)?;
    Some(Membership::Condition { enter, leave, for_ms })
}

fn absence(name: &str, mut section: Section<'_>, problems: &mut Problems<'_>) -> Option<Membership> {
    for key in ["after", "without", "for"] {
        if !section.has(key) {
            let message = format!("segments.{name}.{key} is missing");
            problems.error(section.place(), message, Some("an absence needs after, without and for".into()));
        }
    }
    let for_ms = section.duration_ms("for", 1_000..=*WAIT_MS.end(), problems);
    let after = event(&mut section, "after", problems);
    let without = event(&mut section, "without", problems);
    let (after, without) = (after?, without?);
    if after == without {
        let message = format!("segments.{name} waits for `{after}`, which also ends the wait");
        problems.error(&section.place_of("without"), message, Some("name another event".into()));
    }
    Some(Membership::Absence { after, without, for_ms })
}
