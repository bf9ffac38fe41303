//! The demo without a Kafka: the same worker, tasks and restore over a log in memory. It shows what is
//! decided and why, and that state comes back from the log; it shows nothing of Kafka's transactions, of
//! group membership, or of a process that is really killed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::kafka::{SOURCES, output};
use super::script::topic;
use super::stage::{Stage, followed};
use crate::codec::output::SchemaIds;
use crate::config::Config;
use crate::runtime::broker::{Broker, Partition, Record};
use crate::runtime::embedded::{EmbeddedBroker, EmbeddedLog};
use crate::runtime::fault::{Exit, ExitCode, Fault};
use crate::runtime::instruments::Instruments;
use crate::runtime::instruments::vitals::Vitals;
use crate::runtime::plan::Plan;
use crate::runtime::stores::MemoryStores;
use crate::runtime::topics::wishes;
use crate::runtime::worker::Worker;
use crate::service::build;
use crate::service::process::{Clocks, connect_registry};
use crate::service::shutdown::Stop;
use crate::service::topics::exit;
use crate::shop::ShopRecord;

/// Frames carry ids of a registry; here nobody asks one.
const SCHEMA_IDS: SchemaIds = SchemaIds { profile_update: 1, decision: 2, segment_change: 3 };
const STEP: Duration = Duration::from_millis(5);

/// A log in memory with a worker on a thread.
pub(super) struct EmbeddedStage<'a> {
    config: &'a Config,
    log: EmbeddedLog,
    plan: Arc<Plan>,
    vitals: Arc<Vitals>,
    clocks: Clocks,
    reader: EmbeddedBroker,
    read_next: BTreeMap<Partition, i64>,
    running: Option<Running>,
}

/// A worker on its thread.
struct Running {
    stop: Stop,
    /// Whether it shall end without its drain.
    crash: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), Fault>>,
}

impl<'a> EmbeddedStage<'a> {
    /// A log with the topics of this application.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn open(config: &'a Config) -> Result<EmbeddedStage<'a>, Exit> {
        let own = wishes(config).into_iter().map(|wish| (wish.name.to_string(), wish.partitions));
        let sources = SOURCES.map(|(shop_topic, count)| (topic(&config.application, shop_topic), count));
        let topics: Vec<(String, i32)> = own.chain(sources).collect();
        let log = EmbeddedLog::new(topics.iter().map(|(name, partitions)| (name.as_str(), *partitions)));
        let registry = connect_registry(config)?;
        let plan = build::plan(config, &registry, SCHEMA_IDS, Arc::new(MemoryStores), Instruments::silent());
        let read_next = followed(config).into_iter().flat_map(|topic| {
            let topic: Arc<str> = Arc::from(topic);
            (0..config.partitions).map(move |number| (Partition::new(Arc::clone(&topic), number), 0))
        });
        Ok(EmbeddedStage {
            reader: member(&log, &plan, &[]),
            read_next: read_next.collect(),
            vitals: Vitals::new(1, topics.into_iter().map(|(name, _)| name).collect(), 10_000),
            clocks: Clocks::start(),
            config,
            plan: Arc::new(plan),
            log,
            running: None,
        })
    }

    fn end(&mut self, crash: bool) -> Result<(), Exit> {
        let Some(running) = self.running.take() else { return Ok(()) };
        running.crash.store(crash, Ordering::Release);
        running.stop.request();
        let panicked = |_| Err(Fault::stop(ExitCode::Failed, "the worker panicked: this is a defect"));
        running.thread.join().unwrap_or_else(panicked).map_err(exit)
    }
}

impl Stage for EmbeddedStage<'_> {
    fn feed(&mut self, record: &ShopRecord) -> Result<(), Exit> {
        self.log.append(output(&self.config.application, record), record.at).map_err(exit)
    }

    fn flush(&mut self) -> Result<(), Exit> {
        Ok(())
    }

    fn follow(&mut self, wait: Duration) -> Result<Vec<Record>, Exit> {
        if self.running.as_ref().is_some_and(|running| running.thread.is_finished()) {
            self.end(false)?;
        }
        let deadline = self.clocks.now().monotonic + wait;
        loop {
            let mut records = Vec::new();
            for (partition, next) in &mut self.read_next {
                let mut replay = self.reader.replay(partition, *next).map_err(exit)?;
                let read = replay.next(usize::MAX, Duration::ZERO).map_err(exit)?;
                *next = read.last().map_or(*next, |last| last.offset + 1);
                records.extend(read);
            }
            if !records.is_empty() || self.clocks.now().monotonic >= deadline {
                return Ok(records);
            }
            std::thread::sleep(STEP);
        }
    }

    fn start(&mut self) -> Result<(), Exit> {
        let (stop, crash) = (Stop::default(), Arc::new(AtomicBool::new(false)));
        let (stopped, crashed) = (stop.clone(), Arc::clone(&crash));
        let (plan, clocks, log) = (Arc::clone(&self.plan), self.clocks.clone(), self.log.clone());
        let vitals = self.vitals.worker(0);
        let work = move || {
            let broker = member(&log, &plan, &plan.topics());
            let mut worker = Worker::new(Arc::clone(&plan), broker, vitals, clocks.now())?;
            while !stopped.requested() {
                worker.turn(clocks.now())?;
            }
            if crashed.load(Ordering::Acquire) { Ok(()) } else { worker.drain(clocks.now()) }
        };
        let thread = std::thread::Builder::new()
            .name("worker-0".into())
            .spawn(work)
            .map_err(|error| Exit { code: ExitCode::Failed, text: format!("no thread: {error}") })?;
        self.running = Some(Running { stop, crash, thread });
        Ok(())
    }

    fn kill(&mut self) -> Result<String, Exit> {
        self.end(true)?;
        Ok("the worker is dropped without its drain, and all its state with it".into())
    }

    fn stop(&mut self) -> Result<(), Exit> {
        self.end(false)
    }

    fn read(&mut self, topics: &[&str]) -> Result<Vec<Vec<Record>>, Exit> {
        Ok(topics.iter().map(|topic| self.log.read(topic)).collect())
    }
}

impl Drop for EmbeddedStage<'_> {
    fn drop(&mut self) {
        // Whoever drops it early has an error of their own to tell.
        let _ = self.end(true);
    }
}

fn member(log: &EmbeddedLog, plan: &Plan, topics: &[&str]) -> EmbeddedBroker {
    let changelog = Arc::clone(&plan.shared.topics.changelog);
    EmbeddedBroker::new(log.clone(), topics, changelog, Arc::new(Clocks::wall))
}
