//! What a partition's open transaction has changed, over what is committed. Profiles stay decoded here from
//! the first record that touches them to the commit, when each is encoded once, however many records there
//! were; their rows stay as a cache, and of those who are in every transaction the profiles too.
//!
//! Nothing reaches the store before the commit, and not at once after it: what was committed is kept until there is
//! enough of it, so that a row that changes with every commit is not written with every commit. Then `save` hands
//! everything over with the position that it leads to. Whatever is lost with this memory is in the changelog.

mod ending;
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

use entry::{Decoded, Entry};

/// How many profiles are brought near before the row of the first of them is made.
const FLUSHED_TOGETHER: usize = 32;

/// Uncommitted changes of one partition over its store.
pub struct Overlay {
    store: Box<dyn Store>,
    /// Where each person's entry is. A table of numbers alone is small enough to stay near the processor.
    places: HashTable<Slot>,
    hasher: RandomState,
    entries: Vec<Entry>,
    /// Whether they are all that the store has.
    is_whole: bool,
    /// Whose profiles are decoded: those that the open transaction has touched, and of the last one those that stay.
    decoded: Vec<usize>,
    /// Whose it has changed, in the order in which it was first done.
    dirty: Vec<usize>,
    /// Whose committed rows the store lacks.
    unsaved: Vec<usize>,
    /// How much memory those take.
    unsaved_memory: usize,
    /// What else it lacks, and the position that all of it leads to; none where it lacks nothing.
    unsaved_rows: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    unsaved_position: Option<Position>,
    /// Due times of whoever is dirty or unsaved; those of all others are in the store's index.
    due: BTreeSet<(Timestamp, Person)>,
    /// Whoever the store's index has as due until then is dirty or unsaved, so it is not asked for them again.
    passed: Option<Timestamp>,
    rows: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// The digest of the committed state, where that is known.
    digest: Option<Digest>,
    /// The same of what was flushed and is not settled yet.
    digest_flushed: Option<Digest>,
    /// How many bytes of memory the entries take between transactions.
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
    /// The key of its row.
    pub key: Vec<u8>,
    /// Its row; none where that is its end.
    pub row: Option<&'a [u8]>,
    /// The hashes of the committed row and of this one.
    hashes: (Option<u64>, Option<u64>),
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
    /// No changes over a store, with a share of the memory for committed profiles.
    pub fn new(store: Box<dyn Store>, cache: &Arc<ProfileCache>) -> Overlay {
        Overlay {
            is_whole: store.position().is_none(),
            store,
            places: HashTable::new(),
            hasher: RandomState::default(),
            entries: Vec::new(),
            decoded: Vec::new(),
            dirty: Vec::new(),
            unsaved: Vec::new(),
            unsaved_memory: 0,
            unsaved_rows: BTreeMap::new(),
            unsaved_position: None,
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

    /// The store below, which may lack what was committed last.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// How far the committed state has come; none where nothing was ever committed.
    pub fn position(&self) -> Option<Position> {
        self.unsaved_position.or_else(|| self.store.position())
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
        let at = match self.find(person) {
            Some(at) => at,
            None => self.load(person)?,
        };
        self.decode(rules, at)?;
        Ok(Place(at))
    }

    /// The profile at a place.
    pub fn profile(&mut self, place: Place) -> &mut Profile {
        &mut self.decoded(place).profile
    }

    /// When the profile at a place changes by itself next, by the definitions of its last change or its decoding.
    pub fn due_of(&mut self, place: Place) -> Option<Timestamp> {
        self.decoded(place).due
    }

    /// Notes that a person was forgotten: what is known from now on is new, whatever its version is.
    pub fn forgotten(&mut self, person: &Person) {
        let entry = self.find(person).and_then(|at| self.entries.get_mut(at));
        entry.and_then(|entry| entry.decoded.as_deref_mut()).into_iter().for_each(Decoded::forgotten);
    }

    /// Notes that the profile at a place was changed.
    pub fn changed(&mut self, rules: &RuleBook, Place(at): Place) {
        let Some(Entry { person, decoded: Some(decoded), unsaved, used, is_busy, .. }) =
            self.entries.get_mut(at)
        else {
            return;
        };
        if *used != self.turn {
            *is_busy = used.wrapping_add(1) == self.turn;
            *used = self.turn;
        }
        let is_listed = decoded.dirty || *unsaved;
        let listed = decoded.due.filter(|_| is_listed);
        if !std::mem::replace(&mut decoded.dirty, true) {
            self.dirty.push(at);
        }
        decoded.due = react::due(rules, &decoded.profile);
        if listed == decoded.due {
            return;
        }
        if let Some(before) = listed {
            self.due.remove(&(before, person.clone()));
        }
        if let Some(due) = decoded.due {
            self.due.insert((due, person.clone()));
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
            // The index below still has these under their old due times.
            let asked = limit.saturating_add(self.dirty.len()).saturating_add(self.unsaved.len());
            let stored = self.store.due_after(self.passed, until, asked)?;
            let all = stored.len() < asked;
            let is_listed = |person: &Person| {
                let entry = self.find(person).and_then(|at| self.entries.get(at));
                entry.is_some_and(Entry::is_listed)
            };
            let clean = stored.into_iter().map(|(_, person)| person).filter(|person| !is_listed(person));
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
        mut hand_on: impl FnMut(Dirty<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let dropped = usize::from(is_armed(Mutant::DropStagedRow) && self.dirty.len() > 1);
        let forgotten = self.dirty.first().copied().filter(|_| is_armed(Mutant::ForgetDigest));
        let mut scratch = Vec::new();
        for some in self.dirty.get(dropped..).unwrap_or_default().chunks(FLUSHED_TOGETHER) {
            self.touch_at(some);
            for at in some {
                let Some(entry) = self.entries.get_mut(*at) else { continue };
                let Some(dirty) = entry.flush(&mut scratch) else { continue };
                if let Some(digest) = self.digest_flushed.as_mut().filter(|_| forgotten != Some(*at)) {
                    digest.replace(dirty.hashes.0, dirty.hashes.1);
                }
                hand_on(dirty)?;
            }
        }
        Ok(())
    }

    /// Ends with the row of the position, which `meta` makes with the digest that the state has then.
    pub fn flush_meta(&self, meta: impl FnOnce(Option<Digest>) -> Meta) -> Change {
        let value = Some(row::encode_meta(&meta(self.digest_flushed)));
        Change { key: row::META_KEY.to_vec(), value, ..Change::default() }
    }

    fn touch_at(&self, places: &[usize]) {
        for depth in 0..Entry::DEPTHS {
            let entries = places.iter().filter_map(|at| self.entries.get(*at));
            // What nobody asks for would not be read.
            black_box(entries.fold(0, |sum, entry| sum ^ entry.touch(depth)));
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

    fn decoded(&mut self, Place(at): Place) -> &mut Decoded {
        let entry = self.entries.get_mut(at);
        let decoded = entry.and_then(|entry| entry.decoded.as_deref_mut());
        decoded.expect("places are used before the next commit or giving up")
    }

    fn decode(&mut self, rules: &RuleBook, at: usize) -> Result<(), OverlayError> {
        if let Some(entry) = self.entries.get_mut(at)
            && entry.decode(rules)?
        {
            self.decoded.push(at);
        }
        Ok(())
    }

    fn load(&mut self, person: &Person) -> Result<usize, OverlayError> {
        let stored = if self.is_whole { None } else { self.store.load_person(&row::profile_key(person))? };
        Ok(self.insert(Entry::of_stored(person, stored, self.turn)))
    }

    fn insert(&mut self, entry: Entry) -> usize {
        self.memory += entry.memory();
        let (at, hash) = (self.entries.len(), self.hash_of(entry.person.as_str()));
        self.entries.push(entry);
        // No memory holds so many.
        let slot = Slot { hash, at: u32::try_from(at).unwrap_or(u32::MAX) };
        self.places.insert_unique(spread(hash), slot, |slot| spread(slot.hash));
        at
    }

    fn forget_all(&mut self) {
        self.places.clear();
        self.entries.clear();
        self.memory = 0;
        self.is_whole = false;
    }
}

/// The table looks at the highest bits and the lowest.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

#[cfg(test)]
mod tests;
