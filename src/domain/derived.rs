//! Attributes that are made of others: the best of several, and where a number stands on a scale. They hold
//! nothing themselves, and change when their parts do.

use super::attribute::AttributeValue;
use super::profile::Profile;
use super::react::Change;
use super::rulebook::{AttributeRule, Part, Scale};
use super::scalar::Scalar;
use super::time::Timestamp;

/// What is made of attributes that changed has changed, too.
pub(crate) fn follow(change: &mut Change<'_>) {
    for rule in change.rules.attributes.iter().filter(|rule| rule.is_derived()) {
        let touched = &change.touched;
        let changed = rule.parts.iter().any(|part| match part {
            Part::Attribute(part) => touched.attributes.contains(&&*part.name),
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
            Part::Trait(_) => true,
        };
        self.aggregation.can_be_missing() && (self.parts.is_empty() || self.parts.iter().any(part))
    }

    /// What those of its parts say that say something, the best first.
    pub(crate) fn said<'p>(&self, profile: &'p Profile) -> impl Iterator<Item = AttributeValue<'p>> {
        self.parts.iter().map(|part| part.value(profile)).filter(|value| *value != AttributeValue::Missing)
    }

    /// When one of its parts changes next if nothing happens.
    pub(crate) fn part_due(&self, profile: &Profile) -> Option<Timestamp> {
        let due = |part: &Part| match part {
            Part::Attribute(rule) => rule.due(profile),
            Part::Trait(_) => None,
        };
        self.parts.iter().filter_map(due).min()
    }
}

impl Part {
    fn value<'p>(&self, profile: &'p Profile) -> AttributeValue<'p> {
        match self {
            Part::Attribute(rule) => rule.value(profile),
            Part::Trait(name) => {
                profile.traits.get(name).map_or(AttributeValue::Missing, AttributeValue::of_scalar)
            }
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
