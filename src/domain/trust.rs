//! On how much what is said of a person rests: how many contributions of equal weight would say as much, and whether
//! any of them was lately.

use super::affinity::TOLERANCE;
use super::attribute::AttributeValue;
use super::freshness::Status;
use super::profile::{Profile, SegmentStatus};
use super::rulebook::{Aggregation, AttributeRule, Membership, Part, RuleBook, SegmentRule};

/// How far a membership is to be believed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trust {
    /// The fewest contributions that one of the values rests on which decide it; 0 where none rests on any.
    pub n_eff: f64,
    /// The least that is believed of the attributes that decide it, but for missing ones.
    pub status: Status,
}

/// How far it is to be believed that somebody is in a segment. None of who is not.
pub fn of_segment(rules: &RuleBook, rule: &SegmentRule, profile: &Profile) -> Option<Trust> {
    let Some(SegmentStatus::In { .. }) = profile.segment(rule.id).map(|state| state.status) else {
        return None;
    };
    // What an absence rests on is the event that it came after.
    let Membership::Condition { enter, leave, .. } = &rule.membership else {
        return Some(Trust { n_eff: 1.0, status: Status::Present });
    };
    let reads = leave.as_ref().unwrap_or(enter).reads();
    let mut trust = Trust { n_eff: f64::INFINITY, status: Status::Present };
    for root in &reads.roots {
        match *root {
            "attributes" => {
                for rule in rules.attributes.iter().filter(|rule| reads.attributes.contains(&rule.name)) {
                    let says = rule.value(profile);
                    trust.rests_on(rule.n_eff(profile, &says));
                    trust.is_as_old_as(rule.status_of(profile, &says));
                }
            }
            "tags" => {
                for rule in rules.interests.iter().filter(|rule| reads.tags.contains(&rule.name)) {
                    let affinities = profile.affinities(rule.id).iter();
                    let tagged = affinities.filter(|affinity| affinity.tagged_at.is_some());
                    tagged.for_each(|affinity| trust.rests_on(affinity.n_eff()));
                }
            }
            "orders" => trust.rests_on(profile.orders.count as f64),
            _ => {}
        }
    }
    Some(Trust { n_eff: if trust.n_eff.is_finite() { trust.n_eff } else { 0.0 }, ..trust })
}

impl Trust {
    /// That there is nothing of a kind is no weak evidence of it: only what rests on something counts. Contributions
    /// that contradict each other may leave a trace of rounding.
    fn rests_on(&mut self, n_eff: f64) {
        if n_eff > TOLERANCE {
            self.n_eff = self.n_eff.min(n_eff);
        }
    }

    fn is_as_old_as(&mut self, status: Status) {
        self.status = match (self.status, status) {
            (Status::Expired, _) | (_, Status::Expired) => Status::Expired,
            (Status::Stale, _) | (_, Status::Stale) => Status::Stale,
            _ => Status::Present,
        };
    }
}

impl AttributeRule {
    /// On how many contributions of equal weight `says` rests, which is what it says about a person.
    pub fn n_eff(&self, profile: &Profile, says: &AttributeValue<'_>) -> f64 {
        match (&self.aggregation, says) {
            (_, AttributeValue::Missing) => 0.0,
            (Aggregation::Distinct(_) | Aggregation::Funnel(_), AttributeValue::Whole(number)) => {
                *number as f64
            }
            (_, AttributeValue::Texts(texts)) if self.aggregation.keep().is_some() => texts.len() as f64,
            (Aggregation::MostFrequent(_) | Aggregation::Top(..), _) => {
                profile.frequencies(self.id).map_or(0, |frequencies| frequencies.total()) as f64
            }
            (Aggregation::Lifecycle(_), _) => profile.points(self.id).len() as f64,
            (Aggregation::Affinity | Aggregation::Coalesce | Aggregation::Score(_), _) => {
                self.parts.iter().find_map(|part| part.n_eff(profile)).unwrap_or(0.0)
            }
            _ if self.aggregation.keep().is_some() => 1.0,
            _ => profile.number(self.evidence) as f64,
        }
    }
}

impl Part {
    /// None where it says nothing.
    fn n_eff(&self, profile: &Profile) -> Option<f64> {
        let says = self.value(profile);
        (says != AttributeValue::Missing).then(|| match self {
            Part::Affinity(part) => part.affinity(profile).map_or(0.0, |affinity| affinity.n_eff()),
            Part::Attribute(rule) => rule.n_eff(profile, &says),
            Part::Orders(_) => profile.orders.count as f64,
            Part::Trait(_) => 1.0,
        })
    }
}
