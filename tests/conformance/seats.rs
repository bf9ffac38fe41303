//! What the scripts of members have in common: each member is polled in turn, takes what it is given and gives
//! back what is asked for, and what it was told is written down.

use std::time::Duration;

use bespoke::runtime::broker::{Broker, Partition, Polled};
use bespoke::runtime::fault::Fault;

use super::stage::Stage;

/// How long a script waits for something.
const PATIENCE_MS: u64 = 30_000;
/// How many partitions the group has.
const PARTITIONS: usize = 4;
/// How long one member is asked for what happens.
const POLL: Duration = Duration::from_millis(5);

/// The members of a script.
pub(crate) struct Seats<'s> {
    pub(crate) stage: &'s mut dyn Stage,
    seats: Vec<Seat>,
}

/// One member. Two may have the same name.
#[derive(Default)]
struct Seat {
    name: usize,
    broker: Option<Box<dyn Broker>>,
    owned: Vec<Partition>,
    /// `+a0 a1`: assigned, `-a0`: revoked, `!a0`: lost; `=`: the end, and why.
    told: Vec<String>,
    read: Vec<String>,
}

impl<'s> Seats<'s> {
    pub(crate) fn new(stage: &'s mut dyn Stage) -> Seats<'s> {
        Seats { stage, seats: Vec::new() }
    }

    /// A member comes under a name, to this seat.
    pub(crate) fn start(&mut self, seat: usize, name: usize) {
        while self.seats.len() <= seat {
            self.seats.push(Seat::default());
        }
        let broker = Some(self.stage.connect(seat, name));
        (self.seats[seat].name, self.seats[seat].broker) = (name, broker);
    }

    /// A member goes without a word; its session goes on until it ends by itself.
    pub(crate) fn go(&mut self, seat: usize) {
        let seat = &mut self.seats[seat];
        seat.broker = None;
        seat.owned.clear();
        seat.told.push("gone".to_owned());
    }

    pub(crate) fn broker(&mut self, seat: usize) -> &mut dyn Broker {
        &mut **self.seats[seat].broker.as_mut().expect("the member is there")
    }

    /// What each member was told.
    pub(crate) fn told(&self) -> Vec<Vec<String>> {
        self.seats.iter().map(|seat| seat.told.clone()).collect()
    }

    /// What a member has read, and forgets it.
    pub(crate) fn take_read(&mut self, seat: usize) -> Vec<String> {
        std::mem::take(&mut self.seats[seat].read)
    }

    /// Goes on until each member has something and all partitions have members.
    pub(crate) fn until_shared(&mut self) {
        self.until("shares", |seats| {
            let counts = || seats.seats.iter().map(|seat| seat.owned.len());
            counts().all(|count| count > 0) && counts().sum::<usize>() == PARTITIONS
        });
    }

    /// Goes on until members have so many partitions.
    pub(crate) fn until_owned(&mut self, counts: &[usize]) {
        self.until(&format!("{counts:?} partitions"), |seats| {
            seats.seats.iter().map(|seat| seat.owned.len()).eq(counts.iter().copied())
        });
    }

    /// Goes on until a member has been told something that begins so.
    pub(crate) fn until_told(&mut self, seat: usize, what: &str) {
        self.until(what, |seats| seats.seats[seat].told.iter().any(|told| told.starts_with(what)));
    }

    /// Goes on until a member has read so many records.
    pub(crate) fn until_read(&mut self, seat: usize, count: usize) {
        self.until(&format!("{count} records"), |seats| seats.seats[seat].read.len() >= count);
    }

    /// Goes on until a topic's first partition reaches this end.
    pub(crate) fn until_end(&mut self, topic: &str, end: i64) {
        let deadline_ms = self.stage.elapsed_ms() + PATIENCE_MS;
        while self.stage.end(topic) < end {
            assert!(self.stage.elapsed_ms() < deadline_ms, "{topic} does not reach {end}");
            self.turn();
        }
    }

    /// Goes on for a while, in which nothing may happen that the script does not state.
    pub(crate) fn go_on(&mut self, time_ms: u64) {
        let until_ms = self.stage.elapsed_ms() + time_ms;
        while self.stage.elapsed_ms() < until_ms {
            self.turn();
        }
    }

    fn until(&mut self, what: &str, holds: impl Fn(&Seats<'_>) -> bool) {
        let deadline_ms = self.stage.elapsed_ms() + PATIENCE_MS;
        while !holds(self) {
            assert!(self.stage.elapsed_ms() < deadline_ms, "{what} do not come: {:?}", self.told());
            self.turn();
        }
    }

    fn turn(&mut self) {
        let mut given = Vec::new();
        for (at, seat) in self.seats.iter_mut().enumerate() {
            let Some(broker) = seat.broker.as_deref_mut() else { continue };
            match broker.poll(POLL) {
                Ok(Polled::Nothing) => {}
                Ok(Polled::Record(record)) => {
                    seat.read.push(format!("{}@{}", short(&record.partition), record.offset));
                }
                Ok(Polled::Assigned(partitions)) => {
                    tell(&mut seat.told, '+', &partitions);
                    given.push((at, partitions.clone()));
                    take(broker, &partitions);
                    seat.owned.extend(partitions);
                }
                Ok(Polled::Revoked(partitions)) => {
                    tell(&mut seat.told, '-', &partitions);
                    broker.release(&partitions).unwrap();
                    seat.owned.retain(|owned| !partitions.contains(owned));
                }
                Ok(Polled::Lost(partitions)) => {
                    tell(&mut seat.told, '!', &partitions);
                    broker.release(&partitions).unwrap();
                    seat.owned.retain(|owned| !partitions.contains(owned));
                }
                Err(fault) => {
                    let why = match fault {
                        Fault::Stop(exit) => format!("{:?}", exit.code),
                        other => other.to_string(),
                    };
                    seat.told.push(format!("={why}"));
                    (seat.broker, seat.owned) = (None, Vec::new());
                }
            }
        }
        given.iter().for_each(|(at, partitions)| self.check_sole_owner(*at, partitions));
    }

    /// Nobody is given what another still has, except by taking its name.
    fn check_sole_owner(&self, at: usize, partitions: &[Partition]) {
        let others = self.seats.iter().filter(|other| other.name != self.seats[at].name);
        let taken = others.flat_map(|other| &other.owned).find(|owned| partitions.contains(owned));
        assert_eq!(taken, None, "two members have it: {:?}", self.told());
    }
}

/// An assignment of nothing tells nothing.
fn tell(told: &mut Vec<String>, sign: char, partitions: &[Partition]) {
    if !partitions.is_empty() {
        let mut names: Vec<String> = partitions.iter().map(short).collect();
        names.sort();
        told.push(format!("{sign}{}", names.join(" ")));
    }
}

/// Takes partitions from where the group has come to, and reads them.
fn take(broker: &mut dyn Broker, partitions: &[Partition]) {
    let bounds = broker.bounds(partitions).unwrap();
    let positions = partitions.iter().zip(bounds);
    let positions: Vec<(Partition, i64)> = positions
        .map(|(partition, bounds)| (partition.clone(), bounds.committed.unwrap_or(bounds.low)))
        .collect();
    broker.admit(&positions).unwrap();
    for partition in partitions {
        broker.resume(partition).unwrap();
    }
}

/// A partition's short name.
fn short(partition: &Partition) -> String {
    let topic = partition.topic.rsplit('-').next().unwrap_or_default();
    format!("{topic}{}", partition.number)
}
