//! Topics: what there is, what there should be, and making it so. Also plain producing, for commands that
//! write samples.

use std::collections::BTreeMap;
use std::time::Duration;

use compact_str::CompactString;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::client;
use super::errors::{fault, refused};
use crate::config::KafkaConfig;
use crate::runtime::broker::Partition;
use crate::runtime::fault::{ExitCode, Fault};

const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// A topic as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicWish {
    /// Its name.
    pub name: CompactString,
    /// How many partitions it has.
    pub partitions: i32,
    /// How many replicas each partition has.
    pub replication: i32,
    /// Settings that differ from the broker's defaults.
    pub settings: BTreeMap<String, String>,
}

/// A topic as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicState {
    /// How many partitions it has.
    pub partitions: i32,
    /// All its settings.
    pub settings: BTreeMap<String, String>,
}

/// Asks for topics and creates them.
pub struct KafkaAdmin {
    admin: AdminClient<DefaultClientContext>,
    metadata: BaseConsumer,
    runtime: tokio::runtime::Runtime,
}

impl KafkaAdmin {
    /// Connects to the brokers.
    ///
    /// # Errors
    /// `Stop` with `Unreachable` when none answers within `timeout`.
    pub fn connect(kafka: &KafkaConfig, timeout: Duration) -> Result<KafkaAdmin, Fault> {
        let configuration = client(kafka, "bespoke-admin");
        let admin = configuration.create().map_err(|error| refused("the admin client", &error))?;
        let metadata: BaseConsumer =
            configuration.create().map_err(|error| refused("the admin client", &error))?;
        if let Err(error) = metadata.fetch_metadata(None, timeout) {
            return Err(Fault::stop(
                ExitCode::Unreachable,
                format!("no Kafka broker answers at {}: {error}. Check kafka.bootstrap", kafka.bootstrap),
            ));
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Fault::stop(ExitCode::Failed, format!("no runtime: {error}")))?;
        Ok(KafkaAdmin { admin, metadata, runtime })
    }

    /// Deletes the records before these offsets.
    ///
    /// # Errors
    /// When the brokers refuse, such as for a topic that is compacted.
    pub fn delete_before(&self, offsets: &[(Partition, i64)]) -> Result<(), Fault> {
        let deleting = |error: KafkaError| fault("deleting records", &error);
        let mut list = TopicPartitionList::new();
        for (partition, offset) in offsets {
            list.add_partition_offset(&partition.topic, partition.number, Offset::Offset(*offset))
                .map_err(deleting)?;
        }
        let done = self.runtime.block_on(self.admin.delete_records(&list, &options())).map_err(deleting)?;
        done.elements().iter().try_for_each(|element| element.error().map_err(deleting))
    }

    /// What a topic is like; none if it does not exist.
    pub fn describe(&self, topic: &str) -> Result<Option<TopicState>, Fault> {
        let metadata = self
            .metadata
            .fetch_metadata(None, CALL_TIMEOUT)
            .map_err(|error| fault("asking for topics", &error))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let Some(partitions) = found.map(|found| found.partitions().len()).filter(|count| *count > 0) else {
            return Ok(None);
        };
        let described = self
            .runtime
            .block_on(self.admin.describe_configs([&ResourceSpecifier::Topic(topic)], &options()))
            .map_err(|error| fault("asking for a topic's settings", &error))?;
        let mut settings = BTreeMap::new();
        for resource in described {
            let resource = resource
                .map_err(|code| fault("asking for a topic's settings", &KafkaError::AdminOp(code)))?;
            for entry in resource.entries {
                settings.insert(entry.name, entry.value.unwrap_or_default());
            }
        }
        Ok(Some(TopicState { partitions: i32::try_from(partitions).unwrap_or(i32::MAX), settings }))
    }

    /// Creates a topic. One that exists is left as it is.
    pub fn create(&self, wish: &TopicWish) -> Result<(), Fault> {
        let mut topic = NewTopic::new(&wish.name, wish.partitions, TopicReplication::Fixed(wish.replication));
        for (key, value) in &wish.settings {
            topic = topic.set(key, value);
        }
        let created = self
            .runtime
            .block_on(self.admin.create_topics([&topic], &options()))
            .map_err(|error| fault("creating a topic", &error))?;
        for result in created {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => {
                    return Err(Fault::stop(
                        ExitCode::Failed,
                        format!("the topic {name} could not be created: {code}"),
                    ));
                }
            }
        }
        self.await_topic(wish)
    }

    /// Sets a topic's settings; those not named go back to the broker's defaults.
    pub fn set(&self, topic: &str, settings: &BTreeMap<String, String>) -> Result<(), Fault> {
        let mut change = AlterConfig::new(ResourceSpecifier::Topic(topic));
        for (key, value) in settings {
            change = change.set(key, value);
        }
        let changed = self
            .runtime
            .block_on(self.admin.alter_configs([&change], &options()))
            .map_err(|error| fault("changing a topic's settings", &error))?;
        for result in changed {
            if let Err((_, code)) = result {
                return Err(fault("changing a topic's settings", &KafkaError::AdminOp(code)));
            }
        }
        Ok(())
    }

    /// A created topic is not known to every broker at once.
    fn await_topic(&self, wish: &TopicWish) -> Result<(), Fault> {
        for _ in 0..200 {
            let state = self.describe(&wish.name);
            if matches!(&state, Ok(Some(state)) if state.partitions >= wish.partitions) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(Fault::stop(ExitCode::Failed, format!("the topic {} was created but does not appear", wish.name)))
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(CALL_TIMEOUT)).request_timeout(Some(CALL_TIMEOUT))
}
