//! What the open transaction has to say and has not handed to the producer yet. Nobody sees it before the commit,
//! and record by record it would leave in requests of a few records each, which cost the client and the broker
//! as much as large ones do.

use super::traffic::Traffic;
use crate::runtime::batch::Batch;
use crate::runtime::broker::{Broker, Output};
use crate::runtime::fault::Fault;

/// How many outputs are held, and how many bytes, before they are handed over.
const HELD_MAX: usize = 2_000;
const HELD_BYTES_MAX: usize = 1 << 20;

/// Outputs on their way to the producer.
#[derive(Default)]
pub(super) struct Outputs {
    /// Those that are held.
    pub(super) held: Vec<Output>,
    /// Those that were handed over, since that was reported last.
    pub(super) sent: Traffic,
    /// How many of those that are held have been counted, and their bytes.
    counted: usize,
    counted_bytes: usize,
}

impl Outputs {
    /// Hands over what is held if that is much by now.
    pub(super) fn send_many(&mut self, broker: &mut impl Broker, batch: &mut Batch) -> Result<(), Fault> {
        self.count(batch);
        if self.counted >= HELD_MAX || self.counted_bytes >= HELD_BYTES_MAX {
            return self.send(broker, batch);
        }
        Ok(())
    }

    /// Hands over everything that is held.
    pub(super) fn send(&mut self, broker: &mut impl Broker, batch: &mut Batch) -> Result<(), Fault> {
        self.count(batch);
        (self.counted, self.counted_bytes) = (0, 0);
        for output in std::mem::take(&mut self.held) {
            self.send_one(output, broker)?;
        }
        Ok(())
    }

    /// Hands over an output at once.
    pub(super) fn send_one(&mut self, output: Output, broker: &mut impl Broker) -> Result<(), Fault> {
        self.sent.count(&output.topic);
        broker.send(output)
    }

    /// Forgets what is held: the transaction is given up.
    pub(super) fn clear(&mut self) {
        self.held.clear();
        (self.counted, self.counted_bytes) = (0, 0);
    }

    /// The transaction's size grows with what is held already, so that it is committed in time.
    fn count(&mut self, batch: &mut Batch) {
        for output in self.held.iter().skip(self.counted) {
            self.counted_bytes += batch.count_output(output);
        }
        self.counted = self.held.len();
    }
}
