//! From the workers' instruments to what Prometheus reads, with the process's own figures beside them.
//!
//! Names are already those of Prometheus, so the exporter is told to add nothing. Figures of the process come
//! from `/proc`, where Linux has them; elsewhere they are absent rather than wrong. This decides no name of
//! the workers' metrics: those are in `runtime::instruments`.

use std::fs;

use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};

/// The process's metrics, collected when they are asked for.
#[derive(Clone, Debug)]
pub struct Metrics {
    provider: SdkMeterProvider,
    registry: Registry,
}

impl Metrics {
    /// Metrics of the application of this name, with the process's own figures declared.
    pub fn new(application: &str) -> Result<Self, OTelSdkError> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .without_units()
            .without_counter_suffixes()
            .scope_info_enabled(false)
            .build()?;
        let provider = SdkMeterProvider::builder()
            .with_resource(Resource::builder().with_service_name(application.to_owned()).build())
            .with_reader(exporter)
            .build();
        let metrics = Self { provider, registry };
        observe_process(&metrics.meter());
        Ok(metrics)
    }

    /// The meter on which the workers' instruments are declared.
    pub fn meter(&self) -> Meter {
        self.provider.meter("bespoke")
    }

    /// Everything in Prometheus's text format 0.0.4.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// Linux counts processor time for programs in hundredths of a second, on every architecture that Rust's
/// standard library supports.
const TICKS_PER_SECOND: f64 = 100.0;

fn observe_process(meter: &Meter) {
    meter
        .u64_observable_gauge("process_resident_memory_bytes")
        .with_description("Resident memory of the process.")
        .with_callback(|observer| {
            let resident =
                fs::read_to_string("/proc/self/status").ok().and_then(|text| resident_bytes(&text));
            resident.into_iter().for_each(|bytes| observer.observe(bytes, &[]));
        })
        .build();
    meter
        .f64_observable_counter("process_cpu_seconds_total")
        .with_description("Processor time of the process, user and system.")
        .with_callback(|observer| {
            let ticks = stat().map(|ticks| ticks.busy);
            ticks.into_iter().for_each(|ticks| observer.observe(ticks / TICKS_PER_SECOND, &[]));
        })
        .build();
    meter
        .f64_observable_gauge("process_start_time_seconds")
        .with_description("When the process started, in seconds since 1970.")
        .with_callback(|observer| {
            let boot = fs::read_to_string("/proc/stat").ok().and_then(|text| boot_seconds(&text));
            if let (Some(boot), Some(ticks)) = (boot, stat()) {
                observer.observe(boot + ticks.start / TICKS_PER_SECOND, &[]);
            }
        })
        .build();
    meter
        .u64_observable_gauge("process_open_fds")
        .with_description("Open file descriptors of the process.")
        .with_callback(|observer| {
            let open = fs::read_dir("/proc/self/fd").ok().and_then(|files| u64::try_from(files.count()).ok());
            open.into_iter().for_each(|open| observer.observe(open, &[]));
        })
        .build();
}

