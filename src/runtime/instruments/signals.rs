//! What metrics say of the signals themselves: which came twice, too late or from the future, how wrong clocks were, and
//! what was lost because persons have a limit of everything.

use std::collections::BTreeMap;

use compact_str::CompactString;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter};

/// From the time that a message takes on its way to a clock that nobody has set.
const SKEW_BOUNDARIES_S: [f64; 8] = [1.0, 5.0, 30.0, 60.0, 300.0, 3600.0, 86_400.0, 31_536_000.0];

/// The instruments, all but one by source.
#[derive(Debug)]
pub(super) struct Signals {
    duplicates: Counter<u64>,
    conflicting_duplicates: Counter<u64>,
    late: Counter<u64>,
    clamped: Counter<u64>,
    skew: Histogram<f64>,
    lost: Counter<u64>,
}

impl Signals {
    pub(super) fn declare(meter: &Meter) -> Signals {
        let counter = |name, description| meter.u64_counter(name).with_description(description).build();
        Signals {
            duplicates: counter("bespoke_duplicates_total", "Records whose message id was known already."),
            conflicting_duplicates: counter(
                "bespoke_conflicting_duplicates_total",
                "Records that say something else than the first one of their message id, which counts; by source.",
            ),
            late: counter(
                "bespoke_late_events_total",
                "Events too far behind stream time for all but lifetime values, by source.",
            ),
            clamped: counter(
                "bespoke_clamped_events_total",
                "Events from the future, taken as of when they were received, by source.",
            ),
            skew: meter
                .f64_histogram("bespoke_clock_skew_seconds")
                .with_description("By how much every 64th event's time was put right, by source.")
                .with_boundaries(SKEW_BOUNDARIES_S.to_vec())
                .build(),
            lost: counter(
                "bespoke_lost_to_limits_total",
                "What persons who hold as much as they may have lost, or what was not taken, by what there is a \
                 limit of.",
            ),
        }
    }

    pub(super) fn duplicate(&self, source: &str, conflicting: bool) {
        let source = [KeyValue::new("source", source.to_owned())];
        self.duplicates.add(1, &source);
        self.conflicting_duplicates.add(u64::from(conflicting), &source);
    }

    /// What was lost to limits, and of the sources how many events were late and how many clamped, and by how many
    /// seconds clocks were put right.
    pub(super) fn told(
        &self,
        lost: BTreeMap<&'static str, u64>,
        late: BTreeMap<CompactString, u64>,
        clamped: BTreeMap<CompactString, u64>,
        skews: Vec<(CompactString, f64)>,
    ) {
        lost.into_iter().for_each(|(what, times)| self.lost.add(times, &[KeyValue::new("what", what)]));
        let source = |source: CompactString| [KeyValue::new("source", source.to_string())];
        for (counter, counts) in [(&self.late, late), (&self.clamped, clamped)] {
            counts.into_iter().for_each(|(of, events)| counter.add(events, &source(of)));
        }
        skews.into_iter().for_each(|(of, seconds)| self.skew.record(seconds, &source(of)));
    }
}
