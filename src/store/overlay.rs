//! What a partition's open transaction has changed, over what is committed. Profiles stay decoded here from
//! the first record that touches them to the commit, when each is encoded once, however many records there
//! were; clean ones stay as a cache.
//!
//! Nothing reaches the store before the commit: `settle` hands everything over with its position, and
//! dropping the overlay drops everything that was not committed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use foldhash::fast::RandomState;

use super::{Change, DueBefore, PersonRow, Position, Store, StoreError};
use crate::codec::digest::{Digest, row_hash};
use crate::codec::row::{self, Meta};
use crate::domain::person::Person;
use crate::domain::profile::Profile;
use crate::domain::react;
use crate::domain::rulebook::RuleBook;
use crate::domain::time::Timestamp;
use crate::mutant::{Mutant, is_armed};

/// Uncommitted changes of one partition over its store.
pub struct Overlay {
    store: Box<dyn Store>,
    /// In boxes, since the table has room for twice as many and moves them all when it grows.
    persons: HashMap<Person, Box<Entry>, RandomState>,
    dirty: Vec<Person>,
    /// Due times of dirty persons; those of clean ones are in the store's index.
    due: BTreeSet<(Timestamp, Person)>,
    /// Whoever the store's index has as due until then is dirty, so it is not asked for them again.
    passed: Option<Timestamp>,
    rows: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// The digest of the committed state, where that is known.
    digest: Option<Digest>,
    /// The same of what was flushed and is not settled yet.
    digest_flushed: Option<Digest>,
    profiles_cached_max: usize,
    turn: u64,
}

