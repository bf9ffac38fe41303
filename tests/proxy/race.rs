//! A race between a request that was lost on its way and what its sender does next, step by step: the request
//! is held and its connection lost; the sender sends it again and goes on; its transaction ends; the next one
//! begins and has come to a certain moment; and now the request held arrives.
//!
//! This is the state alone: it looks at what passes and says what to do. It touches no connection.

use kafka_protocol::messages::ApiKey;

use super::frame::{Identity, Request};

/// Which request of a client is to be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Commit,
    Abort,
    Produce,
    Partitions,
    Offsets,
}

/// What is lost of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The request, which arrives late.
    Request,
    /// The answer: the request was executed, which its sender does not learn.
    Answer,
}

/// How its connection is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    /// It is closed.
    Cut,
    /// It stays open, and nothing passes any more in either direction.
    Silent,
}

/// When in the next transaction a late request arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// When the first Produce was answered: what is committed now misses the rest.
    FirstProduce,
    /// When the offsets are to be added: what is aborted now is lost when these are committed.
    Offsets,
}

/// What is to happen to which client.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) client: String,
    pub(crate) wanted: Wanted,
    pub(crate) lost: Lost,
    pub(crate) connection: Connection,
    pub(crate) moment: Moment,
}

/// How far a race has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Race {
    /// Whose transaction the lost request belongs to.
    pub(crate) held: Option<Identity>,
    /// The epochs that the client was given since.
    pub(crate) initialised: Vec<Identity>,
    /// Whose the next transaction is.
    pub(crate) next: Option<Identity>,
    /// Whether the next transaction's end was asked for before the late request had its answer.
    pub(crate) ended_before: bool,
    /// What the broker answered to the late request: an error code, 0 where it was accepted.
    pub(crate) answer: Option<i16>,
    pub(crate) over: bool,
    ended: bool,
    /// The first Produce of the next transaction, by connection and correlation.
    first_produce: Option<(u64, i32)>,
}

/// What to do with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    Pass,
    Hold,
    DropAnswer,
    /// Let the request held arrive before it.
    Deliver,
}

impl Order {
    fn wants(&self, request: &Request) -> bool {
        request.client == self.client
            && match self.wanted {
                Wanted::Produce => request.key == ApiKey::Produce,
                Wanted::Partitions => request.key == ApiKey::AddPartitionsToTxn,
                Wanted::Offsets => request.key == ApiKey::TxnOffsetCommit,
                Wanted::Commit => request.commits() == Some(true),
                Wanted::Abort => request.commits() == Some(false),
            }
    }
}

impl Race {
    /// Looks at a request of the client before it is passed on.
    pub(super) fn request(&mut self, order: &Order, connection: u64, request: &Request) -> Treatment {
        if self.held.is_none() {
            if !order.wants(request) {
                return Treatment::Pass;
            }
            self.held = request.identity();
            return match order.lost {
                Lost::Request => Treatment::Hold,
                Lost::Answer => Treatment::DropAnswer,
            };
        }
        // A transaction of which nothing came out has offsets and no records.
        let begins = match order.moment {
            Moment::FirstProduce => request.key == ApiKey::AddPartitionsToTxn,
            Moment::Offsets => [ApiKey::AddPartitionsToTxn, ApiKey::AddOffsetsToTxn].contains(&request.key),
        };
        if begins && self.ended && self.next.is_none() {
            self.next = request.identity();
        }
        match request.key {
            ApiKey::Produce if self.next.is_some() && self.first_produce.is_none() => {
                self.first_produce = Some((connection, request.correlation));
            }
            ApiKey::AddOffsetsToTxn if self.next.is_some() && self.is_moment(order, Moment::Offsets) => {
                return Treatment::Deliver;
            }
            ApiKey::EndTxn if self.next.is_some() && !self.over => self.ended_before = true,
            _ => {}
        }
        Treatment::Pass
    }

    fn is_moment(&self, order: &Order, moment: Moment) -> bool {
        order.moment == moment && !self.over
    }

    /// Looks at an answer to the client before it is passed on. Says whether now is the moment of the late
    /// request.
    pub(super) fn response(
        &mut self,
        order: &Order,
        connection: u64,
        correlation: i32,
        key: ApiKey,
        error: Option<i16>,
    ) -> bool {
        if self.held.is_none() || self.over {
            return false;
        }
        match key {
            ApiKey::EndTxn if error == Some(0) => self.ended = true,
            ApiKey::Produce => {
                let first = self.first_produce == Some((connection, correlation));
                return first && self.is_moment(order, Moment::FirstProduce);
            }
            _ => {}
        }
        false
    }

    /// The client was given an epoch, which settles whatever transaction it had.
    pub(super) fn initialised(&mut self, identity: Identity) {
        if self.held.is_some() && !self.over && self.next.is_none() {
            self.initialised.push(identity);
            self.ended = true;
        }
    }

    /// Whether the next transaction has another epoch than the one that the lost request belongs to.
    pub(crate) fn new_epoch(&self) -> bool {
        match (self.held, self.next) {
            (Some(held), Some(next)) => next.id != held.id || next.epoch > held.epoch,
            _ => false,
        }
    }
}
