//! Random numbers that are the same on every machine, for ever: a shop is its seed. No entropy, no floats
//! where whole numbers do, and a software power where they do not. Not fit for secrets.

/// A generator: SplitMix64 (Steele, Lea and Flood, 2014), one addition and three mixing steps a number. Its
/// period of 2^64 is far above what a shop draws.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: u64,
}

/// Ranks by Zipf's law: rank r of n comes with a probability in proportion to 1 / (r + 1)^exponent.
#[derive(Clone, Debug)]
pub(crate) struct Zipf {
    cumulative: Vec<f64>,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random { state: seed }
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `limit` - 1; 0 when `limit` is 0. The product's high half is uniform to within
    /// `limit` / 2^64.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.number()) * u128::from(limit)) >> 64) as u64
    }

    /// A number from `low` to `high`, both included; `low` when `high` is not above it.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = high.saturating_sub(low).max(0) as u64;
        low + self.below(width + 1) as i64
    }

    /// True `share` times in a thousand.
    pub(crate) fn per_mille(&mut self, share: u32) -> bool {
        self.below(1000) < u64::from(share)
    }

    /// True `part` times in `whole`; never when `whole` is 0.
    pub(crate) fn odds(&mut self, part: u32, whole: u32) -> bool {
        self.below(u64::from(whole)) < u64::from(part) && whole > 0
    }

    /// One of the choices; none of none.
    pub(crate) fn pick<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        choices.get(self.below(choices.len() as u64) as usize)
    }

    /// A number from 0 to below 1, in steps of 2^-53.
    fn fraction(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Zipf {
    /// The law over `ranks` ranks.
    pub(crate) fn new(ranks: usize, exponent: f64) -> Zipf {
        let mut sum = 0.0;
        let cumulative = (0..ranks).map(|rank| {
            sum += libm::pow((rank + 1) as f64, -exponent);
            sum
        });
        Zipf { cumulative: cumulative.collect() }
    }

    /// A rank from 0 on.
    pub(crate) fn rank(&self, random: &mut Random) -> usize {
        let total = self.cumulative.last().copied().unwrap_or(0.0);
        let drawn = random.fraction() * total;
        let rank = self.cumulative.partition_point(|sum| *sum <= drawn);
        rank.min(self.cumulative.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        let mut random = Random::new(1_234_567);
        // The first numbers of the reference implementation for this seed.
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!([random.number(), random.number(), random.number()], expected);
    }

    #[test]
    fn numbers_stay_within_their_bounds_and_reach_them() {
        let mut random = Random::new(7);
        let drawn: Vec<i64> = (0..1_000).map(|_| random.between(-2, 2)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&-2), Some(&2)));
        assert_eq!((random.below(0), random.between(5, 4)), (0, 5));
        assert_eq!(random.pick::<u8>(&[]), None);
        assert!(!random.odds(1, 0));
        let often = (0..10_000).filter(|_| random.per_mille(250)).count();
        assert!((2_300..2_700).contains(&often), "{often}");
    }

    #[test]
    fn ranks_follow_zipfs_law() {
        let (law, mut random) = (Zipf::new(100, 1.0), Random::new(7));
        let mut counts = [0_u32; 100];
        for _ in 0..100_000 {
            counts[law.rank(&mut random)] += 1;
        }
        // The sum of 1/r up to 100 is 5.187, so the first rank has 19.3 % and the tenth a tenth of it.
        assert!((18_800..19_800).contains(&counts[0]), "{}", counts[0]);
        assert!((1_750..2_100).contains(&counts[9]), "{}", counts[9]);
    }
}
