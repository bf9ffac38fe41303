//! The broker trait on Apache Kafka, through librdkafka. The only home of the crate `rdkafka`.
//!
//! One `KafkaBroker` is one group member and one transactional producer, both with stable names, so that a
//! successor fences its predecessor. After any abort, error or timeout of a transactional call the whole
//! object is dropped and a new one made: its `init_transactions` raises the producer's epoch, which is what
//! keeps a late EndTxn or Produce of the old one out of the next transaction (librdkafka has no KIP-890
//! part 2).

mod admin;
mod aside;
mod callbacks;
mod consumer;
mod coverage;
mod errors;
mod farewell;
mod feeder;
mod follower;
mod message;
mod offsets;
mod producer;
mod replay;
mod watermarks;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use compact_str::CompactString;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use super::broker::{Bounds, Broker, Output, Partition, Polled, Replay};
use super::fault::Fault;
use super::transaction::{Tag, TransactionalProducer};
use crate::config::{Config, KafkaConfig};
pub use admin::{KafkaAdmin, TopicState, TopicWish};
use aside::Aside;
pub use consumer::CONSUMER_SETTINGS;
use consumer::{GroupConsumer, now};
use farewell::farewell;
pub use feeder::Feeder;
pub use follower::Follower;
pub use offsets::OffsetClient;
pub use producer::PRODUCER_SETTINGS;
use producer::ProducerClient;
pub use replay::{LogReader, read_topic};
use watermarks::Watermarks;

/// Longer than any call of ours should take, shorter than any transaction may be open.
const CALL_TIMEOUT: Duration = Duration::from_secs(8);

/// How long a successor may take from its producer's start to its membership of the group.
const SUCCESSION: Duration = Duration::from_secs(3);

/// Which member of the application this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The application id: the group, and the root of every name.
    pub application: CompactString,
    /// The ordinal of the process: the number at the end of its pod's name.
    pub ordinal: u32,
    /// The number of the worker thread.
    pub thread: usize,
}

/// How many polls may follow one another without a look at the clients' health and at delivery reports, which
/// costs as much as a record does. A poll that may wait always looks.
const POLLS_BETWEEN_LOOKS: u32 = 64;

/// How long the clients that ask for watermarks stay for the next question.
const WATERMARKS_IDLE_MAX: Duration = Duration::from_secs(10);

/// What is said of clients that are gone before the broker is.
const UNTIL_THE_END: &str = "the clients are there until the broker is dropped";

/// A group member and its transactional producer.
pub struct KafkaBroker {
    settings: Arc<Settings>,
    polls: u32,
    /// There while partitions are taken and restored, with when it was used last.
    watermarks: Option<(Aside<Watermarks>, Instant)>,
    /// There until the end, which is elsewhere.
    clients: Option<Clients>,
}

struct Clients {
    producer: TransactionalProducer<ProducerClient>,
    consumer: GroupConsumer,
}

struct Settings {
    kafka: KafkaConfig,
    member: Member,
    changelog: Arc<str>,
}

impl Member {
    /// The name of this member, for the group and for transactions: `<application>-<ordinal>-<thread>`.
    pub fn name(&self) -> String {
        format!("{}-{}-{}", self.application, self.ordinal, self.thread)
    }
}

impl KafkaBroker {
    /// Makes both clients and fences whatever used their names before.
    ///
    /// # Errors
    /// `Restart` while the brokers do not answer.
    pub fn connect(config: &Config, member: Member, topics: &[&str]) -> Result<KafkaBroker, Fault> {
        let changelog = Arc::from(&*config.topics.changelog);
        let settings = Arc::new(Settings { kafka: config.kafka.clone(), member, changelog });
        // The producer first: once its epoch is raised, no transaction of a predecessor can end any more,
        // and the offsets that the consumer asks for are final.
        let timeout = Duration::from_millis(u64::from(settings.kafka.transaction_timeout_ms));
        let tag = settings.kafka.transaction_tags.then(|| tag(&settings.member));
        let producer = TransactionalProducer::initialise(ProducerClient::new(&settings)?, timeout, tag)?;
        let consumer = GroupConsumer::join(&settings, topics)?;
        Ok(KafkaBroker {
            settings,
            polls: 0,
            watermarks: None,
            clients: Some(Clients { producer, consumer }),
        })
    }

    fn producer(&mut self) -> &mut TransactionalProducer<ProducerClient> {
        &mut self.clients.as_mut().expect(UNTIL_THE_END).producer
    }

    fn consumer(&mut self) -> &mut GroupConsumer {
        &mut self.clients.as_mut().expect(UNTIL_THE_END).consumer
    }

    fn watermarks(&mut self) -> Result<&Watermarks, Fault> {
        let watermarks = match self.watermarks.take() {
            Some((watermarks, _)) => watermarks,
            None => Aside::new(Watermarks::new(&self.settings.kafka, &self.settings.member.application)?),
        };
        Ok(&self.watermarks.insert((watermarks, now())).0)
    }

    fn end_idle(&mut self) {
        self.watermarks.take_if(|(_, used)| now() > *used + WATERMARKS_IDLE_MAX);
    }
}