fn stat() -> Option<Ticks> {
    ticks(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// Times of `/proc/self/stat`, in ticks.
#[derive(Debug, PartialEq)]
struct Ticks {
    busy: f64,
    start: f64,
}

/// The command's name is in brackets and may itself hold brackets and blanks, so fields are counted from the
/// last closing one: the one after it is the third of the manual page proc(5).
fn ticks(stat: &str) -> Option<Ticks> {
    let (_, fields) = stat.rsplit_once(')')?;
    let field = |number: usize| fields.split_whitespace().nth(number - 3)?.parse::<f64>().ok();
    Some(Ticks { busy: field(14)? + field(15)?, start: field(22)? })
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn boot_seconds(stat: &str) -> Option<f64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Event;
    use crate::domain::quality::ExpectedField;
    use crate::domain::rulebook::Field;
    use crate::domain::scalar::Scalar;
    use crate::domain::site::SiteShares;
    use crate::domain::time::Timestamp;
    use crate::runtime::instruments::facts::WorkerState;
    use crate::runtime::instruments::fields::ExpectedFields;
    use crate::runtime::instruments::vitals::{Vitals, WorkerVitals};
    use crate::runtime::instruments::{Instruments, Latency};
    use crate::runtime::task::Tally;
    use crate::store::StoreSizes;
    use std::sync::Arc;
    use std::time::Duration;

    fn all_reported() -> (Metrics, Instruments, WorkerVitals) {
        let metrics = Metrics::new("shop").unwrap();
        let vitals = Vitals::new(1, Vec::new(), 10_000);
        let worker = vitals.worker(0);
        worker.state(WorkerState::Running, Duration::ZERO);
        let instruments = Instruments::new(&metrics.meter(), vitals);
        instruments.records_in("clicks", 5);
        instruments.records_out("updates", 4);
        let (event, field) = ("page_viewed".into(), Field::Property("shelf".into()));
        let expected = Arc::new(ExpectedFields::new("clicks", &[ExpectedField { event, field }]));
        instruments.expect(&expected);
        instruments.expect_records("clicks", [Some(9), None]);
        instruments.expect_records("orders", [None, Some(7)]);
        let mut event = Event::named("page_viewed");
        expected.look_at(&event);
        event.properties.set("shelf", Scalar::Integer(3));
        expected.look_at(&event);
        instruments.dead_letter("malformed-json");
        instruments.duplicate("web", false);
        instruments.duplicate("web", true);
        let mut tally = Tally::default();
        tally.decided.insert(("home".into(), "affinity"), 1);
        tally.stopped.insert("greet".into(), 2);
        tally.lost.insert("traits", 5);
        tally.late.insert("web".into(), 3);
        tally.clamped.insert("web".into(), 4);
        tally.skews.push(("web".into(), 61.0));
        instruments.task(tally);
        instruments.committed(5, Duration::from_millis(20));
        instruments.aborted("rebalance");
        let as_of = Timestamp::from_ms(360_000_500);
        let shares = SiteShares { interest: "category".into(), as_of, persons: 1, shares: Vec::new() };
        instruments.site_shares([shares].iter());
        instruments.lag("clicks", 3, 17, 2.5);
        instruments.latency(Latency::AppendedToCommitted, 0.03);
        instruments.restore(7, 100, 50);
        instruments.store(3, StoreSizes { keys_estimated: 9, live_file_bytes: 1, ..StoreSizes::default() });
        (metrics, instruments, worker)
    }

    #[test]
    fn every_report_is_there_under_its_name() {
        let (metrics, instruments, _worker) = all_reported();
        let text = metrics.text().unwrap();
        for line in [
            "bespoke_records_in_total{topic=\"clicks\"} 5",
            "bespoke_records_out_total{topic=\"updates\"} 4",
            "bespoke_expected_fields_total{event=\"page_viewed\",field=\"shelf\",topic=\"clicks\"} 2",
            "bespoke_missing_fields_total{event=\"page_viewed\",field=\"shelf\",topic=\"clicks\"} 1",
            "bespoke_records_in_total{topic=\"orders\"} 0",
            "bespoke_expected_records_per_hour{bound=\"min\",topic=\"clicks\"} 9",
            "bespoke_expected_records_per_hour{bound=\"max\",topic=\"orders\"} 7",
            "bespoke_site_shares_timestamp_seconds{interest=\"category\"} 360000.5",
            "bespoke_dead_letters_total{code=\"malformed-json\"} 1",
            "bespoke_duplicates_total{source=\"web\"} 2",
            "bespoke_conflicting_duplicates_total{source=\"web\"} 1",
            "bespoke_lost_to_limits_total{what=\"traits\"} 5",
            "bespoke_decisions_total{ladder=\"affinity\",slot=\"home\"} 1",
            "bespoke_stopped_rules_total{rule=\"greet\"} 2",
            "bespoke_late_events_total{source=\"web\"} 3",
            "bespoke_clamped_events_total{source=\"web\"} 4",
            "bespoke_clock_skew_seconds_bucket{source=\"web\",le=\"60\"} 0",
            "bespoke_clock_skew_seconds_bucket{source=\"web\",le=\"300\"} 1",
            "bespoke_committed_records_total 5",
            "bespoke_commit_duration_seconds_count 1",
            "bespoke_aborts_total{reason=\"rebalance\"} 1",
            "bespoke_lag_records{partition=\"3\",topic=\"clicks\"} 17",
            "bespoke_lag_seconds{partition=\"3\",topic=\"clicks\"} 2.5",
            "bespoke_record_latency_seconds_bucket{kind=\"appended_to_committed\",le=\"0.02\"} 0",
            "bespoke_record_latency_seconds_bucket{kind=\"appended_to_committed\",le=\"0.05\"} 1",
            "bespoke_restored_records_total 100",
            "bespoke_restore_remaining_records{partition=\"7\"} 50",
            "bespoke_store_keys{partition=\"3\"} 9",
            "bespoke_store_sst_bytes{partition=\"3\"} 1",
            "bespoke_store_memtable_bytes{partition=\"3\"} 0",
            "bespoke_store_block_cache_bytes{partition=\"3\"} 0",
            "bespoke_store_running_compactions{partition=\"3\"} 0",
            "bespoke_store_write_stalled{partition=\"3\"} 0",
            "bespoke_worker_state{state=\"running\",worker=\"0\"} 1",
            "bespoke_worker_turns_total{worker=\"0\"} 0",
            "bespoke_workers_alive 1",
            "bespoke_workers_failed 0",
            "target_info{",
        ] {
            assert!(text.lines().any(|found| found.starts_with(line)), "{line} in\n{text}");
        }
        instruments.restored(7, Duration::from_secs(2), 130);
        let text = metrics.text().unwrap();
        assert!(text.contains("bespoke_restored_records_total 130"), "each record counts once\n{text}");
        assert!(text.contains("bespoke_restore_duration_seconds_count 1"));
        assert!(!text.contains("bespoke_restore_remaining_records{"));
    }

    #[test]
    fn a_revoked_partition_disappears() {
        let (metrics, instruments, _worker) = all_reported();
        instruments.lag("clicks", 4, 1, 0.1);
        metrics.text().unwrap();
        instruments.forget("clicks", 3);
        let text = metrics.text().unwrap();
        assert!(!text.contains("partition=\"3\",topic=\"clicks\""), "{text}");
        assert!(text.contains("bespoke_lag_records{partition=\"4\",topic=\"clicks\"} 1"));
        assert!(text.contains("bespoke_store_keys{partition=\"3\"}"), "its task is still here");
        instruments.forget_store(3);
        instruments.forget_store(7);
        let text = metrics.text().unwrap();
        assert!(!text.contains("bespoke_store_") && !text.contains("bespoke_restore_remaining"), "{text}");
    }

    #[test]
    fn the_process_tells_its_own_figures() {
        let text = Metrics::new("shop").unwrap().text().unwrap();
        for name in ["process_resident_memory_bytes", "process_start_time_seconds", "process_open_fds"] {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            let value: f64 = line.rsplit(' ').next().unwrap_or_default().parse().unwrap_or_default();
            assert!(value > 0.0, "{name} in\n{text}");
        }
        assert!(text.contains("process_cpu_seconds_total "));
    }

    #[test]
    fn proc_is_read_as_its_manual_says() {
        let stat = "12 (a ) b) S 1 12 12 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 4 0 777 1 1";
        assert_eq!(ticks(stat), Some(Ticks { busy: 300.0, start: 777.0 }));
        assert_eq!(ticks("12 (cut"), None);
        assert_eq!(resident_bytes("VmPeak:\t 9 kB\nVmRSS:\t    2048 kB\n"), Some(2_097_152));
        assert_eq!(boot_seconds("cpu 1 2\nbtime 1700000000\n"), Some(1_700_000_000.0));
    }
}
