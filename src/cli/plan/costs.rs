//! What the work costs, as measured, and what Kafka and the deployment are set to. A plan is no better than these
//! figures, so each of its lines names those that it rests on.

use serde::Serialize;

/// Bytes of a mebibyte.
pub(super) const MIB: f64 = 1_048_576.0;

/// Measured costs, and settings of others that a plan depends on.
///
/// The measures are of `./dev bench` on the reference workload, with the release build. CPU time is that of the whole
/// process, the Kafka client's own threads included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Costs {
    /// Microseconds of CPU for an event that is keyed by person, without what a commit costs. `growth`: the runs with
    /// few and with many users give a line of CPU per event over profiles written per event; this is its beginning.
    pub(super) cpu_us_per_event: f64,
    /// Microseconds of CPU for a profile that a commit writes: row, changelog, update and store. `growth`: the slope
    /// of the same line.
    pub(super) cpu_us_per_profile_written: f64,
    /// Microseconds of CPU to bring an event into its person's partition first. `unkeyed`: its CPU per event less that
    /// of `drain`.
    pub(super) cpu_us_per_event_repartitioned: f64,
    /// Microseconds of CPU for a record of the changelog that is restored. `restore`: CPU seconds over records.
    pub(super) cpu_us_per_record_restored: f64,
    /// Bytes of a record of the changelog, as brokers store it. `drain`: the changelog's size over its records.
    pub(super) row_bytes: f64,
    /// Bytes of a profile update, as brokers store it. `drain`: the topic's size over its records.
    pub(super) update_bytes: f64,
    /// Bytes of a decision, as brokers store it. `drain`: the topic's size over its records.
    pub(super) decision_bytes: f64,
    /// Bytes of a segment change, as brokers store it. `drain`: the topic's size over its records.
    pub(super) segment_change_bytes: f64,
    /// Bytes on an instance's own disk for a profile, with what is outdated and not compacted yet. `drain`: the state's
    /// size over its profiles.
    pub(super) stored_bytes_per_profile: f64,
    /// Bytes of memory of a process without partitions. `growth`: the peak with few users less what the next three
    /// explain, rounded up.
    pub(super) process_bytes: f64,
    /// Bytes of memory for a partition without cached profiles. `growth`: the peak with 64 partitions less that with
    /// 8, over 56.
    pub(super) partition_bytes: f64,
    /// Bytes of memory for a profile that is kept between transactions. `drain`: its row, and what holds it.
    pub(super) cached_profile_bytes: f64,
    /// Bytes of memory for a profile that an open transaction changes, with its row and its update until they are
    /// delivered. `growth` and `drain`: how the peak rises with the profiles of a commit, rounded up.
    pub(super) changed_profile_bytes: f64,
    /// Records of the changelog that one process restores in a second. `restore`: records over seconds, of which the
    /// start is half with 180,000 records: of a large state it is more.
    pub(super) restored_records_per_second: f64,
    /// Seconds from the start of a process that has its state to its first decision. `restart`.
    pub(super) start_seconds: f64,
    /// Seconds until others take over from a member that is gone: `kafka.session_timeout`, by default.
    pub(super) session_timeout_seconds: f64,
    /// Seconds that a pod goes on before it is told to stop: `deploy/base/statefulset.yaml`.
    pub(super) pre_stop_seconds: f64,
    /// Seconds that a pod must be ready before the next one is replaced: `deploy/base/statefulset.yaml`.
    pub(super) min_ready_seconds: f64,
    /// The share of a compacted log that may be outdated before Kafka cleans it: `min.cleanable.dirty.ratio`.
    pub(super) changelog_dirty_share: f64,
    /// Bytes of the newest segment of a log, which Kafka never compacts: `segment.bytes` of the changelog.
    pub(super) changelog_segment_bytes: f64,
    /// Seconds after which even a segment that is not full is closed: `segment.ms` of the changelog.
    pub(super) changelog_segment_seconds: f64,
}

/// A cost or a setting as a plan lists it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Constant {
    /// Its name, which the plan's lines refer to.
    pub(super) name: &'static str,
    /// How much.
    pub(super) value: f64,
    /// Of what.
    pub(super) unit: &'static str,
    /// Where it comes from.
    pub(super) source: &'static str,
}

impl Costs {
    /// The latest measurements, on two cores of a Xeon, and the defaults of Kafka and of the deployment. Sizes are those
    /// after 4,000,000 events of 200,000 users, compressed with lz4: of persons of whom less is known they are smaller.
    pub(super) const MEASURED: Costs = Costs {
        cpu_us_per_event: 5.5,
        cpu_us_per_profile_written: 12.0,
        cpu_us_per_event_repartitioned: 1.9,
        cpu_us_per_record_restored: 5.2,
        row_bytes: 250.0,
        update_bytes: 190.0,
        decision_bytes: 250.0,
        segment_change_bytes: 70.0,
        stored_bytes_per_profile: 530.0,
        process_bytes: 120.0 * MIB,
        partition_bytes: 2.0 * MIB,
        cached_profile_bytes: 450.0,
        changed_profile_bytes: 1_500.0,
        restored_records_per_second: 216_000.0,
        start_seconds: 0.5,
        session_timeout_seconds: 45.0,
        pre_stop_seconds: 5.0,
        min_ready_seconds: 10.0,
        changelog_dirty_share: 0.5,
        changelog_segment_bytes: 1_024.0 * MIB,
        changelog_segment_seconds: 604_800.0,
    };

