//! What librdkafka tells through callbacks: rebalances, ends of partitions, errors. A callback only notes it,
//! so that the worker answers when it can commit and settle first. Only while the client is being closed does
//! the callback answer by itself.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, TopicPartitionList};

/// What callbacks leave for the worker.
#[derive(Default)]
pub(super) struct Context {
    /// Rebalances that the worker has not been told of, in their order.
    pub(super) rebalances: Mutex<VecDeque<Rebalance>>,
    /// Where partitions end for a read_committed reader, by topic and number.
    pub(super) ends: Mutex<BTreeMap<(String, i32), End>>,
    /// Whether the worker is gone, so that the callback answers rebalances.
    pub(super) closing: AtomicBool,
    /// How many sessions the client has given up by itself.
    pub(super) sessions_given_up: AtomicU64,
}

/// How far a partition goes, and how far the client has fetched it. Control records take offsets and are
/// never handed out, so the end alone would show lag where there is none.
#[derive(Clone, Copy)]
pub(super) struct End {
    /// Where it ends for a read_committed reader.
    pub(super) last_stable: i64,
    /// The offset to be fetched next.
    pub(super) fetched: i64,
}

/// What the group says, with topics and numbers of partitions.
#[derive(Clone)]
pub(super) enum Rebalance {
    Assigned(Vec<(String, i32)>),
    Revoked(Vec<(String, i32)>),
    Lost(Vec<(String, i32)>),
}

impl Rebalance {
    /// Answers for a worker that does not any more: takes what is given and gives back what is asked for.
    pub(super) fn answer(&self, consumer: &BaseConsumer<Context>) -> Result<(), KafkaError> {
        let (Rebalance::Assigned(names) | Rebalance::Revoked(names) | Rebalance::Lost(names)) = self;
        let mut list = TopicPartitionList::new();
        for (topic, number) in names {
            list.add_partition(topic, *number);
        }
        match self {
            Rebalance::Assigned(_) => assign(consumer, &list),
            Rebalance::Revoked(_) | Rebalance::Lost(_) => unassign(consumer, &list),
        }
    }
}

impl ClientContext for Context {
    fn stats(&self, statistics: Statistics) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, topic) in statistics.topics {
            for (number, partition) in topic.partitions {
                if number >= 0 && partition.ls_offset >= 0 {
                    let end = End { last_stable: partition.ls_offset, fetched: partition.next_offset };
                    ends.insert((name.clone(), number), end);
                }
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(event = "kafka_consumer_error", %error, reason, "the consumer reports an error");
    }

    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        if gives_up_session(facility) {
            self.sessions_given_up.fetch_add(1, Ordering::Relaxed);
        }
        super::log(level, facility, message);
    }
}

/// Whether a line of librdkafka's log says that the client takes its session for ended: the group did not answer
/// for as long as it lasts, or the worker did not poll. Nothing else says so; both are warnings, which every client
/// of ours is made to hand over.
fn gives_up_session(facility: &str) -> bool {
    matches!(facility, "SESSTMOUT" | "MAXPOLL")
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        error: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let names: Vec<(String, i32)> = partitions
            .elements()
            .iter()
            .map(|element| (element.topic().to_owned(), element.partition()))
            .collect();
        let assigned = error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let closing = self.closing.load(Ordering::Relaxed);
        let rebalance = match assigned {
            true => Rebalance::Assigned(names),
            false if !closing && consumer.assignment_lost() => Rebalance::Lost(names),
            false => Rebalance::Revoked(names),
        };
        if closing {
            // Nothing can be done about an error here. A client that closes takes either answer for giving
            // everything back, but it waits for one.
            let _ = rebalance.answer(consumer);
            return;
        }
        self.rebalances.lock().unwrap_or_else(PoisonError::into_inner).push_back(rebalance);
    }
}

/// Takes partitions, in the way that the group's protocol wants.
pub(super) fn assign(
    consumer: &BaseConsumer<Context>,
    partitions: &TopicPartitionList,
) -> Result<(), KafkaError> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(partitions),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(partitions),
    }
}

/// Gives partitions back, in the way that the group's protocol wants.
pub(super) fn unassign(
    consumer: &BaseConsumer<Context>,
    partitions: &TopicPartitionList,
) -> Result<(), KafkaError> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
    }
}
