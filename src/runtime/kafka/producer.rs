//! The transactional producer: what is sent, what was delivered, and the commit.
//!
//! Every record sent is counted, and so is every delivery report; a transaction commits only when they agree
//! and none failed. After an abort, an error or a timeout this producer is never used again. A commit during
//! which the client lost a connection or a request has succeeded, yet a late copy of its last request may
//! still be on its way: before the next transaction such a producer is replaced too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header as KafkaHeader, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext, PurgeConfig};
use rdkafka::{ClientContext, Message, Offset, TopicPartitionList};

use super::errors::{fault, refused};
use super::{Settings, client};
use crate::runtime::broker::{Output, Partition};
use crate::runtime::fault::{Fault, Reason};

/// A transactional producer under the member's name.
pub(super) struct TransactionalProducer {
    settings: Arc<Settings>,
    producer: BaseProducer<Context>,
    open: bool,
    sent: u64,
}

/// What callbacks leave for the worker.
struct Context {
    changelog: Arc<str>,
    delivered: Mutex<Delivered>,
    suspect: AtomicBool,
}

#[derive(Default)]
struct Delivered {
    records: u64,
    changelog_next: BTreeMap<i32, i64>,
    failed: Option<String>,
}

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(event = "kafka_producer_error", %error, reason, "the producer reports an error");
        self.suspect.store(true, Ordering::Relaxed);
    }

    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        super::log(level, facility, message);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let mut delivered = self.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(message) => {
                delivered.records += 1;
                if message.topic() == &*self.changelog {
                    let next = delivered.changelog_next.entry(message.partition()).or_default();
                    *next = (*next).max(message.offset() + 1);
                }
            }
            Err((error, message)) => {
                let failed = format!("a record for {} was not delivered: {error}", message.topic());
                delivered.failed.get_or_insert(failed);
            }
        }
    }
}

impl TransactionalProducer {
    /// Makes a producer and raises the epoch of its transactional id.
    pub(super) fn connect(settings: &Arc<Settings>) -> Result<TransactionalProducer, Fault> {
        let context = Context {
            changelog: Arc::clone(&settings.changelog),
            delivered: Mutex::default(),
            suspect: AtomicBool::new(false),
        };
        let producer: BaseProducer<Context> = configuration(settings)
            .create_with_context(context)
            .map_err(|error| refused("the producer", &error))?;
        let timeout = Duration::from_millis(u64::from(settings.kafka.transaction_timeout_ms));
        repeat(timeout, |left| producer.init_transactions(left))
            .map_err(|error| failed("initialising transactions", &error))?;
        Ok(TransactionalProducer { settings: Arc::clone(settings), producer, open: false, sent: 0 })
    }

    /// Serves delivery reports.
    pub(super) fn serve(&mut self) -> Result<(), Fault> {
        if self.open {
            self.producer.poll(Duration::ZERO);
        }
        match self.producer.client().fatal_error() {
            Some((code, text)) => {
                Err(Fault::restart("transaction", format!("the producer died: {code}: {text}")))
            }
            None => Ok(()),
        }
    }

