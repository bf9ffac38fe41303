//! A world of processes around one cluster, on one thread, driven by one seed. Whatever a process asks its
//! surroundings for passes through [`World::step`]: there time goes on, others take their turns in the middle
//! of this one's, and things go wrong.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bespoke::domain::time::Timestamp;
use bespoke::runtime::fault::{Exit, ExitCode, Fault as RuntimeFault};
use bespoke::runtime::instruments::vitals::Vitals;
use bespoke::runtime::plan::Now;
use bespoke::runtime::runner::Runner;

use super::application::Application;
use super::broker::SimulatedBroker;
use super::disk::Disk;
use super::faults::{Fault, Faults};
use super::group::SESSION_MS;
use super::kafka::{EPOCH_MS, Kafka};
use super::member::MemberClient;
use super::producer::TRANSACTION_TIMEOUT;
use super::random::Random;

/// How deep others may run in the middle of somebody's step.
const DEPTH_MAX: usize = 2;
/// One step in so many lets somebody else take a turn.
const INTERLEAVE: u64 = 12;

thread_local! {
    static PRESENT: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

type Connect = Box<dyn FnMut() -> Result<SimulatedBroker, RuntimeFault>>;
type SimulatedRunner = Runner<SimulatedBroker, Connect>;

/// What a crash unwinds with.
pub(crate) struct Crashed;

/// What is lost of a request.
pub(crate) enum Loss {
    Nothing,
    /// It is executed, and nobody hears of it.
    Answer,
    /// It is under way until then, and the client has given it up.
    Request {
        until_ms: u64,
    },
}

/// Everything there is.
pub(crate) struct World {
    pub(crate) application: Application,
    kafka: RefCell<Kafka>,
    random: RefCell<Random>,
    pub(crate) faults: RefCell<Faults>,
    members: RefCell<BTreeMap<usize, MemberClient>>,
    processes: Vec<RefCell<Process>>,
    depth: Cell<usize>,
    violation: RefCell<Option<String>>,
    trace: RefCell<DefaultHasher>,
    pub(crate) steps: Cell<u64>,
    pub(crate) exits: RefCell<Vec<String>>,
    is_told: bool,
}

struct Process {
    runner: Option<Box<SimulatedRunner>>,
    state: ProcessState,
    pub(crate) disk: Disk,
    started_ms: u64,
    clock_skew_ms: i64,
    cut_until_ms: u64,
    full_until_ms: u64,
    damages: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProcessState {
    Up,
    Down {
        until_ms: u64,
    },
    Paused,
    /// Not wanted now.
    Gone,
}

impl World {
    pub(crate) fn new(
        application: Application,
        kafka: Kafka,
        processes: usize,
        seed: u64,
        faults: Faults,
    ) -> Rc<World> {
        let process = |number| {
            RefCell::new(Process {
                runner: None,
                state: ProcessState::Down { until_ms: 0 },
                disk: Disk::new(number),
                started_ms: 0,
                clock_skew_ms: 0,
                cut_until_ms: 0,
                full_until_ms: 0,
                damages: 0,
            })
        };
        let world = Rc::new(World {
            application,
            kafka: RefCell::new(kafka),
            random: RefCell::new(Random::new(seed, 3)),
            faults: RefCell::new(faults),
            members: RefCell::default(),
            processes: (0..processes).map(process).collect(),
            depth: Cell::new(0),
            violation: RefCell::new(None),
            trace: RefCell::default(),
            steps: Cell::new(0),
            exits: RefCell::default(),
            is_told: std::env::var_os("BESPOKE_TEST_TRACE").is_some(),
        });
        PRESENT.set(Some(Rc::clone(&world)));
        world
    }

    /// Counts all processes as running without anything in them, for who drives brokers by hand.
    #[allow(dead_code, reason = "the conformance test uses it")]
    pub(crate) fn raise(&self) {
        for process in &self.processes {
            process.borrow_mut().state = ProcessState::Up;
        }
    }

    /// Ends the world: its processes hold it, so it has to be told.
    pub(crate) fn end(&self) {
        for process in &self.processes {
            let runner = process.borrow_mut().runner.take();
            drop(runner);
        }
        PRESENT.set(None);
    }

    // ---- What processes ask for ------------------------------------------------------------------------

    pub(crate) fn kafka(&self) -> RefMut<'_, Kafka> {
        self.kafka.borrow_mut()
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.kafka.borrow().now_ms
    }

    pub(crate) fn draw(&self, bound: u64) -> u64 {
        self.random.borrow_mut().below(bound)
    }

    pub(crate) fn name_of(&self, process: usize) -> String {
        format!("{}-{process}-0", self.application.config.application)
    }

    pub(crate) fn set_member(&self, process: usize, member: Option<MemberClient>) {
        let mut members = self.members.borrow_mut();
        match member {
            Some(member) => members.insert(process, member),
            None => members.remove(&process),
        };
    }

    pub(crate) fn member<T>(&self, process: usize, act: impl FnOnce(&mut MemberClient) -> T) -> T {
        act(self.members.borrow_mut().get_mut(&process).expect("a broker has a member"))
    }

    pub(crate) fn has_left_over(&self) -> bool {
        let members = self.members.borrow();
        let read = self.application_topics();
        let kafka = self.kafka.borrow();
        let mut partitions = kafka.logs.keys().filter(|partition| read.contains(&&*partition.topic));
        partitions.any(|partition| !members.values().any(|member| member.assigned.contains(partition)))
    }

    pub(crate) fn reaches_kafka(&self, process: usize) -> bool {
        let kafka = self.kafka.borrow();
        !kafka.is_away() && kafka.now_ms >= self.processes[process].borrow().cut_until_ms
    }

    pub(crate) fn loss(&self, _process: usize) -> Loss {
        let mut faults = self.faults.borrow_mut();
        if faults.fires(Fault::LostAnswer) {
            return Loss::Answer;
        }
        if faults.fires(Fault::LateRequest) {
            return Loss::Request { until_ms: self.now_ms() + faults.between(1, 600) };
        }
        Loss::Nothing
    }

    /// A moment between two steps of a process.
    pub(crate) fn step(self: &Rc<World>, process: usize, what: &'static str) {
        if std::thread::panicking() {
            return;
        }
        self.steps.set(self.steps.get() + 1);
        let now_ms = self.now_ms();
        (process, what, now_ms).hash(&mut *self.trace.borrow_mut());
        self.say(|| format!("{process} {what}"));
        if self.draw(3) == 0 {
            self.pass_time(1);
        }
        if self.faults.borrow_mut().fires(Fault::Crash) {
            panic_any(Crashed);
        }
        if self.faults.borrow_mut().fires(Fault::Pause) {
            self.pause(process);
        }
        if self.depth.get() < DEPTH_MAX && self.draw(INTERLEAVE) == 0 {
            self.others_turn(process);
        }
    }

    /// Tells what happens, where that is wanted: with `BESPOKE_TEST_TRACE` set.
    pub(crate) fn say(&self, text: impl FnOnce() -> String) {
        if self.is_told {
            eprintln!("{:>7} {}{}", self.now_ms(), "  ".repeat(self.depth.get()), text());
        }
    }

    /// Time goes on, and whatever happens by itself happens.
    pub(crate) fn pass_time(&self, time_ms: u64) {
        let passed = self.kafka.borrow_mut().pass_time(time_ms, &mut self.random.borrow_mut());
        if let Err(text) = passed {
            self.violate(text);
        }
        let now_ms = self.now_ms();
        for (process, member) in self.members.borrow_mut().iter_mut() {
            let runs = self.processes[*process].borrow().state == ProcessState::Up;
            // Answers take their time: members hear of a new generation one after the other.
            let hears = self.random.borrow_mut().chance(15_000);
            if runs && hears && self.reaches_kafka(*process) && !member.fenced {
                member.work(&mut self.kafka.borrow_mut().group, now_ms);
            }
        }
    }

    pub(crate) fn violate(&self, text: String) {
        self.violation.borrow_mut().get_or_insert(text);
    }

    pub(crate) fn violation(&self) -> Option<String> {
        self.violation.borrow().clone()
    }

    /// Who is there, for people.
    pub(crate) fn describe(&self) -> String {
        let members = self.members.borrow();
        let processes = self.processes.iter().enumerate().map(|(number, process)| {
            let process = process.borrow();
            let member = members.get(&number).map(MemberClient::describe).unwrap_or_default();
            format!("{number} {:?} {} {member}", process.state, process.runner.is_some())
        });
        processes.collect::<Vec<String>>().join(" | ")
    }

    /// What has happened, as a number.
    pub(crate) fn trace(&self) -> u64 {
        self.trace.borrow().finish()
    }

    // ---- The life of processes -------------------------------------------------------------------------

    pub(crate) fn process_count(&self) -> usize {
        self.processes.len()
    }

    pub(crate) fn disk(&self, process: usize) -> Disk {
        self.processes[process].borrow().disk.clone()
    }

    /// One turn of a process, if it can take one.
    pub(crate) fn turn(self: &Rc<World>, process: usize) {
        let now_ms = self.now_ms();
        {
            let mut present = self.processes[process].borrow_mut();
            match present.state {
                ProcessState::Gone | ProcessState::Paused => return,
                ProcessState::Down { until_ms } if now_ms < until_ms => return,
                ProcessState::Down { .. } => {
                    drop(present);
                    self.start(process);
                    present = self.processes[process].borrow_mut();
                }
                ProcessState::Up => {}
            }
            present.disk.fill(now_ms < present.full_until_ms);
        }
        // Who is in the middle of a turn has no runner here.
        let Some(mut runner) = self.processes[process].borrow_mut().runner.take() else { return };
        let now = self.now_of(process);
        match catch_unwind(AssertUnwindSafe(|| runner.turn(now))) {
            Ok(Ok(())) => self.processes[process].borrow_mut().runner = Some(runner),
            Ok(Err(exit)) => {
                drop(runner);
                self.exited(process, &exit);
            }
            Err(cause) => {
                // The dead close nothing and say nothing; what they hold is dropped, and the disk forgets
                // that afterwards.
                let crashed = cause.is::<Crashed>();
                self.died(process, move || drop(runner));
                if !crashed {
                    let text = cause.downcast_ref::<String>().cloned();
                    let text = text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                    self.violate(format!("process {process} panicked: {}", text.unwrap_or_default()));
                }
            }
        }
    }

    /// Lets a process end as SIGTERM does: it commits what is open.
    pub(crate) fn terminate(self: &Rc<World>, process: usize, until_ms: Option<u64>) {
        let Some(mut runner) = self.processes[process].borrow_mut().runner.take() else { return };
        let now = self.now_of(process);
        match catch_unwind(AssertUnwindSafe(|| runner.drain(now))) {
            Ok(Ok(())) => {
                drop(runner);
                let state = until_ms.map_or(ProcessState::Gone, |until_ms| ProcessState::Down { until_ms });
                self.processes[process].borrow_mut().state = state;
            }
            Ok(Err(exit)) => {
                drop(runner);
                self.exited(process, &exit);
            }
            Err(_) => self.died(process, move || drop(runner)),
        }
    }

    /// A process that is not wanted is, or the other way round.
    pub(crate) fn scale(self: &Rc<World>, process: usize) {
        let state = self.processes[process].borrow().state;
        if state == ProcessState::Gone {
            self.processes[process].borrow_mut().state = ProcessState::Down { until_ms: 0 };
        } else if process > 0 {
            self.terminate(process, None);
        }
    }

    /// Faults that hit a process from outside, between its turns.
    pub(crate) fn trouble(self: &Rc<World>, process: usize) {
        let now_ms = self.now_ms();
        let fires = |kind| self.faults.borrow_mut().fires(kind);
        let between = |low, high| self.faults.borrow_mut().between(low, high);
        if fires(Fault::Terminate) {
            let until_ms = now_ms + between(50, 3_000);
            self.terminate(process, Some(until_ms));
        }
        if fires(Fault::Scale) {
            self.scale(process);
        }
        if fires(Fault::Cut) {
            let until_ms = now_ms + between(100, 12_000);
            self.processes[process].borrow_mut().cut_until_ms = until_ms;
        }
        if fires(Fault::BrokerAway) {
            let until_ms = now_ms + between(200, 9_000);
            self.kafka.borrow_mut().away_until_ms = until_ms;
            // A coordinator that comes back starts all sessions anew.
            self.kafka.borrow_mut().group.forget_silence(until_ms);
        }
        if fires(Fault::FullDisk) {
            let until_ms = now_ms + between(200, 5_000);
            self.processes[process].borrow_mut().full_until_ms = until_ms;
        }
        if fires(Fault::ClockJump) {
            let jump_ms = between(0, 172_800_000) as i64 - 86_400_000;
            self.processes[process].borrow_mut().clock_skew_ms += jump_ms;
        }
    }

    /// Nothing goes wrong any more, and everybody wanted is there.
    pub(crate) fn heal(&self) {
        self.faults.borrow_mut().healed = true;
        let now_ms = self.now_ms();
        self.kafka.borrow_mut().away_until_ms = 0;
        for process in &self.processes {
            let mut process = process.borrow_mut();
            (process.cut_until_ms, process.full_until_ms) = (0, 0);
            if let ProcessState::Down { until_ms } = &mut process.state {
                *until_ms = now_ms;
            }
        }
        if let Some(first) = self.processes.first()
            && first.borrow().state == ProcessState::Gone
        {
            first.borrow_mut().state = ProcessState::Down { until_ms: now_ms };
        }
    }

    fn start(self: &Rc<World>, process: usize) {
        let disk = self.disk(process);
        if self.faults.borrow_mut().fires(Fault::LostDisk) {
            disk.delete();
        } else if self.faults.borrow_mut().fires(Fault::OldDisk) {
            disk.put_back();
        }
        if self.processes[process].borrow().damages == 0
            && self.faults.borrow_mut().fires(Fault::Damage)
            && disk.damage(&mut self.random.borrow_mut())
        {
            self.processes[process].borrow_mut().damages += 1;
        }
        if self.draw(4) == 0 {
            disk.remember();
        }
        let plan = self.application.plan(Arc::new(disk));
        let changelog = Arc::clone(&plan.shared.topics.changelog);
        let world = Rc::clone(self);
        let connect: Connect = Box::new(move || SimulatedBroker::connect(&world, process, &changelog));
        let vitals = Vitals::new(1, Vec::new(), 10_000);
        let now_ms = self.now_ms();
        let mut present = self.processes[process].borrow_mut();
        present.started_ms = now_ms;
        present.state = ProcessState::Up;
        present.runner = Some(Box::new(Runner::new(plan, &vitals, 0, connect)));
    }

    fn exited(&self, process: usize, exit: &Exit) {
        self.exits.borrow_mut().push(format!("process {process} exits with {:?}: {}", exit.code, exit.text));
        // Only a clash of names may end a process here: a supervisor starts it again.
        if exit.code != ExitCode::Fenced {
            self.violate(format!("process {process} ends itself ({:?}): {}", exit.code, exit.text));
        }
        self.down(process);
    }

    fn died(&self, process: usize, drop_runner: impl FnOnce()) {
        // A store that is dropped here would sync what the crash has lost, so the disk is asked first.
        let disk = self.disk(process);
        disk.crash(&mut self.random.borrow_mut());
        let after = disk.freeze();
        drop_runner();
        disk.thaw(after);
        self.down(process);
    }

    fn down(&self, process: usize) {
        let until_ms = self.now_ms() + self.random.borrow_mut().between(10, 4_000);
        self.processes[process].borrow_mut().state = ProcessState::Down { until_ms };
        self.set_member(process, None);
    }

    fn now_of(&self, process: usize) -> Now {
        let process = self.processes[process].borrow();
        let now_ms = self.now_ms();
        Now {
            monotonic: Duration::from_millis(now_ms - process.started_ms + 1_000),
            wall: Timestamp::from_ms(EPOCH_MS + now_ms as i64 + process.clock_skew_ms),
        }
    }

    /// SIGSTOP in the middle of a step, until the session is over and the transaction too.
    fn pause(self: &Rc<World>, process: usize) {
        if self.depth.get() >= DEPTH_MAX {
            return;
        }
        let longest_ms = SESSION_MS + TRANSACTION_TIMEOUT.as_millis() as u64 + 3_000;
        let until_ms = self.now_ms() + self.faults.borrow_mut().between(500, longest_ms);
        self.processes[process].borrow_mut().state = ProcessState::Paused;
        while self.now_ms() < until_ms {
            self.pass_time(15);
            self.others_turn(process);
        }
        self.processes[process].borrow_mut().state = ProcessState::Up;
    }

    fn others_turn(self: &Rc<World>, process: usize) {
        let other = self.draw(self.processes.len() as u64) as usize;
        if other != process {
            self.depth.set(self.depth.get() + 1);
            self.turn(other);
            self.depth.set(self.depth.get() - 1);
        }
    }

    fn application_topics(&self) -> [&str; 4] {
        [&self.application.config.topics.commands, "clickstream", "orders", "content"]
    }
}

/// A step of a process of this thread's world, for those who cannot hold the world.
pub(crate) fn step_of(process: usize, what: &'static str) {
    if let Some(world) = PRESENT.with_borrow(Clone::clone) {
        world.step(process, what);
    }
}

/// A number below a bound, from this thread's world.
pub(crate) fn draw_of(bound: u64) -> u64 {
    PRESENT.with_borrow(Clone::clone).map_or(0, |world| world.draw(bound))
}
