//! What happens to a fleet when something goes wrong, and what breaks first when its load grows.

use serde::Serialize;

use super::fleet::{Fleet, Work};
use super::sizing::{down_seconds, instance_bytes};
use super::transactions::Transactions;

const ZONES: usize = 3;
/// What one busy person makes of all traffic, in the scenario that has one.
const BUSY_SHARE: f64 = 0.01;
/// Between these multiples of the load a limit is looked for.
const FACTOR_MIN: f64 = 1.0 / 1_024.0;
const FACTOR_MAX: f64 = 1_024.0;
/// Each step halves what is left between them: after these a factor is right to a thousandth of a per cent.
const FACTOR_STEPS: u32 = 24;

/// What must not be exceeded, beside cores and memory.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Limits {
    /// Seconds until everything of a lost instance is served again.
    pub(super) restore_seconds_max: f64,
    /// Brokers that share the partitions.
    pub(super) brokers: f64,
    /// Transaction markers that a broker writes in a second.
    pub(super) broker_markers_max: f64,
}

/// All that was found out.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Simulation {
    /// What must not be exceeded.
    pub(super) limits: Limits,
    /// The busiest partition's part of all traffic.
    pub(super) busiest_partition_share: f64,
    /// What happens to the fleet.
    pub(super) outcomes: Vec<Outcome>,
    /// What breaks, the first first.
    pub(super) breaks: Vec<Break>,
}

/// What a scenario does to the fleet. What has no end is infinite, and null in JSON.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Outcome {
    /// What happens.
    pub(super) scenario: &'static str,
    /// The busiest instance's use of its cores.
    pub(super) instance_used: f64,
    /// The busiest partition's use of its thread.
    pub(super) partition_used: f64,
    /// Seconds of the longest restore.
    pub(super) restore_seconds: f64,
    /// Events that wait when state is there again.
    pub(super) backlog_events: f64,
    /// Seconds from then on until the last of them is processed.
    pub(super) catch_up_seconds: f64,
}

/// A limit and the multiple of the load that reaches it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Break {
    /// The limit.
    pub(super) limit: Limit,
    /// The multiple: 0 where no load is small enough; infinite, and null in JSON, where none is large enough.
    pub(super) factor: f64,
}

/// What a growing load runs into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Limit {
    /// The busiest partition has more to do than one thread can.
    HottestPartition,
    /// The busiest instance has more to do than its cores can.
    HottestInstance,
    /// Others do not take over from a lost instance in time.
    Restore,
    /// The fullest instance has too little memory.
    Memory,
    /// The busiest broker writes too many markers.
    Markers,
}

impl Limit {
    const ALL: [Limit; 5] =
        [Limit::HottestPartition, Limit::HottestInstance, Limit::Restore, Limit::Memory, Limit::Markers];
}

