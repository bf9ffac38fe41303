//! What a partition's open transaction has changed, over what is committed. Profiles stay decoded here from
//! the first record that touches them to the commit, when each is encoded once, however many records there
//! were; clean ones stay as a cache.
//!
//! Nothing reaches the store before the commit: `settle` hands everything over with its position, and
//! dropping the overlay drops everything that was not committed.

mod entry;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::hint::black_box;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::profile_cache::{CacheShare, ProfileCache};
use super::{Change, Position, Store, StoreError};
use crate::codec::digest::{Digest, row_hash};
use crate::codec::row::{self, Meta};
use crate::domain::person::Person;
use crate::domain::profile::Profile;
use crate::domain::react;
use crate::domain::rulebook::RuleBook;
use crate::domain::time::Timestamp;
use crate::mutant::{Mutant, is_armed};

pub use entry::Entry;

/// How many profiles are brought near before the row of the first of them is made.
const FLUSHED_TOGETHER: usize = 32;

/// Uncommitted changes of one partition over its store.
pub struct Overlay {
    store: Box<dyn Store>,
    /// Where each person's entry is. A table of numbers alone is small enough to stay near the processor.
    places: HashTable<Slot>,
    hasher: RandomState,
    /// In boxes, since the list moves them all when it grows.
    #[allow(clippy::vec_box, reason = "an entry is half a kilobyte")]
    entries: Vec<Box<Entry>>,
    dirty: Vec<usize>,
    /// Due times of dirty persons; those of clean ones are in the store's index.
    due: BTreeSet<(Timestamp, Person)>,
    /// Whoever the store's index has as due until then is dirty, so it is not asked for them again.
    passed: Option<Timestamp>,
    rows: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// The digest of the committed state, where that is known.
    digest: Option<Digest>,
    /// The same of what was flushed and is not settled yet.
    digest_flushed: Option<Digest>,
    /// How many bytes of memory the entries take.
    memory: usize,
    share: CacheShare,
    turn: u32,
}

/// Where the entry of somebody is who hashes to this.
#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    at: u32,
}

/// Where a person's profile is in memory, until the next commit or its giving up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(usize);

/// A dirty profile at the commit.
#[derive(Debug)]
pub struct Dirty<'a> {
    /// Whose it is.
    pub person: &'a Person,
    /// The profile.
    pub profile: &'a Profile,
    /// Whether its version rose since the last commit; else only bookkeeping changed, such as ids seen.
    pub risen: bool,
}

/// Why a row cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverlayError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store's row does not decode.
    #[error("the row of a person does not decode: {0}")]
    Row(#[from] row::RowError),
}

impl Overlay {
    /// No changes over a store, with a share of the memory for clean profiles.
    pub fn new(store: Box<dyn Store>, cache: &Arc<ProfileCache>) -> Overlay {
        Overlay {
            store,
            places: HashTable::new(),
            hasher: RandomState::default(),
            entries: Vec::new(),
            dirty: Vec::new(),
            due: BTreeSet::new(),
            passed: None,
            rows: BTreeMap::new(),
            digest: Some(Digest::default()),
            digest_flushed: None,
            memory: 0,
            share: CacheShare::of(cache),
            turn: 0,
        }
    }

    /// Says what digest the committed state has, where that is known. Of a new one it is that of no rows.
    pub fn set_digest(&mut self, digest: Option<Digest>) {
        self.digest = digest;
    }

