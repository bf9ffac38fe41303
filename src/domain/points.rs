//! Points in event time of which only those are kept that none of the others outdoes: the smallest value, the
//! last, the last of each. What outdoes what is an order, so the points that remain depend on what happened and
//! not on when it was heard of, and points of two persons merge by adding those of the one to the other's.

use thin_vec::ThinVec;

use super::growth::make_room;
use super::rulebook::Window;
use super::scalar::Scalar;
use super::time::Timestamp;

/// A value and when it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// When; where only the bucket counts, the instant at which it begins.
    pub at: Timestamp,
    /// The value.
    pub value: Scalar,
}

/// The points of one attribute, sorted by time and then by value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Points(ThinVec<Point>);

/// Which points are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The smallest value, and those that will be it when smaller ones have left the window.
    Least,
    /// The same of the largest value.
    Greatest,
    /// The earliest, and those that will be it.
    Earliest,
    /// The latest.
    Latest,
    /// The latest of each value, but only so many of them.
    LatestOfEach {
        /// How many, at least 1.
        most: usize,
    },
    /// The latest, so many of them; what happened twice at one instant is two points.
    Newest {
        /// How many, at least 1.
        most: usize,
    },
    /// Those of a sketch of distinct values: of each register the highest rank, and those that will be it.
    HighestRank,
}

impl Points {
    /// Points as they were written, sorted again.
    pub(crate) fn of_points(mut points: ThinVec<Point>) -> Points {
        points.sort_by(Point::order);
        Points(points)
    }

    /// The points, sorted by time and then by value.
    pub fn as_slice(&self) -> &[Point] {
        &self.0
    }

    /// Adds a point that lies in the window at `now`. Returns whether it is kept.
    pub fn add(&mut self, point: Point, keep: Keep, now: Timestamp, window: Option<&Window>) -> bool {
        let bucket = |at: Timestamp| window.map_or(0, |window| window.bucket(at));
        if window.is_some_and(|window| bucket(point.at) < window.oldest_bucket(now)) {
            return false;
        }
        let begins = || window.map_or(Some(Timestamp::EARLIEST), |window| window.begins(bucket(point.at)));
        let at = if keep.by_bucket() { begins().unwrap_or(point.at) } else { point.at };
        let point = Point { at, ..point };
        if self.0.iter().any(|held| keep.outdoes(held, &point, bucket)) {
            return false;
        }
        self.0.retain(|held| !keep.outdoes(&point, held, bucket));
        let place = self.0.partition_point(|held| held.order(&point).is_lt());
        make_room(&mut self.0);
        self.0.insert(place, point);
        let (Keep::LatestOfEach { most } | Keep::Newest { most }) = keep else { return true };
        // More than one too many there are where fewer were declared anew.
        let excess = self.0.len().saturating_sub(most);
        self.0.drain(..excess);
        place >= excess
    }

    /// Takes out what has left the window at `now`. Returns whether anything has.
    pub fn expire(&mut self, now: Timestamp, window: &Window) -> bool {
        let oldest = window.oldest_bucket(now);
        let gone = self.0.partition_point(|point| window.bucket(point.at) < oldest);
        self.0.drain(..gone);
        gone > 0
    }

    /// When the oldest point leaves the window.
    pub fn due(&self, window: &Window) -> Option<Timestamp> {
        window.leaves(window.bucket(self.0.first()?.at))
    }
}

impl Point {
    fn order(&self, other: &Point) -> std::cmp::Ordering {
        self.at.cmp(&other.at).then_with(|| self.value.order(&other.value))
    }
}

impl Keep {
    /// Whether only the bucket of a point counts, not its instant.
    fn by_bucket(self) -> bool {
        matches!(self, Keep::Least | Keep::Greatest | Keep::HighestRank)
    }

