//! Persons of whom nothing has been heard for long are forgotten, by themselves and at their due time. Who comes
//! again begins anew.

use super::decision::{Emission, SegmentChange};
use super::person::Person;
use super::profile::{Profile, SegmentStatus};
use super::rulebook::RuleBook;
use super::segment::transition_id;
use super::time::Timestamp;

/// What is added to the names from which ids are derived. The versions of a person who was forgotten begin
/// anew, and the ids must not; when there is no retention there is nothing to tell apart.
pub(crate) fn life(rules: &RuleBook, profile: &Profile) -> String {
    match (rules.intake.retention_ms, profile.first_at) {
        (Some(_), Some(first)) => format!("|{}", first.ms()),
        _ => String::new(),
    }
}

/// When a person is forgotten if nothing happens: by the latest event, or by the latest request of somebody of
/// whom there was none.
pub(crate) fn due(rules: &RuleBook, profile: &Profile) -> Option<Timestamp> {
    let retention_ms = rules.intake.retention_ms?;
    let heard = profile.last_at.or(profile.seen.last().map(|seen| seen.at));
    heard.map(|heard| heard.plus_ms(retention_ms))
}

/// Forgets a person: first the segments are left, so that whoever follows them misses nobody.
pub(crate) fn forget(
    rules: &RuleBook,
    person: &Person,
    profile: &mut Profile,
    at: Timestamp,
    emissions: &mut Vec<Emission>,
) {
    let (version, life) = (profile.version.saturating_add(1), life(rules, profile));
    let segments = rules.segments.iter().filter(|rule| {
        let status = profile.segment(rule.id).map(|state| state.status);
        matches!(status, Some(SegmentStatus::In { .. }))
    });
    let tags = rules.interests.iter().filter(|rule| rule.as_segments).flat_map(|rule| {
        let tagged = profile.affinities(rule.id).iter().filter(|affinity| affinity.tagged_at.is_some());
        tagged.map(|affinity| format!("{}:{}", rule.name, affinity.value).into())
    });
    let left = segments.map(|rule| rule.name.clone()).chain(tags);
    emissions.extend(left.map(|segment| {
        Emission::SegmentChange(SegmentChange {
            transition_id: transition_id(person, &segment, version, &life, false),
            person: person.clone(),
            segment,
            entered: false,
            at,
            profile_version: version,
            cause: None,
            definitions: rules.fingerprint,
        })
    }));
    *profile = Profile::default();
    emissions.push(Emission::Forgotten(person.clone()));
}
