//! The part of its topics that a bounded run reads, such as a replay: where each partition begins, and before
//! which offset it ends. Offsets are fixed before the run begins, so that what is written meanwhile does not
//! move the end. When to end the process is not decided here: the group's committed offsets tell.

use std::collections::BTreeMap;

use super::broker::Partition;

/// Bounds by partition. Without any, everything is read for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    bounds: BTreeMap<Partition, (i64, i64)>,
}

impl Stretch {
    /// Bounds each of these partitions: from the first offset on, and before the second. The second must be
    /// one behind a record, or the first where there is nothing to read: a group's committed offset reaches
    /// only such places.
    pub fn new(bounds: impl IntoIterator<Item = (Partition, i64, i64)>) -> Stretch {
        let bounds = bounds.into_iter().map(|(partition, first, end)| (partition, (first, end.max(first))));
        Stretch { bounds: bounds.collect() }
    }

    /// Where a partition begins when the group has no offset in it, if that is said here.
    pub fn first(&self, partition: &Partition) -> Option<i64> {
        self.bounds.get(partition).map(|(first, _)| *first)
    }

    /// Whether this offset lies at or behind the partition's end.
    pub fn is_over(&self, partition: &Partition, offset: i64) -> bool {
        self.bounds.get(partition).is_some_and(|(_, end)| offset >= *end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_ends_where_it_is_told_to_and_others_never_do() {
        let (bounded, other) = (Partition::new("commands", 0), Partition::new("commands", 1));
        let stretch = Stretch::new([(bounded.clone(), 5, 9), (Partition::new("commands", 2), 5, 3)]);
        assert_eq!((stretch.first(&bounded), stretch.first(&other)), (Some(5), None));
        assert_eq!([8, 9, 10].map(|offset| stretch.is_over(&bounded, offset)), [false, true, true]);
        assert!(!stretch.is_over(&other, i64::MAX));
        assert!(stretch.is_over(&Partition::new("commands", 2), 5), "nothing to read");
    }
}
