//! What a task has done, counted for metrics. What a transaction did that was given up is among it, as it is among
//! the records that were written.

use std::collections::BTreeMap;

use compact_str::CompactString;

use crate::domain::decision::Decision;
use crate::domain::event::Event;
use crate::domain::rulebook::RuleBook;

/// Of how many events the clock of one is looked at: to look at each would cost more than it tells.
const SAMPLE: u64 = 64;

/// What was done since somebody asked.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many decisions were made, by slot and step of the ladder.
    pub decided: BTreeMap<(CompactString, &'static str), u64>,
    /// How often rules were not let fire because they had set off one another too often, by the rule.
    pub stopped: BTreeMap<CompactString, u64>,
    /// How often something was lost or not taken because persons were at a limit, by what there is a limit of.
    pub lost: BTreeMap<&'static str, u64>,
    /// How many persons were forgotten.
    pub forgotten: u64,
    /// How many events came too late for all but lifetime values, by source.
    pub late: BTreeMap<CompactString, u64>,
    /// How many events lay in the future and were taken as of when they were received, by source.
    pub clamped: BTreeMap<CompactString, u64>,
    /// By how many seconds devices' clocks were put right, of every 64th event, by source.
    pub skews: Vec<(CompactString, f64)>,
    events: u64,
}

impl Tally {
    pub(super) fn event(&mut self, event: &Event, late: bool) {
        if late {
            *self.late.entry(event.source.clone()).or_default() += 1;
        }
        if event.time_clamped {
            *self.clamped.entry(event.source.clone()).or_default() += 1;
        } else if self.events.is_multiple_of(SAMPLE) {
            let skew_ms = event.timestamp.since_ms(event.original_timestamp).unsigned_abs();
            self.skews.push((event.source.clone(), skew_ms as f64 / 1000.0));
        }
        self.events += 1;
    }

    pub(super) fn decision(&mut self, decision: &Decision, rules: &RuleBook) {
        // A slot that no definition names may be any text that somebody asked for.
        let known = rules.slot(&decision.slot).is_some();
        let slot = if known { decision.slot.clone() } else { CompactString::const_new("unknown") };
        *self.decided.entry((slot, decision.ladder.as_str())).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    #[test]
    fn the_times_of_events_are_counted_by_source_and_every_64th_clock_is_looked_at() {
        let event = |time_clamped| Event {
            source: "web".into(),
            original_timestamp: Timestamp::from_ms(5_000),
            timestamp: Timestamp::from_ms(2_500),
            time_clamped,
            ..Event::named("page_viewed")
        };
        let mut tally = Tally::default();
        (0..65).for_each(|number| tally.event(&event(false), number < 2));
        tally.event(&event(true), false);
        assert_eq!(tally.late, [("web".into(), 2)].into());
        assert_eq!(tally.clamped, [("web".into(), 1)].into());
        assert_eq!(tally.skews, [("web".into(), 2.5), ("web".into(), 2.5)]);
    }
}
