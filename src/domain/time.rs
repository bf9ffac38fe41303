//! Event time. The domain knows no other clock: every instant comes in with a record.

use serde::{Deserialize, Serialize};

/// Milliseconds in one hour.
pub const HOUR_MS: i64 = 3_600_000;
/// Milliseconds in one day.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// An instant in event time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest instant that an event may carry: 1970-01-01.
    pub const EARLIEST: Timestamp = Timestamp(0);
    /// The latest instant that an event may carry: the end of the year 2199. It leaves room for sums.
    pub const LATEST: Timestamp = Timestamp(7_258_118_399_999);

    /// An instant from milliseconds since the epoch.
    pub const fn from_ms(ms: i64) -> Timestamp {
        Timestamp(ms)
    }

    /// Milliseconds since the epoch.
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// The instant `ms` milliseconds later, or earlier when negative. Saturates.
    pub const fn plus_ms(self, ms: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this instant; negative if `earlier` is later.
    pub const fn since_ms(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The number of the bucket of `bucket_ms` milliseconds (at least 1) that holds this instant.
    pub const fn bucket(self, bucket_ms: i64) -> i64 {
        self.0.div_euclid(if bucket_ms < 1 { 1 } else { bucket_ms })
    }

    /// The number of the hour that holds this instant.
    pub const fn hour(self) -> i64 {
        self.bucket(HOUR_MS)
    }

    /// Whether an event may carry this instant.
    pub fn is_plausible(self) -> bool {
        (Timestamp::EARLIEST..=Timestamp::LATEST).contains(&self)
    }
}