    /// Whether a point is of no use beside another: it can never again be what is read. A point outdoes itself,
    /// but where each event counts.
    fn outdoes(self, one: &Point, other: &Point, bucket: impl Fn(Timestamp) -> i64) -> bool {
        let stays = || bucket(one.at) >= bucket(other.at);
        match self {
            Keep::Least => stays() && one.value.order(&other.value).is_le(),
            Keep::Greatest => stays() && one.value.order(&other.value).is_ge(),
            Keep::Earliest => stays() && one.order(other).is_le(),
            Keep::Latest => one.order(other).is_ge(),
            Keep::Newest { .. } => false,
            Keep::LatestOfEach { .. } => one.value == other.value && one.at >= other.at,
            // Most marks are of other registers; which bucket is which may be a matter of time zones.
            Keep::HighestRank => super::distinct::outranks(&one.value, &other.value) && stays(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::HOUR_MS;

    const HOURLY: Window = Window { bucket_ms: HOUR_MS, buckets: 24, timed: true, zone: None };

    fn at(hour: i64, value: i64) -> Point {
        Point { at: Timestamp::from_ms(hour * HOUR_MS + 7), value: Scalar::Integer(value) }
    }

    fn values(points: &Points) -> Vec<i64> {
        let value = |point: &Point| match point.value {
            Scalar::Integer(value) => value,
            _ => i64::MIN,
        };
        points.as_slice().iter().map(value).collect()
    }

    fn of(keep: Keep, window: Option<&Window>, points: &[(i64, i64)]) -> Points {
        let mut held = Points::default();
        for (hour, value) in points {
            held.add(at(*hour, *value), keep, Timestamp::from_ms(100 * HOUR_MS), window);
        }
        held
    }

    #[test]
    fn the_smallest_value_is_followed_by_the_next_when_it_leaves_the_window() {
        let mut points = of(Keep::Least, Some(&HOURLY), &[(90, 3), (95, 1), (99, 5), (100, 4), (97, 2)]);
        assert_eq!(values(&points), [1, 2, 4], "3 is older than 1, and 5 older than 4");
        let leaves = Timestamp::from_ms((95 + 24) * HOUR_MS);
        assert_eq!(points.due(&HOURLY), Some(leaves));
        assert!(!points.expire(leaves.plus_ms(-1), &HOURLY));
        assert!(points.expire(leaves, &HOURLY));
        assert_eq!(values(&points), [2, 4]);
    }

    #[test]
    fn without_a_window_one_point_says_it_all() {
        for (keep, value) in [(Keep::Least, 1), (Keep::Greatest, 9), (Keep::Earliest, 5), (Keep::Latest, 7)] {
            assert_eq!(values(&of(keep, None, &[(3, 7), (1, 5), (2, 1), (2, 9)])), [value], "{keep:?}");
        }
    }

    #[test]
    fn of_many_values_the_latest_stay() {
        let keep = Keep::LatestOfEach { most: 2 };
        let mut points = of(keep, None, &[(1, 5), (2, 6), (3, 5)]);
        assert_eq!(values(&points), [6, 5]);
        let now = Timestamp::from_ms(100 * HOUR_MS);
        assert!(!points.add(at(1, 8), keep, now, None), "older than both");
        assert!(points.add(at(4, 8), keep, now, None));
        assert_eq!(values(&points), [5, 8]);
    }

    #[test]
    fn of_the_newest_each_counts() {
        let keep = Keep::Newest { most: 2 };
        assert_eq!(values(&of(keep, None, &[(1, 1), (1, 1)])), [1, 1], "two orders of one instant");
        assert_eq!(values(&of(keep, None, &[(1, 1), (3, 1), (2, 1), (1, 1)])), [1, 1]);
        let mut points = of(keep, None, &[(2, 1), (2, 1)]);
        assert!(!points.add(at(2, 1), keep, Timestamp::from_ms(100 * HOUR_MS), None), "nothing is new");
    }

    #[test]
    fn what_lies_before_the_window_is_not_kept() {
        let mut points = Points::default();
        let now = Timestamp::from_ms(100 * HOUR_MS);
        assert!(!points.add(at(76, 1), Keep::Latest, now, Some(&HOURLY)));
        assert!(points.add(at(77, 1), Keep::Latest, now, Some(&HOURLY)));
    }
}
