//! Attributes that are made of what a profile has already: the best of several, the affinity to one value, and where
//! a number stands on a scale. They hold nothing themselves, and change when their parts do.

use compact_str::CompactString;

use super::affinity::{Affinity, Decay};
use super::attribute::AttributeValue;
use super::profile::{Orders, Profile};
use super::react::Change;
use super::rulebook::{AttributeRule, NameId};
use super::scalar::Scalar;
use super::time::Timestamp;

/// A value of which an attribute is made.
#[derive(Clone, Debug)]
pub enum Part {
    /// The affinity to one value.
    Affinity(AffinityPart),
    /// Another attribute.
    Attribute(Box<AttributeRule>),
    /// What was bought and not given back.
    Orders(OrdersPart),
    /// What `identify` said, by its name.
    Trait(CompactString),
}

/// The affinity to one value of an interest.
#[derive(Clone, Debug)]
pub struct AffinityPart {
    /// The interest's number.
    pub id: NameId,
    /// Its name.
    pub interest: CompactString,
    /// The value.
    pub value: CompactString,
    /// The decay of its score.
    pub decay: Decay,
    /// Whether its fall is a change at its due time; else it shows with the next event.
    pub timed: bool,
}

/// A number of all orders that were not cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrdersPart {
    /// How many there are.
    Count,
    /// How many units they have.
    Units,
    /// What they are worth in this currency, net of refunds.
    Revenue(CompactString),
}

/// A scale of marks, from 1 to one more than there are thresholds.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// The numbers from which on there is another mark, ascending; 1 to 16.
    pub thresholds: Vec<f64>,
    /// Whether the lowest numbers have the highest mark, as with the days since an order.
    pub lowest_is_best: bool,
}

/// What is made of attributes that changed has changed, too.
pub(crate) fn follow(change: &mut Change<'_>) {
    for rule in change.rules.attributes.iter().filter(|rule| rule.is_derived()) {
        let touched = &change.touched;
        let changed = rule.parts.iter().any(|part| match part {
            Part::Affinity(part) => part.may_have_changed(change),
            Part::Attribute(part) => touched.attributes.contains(&&*part.name),
            Part::Orders(_) => touched.orders,
            Part::Trait(_) => touched.traits,
        });
        if changed {
            change.touched.attributes.push(&rule.name);
        }
    }
}

impl AttributeRule {
    /// Whether parts of it that say something say different things.
    pub fn is_contradicted(&self, profile: &Profile) -> bool {
        let mut said = self.said(profile);
        let first = said.next();
        first.is_some_and(|first| said.any(|other| other != first))
    }

    /// Whether there may be nothing to say; else there is a number from the beginning.
    pub fn can_be_missing(&self) -> bool {
        let part = |part: &Part| match part {
            Part::Attribute(rule) => rule.can_be_missing(),
            Part::Affinity(_) | Part::Orders(_) => false,
            Part::Trait(_) => true,
        };
        let expires = self.freshness.as_ref().is_some_and(|freshness| freshness.expires_ms.is_some());
        let can_be =
            self.aggregation.can_be_missing() && (self.parts.is_empty() || self.parts.iter().any(part));
        expires || can_be
    }

    /// What those of its parts say that say something, the best first.
    pub(crate) fn said<'p>(&self, profile: &'p Profile) -> impl Iterator<Item = AttributeValue<'p>> {
        self.parts.iter().map(|part| part.value(profile)).filter(|value| *value != AttributeValue::Missing)
    }

    /// When one of its parts changes next if nothing happens.
    pub(crate) fn part_due(&self, profile: &Profile) -> Option<Timestamp> {
        let due = |part: &Part| match part {
            Part::Affinity(part) => part.due(profile),
            Part::Attribute(rule) => rule.due(profile),
            Part::Orders(_) | Part::Trait(_) => None,
        };
        self.parts.iter().filter_map(due).min()
    }
}

