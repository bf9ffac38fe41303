//! The simulated cluster as a lab: no world around it, nothing goes wrong, and time passes when a script says
//! so.

use std::collections::BTreeSet;
use std::sync::Arc;

use bespoke::runtime::broker::{Output, Partition};

use super::lab::{Answer, Lab, Refused};
use super::simulation::coordinator::Refusal;
use super::simulation::group::{GroupRefusal, Identity, Protocol};
use super::simulation::kafka::Kafka;
use super::simulation::log::Producer;
use super::simulation::random::Random;

const TOPIC: &str = "topic";
const STEP_MS: u64 = 10;

/// The simulated cluster.
pub(crate) struct SimulatedLab {
    kafka: Kafka,
    random: Random,
    joining: Vec<(String, u64)>,
}

impl SimulatedLab {
    pub(crate) fn new() -> SimulatedLab {
        let nothing: Arc<str> = Arc::from("no state");
        let state_topics = (Arc::clone(&nothing), nothing);
        let kafka = Kafka::new(&[(Arc::from(TOPIC), 2)], &[TOPIC], Protocol::Eager, state_topics);
        SimulatedLab { kafka, random: Random::new(1, 1), joining: Vec::new() }
    }
}

impl Lab for SimulatedLab {
    fn initialise(&mut self, id: &str, timeout_ms: u64) -> Answer<Producer> {
        self.kafka.transactions.initialise(id, timeout_ms).map_err(refused)
    }

    fn add(&mut self, id: &str, producer: Producer, partition: i32) -> Answer {
        let now_ms = self.kafka.now_ms;
        self.kafka.transactions.add(id, producer, &place(partition), now_ms).map_err(refused)
    }

    fn produce(
        &mut self,
        id: &str,
        producer: Producer,
        partition: i32,
        number: u64,
        values: &[&str],
    ) -> Answer<i64> {
        let output = |value: &&str| Output { value: Some(value.as_bytes().to_vec()), ..Output::default() };
        let batch: Vec<Output> = values.iter().map(output).collect();
        self.kafka.produce(id, producer, number, &place(partition), &batch).map_err(refused)
    }

    fn add_offsets(&mut self, id: &str, producer: Producer) -> Answer {
        self.kafka.add_offsets(id, producer).map_err(refused)
    }

    fn commit_offset(&mut self, id: &str, producer: Producer, who: &Identity, offset: i64) -> Answer {
        self.kafka.commit_offsets(id, producer, who, &[(place(0), offset)]).map_err(group_refused)
    }

    fn end(&mut self, id: &str, producer: Producer, commit: bool) -> Answer {
        self.kafka.transactions.end(id, producer, commit).map_err(refused)
    }

    fn committed(&mut self) -> Answer<Option<i64>> {
        self.kafka.group.stable_offset(&place(0)).map_err(|()| Refused::Unstable)
    }

    fn visible(&mut self, partition: i32) -> Vec<(i64, String)> {
        let partition = place(partition);
        let records = self.kafka.logs[&partition].committed(&partition).into_iter();
        records.map(|record| (record.offset, String::from_utf8(record.value.unwrap()).unwrap())).collect()
    }

    fn ends(&mut self, partition: i32) -> (i64, i64) {
        let log = &self.kafka.logs[&place(partition)];
        (log.last_stable(), log.end())
    }

    fn begin_to_join(&mut self, instance: &str, known: Option<&Identity>) {
        let now_ms = self.kafka.now_ms;
        let identity = match known {
            None => self.kafka.group.come(instance, now_ms),
            Some(known) => {
                self.kafka.group.rejoin(known, &BTreeSet::new(), now_ms).expect("a member may join again");
                known.identity
            }
        };
        self.joining.push((instance.to_owned(), identity));
    }

    fn joined(&mut self, instances: &[&str]) -> Vec<Identity> {
        self.pass(STEP_MS);
        let joining = std::mem::take(&mut self.joining);
        let joined = instances.iter().map(|instance| {
            let (_, identity) =
                joining.iter().find(|(name, _)| name == instance).expect("it has begun to join");
            let assignment = self.kafka.group.assignment(instance, *identity).expect("it may stay");
            let (generation, _) = assignment.expect("all others have joined too");
            Identity { instance: (*instance).to_owned(), identity: *identity, generation }
        });
        joined.collect()
    }

    fn heartbeat(&mut self, who: &Identity) -> Answer {
        let now_ms = self.kafka.now_ms;
        self.kafka.group.heartbeat(who, now_ms).map_err(group_refused)
    }

    fn pass(&mut self, time_ms: u64) {
        for _ in 0..time_ms.div_ceil(STEP_MS) {
            self.kafka.pass_time(STEP_MS, &mut self.random).expect("no state is kept here");
        }
    }
}

fn place(partition: i32) -> Partition {
    Partition::new(TOPIC, partition)
}

fn refused(refusal: Refusal) -> Refused {
    match refusal {
        Refusal::Fenced => Refused::Fenced,
        Refusal::Concurrent => Refused::Concurrent,
        Refusal::InvalidState => Refused::InvalidState,
        Refusal::OutOfOrder => Refused::OutOfOrder,
    }
}

fn group_refused(refusal: GroupRefusal) -> Refused {
    match refusal {
        GroupRefusal::FencedInstance => Refused::FencedInstance,
        GroupRefusal::UnknownMember => Refused::UnknownMember,
        GroupRefusal::IllegalGeneration => Refused::StaleGeneration,
        GroupRefusal::Rebalancing => Refused::Rebalancing,
        GroupRefusal::FencedProducer => Refused::Fenced,
        GroupRefusal::InvalidState => Refused::InvalidState,
    }
}
