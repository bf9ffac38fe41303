//! The group member: assignments, positions and records, on one thread.
//!
//! librdkafka hands a rebalance to a callback. Ours only notes it; the worker answers as soon as the poll
//! that served it returns, when it can commit and settle first. The group waits for that answer. Only while
//! the client is being closed does the callback answer by itself.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use compact_str::CompactString;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::callbacks::{Context, Rebalance, assign, unassign};
use super::coverage::Coverage;
use super::errors::{fault, is_transient};
use super::message::{TopicNames, names, partition, record};
use super::{CALL_TIMEOUT, Settings, client, heartbeat, watermarks};
use crate::runtime::broker::{Partition, Polled};
use crate::runtime::fault::{ExitCode, Fault};

/// What every consumer of records is set to, whatever the application; the configuration may say otherwise.
pub const CONSUMER_SETTINGS: &[(&str, &str)] = &[
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("isolation.level", "read_committed"),
    ("check.crcs", "true"),
    ("queued.min.messages", "100000"),
    ("queued.max.messages.kbytes", "4096"),
    // What a broker sends is counted as it lies there, packed, while the client unpacks all of an answer at once,
    // with lz4 up to 255 times: so much for each partition bounds memory. A larger batch comes alone.
    ("fetch.message.max.bytes", "131072"),
    ("fetch.max.bytes", "1048576"),
    ("fetch.wait.max.ms", "100"),
    ("fetch.queue.backoff.ms", "20"),
];

/// How long to look through what a client that has died said before.
const EVENTS_WAIT: Duration = Duration::from_millis(500);

/// A member of the application's group.
pub(super) struct GroupConsumer {
    pub(super) consumer: BaseConsumer<Context>,
    group: CompactString,
    coverage: Coverage,
    /// What the worker was told of and has not answered yet.
    pub(super) unanswered: Option<Rebalance>,
    /// Whether to leave the group at the end, instead of coming back under the same name to the same
    /// partitions.
    pub(super) leaving: bool,
    topics: TopicNames,
    /// Partitions that are not read now, with the offset to go on from.
    held: BTreeMap<Partition, i64>,
    /// Whether the last poll found nothing: everything fetched has been handed out.
    drained: bool,
    /// How many of the sessions that the client gave up another has followed for certain.
    sessions_ended: u64,
}

impl GroupConsumer {
    /// Joins the group.
    pub(super) fn join(settings: &Settings, topics: &[&str]) -> Result<GroupConsumer, Fault> {
        let consumer: BaseConsumer<Context> = configuration(settings)
            .create_with_context(Context::default())
            .map_err(|error| super::errors::refused("the consumer", &error))?;
        consumer.subscribe(topics).map_err(|error| fault("subscribing", &error))?;
        let names = names(topics.iter().copied());
        Ok(GroupConsumer {
            consumer,
            group: settings.member.application.clone(),
            coverage: Coverage::default(),
            unanswered: None,
            leaving: false,
            topics: names,
            held: BTreeMap::new(),
            drained: false,
            sessions_ended: 0,
        })
    }

    /// Looks whether the client has died, or should leave the group.
    pub(super) fn look(&mut self) -> Result<(), Fault> {
        self.look_for_death()?;
        self.look_for_left_over()
    }

    /// Waits for a record or a rebalance.
    pub(super) fn poll(&mut self, wait: Duration) -> Result<Polled, Fault> {
        if let Some(polled) = self.rebalance() {
            return Ok(polled);
        }
        let record = match self.consumer.poll(wait) {
            None => None,
            Some(Ok(message)) => Some(record(&self.topics, &message)),
            Some(Err(error)) if is_transient(&error) => {
                tracing::debug!(event = "kafka_poll_error", %error, "polling failed for now");
                None
            }
            Some(Err(error)) => return Err(self.poll_fault(&error)),
        };
        self.drained = record.is_none();
        match record {
            Some(record) => Ok(Polled::Record(record)),
            None => Ok(self.rebalance().unwrap_or(Polled::Nothing)),
        }
    }

    fn answered(&mut self) {
        self.unanswered = None;
        self.coverage.changed(now());
    }

    /// A client that has failed for good hands out nothing any more, and says so nowhere else.
    fn look_for_death(&self) -> Result<(), Fault> {
        let Some((code, text)) = self.consumer.client().fatal_error() else { return Ok(()) };
        Err(match fault("the group member died", &KafkaError::Global(code)) {
            stop @ Fault::Stop(_) => self.doubted(stop),
            _ => Fault::stop(ExitCode::Failed, format!("the group member died: {code}: {text}")),
        })
    }

