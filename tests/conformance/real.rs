//! The real cluster as a lab: requests go out in the versions that librdkafka 2.12 speaks, and one broker leads
//! and coordinates everything. What is visible is read by librdkafka.

use std::collections::BTreeMap;
use std::time::Duration;

use bespoke::runtime::kafka::{KafkaAdmin, TopicWish};
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, EndTxnRequest, FindCoordinatorRequest, GroupId,
    HeartbeatRequest, InitProducerIdRequest, JoinGroupRequest, JoinGroupResponse, OffsetFetchRequest,
    ProduceRequest, SyncGroupRequest, TopicName, TransactionalId, TxnOffsetCommitRequest,
};
use kafka_protocol::protocol::StrBytes;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use super::cluster::{Cluster, Deadline};
use super::contents::{batch, subscription};
use super::lab::{Answer, Lab, Refused};
use super::simulation::group::{Identity, SESSION_MS};
use super::simulation::log::Producer;
use super::stage::kafka_config;
use super::wire::Connection;

const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Versions of requests.
const INIT_PRODUCER_ID: i16 = 4;
const ADD_TO_TRANSACTION: i16 = 0;
const PRODUCE: i16 = 8;
const TXN_OFFSET_COMMIT: i16 = 3;
const END_TXN: i16 = 1;
const OFFSET_FETCH: i16 = 7;
const FIND_COORDINATOR: i16 = 2;
const JOIN_GROUP: i16 = 5;
const SYNC_GROUP: i16 = 3;
const HEARTBEAT: i16 = 3;

/// The real cluster, with names of its own for one script.
pub(crate) struct RealLab {
    bootstrap: String,
    name: String,
    connection: Connection,
    /// Each member has its own, because JoinGroup and SyncGroup are answered late.
    members: BTreeMap<String, Connection>,
    /// The ids that the broker has given to members; their places are the numbers that scripts see.
    member_ids: Vec<String>,
    /// Where the batches of a producer's epoch began in a partition, in numbers of records.
    sequences: BTreeMap<(Producer, i32), Vec<i32>>,
    committed: BaseConsumer,
    uncommitted: BaseConsumer,
}

