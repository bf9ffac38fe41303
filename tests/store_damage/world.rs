//! An application whose log and whose closed store are kept as they were, so that it can be damaged and started
//! again as often as one likes.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bespoke::codec::output::{OutputCodec, SchemaIds};
use bespoke::codec::registry::{Registry, RegistrySettings};
use bespoke::codec::row;
use bespoke::config::Config;
use bespoke::config::overlay::Flags;
use bespoke::domain::react;
use bespoke::domain::time::Timestamp;
use bespoke::runtime::broker::{Broker, Output, Partition, Record};
use bespoke::runtime::embedded::{EmbeddedBroker, EmbeddedLog};
use bespoke::runtime::fault::Exit;
use bespoke::runtime::instruments::Instruments;
use bespoke::runtime::instruments::vitals::Vitals;
use bespoke::runtime::plan::Now;
use bespoke::runtime::runner::Runner;
use bespoke::runtime::stores::Stores;
use bespoke::service::build;
use bespoke::shop::{CONFIG, Shop, ShopRecord, ShopSettings};
use bespoke::store::memory::MemoryStore;
use bespoke::store::rocks::{RocksStore, StoreMemory, StoreOptions};
use bespoke::store::{Change, Position, Store, StoreError};

use super::fold;
use super::mutation::{Chance, Mutation};
use super::outputs::{self, Outputs};

const IDS: SchemaIds = SchemaIds { profile_update: 1, decision: 2, segment_change: 3 };
const WALL: Timestamp = Timestamp::from_ms(1_800_000_000_000);
/// What the application has read before it is damaged, and what comes afterwards.
const EVENTS_BEFORE: usize = 1_800;
const EVENTS_AFTER: usize = 60;
/// So much that files are written at no other times than when the store is opened or closed, in bytes.
const WRITE_BUFFER_BYTES: usize = 8 << 20;
/// A turn moves the clock by 10 ms; more turns than this are a hang.
const TURNS_MAX: u64 = 20_000;
/// One start, one more after damage was found, and one more for damage that only a later read finds.
const STARTS_MAX: u64 = 4;

/// What became of a mutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// Nobody noticed, and all was right.
    Harmless,
    /// The store was put aside and rebuilt.
    Rebuilt,
    /// Work went well without the damaged place; reading all of it found the damage.
    FoundByReading,
}

/// An application as it was when it was closed.
pub(crate) struct World {
    directory: PathBuf,
    with_log: bool,
    config: Config,
    topics: Vec<String>,
    records: Vec<Record>,
    committed: Vec<(Partition, i64)>,
    files: Vec<(String, Vec<u8>)>,
    later: Vec<ShopRecord>,
}

/// Stores on disk whose batches go to a log or not.
struct LoggedStores {
    directory: PathBuf,
    memory: StoreMemory,
    options: StoreOptions,
}

impl Stores for LoggedStores {
    fn open(&self, number: i32) -> Result<Box<dyn Store>, StoreError> {
        let directory = self.directory.join(format!("profiles-{number}"));
        Ok(Box::new(RocksStore::open_with(&directory, &self.memory, self.options)?))
    }

    fn quarantine(&self, number: i32) -> std::io::Result<()> {
        RocksStore::quarantine(&self.directory.join(format!("profiles-{number}"))).map(|_| ())
    }
}

