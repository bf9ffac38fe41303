//! The value of the topic of segment changes, field by field as its schema has it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{fingerprint, long};
use crate::domain::decision::SegmentChange;

/// Somebody entered or left a segment. The schema documents the fields for consumers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "SegmentChange")]
pub struct SegmentChangeRecord<'a> {
    /// The transition's id, a UUID that is the same on every replay.
    pub transition_id: Cow<'a, str>,
    /// The person's key.
    pub person: Cow<'a, str>,
    /// The segment's name.
    pub segment: Cow<'a, str>,
    /// Which way.
    pub change: SegmentChangeKind,
    /// When, in milliseconds of event time since 1970.
    pub at: i64,
    /// The version of the profile after the change.
    pub profile_version: i64,
    /// The message id of the event that caused it; none when the passing of time did.
    pub message_id: Option<Cow<'a, str>>,
    /// Which definitions were in force, by their fingerprint in 16 digits of base 16.
    pub definitions: Cow<'a, str>,
}

/// The two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SegmentChangeKind {
    /// A kind that was added after the reader's schema; never written.
    Unknown,
    /// The person is in the segment now.
    Entered,
    /// The person is not in the segment any more.
    Left,
}

impl<'a> SegmentChangeRecord<'a> {
    /// The record of a change.
    pub fn of(change: &'a SegmentChange) -> SegmentChangeRecord<'a> {
        SegmentChangeRecord {
            transition_id: Cow::from(&*change.transition_id),
            person: Cow::from(change.person.as_str()),
            segment: Cow::from(&*change.segment),
            change: if change.entered { SegmentChangeKind::Entered } else { SegmentChangeKind::Left },
            at: change.at.ms(),
            profile_version: long(change.profile_version),
            message_id: change.cause.as_deref().map(Cow::from),
            definitions: fingerprint(change.definitions),
        }
    }
}