impl Broker for KafkaBroker {
    fn poll(&mut self, wait: Duration) -> Result<Polled, Fault> {
        self.polls += 1;
        if !wait.is_zero() || self.polls >= POLLS_BETWEEN_LOOKS {
            self.polls = 0;
            self.producer().serve()?;
            self.consumer().look()?;
            self.end_idle();
        }
        self.consumer().poll(wait)
    }

    fn bounds(&mut self, partitions: &[Partition]) -> Result<Vec<Bounds>, Fault> {
        let committed = self.consumer().committed(partitions)?;
        let watermarks = self.watermarks()?;
        let bounds = partitions.iter().zip(committed).map(|(partition, committed)| {
            let (low, high) = watermarks.committed(partition)?;
            Ok(Bounds { low, high, committed })
        });
        bounds.collect()
    }

    fn admit(&mut self, partitions: &[(Partition, i64)]) -> Result<(), Fault> {
        self.consumer().admit(partitions)
    }

    fn release(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        self.consumer().release(partitions)
    }

    fn hold(&mut self, partition: &Partition, offset: i64) -> Result<(), Fault> {
        self.consumer().hold(partition, offset)
    }

    fn resume(&mut self, partition: &Partition) -> Result<(), Fault> {
        self.consumer().resume(partition)
    }

    fn replay(&mut self, changelog: &Partition, from: i64) -> Result<Box<dyn Replay>, Fault> {
        let settings = Arc::clone(&self.settings);
        let watermarks = self.watermarks()?;
        let (kafka, application) = (&settings.kafka, &settings.member.application);
        let reader = LogReader::open_whole(kafka, application, changelog, from, watermarks)?;
        Ok(Box::new(Aside::new(reader)))
    }

    fn send(&mut self, output: Output) -> Result<(), Fault> {
        self.producer().send(output)
    }

    fn commit(&mut self, offsets: &[(Partition, i64)]) -> Result<Vec<(i32, i64)>, Fault> {
        let Clients { producer, consumer } = self.clients.as_mut().expect(UNTIL_THE_END);
        let sessions = consumer.sessions_given_up();
        match producer.commit(offsets, || consumer.group_metadata()) {
            Ok(committed) => {
                consumer.has_proved_membership(sessions);
                Ok(committed)
            }
            Err(fault) => Err(consumer.doubted(fault)),
        }
    }

    fn abort(&mut self) {
        self.producer().abort();
    }

    /// What the group has told the client already is known at once. A producer that is fenced knows earlier:
    /// its successor starts its producer first and joins the group a little later, which the next heartbeats
    /// say, or there is none and the broker gave it up.
    fn look_for_successor(&mut self) -> Result<(), Fault> {
        let fenced = self.producer().is_dead();
        let wait = if fenced { heartbeat(&self.settings.kafka) + SUCCESSION } else { Duration::ZERO };
        self.consumer().look_for_successor(wait)
    }

    fn renew(&mut self) -> Result<(), Fault> {
        self.producer().renew()
    }

    fn partitions(&mut self, topic: &str) -> Result<i32, Fault> {
        self.consumer().partitions(topic)
    }

    fn lag(&self, partition: &Partition, next: i64) -> i64 {
        self.clients.as_ref().expect(UNTIL_THE_END).consumer.lag(partition, next)
    }
}

impl Drop for KafkaBroker {
    fn drop(&mut self) {
        self.clients.take().into_iter().for_each(farewell);
    }
}

/// The incarnation is a random number: it tells the records of two lives of a member apart and says nothing else.
fn tag(member: &Member) -> Tag {
    let incarnation = RandomState::new().hash_one(member.thread);
    Tag { origin: format!("{}/{incarnation:016x}", member.name()), transaction: 0 }
}

/// How often a member tells the group that it is alive.
fn heartbeat(kafka: &KafkaConfig) -> Duration {
    Duration::from_millis(u64::from(kafka.session_timeout_ms / 10).clamp(100, 3_000))
}

/// What all clients of a member have in common.
fn client(kafka: &KafkaConfig, client_id: &str) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", &*kafka.bootstrap)
        .set("client.id", client_id)
        .set("allow.auto.create.topics", "false")
        .set("enable.metrics.push", "false")
        .set("socket.keepalive.enable", "true")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        .set("topic.metadata.refresh.interval.ms", "30000")
        // Otherwise librdkafka hands over errors only, and says in a warning that a session has timed out.
        .set_log_level(RDKafkaLogLevel::Warning);
    client
}

/// Passes on what librdkafka logs.
fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    use RDKafkaLogLevel as Level;
    match level {
        Level::Emerg | Level::Alert | Level::Critical | Level::Error => {
            tracing::error!(event = "librdkafka", facility, "{message}");
        }
        Level::Warning => tracing::warn!(event = "librdkafka", facility, "{message}"),
        Level::Notice | Level::Info => tracing::info!(event = "librdkafka", facility, "{message}"),
        Level::Debug => tracing::debug!(event = "librdkafka", facility, "{message}"),
    }
}
