//! When each record is sent, so that a person can watch: Ada's one by one, the others' in between as fast as
//! their number needs.

use std::time::Duration;

/// How long the stream takes if nobody is in a hurry.
const STREAM: Duration = Duration::from_secs(24);
/// The least that is left for the others.
const OTHERS_MIN: Duration = Duration::from_secs(6);
/// How long each of Ada's records may be looked at.
const LOOK: Duration = Duration::from_millis(380);

/// The wait after each record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    ada: Duration,
    others: Duration,
    /// For how long the processor stays dead.
    pub(super) down: Duration,
}

impl Pace {
    /// A pace for so many records, of which so many are Ada's.
    pub(super) fn new(records: usize, of_ada: usize, fast: bool) -> Pace {
        if fast {
            return Pace { ada: Duration::ZERO, others: Duration::ZERO, down: Duration::ZERO };
        }
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let left = STREAM.saturating_sub(LOOK * count(of_ada)).max(OTHERS_MIN);
        let others = left / count(records.saturating_sub(of_ada)).max(1);
        Pace { ada: LOOK, others, down: LOOK * 3 }
    }

    /// How long to wait after a record.
    pub(super) fn after(&self, is_ada: bool) -> Duration {
        if is_ada { self.ada } else { self.others }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demo_can_be_watched_in_half_a_minute() {
        for (records, of_ada) in [(500, 42), (4_000, 42), (100_000, 44), (1, 1)] {
            let pace = Pace::new(records, of_ada, false);
            let total = pace.after(true) * of_ada as u32 + pace.after(false) * (records - of_ada) as u32;
            assert!(total < Duration::from_secs(25), "{total:?}");
            assert_eq!(Pace::new(records, of_ada, true).after(true), Duration::ZERO);
        }
    }
}
