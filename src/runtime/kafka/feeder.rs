//! Writes records outside any transaction, as a source's own producers do. For commands that stream samples
//! in; workers write through their transactional producer alone.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};

use super::client;
use super::errors::{fault, refused};
use crate::config::KafkaConfig;
use crate::domain::time::Timestamp;
use crate::runtime::broker::Output;
use crate::runtime::fault::Fault;

/// How long records may take to be delivered before that counts as a failure.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);

/// An idempotent producer: what it is given is written once, in the order given for each partition.
pub struct Feeder {
    producer: BaseProducer<Failures>,
}

/// The first record that was not delivered, if there was one.
#[derive(Default)]
struct Failures(Mutex<Option<String>>);

impl ClientContext for Failures {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        super::log(level, facility, message);
    }
}

impl ProducerContext for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result {
            let text = format!("a record for {} was not delivered: {error}", message.topic());
            self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
        }
    }
}

impl Feeder {
    /// Makes the producer; `name` is what brokers log about it.
    ///
    /// # Errors
    /// When the settings are refused.
    pub fn connect(kafka: &KafkaConfig, name: &str) -> Result<Feeder, Fault> {
        let mut configuration = client(kafka, name);
        configuration
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "2")
            .set("message.timeout.ms", DELIVERY_TIMEOUT.as_millis().to_string())
            .set("message.max.bytes", "8388608");
        for (key, value) in &kafka.producer {
            configuration.set(key, value);
        }
        let producer = configuration
            .create_with_context(Failures::default())
            .map_err(|error| refused("the producer of samples", &error))?;
        Ok(Feeder { producer })
    }

    /// Sends a record with this timestamp; it is delivered in the background.
    ///
    /// # Errors
    /// When it cannot be sent, or an earlier one was not delivered.
    pub fn send(&self, output: &Output, at: Timestamp) -> Result<(), Fault> {
        let mut record = BaseRecord::<[u8], [u8]>::to(&output.topic).timestamp(at.ms());
        record.key = output.key.as_deref();
        record.payload = output.value.as_deref();
        record.partition = output.partition;
        loop {
            match self.producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    // What waits for too long fails in the end, and then so does this.
                    self.producer.poll(Duration::from_millis(10));
                    self.failure()?;
                    record = back;
                }
                Err((error, _)) => return Err(fault("sending a record", &error)),
            }
        }
        self.producer.poll(Duration::ZERO);
        self.failure()
    }

    /// Waits until everything sent is delivered.
    ///
    /// # Errors
    /// When something was not.
    pub fn flush(&self) -> Result<(), Fault> {
        self.producer
            .flush(DELIVERY_TIMEOUT)
            .map_err(|error| fault("waiting for records to be delivered", &error))?;
        self.failure()
    }

    fn failure(&self) -> Result<(), Fault> {
        let failed = self.producer.context().0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        failed.map_or(Ok(()), |text| Err(Fault::restart("delivery", text)))
    }
}