    /// How many records one process restores in a second beside its other work, with so many cores to spare.
    pub(super) fn records_restored_per_second(&self, spare_cores: f64) -> f64 {
        let affordable = spare_cores.max(0.0) * 1e6 / self.cpu_us_per_record_restored;
        self.restored_records_per_second.min(affordable)
    }

    /// How many records the changelog of a partition holds at worst: its rows, what is outdated and not cleaned yet,
    /// and the newest segment, which is never cleaned.
    pub(super) fn changelog_records(&self, rows: f64, written_per_second: f64) -> f64 {
        let full_segment = self.changelog_segment_bytes / self.row_bytes;
        let newest = full_segment.min(written_per_second * self.changelog_segment_seconds);
        rows / (1.0 - self.changelog_dirty_share) + newest
    }

    /// All of them, in the order in which a plan lists them.
    pub(super) fn listed(&self) -> Vec<Constant> {
        let mut all = self.measured();
        all.extend(self.settings());
        all
    }

    fn measured(&self) -> Vec<Constant> {
        let of = |name, value, unit, source| Constant { name, value, unit, source };
        vec![
            of("cpu_us_per_event", self.cpu_us_per_event, "µs", "bench growth"),
            of("cpu_us_per_profile_written", self.cpu_us_per_profile_written, "µs", "bench growth"),
            of(
                "cpu_us_per_event_repartitioned",
                self.cpu_us_per_event_repartitioned,
                "µs",
                "bench unkeyed, less bench drain",
            ),
            of("cpu_us_per_record_restored", self.cpu_us_per_record_restored, "µs", "bench restore"),
            of("row_bytes", self.row_bytes, "bytes", "bench drain"),
            of("update_bytes", self.update_bytes, "bytes", "bench drain"),
            of("decision_bytes", self.decision_bytes, "bytes", "bench drain"),
            of("segment_change_bytes", self.segment_change_bytes, "bytes", "bench drain"),
            of("stored_bytes_per_profile", self.stored_bytes_per_profile, "bytes", "bench drain"),
            of("process_bytes", self.process_bytes, "bytes", "bench growth"),
            of("partition_bytes", self.partition_bytes, "bytes", "bench growth"),
            of("cached_profile_bytes", self.cached_profile_bytes, "bytes", "bench drain"),
            of("changed_profile_bytes", self.changed_profile_bytes, "bytes", "bench growth"),
            of("restored_records_per_second", self.restored_records_per_second, "records", "bench restore"),
            of("start_seconds", self.start_seconds, "seconds", "bench restart"),
        ]
    }

    fn settings(&self) -> Vec<Constant> {
        let of = |name, value, unit, source| Constant { name, value, unit, source };
        let (pods, segment) = ("deploy/base/statefulset.yaml", "segment.bytes, or --changelog-segment");
        vec![
            of("session_timeout_seconds", self.session_timeout_seconds, "seconds", "kafka.session_timeout"),
            of("pre_stop_seconds", self.pre_stop_seconds, "seconds", pods),
            of("min_ready_seconds", self.min_ready_seconds, "seconds", pods),
            of("changelog_dirty_share", self.changelog_dirty_share, "", "Kafka's min.cleanable.dirty.ratio"),
            of("changelog_segment_bytes", self.changelog_segment_bytes, "bytes", segment),
            of("changelog_segment_seconds", self.changelog_segment_seconds, "seconds", "Kafka's segment.ms"),
        ]
    }
}

/// Costs that stay as they are when measurements change, for tests that calculate with them.
#[cfg(test)]
pub(super) const EXAMPLE: Costs = Costs {
    cpu_us_per_event: 2.5,
    cpu_us_per_profile_written: 5.0,
    cpu_us_per_event_repartitioned: 3.0,
    cpu_us_per_record_restored: 4.0,
    row_bytes: 700.0,
    update_bytes: 500.0,
    decision_bytes: 450.0,
    segment_change_bytes: 200.0,
    stored_bytes_per_profile: 450.0,
    process_bytes: 60.0 * MIB,
    partition_bytes: 2.0 * MIB,
    cached_profile_bytes: 500.0,
    changed_profile_bytes: 2_000.0,
    restored_records_per_second: 200_000.0,
    start_seconds: 3.0,
    session_timeout_seconds: 45.0,
    pre_stop_seconds: 5.0,
    min_ready_seconds: 10.0,
    changelog_dirty_share: 0.5,
    changelog_segment_bytes: 1_024.0 * MIB,
    changelog_segment_seconds: 604_800.0,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restoring_is_bounded_by_the_disk_and_by_the_cores_to_spare() {
        assert_eq!(EXAMPLE.records_restored_per_second(2.0), 200_000.0);
        assert_eq!(EXAMPLE.records_restored_per_second(0.4), 100_000.0);
        assert_eq!(EXAMPLE.records_restored_per_second(-1.0), 0.0);
    }

    #[test]
    fn a_changelog_is_longer_than_the_state() {
        // Half of what is cleaned is outdated, and the newest segment has taken one row a second for a week.
        assert_eq!(EXAMPLE.changelog_records(1_000.0, 1.0), 2_000.0 + 604_800.0);
        let full = EXAMPLE.changelog_records(1_000.0, 1_000.0) - 2_000.0;
        assert!((full * 700.0 - 1_024.0 * MIB).abs() < 1.0);
    }

    #[test]
    fn measurements_are_numbers_above_zero() {
        for constant in Costs::MEASURED.listed() {
            assert!(constant.value > 0.0 && constant.value.is_finite(), "{}", constant.name);
        }
    }
}
