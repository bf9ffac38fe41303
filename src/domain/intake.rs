//! Which events count at all and how far back, and how they form sessions.

use compact_str::CompactString;

use super::event::Event;
use super::time::{HOUR_MS, Timestamp};

/// De-duplication and lateness.
#[derive(Clone, Debug)]
pub struct IntakeRule {
    /// How many message ids are remembered for a person, 1 to 4,096.
    pub seen_ids_max: usize,
    /// How long a message id is remembered, in milliseconds of event time.
    pub seen_horizon_ms: i64,
    /// Events that lie further than this behind stream time count in lifetime values only, in milliseconds.
    pub lateness_ms_max: i64,
    /// The same for the events of these source topics.
    pub lateness_by_source: Vec<(CompactString, i64)>,
    /// Persons whose latest event is this old are forgotten, in milliseconds of event time; none are
    /// where it is not said.
    pub retention_ms: Option<i64>,
}

/// Sessions by a gap in event time.
#[derive(Clone, Debug)]
pub struct SessionRule {
    /// A session ends when this many milliseconds pass without an event.
    pub gap_ms: i64,
    /// Whether the end of a session is itself a change, at its due time.
    pub timed: bool,
    /// How many of its last pages are remembered, at most 50; 0 for none, and no entry page either.
    pub pages_max: usize,
    /// Whether what is heard of late belongs to the visit in which it happened, which then began earlier, lasted
    /// longer or is one with the next; else an event from before the current visit belongs to none.
    pub extends_back: bool,
}

impl Default for IntakeRule {
    fn default() -> IntakeRule {
        IntakeRule {
            seen_ids_max: 256,
            seen_horizon_ms: 72 * HOUR_MS,
            lateness_ms_max: 72 * HOUR_MS,
            lateness_by_source: Vec::new(),
            retention_ms: None,
        }
    }
}

impl Default for SessionRule {
    fn default() -> SessionRule {
        SessionRule { gap_ms: 30 * 60 * 1000, timed: true, pages_max: 10, extends_back: true }
    }
}

impl IntakeRule {
    /// Whether an event lies so far behind stream time that it counts in lifetime values only.
    pub fn is_late(&self, event: &Event, now: Timestamp) -> bool {
        now.since_ms(event.timestamp) > self.lateness_ms(&event.source)
    }

    /// How far behind stream time an event of a source topic may lie and still count everywhere, in milliseconds.
    fn lateness_ms(&self, source: &str) -> i64 {
        let of_source = self.lateness_by_source.iter().find(|(topic, _)| topic == source);
        of_source.map_or(self.lateness_ms_max, |(_, lateness_ms)| *lateness_ms)
    }

    /// The same of whichever source has the most patience.
    pub fn lateness_ms_of_any(&self) -> i64 {
        let of_sources = self.lateness_by_source.iter().map(|(_, lateness_ms)| *lateness_ms);
        of_sources.fold(self.lateness_ms_max, i64::max)
    }
}
