//! What a profile update says of a segment that the person is in, field by field as the schema has it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::attribute::AttributeStatus;
use crate::domain::profile::{Profile, SegmentStatus};
use crate::domain::rulebook::{RuleBook, SegmentRule};
use crate::domain::time::Timestamp;
use crate::domain::trust;
use crate::domain::validity;

/// A segment that the person is in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentMembership<'a> {
    /// Its name.
    pub segment: Cow<'a, str>,
    /// Since when.
    pub entered_at: i64,
    /// Until when at least, if nothing happens.
    pub valid_until: Option<i64>,
    /// The fewest contributions of equal weight that one of the values rests on which decide it.
    pub n_eff: f64,
    /// The least that is believed of the attributes that decide it.
    pub status: AttributeStatus,
}

impl<'a> SegmentMembership<'a> {
    /// The membership as of the profile's last change; none where the person is not in the segment. `due` is when
    /// anything about the person changes next.
    pub(super) fn of(
        rules: &RuleBook,
        rule: &'a SegmentRule,
        profile: &Profile,
        due: Option<Timestamp>,
    ) -> Option<SegmentMembership<'a>> {
        let SegmentStatus::In { entered_at } = profile.segment(rule.id)?.status else { return None };
        let trust = trust::of_segment(rules, rule, profile)?;
        Some(SegmentMembership {
            segment: Cow::from(&*rule.name),
            entered_at: entered_at.ms(),
            valid_until: validity::of_segment(rules, rule, profile, due).map(Timestamp::ms),
            n_eff: trust.n_eff,
            status: AttributeStatus::of(trust.status),
        })
    }
}
