//! Kafka as a worker sees it: one group member and one transactional producer, used by one thread.
//!
//! Two implementations: `kafka` on librdkafka, and `embedded`, a log in memory for the offline demo and for
//! tests. The trait has no method that answers "maybe": a call has done what it says, or a [`Fault`] tells
//! what to do.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::fault::Fault;
use crate::domain::time::Timestamp;

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// The topic.
    pub topic: Arc<str>,
    /// The number of the partition.
    pub number: i32,
}

/// A record read from a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it stands.
    pub partition: Partition,
    /// Its offset.
    pub offset: i64,
    /// Its timestamp, as the producer or the broker set it.
    pub timestamp: Timestamp,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers in their order.
    pub headers: Vec<Header>,
}

/// A record's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Option<Vec<u8>>,
}

/// A record to be written in the open transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition; none lets the key decide, as Java clients do.
    pub partition: Option<i32>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Vec<Header>,
    /// Its timestamp; none lets the producer take the time of sending.
    pub timestamp: Option<Timestamp>,
}

/// What happened while polling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Polled {
    /// Nothing in the time given.
    Nothing,
    /// A record.
    Record(Record),
    /// The group gives these partitions to us: answer with [`Broker::admit`].
    Assigned(Vec<Partition>),
    /// The group wants these partitions back: commit, then answer with [`Broker::release`].
    Revoked(Vec<Partition>),
    /// The group has given these partitions to others already: nothing of them may be committed.
    Lost(Vec<Partition>),
}

/// Where a partition begins, ends, and where the group has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The oldest offset that is still there.
    pub low: i64,
    /// The next offset that a read_committed reader cannot have yet.
    pub high: i64,
    /// The group's committed offset.
    pub committed: Option<i64>,
}

/// One group member with its transactional producer.
pub trait Broker {
    /// Waits at most `wait` for something to happen.
    fn poll(&mut self, wait: Duration) -> Result<Polled, Fault>;

    /// Where these partitions begin and end, and where the group has come to.
    fn bounds(&mut self, partitions: &[Partition]) -> Result<Vec<Bounds>, Fault>;

    /// Takes partitions that were assigned, each from an offset on. They are held until [`Broker::resume`].
    fn admit(&mut self, partitions: &[(Partition, i64)]) -> Result<(), Fault>;

    /// Gives back partitions that were revoked.
    fn release(&mut self, partitions: &[Partition]) -> Result<(), Fault>;

    /// Stops reading a partition; when it is resumed, its next record is the one at `offset`.
    fn hold(&mut self, partition: &Partition, offset: i64) -> Result<(), Fault>;

    /// Goes on reading a partition.
    fn resume(&mut self, partition: &Partition) -> Result<(), Fault>;

    /// Opens the committed records of a changelog partition, from `from` up to where it ends now. Waits for
    /// transactions that are open below that end.
    fn replay(&mut self, changelog: &Partition, from: i64) -> Result<Box<dyn Replay>, Fault>;

    /// Adds a record to the open transaction, and begins one if none is open.
    fn send(&mut self, output: Output) -> Result<(), Fault>;

    /// Commits the open transaction with the offsets to read next. When this returns, everything sent is
    /// visible and the offsets are committed. Answers, for each partition of the changelog topic that was
    /// written to, the offset that follows the last record.
    fn commit(&mut self, offsets: &[(Partition, i64)]) -> Result<Vec<(i32, i64)>, Fault>;

    /// Gives up the open transaction. Only to be followed by dropping the broker.
    fn abort(&mut self);

    /// Looks whether another process has begun under this one's name, and waits for the answer where something
    /// says that it may have. To be asked after [`Broker::abort`] and before new clients would take the name
    /// back; only to be followed by dropping the broker.
    ///
    /// # Errors
    /// `Stop` when one has.
    fn look_for_successor(&mut self) -> Result<(), Fault>;

    /// Gives up the open transaction, keeps the group's membership, and goes on with a new producer.
    fn renew(&mut self) -> Result<(), Fault>;

    /// The number of partitions of a topic.
    fn partitions(&mut self, topic: &str) -> Result<i32, Fault>;

    /// How many records of a partition lie between `next` and its end, as far as known without asking.
    fn lag(&self, partition: &Partition, next: i64) -> i64;
}

/// Committed records of a changelog partition, in their order, up to a fixed end.
pub trait Replay {
    /// At most `limit` further records; an empty answer when none came within `wait`.
    fn next(&mut self, limit: usize, wait: Duration) -> Result<Vec<Record>, Fault>;

    /// When the end has been reached: the offset from which nothing has been read.
    fn finished(&self) -> Option<i64>;

    /// Offsets between what was read and the end; an upper bound of the records that are left.
    fn remaining(&self) -> i64;
}

impl Partition {
    /// A partition of a topic.
    pub fn new(topic: impl Into<Arc<str>>, number: i32) -> Partition {
        Partition { topic: topic.into(), number }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.topic, self.number)
    }
}

impl Header {
    /// A header with a text.
    pub fn text(name: &str, value: impl Into<String>) -> Header {
        Header { name: name.into(), value: Some(value.into().into_bytes()) }
    }
}