impl World {
    /// Makes an application and lets it work.
    pub(crate) fn create(name: &str, with_log: bool) -> World {
        let directory = std::env::temp_dir().join(format!("bespoke-damage-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        let mut config = Config::load(CONFIG, "shop.yaml", [], &Flags::new()).unwrap();
        // Small batches write persons again and again.
        config.commit.records_max = 100;
        let names = &config.topics;
        let own = [
            &names.commands,
            &names.changelog,
            &names.profile_updates,
            &names.decisions,
            &names.segment_changes,
            &names.dead_letters,
            &names.status,
        ];
        let mut topics: Vec<String> = own.iter().map(ToString::to_string).collect();
        topics.extend(["clickstream", "orders", "content"].map(str::to_owned));
        let shop = shop();
        let mut events: Vec<ShopRecord> = shop.contents();
        events.extend(shop);
        let later = events.split_off(events.len() - EVENTS_AFTER * 8);
        let mut world = World {
            directory,
            with_log,
            config,
            topics,
            records: Vec::new(),
            committed: Vec::new(),
            files: Vec::new(),
            later,
        };
        let log = EmbeddedLog::new(world.topics.iter().map(|topic| (topic.as_str(), 1)));
        let home = world.directory.join("whole");
        // Each closing, or each opening of a store with a log, writes a table; with four they would be merged.
        for part in events.chunks(events.len() / 3 + 1) {
            append(&log, part);
            world.run(&log, &home).unwrap();
        }
        world.records = world.topics.iter().flat_map(|topic| log.read(topic)).collect();
        let sources = [&*world.config.topics.commands, "clickstream", "orders", "content"];
        world.committed =
            sources.iter().map(|topic| (Partition::new(*topic, 0), log.read(topic).len() as i64)).collect();
        world.files = contents(&home.join("profiles-0"));
        let tables = world.files.iter().filter(|(name, _)| name.ends_with(".sst")).count();
        assert!(tables >= 2, "{tables} tables are too few to be damaged");
        world
    }

    /// Damages the store in one place, starts the application, lets it work, and compares everything.
    pub(crate) fn try_one(
        &self,
        kind: &'static str,
        chance: &mut Chance,
    ) -> (Mutation, Result<Outcome, String>) {
        let mutation = Mutation::choose(kind, &self.files, chance);
        let home = self.directory.join("damaged");
        let _ = fs::remove_dir_all(&home);
        let store = home.join("profiles-0");
        fs::create_dir_all(&store).unwrap();
        for (name, bytes) in &self.files {
            let bytes = if *name == mutation.file { mutation.apply(bytes) } else { Some(bytes.clone()) };
            if let Some(bytes) = bytes {
                fs::write(store.join(name), bytes).unwrap();
            }
        }
        let log = self.log_as_it_was();
        let first = chance.below(self.later.len() - EVENTS_AFTER);
        append(&log, &self.later[first..first + EVENTS_AFTER]);
        let outcome = self.outcome(&log, &home);
        (mutation, outcome)
    }

    fn outcome(&self, log: &EmbeddedLog, home: &Path) -> Result<Outcome, String> {
        self.run(log, home)?;
        let mut outcome = Outcome::Harmless;
        if let Err(StoreError::Damaged { .. }) = self.compare_state(log, home)? {
            // What the product does when work comes upon it.
            self.stores(home).quarantine(0).map_err(|error| error.to_string())?;
            self.run(log, home)?;
            self.compare_state(log, home)?.map_err(|error| format!("after it was rebuilt: {error}"))?;
            outcome = Outcome::FoundByReading;
        } else if fs::read_dir(home).unwrap().count() > 1 {
            outcome = Outcome::Rebuilt;
        }
        self.compare_outputs(log)?;
        Ok(outcome)
    }

    /// Runs the application until everything is read. The error says that it ended, hung or began too often.
    fn run(&self, log: &EmbeddedLog, home: &Path) -> Result<(), String> {
        let registry = Registry::connect(RegistrySettings::new("http://127.0.0.1:1")).unwrap();
        let stores = Arc::new(self.stores(home));
        let plan = Arc::new(build::plan(&self.config, &registry, IDS, stores, Instruments::silent()));
        let starts = Cell::new(0);
        let connect = || {
            starts.set(starts.get() + 1);
            let changelog = Arc::clone(&plan.shared.topics.changelog);
            Ok(EmbeddedBroker::new(log.clone(), &plan.topics(), changelog, Arc::new(|| WALL)))
        };
        let now = |turn: u64| Now { monotonic: Duration::from_millis(turn * 10), wall: WALL };
        let ended = |exit: Exit| format!("it ended with {:?}: {}", exit.code, exit.text);
        let vitals = Vitals::new(1, Vec::new(), 10_000);
        let mut runner = Runner::new(Arc::clone(&plan), &vitals, 0, connect);
        let (mut turns, mut quiet) = (0, 0);
        while quiet <= 30 && turns <= TURNS_MAX {
            runner.turn(now(turns)).map_err(ended)?;
            turns += 1;
            quiet += u32::from(log.is_consumed(&plan.topics()));
        }
        runner.drain(now(turns)).map_err(ended)?;
        let starts = starts.get();
        match (turns > TURNS_MAX, starts > STARTS_MAX) {
            (false, false) => Ok(()),
            _ => Err(format!("it did not come to an end: {turns} turns, {starts} starts")),
        }
    }

    /// Compares the rows and the index by due time with the changelog. What the store says is handed on.
    fn compare_state(&self, log: &EmbeddedLog, home: &Path) -> Result<Result<(), StoreError>, String> {
        let mut last: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
        for record in log.read(&self.config.topics.changelog) {
            last.insert(record.key.unwrap(), record.value);
        }
        let rules = &self.config.rules;
        let changes = last.into_iter().map(|(key, value)| {
            let due = match (&value, row::person_of_key(&key)) {
                (Some(bytes), Some(_)) => react::due(rules, &row::decode_profile(bytes).unwrap()),
                _ => None,
            };
            Change { key, value, due, ..Change::default() }
        });
        let mut expected = MemoryStore::default();
        expected.absorb(&changes.collect::<Vec<_>>(), Position { changelog_next: 0, input_next: 0 }).unwrap();
        let store = match self.stores(home).open(0) {
            Ok(store) => store,
            Err(error) => return Ok(Err(error)),
        };
        let until = Timestamp::from_ms(i64::MAX);
        match (store.scan(b""), store.due(until, usize::MAX)) {
            (Err(error), _) | (_, Err(error)) => Ok(Err(error)),
            (Ok(mut rows), Ok(due)) => {
                // A store that was rebuilt after all was read says so until the next commit.
                rows.retain(|(key, _)| !row::is_note(key));
                if rows != expected.scan(b"").unwrap() {
                    return Err("the rows are not those of the changelog".into());
                }
                if due != expected.due(until, usize::MAX).unwrap() {
                    return Err("the index by due time does not fit the rows".into());
                }
                Ok(Ok(()))
            }
        }
    }

    fn compare_outputs(&self, log: &EmbeddedLog) -> Result<(), String> {
        let codec = OutputCodec::new(IDS);
        let names = &self.config.topics;
        let (rules, contents) = (&self.config.rules, &self.config.contents[..]);
        let commands = log.read(&names.commands);
        let expected = fold::fold(&commands, &fold::Start { rules, contents, codec: &codec });
        let found = Outputs {
            decisions: log.read(&names.decisions),
            segment_changes: log.read(&names.segment_changes),
            profile_updates: log.read(&names.profile_updates),
        };
        outputs::compare(&expected, &found, 1).map(|_| ())
    }

    fn log_as_it_was(&self) -> EmbeddedLog {
        let log = EmbeddedLog::new(self.topics.iter().map(|topic| (topic.as_str(), 1)));
        for record in self.records.clone() {
            let Record { partition, key, value, headers, timestamp, .. } = record;
            let output =
                Output { topic: partition.topic, partition: Some(0), key, value, headers, timestamp: None };
            log.append(output, timestamp).unwrap();
        }
        let changelog = Arc::from(&*self.config.topics.changelog);
        let mut committing = EmbeddedBroker::new(log.clone(), &[], changelog, Arc::new(|| WALL));
        committing.commit(&self.committed).unwrap();
        log
    }

    fn stores(&self, home: &Path) -> LoggedStores {
        LoggedStores {
            directory: home.to_owned(),
            memory: StoreMemory::new(1 << 20, WRITE_BUFFER_BYTES),
            options: StoreOptions { write_ahead_log: self.with_log },
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Kept for whoever has to find out what went wrong.
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

fn append(log: &EmbeddedLog, records: &[ShopRecord]) {
    for record in records.iter().cloned() {
        let (key, value) = (Some(record.key), Some(record.value));
        let output = Output { topic: record.topic.name().into(), key, value, ..Output::default() };
        log.append(output, record.at).unwrap();
    }
}

fn contents(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let mut contents: BTreeMap<String, Vec<u8>> = files
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    // Another process's lock is no part of what a crash leaves behind.
    contents.remove("LOCK");
    contents.into_iter().collect()
}

fn shop() -> Shop {
    Shop::new(ShopSettings {
        seed: 10,
        persons: 150,
        events: EVENTS_BEFORE + EVENTS_AFTER * 8,
        starts_at: Timestamp::from_ms(1_767_571_200_000),
        duration_ms: 8 * 86_400_000,
        duplicates_per_mille: 30,
        late_per_mille: 40,
        malformed_per_mille: 10,
        anonymous_per_mille: 200,
        decision_requests_per_mille: 60,
    })
}
