//! The transaction protocol: what is sent, what was delivered, and the commit. It stands between the worker
//! and a client that speaks to Kafka, so that it is the same over librdkafka and over a simulated broker.
//!
//! Every record sent is counted, and so is every delivery report; a transaction commits only when they agree
//! and none failed. After an abort, an error or a timeout a client is never used again. A commit during
//! which the client lost a connection or a request has succeeded, yet a late copy of its last request may
//! still be on its way: before the next transaction such a client is replaced too. A new client raises the
//! producer's epoch, which is what keeps a late request out (librdkafka has no KIP-890 part 2).

use std::collections::BTreeMap;
use std::time::Duration;

use super::broker::{Header, Output, Partition};
use super::fault::{Fault, Reason};
use crate::mutant::{Mutant, is_armed};

/// How long giving up a transaction may take, which is a courtesy: the broker aborts it by itself.
const ABORT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long to wait between two looks at what was delivered.
const LOOK_EVERY: Duration = Duration::from_micros(500);
/// How long to wait before a call is made again that may be.
const REPEAT_AFTER: Duration = Duration::from_millis(10);
/// The header that names the transaction of a record, where that is asked for.
const TAG_HEADER: &str = "transaction";

/// A producer's client as librdkafka offers it. Every call may be interrupted by the end of the process.
pub trait TransactionalClient: Sized {
    /// What the broker checks offsets against: the member and the generation of its group.
    type Group;

    /// Another client under the same names, which has not been initialised.
    ///
    /// # Errors
    /// When the settings are refused.
    fn another(&self) -> Result<Self, Fault>;

    /// Raises the epoch of the transactional id, and ends whatever was open under it.
    fn initialise(&mut self, timeout: Duration) -> Result<(), ClientError>;

    /// Begins a transaction.
    fn begin(&mut self) -> Result<(), ClientError>;

    /// Takes a record to be sent. Gives it back while the queue is full.
    fn send(&mut self, output: Output) -> Result<Option<Output>, ClientError>;

    /// Serves what has arrived from the broker, without waiting.
    fn serve(&mut self);

    /// Records that were taken and have no report yet.
    fn in_flight(&self) -> usize;

    /// What was reported since the last call.
    fn take_reports(&mut self) -> Reports;

    /// Adds offsets to the open transaction.
    fn send_offsets(
        &mut self,
        offsets: &[(Partition, i64)],
        group: &Self::Group,
        timeout: Duration,
    ) -> Result<(), ClientError>;

    /// Commits the open transaction.
    fn commit(&mut self, timeout: Duration) -> Result<(), ClientError>;

    /// Forgets what is queued or on its way.
    fn purge(&mut self);

    /// Aborts the open transaction.
    fn abort(&mut self, timeout: Duration) -> Result<(), ClientError>;

    /// Whether a connection or a request was lost, so that a copy of a request may arrive late.
    fn is_suspect(&self) -> bool;

    /// Why the client is of no use any more, if so.
    fn fatal(&self) -> Option<String>;

    /// Lets time pass.
    fn pause(&self, time: Duration);

    /// A clock that never goes back, for deadlines.
    fn elapsed(&self) -> Duration;
}

/// Delivery reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reports {
    /// How many records were delivered.
    pub delivered: u64,
    /// For each partition of the changelog that was written to, the offset behind the last record.
    pub changelog_next: BTreeMap<i32, i64>,
    /// The first failure, if there was one.
    pub failed: Option<String>,
}

/// Why a call of the client failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientError {
    /// What that means for the protocol.
    pub kind: ErrorKind,
    /// What the client said.
    pub text: String,
}

/// What an error of the client means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The same call may be made again.
    Repeatable,
    /// The group has another generation than the offsets.
    StaleGeneration,
    /// Nothing that is done here helps, and this is what to do.
    Hopeless(Box<Fault>),
    /// The transaction has failed, or nobody knows.
    Other,
}

/// A transactional producer under a stable name.
pub struct TransactionalProducer<C: TransactionalClient> {
    client: C,
    timeout: Duration,
    tag: Option<Tag>,
    open: bool,
    sent: u64,
    reports: Reports,
    /// Only a mutant reads it.
    group: Option<C::Group>,
}

/// Names transactions, so that who reads the outputs can tell which records belong together.
#[derive(Clone, Debug)]
pub struct Tag {
    /// The member and its incarnation, as `<member>/<incarnation>`.
    pub origin: String,
    /// The number of the transaction.
    pub transaction: u64,
}

