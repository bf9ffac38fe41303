//! Decayed affinities: a score per value that halves in a fixed time, so that what somebody does now counts
//! more than what they did.
//!
//! `score(h) = sum of w * 2^-((h - h_event) / H)` over whole hours h, kept as one number as of one hour. An
//! older event adds its weight already decayed, so the order of arrival does not matter beyond rounding. The
//! sum stays signed and is floored at zero only when it is read: flooring on write would make it depend on
//! the order.

use std::sync::Arc;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::time::{HOUR_MS, Timestamp};

/// Scores that decide are compared with this tolerance, so that the order of additions does not show.
pub const TOLERANCE: f64 = 1e-9;

/// A half-life in whole hours, with the decay of each hour of it computed once. A copy costs nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Decay {
    factors: Arc<[f64]>,
}

impl Decay {
    /// A decay that halves in `half_life_hours`, 1 to 87,600 (ten years).
    ///
    /// The factors come from a software exponential, so that every machine computes the same bits.
    pub fn new(half_life_hours: u32) -> Decay {
        let hours = half_life_hours.clamp(1, 87_600);
        let factors = (0..hours).map(|hour| libm::exp2(-f64::from(hour) / f64::from(hours))).collect();
        Decay { factors }
    }

    /// The half-life in hours.
    pub fn half_life_hours(&self) -> i64 {
        self.factors.len() as i64
    }

    /// What is left of 1 after so many hours: 2^-(hours / half-life). Not above 1.
    pub fn after_hours(&self, hours: i64) -> f64 {
        // Mostly less than one half-life has passed, and then the table says it all.
        if let Some(factor) = usize::try_from(hours.max(0)).ok().and_then(|hours| self.factors.get(hours)) {
            return *factor;
        }
        let halvings = hours / self.half_life_hours();
        let rest = (hours % self.half_life_hours()) as usize;
        let factor = self.factors.get(rest).copied().unwrap_or(1.0);
        if halvings > 1_000 { 0.0 } else { factor * libm::exp2(-(halvings as f64)) }
    }
}

/// The affinity to one value, such as the category `shoes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Affinity {
    /// The value.
    pub value: CompactString,
    /// The signed score as of `hour`.
    pub score: f64,
    /// The sum of the squares of what each contribution is worth in `hour`.
    #[serde(skip)]
    pub squares: f64,
    /// The hour that the score is as of. Of a profile most of the memory is its affinities, so it is half a word.
    pub hour: i32,
    /// How many contributions it holds: the evidence.
    pub evidence: u32,
    /// Since when the value is a tag, if it is.
    pub tagged_at: Option<Timestamp>,
}

impl Affinity {
    /// An affinity without any contribution yet.
    pub fn new(value: &str, hour: i64) -> Affinity {
        let hour = half_a_word(hour);
        Affinity { value: value.into(), score: 0.0, squares: 0.0, hour, evidence: 0, tagged_at: None }
    }

    /// The hour that the score is as of.
    pub fn hour(&self) -> i64 {
        i64::from(self.hour)
    }

    /// Adds a weight that an event of hour `event_hour` contributes, as of hour `now_hour`.
    pub fn add(&mut self, weight: f64, event_hour: i64, now_hour: i64, decay: &Decay) {
        let hour = self.hour().max(now_hour);
        let contribution = weight * decay.after_hours(hour.saturating_sub(event_hour));
        let left = decay.after_hours(hour.saturating_sub(self.hour()));
        // An infinite score could not decay: it would be no number at all when its factor is zero.
        self.score = (self.score * left + contribution).clamp(f64::MIN, f64::MAX);
        self.squares = (self.squares * left * left + contribution * contribution).min(f64::MAX);
        self.hour = half_a_word(hour);
        self.evidence = self.evidence.saturating_add(1);
    }

    /// What the squares add up to where there was one contribution, or where no more is known.
    pub fn squares_of_one(score: f64) -> f64 {
        (score * score).min(f64::MAX)
    }

    /// The signed score as of an hour that is not before the stored one.
    pub fn score_at(&self, hour: i64, decay: &Decay) -> f64 {
        self.score * decay.after_hours(hour.saturating_sub(self.hour()))
    }

    /// How many contributions of equal weight would say as much: Kish's effective sample size, the square of the sum
    /// over the sum of the squares (Survey Sampling, 1965). Never more than the evidence: old contributions and small
    /// ones count for little beside fresh and large ones, and those that contradict each other for less than one. It
    /// stays the same while all of them decay.
    pub fn n_eff(&self) -> f64 {
        let n_eff = self.score * self.score / self.squares;
        if n_eff.is_finite() { n_eff } else { 0.0 }
    }

