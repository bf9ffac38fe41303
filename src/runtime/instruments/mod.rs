//! What workers report: counters, latencies, gauges by partition, and their own vital signs.
//!
//! Built on OpenTelemetry's interface alone, so that the runtime knows no exporter. Names are written as
//! operators see them in Prometheus, and tell what Kafka Streams' metrics of the same meaning tell. Every
//! attribute is bounded: topics, sources and slots are declared in the configuration, partitions are the
//! assigned ones, codes, reasons and ladder steps are closed lists; never a person. No call blocks: counters
//! are the SDK's atomics, and gauges take a lock only to copy numbers.

pub mod facts;
pub mod fields;
mod gauges;
pub mod progress;
pub mod readiness;
mod signals;
pub mod vitals;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{
    AsyncInstrument, Counter, Gauge, Histogram, Meter, MeterProvider, NoopMeterProvider,
};

use self::facts::WorkerState;
use self::fields::ExpectedFields;
use self::gauges::Gauges;
use self::signals::Signals;
use self::vitals::Vitals;
use super::task::Tally;
use crate::domain::site::SiteShares;

/// The workers' instruments. A clone is the same instruments.
#[derive(Clone, Debug)]
pub struct Instruments(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    records_in: Counter<u64>,
    records_out: Counter<u64>,
    dead_letters: Counter<u64>,
    signals: Signals,
    decisions: Counter<u64>,
    forgotten: Counter<u64>,
    stopped_rules: Counter<u64>,
    committed_records: Counter<u64>,
    commit_duration: Histogram<f64>,
    aborts: Counter<u64>,
    latency: Histogram<f64>,
    /// The attributes of each kind of latency, made once because they are used for every record.
    latency_labels: [[KeyValue; 1]; 3],
    restored_records: Counter<u64>,
    restore_duration: Histogram<f64>,
    expected_records: Gauge<u64>,
    site_shares: Gauge<f64>,
    gauges: Arc<Gauges>,
    fields: Arc<fields::Sources>,
}

impl Instruments {
    /// Declares every instrument to the meter, with gauges on the workers' vital signs.
    pub fn new(meter: &Meter, vitals: Arc<Vitals>) -> Self {
        let gauges = Arc::new(Gauges::default());
        gauges::observe(meter, &gauges);
        observe_workers(meter, &vitals);
        Self(Arc::new(declare(meter, gauges)))
    }

    /// Reports from now on how often a source's events lack what is expected of them.
    pub fn expect(&self, fields: &Arc<ExpectedFields>) {
        self.0.fields.add(fields);
    }

    /// Reports how many records a topic is expected to bring in an hour, at least and at most: what an alert
    /// compares the rate of records in with, over all processes, since each sees a part of the topic.
    pub fn expect_records(&self, topic: &str, per_hour: [Option<u64>; 2]) {
        // Whoever brings nothing at all has a rate, too.
        self.records_in(topic, 0);
        for (bound, records) in ["min", "max"].into_iter().zip(per_hour) {
            let labels = [KeyValue::new("topic", topic.to_owned()), KeyValue::new("bound", bound)];
            records.into_iter().for_each(|records| self.0.expected_records.record(records, &labels));
        }
    }

