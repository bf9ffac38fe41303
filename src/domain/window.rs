//! Windows, and windowed numbers as sums by bucket: exact to one bucket, independent of the order of events, and
//! falling when time passes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::buckets::Buckets;
use super::rulebook::NameId;
use super::time::Timestamp;
use super::zone::Zone;

/// A sliding window of whole buckets: at T it holds the buckets in (bucket(T) - buckets, bucket(T)].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The length of a bucket in milliseconds, at least a minute.
    pub bucket_ms: i64,
    /// How many buckets the window has, 1 to 2,400.
    pub buckets: i64,
    /// Where buckets are calendar days, the time zone; then `bucket_ms` is a day's usual length.
    pub zone: Option<Arc<Zone>>,
    /// Whether a bucket's leaving is itself a change, at its due time; else it shows with the next change.
    pub timed: bool,
}

impl Window {
    /// The length of the window in milliseconds, where no clock is changed.
    pub fn length_ms(&self) -> i64 {
        self.bucket_ms.saturating_mul(self.buckets)
    }

    /// The number of the bucket that holds an instant.
    pub fn bucket(&self, at: Timestamp) -> i64 {
        self.zone.as_ref().map_or_else(|| at.bucket(self.bucket_ms), |zone| zone.day(at))
    }

    /// The first instant of a bucket; none where that is beyond all time.
    pub fn begins(&self, bucket: i64) -> Option<Timestamp> {
        let begins = bucket.checked_mul(self.bucket_ms)?;
        Some(self.zone.as_ref().map_or(Timestamp::from_ms(begins), |zone| zone.begins(bucket)))
    }

    /// The first bucket that the window still holds at an instant.
    pub fn oldest_bucket(&self, now: Timestamp) -> i64 {
        self.bucket(now).saturating_sub(self.buckets).saturating_add(1)
    }

    /// When a bucket leaves the window; none where that is beyond all time.
    pub fn leaves(&self, bucket: i64) -> Option<Timestamp> {
        self.begins(bucket.checked_add(self.buckets)?)
    }
}

/// One attribute's number for one person.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Counter {
    /// Which attribute.
    pub id: NameId,
    /// The sum over the window, or over the lifetime where there is none.
    pub total: i64,
    /// The sums that it is made of; none without a window.
    pub buckets: Buckets,
}

/// A counter as format 1 of rows had it.
#[derive(Serialize, Deserialize)]
struct Written {
    id: NameId,
    total: i64,
    buckets: Vec<(i64, i64)>,
}

impl From<Written> for Counter {
    fn from(written: Written) -> Counter {
        let Written { id, total, buckets } = written;
        Counter { id, total, buckets: buckets.into_iter().collect() }
    }
}

impl From<Counter> for Written {
    fn from(counter: Counter) -> Written {
        let Counter { id, total, buckets } = counter;
        Written { id, total, buckets: buckets.iter().collect() }
    }
}

impl Counter {
    /// An empty counter of this attribute.
    pub fn new(id: NameId) -> Counter {
        Counter { id, ..Counter::default() }
    }

    /// Whether it is as a new one: nothing is counted, and nothing is held that adds up to nothing.
    pub fn is_empty(&self) -> bool {
        self.total == 0 && self.buckets.is_empty()
    }

    /// Adds an amount that happened at `at`. Returns whether it changes the number: an amount from before the
    /// window does not, and neither does zero. Sums stop at the ends of their range.
    pub fn add(&mut self, amount: i64, at: Timestamp, now: Timestamp, window: Option<&Window>) -> bool {
        if amount == 0 {
            return false;
        }
        if let Some(window) = window {
            self.expire(now, window);
            let bucket = window.bucket(at);
            if bucket < window.oldest_bucket(now) {
                return false;
            }
            self.buckets.add(bucket, amount);
        }
        self.total = self.total.saturating_add(amount);
        true
    }

    /// Takes out what has left the window at `now`. Returns whether the number changed.
    pub fn expire(&mut self, now: Timestamp, window: &Window) -> bool {
        // Mostly nothing has left, which the first bucket tells.
        if self.due(window).is_none_or(|due| due > now) || !self.buckets.expire(window.oldest_bucket(now)) {
            return false;
        }
        let before = self.total;
        // What remains is summed afresh: where a sum has reached the end of its range, a difference would
        // carry the error on for ever.
        self.total = self.buckets.total();
        before != self.total
    }

    /// When the first bucket leaves the window; never where that is beyond all time.
    pub fn due(&self, window: &Window) -> Option<Timestamp> {
        window.leaves(self.buckets.first()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::HOUR_MS;

    fn hours(hour: i64) -> Timestamp {
        Timestamp::from_ms(hour * HOUR_MS)
    }

    #[test]
    fn a_count_falls_when_its_bucket_leaves_the_window() {
        let window = Window { bucket_ms: HOUR_MS, buckets: 24, timed: true, zone: None };
        let mut counter = Counter::new(NameId(1));
        assert!(counter.add(1, hours(100), hours(100), Some(&window)));
        assert!(counter.add(2, hours(99), hours(100), Some(&window)), "late, in its true hour");
        assert!(!counter.add(5, hours(76), hours(100), Some(&window)), "before the window");
        assert_eq!(counter.total, 3);
        assert_eq!(counter.due(&window), Some(hours(123)));
        assert!(!counter.expire(hours(122), &window));
        assert!(counter.expire(hours(123), &window));
        assert_eq!((counter.total, counter.due(&window)), (1, Some(hours(124))));
        assert!(counter.expire(hours(500), &window));
        assert_eq!((counter.total, counter.due(&window)), (0, None));
    }

    #[test]
    fn an_absurd_amount_leaves_no_trace_when_it_leaves_the_window() {
        let window = Window { bucket_ms: HOUR_MS, buckets: 24, timed: true, zone: None };
        let mut counter = Counter::new(NameId(1));
        counter.add(i64::MAX, hours(100), hours(100), Some(&window));
        counter.add(7, hours(101), hours(101), Some(&window));
        assert_eq!(counter.total, i64::MAX);
        counter.expire(hours(124), &window);
        assert_eq!(counter.total, 7);
    }

    #[test]
    fn what_adds_up_to_nothing_is_not_due() {
        let window = Window { bucket_ms: HOUR_MS, buckets: 24, timed: true, zone: None };
        let mut counter = Counter::new(NameId(1));
        assert!(!counter.add(0, hours(100), hours(100), Some(&window)));
        counter.add(5, hours(100), hours(100), Some(&window));
        counter.add(-5, hours(100), hours(100), Some(&window));
        assert_eq!((counter.total, counter.due(&window)), (0, None));
    }
}