/// A profile in memory.
#[derive(Debug)]
pub struct Entry {
    /// The profile.
    pub profile: Profile,
    /// When it changes by itself next.
    pub due: Option<Timestamp>,
    committed_version: u64,
    /// When the committed row is due, as the store's index has it.
    committed_due: Option<Timestamp>,
    /// The hash of the committed row, as it was read or written; none where there is no row.
    committed_hash: Option<u64>,
    /// The hash of the row that was flushed last; none where that was its end.
    flushed_hash: Option<u64>,
    dirty: bool,
    used: u64,
}

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
    /// No changes over a store, keeping at most about `profiles_cached_max` clean profiles.
    pub fn new(store: Box<dyn Store>, profiles_cached_max: usize) -> Overlay {
        Overlay {
            store,
            persons: HashMap::default(),
            dirty: Vec::new(),
            due: BTreeSet::new(),
            passed: None,
            rows: BTreeMap::new(),
            digest: Some(Digest::default()),
            digest_flushed: None,
            profiles_cached_max,
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

    /// A person's profile as it stands now; a new one for somebody unknown.
    pub fn person(&mut self, rules: &RuleBook, person: &Person) -> Result<&mut Entry, OverlayError> {
        if is_armed(Mutant::EvictStagedRows) && self.persons.len() > self.profiles_cached_max {
            self.persons.clear();
        }
        if !self.persons.contains_key(person) {
            let key = row::profile_key(person);
            let (profile, committed_hash, committed_due) = match self.store.load_person(&key)? {
                Some(PersonRow { value, due }) => {
                    (row::decode_profile(&value)?, Some(row_hash(&key, &value)), due)
                }
                None => (Profile::default(), None, None),
            };
            let entry = Entry {
                due: react::due(rules, &profile),
                committed_version: profile.version,
                profile,
                committed_due,
                committed_hash,
                flushed_hash: None,
                dirty: false,
                used: self.turn,
            };
            self.persons.insert(person.clone(), Box::new(entry));
        }
        Ok(self.persons.get_mut(person).expect("the entry was there or has just been inserted"))
    }

    /// Notes that a person was forgotten: what is known from now on is new, whatever its version is.
    pub fn forgotten(&mut self, person: &Person) {
        if let Some(entry) = self.persons.get_mut(person) {
            entry.committed_version = 0;
        }
    }

    /// Notes that a person's profile was changed through [`Overlay::person`].
    pub fn changed(&mut self, rules: &RuleBook, person: &Person) {
        let Some(entry) = self.persons.get_mut(person) else { return };
        entry.used = self.turn;
        let due = react::due(rules, &entry.profile);
        if !entry.dirty {
            entry.dirty = true;
            self.dirty.push(person.clone());
        } else if entry.due == due {
            return;
        } else if let Some(before) = entry.due {
            self.due.remove(&(before, person.clone()));
        }
        entry.due = due;
        if let Some(due) = due {
            self.due.insert((due, person.clone()));
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
            let clean = committed
                .into_iter()
                .map(|(_, person)| person)
                .filter(|person| self.persons.get(person).is_none_or(|entry| !entry.dirty));
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

    /// The dirty profiles, in the order in which they were first touched.
    pub fn dirty(&self) -> impl Iterator<Item = Dirty<'_>> {
        self.dirty.iter().filter_map(|person| {
            let entry = self.persons.get(person)?;
            let risen = entry.profile.version > entry.committed_version;
            Some(Dirty { person, profile: &entry.profile, risen })
        })
    }

    /// Everything staged, encoded, as it goes to the changelog and, after the commit, to the store. At its
    /// head is the row of the position, which `meta` makes with the digest that the state has then.
    pub fn flush(&mut self, meta: impl FnOnce(Option<Digest>) -> Meta) -> Result<Vec<Change>, StoreError> {
        let mut digest = self.digest;
        let mut staged = self.encode_rows(&mut digest)?;
        staged.append(&mut self.encode_profiles(&mut digest));
        self.digest_flushed = digest;
        let value = Some(row::encode_meta(&meta(digest)));
        let mut changes = Vec::with_capacity(staged.len() + 1);
        changes.push(Change { key: row::META_KEY.to_vec(), value, ..Change::default() });
        changes.append(&mut staged);
        Ok(changes)
    }

    /// Rows that are no person's are few, so what they replace is read.
    fn encode_rows(&self, digest: &mut Option<Digest>) -> Result<Vec<Change>, StoreError> {
        let mut changes = Vec::with_capacity(self.rows.len() + self.dirty.len());
        for (key, value) in &self.rows {
            if let Some(digest) = digest {
                let before = self.store.load(key)?.map(|value| row_hash(key, &value));
                digest.replace(before, value.as_ref().map(|value| row_hash(key, value)));
            }
            changes.push(Change { key: key.clone(), value: value.clone(), ..Change::default() });
        }
        Ok(changes)
    }

    fn encode_profiles(&mut self, digest: &mut Option<Digest>) -> Vec<Change> {
        let dropped = usize::from(is_armed(Mutant::DropStagedRow) && self.dirty.len() > 1);
        let forgotten = if is_armed(Mutant::ForgetDigest) { self.dirty.first() } else { None };
        let mut changes = Vec::with_capacity(self.dirty.len());
        let mut scratch = Vec::new();
        for person in self.dirty.iter().skip(dropped) {
            let Some(entry) = self.persons.get_mut(person) else { continue };
            let (key, value) =
                (row::profile_key(person), row::encode_profile_with(&mut scratch, &entry.profile));
            let value = Some(value).filter(|_| entry.profile != Profile::default());
            entry.flushed_hash = value.as_ref().map(|value| row_hash(&key, value));
            if let Some(digest) = digest.as_mut().filter(|_| forgotten != Some(person)) {
                digest.replace(entry.committed_hash, entry.flushed_hash);
            }
            let due = entry.due.filter(|_| !is_armed(Mutant::SettleWithoutDueTimes));
            let due_before = DueBefore::Known(entry.committed_due);
            changes.push(Change { key, value, due, due_before });
        }
        changes
    }

    /// Hands committed changes to the store. Only to be called with what `flush` gave and after the commit
    /// that made it true.
    pub fn settle(&mut self, changes: &[Change], position: Position) -> Result<(), StoreError> {
        let kept =
            changes.len() - usize::from(is_armed(Mutant::SettleLessThanCommitted) && changes.len() > 2);
        self.store.absorb(changes.get(..kept).unwrap_or(changes), position)?;
        for person in self.dirty.drain(..) {
            if let Some(entry) = self.persons.get_mut(&person) {
                entry.dirty = false;
                entry.committed_hash = entry.flushed_hash;
                entry.committed_due = entry.due;
                if !is_armed(Mutant::ForgetCommittedVersion) {
                    entry.committed_version = entry.profile.version;
                }
            }
        }
        self.digest = self.digest_flushed;
        self.due.clear();
        self.passed = None;
        self.rows.clear();
        self.make_room();
        self.turn += 1;
        Ok(())
    }

    /// Forgets everything that is not committed.
    pub fn discard(&mut self) {
        if is_armed(Mutant::KeepWhatIsGivenUp) {
            return;
        }
        self.persons.clear();
        self.dirty.clear();
        self.due.clear();
        self.passed = None;
        self.rows.clear();
    }

    /// Drops clean profiles that the last transactions did not use, while there are too many.
    fn make_room(&mut self) {
        if self.persons.len() <= self.profiles_cached_max {
            return;
        }
        let turn = self.turn;
        self.persons.retain(|_, entry| entry.used == turn);
        if self.persons.len() > self.profiles_cached_max {
            self.persons.clear();
        }
    }
}
