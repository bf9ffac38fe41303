//! What part of all that draws a person each affinity is, and how that compares with the site.

use super::affinity::Affinity;
use super::rulebook::{InterestRule, RankBy};
use super::site::SiteShares;
use super::time::Timestamp;

/// An affinity beside the person's others of the same interest.
#[derive(Clone, Copy, Debug)]
pub struct Share<'a> {
    /// The affinity.
    pub affinity: &'a Affinity,
    /// Its signed score as of the instant that was asked for.
    pub score: f64,
    /// The score over the sum of all positive scores, at most 1; 0 where it is not above zero.
    pub share: f64,
    /// How many times as large that is as the site's share, where the site's is known.
    pub lift: Option<f64>,
}

impl Share<'_> {
    /// How strongly it speaks for content.
    pub(crate) fn strength(&self, rank_by: RankBy) -> f64 {
        match (rank_by, self.lift) {
            (RankBy::Lift, Some(lift)) => self.share * lift,
            // Of what the site does not know it is not said to be anything special.
            (RankBy::Lift, None) | (RankBy::Share, _) => self.share,
        }
    }
}

/// The affinities with a positive score, in the order of values, so that sums over them do not depend on the order
/// of arrival.
pub fn shares<'a>(
    affinities: &'a [Affinity],
    interest: &InterestRule,
    site: Option<&SiteShares>,
    now: Timestamp,
) -> Vec<Share<'a>> {
    let mut positive = all_shares(affinities, interest, site, now);
    positive.retain(|share| share.score > 0.0);
    positive
}

/// The same of all affinities: those without a positive score speak for nothing and have no share. Where values
/// roll up, the widest are the whole of which all have a share.
pub fn all_shares<'a>(
    affinities: &'a [Affinity],
    interest: &InterestRule,
    site: Option<&SiteShares>,
    now: Timestamp,
) -> Vec<Share<'a>> {
    let hour = now.hour();
    let scored = |affinity: &'a Affinity| {
        let score = affinity.score_at(hour.max(affinity.hour()), &interest.decay);
        Share { affinity, score, share: 0.0, lift: None }
    };
    let mut shares: Vec<Share<'a>> = affinities.iter().map(scored).collect();
    let sum = positive_sum(&shares, interest);
    for share in shares.iter_mut().filter(|share| share.score > 0.0 && sum > 0.0) {
        share.share = (share.score / sum).min(1.0);
    }
    if let Some(site) = site {
        for share in &mut shares {
            // What makes a tag is what it takes to outweigh the site.
            share.lift = site.lift(&share.affinity.value, share.score, sum, interest.enter);
        }
    }
    shares
}

fn positive_sum(shares: &[Share<'_>], interest: &InterestRule) -> f64 {
    let widest = shares.iter().filter(|share| interest.is_widest(&share.affinity.value));
    widest.map(|share| share.score).filter(|score| *score > 0.0).sum()
}
