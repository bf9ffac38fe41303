//! What somebody with the rights of an administrator can do to topics and offsets, which the product itself
//! never does.

use std::time::Duration;

use rdkafka::admin::TopicReplication;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::cluster::{Cluster, wait_until};

/// An administrator of a cluster.
pub(crate) struct Administrator {
    client: AdminClient<DefaultClientContext>,
    cluster: Cluster,
    runtime: tokio::runtime::Runtime,
}

impl Administrator {
    /// Connects.
    pub(crate) fn of(cluster: &Cluster) -> Administrator {
        let client = ClientConfig::new().set("bootstrap.servers", &cluster.bootstrap).create().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Administrator { client, cluster: cluster.clone(), runtime }
    }

    /// Deletes the records of a partition before this offset.
    pub(crate) fn trim(&self, topic: &str, partition: i32, before: i64) {
        assert!(self.try_trim(topic, partition, before), "the records before {before} are deleted");
    }

    /// As `trim`; false where the broker refuses.
    pub(crate) fn try_trim(&self, topic: &str, partition: i32, before: i64) -> bool {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(before)).unwrap();
        let done = self.runtime.block_on(self.client.delete_records(&list, &options())).unwrap();
        done.elements().iter().all(|element| element.error().is_ok())
    }

    /// Deletes a topic, and waits until it is gone.
    pub(crate) fn delete(&self, topic: &str) {
        let done = self.runtime.block_on(self.client.delete_topics(&[topic], &options())).unwrap();
        done.into_iter().for_each(|result| assert!(result.is_ok(), "{result:?}"));
        let asking = self.cluster.consumer("nobody");
        wait_until("the topic is gone", 20, || {
            let metadata = asking.fetch_metadata(None, Duration::from_secs(10)).unwrap();
            !metadata.topics().iter().any(|found| found.name() == topic)
        });
    }

    /// Makes a topic with these replicas and settings.
    pub(crate) fn create(&self, topic: &str, partitions: i32, replicas: i32, settings: &[(&str, &str)]) {
        let mut wish = NewTopic::new(topic, partitions, TopicReplication::Fixed(replicas));
        for (key, value) in settings {
            wish = wish.set(key, value);
        }
        let done = self.runtime.block_on(self.client.create_topics([&wish], &options())).unwrap();
        done.into_iter().for_each(|result| assert!(result.is_ok(), "{result:?}"));
        let asking = self.cluster.consumer("nobody");
        wait_until("the topic is there", 20, || {
            let metadata = asking.fetch_metadata(Some(topic), Duration::from_secs(10)).unwrap();
            let found = metadata.topics().iter().find(|found| found.name() == topic);
            found.is_some_and(|found| found.partitions().iter().filter(|one| one.leader() >= 0).count() > 0)
        });
    }

    /// Gives a topic more partitions.
    pub(crate) fn widen(&self, topic: &str, partitions: usize) {
        let wish = NewPartitions::new(topic, partitions);
        let done = self.runtime.block_on(self.client.create_partitions([&wish], &options())).unwrap();
        done.into_iter().for_each(|result| assert!(result.is_ok(), "{result:?}"));
    }

    /// Sets a topic's settings.
    pub(crate) fn set(&self, topic: &str, settings: &[(&str, &str)]) {
        let mut change = AlterConfig::new(ResourceSpecifier::Topic(topic));
        for (key, value) in settings {
            change = change.set(key, value);
        }
        let done = self.runtime.block_on(self.client.alter_configs([&change], &options())).unwrap();
        done.into_iter().for_each(|result| assert!(result.is_ok(), "{result:?}"));
    }

    /// Sets a group's offset, once the group has no member any more.
    pub(crate) fn set_offset(&self, group: &str, topic: &str, partition: i32, offset: i64) {
        let consumer = self.cluster.consumer(group);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(offset)).unwrap();
        wait_until("the group's offset could be set", 30, || {
            consumer.commit(&list, CommitMode::Sync).is_ok()
        });
    }
}

fn options() -> AdminOptions {
    let timeout = Some(Duration::from_secs(15));
    AdminOptions::new().operation_timeout(timeout).request_timeout(timeout)
}
