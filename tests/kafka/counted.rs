//! A broker that counts the rebalances which it passes on, and changes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bespoke::runtime::broker::{Bounds, Broker, Output, Partition, Polled, Replay};
use bespoke::runtime::fault::Fault;

/// What a member was told by its group.
#[derive(Clone, Default)]
pub(crate) struct Counts {
    /// How often it was given partitions, or told that there are none for it.
    pub(crate) assigned: Arc<AtomicUsize>,
    /// How many partitions it was given, in all.
    pub(crate) partitions: Arc<AtomicUsize>,
    /// How many transactions it has committed.
    pub(crate) commits: Arc<AtomicUsize>,
    /// How often it was asked for partitions.
    pub(crate) revoked: Arc<AtomicUsize>,
    /// How often partitions were gone before it was asked.
    pub(crate) lost: Arc<AtomicUsize>,
}

/// A broker with counts.
pub(crate) struct Counted<B> {
    pub(crate) inner: B,
    pub(crate) counts: Counts,
}

impl<B: Broker> Broker for Counted<B> {
    fn poll(&mut self, wait: Duration) -> Result<Polled, Fault> {
        let polled = self.inner.poll(wait)?;
        let counts = &self.counts;
        match &polled {
            Polled::Assigned(partitions) => {
                counts.assigned.fetch_add(1, Ordering::Relaxed);
                counts.partitions.fetch_add(partitions.len(), Ordering::Relaxed);
            }
            Polled::Revoked(_) => {
                counts.revoked.fetch_add(1, Ordering::Relaxed);
            }
            Polled::Lost(_) => {
                counts.lost.fetch_add(1, Ordering::Relaxed);
            }
            Polled::Nothing | Polled::Record(_) => {}
        }
        Ok(polled)
    }

    fn bounds(&mut self, partitions: &[Partition]) -> Result<Vec<Bounds>, Fault> {
        self.inner.bounds(partitions)
    }

    fn admit(&mut self, partitions: &[(Partition, i64)]) -> Result<(), Fault> {
        self.inner.admit(partitions)
    }

    fn release(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        self.inner.release(partitions)
    }

    fn hold(&mut self, partition: &Partition, offset: i64) -> Result<(), Fault> {
        self.inner.hold(partition, offset)
    }

    fn resume(&mut self, partition: &Partition) -> Result<(), Fault> {
        self.inner.resume(partition)
    }

    fn replay(&mut self, changelog: &Partition, from: i64) -> Result<Box<dyn Replay>, Fault> {
        self.inner.replay(changelog, from)
    }

    fn send(&mut self, output: Output) -> Result<(), Fault> {
        self.inner.send(output)
    }

    fn commit(&mut self, offsets: &[(Partition, i64)]) -> Result<Vec<(i32, i64)>, Fault> {
        let committed = self.inner.commit(offsets)?;
        self.counts.commits.fetch_add(1, Ordering::Relaxed);
        Ok(committed)
    }

    fn abort(&mut self) {
        self.inner.abort();
    }

    fn look_for_successor(&mut self) -> Result<(), Fault> {
        self.inner.look_for_successor()
    }

    fn renew(&mut self) -> Result<(), Fault> {
        self.inner.renew()
    }

    fn partitions(&mut self, topic: &str) -> Result<i32, Fault> {
        self.inner.partitions(topic)
    }

    fn lag(&self, partition: &Partition, next: i64) -> i64 {
        self.inner.lag(partition, next)
    }
}