impl<C: TransactionalClient> TransactionalProducer<C> {
    /// Raises the epoch of the client's transactional id, whatever was open under it. `timeout` is how long a
    /// transaction may stay open.
    ///
    /// # Errors
    /// `Restart` while the brokers do not answer.
    pub fn initialise(
        client: C,
        timeout: Duration,
        tag: Option<Tag>,
    ) -> Result<TransactionalProducer<C>, Fault> {
        let (open, sent, reports) = (false, 0, Reports::default());
        let mut producer = TransactionalProducer { client, timeout, tag, open, sent, reports, group: None };
        let deadline = producer.client.elapsed() + timeout;
        producer
            .repeat(deadline, |client, left| client.initialise(left))
            .map_err(|error| failed("initialising transactions", error))?;
        Ok(producer)
    }

    /// Whether the client is of no use any more, for one because another has begun under its name.
    pub fn is_dead(&self) -> bool {
        self.client.fatal().is_some()
    }

    /// Serves delivery reports.
    ///
    /// # Errors
    /// When the client is of no use any more.
    pub fn serve(&mut self) -> Result<(), Fault> {
        if self.open {
            self.client.serve();
        }
        match self.client.fatal() {
            Some(text) => Err(Fault::restart("transaction", format!("the producer died: {text}"))),
            None => Ok(()),
        }
    }

    /// Adds a record to the open transaction, and begins one if none is open.
    ///
    /// # Errors
    /// `Restart` when the broker takes no records for the length of a transaction, or the transaction failed.
    pub fn send(&mut self, mut output: Output) -> Result<(), Fault> {
        if !self.open {
            self.begin()?;
        }
        if let Some(Tag { origin, transaction }) = &self.tag {
            let tag = format!("{origin}/{transaction}/{}", self.sent);
            output.headers.push(Header::text(TAG_HEADER, tag));
        }
        let mut since = None;
        loop {
            match self.client.send(output) {
                Ok(None) => break,
                Ok(Some(back)) => {
                    // The queue is bounded. It empties as the broker takes records; if it does not, the
                    // broker is away and the transaction will time out.
                    let since = *since.get_or_insert_with(|| self.client.elapsed());
                    self.await_room(since)?;
                    output = back;
                }
                Err(error) => return Err(failed("sending a record", error)),
            }
        }
        self.sent += 1;
        Ok(())
    }

    /// Commits. Answers, for each partition of the changelog that was written to, the offset behind the last
    /// record. The group is asked for right before it is used: a stale generation is refused by the broker
    /// (KIP-447), which is wanted, and every rebalance that others cause makes a generation stale.
    ///
    /// The offsets are added while the records are on their way, which saves the time that it takes. Whatever becomes
    /// of that, all records are waited for: where a rebalance refuses the offsets, nothing is in flight that could
    /// arrive after the abort.
    ///
    /// # Errors
    /// `Rewind` when a rebalance refused the offsets: nothing is committed. `Restart` when the transaction
    /// failed, or when nobody knows.
    pub fn commit(
        &mut self,
        offsets: &[(Partition, i64)],
        group: impl FnOnce() -> Result<C::Group, Fault>,
    ) -> Result<Vec<(i32, i64)>, Fault> {
        if !self.open {
            self.begin()?;
        }
        // One limit for everything: the broker gives the transaction no more time either.
        let deadline = self.client.elapsed() + self.timeout;
        let group = self.group_to_check(group)?;
        let added = self.add_offsets(offsets, group, deadline);
        let delivered = self.await_delivery(deadline);
        // When offsets are refused, the client gives up the records that it has not sent, which says nothing new.
        added.map_err(|error| refused_offsets("adding offsets to the transaction", error))?;
        let reports = delivered?;
        let committed = self.repeat(deadline, |client, left| client.commit(left));
        if !is_armed(Mutant::TakeFailedCommitForDone) {
            committed.map_err(|error| failed("committing", error))?;
        }
        self.end();
        Ok(reports.changelog_next.into_iter().collect())
    }

    /// Gives up the open transaction, as far as the broker can be reached. The client is of no use afterwards.
    pub fn abort(&mut self) {
        if !self.open {
            return;
        }
        // Reports that are not polled would block the abort for its whole timeout.
        self.client.purge();
        let deadline = self.client.elapsed() + ABORT_TIMEOUT;
        while self.client.in_flight() > 0 && self.client.elapsed() < deadline {
            self.client.serve();
            self.client.pause(LOOK_EVERY);
        }
        if let Err(error) = self.client.abort(ABORT_TIMEOUT) {
            tracing::warn!(
                event = "abort_failed",
                text = error.text,
                "the broker will abort the transaction itself"
            );
        }
        self.end();
    }

