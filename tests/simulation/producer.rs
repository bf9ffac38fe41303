//! A producer's client on the simulated cluster, as librdkafka behaves: it batches, repeats requests whose
//! answers were lost, and repeats EndTxn for as long as it is given.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bespoke::runtime::broker::{Output, Partition};
use bespoke::runtime::fault::Fault;
use bespoke::runtime::transaction::{ClientError, ErrorKind, Reports, TransactionalClient};

use super::coordinator::Refusal;
use super::group::{GroupRefusal, Identity};
use super::kafka::{Frame, offsets_log};
use super::log::Producer;
use super::world::{Loss, World};

/// How long a transaction may stay open.
pub(crate) const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(5);
/// How many records wait at most.
const QUEUE_RECORDS_MAX: usize = 400;

/// A client under a transactional id.
pub(crate) struct SimulatedProducer {
    world: Rc<World>,
    process: usize,
    id: String,
    changelog: Arc<str>,
    producer: Producer,
    queues: BTreeMap<Partition, Vec<Output>>,
    /// A batch that was sent and not acknowledged; it goes out again under its number.
    sent: BTreeMap<Partition, Vec<Output>>,
    sequences: BTreeMap<Partition, u64>,
    added: BTreeSet<Partition>,
    queued_ms: u64,
    reports: Reports,
    suspect: bool,
    fenced: bool,
}

impl SimulatedProducer {
    pub(crate) fn new(
        world: &Rc<World>,
        process: usize,
        id: &str,
        changelog: &Arc<str>,
    ) -> SimulatedProducer {
        SimulatedProducer {
            world: Rc::clone(world),
            process,
            id: id.to_owned(),
            changelog: Arc::clone(changelog),
            producer: (0, -1),
            queues: BTreeMap::new(),
            sent: BTreeMap::new(),
            sequences: BTreeMap::new(),
            added: BTreeSet::new(),
            queued_ms: 0,
            reports: Reports::default(),
            suspect: false,
            fenced: false,
        }
    }

    fn now_ms(&self) -> u64 {
        self.world.now_ms()
    }

    /// Sends what is queued for one partition. True when it is acknowledged.
    fn transmit(&mut self, partition: &Partition) {
        self.world.step(self.process, "produce");
        if !self.world.reaches_kafka(self.process) {
            self.suspect = true;
            return;
        }
        if !self.added.contains(partition) {
            let now_ms = self.now_ms();
            let added = self.world.kafka().transactions.add(&self.id, self.producer, partition, now_ms);
            match added {
                Ok(()) => {
                    self.added.insert(partition.clone());
                }
                Err(Refusal::Concurrent) => return,
                Err(_) => return self.fail("fenced"),
            }
        }
        let fresh = !self.sent.contains_key(partition);
        let batch = match self.sent.remove(partition) {
            Some(batch) => batch,
            None => self.queues.remove(partition).unwrap_or_default(),
        };
        if fresh {
            *self.sequences.entry(partition.clone()).or_insert(0) += 1;
        }
        let sequence = self.sequences.get(partition).copied().unwrap_or(0);
        match self.world.loss(self.process) {
            Loss::Nothing => {}
            Loss::Answer => {
                self.suspect = true;
                self.append(partition, sequence, &batch);
                self.sent.insert(partition.clone(), batch);
                return;
            }
            Loss::Request { until_ms } => {
                self.suspect = true;
                let (id, producer) = (self.id.clone(), self.producer);
                let frame = Frame::Produce {
                    id,
                    producer,
                    sequence,
                    partition: partition.clone(),
                    batch: batch.clone(),
                };
                self.world.kafka().delay(until_ms, frame);
                self.sent.insert(partition.clone(), batch);
                return;
            }
        }
        match self.append(partition, sequence, &batch) {
            Some(offset) => {
                self.reports.delivered += batch.len() as u64;
                if partition.topic == self.changelog {
                    let next = self.reports.changelog_next.entry(partition.number).or_default();
                    *next = (*next).max(offset + batch.len() as i64);
                }
            }
            None => self.fail("fenced"),
        }
    }