impl Part {
    pub(super) fn value<'p>(&self, profile: &'p Profile) -> AttributeValue<'p> {
        match self {
            Part::Affinity(part) => AttributeValue::Whole(part.points(profile, profile.as_of)),
            Part::Attribute(rule) => rule.value(profile),
            Part::Orders(part) => part.value(&profile.orders),
            Part::Trait(name) => {
                profile.traits.get(name).map_or(AttributeValue::Missing, AttributeValue::of_scalar)
            }
        }
    }
}

impl AffinityPart {
    fn points(&self, profile: &Profile, at: Timestamp) -> i64 {
        self.affinity(profile).map_or(0, |affinity| affinity.points_at(at.hour(), &self.decay))
    }

    fn due(&self, profile: &Profile) -> Option<Timestamp> {
        let points = self.points(profile, profile.as_of);
        let affinity = self.affinity(profile).filter(|_| self.timed && points > 0)?;
        affinity.falls_below(points as f64, &self.decay)
    }

    /// Also where it fell unseen, when time last passed.
    fn may_have_changed(&self, change: &Change<'_>) -> bool {
        // What rules set moves no affinity.
        if change.round > 0 {
            return false;
        }
        let profile = &*change.profile;
        let falls = || self.points(profile, change.before) != self.points(profile, change.now);
        match change.event {
            Some(_) => !self.timed || change.touched.interests.contains(&&*self.interest) || falls(),
            None => self.timed && falls(),
        }
    }

    pub(super) fn affinity<'p>(&self, profile: &'p Profile) -> Option<&'p Affinity> {
        profile.affinities(self.id).iter().find(|affinity| affinity.value == self.value)
    }
}

impl OrdersPart {
    fn value(&self, orders: &Orders) -> AttributeValue<'static> {
        let whole = |number| AttributeValue::Whole(i64::try_from(number).unwrap_or(i64::MAX));
        match self {
            OrdersPart::Count => whole(orders.count),
            OrdersPart::Units => whole(orders.units),
            OrdersPart::Revenue(currency) => AttributeValue::Number(orders.revenue_in(currency)),
        }
    }
}

impl Scale {
    /// The mark of a number, from 1 on; none of what is no number.
    pub(crate) fn mark(&self, value: &AttributeValue<'_>) -> Option<i64> {
        let number = match value {
            AttributeValue::Whole(number) => *number as f64,
            AttributeValue::Number(number) => *number,
            _ => return None,
        };
        let reached = self.thresholds.iter().filter(|threshold| number >= **threshold).count() as i64;
        Some(if self.lowest_is_best { self.thresholds.len() as i64 - reached } else { reached } + 1)
    }
}

impl<'p> AttributeValue<'p> {
    pub(crate) fn of_scalar(value: &'p Scalar) -> AttributeValue<'p> {
        match value {
            Scalar::Bool(truth) => AttributeValue::Truth(*truth),
            Scalar::Integer(number) => AttributeValue::Whole(*number),
            Scalar::Float(number) => AttributeValue::Number(*number),
            Scalar::Text(text) => AttributeValue::Text(text),
            Scalar::Texts(texts) => AttributeValue::Texts(texts.iter().map(|text| &**text).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_says_how_many_thresholds_are_reached() {
        let marks = |lowest_is_best| {
            let scale = Scale { thresholds: vec![30.0, 90.0, 180.0], lowest_is_best };
            [0, 29, 30, 90, 1_000].map(|number| scale.mark(&AttributeValue::Whole(number)))
        };
        assert_eq!(marks(false), [1, 1, 2, 3, 4].map(Some));
        assert_eq!(marks(true), [4, 4, 3, 2, 1].map(Some));
        let scale = Scale { thresholds: vec![0.1], lowest_is_best: false };
        assert_eq!(scale.mark(&AttributeValue::Number(0.1)), Some(2));
        assert_eq!(scale.mark(&AttributeValue::Missing), None);
    }
}
