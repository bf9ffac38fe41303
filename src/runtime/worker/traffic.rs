//! How many records of each topic there were since they were reported last. An instrument finds its place by the
//! text of its attributes, which costs as much as the work on a record, so it is told once a turn and not once
//! a record.

use std::sync::Arc;

/// Counts of records by topic: of a handful of topics, each with one name that all its records share.
#[derive(Default)]
pub(super) struct Traffic(Vec<(Arc<str>, u64)>);

impl Traffic {
    /// Counts a record of this topic.
    pub(super) fn count(&mut self, topic: &Arc<str>) {
        match self.0.iter_mut().find(|(known, _)| Arc::ptr_eq(known, topic)) {
            Some((_, records)) => *records += 1,
            None => self.0.push((Arc::clone(topic), 1)),
        }
    }

    /// Reports what was counted and begins anew.
    pub(super) fn take(&mut self, report: impl Fn(&str, u64)) {
        for (topic, records) in self.0.iter_mut().filter(|(_, records)| *records > 0) {
            report(topic, std::mem::take(records));
        }
    }
}
