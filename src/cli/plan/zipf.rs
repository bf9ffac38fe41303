//! How traffic spreads over persons: the one of rank r makes 1/r of what the busiest makes (Zipf's law with the
//! exponent 1). The further down, the more neighbours are taken together, so that a billion ranks are about a
//! thousand terms.

/// Neighbours are taken together a so-manieth of their rank at a time; below twice this each rank stands alone.
const FINENESS: u64 = 64;

/// Zipf's law over so many persons.
#[derive(Clone, Copy, Debug)]
pub(super) struct Zipf {
    profiles: u64,
    /// The sum of 1/r over all ranks.
    total: f64,
}

/// Neighbours in rank, treated as alike.
struct Bucket {
    persons: f64,
    /// The rank in the middle.
    rank: f64,
}

impl Zipf {
    /// The law over so many persons, at least 1.
    pub(super) fn over(profiles: u64) -> Zipf {
        let profiles = profiles.max(1);
        let total = buckets(1, profiles).map(|bucket| bucket.persons / bucket.rank).sum();
        Zipf { profiles, total }
    }

    /// What the person of a rank, from 1 on, makes of all traffic.
    pub(super) fn share(&self, rank: f64) -> f64 {
        1.0 / (rank * self.total)
    }

    /// What the persons from a rank on make of all traffic.
    pub(super) fn share_from(&self, first: u64) -> f64 {
        buckets(first, self.profiles).map(|bucket| bucket.persons * self.share(bucket.rank)).sum()
    }

    /// How many different persons from a rank on are expected among so many events of all persons.
    pub(super) fn distinct_from(&self, first: u64, events: f64) -> f64 {
        buckets(first, self.profiles)
            .map(|bucket| bucket.persons * seen(self.share(bucket.rank), events))
            .sum()
    }
}

/// The odds that a person with this share of the traffic is among so many events, which are more than none:
/// 1 - (1 - share)^events, without loss of digits where the share is tiny.
pub(super) fn seen(share: f64, events: f64) -> f64 {
    -(events * (-share).ln_1p()).exp_m1()
}

fn buckets(first: u64, last: u64) -> impl Iterator<Item = Bucket> {
    let mut next = first;
    std::iter::from_fn(move || {
        if next > last {
            return None;
        }
        let begin = next;
        let end = last.min(begin + (begin / FINENESS).max(1) - 1);
        next = end + 1;
        Some(Bucket { persons: (next - begin) as f64, rank: (begin + end) as f64 / 2.0 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_persons_agree_with_a_sum_over_all_of_them() {
        for profiles in [1, 10, 1_000, 20_000] {
            let total: f64 = (1..=profiles).map(|rank| 1.0 / rank as f64).sum();
            for events in [1, 50, 5_000, 1_000_000] {
                let exact: f64 =
                    (1..=profiles).map(|rank| 1.0 - (1.0 - 1.0 / (rank as f64 * total)).powi(events)).sum();
                let found = Zipf::over(profiles).distinct_from(1, f64::from(events));
                let off = (found - exact).abs() / exact;
                assert!(off < 1e-3, "{events} events of {profiles}: {found} instead of {exact}");
            }
        }
    }

    #[test]
    fn one_event_is_of_one_person() {
        for profiles in [1, 7, 1_000, 1_000_000_000] {
            let zipf = Zipf::over(profiles);
            assert!((zipf.distinct_from(1, 1.0) - 1.0).abs() < 1e-9, "{profiles}");
            assert!((zipf.share_from(1) - 1.0).abs() < 1e-9, "{profiles}");
        }
    }

    #[test]
    fn more_events_are_of_more_persons_but_never_in_proportion() {
        let zipf = Zipf::over(1_000_000_000);
        let mut events = 1.0;
        while events < 1e12 {
            let (once, twice) = (zipf.distinct_from(1, events), zipf.distinct_from(1, 2.0 * events));
            assert!(once < twice && twice < 2.0 * once, "{events}: {once}, {twice}");
            events *= 10.0;
        }
        assert!(zipf.distinct_from(1, events) <= 1e9);
    }

    #[test]
    fn a_part_and_the_rest_are_the_whole() {
        let zipf = Zipf::over(1_000_000);
        let head: f64 = (1..=1_000).map(|rank| zipf.share(f64::from(rank))).sum();
        assert!((head + zipf.share_from(1_001) - 1.0).abs() < 1e-4);
        assert_eq!(zipf.share_from(1_000_001), 0.0);
    }

    #[test]
    fn a_billion_ranks_are_few_terms() {
        assert!(buckets(1, 1_000_000_000).count() < 2_000);
        let persons: f64 = buckets(1, 1_000_000_000).map(|bucket| bucket.persons).sum();
        assert_eq!(persons, 1e9);
    }
}
