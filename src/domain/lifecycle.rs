//! Where customers stand, from new to lapsed: how long ago they last did what counts, and how long they had been
//! away before that. The stage depends on the last two events in event time alone, so not on their order of
//! arrival, and it moves on with time.

use super::points::Point;
use super::time::Timestamp;

/// The gaps that part the stages.
#[derive(Clone, Debug, PartialEq)]
pub struct Lifecycle {
    /// Who has been away for so many milliseconds is at risk of being lost.
    pub at_risk_ms: i64,
    /// Who has been away for so many milliseconds has lapsed; more than `at_risk_ms`.
    pub lapsed_ms: i64,
    /// Whether each stage that comes with time is itself a change, at its due time.
    pub timed: bool,
}

impl Lifecycle {
    /// The stage at an instant, by the last two events; none without an event.
    pub(crate) fn stage(&self, last_two: &[Point], now: Timestamp) -> Option<&'static str> {
        let last = last_two.last()?.at;
        let before = last_two.iter().rev().nth(1).map(|point| point.at);
        let away_ms = now.since_ms(last);
        Some(match before {
            _ if away_ms >= self.lapsed_ms => "lapsed",
            _ if away_ms >= self.at_risk_ms => "at_risk",
            None => "new",
            Some(before) if last.since_ms(before) >= self.lapsed_ms => "returning",
            Some(_) => "active",
        })
    }

    /// When the stage changes next if nothing happens.
    pub(crate) fn due(&self, last_two: &[Point], now: Timestamp) -> Option<Timestamp> {
        let last = last_two.last()?.at;
        [self.at_risk_ms, self.lapsed_ms]
            .map(|away_ms| last.plus_ms(away_ms))
            .into_iter()
            .find(|due| *due > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::scalar::Scalar;
    use crate::domain::time::DAY_MS;

    const LIFECYCLE: Lifecycle = Lifecycle { at_risk_ms: 60 * DAY_MS, lapsed_ms: 180 * DAY_MS, timed: true };

    fn day(day: i64) -> Timestamp {
        Timestamp::from_ms(day * DAY_MS)
    }

    fn on(days: &[i64]) -> Vec<Point> {
        days.iter().map(|number| Point { at: day(*number), value: Scalar::Bool(true) }).collect()
    }

    #[test]
    fn every_stage_has_its_gap() {
        let stage = |days: &[i64], now: i64| LIFECYCLE.stage(&on(days), day(now));
        assert_eq!(stage(&[], 0), None);
        assert_eq!(
            [0, 59, 60, 179, 180].map(|now| stage(&[0], now)),
            [Some("new"), Some("new"), Some("at_risk"), Some("at_risk"), Some("lapsed")]
        );
        assert_eq!(stage(&[0, 100], 101), Some("active"), "at risk for a while, but not lapsed");
        assert_eq!(stage(&[100, 100], 101), Some("active"), "two orders of one day, told without the time");
        assert_eq!(stage(&[0, 180], 181), Some("returning"));
        assert_eq!(stage(&[0, 180], 240), Some("at_risk"));
    }

    #[test]
    fn the_next_stage_is_due_when_its_gap_is_full() {
        let due = |now: Timestamp| LIFECYCLE.due(&on(&[0, 10]), now);
        assert_eq!(due(day(10)), Some(day(70)));
        assert_eq!(due(day(70)), Some(day(190)));
        assert_eq!(due(day(190)), None);
    }
}
