//! The transactions of a plan and their markers: the part of the brokers' work that grows with threads and partitions
//! instead of events.

use super::sizing::Demand;

/// The transactions of all worker threads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transactions {
    /// How many are committed in a second.
    pub(super) per_second: f64,
    /// How many markers the brokers write at the end of each: one for each partition in it, offsets included.
    pub(super) markers_each: f64,
}

impl Transactions {
    /// A thread begins one with the first record that it gets and commits it when it is old enough.
    pub(super) fn of(demand: &Demand, instances: u64, partitions: u64) -> Transactions {
        let threads = (instances * demand.instance_cores).min(partitions) as f64;
        let later = demand.events_per_second * demand.commit_age_seconds / threads;
        let own = partitions as f64 / threads;
        // Changelog and updates have what every event changes.
        let outputs = 2.0 * touched(own, 1.0, later)
            + touched(own, demand.decisions_share, later)
            + touched(own, demand.segment_changes_share, later);
        // What is not keyed by person may go anywhere.
        let commands = if demand.unkeyed { touched(partitions as f64, 1.0, later) } else { 0.0 };
        let waiting = threads / demand.events_per_second;
        let per_second = threads / (demand.commit_age_seconds + waiting);
        Transactions { per_second, markers_each: outputs + commands + 1.0 }
    }

    /// Markers of all of them in a second.
    pub(super) fn markers_per_second(&self) -> f64 {
        self.per_second * self.markers_each
    }
}

/// To how many of so many partitions a transaction writes that has one record and on average `later` more, of which
/// a share is written somewhere.
fn touched(partitions: f64, share: f64, later: f64) -> f64 {
    let odds = share / partitions;
    partitions * (1.0 - (1.0 - odds) * (-later * odds).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::plan::sizing::EXAMPLE;

    #[test]
    fn each_partition_of_a_transaction_has_a_marker_and_so_have_the_offsets() {
        // Four threads with two of eight partitions each commit once a second. With so many events every transaction
        // has two partitions of the changelog, of updates, of decisions and of segment changes, and the offsets.
        let demand = Demand { events_per_second: 1e6, ..EXAMPLE };
        let keyed = Transactions::of(&demand, 2, 8);
        assert!((keyed.per_second - 4.0).abs() < 0.001, "{keyed:?}");
        assert!((keyed.markers_each - 9.0).abs() < 0.001, "{keyed:?}");
        assert!((keyed.markers_per_second() - 36.0).abs() < 0.01, "{keyed:?}");
        // What is not keyed goes to all eight partitions of the commands, too.
        let unkeyed = Transactions::of(&Demand { unkeyed: true, ..demand }, 2, 8);
        assert!((unkeyed.markers_each - 17.0).abs() < 0.001, "{unkeyed:?}");
    }

    #[test]
    fn a_lonely_event_is_a_transaction_of_its_own() {
        let demand = Demand { events_per_second: 0.001, ..EXAMPLE };
        let lonely = Transactions::of(&demand, 2, 8);
        assert!((lonely.per_second - 0.001).abs() < 1e-5, "{lonely:?}");
        // A row, an update and the offsets; a decision with one in twenty, a segment change with one in a hundred.
        assert!((lonely.markers_each - 3.06).abs() < 0.001, "{lonely:?}");
    }
}
