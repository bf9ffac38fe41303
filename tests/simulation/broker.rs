//! The broker trait on the simulated cluster: a member's client and the product's own transaction protocol.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bespoke::runtime::broker::{Bounds, Broker, Output, Partition, Polled, Record, Replay};
use bespoke::runtime::fault::{ExitCode, Fault};
use bespoke::runtime::transaction::TransactionalProducer;

use super::group::Identity;
use super::member::MemberClient;
use super::producer::{SimulatedProducer, TRANSACTION_TIMEOUT};
use super::world::World;

const CALL_MS: u64 = 8_000;
/// How long partitions may be nobody's before a member leaves so that the group shares anew, as the
/// product's Kafka client does it (runtime/kafka/coverage.rs).
const LEFT_OVER_MS: u64 = 4_000;

/// One member of the simulated group.
pub(crate) struct SimulatedBroker {
    world: Rc<World>,
    process: usize,
    producer: TransactionalProducer<SimulatedProducer>,
    stable_since_ms: u64,
}

struct SimulatedReplay {
    world: Rc<World>,
    process: usize,
    partition: Partition,
    next: i64,
    end: i64,
}

impl SimulatedBroker {
    pub(crate) fn connect(
        world: &Rc<World>,
        process: usize,
        changelog: &Arc<str>,
    ) -> Result<SimulatedBroker, Fault> {
        SimulatedBroker::connect_as(world, process, &world.name_of(process), changelog)
    }

    /// Under another name than the process's own.
    pub(crate) fn connect_as(
        world: &Rc<World>,
        process: usize,
        name: &str,
        changelog: &Arc<str>,
    ) -> Result<SimulatedBroker, Fault> {
        let client = SimulatedProducer::new(world, process, name, changelog);
        let producer = TransactionalProducer::initialise(client, TRANSACTION_TIMEOUT, None)?;
        world.set_member(process, Some(MemberClient::new(name)));
        Ok(SimulatedBroker { world: Rc::clone(world), process, producer, stable_since_ms: world.now_ms() })
    }

    fn member<T>(&self, act: impl FnOnce(&mut MemberClient) -> T) -> T {
        self.world.member(self.process, act)
    }

    /// Waits for an answer that the cluster cannot give yet.
    fn ask<T>(
        &self,
        what: &'static str,
        limit_ms: u64,
        mut answer: impl FnMut() -> Option<T>,
    ) -> Result<T, Fault> {
        let deadline_ms = self.world.now_ms() + limit_ms;
        loop {
            self.world.step(self.process, what);
            if self.world.reaches_kafka(self.process)
                && let Some(answer) = answer()
            {
                return Ok(answer);
            }
            if self.world.now_ms() > deadline_ms {
                return Err(Fault::restart("broker", format!("{what}: timed out")));
            }
            self.world.pass_time(20);
        }
    }

    fn next_record(&mut self) -> Option<Record> {
        let (positions, stray) = self.member(|member| {
            let open = member.positions.iter().filter(|(partition, _)| !member.held.contains_key(*partition));
            let open: Vec<(Partition, i64)> = open.map(|(partition, at)| (partition.clone(), *at)).collect();
            (open, member.stray.take())
        });
        let stray = stray.and_then(|partition| {
            let at = self.member(|member| member.positions.get(&partition).copied())?;
            Some((partition, at))
        });
        let start = self.world.draw(positions.len().max(1) as u64) as usize;
        let (before, after) = positions.split_at(start.min(positions.len()));
        let order: Vec<(Partition, i64)> = stray.iter().chain(after).chain(before).cloned().collect();
        for (partition, at) in order {
            let found = self.world.kafka().logs.get(&partition)?.next_committed(&partition, at);
            let (next, record) = match found {
                Ok(record) => (record.offset + 1, Some(record)),
                Err(next) => (next, None),
            };
            self.member(|member| member.positions.insert(partition.clone(), next));
            if record.is_some() {
                return record;
            }
        }
        None
    }

    fn look_for_left_over(&mut self) -> Result<(), Fault> {
        let now_ms = self.world.now_ms();
        let left_over = self.member(|member| member.is_stable()) && self.world.has_left_over();
        if !left_over {
            self.stable_since_ms = now_ms;
        } else if now_ms - self.stable_since_ms > LEFT_OVER_MS {
            let name = self.world.name_of(self.process);
            self.world.kafka().group.leave(&name);
            return Err(Fault::restart("left_over", "partitions are nobody's"));
        }
        Ok(())
    }
}

impl Broker for SimulatedBroker {
    fn poll(&mut self, wait: Duration) -> Result<Polled, Fault> {
        self.producer.serve()?;
        self.look_for_successor()?;
        if let Some(event) = self.member(MemberClient::event) {
            self.world.step(self.process, "rebalance");
            return Ok(event);
        }
        self.look_for_left_over()?;
        if !self.world.reaches_kafka(self.process) {
            self.world.pass_time(wait.as_millis().min(10) as u64);
            return Ok(Polled::Nothing);
        }
        match self.next_record() {
            Some(record) => {
                self.world.step(self.process, "record");
                Ok(Polled::Record(record))
            }
            None => {
                self.world.pass_time(wait.as_millis().min(10) as u64);
                Ok(Polled::Nothing)
            }
        }
    }