    /// What it means to be told that another process has this one's name. A client that has given up its session
    /// by itself has forgotten its member id, yet sends heartbeats until it is told what becomes of its partitions,
    /// and the group takes a heartbeat without the id for somebody else's (librdkafka #3437): that is no sign of
    /// anybody. New clients join as they would have anyway; if there is somebody, one of both is told so then.
    pub(super) fn doubted(&self, fault: Fault) -> Fault {
        if !matches!(&fault, Fault::Stop(exit) if exit.code == ExitCode::Fenced) {
            return fault;
        }
        // What the client has said until now waits to be polled. Records among it are read again by whoever comes
        // next.
        let deadline = now() + EVENTS_WAIT;
        while self.sessions_given_up() == self.sessions_ended {
            if now() >= deadline {
                return fault;
            }
            let _ = self.consumer.poll(Duration::from_millis(10));
        }
        let text =
            "the client gave up its session: the group did not answer, or was not polled, for too long";
        Fault::restart("session", text)
    }

    /// How many sessions the client has given up by itself so far.
    pub(super) fn sessions_given_up(&self) -> u64 {
        self.consumer.context().sessions_given_up.load(Ordering::Relaxed)
    }

    /// The group has taken offsets from a member that had given up so many sessions: they are over, and it is in
    /// another one. That it was given partitions would not show that, for it may be told so later.
    pub(super) fn has_proved_membership(&mut self, sessions_given_up: u64) {
        self.sessions_ended = sessions_given_up;
    }

    /// Waits for the group to say that another process has this one's name, for as long as that may take. Only
    /// to be followed by the end of the membership: a client that waits for the answer to a rebalance sends no
    /// heartbeat, so all are answered from here on.
    pub(super) fn look_for_successor(&mut self, wait: Duration) -> Result<(), Fault> {
        self.answer_all();
        let deadline = now() + wait;
        loop {
            self.look_for_death()?;
            if now() >= deadline {
                return Ok(());
            }
            // The client looks once a second whether a heartbeat is due, or when it is asked something.
            let _ = self.consumer.assignment();
            // What is handed out here is read again by whoever comes next.
            let _ = self.consumer.poll(Duration::from_millis(20));
        }
    }

    /// What to do about an error while polling. Where records are gone, it is said which.
    fn poll_fault(&mut self, error: &KafkaError) -> Fault {
        let mut exit = match self.doubted(fault("polling", error)) {
            Fault::Stop(exit) if exit.code == ExitCode::Inconsistent => exit,
            other => return other,
        };
        let assigned = self.consumer.assignment().map(|list| {
            let names = list.elements().iter().map(|at| (at.topic().to_owned(), at.partition())).collect();
            self.partitions_of(names)
        });
        let partitions = assigned.unwrap_or_default();
        for (partition, committed) in partitions.iter().zip(self.committed(&partitions).unwrap_or_default()) {
            let Ok((low, high)) = watermarks::ask(&self.consumer, partition) else { continue };
            if let Some(committed) = committed.filter(|committed| !(low..=high).contains(committed)) {
                let text = format!(". {partition} holds offsets {low} to {high}; {committed} was to be next");
                exit.text.push_str(&text);
            }
        }
        Fault::Stop(exit)
    }

    /// Partitions that are nobody's get an owner when the group shares anew, for which somebody has to leave.
    fn look_for_left_over(&mut self) -> Result<(), Fault> {
        let topics = self.topics.keys().map(String::as_str);
        let Some(partitions) = self.coverage.look(&self.consumer, &self.group, topics, now()) else {
            return Ok(());
        };
        self.leaving = true;
        let text = format!("no member of the group has {partitions}: leaving, so that it shares anew");
        Err(Fault::restart("left_over", text))
    }

    fn rebalance(&mut self) -> Option<Polled> {
        let next = self.noted()?;
        self.unanswered = Some(next.clone());
        Some(match next {
            Rebalance::Assigned(names) => Polled::Assigned(self.partitions_of(names)),
            Rebalance::Revoked(names) => Polled::Revoked(self.partitions_of(names)),
            Rebalance::Lost(names) => Polled::Lost(self.partitions_of(names)),
        })
    }

