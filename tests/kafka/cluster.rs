//! The broker that the tests run against, found through the environment, and what tests do with it beside the
//! product: make topics, write records as foreign producers do, ask how far a group has come.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bespoke::config::KafkaConfig;
use bespoke::runtime::broker::{Header, Partition};
use bespoke::runtime::kafka::{KafkaAdmin, TopicWish};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header as KafkaHeader, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

const CALL_TIMEOUT: Duration = Duration::from_secs(20);
/// More pipelines at a time would take the machine's two cores from each other.
const PIPELINES_MAX: usize = 2;

static PIPELINES: Mutex<usize> = Mutex::new(0);
static PIPELINE_ENDED: Condvar = Condvar::new();

/// The right to run while at most one other test runs, or alone.
pub(crate) struct Turn(usize);

/// A broker.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) bootstrap: String,
}

/// A record as a foreign producer writes it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) topic: String,
    /// None lets the key decide.
    pub(crate) partition: Option<i32>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<Header>,
    pub(crate) at_ms: i64,
}

/// A time after which a test has waited long enough.
#[derive(Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Cluster {
    /// The broker named by BOOTSTRAP. Without one the test is skipped, and says so; a build machine must have
    /// one.
    pub(crate) fn find(test: &str) -> Option<Cluster> {
        if let Some(bootstrap) = variable("BOOTSTRAP") {
            return Some(Cluster { bootstrap });
        }
        assert!(variable("CI").is_none(), "{test}: CI is set and BOOTSTRAP is not: a broker must be there");
        eprintln!("{test}: skipped, BOOTSTRAP names no broker. `./dev test` starts one");
        None
    }

    /// Makes topics with these numbers of partitions, which keep records of any age.
    pub(crate) fn create(&self, kafka: &KafkaConfig, topics: &[(String, i32)]) {
        let admin = KafkaAdmin::connect(kafka, CALL_TIMEOUT).unwrap();
        for (name, partitions) in topics {
            let settings = BTreeMap::from([
                ("retention.ms".to_owned(), "-1".to_owned()),
                ("max.message.bytes".to_owned(), "4194304".to_owned()),
            ]);
            let wish =
                TopicWish { name: name.as_str().into(), partitions: *partitions, replication: 1, settings };
            admin.create(&wish).unwrap();
        }
    }

    /// A producer as a Java client would be set up.
    pub(crate) fn producer(&self) -> BaseProducer {
        ClientConfig::new()
            .set("bootstrap.servers", &self.bootstrap)
            .set("partitioner", "murmur2_random")
            .set("enable.idempotence", "true")
            .set("message.max.bytes", "4194304")
            .set("linger.ms", "5")
            .set("enable.metrics.push", "false")
            .create()
            .unwrap()
    }

    /// The offset that the group has committed for each partition, and where the partition ends.
    pub(crate) fn progress(&self, group: &str, topics: &[&str]) -> Vec<(Partition, i64, i64)> {
        progress(&self.consumer(group), topics)
    }

    /// Where the partitions of these topics end, transactions' markers included.
    pub(crate) fn ends(&self, topics: &[&str]) -> Vec<i64> {
        self.progress("nobody", topics).into_iter().map(|(_, _, end)| end).collect()
    }

    /// A consumer that may ask for a group's offsets and joins nothing.
    pub(crate) fn consumer(&self, group: &str) -> BaseConsumer {
        ClientConfig::new()
            .set("bootstrap.servers", &self.bootstrap)
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.metrics.push", "false")
            .create()
            .unwrap()
    }
}

/// The offset that the consumer's group has committed for each partition, and where the partition ends. Asks
/// again while a broker that has just come up does not know its groups yet.
pub(crate) fn progress(consumer: &BaseConsumer, topics: &[&str]) -> Vec<(Partition, i64, i64)> {
    let deadline = Deadline::after_s(40);
    loop {
        match try_progress(consumer, topics) {
            Ok(progress) => return progress,
            Err(error) => assert!(!deadline.passed(), "the group's offsets: {error}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn try_progress(consumer: &BaseConsumer, topics: &[&str]) -> KafkaResult<Vec<(Partition, i64, i64)>> {
    let mut list = TopicPartitionList::new();
    for topic in topics {
        let metadata = consumer.fetch_metadata(Some(topic), CALL_TIMEOUT)?;
        let count = metadata.topics().first().map_or(0, |found| found.partitions().len());
        (0..count as i32).for_each(|number| {
            list.add_partition(topic, number);
        });
    }
    let committed = consumer.committed_offsets(list, CALL_TIMEOUT)?;
    let elements = committed.elements();
    let progress = elements.iter().map(|element| {
        let (topic, number) = (element.topic(), element.partition());
        let (_, end) = consumer.fetch_watermarks(topic, number, CALL_TIMEOUT)?;
        element.error()?;
        let next = match element.offset() {
            Offset::Offset(offset) => offset,
            _ => 0,
        };
        Ok((Partition::new(topic, number), next, end))
    });
    progress.collect()
}

/// Writes records and waits until all have arrived.
pub(crate) fn send(producer: &BaseProducer, records: &[Sent]) {
    for sent in records {
        let mut record = BaseRecord::<[u8], [u8]>::to(&sent.topic).timestamp(sent.at_ms);
        record.partition = sent.partition;
        record.key = sent.key.as_deref();
        record.payload = sent.value.as_deref();
        if !sent.headers.is_empty() {
            let headers = sent.headers.iter().fold(OwnedHeaders::new(), |headers, header| {
                headers.insert(KafkaHeader { key: &header.name, value: header.value.as_deref() })
            });
            record.headers = Some(headers);
        }
        loop {
            match producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    producer.poll(Duration::from_millis(20));
                }
                Err((error, _)) => panic!("{}: {error}", sent.topic),
            }
        }
    }
    producer.flush(Duration::from_secs(60)).unwrap();
}

impl Turn {
    /// Waits until at most one other test runs.
    pub(crate) fn among_others() -> Turn {
        Turn::take(1)
    }

    /// Waits until no other test runs, and keeps all others waiting.
    pub(crate) fn alone() -> Turn {
        Turn::take(PIPELINES_MAX)
    }

    fn take(count: usize) -> Turn {
        let running = PIPELINES.lock().unwrap_or_else(PoisonError::into_inner);
        let mut running = PIPELINE_ENDED
            .wait_while(running, |running| *running + count > PIPELINES_MAX)
            .unwrap_or_else(PoisonError::into_inner);
        *running += count;
        Turn(count)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *PIPELINES.lock().unwrap_or_else(PoisonError::into_inner) -= self.0;
        PIPELINE_ENDED.notify_all();
    }
}

impl Deadline {
    pub(crate) fn after_s(seconds: u64) -> Deadline {
        Deadline(now() + Duration::from_secs(seconds))
    }

    pub(crate) fn passed(self) -> bool {
        now() > self.0
    }
}

/// Asks again and again until the answer is yes; panics with `what` when that takes too long.
pub(crate) fn wait_until(what: &str, seconds: u64, mut asked: impl FnMut() -> bool) {
    let deadline = Deadline::after_s(seconds);
    while !asked() {
        assert!(!deadline.passed(), "not within {seconds} s: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A variable of the environment.
#[allow(clippy::disallowed_methods, reason = "the environment says where the broker is")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The clock by which tests give up and measure.
#[allow(clippy::disallowed_methods, reason = "deadlines and measurements")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
