//! The dead letters of an application: those that are open, and sending them back. A letter is open until a
//! redrive has committed it; then it is deleted, so that the topic holds what is still to be seen to. What
//! counts before that is the offset that the redrives' group has committed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::runtime::broker::{Partition, Record, Replay};
use crate::runtime::fault::Fault;
use crate::runtime::kafka::{KafkaAdmin, KafkaBroker, LogReader, Member, OffsetClient};
use crate::runtime::redrive::{Redrive, Redriven};

/// How long the brokers may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const READ_AT_ONCE: usize = 1_000;

/// The letters of an application.
pub struct DeadLetters<'c> {
    config: &'c Config,
    admin: KafkaAdmin,
    offsets: OffsetClient,
}

impl<'c> DeadLetters<'c> {
    /// Connects to the brokers.
    ///
    /// # Errors
    /// Where none answers.
    pub fn connect(config: &'c Config) -> Result<DeadLetters<'c>, Fault> {
        let admin = KafkaAdmin::connect(&config.kafka, CONNECT_TIMEOUT)?;
        let offsets = OffsetClient::new(&config.kafka, &group(config))?;
        Ok(DeadLetters { config, admin, offsets })
    }

    /// Every open letter, by partition and offset.
    ///
    /// # Errors
    /// Where the topic does not exist or cannot be read.
    pub fn for_each(&self, mut take: impl FnMut(Record)) -> Result<(), Fault> {
        for (partition, (first, _)) in self.open()? {
            let group = group(self.config);
            let mut log = LogReader::open(&self.config.kafka, &group, &partition, first)?;
            while log.finished().is_none() {
                log.next(READ_AT_ONCE, Duration::from_millis(200))?.into_iter().for_each(&mut take);
            }
        }
        Ok(())
    }

    /// Sends back the open letters of these codes, or all where none is given.
    ///
    /// # Errors
    /// Any fault of the brokers. What was committed by then is handled; calling again goes on from there.
    pub fn redrive(&self, codes: BTreeSet<String>) -> Result<Redriven, Fault> {
        let (mut ends, mut handled) = (BTreeMap::new(), Vec::new());
        for (partition, (first, high)) in self.open()? {
            let end = self.offsets.end_of_records(&partition, first, high)?;
            handled.push((partition.clone(), end));
            if first < end {
                ends.insert(partition, end);
            }
        }
        let done = if ends.is_empty() { Redriven::default() } else { self.send_back(codes, ends)? };
        // The group's offsets expire when nobody has used it for some days; what is deleted stays handled. An
        // earlier redrive may have ended before it came to this.
        self.admin.delete_before(&handled)?;
        Ok(done)
    }

    fn send_back(&self, codes: BTreeSet<String>, ends: BTreeMap<Partition, i64>) -> Result<Redriven, Fault> {
        let config = self.config;
        let sources = config.sources.iter().map(|source| &source.topic);
        let redrive = Redrive {
            letters: Arc::from(&*config.topics.dead_letters),
            sources: sources.chain(config.broadcast_topics()).map(|topic| Arc::from(&**topic)).collect(),
            codes,
            ends,
        };
        let member = Member { application: group(config), ordinal: 0, thread: 0 };
        let topics: [&str; 1] = [&config.topics.dead_letters];
        redrive.run(&mut KafkaBroker::connect(config, member, &topics)?)
    }

    /// By partition: the first open offset, and the end.
    fn open(&self) -> Result<BTreeMap<Partition, (i64, i64)>, Fault> {
        let partitions = self.offsets.partitions(&self.config.topics.dead_letters)?;
        let committed = self.offsets.committed(&partitions)?;
        let bounds = partitions.into_iter().zip(committed).map(|(partition, committed)| {
            let (low, high) = self.offsets.bounds(&partition)?;
            let first = committed.unwrap_or(low).max(low);
            Ok((partition, (first, high)))
        });
        bounds.collect()
    }
}

/// The group of the redrives.
fn group(config: &Config) -> compact_str::CompactString {
    compact_str::format_compact!("{}-dlq-retry", config.application)
}