impl RealLab {
    /// Makes a topic and names for a script.
    pub(crate) fn new(cluster: &Cluster, script: &str) -> RealLab {
        let name = format!("conformance-{script}-{:x}", std::process::id());
        let kafka = kafka_config(cluster);
        let settings = BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]);
        let wish = TopicWish { name: name.as_str().into(), partitions: 2, replication: 1, settings };
        KafkaAdmin::connect(&kafka, CALL_TIMEOUT).unwrap().create(&wish).unwrap();
        let mut lab = RealLab {
            bootstrap: cluster.bootstrap.clone(),
            name,
            connection: Connection::open(&cluster.bootstrap),
            members: BTreeMap::new(),
            member_ids: Vec::new(),
            sequences: BTreeMap::new(),
            committed: reader(cluster, "read_committed"),
            uncommitted: reader(cluster, "read_uncommitted"),
        };
        lab.find_coordinators();
        lab
    }

    /// The first who asks makes the broker create its internal topics.
    fn find_coordinators(&mut self) {
        for key_type in [0, 1] {
            let key = StrBytes::from_string(self.name.clone());
            let request = FindCoordinatorRequest::default().with_key(key).with_key_type(key_type);
            self.until_it_is_up(|lab| lab.connection.ask(FIND_COORDINATOR, &request).error_code);
        }
    }

    /// Asks again while the broker is still loading what it coordinates. Answers the error code, 0 for none.
    fn until_it_is_up(&mut self, mut ask: impl FnMut(&mut Self) -> i16) -> i16 {
        let deadline = Deadline::after_s(30);
        loop {
            // Unknown or moved leaders and coordinators, and loading ones.
            match ask(self) {
                3 | 5 | 6 | 14 | 15 | 16 => assert!(!deadline.passed(), "the broker does not come up"),
                code => return code,
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn id(&self, id: &str) -> TransactionalId {
        TransactionalId(StrBytes::from_string(format!("{}-{id}", self.name)))
    }

    fn topic(&self) -> TopicName {
        TopicName(StrBytes::from_string(self.name.clone()))
    }

    fn group(&self) -> GroupId {
        GroupId(StrBytes::from_string(self.name.clone()))
    }

    fn member_id(&self, who: &Identity) -> StrBytes {
        let id = usize::try_from(who.identity).ok().and_then(|at| self.member_ids.get(at));
        StrBytes::from_string(id.cloned().unwrap_or_else(|| "nobody".to_owned()))
    }

    fn member(&mut self, instance: &str) -> &mut Connection {
        let bootstrap = &self.bootstrap;
        self.members.entry(instance.to_owned()).or_insert_with(|| Connection::open(bootstrap))
    }

    /// The number of the first record of a batch, from its how-manieth it is.
    fn sequence(&mut self, producer: Producer, partition: i32, number: u64, records: usize) -> i32 {
        let starts = self.sequences.entry((producer, partition)).or_insert_with(|| vec![0]);
        let at = usize::try_from(number).unwrap() - 1;
        match starts.get(at).copied() {
            Some(start) if at + 1 == starts.len() => {
                starts.push(start + i32::try_from(records).unwrap());
                start
            }
            Some(start) => start,
            // Something is missing before it.
            None => starts.last().unwrap() + 100,
        }
    }

    fn sync(&mut self, instance: &str, joined: &JoinGroupResponse) {
        let assignments = joined.members.iter().map(|member| {
            SyncGroupRequestAssignment::default()
                .with_member_id(member.member_id.clone())
                .with_assignment(vec![0; 10].into())
        });
        let assignments = if joined.leader == joined.member_id { assignments.collect() } else { Vec::new() };
        let request = SyncGroupRequest::default()
            .with_group_id(self.group())
            .with_generation_id(joined.generation_id)
            .with_member_id(joined.member_id.clone())
            .with_group_instance_id(Some(StrBytes::from_string(instance.to_owned())))
            .with_assignments(assignments);
        self.member(instance).send(SYNC_GROUP, &request);
    }
}

impl Lab for RealLab {
    fn initialise(&mut self, id: &str, timeout_ms: u64) -> Answer<Producer> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(self.id(id)))
            .with_transaction_timeout_ms(i32::try_from(timeout_ms).unwrap())
            .with_producer_id((-1).into())
            .with_producer_epoch(-1);
        let mut producer = (0, -1);
        let code = self.until_it_is_up(|lab| {
            let response = lab.connection.ask(INIT_PRODUCER_ID, &request);
            producer = (response.producer_id.0.cast_unsigned(), response.producer_epoch);
            response.error_code
        });
        answer(code).map(|()| producer)
    }

    fn add(&mut self, id: &str, producer: Producer, partition: i32) -> Answer {
        let topic =
            AddPartitionsToTxnTopic::default().with_name(self.topic()).with_partitions(vec![partition]);
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(self.id(id))
            .with_v3_and_below_producer_id(producer.0.cast_signed().into())
            .with_v3_and_below_producer_epoch(producer.1)
            .with_v3_and_below_topics(vec![topic]);
        let code = self.until_it_is_up(|lab| {
            let response = lab.connection.ask(ADD_TO_TRANSACTION, &request);
            response.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
        });
        answer(code)
    }

    fn produce(
        &mut self,
        id: &str,
        producer: Producer,
        partition: i32,
        number: u64,
        values: &[&str],
    ) -> Answer<i64> {
        let sequence = self.sequence(producer, partition, number, values.len());
        let batch = batch(producer, sequence, values);
        let data = PartitionProduceData::default().with_index(partition).with_records(Some(batch.into()));
        let topic = TopicProduceData::default().with_name(self.topic()).with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_transactional_id(Some(self.id(id)))
            .with_acks(-1)
            .with_timeout_ms(5_000)
            .with_topic_data(vec![topic]);
        let mut offset = -1;
        let code = self.until_it_is_up(|lab| {
            let response = lab.connection.ask(PRODUCE, &request);
            let partition = &response.responses[0].partition_responses[0];
            offset = partition.base_offset;
            partition.error_code
        });
        answer(code).map(|()| offset)
    }

    fn add_offsets(&mut self, id: &str, producer: Producer) -> Answer {
        let request = AddOffsetsToTxnRequest::default()
            .with_transactional_id(self.id(id))
            .with_producer_id(producer.0.cast_signed().into())
            .with_producer_epoch(producer.1)
            .with_group_id(self.group());
        answer(self.until_it_is_up(|lab| lab.connection.ask(ADD_TO_TRANSACTION, &request).error_code))
    }

    fn commit_offset(&mut self, id: &str, producer: Producer, who: &Identity, offset: i64) -> Answer {
        let partition = TxnOffsetCommitRequestPartition::default().with_committed_offset(offset);
        let topic =
            TxnOffsetCommitRequestTopic::default().with_name(self.topic()).with_partitions(vec![partition]);
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(self.id(id))
            .with_group_id(self.group())
            .with_producer_id(producer.0.cast_signed().into())
            .with_producer_epoch(producer.1)
            .with_generation_id(who.generation)
            .with_member_id(self.member_id(who))
            .with_group_instance_id(Some(StrBytes::from_string(who.instance.clone())))
            .with_topics(vec![topic]);
        let code = self.until_it_is_up(|lab| {
            let response = lab.connection.ask(TXN_OFFSET_COMMIT, &request);
            response.topics[0].partitions[0].error_code
        });
        answer(code)
    }

    fn end(&mut self, id: &str, producer: Producer, commit: bool) -> Answer {
        let request = EndTxnRequest::default()
            .with_transactional_id(self.id(id))
            .with_producer_id(producer.0.cast_signed().into())
            .with_producer_epoch(producer.1)
            .with_committed(commit);
        answer(self.until_it_is_up(|lab| lab.connection.ask(END_TXN, &request).error_code))
    }

    fn committed(&mut self) -> Answer<Option<i64>> {
        let topic =
            OffsetFetchRequestTopic::default().with_name(self.topic()).with_partition_indexes(vec![0]);
        let request = OffsetFetchRequest::default()
            .with_group_id(self.group())
            .with_topics(Some(vec![topic]))
            .with_require_stable(true);
        let mut offset = -1;
        let code = self.until_it_is_up(|lab| {
            let response = lab.connection.ask(OFFSET_FETCH, &request);
            let Some(topic) = response.topics.first() else { return response.error_code };
            offset = topic.partitions[0].committed_offset;
            topic.partitions[0].error_code
        });
        answer(code).map(|()| (offset >= 0).then_some(offset))
    }

    fn visible(&mut self, partition: i32) -> Vec<(i64, String)> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.name, partition, Offset::Beginning).unwrap();
        self.committed.assign(&list).unwrap();
        let (mut records, deadline) = (Vec::new(), Deadline::after_s(20));
        loop {
            assert!(!deadline.passed(), "the end of {} does not come", self.name);
            match self.committed.poll(Duration::from_millis(100)) {
                None => {}
                Some(Ok(message)) => {
                    let value = String::from_utf8(message.payload().unwrap().to_vec()).unwrap();
                    records.push((message.offset(), value));
                }
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(error)) => panic!("{error}"),
            }
        }
        self.committed.unassign().unwrap();
        records
    }

    fn ends(&mut self, partition: i32) -> (i64, i64) {
        let end =
            |reader: &BaseConsumer| reader.fetch_watermarks(&self.name, partition, CALL_TIMEOUT).unwrap().1;
        (end(&self.committed), end(&self.uncommitted))
    }

    fn begin_to_join(&mut self, instance: &str, known: Option<&Identity>) {
        let subscription = JoinGroupRequestProtocol::default()
            .with_name(StrBytes::from_static_str("range"))
            .with_metadata(subscription(&self.name).into());
        let request = JoinGroupRequest::default()
            .with_group_id(self.group())
            .with_session_timeout_ms(i32::try_from(SESSION_MS).unwrap())
            .with_rebalance_timeout_ms(60_000)
            .with_member_id(known.map_or_else(StrBytes::default, |known| self.member_id(known)))
            .with_group_instance_id(Some(StrBytes::from_string(instance.to_owned())))
            .with_protocol_type(StrBytes::from_static_str("consumer"))
            .with_protocols(vec![subscription]);
        // One that is not known comes as a new process would.
        if known.is_none() {
            self.members.remove(instance);
        }
        self.member(instance).send(JOIN_GROUP, &request);
    }

    fn joined(&mut self, instances: &[&str]) -> Vec<Identity> {
        let mut answers = Vec::new();
        for instance in instances {
            let response = self.member(instance).receive::<JoinGroupRequest>(JOIN_GROUP);
            assert_eq!(response.error_code, 0, "JoinGroup of {instance}");
            self.sync(instance, &response);
            answers.push(response);
        }
        let mut joined = Vec::new();
        for (instance, response) in instances.iter().zip(answers) {
            let code = self.member(instance).receive::<SyncGroupRequest>(SYNC_GROUP).error_code;
            assert_eq!(code, 0, "SyncGroup of {instance}");
            let id = response.member_id.to_string();
            let known = self.member_ids.iter().position(|known| *known == id);
            let identity = known.unwrap_or_else(|| {
                self.member_ids.push(id);
                self.member_ids.len() - 1
            });
            let generation = response.generation_id;
            joined.push(Identity { instance: (*instance).to_owned(), identity: identity as u64, generation });
        }
        joined
    }

    fn heartbeat(&mut self, who: &Identity) -> Answer {
        let request = HeartbeatRequest::default()
            .with_group_id(self.group())
            .with_generation_id(who.generation)
            .with_member_id(self.member_id(who))
            .with_group_instance_id(Some(StrBytes::from_string(who.instance.clone())));
        answer(self.until_it_is_up(|lab| lab.connection.ask(HEARTBEAT, &request).error_code))
    }

    fn pass(&mut self, time_ms: u64) {
        std::thread::sleep(Duration::from_millis(time_ms));
    }
}

/// What an error code of Kafka's means.
fn answer(code: i16) -> Answer {
    Err(match code {
        0 => return Ok(()),
        22 => Refused::StaleGeneration,
        25 => Refused::UnknownMember,
        27 => Refused::Rebalancing,
        45 => Refused::OutOfOrder,
        // INVALID_PRODUCER_EPOCH and PRODUCER_FENCED.
        47 | 90 => Refused::Fenced,
        48 => Refused::InvalidState,
        51 => Refused::Concurrent,
        82 => Refused::FencedInstance,
        88 => Refused::Unstable,
        other => panic!("no script expects the error code {other}"),
    })
}

/// A consumer that belongs to no group, though it has to name one.
pub(crate) fn reader(cluster: &Cluster, isolation: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", &cluster.bootstrap)
        .set("group.id", "conformance-readers")
        .set("enable.auto.commit", "false")
        .set("isolation.level", isolation)
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "10")
        .set("enable.metrics.push", "false")
        .create()
        .unwrap()
}