impl Fleet<'_> {
    /// Plays every scenario and finds every limit.
    pub(super) fn simulate(&self, limits: Limits) -> Simulation {
        let events = self.demand.events_per_second;
        let busiest = largest(self.work(events).iter().map(|work| work.events));
        let breaks =
            Limit::ALL.into_iter().map(|limit| Break { limit, factor: self.breaks_at(limit, &limits) });
        let mut breaks: Vec<Break> = breaks.collect();
        breaks.sort_by(|one, other| one.factor.total_cmp(&other.factor));
        let outcomes = vec![
            self.steady("nothing"),
            self.loss("one instance is lost", events, |instance| instance == 0),
            self.loss("a zone is lost", events, |instance| instance.is_multiple_of(ZONES)),
            self.rolling_restart("a rolling restart"),
            self.with_busy_person(BUSY_SHARE).steady("a person with 1 % of all traffic"),
        ];
        Simulation { limits, busiest_partition_share: busiest / events, outcomes, breaks }
    }

    fn steady(&self, scenario: &'static str) -> Outcome {
        let work = self.work(self.demand.events_per_second);
        let instance_used = self.instance_used(&self.cores(&self.owners, &work, self.instances));
        let partition_used = self.partition_used(&work);
        // What does not keep up falls behind for good.
        let behind = if instance_used.max(partition_used) > 1.0 { f64::INFINITY } else { 0.0 };
        Outcome {
            scenario,
            instance_used,
            partition_used,
            restore_seconds: 0.0,
            backlog_events: behind,
            catch_up_seconds: behind,
        }
    }

    /// Some instances go and do not come back. Once their sessions are over, others restore what they had.
    fn loss(&self, scenario: &'static str, events: f64, lost: impl Fn(usize) -> bool) -> Outcome {
        let work = self.work(events);
        let mut outcome = Outcome {
            scenario,
            instance_used: f64::INFINITY,
            partition_used: self.partition_used(&work),
            restore_seconds: f64::INFINITY,
            backlog_events: f64::INFINITY,
            catch_up_seconds: f64::INFINITY,
        };
        let Some(owners) = self.without(&lost) else { return outcome };
        let left = (0..self.instances).filter(|instance| !lost(*instance)).count();
        let before = self.cores(&self.owners, &work, self.instances);
        let after = self.cores(&owners, &work, left);
        outcome.instance_used = self.instance_used(&after);
        (outcome.restore_seconds, outcome.backlog_events, outcome.catch_up_seconds) = (0.0, 0.0, 0.0);
        let all = self.threads_each as f64;
        let loads = before.into_iter().zip(after);
        for (taken, (before, after)) in self.taken(&owners, &work).into_iter().zip(loads) {
            if taken.records == 0.0 {
                continue;
            }
            let restore = taken.records / self.costs.records_restored_per_second(all - before);
            let away = self.costs.session_timeout_seconds + restore;
            let catch_up = taken.cores * away / (all - after).max(0.0);
            outcome.restore_seconds = outcome.restore_seconds.max(restore);
            outcome.backlog_events += taken.events * away;
            outcome.catch_up_seconds = outcome.catch_up_seconds.max(catch_up);
        }
        outcome
    }

    /// One instance after the other stops and starts again. It keeps its partitions and its disk, so that nothing
    /// has to be restored.
    fn rolling_restart(&self, scenario: &'static str) -> Outcome {
        let work = self.work(self.demand.events_per_second);
        let cores = self.cores(&self.owners, &work, self.instances);
        let events = self.by_instance(&self.owners, &work, |work| work.events);
        let down = down_seconds(self.demand, self.costs);
        let all = self.threads_each as f64;
        Outcome {
            backlog_events: largest(events) * down,
            catch_up_seconds: largest(cores.into_iter().map(|cores| cores * down / (all - cores).max(0.0))),
            ..self.steady(scenario)
        }
    }

    /// The smallest multiple of the load at which a limit is reached. More load never eases any of them.
    fn breaks_at(&self, limit: Limit, limits: &Limits) -> f64 {
        let holds = |factor: f64| self.used(limit, limits, factor) < 1.0;
        if !holds(FACTOR_MIN) {
            return 0.0;
        }
        if holds(FACTOR_MAX) {
            return f64::INFINITY;
        }
        let (mut below, mut above) = (FACTOR_MIN, FACTOR_MAX);
        for _ in 0..FACTOR_STEPS {
            let middle = (below * above).sqrt();
            if holds(middle) { below = middle } else { above = middle }
        }
        above
    }

    /// How much of a limit is used at a multiple of the load; 1 is all of it.
    fn used(&self, limit: Limit, limits: &Limits, factor: f64) -> f64 {
        let demand = self.demand.times(factor);
        let events = demand.events_per_second;
        match limit {
            Limit::HottestPartition => self.partition_used(&self.work(events)),
            Limit::HottestInstance => {
                self.instance_used(&self.cores(&self.owners, &self.work(events), self.instances))
            }
            Limit::Restore => {
                let restore = self.loss("", events, |instance| instance == 0).restore_seconds;
                (self.costs.session_timeout_seconds + restore) / limits.restore_seconds_max
            }
            Limit::Memory => {
                let work = self.work(events);
                let written: f64 = work.iter().map(|work| work.profiles_written).sum();
                let fullest = largest(self.by_instance(&self.owners, &work, |_| 1.0));
                let held = (fullest, self.owners.len() as f64);
                instance_bytes(&demand, self.costs, written, held) / demand.instance_bytes
            }
            Limit::Markers => {
                let of = Transactions::of(&demand, self.instances as u64, self.owners.len() as u64);
                // The offsets of a group are in one partition, so one broker has those of all transactions.
                let spread = (of.markers_per_second() - of.per_second) / limits.brokers;
                (spread + of.per_second) / limits.broker_markers_max
            }
        }
    }

    fn instance_used(&self, cores: &[f64]) -> f64 {
        largest(cores.iter().copied()) / self.threads_each as f64
    }

    /// A partition has one thread, and a thread works with one core at most.
    fn partition_used(&self, work: &[Work]) -> f64 {
        largest(work.iter().map(|work| work.cores(self.costs)))
    }
}

