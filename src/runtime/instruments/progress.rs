//! Which partition does not get on: since when each partition with lag has committed nothing new.
//!
//! A worker's last commit says too little: a partition that hangs on one record is not helped by the commits
//! of its neighbours, nor by commits that hold nothing. It reads no clock and judges nothing; `readiness` and
//! the watchdog do.

use std::collections::BTreeMap;
use std::time::Duration;

/// Where a partition stands at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The topic's name.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// The offset that the group would go on from, as of the last commit.
    pub committed: i64,
    /// How many records wait behind it.
    pub lag: i64,
}

/// A partition with lag, and since when it has not got on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stalled {
    /// The topic's name; `?` for one that was not named to [`super::vitals::Vitals::new`].
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The first offset that is not committed.
    pub offset: i64,
    /// Since when it has had lag without a commit of this partition.
    pub since: Duration,
}

/// What is remembered of each partition between two looks.
#[derive(Debug, Default)]
pub(super) struct Progress {
    seen: BTreeMap<(String, i32), Seen>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    committed: i64,
    lagging: bool,
    since: Duration,
}

impl Progress {
    /// Takes note of all partitions that the worker has; those not named are not its any more. Gives the one
    /// with lag that has not got on for longest, however short that is.
    pub(super) fn note<'p>(
        &mut self,
        places: impl IntoIterator<Item = Place<'p>>,
        now: Duration,
    ) -> Option<Stalled> {
        let before = std::mem::take(&mut self.seen);
        let mut worst: Option<Stalled> = None;
        for place in places {
            let key = (place.topic.to_owned(), place.partition);
            let lagging = place.lag > 0;
            let same = before.get(&key).filter(|seen| seen.lagging && seen.committed == place.committed);
            let since = same.map_or(now, |seen| seen.since);
            if lagging && worst.as_ref().is_none_or(|worst| since < worst.since) {
                worst = Some(Stalled {
                    topic: place.topic.to_owned(),
                    partition: place.partition,
                    offset: place.committed,
                    since,
                });
            }
            self.seen.insert(key, Seen { committed: place.committed, lagging, since });
        }
        worst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const fn place(partition: i32, committed: i64, lag: i64) -> Place<'static> {
        Place { topic: "clicks", partition, committed, lag }
    }

    fn stalled(partition: i32, offset: i64, since: u64) -> Option<Stalled> {
        Some(Stalled { topic: "clicks".to_owned(), partition, offset, since: at(since) })
    }

    #[test]
    fn a_partition_that_hangs_beside_one_that_gets_on_is_named() {
        let mut progress = Progress::default();
        assert_eq!(progress.note([place(0, 10, 5), place(1, 20, 5)], at(1)), stalled(0, 10, 1));
        for second in 2..60 {
            let moving = place(0, 10 + second, 5);
            let worst = progress.note([moving, place(1, 20, 5 + second)], at(second as u64));
            assert_eq!(worst, stalled(1, 20, 1), "the neighbour's commits do not count");
        }
        assert_eq!(progress.note([place(0, 70, 5), place(1, 21, 9)], at(60)), stalled(0, 70, 60));
    }

    #[test]
    fn without_lag_nothing_hangs_and_lag_that_comes_later_counts_from_then() {
        let mut progress = Progress::default();
        assert_eq!(progress.note([place(0, 10, 0)], at(1)), None);
        assert_eq!(progress.note([place(0, 10, 0)], at(500)), None);
        assert_eq!(progress.note([place(0, 10, 1)], at(501)), stalled(0, 10, 501));
        assert_eq!(progress.note([place(0, 10, 1)], at(509)), stalled(0, 10, 501));
    }

    #[test]
    fn a_partition_that_went_and_came_back_begins_anew() {
        let mut progress = Progress::default();
        progress.note([place(0, 10, 1)], at(1));
        assert_eq!(progress.note([], at(2)), None);
        assert_eq!(progress.note([place(0, 10, 1)], at(90)), stalled(0, 10, 90));
    }
}
