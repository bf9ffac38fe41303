//! librdkafka's transactional producer, as the protocol in `transaction` wants it: calls, delivery reports,
//! signs of lost requests, and errors by what they mean.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header as KafkaHeader, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext, PurgeConfig};
use rdkafka::{ClientContext, Message, Offset, TopicPartitionList};

use super::errors::{fault, refused};
use super::{Settings, client};
use crate::domain::time::Timestamp;
use crate::runtime::broker::{Output, Partition};
use crate::runtime::fault::Fault;
use crate::runtime::transaction::{ClientError, ErrorKind, Reports, TransactionalClient};

/// What every transactional producer is set to, whatever the application; the configuration may say otherwise.
pub const PRODUCER_SETTINGS: &[(&str, &str)] = &[
    ("enable.idempotence", "true"),
    ("acks", "all"),
    ("partitioner", "murmur2_random"),
    ("compression.type", "lz4"),
    // What a commit has to say is handed over at once, so there is little to gather, and the commit waits for it.
    ("linger.ms", "1"),
    ("batch.num.messages", "10000"),
    ("batch.size", "1000000"),
    // As large as the largest record that a source may hand us, which a dead letter must carry whole.
    ("message.max.bytes", "67108864"),
    ("queue.buffering.max.messages", "200000"),
    ("queue.buffering.max.kbytes", "65536"),
];

/// A producer of librdkafka under the member's name.
pub(super) struct ProducerClient {
    settings: Arc<Settings>,
    producer: BaseProducer<Context>,
    since: Instant,
}

/// What callbacks leave for the worker.
struct Context {
    changelog: Arc<str>,
    reports: Mutex<Reports>,
    suspect: AtomicBool,
}

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(event = "kafka_producer_error", %error, reason, "the producer reports an error");
        self.suspect.store(true, Ordering::Relaxed);
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if tells_of_loss(facility, message) {
            self.suspect.store(true, Ordering::Relaxed);
        }
        super::log(level, facility, message);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(message) => {
                reports.delivered += 1;
                if message.topic() == &*self.changelog {
                    let next = reports.changelog_next.entry(message.partition()).or_default();
                    *next = (*next).max(message.offset() + 1);
                }
            }
            Err((error, message)) => {
                let failed = format!("a record for {} was not delivered: {error}", message.topic());
                reports.failed.get_or_insert(failed);
            }
        }
    }
}

impl ProducerClient {
    /// Makes the client. Nothing is asked of a broker yet.
    pub(super) fn new(settings: &Arc<Settings>) -> Result<ProducerClient, Fault> {
        let context = Context {
            changelog: Arc::clone(&settings.changelog),
            reports: Mutex::default(),
            suspect: AtomicBool::new(false),
        };
        let producer: BaseProducer<Context> = configuration(settings)
            .create_with_context(context)
            .map_err(|error| refused("the producer", &error))?;
        Ok(ProducerClient { settings: Arc::clone(settings), producer, since: now() })
    }
}

impl TransactionalClient for ProducerClient {
    type Group = ConsumerGroupMetadata;

    fn another(&self) -> Result<ProducerClient, Fault> {
        ProducerClient::new(&self.settings)
    }

    fn initialise(&mut self, timeout: Duration) -> Result<(), ClientError> {
        self.producer.init_transactions(timeout).map_err(|error| client_error(&error))
    }

    fn begin(&mut self) -> Result<(), ClientError> {
        self.producer.begin_transaction().map_err(|error| client_error(&error))
    }