    /// The committed state below.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Brings the profiles of these persons near to the processor, as far as they are in memory: before each is
    /// changed, since waiting for all of them at once takes less time than waiting for one after the other.
    pub fn touch<'p>(&self, persons: impl Iterator<Item = &'p str>) {
        // Whoever else hashes to the same is brought near in their place, which does no harm.
        let places = persons.filter_map(|person| {
            let hash = self.hash_of(person);
            self.places.find(spread(hash), |slot| slot.hash == hash).map(|slot| slot.at as usize)
        });
        self.touch_at(&places.collect::<Vec<usize>>());
    }

    /// Where a person's profile is as it stands now; a new one for somebody unknown.
    pub fn person(&mut self, rules: &RuleBook, person: &Person) -> Result<Place, OverlayError> {
        if is_armed(Mutant::EvictStagedRows) && self.memory > self.share.bytes() {
            self.forget_all();
        }
        match self.find(person) {
            Some(at) => Ok(Place(at)),
            None => self.load(rules, person),
        }
    }

    /// What is at a place.
    pub fn entry(&mut self, Place(at): Place) -> &mut Entry {
        self.entries.get_mut(at).expect("places are used before the entries change theirs")
    }

    /// Notes that a person was forgotten: what is known from now on is new, whatever its version is.
    pub fn forgotten(&mut self, person: &Person) {
        if let Some(at) = self.find(person) {
            self.entry(Place(at)).committed_version = 0;
        }
    }

    /// Notes that a profile was changed through [`Overlay::entry`].
    pub fn changed(&mut self, rules: &RuleBook, Place(at): Place) {
        let Some(entry) = self.entries.get_mut(at) else { return };
        entry.used = self.turn;
        let due = react::due(rules, &entry.profile);
        if !entry.dirty {
            entry.dirty = true;
            self.dirty.push(at);
        } else if entry.due == due {
            return;
        } else if let Some(before) = entry.due {
            self.due.remove(&(before, entry.person.clone()));
        }
        entry.due = due;
        if let Some(due) = due {
            self.due.insert((due, entry.person.clone()));
        }
    }

    /// Notes it of all profiles that are dirty already: by other rules they are due at other times.
    pub fn changed_again(&mut self, rules: &RuleBook) {
        for at in self.dirty.clone() {
            self.changed(rules, Place(at));
        }
    }

    /// At most `limit` persons whose profiles are due at or before `until`.
    pub fn due(&mut self, until: Timestamp, limit: usize) -> Result<Vec<Person>, OverlayError> {
        let staged = self.due.iter().take_while(|(due, _)| *due <= until).take(limit);
        let mut persons: Vec<Person> = staged.map(|(_, person)| person.clone()).collect();
        if persons.len() < limit {
            // The index below still has the dirty ones under their old due times.
            let asked = limit.saturating_add(self.dirty.len());
            let committed = self.store.due_after(self.passed, until, asked)?;
            let all = committed.len() < asked;
            let is_dirty = |person: &Person| {
                let entry = self.find(person).and_then(|at| self.entries.get(at));
                entry.is_some_and(|entry| entry.dirty)
            };
            let clean = committed.into_iter().map(|(_, person)| person).filter(|person| !is_dirty(person));
            let staged = persons.len();
            persons.extend(clean.take(limit - staged));
            if all && persons.len() == staged {
                self.passed = self.passed.max(Some(until));
            }
        }
        Ok(persons)
    }

    /// Whether nothing is staged.
    pub fn is_clean(&self) -> bool {
        self.dirty.is_empty() && self.rows.is_empty()
    }

    /// Stages a row that is no person's.
    pub fn stage(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.rows.insert(key, value);
    }

    /// Begins to encode what is staged, as it goes to the changelog and, after the commit, to the store: the rows
    /// that are no person's. They are few, so what they replace is read.
    pub fn flush_rows(&mut self) -> Result<Vec<Change>, StoreError> {
        let mut digest = self.digest;
        let mut changes = Vec::with_capacity(self.rows.len());
        for (key, value) in &self.rows {
            if let Some(digest) = &mut digest {
                let before = self.store.load(key)?.map(|value| row_hash(key, &value));
                digest.replace(before, value.as_ref().map(|value| row_hash(key, value)));
            }
            changes.push(Change { key: key.clone(), value: value.clone(), ..Change::default() });
        }
        self.digest_flushed = digest;
        Ok(changes)
    }

    /// Goes on with the dirty profiles, in the order in which they were first touched. Each is handed on with its
    /// row, so that whatever else is made of it is made while it is near.
    pub fn flush_profiles<E>(
        &mut self,
        mut hand_on: impl FnMut(Dirty<'_>, Change) -> Result<(), E>,
    ) -> Result<(), E> {
        let dropped = usize::from(is_armed(Mutant::DropStagedRow) && self.dirty.len() > 1);
        let forgotten = self.dirty.first().copied().filter(|_| is_armed(Mutant::ForgetDigest));
        let mut scratch = Vec::new();
        for some in self.dirty.get(dropped..).unwrap_or_default().chunks(FLUSHED_TOGETHER) {
            self.touch_at(some);
            for at in some {
                let Some(entry) = self.entries.get_mut(*at) else { continue };
                self.memory -= entry.memory();
                let change = entry.flush(&mut scratch);
                self.memory += entry.memory();
                if let Some(digest) = self.digest_flushed.as_mut().filter(|_| forgotten != Some(*at)) {
                    digest.replace(entry.committed_hash, entry.flushed_hash);
                }
                let risen = entry.profile.version > entry.committed_version;
                hand_on(Dirty { person: &entry.person, profile: &entry.profile, risen }, change)?;
            }
        }
        Ok(())
    }

    /// Ends with the row of the position, which `meta` makes with the digest that the state has then.
    pub fn flush_meta(&self, meta: impl FnOnce(Option<Digest>) -> Meta) -> Change {
        let value = Some(row::encode_meta(&meta(self.digest_flushed)));
        Change { key: row::META_KEY.to_vec(), value, ..Change::default() }
    }

    /// Hands committed changes to the store. Only to be called with what was flushed and after the commit that made
    /// it true.
    pub fn settle(&mut self, changes: &[Change], position: Position) -> Result<(), StoreError> {
        let left_out = usize::from(is_armed(Mutant::SettleLessThanCommitted) && changes.len() > 2);
        self.store.absorb(changes.get(left_out..).unwrap_or(changes), position)?;
        for at in self.dirty.drain(..) {
            if let Some(entry) = self.entries.get_mut(at) {
                entry.settle();
            }
        }
        self.digest = self.digest_flushed;
        self.due.clear();
        self.passed = None;
        self.rows.clear();
        self.make_room();
        self.turn = self.turn.wrapping_add(1);
        Ok(())
    }

    /// Forgets everything that is not committed.
    pub fn discard(&mut self) {
        if is_armed(Mutant::KeepWhatIsGivenUp) {
            return;
        }
        self.forget_all();
        self.dirty.clear();
        self.due.clear();
        self.passed = None;
        self.rows.clear();
    }

    fn touch_at(&self, places: &[usize]) {
        for depth in 0..Profile::DEPTHS {
            let entries = places.iter().filter_map(|at| self.entries.get(*at));
            // What nobody asks for would not be read.
            black_box(entries.fold(0, |sum, entry| sum ^ entry.profile.touch(depth)));
        }
    }

    fn find(&self, person: &Person) -> Option<usize> {
        let hash = self.hash_of(person.as_str());
        let is_of = |slot: &Slot| {
            let entry = || self.entries.get(slot.at as usize);
            slot.hash == hash && entry().is_some_and(|entry| entry.person == *person)
        };
        self.places.find(spread(hash), is_of).map(|slot| slot.at as usize)
    }

    fn hash_of(&self, person: &str) -> u32 {
        (self.hasher.hash_one(person) >> 32) as u32
    }

    fn load(&mut self, rules: &RuleBook, person: &Person) -> Result<Place, OverlayError> {
        let row = self.store.load_person(&row::profile_key(person))?;
        let entry = Box::new(Entry::of_row(rules, person, row, self.turn)?);
        Ok(self.insert(entry))
    }

    fn insert(&mut self, entry: Box<Entry>) -> Place {
        self.memory += entry.memory();
        let (at, hash) = (self.entries.len(), self.hash_of(entry.person.as_str()));
        self.entries.push(entry);
        // No memory holds so many.
        let slot = Slot { hash, at: u32::try_from(at).unwrap_or(u32::MAX) };
        self.places.insert_unique(spread(hash), slot, |slot| spread(slot.hash));
        Place(at)
    }

    fn forget_all(&mut self) {
        self.places.clear();
        self.entries.clear();
        self.memory = 0;
    }

    /// Drops profiles while they take too much memory, those first that were not used for the longest; after a commit
    /// all are clean. A quarter of the memory is freed at once, so that it is seldom done.
    fn make_room(&mut self) {
        let room = self.share.bytes();
        if self.memory <= room {
            return;
        }
        let (mut entries, turn) = (std::mem::take(&mut self.entries), self.turn);
        self.forget_all();
        entries.sort_by_cached_key(|entry| turn.wrapping_sub(entry.used));
        for entry in entries {
            if self.memory + entry.memory() > room - room / 4 {
                break;
            }
            self.insert(entry);
        }
    }
}

/// The table looks at the highest bits and the lowest.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

#[cfg(test)]
mod tests;