    /// The score in whole points as of an hour, none below zero: it has as many as it reaches.
    pub fn points_at(&self, hour: i64, decay: &Decay) -> i64 {
        let score = self.score_at(hour.max(self.hour()), decay).max(0.0);
        let next = score.floor() + 1.0;
        (if score >= next - TOLERANCE { next } else { score.floor() }) as i64
    }

    /// The first instant at which the score is below `threshold`, which must be positive; none if it is
    /// already, or if it never falls (a score of zero or less).
    pub fn falls_below(&self, threshold: f64, decay: &Decay) -> Option<Timestamp> {
        let limit = threshold - TOLERANCE;
        // A score that is no number falls below nothing.
        if self.score.is_nan() || self.score < limit || limit <= 0.0 {
            return None;
        }
        let estimate = decay.half_life_hours() as f64 * libm::log2(self.score / limit);
        // The estimate is within an hour; the exact comparison decides.
        let mut hour = self.hour().saturating_add((estimate as i64).saturating_sub(2).max(0));
        while self.score_at(hour, decay) >= limit {
            hour = hour.checked_add(1)?;
        }
        hour.checked_mul(HOUR_MS).map(Timestamp::from_ms)
    }
}

/// An hour that an event may be of lies within the range by far.
fn half_a_word(hour: i64) -> i32 {
    hour.clamp(i32::MIN.into(), i32::MAX.into()) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn affinity(score: f64) -> Affinity {
        Affinity { score, ..Affinity::new("shoes", 100) }
    }

    fn n_eff(contributions: &[(f64, i64)]) -> f64 {
        let mut affinity = affinity(0.0);
        contributions.iter().for_each(|(weight, hour)| affinity.add(*weight, *hour, *hour, &Decay::new(24)));
        affinity.n_eff()
    }

    #[test]
    fn evidence_is_worth_as_much_as_equal_contributions_that_say_the_same() {
        assert_eq!(n_eff(&[]), 0.0);
        assert_eq!(n_eff(&[(-2.5, 100)]), 1.0);
        assert_eq!(n_eff(&[(3.0, 100); 5]), 5.0);
        let (old_and_new, long_ago) = (n_eff(&[(1.0, 100), (1.0, 124)]), n_eff(&[(1.0, 100), (1.0, 400)]));
        assert!((old_and_new - 1.5 * 1.5 / 1.25).abs() < TOLERANCE);
        assert!(long_ago > 1.0 && long_ago < 1.001);
        assert_eq!(n_eff(&[(1.0, 100), (-1.0, 100)]), 0.0, "they contradict each other");
        assert_eq!(n_eff(&[(1e300, 100)]), 0.0, "its square is no number");
    }

    #[test]
    fn a_score_falls_below_a_threshold_at_the_first_hour_at_which_it_is_below() {
        for (half_life_hours, score, threshold) in [(168, 10.0, 8.0), (1, 1e300, 1.0), (87_600, 8.0, 8.0)] {
            let decay = Decay::new(half_life_hours);
            let hour = affinity(score).falls_below(threshold, &decay).unwrap().hour();
            assert!(affinity(score).score_at(hour, &decay) < threshold - TOLERANCE);
            assert!(affinity(score).score_at(hour - 1, &decay) >= threshold - TOLERANCE);
        }
    }

    #[test]
    fn points_are_whole_and_fall_when_the_score_falls_below_them() {
        let decay = Decay::new(24);
        let points = [-1.0, 0.0, 0.99, 3.0 - 1e-12, 3.5].map(|score| affinity(score).points_at(100, &decay));
        assert_eq!(points, [0, 0, 0, 3, 3]);
        let hour = affinity(3.5).falls_below(3.0, &decay).unwrap().hour();
        assert_eq!([hour - 1, hour].map(|hour| affinity(3.5).points_at(hour, &decay)), [3, 2]);
        assert_eq!(affinity(8.0).points_at(99, &decay), 8, "not before it was said");
    }

    #[test]
    fn what_never_falls_is_never_due() {
        let decay = Decay::new(24);
        assert_eq!(affinity(7.9).falls_below(8.0, &decay), None, "below already");
        assert_eq!(affinity(9.0).falls_below(0.0, &decay), None, "a score never reaches zero");
    }

    #[test]
    fn the_largest_weights_leave_a_score_that_decays() {
        let decay = Decay::new(24);
        let mut affinity = affinity(0.0);
        affinity.add(f64::MAX, 100, 100, &decay);
        affinity.add(f64::MAX, 100, 100, &decay);
        assert_eq!(affinity.score, f64::MAX);
        let hour = affinity.falls_below(8.0, &decay).unwrap().hour();
        assert!(affinity.score_at(hour, &decay) < 8.0);
    }
}
