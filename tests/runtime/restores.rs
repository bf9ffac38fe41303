//! The digest of a task's state through any history: commits, transactions given up, and restores, of nothing,
//! of an older store, and of one whose restore was broken off.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use bespoke::codec::command;
use bespoke::codec::digest::Digest;
use bespoke::codec::row;
use bespoke::domain::command::Command;
use bespoke::domain::person::Person;
use bespoke::domain::time::Timestamp;
use bespoke::runtime::broker::{Output, Partition, Record};
use bespoke::runtime::embedded::{EmbeddedBroker, EmbeddedLog};
use bespoke::runtime::plan::{Now, Plan};
use bespoke::runtime::restore::{Present, Restore};
use bespoke::runtime::stores::Stores;
use bespoke::runtime::task::{Applied, SWEEP_MAX, Task};
use bespoke::store::memory::MemoryStore;
use bespoke::store::{Change, PersonRow, Position, Row, Store, StoreError};
use proptest::prelude::*;

use super::pipeline::{Pipeline, Turns};

const AT: Timestamp = Timestamp::from_ms(1_800_000_000_000);
const NOW: Now = Now { monotonic: Duration::ZERO, wall: AT };

/// A store that outlives its task.
#[derive(Clone, Default)]
pub(super) struct Shelf(Arc<Mutex<MemoryStore>>);

/// A shelf for each partition.
#[derive(Clone, Default)]
pub(super) struct Shelves(Arc<Mutex<BTreeMap<i32, Shelf>>>);

impl Shelves {
    /// Up to where each partition's store has heard of the changelog.
    pub(super) fn heard(&self) -> BTreeMap<i32, i64> {
        let shelves = self.0.lock().unwrap();
        let position = |shelf: &Shelf| shelf.position().map_or(0, |position| position.changelog_next);
        shelves.iter().map(|(number, shelf)| (*number, position(shelf))).collect()
    }
}

impl Stores for Shelves {
    fn open(&self, number: i32) -> Result<Box<dyn Store>, StoreError> {
        Ok(Box::new(self.0.lock().unwrap().entry(number).or_default().clone()))
    }

    fn quarantine(&self, number: i32) -> std::io::Result<()> {
        self.0.lock().unwrap().remove(&number);
        Ok(())
    }
}

impl Stores for Shelf {
    fn open(&self, _: i32) -> Result<Box<dyn Store>, StoreError> {
        Ok(Box::new(self.clone()))
    }

    fn quarantine(&self, _: i32) -> std::io::Result<()> {
        *self.0.lock().unwrap() = MemoryStore::default();
        Ok(())
    }
}

impl Store for Shelf {
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.lock().unwrap().load(key)
    }

    fn load_person(&self, key: &[u8]) -> Result<Option<PersonRow>, StoreError> {
        self.0.lock().unwrap().load_person(key)
    }

    fn scan(&self, prefix: &[u8]) -> Result<Vec<Row>, StoreError> {
        self.0.lock().unwrap().scan(prefix)
    }

    fn due_after(
        &self,
        after: Option<Timestamp>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, Person)>, StoreError> {
        self.0.lock().unwrap().due_after(after, until, limit)
    }

    fn persons_after(&self, after: Option<&Person>, limit: usize) -> Result<Vec<Person>, StoreError> {
        self.0.lock().unwrap().persons_after(after, limit)
    }

    fn position(&self) -> Option<Position> {
        self.0.lock().unwrap().position()
    }

    fn absorb(&mut self, changes: &[Change], position: Position) -> Result<(), StoreError> {
        self.0.lock().unwrap().absorb(changes, position)
    }
}

