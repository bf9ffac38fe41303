//! The site's own distribution of interests: what all persons together are drawn to, which one person is compared
//! with. Without it milk and eggs are everybody's interest.
//!
//! It is worked out elsewhere, from all partitions, and arrives as a command in each: so it is as of some instant, and
//! the same for every replay of the log.

use std::collections::BTreeMap;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// The smallest share that is told: what is rarer is too rare to be compared with.
pub const SHARE_MIN: f64 = 1e-9;

/// How the values of one interest are distributed over the site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SiteShares {
    /// The interest's name.
    pub interest: CompactString,
    /// The instant as of which scores were added up.
    pub as_of: Timestamp,
    /// How many persons have a score above zero.
    pub persons: u64,
    /// Each value's share of the sum of all persons' positive scores: from [`SHARE_MIN`] to 1, in the order
    /// of values.
    pub shares: Vec<(CompactString, f64)>,
}

/// What is known of the site, by the names of interests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Site {
    interests: BTreeMap<CompactString, SiteShares>,
}

impl SiteShares {
    /// The site's share of a value.
    pub fn share(&self, value: &str) -> Option<f64> {
        let at = self.shares.binary_search_by(|(other, _)| (**other).cmp(value)).ok()?;
        self.shares.get(at).map(|(_, share)| *share)
    }

    /// How many times as much of a person's interest a value has as of the site's: 1 where both are alike. `score` is
    /// the person's for the value, `sum` that of the person's positive scores. The person's share is drawn towards
    /// the site's by `prior`, a score of which every value has the site's share, so that little evidence says little.
    /// None for a value that the site does not know.
    pub fn lift(&self, value: &str, score: f64, sum: f64, prior: f64) -> Option<f64> {
        let share = self.share(value)?;
        let lift = (score.max(0.0) + prior * share) / (sum + prior) / share;
        // An infinite lift times no share would be no number.
        Some(lift.min(f64::MAX))
    }
}

impl FromIterator<SiteShares> for Site {
    fn from_iter<T: IntoIterator<Item = SiteShares>>(shares: T) -> Site {
        let shares = shares.into_iter().map(|shares| (shares.interest.clone(), shares));
        Site { interests: shares.collect() }
    }
}

impl Site {
    /// Takes what is known of an interest, in the place of what was.
    pub fn put(&mut self, shares: SiteShares) {
        self.interests.insert(shares.interest.clone(), shares);
    }

    /// Forgets what is known of an interest.
    pub fn withdraw(&mut self, interest: &str) {
        self.interests.remove(interest);
    }

    /// What is known of an interest.
    pub fn of(&self, interest: &str) -> Option<&SiteShares> {
        self.interests.get(interest)
    }

    /// Everything that is known, in the order of interests.
    pub fn iter(&self) -> impl Iterator<Item = &SiteShares> {
        self.interests.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> SiteShares {
        SiteShares {
            interest: "category".into(),
            as_of: Timestamp::from_ms(0),
            persons: 10,
            shares: vec![("climbing".into(), 0.02), ("milk".into(), 0.4)],
        }
    }

    #[test]
    fn what_everybody_likes_is_no_lift_and_what_few_like_is() {
        let lift = |value, score| site().lift(value, score, 20.0, 5.0).unwrap();
        assert!((lift("milk", 10.0) - (10.0 + 2.0) / 25.0 / 0.4).abs() < 1e-12);
        assert!((lift("climbing", 4.0) - (4.0 + 0.1) / 25.0 / 0.02).abs() < 1e-12);
        assert!((lift("milk", 8.0) - 1.0).abs() < 1e-12, "as the site");
        assert!(lift("milk", -3.0) < 1.0);
        assert_eq!(site().lift("hats", 4.0, 20.0, 5.0), None);
    }

    #[test]
    fn somebody_of_whom_nothing_is_known_is_as_the_site() {
        assert_eq!(site().lift("milk", 0.0, 0.0, 8.0), Some(1.0));
        assert_eq!(site().lift("climbing", f64::MAX, 0.0, 1e-6), Some(f64::MAX));
    }

    #[test]
    fn the_latest_stands_until_it_is_withdrawn() {
        let mut known = Site::default();
        known.put(site());
        known.put(SiteShares { persons: 11, ..site() });
        assert_eq!(known.of("category").map(|shares| shares.persons), Some(11));
        assert_eq!(known.iter().count(), 1);
        known.withdraw("category");
        assert_eq!(known, Site::default());
    }
}
