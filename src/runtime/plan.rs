//! What a worker is made of, besides its broker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::instruments::Instruments;
use super::intake::Intake;
use super::stores::Stores;
use super::stretch::Stretch;
use super::task::Shared;
use crate::config::{CommitConfig, Start};
use crate::domain::time::Timestamp;
use crate::store::profile_cache::ProfileCache;

/// What all workers of a process do.
pub struct Plan {
    /// What tasks share.
    pub shared: Arc<Shared>,
    /// By source topic: what it carries and where its first start begins.
    pub sources: BTreeMap<Arc<str>, (Intake, Start)>,
    /// The topic that profile tasks read: the command topic, or a source that is keyed by person.
    pub input: Arc<str>,
    /// Where the input's first start begins.
    pub input_start: Start,
    /// Whether only sources are read, and the input is left alone.
    pub intake_only: bool,
    /// What a bounded run reads; everything, for ever, unless told otherwise.
    pub stretch: Stretch,
    /// Where stores are.
    pub stores: Arc<dyn Stores>,
    /// When a transaction is committed.
    pub commit: CommitConfig,
    /// The memory for profiles that tasks keep decoded.
    pub profile_cache: Arc<ProfileCache>,
    /// Where figures are reported.
    pub instruments: Instruments,
}

/// The time of a turn, read once by whoever runs the worker.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Since the process started; never goes back.
    pub monotonic: Duration,
    /// The wall clock: for latency figures alone, never for anything that is written.
    pub wall: Timestamp,
}

impl Now {
    /// Seconds from an earlier instant of the wall clock.
    pub fn seconds_since(&self, then: Timestamp) -> f64 {
        self.wall.since_ms(then).max(0) as f64 / 1000.0
    }
}

impl Plan {
    /// Every topic that the group reads.
    pub fn topics(&self) -> Vec<&str> {
        let input = (!self.intake_only).then_some(&*self.input);
        input.into_iter().chain(self.sources.keys().map(|topic| &**topic)).collect()
    }
}
