//! How long what an attribute says may be believed: the age of the latest of its events from which on it is stale,
//! and from which on it is expired and says nothing any more.

use super::attribute::AttributeValue;
use super::points::{Keep, Point};
use super::profile::Profile;
use super::rulebook::{AttributeRule, NameId, Part};
use super::scalar::Scalar;
use super::time::Timestamp;

/// The ages at which an attribute ceases to be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// The number under which rows hold when the latest of its events was.
    pub id: NameId,
    /// From which age on it is stale, in milliseconds.
    pub stale_ms: Option<i64>,
    /// From which age on it is expired, in milliseconds.
    pub expires_ms: Option<i64>,
    /// Whether to become so is itself a change, at its due time; else it shows with the next change.
    pub timed: bool,
}

/// Whether an attribute says anything, and how far that is to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does.
    Present,
    /// It does, but none of its events was lately.
    Stale,
    /// It did: all of its events are so long ago that it is not to be believed any more.
    Expired,
    /// Nothing has happened that it is made of, or nothing is left of it.
    Missing,
}

impl AttributeRule {
    /// Whether it says anything about a person, as of the profile's last change.
    pub fn status(&self, profile: &Profile) -> Status {
        self.status_of(profile, &self.value(profile))
    }

    /// The same where it is known what it says.
    pub fn status_of(&self, profile: &Profile, says: &AttributeValue<'_>) -> Status {
        let age = self.age(profile);
        if age != Status::Expired && *says == AttributeValue::Missing { Status::Missing } else { age }
    }

    /// Present, stale or expired, by the age of the latest event.
    pub(crate) fn aged(&self, profile: &Profile, now: Timestamp) -> Status {
        self.freshness.as_ref().map_or(Status::Present, |freshness| freshness.status(profile, now))
    }

    /// The same as of the profile's last change. What is made of others is as old as what it is made of.
    fn age(&self, profile: &Profile) -> Status {
        let aged = self.aged(profile, profile.as_of);
        let part = self.parts.iter().find(|part| part.value(profile) != AttributeValue::Missing);
        match part {
            Some(Part::Attribute(rule)) => rule.age(profile),
            _ => aged,
        }
    }

    /// Takes down when an event was that counts. Returns whether it is believed again.
    pub(crate) fn renew(&self, profile: &mut Profile, at: Timestamp, now: Timestamp) -> bool {
        let Some(freshness) = &self.freshness else { return false };
        let before = freshness.status(profile, now);
        let point = Point { at, value: Scalar::Bool(true) };
        profile.change_points(freshness.id, |points| points.add(point, Keep::Latest, now, None));
        freshness.status(profile, now) != before
    }
}

impl Freshness {
    /// When it is believed less than now, where that is a change of its own.
    pub(crate) fn due(&self, profile: &Profile) -> Option<Timestamp> {
        let latest = self.latest(profile).filter(|_| self.timed)?;
        let ages = [self.stale_ms, self.expires_ms].into_iter().flatten();
        ages.map(|age_ms| latest.plus_ms(age_ms)).filter(|due| *due > profile.as_of).min()
    }

    fn status(&self, profile: &Profile, now: Timestamp) -> Status {
        let Some(latest) = self.latest(profile) else { return Status::Present };
        let is_so = |age_ms: Option<i64>| age_ms.is_some_and(|age_ms| now.since_ms(latest) >= age_ms);
        match (is_so(self.stale_ms), is_so(self.expires_ms)) {
            (_, true) => Status::Expired,
            (true, false) => Status::Stale,
            (false, false) => Status::Present,
        }
    }

    fn latest(&self, profile: &Profile) -> Option<Timestamp> {
        profile.points(self.id).last().map(|point| point.at)
    }
}