    pub(super) fn send(&mut self, output: Output) -> Result<(), Fault> {
        if !self.open {
            self.begin()?;
        }
        let mut record = BaseRecord::<[u8], [u8]>::to(&output.topic);
        record.key = output.key.as_deref();
        record.payload = output.value.as_deref();
        record.partition = output.partition;
        if !output.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(output.headers.len());
            record.headers = Some(output.headers.iter().fold(headers, |headers, header| {
                headers.insert(KafkaHeader { key: &header.name, value: header.value.as_deref() })
            }));
        }
        let mut since = None;
        loop {
            match self.producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    // The queue is bounded. It empties as the broker takes records; if it does not, the
                    // broker is away and the transaction will time out.
                    self.await_room(*since.get_or_insert_with(now))?;
                    record = back;
                }
                Err((error, _)) => {
                    return Err(Fault::restart(
                        "transaction",
                        format!("a record could not be sent: {error}"),
                    ));
                }
            }
        }
        self.sent += 1;
        Ok(())
    }

    /// Commits. The group's metadata are asked for when all records are delivered, right before they are
    /// used: a stale generation is refused by the broker (KIP-447), which is wanted, and every rebalance that
    /// others cause makes a generation stale.
    pub(super) fn commit(
        &mut self,
        offsets: &[(Partition, i64)],
        group: impl Fn() -> Result<ConsumerGroupMetadata, Fault>,
    ) -> Result<Vec<(i32, i64)>, Fault> {
        if !self.open {
            self.begin()?;
        }
        let timeout = Duration::from_millis(u64::from(self.settings.kafka.transaction_timeout_ms));
        let delivered = self.await_delivery(timeout)?;
        let mut list = TopicPartitionList::new();
        for (partition, offset) in offsets {
            list.add_partition_offset(&partition.topic, partition.number, Offset::Offset(*offset))
                .map_err(|error| fault("naming an offset", &error))?;
        }
        let group = group()?;
        repeat(timeout, |left| self.producer.send_offsets_to_transaction(&list, &group, left))
            .map_err(|error| refused_offsets(&error))?;
        repeat(timeout, |left| self.producer.commit_transaction(left))
            .map_err(|error| failed("committing", &error))?;
        (self.open, self.sent) = (false, 0);
        Ok(delivered.changelog_next.into_iter().collect())
    }

    /// Gives up the open transaction, as far as the broker can be reached. The caller drops the producer.
    pub(super) fn abort(&mut self) {
        if !self.open {
            return;
        }
        // Reports that are not polled would block the abort for its whole timeout.
        self.producer.purge(PurgeConfig::default().queue().inflight());
        let deadline = now() + Duration::from_secs(2);
        while self.producer.in_flight_count() > 0 && now() < deadline {
            self.producer.poll(Duration::ZERO);
            std::thread::sleep(Duration::from_micros(200));
        }
        if let Err(error) = self.producer.abort_transaction(Duration::from_secs(2)) {
            tracing::warn!(event = "abort_failed", %error, "the broker will abort the transaction itself");
        }
        self.open = false;
    }

    fn begin(&mut self) -> Result<(), Fault> {
        if self.producer.context().suspect.load(Ordering::Relaxed) {
            tracing::info!(event = "producer_replaced", "a connection was lost during the last transaction");
            // The new producer's epoch must be there before the old one's last request could be repeated
            // against a new transaction: the assignment drops the old one after the new one is initialised.
            *self = TransactionalProducer::connect(&Arc::clone(&self.settings))?;
        }
        self.producer
            .begin_transaction()
            .map_err(|error| Fault::restart("transaction", format!("beginning: {error}")))?;
        self.open = true;
        *self.producer.context().delivered.lock().unwrap_or_else(PoisonError::into_inner) =
            Delivered::default();
        Ok(())
    }

    fn await_room(&self, since: Instant) -> Result<(), Fault> {
        let timeout = Duration::from_millis(u64::from(self.settings.kafka.transaction_timeout_ms));
        if now() - since > timeout {
            return Err(Fault::restart(
                "delivery",
                "the broker took no records for a whole transaction timeout",
            ));
        }
        self.producer.poll(Duration::ZERO);
        std::thread::sleep(Duration::from_micros(200));
        Ok(())
    }

    /// Waits until every record sent has its report. librdkafka's own flush would wait up to 100 ms longer
    /// than needed.
    fn await_delivery(&self, timeout: Duration) -> Result<Delivered, Fault> {
        let deadline = now() + timeout;
        while self.producer.in_flight_count() > 0 {
            self.producer.poll(Duration::ZERO);
            if self.producer.in_flight_count() == 0 {
                break;
            }
            if now() > deadline {
                return Err(Fault::restart("delivery", "records were not delivered within the timeout"));
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        let mut delivered = self.producer.context().delivered.lock().unwrap_or_else(PoisonError::into_inner);
        let delivered = std::mem::take(&mut *delivered);
        if let Some(failed) = delivered.failed {
            return Err(Fault::restart("delivery", failed));
        }
        if delivered.records != self.sent {
            let text = format!("{} records were sent and {} delivered", self.sent, delivered.records);
            return Err(Fault::restart("delivery", text));
        }
        Ok(delivered)
    }
}

/// Repeats a transactional call while it says that it may be repeated, for at most `timeout` in all.
fn repeat(timeout: Duration, call: impl Fn(Duration) -> KafkaResult<()>) -> KafkaResult<()> {
    let deadline = now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(now()).max(Duration::from_millis(1));
        match call(left) {
            Err(KafkaError::Transaction(error)) if error.is_retriable() && now() < deadline => {
                std::thread::sleep(Duration::from_millis(10));
            }
            result => return result,
        }
    }
}

/// Offsets that a rebalance refused: nothing is committed, that is certain, and the group is to be kept. A
/// failure of the commit itself leaves that open, and is never taken for this.
fn refused_offsets(error: &KafkaError) -> Fault {
    const DOING: &str = "adding offsets to the transaction";
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::IllegalGeneration | RDKafkaErrorCode::RebalanceInProgress) => {
            Fault::Rewind(Reason { label: "rebalance", text: format!("{DOING}: {error}") })
        }
        _ => failed(DOING, error),
    }
}

fn failed(doing: &str, error: &KafkaError) -> Fault {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::TransactionalIdAuthorizationFailed) => fault(doing, error),
        _ => Fault::restart("transaction", format!("{doing}: {error}")),
    }
}

/// Deadlines of blocking calls are the one use of a clock down here; nothing that is written depends on it.
#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}

fn configuration(settings: &Settings) -> rdkafka::ClientConfig {
    let name = settings.member.name();
    let kafka = &settings.kafka;
    let transaction_ms = kafka.transaction_timeout_ms;
    let mut configuration = client(kafka, &format!("{name}-producer"));
    configuration
        .set("transactional.id", &name)
        .set("transaction.timeout.ms", transaction_ms.to_string())
        .set("message.timeout.ms", (transaction_ms * 9 / 10).to_string())
        .set("socket.timeout.ms", (transaction_ms / 2).max(1_000).to_string())
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("partitioner", "murmur2_random")
        .set("compression.type", "lz4")
        .set("linger.ms", "5")
        .set("batch.num.messages", "10000")
        .set("batch.size", "1000000")
        // As large as the largest record that a source may hand us, which a dead letter must carry whole.
        .set("message.max.bytes", "67108864")
        .set("queue.buffering.max.messages", "200000")
        .set("queue.buffering.max.kbytes", "65536");
    for (key, value) in &kafka.producer {
        configuration.set(key, value);
    }
    configuration
}
