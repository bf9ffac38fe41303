//! A fleet in thought: persons are placed on partitions, and partitions on worker threads. Deterministic, without a
//! clock and without chance. The busiest persons are placed one by one, by their keys, as Kafka's clients would;
//! the rest are so many that every partition has its even part of them. `scenarios` says what happens to it.

use std::collections::BTreeSet;

use super::costs::Costs;
use super::sizing::{Demand, Plan};
use super::zipf::{Zipf, seen};
use crate::codec::partition::partition_of;

/// How many persons are placed one by one.
const HEAD: u64 = 100_000;

/// Instances, and who has which partition.
#[derive(Clone, Debug)]
pub(super) struct Fleet<'a> {
    /// What is asked of it.
    pub(super) demand: &'a Demand,
    /// What the work costs.
    pub(super) costs: &'a Costs,
    /// How many instances there are.
    pub(super) instances: usize,
    /// Worker threads of each, one a core.
    pub(super) threads_each: usize,
    /// The thread of each partition. Those of one instance have numbers in a row.
    pub(super) owners: Vec<usize>,
    zipf: Zipf,
    /// The partitions of the busiest persons, the busiest first.
    head: Vec<usize>,
    /// One more person: what they make of all traffic, and their partition.
    busy: Option<(f64, usize)>,
}

/// What a partition has to do in a second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    /// Events.
    pub(super) events: f64,
    /// Profiles that commits write.
    pub(super) profiles_written: f64,
}

/// What an instance takes over from others.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Taken {
    /// Records to restore.
    pub(super) records: f64,
    /// Events in a second.
    pub(super) events: f64,
    /// Cores that these need.
    pub(super) cores: f64,
}

impl Work {
    /// The cores that it keeps busy.
    pub(super) fn cores(&self, costs: &Costs) -> f64 {
        let written = self.profiles_written * costs.cpu_us_per_profile_written;
        (self.events * costs.cpu_us_per_event + written) / 1e6
    }
}

impl<'a> Fleet<'a> {
    /// The fleet of a plan. Partitions are dealt out to threads, so that no two differ by more than one.
    pub(super) fn new(demand: &'a Demand, costs: &'a Costs, plan: &Plan) -> Fleet<'a> {
        let (instances, partitions) = (plan.instances as usize, plan.partitions as usize);
        let threads_each = demand.instance_cores as usize;
        let head = (1..=demand.profiles.min(HEAD)).map(|rank| place(&format!("user:{rank}"), partitions));
        Fleet {
            demand,
            costs,
            instances,
            threads_each,
            owners: (0..partitions).map(|partition| partition % (instances * threads_each)).collect(),
            zipf: Zipf::over(demand.profiles),
            head: head.collect(),
            busy: None,
        }
    }

    /// The same with one more person who makes this part of all traffic.
    pub(super) fn with_busy_person(&self, share: f64) -> Fleet<'a> {
        let busy = Some((share, place("user:busy", self.owners.len())));
        Fleet { busy, ..self.clone() }
    }

    // ---- Load ------------------------------------------------------------------------------------------

    /// What each partition has to do at so many events a second.
    pub(super) fn work(&self, events: f64) -> Vec<Work> {
        let age = self.demand.commit_age_seconds;
        let person = |share: f64, events: f64| Work {
            events: share * events,
            profiles_written: seen(share, events * age) / age,
        };
        let others = events * (1.0 - self.busy.map_or(0.0, |(share, _)| share));
        let (first, partitions) = (self.head.len() as u64 + 1, self.owners.len() as f64);
        let even = Work {
            events: others * self.zipf.share_from(first) / partitions,
            profiles_written: self.zipf.distinct_from(first, others * age) / age / partitions,
        };
        let mut work = vec![even; self.owners.len()];
        let head = (1_u32..).zip(&self.head);
        let head =
            head.map(|(rank, partition)| (*partition, person(self.zipf.share(f64::from(rank)), others)));
        let busy = self.busy.map(|(share, partition)| (partition, person(share, events)));
        for (partition, more) in head.chain(busy) {
            if let Some(work) = work.get_mut(partition) {
                work.events += more.events;
                work.profiles_written += more.profiles_written;
            }
        }
        work
    }

    /// What each instance has to do, in cores. What is not keyed by person is decoded by all that are left alike.
    pub(super) fn cores(&self, owners: &[usize], work: &[Work], left: usize) -> Vec<f64> {
        let mut cores = self.by_instance(owners, work, |work| work.cores(self.costs));
        if self.demand.unkeyed {
            let events: f64 = work.iter().map(|work| work.events).sum();
            let decoding = events * self.costs.cpu_us_per_event_repartitioned / 1e6 / left as f64;
            cores.iter_mut().for_each(|cores| *cores += decoding);
        }
        cores
    }

    /// A sum over the partitions of each instance.
    pub(super) fn by_instance(&self, owners: &[usize], work: &[Work], of: impl Fn(&Work) -> f64) -> Vec<f64> {
        let mut sums = vec![0.0; self.instances];
        for (owner, work) in owners.iter().zip(work) {
            if let Some(sum) = sums.get_mut(owner / self.threads_each) {
                *sum += of(work);
            }
        }
        sums
    }

    // ---- Assignment ------------------------------------------------------------------------------------

    /// The owners without some instances: everybody else keeps what they have, and what is left goes to the threads
    /// with the fewest. None where nobody is left.
    pub(super) fn without(&self, lost: impl Fn(usize) -> bool) -> Option<Vec<usize>> {
        let mut counts = vec![0_usize; self.instances * self.threads_each];
        for owner in &self.owners {
            if let Some(count) = counts.get_mut(*owner) {
                *count += 1;
            }
        }
        let is_lost = |thread: usize| lost(thread / self.threads_each);
        let threads = counts.into_iter().enumerate().filter(|(thread, _)| !is_lost(*thread));
        let mut left: BTreeSet<(usize, usize)> = threads.map(|(thread, count)| (count, thread)).collect();
        let owner_of = |owner: &usize| {
            if !is_lost(*owner) {
                return Some(*owner);
            }
            let (count, thread) = left.pop_first()?;
            left.insert((count + 1, thread));
            Some(thread)
        };
        self.owners.iter().map(owner_of).collect()
    }

    /// What each instance takes over when partitions go to new owners.
    pub(super) fn taken(&self, owners: &[usize], work: &[Work]) -> Vec<Taken> {
        let rows = self.demand.profiles as f64 / self.owners.len() as f64;
        let mut taken = vec![Taken::default(); self.instances];
        for ((old, new), work) in self.owners.iter().zip(owners).zip(work) {
            if old != new
                && let Some(taken) = taken.get_mut(new / self.threads_each)
            {
                taken.records += self.costs.changelog_records(rows, work.profiles_written);
                taken.events += work.events;
                taken.cores += work.cores(self.costs);
            }
        }
        taken
    }
}

