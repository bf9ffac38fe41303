//! From a demand and what the work costs to the size of an installation. Pure arithmetic in averages: what a busy
//! person or a lost instance does to them is the matter of `fleet`.

use serde::Serialize;

use super::costs::{Costs, MIB};
use super::transactions::Transactions;
use super::zipf::Zipf;

/// Partitions for each worker thread where nobody says how many. Their number is for good, so this leaves room for
/// four times the threads; and threads that differ by one partition differ little.
const PARTITIONS_PER_THREAD: u64 = 4;
const PARTITIONS_MIN: u64 = 8;
/// The most that `topics.partitions` takes.
const PARTITIONS_MAX: u64 = 1_024;
/// The most that `commit.records_max` takes.
const TRANSACTION_RECORDS_MAX: f64 = 1_000_000.0;
/// The most that `commit.bytes_max` takes.
const TRANSACTION_BYTES_MAX: f64 = 256.0 * MIB;
/// How much more memory the fullest instance needs than the average: with four partitions each, one more.
const MEMORY_SPREAD: f64 = 1.25;
const SECONDS_OF_A_DAY: f64 = 86_400.0;

/// What is asked of an installation.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Demand {
    /// Events of all persons in a second.
    pub(super) events_per_second: f64,
    /// Persons.
    pub(super) profiles: u64,
    /// Bytes of an event, as brokers store it.
    pub(super) event_bytes: f64,
    /// How many of the events ask for a decision or bring one about.
    pub(super) decisions_share: f64,
    /// How many of the events make a person enter or leave a segment.
    pub(super) segment_changes_share: f64,
    /// Whether events have to go through the command topic, as they are not keyed by person.
    pub(super) unkeyed: bool,
    /// The number of partitions, where it is given.
    pub(super) partitions: Option<u64>,
    /// The number of instances, where it is given.
    pub(super) instances: Option<u64>,
    /// Cores of an instance, each with one worker thread.
    pub(super) instance_cores: u64,
    /// Memory of an instance.
    pub(super) instance_bytes: f64,
    /// How long a transaction is open.
    pub(super) commit_age_seconds: f64,
    /// Replicas of each partition of a topic.
    pub(super) replication: f64,
    /// What is kept free, as a share of what is used.
    pub(super) headroom: f64,
    /// Standbys of each partition. Each plan says its own.
    #[serde(skip)]
    pub(super) standbys: u64,
    /// The memory of an instance for decoded profiles, beside those of open transactions.
    pub(super) profile_cache_bytes: f64,
}

/// The size of an installation.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Standbys of each partition.
    pub(super) standbys: u64,
    /// Processes.
    pub(super) instances: u64,
    /// Partitions of each topic.
    pub(super) partitions: u64,
    /// Profiles that commits write in a second.
    pub(super) profiles_written_per_second: f64,
    /// Cores that the demand keeps busy.
    pub(super) cores_used: f64,
    /// Cores with the headroom.
    pub(super) cores_needed: f64,
    /// Memory of the fullest instance.
    pub(super) memory_bytes: f64,
    /// Disk of an instance, with the headroom.
    pub(super) disk_bytes: f64,
    /// What all instances read from brokers in a second.
    pub(super) read_bytes_per_second: f64,
    /// What all instances write to brokers in a second.
    pub(super) written_bytes_per_second: f64,
    /// What brokers store in a day, all replicas together.
    pub(super) broker_bytes_per_day: f64,
    /// Transactions and their markers.
    pub(super) transactions: Transactions,
    /// Input records of a transaction.
    pub(super) transaction_records: f64,
    /// Bytes of the outputs of a transaction.
    pub(super) transaction_bytes: f64,
    /// What it takes to come back.
    pub(super) recovery: Recovery,
    /// What does not fit, in words.
    pub(super) findings: Vec<String>,
}

/// What it takes to come back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recovery {
    /// Records of a partition's changelog, at worst.
    pub(super) changelog_records: f64,
    /// Seconds until an instance that kept its disk goes on.
    pub(super) restarted_seconds: f64,
    /// Seconds until an instance that lost its disk has its state again.
    pub(super) refilled_seconds: f64,
    /// Seconds until others have taken over all partitions of an instance that does not come back.
    pub(super) taken_over_seconds: f64,
    /// Seconds that a rolling restart takes.
    pub(super) roll_seconds: f64,
}