    /// Reports as of when the site's shares are, of declared interests alone.
    pub fn site_shares<'s>(&self, shares: impl Iterator<Item = &'s SiteShares>) {
        for SiteShares { interest, as_of, .. } in shares {
            let labels = [KeyValue::new("interest", interest.to_string())];
            self.0.site_shares.record(as_of.ms() as f64 / 1000.0, &labels);
        }
    }

    /// Instruments that report to nobody, for tests and offline runs.
    pub fn silent() -> Self {
        Self::new(&NoopMeterProvider::new().meter("silent"), Vitals::new(0, Vec::new(), 0))
    }

    /// Records read from an input topic.
    pub fn records_in(&self, topic: &str, records: u64) {
        self.0.records_in.add(records, &[KeyValue::new("topic", topic.to_owned())]);
    }

    /// Records written to a topic in transactions that were committed or not.
    pub fn records_out(&self, topic: &str, records: u64) {
        self.0.records_out.add(records, &[KeyValue::new("topic", topic.to_owned())]);
    }

    /// A record that became a dead letter, by its code.
    pub fn dead_letter(&self, code: &'static str) {
        self.0.dead_letters.add(1, &[KeyValue::new("code", code)]);
    }

    /// A record whose message id was known already, by its source, and whether it says something else than the
    /// first one of this id.
    pub fn duplicate(&self, source: &str, conflicting: bool) {
        self.0.signals.duplicate(source, conflicting);
    }

    /// What a task has done: decisions by their slot and the step of the ladder that answered, rules that were
    /// stopped, what was lost to limits, persons who were forgotten, and how far the times of events were to be
    /// believed.
    pub fn task(&self, tally: Tally) {
        for ((slot, ladder), decisions) in tally.decided {
            let labels = [KeyValue::new("slot", slot.to_string()), KeyValue::new("ladder", ladder)];
            self.0.decisions.add(decisions, &labels);
        }
        for (rule, times) in tally.stopped {
            self.0.stopped_rules.add(times, &[KeyValue::new("rule", rule.to_string())]);
        }
        self.0.forgotten.add(tally.forgotten, &[]);
        self.0.signals.told(tally.lost, tally.late, tally.clamped, tally.skews);
    }

    /// A committed transaction: its input records and how long the commit took.
    pub fn committed(&self, records: u64, duration: Duration) {
        self.0.committed_records.add(records, &[]);
        self.0.commit_duration.record(duration.as_secs_f64(), &[]);
    }

    /// An aborted transaction, by its reason.
    pub fn aborted(&self, reason: &'static str) {
        self.0.aborts.add(1, &[KeyValue::new("reason", reason)]);
    }

    /// How far an input partition is behind: committed records that wait, and the age of the oldest.
    pub fn lag(&self, topic: &str, partition: i32, records: i64, seconds: f64) {
        self.0.gauges.lag(topic, partition, records, seconds);
    }

    /// How long a record took between two points of its path.
    pub fn latency(&self, kind: Latency, seconds: f64) {
        let [received, appended, committed] = &self.0.latency_labels;
        let labels = match kind {
            Latency::ReceivedToApplied => received,
            Latency::AppendedToApplied => appended,
            Latency::AppendedToCommitted => committed,
        };
        self.0.latency.record(seconds, labels);
    }

    /// Progress of a partition's restore: records restored since it began, and offsets that are left.
    pub fn restore(&self, partition: i32, restored_records: u64, remaining_records: i64) {
        let progress = RestoreProgress { partition, restored_records, remaining_records };
        self.0.restored_records.add(self.0.gauges.restore(progress), &[]);
    }

    /// The end of a partition's restore: how long it took, and all records of it.
    pub fn restored(&self, partition: i32, duration: Duration, records: u64) {
        self.0.restored_records.add(self.0.gauges.restored(partition, records), &[]);
        self.0.restore_duration.record(duration.as_secs_f64(), &[]);
    }

    /// The restores that are under way, in the order of partitions.
    pub fn restoring(&self) -> Vec<RestoreProgress> {
        self.0.gauges.restoring()
    }

    /// The sizes of a partition's store.
    pub fn store(&self, partition: i32, sizes: crate::store::StoreSizes) {
        self.0.gauges.store(partition, sizes);
    }

    /// An input partition was revoked: its lag disappears.
    pub fn forget(&self, topic: &str, partition: i32) {
        self.0.gauges.forget(topic, partition);
    }

    /// A task was released: its store's and its restore's gauges disappear. Apart from [`Self::forget`]
    /// since an intake partition of the same number may come and go while the task stays.
    pub fn forget_store(&self, partition: i32) {
        self.0.gauges.forget_store(partition);
    }
}

/// Between which two points of a record's path a latency is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// From the event's arrival at the collector to its application.
    ReceivedToApplied,
    /// From the record's Kafka timestamp to its application.
    AppendedToApplied,
    /// From the record's Kafka timestamp to the commit that made its outputs visible.
    AppendedToCommitted,
}

/// How far the restore of one partition has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestoreProgress {
    /// The partition.
    pub partition: i32,
    /// Records restored since this restore began.
    pub restored_records: u64,
    /// Offsets up to its end, an upper bound of the records that are left.
    pub remaining_records: i64,
}