fn largest(numbers: impl IntoIterator<Item = f64>) -> f64 {
    numbers.into_iter().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::plan::costs;
    use crate::cli::plan::sizing::{Demand, EXAMPLE, size};

    const LIMITS: Limits = Limits { restore_seconds_max: 300.0, brokers: 3.0, broker_markers_max: 20_000.0 };

    /// Two hundred instances of two cores, and everybody on earth who shops.
    const LARGE: Demand = Demand {
        events_per_second: 5_000_000.0,
        profiles: 1_000_000_000,
        partitions: Some(4_096),
        instances: Some(200),
        ..EXAMPLE
    };

    fn with_fleet<T>(demand: &Demand, then: impl Fn(&Fleet<'_>) -> T) -> T {
        let plan = size(demand, &costs::EXAMPLE);
        then(&Fleet::new(demand, &costs::EXAMPLE, &plan))
    }

    fn simulate(demand: &Demand, limits: Limits) -> Simulation {
        with_fleet(demand, |fleet| fleet.simulate(limits))
    }

    #[test]
    fn a_large_fleet_is_simulated_to_the_end_and_breaks_first_where_it_always_did() {
        let simulation = simulate(&LARGE, LIMITS);
        // The busiest of a billion makes 4.7 % of all traffic, which one thread must carry.
        assert_eq!(simulation.breaks[0].limit, Limit::HottestPartition, "{:?}", simulation.breaks);
        assert!((1.5..1.8).contains(&simulation.breaks[0].factor), "{:?}", simulation.breaks);
        assert!((0.04..0.06).contains(&simulation.busiest_partition_share), "{simulation:?}");
        assert_eq!(simulation.breaks.len(), 5);
        assert_eq!(simulation.outcomes.len(), 5);
    }

    #[test]
    fn a_person_with_five_per_cent_of_the_traffic_breaks_the_partition_first() {
        let demand = Demand { partitions: Some(1_024), instances: Some(60), ..LARGE };
        let simulation = with_fleet(&demand, |fleet| fleet.with_busy_person(0.05).simulate(LIMITS));
        assert_eq!(simulation.breaks[0].limit, Limit::HottestPartition, "{:?}", simulation.breaks);
        assert!(simulation.busiest_partition_share > 0.05, "{simulation:?}");
    }

    #[test]
    fn a_partition_breaks_where_it_has_one_core_to_do() {
        with_fleet(&LARGE, |fleet| {
            let factor = fleet.breaks_at(Limit::HottestPartition, &LIMITS);
            let used = fleet.partition_used(&fleet.work(factor * 5_000_000.0));
            assert!((used - 1.0).abs() < 1e-4, "{used}");
        });
    }

    #[test]
    fn few_cores_break_before_any_partition() {
        let demand =
            Demand { events_per_second: 100_000.0, instances: Some(2), partitions: Some(64), ..LARGE };
        let breaks = simulate(&demand, Limits { restore_seconds_max: 1e9, ..LIMITS }).breaks;
        let at = |limit: Limit| breaks.iter().find(|found| found.limit == limit).map(|found| found.factor);
        assert!(at(Limit::HottestInstance) < at(Limit::HottestPartition), "{breaks:?}");
    }

    #[test]
    fn what_is_not_keyed_drowns_the_brokers_in_markers() {
        let breaks = simulate(&Demand { unkeyed: true, ..LARGE }, LIMITS).breaks;
        assert_eq!(breaks[0].limit, Limit::Markers, "{breaks:?}");
        assert!(breaks[0].factor < 1.0, "{breaks:?}");
    }

    #[test]
    fn no_restore_is_quicker_than_the_session_timeout() {
        let breaks = simulate(&LARGE, Limits { restore_seconds_max: 45.0, ..LIMITS }).breaks;
        assert_eq!((breaks[0].limit, breaks[0].factor), (Limit::Restore, 0.0));
    }

    #[test]
    fn a_lost_zone_is_worse_than_a_lost_instance() {
        let demand = Demand { events_per_second: 1e6, partitions: Some(960), instances: Some(30), ..LARGE };
        let outcomes = simulate(&demand, LIMITS).outcomes;
        let [steady, instance, zone, restart, busy] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert!(zone.instance_used > steady.instance_used, "{outcomes:?}");
        // Everybody takes over a partition or two, or eight a thread.
        assert!(zone.restore_seconds > 4.0 * instance.restore_seconds, "{outcomes:?}");
        assert!(zone.backlog_events > instance.backlog_events, "{outcomes:?}");
        assert!(zone.catch_up_seconds > instance.catch_up_seconds, "{outcomes:?}");
        assert!(instance.backlog_events > restart.backlog_events, "{outcomes:?}");
        assert_eq!((restart.restore_seconds, steady.backlog_events), (0.0, 0.0));
        assert!(busy.partition_used > 0.0 && busy.catch_up_seconds == 0.0, "{outcomes:?}");
    }

    #[test]
    fn nobody_takes_over_from_the_only_instance() {
        let demand = Demand { partitions: Some(8), instances: Some(1), ..EXAMPLE };
        let outcomes = simulate(&demand, LIMITS).outcomes;
        assert_eq!(outcomes[1].catch_up_seconds, f64::INFINITY);
        assert_eq!(outcomes[3].restore_seconds, 0.0);
    }
}
