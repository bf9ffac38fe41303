//! What all persons together are drawn to, added up person by person: how site shares come about.

use std::collections::HashMap;

use compact_str::CompactString;

use super::affinity::Affinity;
use super::rulebook::InterestRule;
use super::site::SiteShares;
use super::time::Timestamp;

/// Shares are told in billionths, the smallest of which is [`SHARE_MIN`](super::site::SHARE_MIN).
const BILLIONTHS: f64 = 1e9;

/// The sums of one interest.
#[derive(Clone, Debug, Default)]
pub struct SiteTotals {
    scores: HashMap<CompactString, f64>,
    /// The sum over the widest values, which is the whole of which all have a share.
    whole: f64,
    persons: u64,
}

impl SiteTotals {
    /// Adds a person's positive scores as of an instant that is not before the latest of them.
    pub fn add(&mut self, affinities: &[Affinity], rule: &InterestRule, as_of: Timestamp) {
        let mut counts = false;
        for affinity in affinities {
            let score = affinity.score_at(as_of.hour().max(affinity.hour()), &rule.decay);
            if score <= 0.0 {
                continue;
            }
            counts = true;
            if rule.is_widest(&affinity.value) {
                self.whole += score;
            }
            match self.scores.get_mut(&affinity.value) {
                Some(sum) => *sum += score,
                None => drop(self.scores.insert(affinity.value.clone(), score)),
            }
        }
        self.persons += u64::from(counts);
    }

    /// The shares of the values that have the largest, at most `values_max` of them. They are whole
    /// billionths, so that they are the same whichever person was added first.
    pub fn shares(&self, interest: &str, as_of: Timestamp, values_max: usize) -> SiteShares {
        let billionths = |sum: f64| (sum / self.whole * BILLIONTHS).round().min(BILLIONTHS);
        let shares = self.scores.iter().map(|(value, sum)| (value.clone(), billionths(*sum)));
        let mut shares: Vec<(CompactString, f64)> = shares.filter(|(_, share)| *share >= 1.0).collect();
        shares.sort_by(|one, other| other.1.total_cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        shares.truncate(values_max);
        shares.iter_mut().for_each(|(_, share)| *share /= BILLIONTHS);
        shares.sort_by(|one, other| one.0.cmp(&other.0));
        SiteShares { interest: interest.into(), as_of, persons: self.persons, shares }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::affinity::Decay;
    use crate::domain::rulebook::{Facet, NameId};
    use crate::domain::time::HOUR_MS;

    fn rule(roll_up: Option<&str>) -> InterestRule {
        InterestRule {
            id: NameId::of("category"),
            name: "category".into(),
            facet: Facet::Category,
            weights: Vec::new(),
            decay: Decay::new(24),
            enter: 5.0,
            evidence_min: 1,
            leave: 2.0,
            values_max: 50,
            top: 3,
            show_negative: false,
            timed: false,
            as_segments: false,
            roll_up: roll_up.map(Into::into),
        }
    }

    fn affinity(value: &str, score: f64, hour: i64) -> Affinity {
        Affinity { score, ..Affinity::new(value, hour) }
    }

    fn shares(roll_up: Option<&str>, persons: &[&[Affinity]], values_max: usize) -> SiteShares {
        let as_of = Timestamp::from_ms(24 * HOUR_MS);
        let mut totals = SiteTotals::default();
        persons.iter().for_each(|affinities| totals.add(affinities, &rule(roll_up), as_of));
        totals.shares("category", as_of, values_max)
    }

    #[test]
    fn what_is_old_counts_less_and_what_is_disliked_nothing() {
        let ada = [affinity("shoes", 2.0, 0), affinity("tents", -1.0, 24)];
        let ben = [affinity("hats", 2.0, 24), affinity("shoes", 1.0, 24)];
        let found = shares(None, &[&ada, &ben, &[affinity("hats", -1.0, 24)]], 10);
        assert_eq!(found.shares, [("hats".into(), 0.5), ("shoes".into(), 0.5)]);
        assert_eq!(found.persons, 2);
    }

    #[test]
    fn the_largest_are_told_and_equals_in_the_order_of_values() {
        let one = [affinity("a", 1.0, 24), affinity("b", 1.0, 24), affinity("c", 2.0, 24)];
        assert_eq!(shares(None, &[&one], 2).shares, [("a".into(), 0.25), ("c".into(), 0.5)]);
    }

    #[test]
    fn shares_are_of_the_widest_values() {
        let one = [affinity("shoes", 3.0, 24), affinity("shoes/boots", 3.0, 24), affinity("tents", 1.0, 24)];
        let found = shares(Some("/"), &[&one], 10).shares;
        assert_eq!(found.iter().map(|(_, share)| *share).collect::<Vec<_>>(), [0.75, 0.75, 0.25]);
    }

    #[test]
    fn nobody_likes_nothing() {
        assert_eq!(shares(None, &[], 10).shares, []);
        assert_eq!(shares(None, &[&[affinity("a", 0.0, 24)]], 10).persons, 0);
        let tiny = [affinity("a", 1e300, 24), affinity("b", 1e-300, 24)];
        assert_eq!(shares(None, &[&tiny], 10).shares, [("a".into(), 1.0)], "too small a share to tell");
    }
}