    fn bounds(&mut self, partitions: &[Partition]) -> Result<Vec<Bounds>, Fault> {
        let mut bounds = Vec::new();
        for partition in partitions {
            let committed =
                self.ask("bounds", CALL_MS, || self.world.kafka().group.stable_offset(partition).ok())?;
            let high = self.world.kafka().logs.get(partition).map_or(0, |log| log.end());
            bounds.push(Bounds { low: 0, high, committed });
        }
        Ok(bounds)
    }

    fn admit(&mut self, partitions: &[(Partition, i64)]) -> Result<(), Fault> {
        self.world.step(self.process, "admit");
        let now_ms = self.world.now_ms();
        self.member(|member| {
            member.assigned.extend(partitions.iter().map(|(partition, _)| partition.clone()));
            member.positions.extend(partitions.iter().cloned());
            member.held.extend(partitions.iter().cloned());
            member.answered(&mut self.world.kafka().group, now_ms);
        });
        Ok(())
    }

    fn release(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        self.world.step(self.process, "release");
        let now_ms = self.world.now_ms();
        self.member(|member| {
            for partition in partitions {
                member.assigned.remove(partition);
                member.positions.remove(partition);
                member.held.remove(partition);
            }
            member.answered(&mut self.world.kafka().group, now_ms);
        });
        Ok(())
    }

    fn hold(&mut self, partition: &Partition, offset: i64) -> Result<(), Fault> {
        let stray = self.world.draw(4) == 0;
        self.member(|member| {
            member.held.insert(partition.clone(), offset);
            member.stray = stray.then(|| partition.clone());
        });
        Ok(())
    }

    fn resume(&mut self, partition: &Partition) -> Result<(), Fault> {
        // Sometimes the record before comes again.
        let back = i64::from(self.world.draw(4) == 0);
        self.member(|member| {
            if let Some(offset) = member.held.remove(partition) {
                member.positions.insert(partition.clone(), (offset - back).max(0));
            }
        });
        Ok(())
    }

    fn replay(&mut self, changelog: &Partition, from: i64) -> Result<Box<dyn Replay>, Fault> {
        let end = self.ask("replay", CALL_MS, || Some(self.world.kafka().logs.get(changelog)?.end()))?;
        if from > end {
            return Err(Fault::stop(
                ExitCode::Inconsistent,
                format!("{changelog} ends at {end}, not {from}"),
            ));
        }
        self.ask("open transactions", 90_000, || {
            (self.world.kafka().logs.get(changelog)?.last_stable() >= end).then_some(())
        })?;
        let (world, process, partition) = (Rc::clone(&self.world), self.process, changelog.clone());
        Ok(Box::new(SimulatedReplay { world, process, partition, next: from, end }))
    }

    fn send(&mut self, output: Output) -> Result<(), Fault> {
        self.producer.send(output)
    }

    fn commit(&mut self, offsets: &[(Partition, i64)]) -> Result<Vec<(i32, i64)>, Fault> {
        let (world, process) = (Rc::clone(&self.world), self.process);
        let group =
            move || -> Result<Identity, Fault> { Ok(world.member(process, |member| member.identity())) };
        self.producer.commit(offsets, group)
    }

    fn abort(&mut self) {
        self.producer.abort();
    }

    fn look_for_successor(&mut self) -> Result<(), Fault> {
        if self.member(|member| member.fenced) {
            return Err(Fault::stop(ExitCode::Fenced, "another process uses this one's name"));
        }
        Ok(())
    }

    fn renew(&mut self) -> Result<(), Fault> {
        self.producer.renew()
    }

    fn partitions(&mut self, topic: &str) -> Result<i32, Fault> {
        self.ask("metadata", CALL_MS, || Some(self.world.kafka().count(topic)))
    }

    fn lag(&self, partition: &Partition, next: i64) -> i64 {
        self.world.kafka().logs.get(partition).map_or(0, |log| (log.end() - next).max(0))
    }
}

impl Drop for SimulatedBroker {
    fn drop(&mut self) {
        // A static member that goes is expected back, so the group is told nothing.
        self.world.set_member(self.process, None);
    }
}

impl Replay for SimulatedReplay {
    fn next(&mut self, limit: usize, _: Duration) -> Result<Vec<Record>, Fault> {
        self.world.step(self.process, "restore");
        let mut records = Vec::new();
        let few = limit.min(1 + self.world.draw(40) as usize);
        if !self.world.reaches_kafka(self.process) {
            return Ok(records);
        }
        let kafka = self.world.kafka();
        let Some(log) = kafka.logs.get(&self.partition) else { return Ok(records) };
        while records.len() < few && self.next < self.end {
            match log.next_committed(&self.partition, self.next) {
                Ok(record) if record.offset < self.end => {
                    self.next = record.offset + 1;
                    records.push(record);
                }
                Ok(_) => self.next = self.end,
                Err(next) => {
                    self.next = next.min(self.end);
                    break;
                }
            }
        }
        Ok(records)
    }

    fn finished(&self) -> Option<i64> {
        (self.next >= self.end).then_some(self.next)
    }

    fn remaining(&self) -> i64 {
        self.end - self.next
    }
}
