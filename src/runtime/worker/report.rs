//! What a worker says about itself once a turn: its state, its lag, the sizes of its stores.

use std::time::Duration;

use super::Worker;
use crate::runtime::assignment::Work;
use crate::runtime::broker::Broker;
use crate::runtime::instruments::facts::{Dependency, WorkerState};
use crate::runtime::instruments::progress::Place;

impl<B: Broker> Worker<B> {
    pub(super) fn report(&mut self) {
        self.report_traffic();
        let mut state = WorkerState::Running;
        let mut lagging = false;
        let thorough = self.now.monotonic.saturating_sub(self.reported) >= Duration::from_secs(1);
        if !self.told {
            state = WorkerState::WaitingForAssignment;
        }
        for (partition, assignment) in &mut self.assignments {
            if let Work::Running { task, .. } = &mut assignment.work {
                self.plan.instruments.task(task.take_tally());
            }
            match &assignment.work {
                Work::Restoring(_) => state = WorkerState::Restoring,
                Work::Intake { waiting: true, .. } => state = WorkerState::WaitingFor(Dependency::Registry),
                Work::Intake { .. } | Work::Running { .. } => {}
            }
            let Some(next) = assignment.next() else { continue };
            let lag = self.broker.lag(partition, next);
            lagging |= lag > 0;
            if thorough {
                let behind = assignment.last_timestamp.filter(|_| lag > 0);
                let seconds = behind.map_or(0.0, |timestamp| self.now.seconds_since(timestamp));
                self.plan.instruments.lag(&partition.topic, partition.number, lag, seconds);
                if let Work::Running { task, .. } = &assignment.work {
                    let sizes = task.store().sizes();
                    self.plan.instruments.store(partition.number, sizes);
                }
            }
        }
        if thorough {
            self.reported = self.now.monotonic;
            self.vitals.places(self.places(), self.now.monotonic);
        }
        self.vitals.state(state, self.now.monotonic);
        self.vitals.lag(lagging, self.now.monotonic);
    }

    pub(super) fn report_traffic(&mut self) {
        let instruments = &self.plan.instruments;
        self.read.take(|topic, records| instruments.records_in(topic, records));
        self.outputs.sent.take(|topic, records| instruments.records_out(topic, records));
    }

    /// Where each partition stands as the group sees it. One that is restored is not expected to get on.
    fn places(&self) -> impl Iterator<Item = Place<'_>> {
        let known = self.assignments.iter().filter(|(_, assignment)| assignment.next().is_some());
        known.map(|(partition, assignment)| {
            let committed = assignment.committed.unwrap_or(assignment.first);
            let lag = self.broker.lag(partition, committed);
            Place { topic: &partition.topic, partition: partition.number, committed, lag }
        })
    }
}