/// What may happen to a partition.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// So many commands are applied.
    Apply(usize),
    Sweep,
    Commit,
    GiveUp,
    /// The disk is as it was when it heard of a commit last, whatever is in memory alone is gone.
    Restart,
    /// The partition is given back, and comes again.
    GiveBack,
    /// The disk is remembered.
    Remember,
    /// The disk is as it was when it was remembered.
    GoBack,
    LoseTheDisk,
    /// A restore begins and the process ends before it is done.
    BreakOff,
    /// The changelog is compacted, and the disk lost.
    Compact,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => (1..60_usize).prop_map(Deed::Apply),
        2 => Just(Deed::Sweep),
        5 => Just(Deed::Commit),
        3 => Just(Deed::GiveUp),
        1 => Just(Deed::Restart),
        1 => Just(Deed::GiveBack),
        1 => Just(Deed::Remember),
        2 => Just(Deed::GoBack),
        1 => Just(Deed::LoseTheDisk),
        1 => Just(Deed::BreakOff),
        1 => Just(Deed::Compact),
    ]
}

/// One partition, its changelog and its disk.
struct World {
    plan: Plan,
    shelf: Shelf,
    remembered: Option<MemoryStore>,
    changelog: Vec<Output>,
    task: Option<Task>,
}

/// The commands of a shop, with content that goes and definitions that change among them.
static COMMANDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let pipeline = Pipeline::new("history", 100);
    pipeline.append(pipeline.shop(8, 1_200));
    Turns::new(&pipeline, 1).run();
    let mut commands = Vec::new();
    for (number, record) in pipeline.commands().into_iter().enumerate() {
        if number % 17 == 16 {
            let content_id = pipeline.contents()[number / 17 % 3].key.clone();
            let content_id = String::from_utf8(content_id).unwrap().into();
            commands.push(command::encode(&Command::ContentWithdrawn { content_id }));
        }
        if number % 90 == 89 {
            let text = format!("segments: {{s: {{enter: 'profile.events >= {}'}}}}\n", number);
            commands.push(command::encode(&Command::DefinitionsChanged { text: text.into() }));
        }
        commands.push(record.value.unwrap());
    }
    commands
});

/// Nobody else writes.
const ALONE: Present = Present { committed: None, changelog_high: 0 };

impl World {
    fn new() -> World {
        let shelf = Shelf::default();
        let plan = Pipeline::new("history", 100).plan_with(Arc::new(shelf.clone()));
        let mut world = World { plan, shelf, remembered: None, changelog: Vec::new(), task: None };
        world.start();
        world
    }

    fn restore(&self) -> Restore {
        let topic = Arc::clone(&self.plan.shared.topics.changelog);
        let log = EmbeddedLog::new([(&*topic, 1)]);
        self.changelog.iter().for_each(|output| log.append(output.clone(), AT).unwrap());
        let mut broker = EmbeddedBroker::new(log, &[], topic, Arc::new(|| AT));
        let mut restore = Restore::begin(&self.plan, &mut broker, 0, None, 0, NOW).unwrap();
        while !restore.step(&self.plan, NOW).unwrap() {}
        restore
    }

    fn start(&mut self) {
        self.task = None;
        self.task = Some(self.restore().finish(&self.plan, ALONE, NOW).unwrap());
        self.check();
    }

    fn task(&mut self) -> &mut Task {
        self.task.as_mut().unwrap()
    }

    fn apply(&mut self, count: usize) {
        for _ in 0..count {
            let offset = self.task().input_next();
            let Some(value) = COMMANDS.get(offset as usize) else { return };
            let partition = Partition::new(Arc::clone(&self.plan.input), 0);
            let value = Some(value.clone());
            let record = Record { partition, offset, timestamp: AT, key: None, value, headers: Vec::new() };
            while let Applied::SweepFirst = self.task().apply(&record, &mut Vec::new()).unwrap() {
                self.task().sweep(SWEEP_MAX, &mut Vec::new()).unwrap();
            }
        }
    }

    fn commit(&mut self) {
        let mut outputs = Vec::new();
        let flushed = self.task().flush(true, |output| {
            outputs.push(output);
            Ok(())
        });
        flushed.unwrap();
        let topic = Arc::clone(&self.plan.shared.topics.changelog);
        self.changelog.extend(outputs.into_iter().filter(|output| output.topic == topic));
        for output in &mut self.changelog {
            output.partition = Some(0);
        }
        let next = self.changelog.len() as i64;
        self.task().settle(next).unwrap();
        self.check();
    }