/// What happens in a second.
struct Rates {
    profiles_written: f64,
    cores: f64,
}

/// Sizes an installation.
pub(super) fn size(demand: &Demand, costs: &Costs) -> Plan {
    let rates = Rates::of(demand, costs);
    let cores_needed = rates.cores * (1.0 + demand.headroom);
    let (instances, partitions) = shape(demand, costs, &rates, cores_needed);
    let (fleet, standbys) = (instances as f64, demand.standbys as f64);
    let fullest = (partitions as f64 / fleet).ceil();
    let copies = demand.profiles as f64 * (1.0 + standbys);
    let hops = if demand.unkeyed { 1.0 } else { 0.0 };
    let events_bytes = demand.events_per_second * demand.event_bytes;
    let outputs_bytes = rates.profiles_written * (costs.row_bytes + costs.update_bytes)
        + demand.events_per_second * demand.decisions_share * costs.decision_bytes
        + demand.events_per_second * demand.segment_changes_share * costs.segment_change_bytes;
    let written = outputs_bytes + hops * events_bytes;
    let transactions = Transactions::of(demand, instances, partitions);
    let mut plan = Plan {
        standbys: demand.standbys,
        instances,
        partitions,
        profiles_written_per_second: rates.profiles_written,
        cores_used: rates.cores,
        cores_needed,
        memory_bytes: instance_bytes(demand, costs, rates.profiles_written, (fullest, partitions as f64)),
        disk_bytes: copies / fleet * costs.stored_bytes_per_profile * (1.0 + demand.headroom),
        read_bytes_per_second: events_bytes * (1.0 + hops)
            + standbys * rates.profiles_written * costs.row_bytes,
        written_bytes_per_second: written,
        broker_bytes_per_day: written * SECONDS_OF_A_DAY * demand.replication,
        transactions,
        transaction_records: demand.events_per_second * (1.0 + hops) / transactions.per_second,
        transaction_bytes: written / transactions.per_second,
        recovery: Recovery::of(demand, costs, &rates, (instances, partitions)),
        findings: Vec::new(),
    };
    plan.findings = findings(demand, costs, &plan);
    plan
}

/// How many instances and partitions, as given or as needed.
fn shape(demand: &Demand, costs: &Costs, rates: &Rates, cores_needed: f64) -> (u64, u64) {
    let by_cores = at_least_one(cores_needed / demand.instance_cores as f64);
    let partitions = demand.partitions.unwrap_or_else(|| {
        let threads = demand.instances.unwrap_or(by_cores) * demand.instance_cores;
        (threads * PARTITIONS_PER_THREAD).next_power_of_two().max(PARTITIONS_MIN)
    });
    let all = partitions as f64;
    let fits = |instances: &u64| {
        let fullest = all / *instances as f64 * MEMORY_SPREAD;
        instance_bytes(demand, costs, rates.profiles_written, (fullest, all)) <= demand.instance_bytes
    };
    let by_memory = || (1..=partitions).find(fits).unwrap_or(partitions);
    (demand.instances.unwrap_or_else(|| by_cores.max(by_memory())), partitions)
}

fn at_least_one(number: f64) -> u64 {
    number.ceil().max(1.0) as u64
}

/// Memory of an instance with so many of all partitions: its own, that of its partitions and of standbys for others,
/// the profiles that it keeps between transactions, and those that open ones change.
pub(super) fn instance_bytes(
    demand: &Demand,
    costs: &Costs,
    profiles_written: f64,
    (held, partitions): (f64, f64),
) -> f64 {
    let share = held / partitions;
    let profiles = demand.profiles as f64 * share;
    let kept = demand.profile_cache_bytes.min(profiles * costs.cached_profile_bytes);
    let changed = profiles.min(profiles_written * demand.commit_age_seconds * share);
    let each = costs.partition_bytes * (1.0 + demand.standbys as f64);
    costs.process_bytes + held * each + kept + changed * costs.changed_profile_bytes
}

impl Demand {
    /// The same at a multiple of the load.
    pub(super) fn times(&self, factor: f64) -> Demand {
        Demand { events_per_second: self.events_per_second * factor, ..*self }
    }
}

