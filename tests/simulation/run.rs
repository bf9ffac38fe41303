//! One run: a seed's application is fed into a seed's world while things go wrong, then everything is healed,
//! has to come to rest, and is judged. The same seed gives the same run.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use bespoke::runtime::broker::Output;

use super::application::{Application, SOURCES, Sent};
use super::faults::{Fault, Faults};
use super::group::Protocol;
use super::kafka::Kafka;
use super::random::Random;
use super::world::World;
use super::{disarmed, verdict};

/// How long after everything was healed the world may take to come to rest.
const REST_MS_MAX: u64 = 180_000;
const PROCESSES_MAX: u64 = 3;

/// How a run went.
pub(crate) struct Outcome {
    pub(crate) violation: Option<String>,
    /// The faults that fired, with their numbers.
    pub(crate) fired: Vec<(usize, Fault)>,
    pub(crate) trace: u64,
    pub(crate) steps: u64,
    /// How many late requests arrived, and how many of them did something.
    pub(crate) late_frames: (u64, u64),
    pub(crate) compared: String,
}

/// Runs a seed with all its faults, or only with those of these numbers.
pub(crate) fn run(seed: u64, allowed: Option<BTreeSet<usize>>) -> Outcome {
    let mut random = Random::new(seed, 2);
    let application = Application::new(seed);
    let protocol = if random.chance(50_000) { Protocol::Eager } else { Protocol::Cooperative };
    let names = &application.config.topics;
    let state_topics = (Arc::from(&*names.commands), Arc::from(&*names.changelog));
    let read = [&[&*names.commands], &SOURCES[..]].concat();
    let kafka = Kafka::new(&application.topics(), &read, protocol, state_topics);
    let processes = random.between(1, PROCESSES_MAX) as usize;
    let world = World::new(application, kafka, processes, seed, Faults::new(seed, allowed));
    let mut story = Story::new(&world, &mut random);
    let judged = catch_unwind(AssertUnwindSafe(|| live(&world, &mut story, &mut random)));
    let compared = match judged {
        Ok(Ok(compared)) => compared,
        Ok(Err(text)) => {
            world.violate(text);
            String::new()
        }
        Err(_) => {
            world.violate("the simulation itself panicked".into());
            String::new()
        }
    };
    let outcome = Outcome {
        violation: world.violation(),
        fired: world.faults.borrow().fired.clone(),
        trace: world.trace(),
        steps: world.steps.get(),
        late_frames: world.kafka().late_frames,
        compared,
    };
    world.end();
    outcome
}

fn live(world: &Rc<World>, story: &mut Story, random: &mut Random) -> Result<String, String> {
    while !story.is_over(world.now_ms()) {
        story.tell(world);
        let process = random.below(world.process_count() as u64) as usize;
        world.trouble(process);
        world.turn(process);
        world.pass_time(random.between(0, 12));
        broken(world)?;
    }
    story.finish(world);
    world.heal();
    world.kafka().drop_late();
    rest(world, random)?;
    // Some more turns, for what fell due at the end; then everybody stops in order.
    for _ in 0..60 {
        world.turn(random.below(world.process_count() as u64) as usize);
        world.pass_time(20);
    }
    rest(world, random)?;
    for process in 0..world.process_count() {
        world.terminate(process, None);
    }
    world.pass_time(50);
    broken(world)?;
    disarmed(|| verdict::check(world))
}

/// Turns everybody until everything is read.
fn rest(world: &Rc<World>, random: &mut Random) -> Result<(), String> {
    let deadline_ms = world.now_ms() + REST_MS_MAX;
    while !verdict::is_consumed(world) {
        if world.now_ms() > deadline_ms {
            let left = verdict::left(world);
            return Err(format!("stalled three minutes after all was healed: {left}"));
        }
        world.turn(random.below(world.process_count() as u64) as usize);
        world.pass_time(random.between(0, 12));
        broken(world)?;
    }
    Ok(())
}

fn broken(world: &World) -> Result<(), String> {
    world.violation().map_or(Ok(()), Err)
}

/// The records that are sent in the course of a run, and when.
struct Story {
    waiting: std::vec::IntoIter<Sent>,
    next_ms: u64,
    pace_ms: u64,
    over_ms: u64,
    foreign: Option<(u64, String)>,
    foreigners: usize,
}

impl Story {
    fn new(world: &World, random: &mut Random) -> Story {
        let records = world.application.story.clone();
        let pace_ms = random.between(5, 120);
        let over_ms = records.len() as u64 * pace_ms + random.between(0, 10_000);
        Story { waiting: records.into_iter(), next_ms: 0, pace_ms, over_ms, foreign: None, foreigners: 0 }
    }

    fn is_over(&self, now_ms: u64) -> bool {
        now_ms >= self.over_ms && self.waiting.len() == 0
    }

    /// Sends what is due.
    fn tell(&mut self, world: &World) {
        let now_ms = world.now_ms();
        while self.next_ms <= now_ms
            && let Some(record) = self.waiting.next()
        {
            self.next_ms += self.pace_ms;
            if world.faults.borrow_mut().fires(Fault::ForeignTransaction) && self.foreign.is_none() {
                self.begin_foreign(world, &record);
            }
            let at = record.at;
            world.kafka().append_plain(output(record), at);
        }
        if self.foreign.as_ref().is_some_and(|(until_ms, _)| *until_ms <= now_ms) {
            self.end_foreign(world);
        }
    }

    /// Another producer writes the same record in a transaction that it will abort.
    fn begin_foreign(&mut self, world: &World, record: &Sent) {
        self.foreigners += 1;
        let id = format!("back-end-{}", self.foreigners);
        let mut kafka = world.kafka();
        let (now_ms, at) = (kafka.now_ms, record.at);
        let output = output(record.clone());
        let place = kafka.place_of(&output);
        let Ok(producer) = kafka.transactions.initialise(&id, 60_000) else { return };
        if kafka.transactions.add(&id, producer, &place, now_ms).is_ok()
            && let Some(log) = kafka.logs.get_mut(&place)
        {
            log.append(producer, 1, &[output], at);
            let open_ms = world.faults.borrow_mut().between(20, 4_000);
            self.foreign = Some((now_ms + open_ms, id));
        }
    }

    fn end_foreign(&mut self, world: &World) {
        let Some((_, id)) = self.foreign.take() else { return };
        let mut kafka = world.kafka();
        if let Some(producer) = kafka.transactions.producer(&id) {
            let _ = kafka.transactions.end(&id, producer, false);
        }
    }

    fn finish(&mut self, world: &World) {
        self.end_foreign(world);
    }
}

fn output(record: Sent) -> Output {
    let Sent { topic, key, value, .. } = record;
    Output { topic: topic.into(), key: Some(key), value, ..Output::default() }
}
