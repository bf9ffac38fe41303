//! A process's disk. A crash loses what was not synced, whole writes at a time and the newest first, which is
//! what tests/store_kill.rs proves of RocksDB without its log. Disks fill up and rot.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bespoke::domain::person::Person;
use bespoke::domain::time::Timestamp;
use bespoke::runtime::stores::Stores;
use bespoke::store::memory::MemoryStore;
use bespoke::store::{Change, PersonRow, Position, Row, Store, StoreError};

use super::random::Random;
use super::world;

/// The stores of a process.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    process: usize,
    partitions: BTreeMap<i32, Kept>,
    /// An older state of everything.
    snapshot: Option<BTreeMap<i32, MemoryStore>>,
    full: bool,
}

#[derive(Default)]
struct Kept {
    synced: MemoryStore,
    unsynced: Vec<(Vec<Change>, Position)>,
    in_use: bool,
    damaged: bool,
}

struct SimulatedStore {
    disk: Disk,
    number: i32,
    present: MemoryStore,
}

impl Disk {
    pub(crate) fn new(process: usize) -> Disk {
        Disk(Arc::new(Mutex::new(Inner { process, ..Inner::default() })))
    }

    /// The process has died.
    pub(crate) fn crash(&self, random: &mut Random) {
        for kept in self.lock().partitions.values_mut() {
            let survives = random.below(kept.unsynced.len() as u64 + 1) as usize;
            kept.unsynced.truncate(survives);
            kept.sync();
            kept.in_use = false;
        }
    }

    /// What is kept, for the moment in which the dead process's memory is dropped.
    pub(crate) fn freeze(&self) -> BTreeMap<i32, MemoryStore> {
        self.lock().partitions.iter().map(|(number, kept)| (*number, kept.synced.clone())).collect()
    }

    /// Whatever was written since then was not.
    pub(crate) fn thaw(&self, frozen: BTreeMap<i32, MemoryStore>) {
        for (number, synced) in frozen {
            if let Some(kept) = self.lock().partitions.get_mut(&number) {
                (kept.synced, kept.in_use) = (synced, false);
                kept.unsynced.clear();
            }
        }
    }

    pub(crate) fn remember(&self) {
        let mut inner = self.lock();
        let stores = inner.partitions.iter().map(|(number, kept)| (*number, kept.synced.clone()));
        inner.snapshot = Some(stores.collect());
    }

    /// Puts the remembered state back. False if there is none.
    pub(crate) fn put_back(&self) -> bool {
        let mut inner = self.lock();
        let Some(snapshot) = inner.snapshot.take() else { return false };
        let kept = |(number, synced)| (number, Kept { synced, ..Kept::default() });
        inner.partitions = snapshot.into_iter().map(kept).collect();
        true
    }

    pub(crate) fn delete(&self) {
        self.lock().partitions.clear();
    }

    /// Damages the store of one partition, once. False if there is none.
    pub(crate) fn damage(&self, random: &mut Random) -> bool {
        let mut inner = self.lock();
        let at = random.below(inner.partitions.len() as u64) as usize;
        match inner.partitions.values_mut().nth(at) {
            Some(kept) => {
                kept.damaged = true;
                true
            }
            None => false,
        }
    }

    pub(crate) fn fill(&self, full: bool) {
        self.lock().full = full;
    }

    /// What is kept of a partition.
    pub(crate) fn store(&self, number: i32) -> Option<MemoryStore> {
        let mut inner = self.lock();
        let kept = inner.partitions.get_mut(&number)?;
        kept.sync();
        Some(kept.synced.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn sync(&mut self) {
        for (changes, position) in self.unsynced.drain(..) {
            self.synced.absorb(&changes, position).unwrap();
        }
    }
}

impl Stores for Disk {
    fn open(&self, number: i32) -> Result<Box<dyn Store>, StoreError> {
        let process = self.lock().process;
        world::step_of(process, "open");
        let mut inner = self.lock();
        let kept = inner.partitions.entry(number).or_default();
        if kept.in_use {
            return Err(StoreError::InUse { directory: format!("{number}"), reason: "it is open".into() });
        }
        if kept.damaged {
            return Err(StoreError::Damaged {
                directory: format!("{number}"),
                reason: "bytes flipped".into(),
            });
        }
        kept.sync();
        kept.in_use = true;
        let present = kept.synced.clone();
        Ok(Box::new(SimulatedStore { disk: self.clone(), number, present }))
    }

    fn quarantine(&self, number: i32) -> std::io::Result<()> {
        self.lock().partitions.remove(&number);
        Ok(())
    }
}

impl SimulatedStore {
    fn check(&self) -> Result<(), StoreError> {
        let damaged = self.disk.lock().partitions.get(&self.number).is_some_and(|kept| kept.damaged);
        if damaged {
            return Err(StoreError::Damaged {
                directory: format!("{}", self.number),
                reason: "bytes flipped".into(),
            });
        }
        Ok(())
    }
}

impl Store for SimulatedStore {
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.check()?;
        self.present.load(key)
    }

    fn load_person(&self, key: &[u8]) -> Result<Option<PersonRow>, StoreError> {
        self.check()?;
        self.present.load_person(key)
    }

    fn scan(&self, prefix: &[u8]) -> Result<Vec<Row>, StoreError> {
        self.check()?;
        self.present.scan(prefix)
    }

    fn due_after(
        &self,
        after: Option<Timestamp>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, Person)>, StoreError> {
        self.present.due_after(after, until, limit)
    }

    fn persons_after(&self, after: Option<&Person>, limit: usize) -> Result<Vec<Person>, StoreError> {
        self.present.persons_after(after, limit)
    }

    fn position(&self) -> Option<Position> {
        self.present.position()
    }

    fn absorb(&mut self, changes: &[Change], position: Position) -> Result<(), StoreError> {
        let process = self.disk.lock().process;
        world::step_of(process, "before absorb");
        self.check()?;
        if self.disk.lock().full {
            return Err(StoreError::Full { directory: format!("{}", self.number), reason: "full".into() });
        }
        self.present.absorb(changes, position)?;
        let flush = world::draw_of(10) == 0;
        if let Some(kept) = self.disk.lock().partitions.get_mut(&self.number) {
            kept.unsynced.push((changes.to_vec(), position));
            if flush {
                kept.sync();
            }
        }
        world::step_of(process, "absorbed");
        Ok(())
    }
}

impl Drop for SimulatedStore {
    fn drop(&mut self) {
        // A store that is closed is synced; a process that dies does not close any.
        if std::thread::panicking() {
            return;
        }
        if let Some(kept) = self.disk.lock().partitions.get_mut(&self.number) {
            kept.sync();
            kept.in_use = false;
        }
    }
}
