//! What went in and out since it was reported last. An instrument is asked for its place by the text of its
//! attributes, which costs as much as the work on a record, so it is told once a turn and not once a record.

use std::sync::Arc;

use crate::runtime::instruments::Instruments;

/// Counts of records by topic.
#[derive(Default)]
pub(super) struct Traffic {
    read: Counts,
    written: Counts,
}

impl Traffic {
    /// Counts a record of an input topic.
    pub(super) fn read(&mut self, topic: &Arc<str>) {
        self.read.add(topic);
    }

    /// Counts a record for an output topic.
    pub(super) fn written(&mut self, topic: &Arc<str>) {
        self.written.add(topic);
    }

    /// Reports what was counted and begins anew.
    pub(super) fn report(&mut self, instruments: &Instruments) {
        self.read.take(|topic, records| instruments.records_in(topic, records));
        self.written.take(|topic, records| instruments.records_out(topic, records));
    }
}

/// A handful of topics, of which each has one name that all its records share.
#[derive(Default)]
struct Counts(Vec<(Arc<str>, u64)>);

impl Counts {
    fn add(&mut self, topic: &Arc<str>) {
        match self.0.iter_mut().find(|(known, _)| Arc::ptr_eq(known, topic)) {
            Some((_, records)) => *records += 1,
            None => self.0.push((Arc::clone(topic), 1)),
        }
    }

    fn take(&mut self, mut report: impl FnMut(&str, u64)) {
        for (topic, records) in &mut self.0 {
            if *records > 0 {
                report(topic, std::mem::take(records));
            }
        }
    }
}