/// The partition of a key, as Kafka's clients have it.
fn place(key: &str, partitions: usize) -> usize {
    let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
    usize::try_from(partition_of(key.as_bytes(), partitions)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::plan::costs;
    use crate::cli::plan::sizing::{EXAMPLE, size};

    /// Ten instances of two threads with a hundred partitions, five a thread.
    const DEMAND: Demand = Demand { partitions: Some(100), instances: Some(10), ..EXAMPLE };

    fn fleet(demand: &Demand) -> Fleet<'_> {
        Fleet::new(demand, &costs::EXAMPLE, &size(demand, &costs::EXAMPLE))
    }

    fn counts(owners: &[usize]) -> Vec<usize> {
        let mut counts = vec![0; 20];
        owners.iter().for_each(|owner| counts[*owner] += 1);
        counts
    }

    #[test]
    fn no_event_is_lost_between_the_partitions() {
        let fleet = fleet(&DEMAND);
        for fleet in [fleet.with_busy_person(0.05), fleet] {
            let work = fleet.work(1_000.0);
            let events: f64 = work.iter().map(|work| work.events).sum();
            // The law's tail is an approximation.
            assert!((events - 1_000.0).abs() < 0.1, "{events}");
            let cores: f64 = work.iter().map(|work| work.cores(&costs::EXAMPLE)).sum();
            let by_instance: f64 = fleet.cores(&fleet.owners, &work, 10).iter().sum();
            assert!((cores - by_instance).abs() < 1e-9);
        }
    }

    #[test]
    fn a_busy_person_is_in_one_partition() {
        let fleet = fleet(&DEMAND).with_busy_person(0.5);
        let busy: Vec<Work> = fleet.work(1_000.0).into_iter().filter(|work| work.events >= 500.0).collect();
        assert_eq!(busy.len(), 1);
    }

    #[test]
    fn who_is_left_keeps_what_they_have_and_shares_the_rest_evenly() {
        let fleet = fleet(&DEMAND);
        assert_eq!(counts(&fleet.owners), [5; 20]);
        let owners = fleet.without(|instance| instance < 3).expect("seven are left");
        for (old, new) in fleet.owners.iter().zip(&owners) {
            assert!(*new >= 6, "a thread of a lost instance has a partition");
            assert!(old == new || *old < 6, "a partition has moved without need");
        }
        // A hundred on fourteen threads.
        assert!(counts(&owners)[6..].iter().all(|count| (7..=8).contains(count)), "{owners:?}");
        assert_eq!(fleet.without(|_| true), None);
    }

    #[test]
    fn what_is_taken_over_is_what_the_lost_had() {
        let fleet = fleet(&DEMAND);
        let work = fleet.work(1_000.0);
        let owners = fleet.without(|instance| instance == 4).expect("nine are left");
        let lost = fleet.by_instance(&fleet.owners, &work, |work| work.events)[4];
        let taken = fleet.taken(&owners, &work);
        assert!((taken.iter().map(|taken| taken.events).sum::<f64>() - lost).abs() < 1e-9);
        assert_eq!(taken[4].records, 0.0);
    }
}