impl Rates {
    fn of(demand: &Demand, costs: &Costs) -> Rates {
        let (events, age) = (demand.events_per_second, demand.commit_age_seconds);
        // A commit writes each person once, however many events there were. No person has two partitions, so it does
        // not matter over how many transactions the persons are spread.
        let profiles_written = Zipf::over(demand.profiles).distinct_from(1, events * age) / age;
        let first = if demand.unkeyed { costs.cpu_us_per_event_repartitioned } else { 0.0 };
        let followed = demand.standbys as f64 * costs.cpu_us_per_record_restored;
        let microseconds = events * (costs.cpu_us_per_event + first)
            + profiles_written * (costs.cpu_us_per_profile_written + followed);
        Rates { profiles_written, cores: microseconds / 1e6 }
    }
}

impl Recovery {
    fn of(demand: &Demand, costs: &Costs, rates: &Rates, (instances, partitions): (u64, u64)) -> Recovery {
        let (fleet, all, cores) = (instances as f64, partitions as f64, demand.instance_cores as f64);
        let own = (all / fleet).ceil();
        let changelog_records =
            costs.changelog_records(demand.profiles as f64 / all, rates.profiles_written / all);
        let refilling = own * changelog_records / costs.records_restored_per_second(cores);
        let spare = costs.records_restored_per_second(cores - rates.cores / fleet);
        // A standby lacks no more than the transaction that was being written.
        let missing = match demand.standbys {
            0 => (own / (fleet - 1.0)).ceil() * changelog_records,
            _ => rates.profiles_written * demand.commit_age_seconds / fleet,
        };
        let taken_over_seconds =
            if instances > 1 { costs.session_timeout_seconds + missing / spare } else { f64::INFINITY };
        let replaced = costs.pre_stop_seconds + down_seconds(demand, costs) + costs.min_ready_seconds;
        Recovery {
            changelog_records,
            restarted_seconds: costs.start_seconds,
            refilled_seconds: costs.start_seconds + refilling,
            taken_over_seconds,
            roll_seconds: fleet * replaced,
        }
    }
}

/// How long the partitions of an instance that is restarted stand still: its last commit and its start.
pub(super) fn down_seconds(demand: &Demand, costs: &Costs) -> f64 {
    demand.commit_age_seconds + costs.start_seconds
}

/// What does not fit.
fn findings(demand: &Demand, costs: &Costs, plan: &Plan) -> Vec<String> {
    let Plan { instances, partitions, .. } = *plan;
    let threads = instances * demand.instance_cores;
    let busiest = demand.events_per_second * Zipf::over(demand.profiles).share(1.0);
    let busiest_cores = busiest * costs.cpu_us_per_event / 1e6;
    let transaction_is_too_large =
        plan.transaction_records > TRANSACTION_RECORDS_MAX || plan.transaction_bytes > TRANSACTION_BYTES_MAX;
    let found = [
        (
            partitions > PARTITIONS_MAX,
            format!("{partitions} partitions: topics.partitions takes at most {PARTITIONS_MAX}"),
        ),
        (
            threads > partitions,
            format!("{partitions} partitions for {threads} worker threads: some have nothing to do"),
        ),
        (
            plan.cores_needed > threads as f64,
            format!("{:.1} cores are needed and {instances} instances have {threads}", plan.cores_needed),
        ),
        (
            plan.memory_bytes > demand.instance_bytes,
            format!(
                "the fullest instance needs {:.0} MiB of memory: take larger or more instances, or a smaller \
                 state.profile_cache",
                plan.memory_bytes / MIB
            ),
        ),
        (
            busiest_cores > 1.0,
            format!(
                "by Zipf's law the busiest person makes {busiest:.0} events a second, {busiest_cores:.1} \
                 times what one thread does, and a person has one thread"
            ),
        ),
        (
            transaction_is_too_large,
            "a transaction of that age holds more than commit.records_max or commit.bytes_max may be: \
             commits come sooner, and write more profiles than this says"
                .into(),
        ),
        (
            down_seconds(demand, costs) >= costs.session_timeout_seconds,
            "a restart takes as long as kafka.session_timeout: each one moves partitions".into(),
        ),
    ];
    found.into_iter().filter(|(is_so, _)| *is_so).map(|(_, text)| text).collect()
}

