//! In which order a transaction's calls are made, and what is made of their answers, with a client that plays a
//! broker which takes its time.

use std::cell::Cell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bespoke::runtime::broker::{Output, Partition};
use bespoke::runtime::fault::Fault;
use bespoke::runtime::transaction::{
    ClientError, ErrorKind, Reports, TransactionalClient, TransactionalProducer,
};

const TIMEOUT: Duration = Duration::from_secs(10);

/// A client that delivers one record each time it is served.
#[derive(Default)]
struct SlowClient {
    queued: usize,
    reports: Reports,
    /// Whether a rebalance refuses the offsets. Then the client gives up all records but the one that it has sent.
    refuses: bool,
    calls: Arc<Mutex<Vec<String>>>,
    elapsed: Cell<Duration>,
}

impl SlowClient {
    fn note(&self, call: &str) {
        self.calls.lock().unwrap().push(format!("{call}, {} in flight", self.queued));
    }
}

impl TransactionalClient for SlowClient {
    type Group = ();

    fn another(&self) -> Result<SlowClient, Fault> {
        Ok(SlowClient { calls: Arc::clone(&self.calls), ..SlowClient::default() })
    }

    fn initialise(&mut self, _: Duration) -> Result<(), ClientError> {
        Ok(())
    }

    fn begin(&mut self) -> Result<(), ClientError> {
        Ok(())
    }

    fn send(&mut self, _: Output) -> Result<Option<Output>, ClientError> {
        self.queued += 1;
        Ok(None)
    }

    fn serve(&mut self) {
        if self.queued > 0 {
            self.queued -= 1;
            self.reports.delivered += 1;
        }
    }

    fn in_flight(&self) -> usize {
        self.queued
    }

    fn take_reports(&mut self) -> Reports {
        std::mem::take(&mut self.reports)
    }

    fn send_offsets(&mut self, _: &[(Partition, i64)], (): &(), _: Duration) -> Result<(), ClientError> {
        self.note("offsets");
        if !self.refuses {
            return Ok(());
        }
        self.queued = self.queued.min(1);
        self.reports.failed = Some("a record was purged".to_owned());
        Err(ClientError { kind: ErrorKind::StaleGeneration, text: "illegal generation".to_owned() })
    }

    fn commit(&mut self, _: Duration) -> Result<(), ClientError> {
        self.note("commit");
        Ok(())
    }

    fn purge(&mut self) {
        self.note("purge");
        self.queued = 0;
    }

    fn abort(&mut self, _: Duration) -> Result<(), ClientError> {
        self.note("abort");
        Ok(())
    }

    fn is_suspect(&self) -> bool {
        false
    }

    fn fatal(&self) -> Option<String> {
        None
    }

    fn pause(&self, time: Duration) {
        self.elapsed.set(self.elapsed.get() + time);
    }

    fn elapsed(&self) -> Duration {
        self.elapsed.get()
    }
}

/// Where the changelog's partitions go on after a commit.
type Committed = Vec<(i32, i64)>;

/// Sends three records and commits them. Answers what became of that, and the calls.
fn commit(refuses: bool) -> (Result<Committed, Fault>, Vec<String>) {
    let client = SlowClient { refuses, ..SlowClient::default() };
    let calls = Arc::clone(&client.calls);
    let mut producer = TransactionalProducer::initialise(client, TIMEOUT, None).unwrap();
    for _ in 0..3 {
        let topic = Arc::from("outputs");
        let output =
            Output { topic, partition: None, key: None, value: None, headers: Vec::new(), timestamp: None };
        producer.send(output).unwrap();
    }
    let offsets = [(Partition::new(Arc::from("inputs"), 0), 1)];
    let committed = producer.commit(&offsets, || Ok(()));
    if committed.is_err() {
        producer.renew().unwrap();
    }
    let calls = calls.lock().unwrap().clone();
    (committed, calls)
}

#[test]
fn offsets_are_added_while_records_are_on_their_way_and_nothing_is_committed_before_all_are_there() {
    let (committed, calls) = commit(false);
    assert_eq!(committed.unwrap(), [], "nothing was written to the changelog");
    assert_eq!(calls, ["offsets, 3 in flight", "commit, 0 in flight"]);
}

/// That the client gives up its records then is no reason to begin anew, and what it had sent already must have
/// arrived before the transaction is aborted.
#[test]
fn a_rebalance_that_refuses_the_offsets_leads_back_to_the_last_commit() {
    let (committed, calls) = commit(true);
    assert!(matches!(&committed, Err(Fault::Rewind(_))), "{committed:?}");
    assert_eq!(calls, ["offsets, 3 in flight", "purge, 0 in flight", "abort, 0 in flight"]);
}
