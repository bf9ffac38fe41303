//! What attributes of the session hold of a visit that is not the current one. They have no windows, so what they
//! hold of two visits adds up to what they would hold of one.

use thin_vec::ThinVec;

use super::frequencies::Frequencies;
use super::points::Points;
use super::profile::Profile;
use super::rulebook::{Aggregation, AttributeRule, NameId};
use super::time::Timestamp;

/// What the attributes of the session hold, by the numbers of rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SessionValues(ThinVec<(NameId, Held)>);

/// What is held under one number.
#[derive(Clone, Debug, PartialEq)]
pub enum Held {
    /// A number that adds up.
    Sum(i64),
    /// Points.
    Points(Points),
    /// Counts of values.
    Frequencies(Frequencies),
}

impl SessionValues {
    /// Sorted by number, each once and none that holds nothing, also where the list has them otherwise.
    pub(crate) fn of_list(mut held: ThinVec<(NameId, Held)>) -> SessionValues {
        held.retain(|(_, one)| !one.is_empty());
        held.sort_by_key(|(id, _)| *id);
        held.dedup_by_key(|(id, _)| *id);
        SessionValues(held)
    }

    /// What is held, sorted by number; none that holds nothing.
    pub(crate) fn as_slice(&self) -> &[(NameId, Held)] {
        &self.0
    }

    /// Takes what the attributes of the session hold out of a profile, in which they start afresh.
    pub(crate) fn take(rules: &[AttributeRule], profile: &mut Profile) -> SessionValues {
        let of_session = rules.iter().filter(|rule| rule.of_session);
        SessionValues::of_list(of_session.flat_map(|rule| rule.take(profile)).collect())
    }

    /// Puts back what was taken. What belongs to attributes that are not declared any more stays here.
    pub(crate) fn put(&mut self, rules: &[AttributeRule], profile: &mut Profile) {
        for (id, held) in std::mem::take(&mut self.0) {
            if rule_of(rules, id).is_some() {
                held.put(id, profile);
            } else {
                self.0.push((id, held));
            }
        }
    }

    /// The attributes that hold something.
    pub(crate) fn names<'a>(&self, rules: &'a [AttributeRule]) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter_map(|(id, _)| rule_of(rules, *id)).map(|rule| &*rule.name)
    }

    /// Adds what others hold of the same visit: those of attributes that are declared, where these are not.
    pub(crate) fn extend(&mut self, others: SessionValues) {
        *self = SessionValues::of_list(std::mem::take(&mut self.0).into_iter().chain(others.0).collect());
    }

    /// Adds what was held of one visit to what a profile holds of the current one, which were one. Returns the
    /// attributes that may say something else now.
    pub(crate) fn join<'a>(
        self,
        rules: &'a [AttributeRule],
        profile: &mut Profile,
        now: Timestamp,
    ) -> Vec<&'a str> {
        let mut touched = Vec::new();
        for (id, held) in self.0 {
            let Some(rule) = rule_of(rules, id) else { continue };
            match held {
                // A sequence goes up to the larger of the two largest numbers.
                Held::Sum(number) if id == rule.id && matches!(rule.aggregation, Aggregation::Gaps(_)) => {
                    profile.counters.change(id, |counter| {
                        counter.total = counter.total.max(number);
                        true
                    });
                }
                Held::Sum(number) => {
                    profile.counters.change(id, |counter| counter.add(number, now, now, None));
                }
                Held::Points(points) => {
                    for point in points.as_slice() {
                        rule.keep(profile, [point.value.clone()], point.at, now);
                    }
                }
                Held::Frequencies(frequencies) => {
                    profile.change_frequencies(id, |own| own.join(frequencies));
                }
            }
            touched.push(&*rule.name);
        }
        touched
    }
}

/// The attribute of the session that holds something under a number.
fn rule_of(rules: &[AttributeRule], id: NameId) -> Option<&AttributeRule> {
    rules.iter().find(|rule| rule.of_session && (rule.id == id || rule.evidence == id))
}

impl Held {
    fn is_empty(&self) -> bool {
        match self {
            Held::Sum(number) => *number == 0,
            Held::Points(points) => points.as_slice().is_empty(),
            Held::Frequencies(frequencies) => frequencies.as_slice().is_empty(),
        }
    }

    fn put(self, id: NameId, profile: &mut Profile) {
        match self {
            Held::Sum(number) => {
                profile
                    .counters
                    .change(id, |counter| std::mem::replace(&mut counter.total, number) != number);
            }
            Held::Points(points) => {
                profile.change_points(id, |own| std::mem::replace(own, points) != Points::default());
            }
            Held::Frequencies(frequencies) => {
                profile.change_frequencies(id, |own| {
                    std::mem::replace(own, frequencies) != Frequencies::default()
                });
            }
        }
    }
}

impl AttributeRule {
    /// Takes out what it holds without a window; it starts afresh.
    pub(crate) fn take(&self, profile: &mut Profile) -> Vec<(NameId, Held)> {
        let mut taken = Vec::new();
        if self.aggregation.keep().is_some() {
            profile.change_points(self.id, |points| {
                taken.push((self.id, Held::Points(std::mem::take(points))));
                true
            });
        } else if self.aggregation.is_frequency() {
            profile.change_frequencies(self.id, |frequencies| {
                taken.push((self.id, Held::Frequencies(std::mem::take(frequencies))));
                true
            });
        } else {
            for id in [self.id, self.evidence] {
                taken.extend(profile.counters.take(id).map(|counter| (id, Held::Sum(counter.total))));
            }
        }
        taken.retain(|(_, held)| !held.is_empty());
        taken
    }
}
