//! Event time. The domain knows no other clock: every instant comes in with a record.

use std::fmt;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

/// Milliseconds in one hour.
pub const HOUR_MS: i64 = 3_600_000;
/// Milliseconds in one day.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// An instant in event time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "i64", into = "i64")]
pub struct Timestamp(
    /// The milliseconds with their sign turned over, so that they have the same order and are never zero: an instant
    /// that may be missing takes no more room then. A profile has dozens of them.
    NonZeroU64,
);

/// What turns the sign over.
const SIGN: u64 = 1 << 63;

impl Timestamp {
    /// The earliest instant that an event may carry: 1970-01-01.
    pub const EARLIEST: Timestamp = Timestamp::from_ms(0);
    /// The latest instant that an event may carry: the end of the year 2199. It leaves room for sums.
    pub const LATEST: Timestamp = Timestamp::from_ms(7_258_118_399_999);

    /// An instant from milliseconds since the epoch. The very first one is taken for the second.
    pub const fn from_ms(ms: i64) -> Timestamp {
        match NonZeroU64::new(ms.cast_unsigned() ^ SIGN) {
            Some(bits) => Timestamp(bits),
            None => Timestamp(NonZeroU64::MIN),
        }
    }

    /// Milliseconds since the epoch.
    pub const fn ms(self) -> i64 {
        (self.0.get() ^ SIGN).cast_signed()
    }

    /// The instant `ms` milliseconds later, or earlier when negative. Saturates.
    pub const fn plus_ms(self, ms: i64) -> Timestamp {
        Timestamp::from_ms(self.ms().saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this instant; negative if `earlier` is later.
    pub const fn since_ms(self, earlier: Timestamp) -> i64 {
        self.ms().saturating_sub(earlier.ms())
    }

    /// The number of the bucket of `bucket_ms` milliseconds (at least 1) that holds this instant.
    pub const fn bucket(self, bucket_ms: i64) -> i64 {
        self.ms().div_euclid(if bucket_ms < 1 { 1 } else { bucket_ms })
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

impl Default for Timestamp {
    fn default() -> Timestamp {
        Timestamp::EARLIEST
    }
}

impl From<i64> for Timestamp {
    fn from(ms: i64) -> Timestamp {
        Timestamp::from_ms(ms)
    }
}

impl From<Timestamp> for i64 {
    fn from(at: Timestamp) -> i64 {
        at.ms()
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Timestamp").field(&self.ms()).finish()
    }
}