    fn append(&self, partition: &Partition, sequence: u64, batch: &[Output]) -> Option<i64> {
        self.world.say(|| format!("{} produces {} to {partition}: {}", self.id, batch.len(), keys(batch)));
        self.world.kafka().produce(&self.id, self.producer, sequence, partition, batch).ok()
    }

    fn fail(&mut self, why: &str) {
        self.fenced = true;
        self.lose_queued(why);
    }

    fn lose_queued(&mut self, why: &str) {
        if self.in_flight() > 0 {
            self.reports.failed.get_or_insert(format!("records were not delivered: {why}"));
        }
        self.queues.clear();
        self.sent.clear();
    }

    /// Makes a request until it is answered or time is up.
    fn request(
        &mut self,
        what: &'static str,
        timeout: Duration,
        late: Option<Frame>,
        mut send: impl FnMut(&mut Self) -> Result<(), Refusal>,
    ) -> Result<(), ClientError> {
        let deadline_ms = self.now_ms() + timeout.as_millis() as u64;
        let mut late = late;
        loop {
            self.world.step(self.process, what);
            if self.now_ms() >= deadline_ms {
                return Err(error(ErrorKind::Repeatable, "timed out"));
            }
            if !self.world.reaches_kafka(self.process) {
                self.suspect = true;
                self.world.pass_time(50);
                continue;
            }
            match self.world.loss(self.process) {
                Loss::Nothing => {}
                Loss::Answer => {
                    self.suspect = true;
                    let _ = send(self);
                    self.world.pass_time(20);
                    continue;
                }
                Loss::Request { until_ms } => {
                    self.suspect = true;
                    if let Some(frame) = late.take() {
                        self.world.kafka().delay(until_ms, frame);
                    }
                    self.world.pass_time(20);
                    continue;
                }
            }
            let answer = send(self);
            self.world.say(|| format!("{} {what} as {:?}: {answer:?}", self.id, self.producer));
            match answer {
                Ok(()) => {
                    self.world.step(self.process, "answered");
                    return Ok(());
                }
                Err(Refusal::Concurrent) => self.world.pass_time(5),
                Err(Refusal::Fenced) => {
                    self.fenced = true;
                    return Err(error(ErrorKind::Other, "fenced by a newer instance"));
                }
                Err(Refusal::InvalidState | Refusal::OutOfOrder) => {
                    return Err(error(ErrorKind::Other, "invalid transaction state"));
                }
            }
        }
    }

    fn end(&mut self, commit: bool, timeout: Duration) -> Result<(), ClientError> {
        self.queued_ms = 0;
        if self.added.is_empty() {
            return Ok(());
        }
        let (id, producer) = (self.id.clone(), self.producer);
        let late = Frame::End { id, producer, commit };
        let what = if commit { "commit" } else { "abort" };
        let ended = self.request(what, timeout, Some(late), |client| {
            client.world.kafka().transactions.end(&client.id, client.producer, commit)
        });
        if ended.is_ok() {
            self.added.clear();
        }
        ended
    }
}

impl TransactionalClient for SimulatedProducer {
    type Group = Identity;

    fn another(&self) -> Result<SimulatedProducer, Fault> {
        Ok(SimulatedProducer::new(&self.world, self.process, &self.id, &self.changelog))
    }

    fn initialise(&mut self, timeout: Duration) -> Result<(), ClientError> {
        self.request("initialise", timeout, None, |client| {
            let timeout_ms = TRANSACTION_TIMEOUT.as_millis() as u64;
            let producer = client.world.kafka().transactions.initialise(&client.id, timeout_ms)?;
            client.producer = producer;
            Ok(())
        })?;
        self.suspect = false;
        Ok(())
    }

    fn begin(&mut self) -> Result<(), ClientError> {
        if self.fenced { Err(error(ErrorKind::Other, "fenced")) } else { Ok(()) }
    }

    fn send(&mut self, output: Output) -> Result<Option<Output>, ClientError> {
        if self.fenced {
            return Err(error(ErrorKind::Other, "fenced"));
        }
        if self.in_flight() >= QUEUE_RECORDS_MAX {
            return Ok(Some(output));
        }
        if self.in_flight() == 0 {
            self.queued_ms = self.now_ms();
        }
        let place = self.world.kafka().place_of(&output);
        self.queues.entry(place).or_default().push(output);
        Ok(None)
    }