    fn compact(&mut self) {
        let last: BTreeMap<_, _> =
            self.changelog.iter().enumerate().map(|(at, output)| (output.key.clone(), at)).collect();
        let mut at = 0..;
        self.changelog.retain(|output| last[&output.key] == at.next().unwrap());
        self.remembered = None;
        self.shelf.quarantine(0).unwrap();
        self.start();
    }

    fn happen(&mut self, deed: Deed) {
        match deed {
            Deed::Apply(count) => self.apply(count),
            Deed::Sweep => drop(self.task().sweep(20, &mut Vec::new()).unwrap()),
            Deed::Commit => self.commit(),
            Deed::GiveUp => {
                // What was flushed is given up too.
                self.task().flush(true, |_| Ok(())).unwrap();
                self.task().rewind(0).unwrap();
            }
            Deed::Restart => self.start(),
            Deed::GiveBack => {
                self.task().save().unwrap();
                self.check();
                assert_eq!(
                    self.shelf.position(),
                    self.task().position(),
                    "the disk has all that is committed"
                );
                self.start();
            }
            Deed::Remember => self.remembered = Some(self.shelf.0.lock().unwrap().clone()),
            Deed::GoBack => {
                let Some(older) = self.remembered.clone() else { return };
                *self.shelf.0.lock().unwrap() = older;
                self.start();
            }
            Deed::LoseTheDisk => {
                self.shelf.quarantine(0).unwrap();
                self.start();
            }
            Deed::BreakOff => {
                self.task = None;
                self.shelf.quarantine(0).unwrap();
                drop(self.restore());
                self.start();
            }
            Deed::Compact => self.compact(),
        }
    }

    /// What is kept change by change is the digest of everything together, and the disk is as the changelog was at its
    /// position.
    fn check(&self) {
        let mut rows: BTreeMap<_, _> = self.shelf.scan(b"").unwrap().into_iter().collect();
        // The store's own note, from a restore to the next commit.
        rows.retain(|key, _| !row::is_note(key));
        let found = Digest::of(rows.iter().map(|(key, value)| (&key[..], &value[..])));
        let told = rows.get(row::META_KEY).map(|meta| row::decode_meta(meta).unwrap().digest.unwrap());
        assert_eq!(told.unwrap_or_default(), found);
        let mut folded = BTreeMap::new();
        let heard = self.shelf.position().map_or(0, |position| position.changelog_next);
        for output in &self.changelog[..heard as usize] {
            let key = output.key.clone().unwrap();
            match output.value.clone() {
                Some(value) => folded.insert(key, value),
                None => folded.remove(&key),
            };
        }
        assert_eq!(rows, folded);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn the_digest_follows_the_state_through_every_history(deeds in prop::collection::vec(deed(), 1..60)) {
        let mut world = World::new();
        deeds.into_iter().for_each(|deed| world.happen(deed));
        world.commit();
        world.happen(Deed::LoseTheDisk);
    }
}

/// Somebody lost one row of the changelog, long ago; everything later is there, and so is the last position.
#[test]
fn a_changelog_that_lacks_one_old_row_is_refused() {
    let first = Pipeline::new("robbed", 100);
    first.append(first.shop(6, 2_000));
    Turns::new(&first, 1).run();
    let whole = Pipeline::new("robbed", 100);
    whole.append_changelog_of(&first, |_| true);
    assert_eq!(Turns::new(&whole, 1).refusal(), None);
    let changelog = first.changelog();
    let written = |key: &Option<Vec<u8>>| changelog.iter().filter(|record| record.key == *key).count();
    let once = |record: &&Record| {
        record.key.as_ref().is_some_and(|key| key[0] == row::PERSON_PREFIX) && written(&record.key) == 1
    };
    let lost = changelog.iter().find(once).expect("somebody came once").key.clone();
    let robbed = Pipeline::new("robbed", 100);
    robbed.append_changelog_of(&first, |record| record.key != lost);
    let text = Turns::new(&robbed, 1).refusal().expect("a smaller state is refused");
    assert!(text.contains("records of the changelog are gone"), "{text}");
}
