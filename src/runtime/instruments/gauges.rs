//! The last value of each partition's gauges, kept until the partition goes.
//!
//! A gauge that the SDK keeps would show a revoked partition for ever. So the values live here, the exporter
//! asks for them when it is scraped, and what was forgotten is simply not reported. A lock is held only to
//! put a few numbers in or to copy them out. This knows partitions, not workers: those are in `vitals`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter};

use super::RestoreProgress;
use crate::store::StoreSizes;

/// Gauges by partition.
#[derive(Debug, Default)]
pub(super) struct Gauges(Mutex<Values>);

#[derive(Clone, Debug, Default)]
struct Values {
    lag: BTreeMap<(String, i32), (i64, f64)>,
    restore: BTreeMap<i32, RestoreProgress>,
    store: BTreeMap<i32, StoreSizes>,
}

impl Gauges {
    pub(super) fn lag(&self, topic: &str, partition: i32, records: i64, seconds: f64) {
        self.lock().lag.insert((topic.to_owned(), partition), (records, seconds));
    }

    /// Keeps the progress and gives the records that are new since the last report.
    pub(super) fn restore(&self, progress: RestoreProgress) -> u64 {
        let before = self.lock().restore.insert(progress.partition, progress);
        growth(before, progress.restored_records)
    }

    /// Ends a restore and gives the records that are new since the last report.
    pub(super) fn restored(&self, partition: i32, records: u64) -> u64 {
        let before = self.lock().restore.remove(&partition);
        growth(before, records)
    }

    pub(super) fn store(&self, partition: i32, sizes: StoreSizes) {
        self.lock().store.insert(partition, sizes);
    }

    pub(super) fn forget(&self, topic: &str, partition: i32) {
        self.lock().lag.remove(&(topic.to_owned(), partition));
    }

    pub(super) fn forget_store(&self, partition: i32) {
        let mut values = self.lock();
        values.store.remove(&partition);
        values.restore.remove(&partition);
    }

    pub(super) fn restoring(&self) -> Vec<RestoreProgress> {
        self.lock().restore.values().copied().collect()
    }

    /// Nothing can be half-written here, so a panic of another thread does not spoil the values.
    fn lock(&self) -> MutexGuard<'_, Values> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn copy(&self) -> Values {
        self.lock().clone()
    }
}

/// A smaller number than before means that a new restore has begun.
fn growth(before: Option<RestoreProgress>, records: u64) -> u64 {
    match before {
        Some(before) if before.restored_records <= records => records - before.restored_records,
        _ => records,
    }
}

/// Declares the gauges to the meter. The callbacks keep the values alive as long as the meter lives.
pub(super) fn observe(meter: &Meter, gauges: &Arc<Gauges>) {
    observe_lag(meter, gauges);
    let shared = Arc::clone(gauges);
    meter
        .i64_observable_gauge("bespoke_restore_remaining_records")
        .with_description("Changelog offsets that a restoring partition has still to read.")
        .with_callback(move |observer| {
            for progress in shared.restoring() {
                observer.observe(progress.remaining_records, &[partition_label(progress.partition)]);
            }
        })
        .build();
    observe_stores(meter, gauges);
}

fn observe_lag(meter: &Meter, gauges: &Arc<Gauges>) {
    let shared = Arc::clone(gauges);
    meter
        .i64_observable_gauge("bespoke_lag_records")
        .with_description("Committed records of an input partition that wait to be processed.")
        .with_callback(move |observer| {
            for ((topic, partition), (records, _)) in shared.copy().lag {
                observer.observe(records, &[KeyValue::new("topic", topic), partition_label(partition)]);
            }
        })
        .build();
    let shared = Arc::clone(gauges);
    meter
        .f64_observable_gauge("bespoke_lag_seconds")
        .with_description("Age of the oldest record of an input partition that waits to be processed.")
        .with_callback(move |observer| {
            for ((topic, partition), (_, seconds)) in shared.copy().lag {
                observer.observe(seconds, &[KeyValue::new("topic", topic), partition_label(partition)]);
            }
        })
        .build();
}

/// A store's gauge: its name, what it says, and where it is found.
type StoreGauge = (&'static str, &'static str, fn(&StoreSizes) -> u64);

const STORE_GAUGES: [StoreGauge; 6] = [
    ("bespoke_store_keys", "Estimated number of keys in a partition's store.", |sizes| sizes.keys_estimated),
    ("bespoke_store_sst_bytes", "Bytes of a store's table files.", |sizes| sizes.live_file_bytes),
    ("bespoke_store_memtable_bytes", "Bytes of a store's memtables.", |sizes| sizes.write_buffer_bytes),
    ("bespoke_store_block_cache_bytes", "Bytes in use in the block cache.", |sizes| sizes.block_cache_bytes),
    ("bespoke_store_running_compactions", "Compactions that run now.", |sizes| sizes.running_compactions),
    ("bespoke_store_write_stalled", "1 while a store holds writes back, else 0.", |sizes| {
        u64::from(sizes.writes_stalled)
    }),
];

fn observe_stores(meter: &Meter, gauges: &Arc<Gauges>) {
    for (name, description, value) in STORE_GAUGES {
        let shared = Arc::clone(gauges);
        meter
            .u64_observable_gauge(name)
            .with_description(description)
            .with_callback(move |observer: &dyn AsyncInstrument<u64>| {
                for (partition, sizes) in &shared.copy().store {
                    observer.observe(value(sizes), &[partition_label(*partition)]);
                }
            })
            .build();
    }
}

fn partition_label(partition: i32) -> KeyValue {
    KeyValue::new("partition", i64::from(partition))
}
