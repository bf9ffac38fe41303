//! One application on the embedded log: its topics, a worker turned by hand, and the comparison with the fold.

use std::sync::Arc;
use std::time::Duration;

use bespoke::codec::output::{OutputCodec, SchemaIds};
use bespoke::codec::registry::{Registry, RegistrySettings};
use bespoke::config::Config;
use bespoke::config::overlay::Flags;
use bespoke::domain::time::Timestamp;
use bespoke::runtime::broker::{Output, Record};
use bespoke::runtime::embedded::{EmbeddedBroker, EmbeddedLog};
use bespoke::runtime::instruments::Instruments;
use bespoke::runtime::instruments::vitals::Vitals;
use bespoke::runtime::plan::{Now, Plan};
use bespoke::runtime::stores::{MemoryStores, Stores};
use bespoke::runtime::worker::Worker;
use bespoke::service::build;
use bespoke::shop::{CONFIG, Shop, ShopRecord, ShopSettings};

use super::fold;
use super::outputs::{self, Outputs};

const IDS: SchemaIds = SchemaIds { profile_update: 1, decision: 2, segment_change: 3 };
const PARTITIONS: i32 = 4;
const STARTS_AT: Timestamp = Timestamp::from_ms(1_767_571_200_000);

/// An application on a log in memory. The sources have one partition each.
pub(crate) struct Pipeline {
    pub(crate) log: EmbeddedLog,
    config: Config,
    plan: Arc<Plan>,
}

/// A worker, and the clock that its turns move.
pub(crate) struct Turns<'p> {
    pipeline: &'p Pipeline,
    worker: Worker<EmbeddedBroker>,
    now: Now,
    tick: Duration,
}

impl Pipeline {
    /// An application that commits after so many records at the latest. Its stores are gone with its workers.
    pub(crate) fn new(application: &str, records_max: usize) -> Pipeline {
        Pipeline::with_stores(application, records_max, Arc::new(MemoryStores))
    }

    /// The same with stores elsewhere.
    pub(crate) fn with_stores(application: &str, records_max: usize, stores: Arc<dyn Stores>) -> Pipeline {
        let text = CONFIG.replacen("application: shop", &format!("application: {application}"), 1);
        let mut config = Config::load(&text, "shop.yaml", [], &Flags::new()).unwrap();
        config.commit.records_max = records_max;
        let names = config.topics.clone();
        let own = [
            &names.commands,
            &names.changelog,
            &names.profile_updates,
            &names.decisions,
            &names.segment_changes,
            &names.dead_letters,
            &names.status,
        ];
        let sources = [("clickstream", 1), ("orders", 1), ("content", 1)];
        let log = EmbeddedLog::new(own.map(|name| (&**name, PARTITIONS)).into_iter().chain(sources));
        let plan = Arc::new(plan(&config, stores));
        Pipeline { log, config, plan }
    }

    /// Its plan, with stores elsewhere.
    pub(crate) fn plan_with(&self, stores: Arc<dyn Stores>) -> Plan {
        plan(&self.config, stores)
    }

    /// Content and events of a shop, untidy as they come.
    pub(crate) fn shop(&self, seed: usize, events: usize) -> Vec<ShopRecord> {
        let shop = settings(seed, events);
        let mut records = shop.contents();
        records.extend(shop);
        records
    }

    /// The content of every shop.
    pub(crate) fn contents(&self) -> Vec<ShopRecord> {
        settings(0, 0).contents()
    }

    pub(crate) fn append(&self, records: impl IntoIterator<Item = ShopRecord>) {
        for record in records {
            let (key, value) = (Some(record.key), Some(record.value));
            let output = Output { topic: record.topic.name().into(), key, value, ..Output::default() };
            self.log.append(output, record.at).unwrap();
        }
    }

    /// Copies another application's command log, which needs no sources then.
    pub(crate) fn append_commands_of(&self, other: &Pipeline) {
        for record in other.commands() {
            let topic = Arc::clone(&self.plan.shared.topics.commands);
            let partition = Some(record.partition.number);
            let output = Output {
                topic,
                partition,
                key: record.key,
                value: record.value,
                headers: Vec::new(),
                timestamp: None,
            };
            self.log.append(output, record.timestamp).unwrap();
        }
    }

    /// Copies those records of another application's changelog that `keep` wants.
    pub(crate) fn append_changelog_of(&self, other: &Pipeline, keep: impl Fn(&Record) -> bool) {
        for record in other.changelog().into_iter().filter(keep) {
            let topic = Arc::clone(&self.plan.shared.topics.changelog);
            let partition = Some(record.partition.number);
            let output = Output {
                topic,
                partition,
                key: record.key,
                value: record.value,
                headers: Vec::new(),
                timestamp: None,
            };
            self.log.append(output, record.timestamp).unwrap();
        }
    }