    /// Gives up the open transaction and goes on with a new client.
    ///
    /// # Errors
    /// As [`TransactionalProducer::initialise`].
    pub fn renew(&mut self) -> Result<(), Fault> {
        self.abort();
        if is_armed(Mutant::KeepProducerAfterAbort) { Ok(()) } else { self.replace() }
    }

    /// The new client's epoch must be there before the old one's last request could be repeated against a new
    /// transaction, so the old client goes when the new one is initialised.
    fn replace(&mut self) -> Result<(), Fault> {
        let group = self.group.take();
        *self = TransactionalProducer::initialise(self.client.another()?, self.timeout, self.tag.clone())?;
        self.group = group;
        Ok(())
    }

    fn begin(&mut self) -> Result<(), Fault> {
        let keep = is_armed(Mutant::KeepSuspectProducer) || is_armed(Mutant::KeepProducerAfterAbort);
        if self.client.is_suspect() && !keep {
            tracing::info!(event = "producer_replaced", "a connection was lost during the last transaction");
            self.replace()?;
        }
        self.client.begin().map_err(|error| failed("beginning", error))?;
        self.open = true;
        self.client.take_reports();
        Ok(())
    }

    fn end(&mut self) {
        (self.open, self.sent, self.reports) = (false, 0, Reports::default());
        if let Some(tag) = &mut self.tag {
            tag.transaction += 1;
        }
    }

    fn await_room(&mut self, since: Duration) -> Result<(), Fault> {
        if self.client.elapsed() - since > self.timeout {
            let text = "the broker took no records for a whole transaction timeout";
            return Err(Fault::restart("delivery", text));
        }
        self.client.serve();
        self.client.pause(LOOK_EVERY);
        Ok(())
    }

    /// Waits until every record sent has its report. librdkafka's own flush would wait up to 100 ms longer
    /// than needed.
    fn await_delivery(&mut self, deadline: Duration) -> Result<Reports, Fault> {
        while self.client.in_flight() > 0 && !is_armed(Mutant::CommitBeforeDelivery) {
            self.client.serve();
            if self.client.in_flight() == 0 {
                break;
            }
            if self.client.elapsed() > deadline {
                return Err(Fault::restart("delivery", "records were not delivered within the timeout"));
            }
            self.client.pause(LOOK_EVERY);
        }
        let reports = self.client.take_reports();
        if is_armed(Mutant::IgnoreDeliveryErrors) || is_armed(Mutant::CommitBeforeDelivery) {
            return Ok(reports);
        }
        if let Some(failed) = reports.failed {
            return Err(Fault::restart("delivery", failed));
        }
        if reports.delivered != self.sent {
            let text = format!("{} records were sent and {} delivered", self.sent, reports.delivered);
            return Err(Fault::restart("delivery", text));
        }
        Ok(reports)
    }

    fn group_to_check(&mut self, group: impl FnOnce() -> Result<C::Group, Fault>) -> Result<C::Group, Fault> {
        match self.group.take() {
            Some(group) => Ok(group),
            None => group(),
        }
    }

    fn add_offsets(
        &mut self,
        offsets: &[(Partition, i64)],
        group: C::Group,
        deadline: Duration,
    ) -> Result<(), ClientError> {
        if is_armed(Mutant::CommitWithoutOffsets) {
            return Ok(());
        }
        let added = self.repeat(deadline, |client, left| client.send_offsets(offsets, &group, left));
        if is_armed(Mutant::ReuseGeneration) {
            self.group = Some(group);
        }
        added
    }

    /// Repeats a call while it says that it may be made again, until the deadline.
    fn repeat(
        &mut self,
        deadline: Duration,
        call: impl Fn(&mut C, Duration) -> Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        loop {
            let left = deadline.saturating_sub(self.client.elapsed()).max(Duration::from_millis(1));
            match call(&mut self.client, left) {
                Err(error) if error.kind == ErrorKind::Repeatable && self.client.elapsed() < deadline => {
                    self.client.pause(REPEAT_AFTER);
                }
                result => return result,
            }
        }
    }
}

/// Offsets that a rebalance refused: nothing is committed, that is certain, and the group is to be kept. A
/// failure of the commit itself leaves that open, and is never taken for this.
fn refused_offsets(doing: &str, error: ClientError) -> Fault {
    match error.kind {
        ErrorKind::StaleGeneration => {
            Fault::Rewind(Reason { label: "rebalance", text: format!("{doing}: {}", error.text) })
        }
        _ => failed(doing, error),
    }
}

fn failed(doing: &str, error: ClientError) -> Fault {
    match error.kind {
        ErrorKind::Hopeless(fault) => *fault,
        _ => Fault::restart("transaction", format!("{doing}: {}", error.text)),
    }
}
