//! The transaction coordinator, as it treats clients that speak EndTxn version 1: the epoch rises with
//! InitProducerId and with a timeout, and not from one transaction to the next. That is why a late EndTxn can
//! end a transaction that it was not meant for.

use std::collections::{BTreeMap, BTreeSet};

use bespoke::runtime::broker::Partition;

use super::log::Producer;

/// The transactions of all transactional ids.
#[derive(Default)]
pub(crate) struct Transactions {
    by_id: BTreeMap<String, Transaction>,
    producers: u64,
}

/// The transaction of one transactional id.
pub(crate) struct Transaction {
    pub(crate) producer: Producer,
    pub(crate) state: State,
    pub(crate) partitions: BTreeSet<Partition>,
    pub(crate) began_ms: u64,
    timeout_ms: u64,
}

/// Where a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Empty,
    Ongoing,
    /// Decided; markers are being written.
    Prepared {
        commit: bool,
    },
    Complete {
        commit: bool,
    },
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A newer epoch is there.
    Fenced,
    /// The last transaction is still being ended: ask again.
    Concurrent,
    /// Nothing is open that could be ended so, or nothing that this partition belongs to.
    InvalidState,
    /// Batches before this one are missing.
    OutOfOrder,
}

impl Transactions {
    /// InitProducerId: ends what is open and raises the epoch.
    pub(crate) fn initialise(&mut self, id: &str, timeout_ms: u64) -> Result<Producer, Refusal> {
        let producers = &mut self.producers;
        let transaction = self.by_id.entry(id.to_owned()).or_insert_with(|| {
            *producers += 1;
            let (state, partitions) = (State::Empty, BTreeSet::new());
            Transaction { producer: (*producers, -1), state, partitions, began_ms: 0, timeout_ms }
        });
        match transaction.state {
            State::Ongoing => {
                transaction.fence();
                Err(Refusal::Concurrent)
            }
            State::Prepared { .. } => Err(Refusal::Concurrent),
            State::Empty | State::Complete { .. } => {
                transaction.timeout_ms = timeout_ms;
                transaction.producer.1 += 1;
                transaction.state = State::Empty;
                Ok(transaction.producer)
            }
        }
    }

    /// AddPartitionsToTxn.
    pub(crate) fn add(
        &mut self,
        id: &str,
        producer: Producer,
        partition: &Partition,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let transaction = self.checked(id, producer)?;
        match transaction.state {
            State::Prepared { .. } => return Err(Refusal::Concurrent),
            State::Empty | State::Complete { .. } => {
                transaction.state = State::Ongoing;
                transaction.began_ms = now_ms;
            }
            State::Ongoing => {}
        }
        transaction.partitions.insert(partition.clone());
        Ok(())
    }

    /// Whether a partition is part of the producer's open transaction (KIP-890, part 1).
    pub(crate) fn verify(&self, id: &str, producer: Producer, partition: &Partition) -> Result<(), Refusal> {
        let transaction = self.by_id.get(id).ok_or(Refusal::Fenced)?;
        if transaction.producer != producer {
            return Err(Refusal::Fenced);
        }
        let open = transaction.state == State::Ongoing && transaction.partitions.contains(partition);
        if open { Ok(()) } else { Err(Refusal::InvalidState) }
    }

    /// EndTxn.
    pub(crate) fn end(&mut self, id: &str, producer: Producer, commit: bool) -> Result<(), Refusal> {
        let transaction = self.checked(id, producer)?;
        match transaction.state {
            State::Ongoing => {
                transaction.state = State::Prepared { commit };
                Ok(())
            }
            State::Complete { commit: done } if done == commit => Ok(()),
            State::Prepared { commit: decided } if decided == commit => Err(Refusal::Concurrent),
            State::Empty | State::Prepared { .. } | State::Complete { .. } => Err(Refusal::InvalidState),
        }
    }

    /// Aborts and fences transactions that are open for too long.
    pub(crate) fn expire(&mut self, now_ms: u64) {
        for transaction in self.by_id.values_mut() {
            if transaction.state == State::Ongoing && now_ms - transaction.began_ms > transaction.timeout_ms {
                transaction.fence();
            }
        }
    }

    /// Transactions whose markers have to be written.
    pub(crate) fn prepared(&mut self) -> impl Iterator<Item = &mut Transaction> {
        self.by_id.values_mut().filter(|transaction| matches!(transaction.state, State::Prepared { .. }))
    }

    /// The producer of a transactional id.
    pub(crate) fn producer(&self, id: &str) -> Option<Producer> {
        self.by_id.get(id).map(|transaction| transaction.producer)
    }

    /// Whether nothing is open or being ended.
    pub(crate) fn are_quiet(&self) -> bool {
        self.by_id
            .values()
            .all(|transaction| !matches!(transaction.state, State::Ongoing | State::Prepared { .. }))
    }

    fn checked(&mut self, id: &str, producer: Producer) -> Result<&mut Transaction, Refusal> {
        let transaction = self.by_id.get_mut(id).ok_or(Refusal::Fenced)?;
        if transaction.producer == producer { Ok(transaction) } else { Err(Refusal::Fenced) }
    }
}

impl Transaction {
    fn fence(&mut self) {
        self.producer.1 += 1;
        self.state = State::Prepared { commit: false };
    }
}
