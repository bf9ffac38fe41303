//! What a script may ask of a cluster, request by request, as librdkafka asks it: the versions of the requests
//! are those that it speaks. Answers are plain values, so that those of the simulated cluster and those of the
//! real one can be compared.
//!
//! A lab has one topic of two partitions and one group, which commits offsets of the first partition.

use std::fmt::Debug;

use super::cluster::Cluster;
use super::real::RealLab;
use super::simulated::SimulatedLab;
use super::simulation::group::Identity;
use super::simulation::log::Producer;

/// How long a script waits for what a broker does by itself: it looks for overdue transactions every ten
/// seconds.
const PATIENCE_MS: u64 = 30_000;
const LOOK_EVERY_MS: u64 = 20;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// A newer epoch of the producer is there.
    Fenced,
    /// The last transaction is being ended: ask again.
    Concurrent,
    /// Nothing is open that this could belong to.
    InvalidState,
    /// Batches before this one are missing.
    OutOfOrder,
    StaleGeneration,
    UnknownMember,
    /// Another member has come under this one's name.
    FencedInstance,
    Rebalancing,
    /// A transaction has an offset pending.
    Unstable,
}

pub(crate) type Answer<T = ()> = Result<T, Refused>;

/// A cluster that answers one request at a time.
pub(crate) trait Lab {
    /// InitProducerId.
    fn initialise(&mut self, id: &str, timeout_ms: u64) -> Answer<Producer>;

    /// AddPartitionsToTxn.
    fn add(&mut self, id: &str, producer: Producer, partition: i32) -> Answer;

    /// Produce: one batch, the how-manieth of this producer's epoch for this partition, from 1 on. Answers its
    /// offset.
    fn produce(
        &mut self,
        id: &str,
        producer: Producer,
        partition: i32,
        number: u64,
        values: &[&str],
    ) -> Answer<i64>;

    /// AddOffsetsToTxn.
    fn add_offsets(&mut self, id: &str, producer: Producer) -> Answer;

    /// TxnOffsetCommit.
    fn commit_offset(&mut self, id: &str, producer: Producer, who: &Identity, offset: i64) -> Answer;

    /// EndTxn.
    fn end(&mut self, id: &str, producer: Producer, commit: bool) -> Answer;

    /// OffsetFetch of stable offsets.
    fn committed(&mut self) -> Answer<Option<i64>>;

    /// What a committed reader gets from the beginning: offsets with values.
    fn visible(&mut self, partition: i32) -> Vec<(i64, String)>;

    /// The last stable offset, and the high watermark.
    fn ends(&mut self, partition: i32) -> (i64, i64);

    /// JoinGroup without waiting for its answer: of a member that is known as this one, or new.
    fn begin_to_join(&mut self, instance: &str, known: Option<&Identity>);

    /// The answers to JoinGroup of all these, and their SyncGroup.
    fn joined(&mut self, instances: &[&str]) -> Vec<Identity>;

    /// Heartbeat.
    fn heartbeat(&mut self, who: &Identity) -> Answer;

    /// Lets time pass.
    fn pass(&mut self, time_ms: u64);
}

/// What scripts make of single requests.
impl dyn Lab + '_ {
    /// A new member that need not wait for others.
    pub(crate) fn join(&mut self, instance: &str) -> Identity {
        self.begin_to_join(instance, None);
        self.joined(&[instance]).remove(0)
    }

    /// InitProducerId until the transaction before has been ended. Answers too how the first one went.
    pub(crate) fn initialise_at_last(&mut self, id: &str) -> (Producer, Option<Refused>) {
        let first = self.initialise(id, 60_000);
        let producer = self.patiently(|lab| lab.initialise(id, 60_000), first);
        (producer.expect("a producer id is given to everybody"), first.err())
    }

    /// Adds a partition as soon as the last transaction has been ended.
    pub(crate) fn add_at_last(&mut self, id: &str, producer: Producer, partition: i32) -> Answer {
        let first = self.add(id, producer, partition);
        self.patiently(|lab| lab.add(id, producer, partition), first)
    }

    /// Adds the group's offsets as soon as the last transaction has been ended.
    pub(crate) fn add_offsets_at_last(&mut self, id: &str, producer: Producer) -> Answer {
        let first = self.add_offsets(id, producer);
        self.patiently(|lab| lab.add_offsets(id, producer), first)
    }

    /// One transaction of one batch, as far as EndTxn.
    pub(crate) fn write(
        &mut self,
        id: &str,
        producer: Producer,
        partition: i32,
        number: u64,
        values: &[&str],
    ) -> i64 {
        self.add_at_last(id, producer, partition).expect("the producer is the newest");
        self.produce(id, producer, partition, number, values).expect("the partition was added")
    }

    /// EndTxn, and its marker is waited for.
    pub(crate) fn end_and_settle(
        &mut self,
        id: &str,
        producer: Producer,
        commit: bool,
        partition: i32,
    ) -> Answer {
        let ended = self.end(id, producer, commit);
        self.settle(partition);
        ended
    }

    /// Waits until no transaction is open in a partition.
    pub(crate) fn settle(&mut self, partition: i32) {
        self.wait("an end to the transaction", |lab| {
            let (stable, high) = lab.ends(partition);
            (stable == high).then_some(())
        });
    }

    /// Waits until a partition reaches this end.
    pub(crate) fn until_end(&mut self, partition: i32, end: i64) {
        self.wait("more in the partition", |lab| (lab.ends(partition).1 >= end).then_some(()));
    }

    /// The committed offset, when it is stable.
    pub(crate) fn settled_offset(&mut self) -> Option<i64> {
        self.wait("a stable offset", |lab| match lab.committed() {
            Ok(offset) => Some(offset),
            Err(refused) => {
                assert_eq!(refused, Refused::Unstable);
                None
            }
        })
    }

    /// Asks again while the last transaction is being ended.
    fn patiently<T>(
        &mut self,
        mut ask: impl FnMut(&mut dyn Lab) -> Answer<T>,
        first: Answer<T>,
    ) -> Answer<T> {
        let mut first = Some(first);
        self.wait("an end to the last transaction", |lab| {
            let answer = first.take().unwrap_or_else(|| ask(lab));
            (!matches!(answer, Err(Refused::Concurrent))).then_some(answer)
        })
    }

    fn wait<T>(&mut self, what: &str, mut look: impl FnMut(&mut dyn Lab) -> Option<T>) -> T {
        for _ in 0..PATIENCE_MS / LOOK_EVERY_MS {
            if let Some(found) = look(self) {
                return found;
            }
            self.pass(LOOK_EVERY_MS);
        }
        panic!("{what} does not come within {PATIENCE_MS} ms");
    }
}

/// Runs a script on the simulated cluster and on the real one, where there is one. Both must answer as stated.
pub(crate) fn conform<T: Debug + PartialEq>(name: &str, stated: T, script: fn(&mut dyn Lab) -> T) {
    let simulated = script(&mut SimulatedLab::new());
    let cluster = Cluster::find(name);
    let real = cluster.map(|cluster| script(&mut RealLab::new(&cluster, name)));
    if let Some(real) = real {
        assert_eq!(real, stated, "{name}: the real broker against what is stated");
    }
    assert_eq!(simulated, stated, "{name}: the simulated broker against what is stated");
}