    /// What stands in the command topic.
    pub(crate) fn commands(&self) -> Vec<Record> {
        self.log.read(&self.config.topics.commands)
    }

    /// What stands in the changelog.
    pub(crate) fn changelog(&self) -> Vec<Record> {
        self.log.read(&self.config.topics.changelog)
    }

    /// What stands in the output topics.
    pub(crate) fn outputs(&self) -> Outputs {
        let names = &self.config.topics;
        Outputs {
            decisions: self.log.read(&names.decisions),
            segment_changes: self.log.read(&names.segment_changes),
            profile_updates: self.log.read(&names.profile_updates),
        }
    }

    /// Compares every record with what it must be.
    pub(crate) fn check(&self) {
        let codec = OutputCodec::new(IDS);
        let (rules, contents) = (&self.config.rules, &self.config.contents[..]);
        let commands = self.commands();
        let expected = fold::fold(&commands, &fold::Start { rules, contents, codec: &codec });
        assert!(!expected.is_empty(), "somebody did something");
        if let Err(difference) = outputs::compare(&expected, &self.outputs(), PARTITIONS) {
            panic!("{}: {difference}", self.config.application);
        }
    }

    fn is_done(&self) -> bool {
        self.log.is_consumed(&self.plan.topics())
    }
}

impl<'p> Turns<'p> {
    /// A worker whose clock starts at so many seconds, and moves ten milliseconds a turn.
    pub(crate) fn new(pipeline: &'p Pipeline, starts_s: usize) -> Turns<'p> {
        Turns::start(pipeline, starts_s, Duration::from_millis(10))
    }

    /// A worker whose clock moves this far a turn.
    pub(crate) fn with_tick(pipeline: &'p Pipeline, tick: Duration) -> Turns<'p> {
        Turns::start(pipeline, 1, tick)
    }

    fn start(pipeline: &'p Pipeline, starts_s: usize, tick: Duration) -> Turns<'p> {
        let topics = pipeline.plan.topics();
        let changelog = Arc::clone(&pipeline.plan.shared.topics.changelog);
        let clock = Arc::new(|| Timestamp::from_ms(1_800_000_000_000));
        let broker = EmbeddedBroker::new(pipeline.log.clone(), &topics, changelog, clock);
        let monotonic = Duration::from_secs(starts_s as u64);
        let now = Now { monotonic, wall: Timestamp::from_ms(1_800_000_000_000) };
        let vitals = Vitals::new(1, Vec::new(), 10_000).worker(0);
        let worker = Worker::new(Arc::clone(&pipeline.plan), broker, vitals, now).unwrap();
        Turns { pipeline, worker, now, tick }
    }

    /// Makes some turns.
    pub(crate) fn some(&mut self, turns: usize) {
        for _ in 0..turns {
            self.now.monotonic += self.tick;
            self.worker.turn(self.now).unwrap();
        }
    }

    /// How many transactions were committed.
    pub(crate) fn commits(&self) -> u64 {
        self.worker.commits()
    }

    /// Why the worker does not go on, if it does not within some turns.
    pub(crate) fn refusal(&mut self) -> Option<String> {
        (0..40).find_map(|_| self.worker.turn(self.now).err()).map(|fault| fault.to_string())
    }

    /// Makes turns until everything is read, swept and committed, and ends well.
    pub(crate) fn run(&mut self) {
        self.run_on();
        self.drain();
    }

    /// Makes turns until everything is read, swept and committed.
    pub(crate) fn run_on(&mut self) {
        const TURNS_MAX: usize = 20_000;
        for _ in 0..TURNS_MAX {
            self.some(1);
            if self.pipeline.is_done() {
                // A few more, for what fell due at the end.
                return self.some(40);
            }
        }
        panic!("not done after {TURNS_MAX} turns");
    }

    /// Ends as after a fault.
    pub(crate) fn abort(&mut self) {
        self.worker.abort();
    }

    /// Ends well.
    pub(crate) fn drain(&mut self) {
        self.worker.drain(self.now).unwrap();
    }
}

fn plan(config: &Config, stores: Arc<dyn Stores>) -> Plan {
    // No Avro is read here, so the registry is never asked.
    let registry = Registry::connect(RegistrySettings::new("http://127.0.0.1:1")).unwrap();
    build::plan(config, &registry, IDS, stores, Instruments::silent())
}

fn settings(seed: usize, events: usize) -> Shop {
    Shop::new(ShopSettings {
        seed: seed as u64,
        persons: 60,
        events,
        starts_at: STARTS_AT,
        duration_ms: 8 * 86_400_000,
        duplicates_per_mille: 30,
        late_per_mille: 40,
        malformed_per_mille: 10,
        anonymous_per_mille: 200,
        decision_requests_per_mille: 60,
    })
}