    fn serve(&mut self) {
        if self.in_flight() == 0 || self.fenced {
            return;
        }
        let waited = self.now_ms().saturating_sub(self.queued_ms);
        if waited > TRANSACTION_TIMEOUT.as_millis() as u64 * 9 / 10 {
            return self.lose_queued("timed out");
        }
        let waiting: BTreeSet<Partition> = self.sent.keys().chain(self.queues.keys()).cloned().collect();
        for partition in waiting {
            self.transmit(&partition);
        }
    }

    fn in_flight(&self) -> usize {
        self.queues.values().chain(self.sent.values()).map(Vec::len).sum()
    }

    fn take_reports(&mut self) -> Reports {
        std::mem::take(&mut self.reports)
    }

    fn send_offsets(
        &mut self,
        offsets: &[(Partition, i64)],
        group: &Identity,
        timeout: Duration,
    ) -> Result<(), ClientError> {
        let deadline_ms = self.now_ms() + timeout.as_millis() as u64;
        loop {
            self.world.step(self.process, "offsets");
            if self.now_ms() >= deadline_ms {
                return Err(error(ErrorKind::Repeatable, "timed out"));
            }
            if !self.world.reaches_kafka(self.process)
                || !matches!(self.world.loss(self.process), Loss::Nothing)
            {
                self.suspect = true;
                self.world.pass_time(50);
                continue;
            }
            let added = self.world.kafka().add_offsets(&self.id, self.producer);
            match added {
                Ok(()) => {}
                Err(Refusal::Concurrent) => {
                    self.world.pass_time(5);
                    continue;
                }
                Err(_) => return Err(error(ErrorKind::Other, "fenced")),
            }
            self.added.insert(offsets_log());
            let answer = self.world.kafka().commit_offsets(&self.id, self.producer, group, offsets);
            self.world.say(|| format!("{} offsets {offsets:?} by {group:?}: {answer:?}", self.id));
            if answer.is_err() && !self.queues.is_empty() {
                // librdkafka gives up what it has not sent, and goes on with what it has.
                self.queues.clear();
                self.reports.failed.get_or_insert("records were not delivered: purged".to_owned());
            }
            return answer.map_err(|refusal| match refusal {
                GroupRefusal::IllegalGeneration | GroupRefusal::Rebalancing => {
                    error(ErrorKind::StaleGeneration, "illegal generation")
                }
                other => error(ErrorKind::Other, &format!("{other:?}")),
            });
        }
    }

    fn commit(&mut self, timeout: Duration) -> Result<(), ClientError> {
        // librdkafka flushes first, and once let a transaction commit without records that had timed out
        // (confluentinc/librdkafka#4401); so the application has to count.
        let deadline_ms = self.now_ms() + timeout.as_millis() as u64;
        while self.in_flight() > 0 && self.now_ms() < deadline_ms {
            self.serve();
            self.world.pass_time(2);
        }
        if self.fenced {
            return Err(error(ErrorKind::Other, "fenced"));
        }
        self.end(true, timeout)
    }

    fn purge(&mut self) {
        self.queues.clear();
        self.sent.clear();
    }

    fn abort(&mut self, timeout: Duration) -> Result<(), ClientError> {
        if self.fenced { Err(error(ErrorKind::Other, "fenced")) } else { self.end(false, timeout) }
    }

    fn is_suspect(&self) -> bool {
        self.suspect
    }

    fn fatal(&self) -> Option<String> {
        self.fenced.then(|| "fenced by a newer instance".to_owned())
    }

    fn pause(&self, time: Duration) {
        self.world.pass_time(time.as_millis().max(1) as u64);
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.now_ms())
    }
}

/// Whose records these are, for people.
fn keys(batch: &[Output]) -> String {
    let keys = batch.iter().map(|output| String::from_utf8_lossy(output.key.as_deref().unwrap_or_default()));
    keys.collect::<Vec<_>>().join(" ")
}

fn error(kind: ErrorKind, text: &str) -> ClientError {
    ClientError { kind, text: text.to_owned() }
}