    fn send(&mut self, output: Output) -> Result<Option<Output>, ClientError> {
        let mut record = BaseRecord::<[u8], [u8]>::to(&output.topic);
        record.key = output.key.as_deref();
        record.payload = output.value.as_deref();
        record.partition = output.partition;
        record.timestamp = output.timestamp.map(Timestamp::ms);
        if !output.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(output.headers.len());
            record.headers = Some(output.headers.iter().fold(headers, |headers, header| {
                headers.insert(KafkaHeader { key: &header.name, value: header.value.as_deref() })
            }));
        }
        match self.producer.send(record) {
            Ok(()) => Ok(None),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Ok(Some(output)),
            Err((error, _)) => Err(client_error(&error)),
        }
    }

    fn serve(&mut self) {
        // A call hands out one answer of the broker, and there may be several.
        loop {
            let before = self.in_flight();
            self.producer.poll(Duration::ZERO);
            if self.in_flight() == before {
                return;
            }
        }
    }

    fn in_flight(&self) -> usize {
        usize::try_from(self.producer.in_flight_count()).unwrap_or(0)
    }

    fn take_reports(&mut self) -> Reports {
        std::mem::take(&mut *self.producer.context().reports.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn send_offsets(
        &mut self,
        offsets: &[(Partition, i64)],
        group: &ConsumerGroupMetadata,
        timeout: Duration,
    ) -> Result<(), ClientError> {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in offsets {
            list.add_partition_offset(&partition.topic, partition.number, Offset::Offset(*offset))
                .map_err(|error| client_error(&error))?;
        }
        self.producer.send_offsets_to_transaction(&list, group, timeout).map_err(|error| client_error(&error))
    }

    fn commit(&mut self, timeout: Duration) -> Result<(), ClientError> {
        self.producer.commit_transaction(timeout).map_err(|error| client_error(&error))
    }

    fn purge(&mut self) {
        self.producer.purge(PurgeConfig::default().queue().inflight());
    }

    fn abort(&mut self, timeout: Duration) -> Result<(), ClientError> {
        self.producer.abort_transaction(timeout).map_err(|error| client_error(&error))
    }

    fn is_suspect(&self) -> bool {
        // What became of connections while a commit was waited for lies in the queue of events still: the call
        // polls nothing. Between two transactions nothing else is in that queue, so this ends.
        while self.producer.in_flight_count() > 0 {
            self.producer.poll(Duration::ZERO);
        }
        self.producer.context().suspect.load(Ordering::Relaxed)
    }

    fn fatal(&self) -> Option<String> {
        self.producer.client().fatal_error().map(|(code, text)| format!("{code}: {text}"))
    }

    fn pause(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }
}

/// What an error means for the protocol. `Hopeless` comes before the rest: credentials do not mend themselves.
fn client_error(error: &KafkaError) -> ClientError {
    use RDKafkaErrorCode as Code;
    let kind = match (error.rdkafka_error_code(), error) {
        (Some(Code::TransactionalIdAuthorizationFailed | Code::FencedInstanceId), _) => {
            ErrorKind::Hopeless(Box::new(fault("a transactional call", error)))
        }
        (Some(Code::IllegalGeneration | Code::RebalanceInProgress), _) => ErrorKind::StaleGeneration,
        (_, KafkaError::Transaction(error)) if error.is_retriable() => ErrorKind::Repeatable,
        _ => ErrorKind::Other,
    };
    ClientError { kind, text: error.to_string() }
}

/// Whether a line of librdkafka's log says that requests may have been lost on their way, and will be sent again.
/// The error callback does not: a connection closed by the other side is no error to librdkafka, one that it
/// gives up for a request's timeout is planned, and what is the same as half a minute ago is left out.
/// Statistics do, later than the commit returns. The debug line of a failed connection is there each time,
/// and before the request is sent again. Connections to bootstrap addresses carry no transactions, and are
/// given up as soon as the brokers are known.
fn tells_of_loss(facility: &str, message: &str) -> bool {
    match facility {
        "FAIL" => {
            let in_use = message.contains(" in state UP") || message.contains(" in state REAUTH");
            in_use && !message.contains("/bootstrap: ")
        }
        // With `socket.max.fails=0` the connection stays.
        "REQTMOUT" => true,
        _ => false,
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
        .set("socket.timeout.ms", (transaction_ms / 2).max(1_000).to_string());
    for (key, value) in PRODUCER_SETTINGS {
        configuration.set(*key, *value);
    }
    for (key, value) in &kafka.producer {
        configuration.set(key, value);
    }
    // For the lines that `tells_of_loss` reads; four others come with each transaction.
    let debug = kafka.producer.get("debug").map_or("broker".to_owned(), |more| format!("broker,{more}"));
    configuration.set("debug", debug).set_log_level(RDKafkaLogLevel::Debug);
    configuration
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines are librdkafka 2.12.1's own. A newer one that says it otherwise must fail here, or in the races
    /// of tests/late.rs.
    #[test]
    fn lost_connections_are_told_from_the_rest() {
        let lost = [
            (
                "FAIL",
                "[thrd:TxnCoordinator]: TxnCoordinator/1: 127.0.0.1:9092: Disconnected: connection closed by peer: \
                 receive 0 after POLLIN (after 1725ms in state UP) (_TRANSPORT): identical to last error: error log \
                 suppressed",
            ),
            (
                "FAIL",
                "[thrd:127.0.0.1:9092/1]: 127.0.0.1:9092/1: 4 request(s) timed out: disconnect (after 6762ms in \
                 state UP, 2 identical error(s) suppressed) (_TIMED_OUT): identical to last error",
            ),
            ("REQTMOUT", "[thrd:TxnCoordinator]: TxnCoordinator/1: Timed out 1 in-flight, 0 retry-queued"),
        ];
        let rest = [
            (
                "FAIL",
                "[thrd:127.0.0.1:9092/1]: 127.0.0.1:9092/1: Connect to ipv4#127.0.0.1:9092 failed: Connection \
                      refused (after 0ms in state CONNECT)",
            ),
            (
                "FAIL",
                "[thrd:127.0.0.1:9092/bootstrap]: 127.0.0.1:9092/bootstrap: Decommissioning this broker (after \
                      101ms in state UP) (_DESTROY_BROKER)",
            ),
            ("WAKEUP", "[thrd:main]: Wake-up sent to 2 broker threads in state >= UP: flushing"),
        ];
        assert!(lost.iter().all(|(facility, message)| tells_of_loss(facility, message)));
        assert!(!rest.iter().any(|(facility, message)| tells_of_loss(facility, message)));
    }
}