/// A demand for tests to vary.
#[cfg(test)]
pub(super) const EXAMPLE: Demand = Demand {
    events_per_second: 100_000.0,
    profiles: 10_000_000,
    event_bytes: 350.0,
    decisions_share: 0.05,
    segment_changes_share: 0.01,
    unkeyed: false,
    partitions: None,
    instances: None,
    instance_cores: 2,
    instance_bytes: 4_096.0 * MIB,
    commit_age_seconds: 1.0,
    replication: 3.0,
    headroom: 0.5,
    standbys: 0,
    profile_cache_bytes: 128.0 * MIB,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::plan::costs;

    fn plan(demand: &Demand) -> Plan {
        size(demand, &costs::EXAMPLE)
    }

    /// Demands from a shop to a continent, keyed and not, in large and in small memory.
    fn demands() -> Vec<Demand> {
        let mut demands = Vec::new();
        for profiles in [1, 1_000, 1_000_000, 1_000_000_000] {
            for events_per_second in [1.0, 300.0, 50_000.0, 2_000_000.0] {
                for (unkeyed, gibibytes) in [(false, 1.0), (true, 4.0)] {
                    let instance_bytes = gibibytes * 1_024.0 * MIB;
                    demands.push(Demand { events_per_second, profiles, unkeyed, instance_bytes, ..EXAMPLE });
                }
            }
        }
        demands
    }

    #[test]
    fn more_events_never_need_fewer_instances() {
        for demand in demands() {
            let (once, twice) = (plan(&demand), plan(&demand.times(2.0)));
            assert!(once.instances <= twice.instances, "{demand:?}");
            assert!(once.partitions <= twice.partitions, "{demand:?}");
            assert!(once.cores_used < twice.cores_used, "{demand:?}");
        }
    }

    #[test]
    fn the_cores_cover_the_demand_with_its_headroom() {
        for demand in demands() {
            let plan = plan(&demand);
            let cores = (plan.instances * demand.instance_cores) as f64;
            assert!(cores >= plan.cores_used * 1.5, "{demand:?}");
            assert!(plan.memory_bytes <= demand.instance_bytes, "{demand:?}: {plan:?}");
        }
    }

    #[test]
    fn there_are_more_partitions_than_instances() {
        for demand in demands() {
            let plan = plan(&demand);
            assert!(plan.partitions > plan.instances, "{demand:?}");
        }
    }

    #[test]
    fn a_standby_costs_disk_and_saves_the_restore() {
        let demand = Demand { profiles: 1_000_000_000, instances: Some(20), ..EXAMPLE };
        let (alone, followed) = (plan(&demand), plan(&Demand { standbys: 1, ..demand }));
        assert_eq!(followed.disk_bytes, 2.0 * alone.disk_bytes);
        assert!(followed.read_bytes_per_second > alone.read_bytes_per_second);
        assert!(alone.recovery.taken_over_seconds > 60.0, "{:?}", alone.recovery);
        assert!(followed.recovery.taken_over_seconds < 46.0, "{:?}", followed.recovery);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        assert_eq!(plan(&EXAMPLE).findings, Vec::<String>::new());
        let named = |demand: Demand, word: &str| {
            let findings = plan(&demand).findings;
            assert!(findings.iter().any(|text| text.contains(word)), "{word}: {findings:?}");
        };
        named(Demand { partitions: Some(4_096), ..EXAMPLE }, "topics.partitions");
        named(Demand { partitions: Some(1), instances: Some(1), ..EXAMPLE }, "nothing to do");
        named(Demand { events_per_second: 1e6, instances: Some(1), ..EXAMPLE }, "cores are needed");
        named(Demand { instance_bytes: 100.0 * MIB, instances: Some(1), ..EXAMPLE }, "of memory");
        named(Demand { events_per_second: 2e7, ..EXAMPLE }, "a person has one thread");
        named(Demand { commit_age_seconds: 30.0, instances: Some(1), ..EXAMPLE }, "commits come sooner");
        named(Demand { commit_age_seconds: 45.0, ..EXAMPLE }, "kafka.session_timeout");
    }
}