/// From one millisecond to one minute, so that both a quick turn and a stall are seen.
const LATENCY_BOUNDARIES_S: [f64; 15] =
    [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

/// From a warm start to the rebuild of a large state.
const RESTORE_BOUNDARIES_S: [f64; 11] = [0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0];

fn declare(meter: &Meter, gauges: Arc<Gauges>) -> Inner {
    let fields = Arc::default();
    fields::observe(meter, &fields);
    let counter = |name, description| meter.u64_counter(name).with_description(description).build();
    let histogram = |name, description, boundaries: &[f64]| {
        meter.f64_histogram(name).with_description(description).with_boundaries(boundaries.to_vec()).build()
    };
    Inner {
        records_in: counter("bespoke_records_in_total", "Records read, by input topic."),
        site_shares: meter
            .f64_gauge("bespoke_site_shares_timestamp_seconds")
            .with_description("As of when the site's shares are that lifts compare with, since 1970.")
            .build(),
        expected_records: meter
            .u64_gauge("bespoke_expected_records_per_hour")
            .with_description("How many records a topic is declared to bring in an hour, by bound: min, max.")
            .build(),
        records_out: counter("bespoke_records_out_total", "Records written, by topic."),
        dead_letters: counter("bespoke_dead_letters_total", "Records that became dead letters, by code."),
        signals: Signals::declare(meter),
        forgotten: counter("bespoke_forgotten_persons_total", "Persons who were forgotten by retention."),
        stopped_rules: counter(
            "bespoke_stopped_rules_total",
            "Rules that were not let fire because four rules had set off one another before, by rule.",
        ),
        decisions: counter("bespoke_decisions_total", "Content decisions, by slot and step of the ladder."),
        committed_records: counter(
            "bespoke_committed_records_total",
            "Input records of committed transactions.",
        ),
        commit_duration: histogram(
            "bespoke_commit_duration_seconds",
            "How long commits took; its count is the number of commits.",
            &LATENCY_BOUNDARIES_S,
        ),
        aborts: counter("bespoke_aborts_total", "Aborted transactions, by reason."),
        latency: histogram(
            "bespoke_record_latency_seconds",
            "How long every 64th record took between two points of its path.",
            &LATENCY_BOUNDARIES_S,
        ),
        latency_labels: ["received_to_applied", "appended_to_applied", "appended_to_committed"]
            .map(|kind| [KeyValue::new("kind", kind)]),
        restored_records: counter("bespoke_restored_records_total", "Changelog records restored."),
        restore_duration: histogram(
            "bespoke_restore_duration_seconds",
            "How long restores of a partition took.",
            &RESTORE_BOUNDARIES_S,
        ),
        gauges,
        fields,
    }
}

fn observe_workers(meter: &Meter, vitals: &Arc<Vitals>) {
    let shared = Arc::clone(vitals);
    meter
        .u64_observable_gauge("bespoke_worker_state")
        .with_description("1 for the state that a worker is in.")
        .with_callback(move |observer| {
            for facts in shared.workers() {
                let state = KeyValue::new("state", facts.state.name());
                observer.observe(1, &[worker_label(facts.worker), state]);
            }
        })
        .build();
    let shared = Arc::clone(vitals);
    meter
        .u64_observable_counter("bespoke_worker_turns_total")
        .with_description("Turns of a worker's loop.")
        .with_callback(move |observer| {
            for facts in shared.workers() {
                observer.observe(facts.turns, &[worker_label(facts.worker)]);
            }
        })
        .build();
    count_workers(meter, vitals, "bespoke_workers_alive", "Workers that have not failed.", false);
    count_workers(meter, vitals, "bespoke_workers_failed", "Workers that have failed.", true);
}

fn count_workers(
    meter: &Meter,
    vitals: &Arc<Vitals>,
    name: &'static str,
    description: &'static str,
    failed: bool,
) {
    let shared = Arc::clone(vitals);
    let count = move |observer: &dyn AsyncInstrument<u64>| {
        let workers = shared.workers();
        let counted = workers.iter().filter(|facts| (facts.state == WorkerState::Failed) == failed).count();
        observer.observe(u64::try_from(counted).unwrap_or(u64::MAX), &[]);
    };
    meter.u64_observable_gauge(name).with_description(description).with_callback(count).build();
}

fn worker_label(worker: usize) -> KeyValue {
    KeyValue::new("worker", i64::try_from(worker).unwrap_or(i64::MAX))
}