    /// The next rebalance that the worker was not told of.
    pub(super) fn noted(&self) -> Option<Rebalance> {
        self.consumer.context().rebalances.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Where the group has come to in each partition; none where it has not begun.
    pub(super) fn committed(&self, partitions: &[Partition]) -> Result<Vec<Option<i64>>, Fault> {
        // Waits until offsets of open transactions are settled: the client asks for stable offsets.
        let committed = self
            .consumer
            .committed_offsets(list(partitions.iter().map(|partition| (partition, None)))?, CALL_TIMEOUT)
            .map_err(|error| fault("asking for committed offsets", &error))?;
        let offset = |partition: &Partition| {
            let found = committed.find_partition(&partition.topic, partition.number);
            match found.as_ref().map(|element| (element.error(), element.offset())) {
                Some((Ok(()), Offset::Offset(offset))) => Ok(Some(offset)),
                Some((Err(error), _)) => Err(fault("asking for committed offsets", &error)),
                _ => Ok(None),
            }
        };
        partitions.iter().map(offset).collect()
    }

    pub(super) fn admit(&mut self, partitions: &[(Partition, i64)]) -> Result<(), Fault> {
        let list = list(partitions.iter().map(|(partition, offset)| (partition, Some(*offset))))?;
        assign(&self.consumer, &list).map_err(|error| fault("taking partitions", &error))?;
        self.answered();
        if partitions.is_empty() {
            return Ok(());
        }
        self.consumer.pause(&list).map_err(|error| fault("pausing partitions", &error))?;
        self.held.extend(partitions.iter().cloned());
        Ok(())
    }

    pub(super) fn release(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        self.held.retain(|partition, _| !partitions.contains(partition));
        let list = list(partitions.iter().map(|partition| (partition, None)))?;
        unassign(&self.consumer, &list).map_err(|error| fault("giving partitions back", &error))?;
        self.answered();
        Ok(())
    }

    pub(super) fn hold(&mut self, partition: &Partition, offset: i64) -> Result<(), Fault> {
        let list = list(std::iter::once((partition, None)))?;
        self.consumer.pause(&list).map_err(|error| fault("pausing a partition", &error))?;
        self.held.insert(partition.clone(), offset);
        Ok(())
    }

    pub(super) fn resume(&mut self, partition: &Partition) -> Result<(), Fault> {
        let Some(offset) = self.held.remove(partition) else { return Ok(()) };
        let list = list(std::iter::once((partition, None)))?;
        self.consumer.resume(&list).map_err(|error| fault("resuming a partition", &error))?;
        // Resuming alone goes on behind the last record that was handed out, which may be the very one that
        // made us hold. A seek is refused while the client is still starting the partition.
        let deadline_turns = 80;
        for turn in 0.. {
            match self.consumer.seek(
                &partition.topic,
                partition.number,
                Offset::Offset(offset),
                Duration::from_secs(1),
            ) {
                Ok(()) => return Ok(()),
                Err(error) if turn == deadline_turns => return Err(fault("seeking", &error)),
                Err(_) => std::thread::sleep(Duration::from_millis(25)),
            }
        }
        Ok(())
    }

    pub(super) fn group_metadata(&self) -> Result<ConsumerGroupMetadata, Fault> {
        let none = || Fault::stop(ExitCode::Failed, "the consumer has no group metadata: this is a defect");
        self.consumer.group_metadata().ok_or_else(none)
    }

    pub(super) fn partitions(&self, topic: &str) -> Result<i32, Fault> {
        let metadata = self
            .consumer
            .fetch_metadata(Some(topic), CALL_TIMEOUT)
            .map_err(|error| fault("asking for metadata", &error))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        match found.map(|found| found.partitions().len()) {
            Some(count) if count > 0 => Ok(i32::try_from(count).unwrap_or(i32::MAX)),
            _ => Err(Fault::stop(
                ExitCode::Misconfigured,
                format!("the topic {topic} does not exist: `bespoke topics apply` creates it"),
            )),
        }
    }

    pub(super) fn lag(&self, partition: &Partition, next: i64) -> i64 {
        let ends = self.consumer.context().ends.lock().unwrap_or_else(PoisonError::into_inner);
        match ends.get(&(partition.topic.to_string(), partition.number)) {
            Some(end) if end.fetched >= end.last_stable && self.drained => 0,
            Some(end) => (end.last_stable - next).max(0),
            None => 0,
        }
    }

    fn partitions_of(&mut self, names: Vec<(String, i32)>) -> Vec<Partition> {
        names.into_iter().map(|(topic, number)| partition(&self.topics, &topic, number)).collect()
    }
}

fn configuration(settings: &Settings) -> rdkafka::ClientConfig {
    let name = settings.member.name();
    let kafka = &settings.kafka;
    let mut configuration = client(kafka, &format!("{name}-consumer"));
    configuration
        .set("group.id", &*settings.member.application)
        .set("group.instance.id", &name)
        .set("partition.assignment.strategy", kafka.assignor.as_str())
        .set("session.timeout.ms", kafka.session_timeout_ms.to_string())
        .set("heartbeat.interval.ms", heartbeat(kafka).as_millis().to_string())
        .set("max.poll.interval.ms", "300000")
        .set("auto.offset.reset", "error")
        .set("statistics.interval.ms", "1000");
    for (key, value) in CONSUMER_SETTINGS {
        configuration.set(*key, *value);
    }
    for (key, value) in &kafka.consumer {
        configuration.set(key, value);
    }
    configuration
}

fn list<'p>(
    partitions: impl Iterator<Item = (&'p Partition, Option<i64>)>,
) -> Result<TopicPartitionList, Fault> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in partitions {
        match offset {
            Some(offset) => list
                .add_partition_offset(&partition.topic, partition.number, Offset::Offset(offset))
                .map_err(|error| fault("naming an offset", &error))?,
            None => {
                list.add_partition(&partition.topic, partition.number);
            }
        }
    }
    Ok(list)
}

/// Deadlines are the one use of a clock down here; nothing that is written depends on it.
#[allow(clippy::disallowed_methods)]
pub(super) fn now() -> Instant {
    Instant::now()
}
