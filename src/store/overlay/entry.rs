//! What is in memory of one person: the committed row, and the profile as long as a transaction is at it.
//!
//! Between transactions the row alone stays of most. It takes a quarter of the memory that the decoded profile does,
//! and in one piece, so that it is near after one wait. Of those who are busy the profile stays as well, until the
//! store has been told: up to then it is what the row would be decoded to.

use super::super::{Change, DueBefore, PersonRow};
use super::Dirty;
use crate::codec::digest::row_hash;
use crate::codec::row::{self, RowError};
use crate::domain::person::Person;
use crate::domain::profile::Profile;
use crate::domain::react;
use crate::domain::rulebook::RuleBook;
use crate::domain::time::Timestamp;
use crate::mutant::{Mutant, is_armed};

/// What an entry takes beside itself and its row: its slot, and what allocators round up by.
const OVERHEAD: usize = 32;
/// How far apart are bytes that come near to the processor together.
const CACHE_LINE: usize = 64;

/// What is in memory of one person.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) person: Person,
    /// The committed row; none where there is none.
    row: Option<Box<[u8]>>,
    /// When the committed row is due.
    due: Option<Timestamp>,
    /// When the store's row is due, as its index has it.
    stored_due: Option<Timestamp>,
    pub(super) decoded: Option<Box<Decoded>>,
    /// Whether the store does not have the committed row yet.
    pub(super) unsaved: bool,
    /// After how many commits it was last changed.
    pub(super) used: u32,
    /// Whether it was changed in the transaction before that one too.
    pub(super) is_busy: bool,
}

/// A profile that the open transaction has touched, or the last one.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) profile: Profile,
    /// When it changes by itself next, by the definitions of its last change or its decoding.
    pub(super) due: Option<Timestamp>,
    pub(super) dirty: bool,
    committed_version: u64,
    /// The hash of the committed row; none where there is none.
    committed_hash: Option<u64>,
    /// What it becomes if the transaction is committed, once that is flushed.
    flushed: Option<Flushed>,
}

/// A row and its hash; none where that is its end.
#[derive(Debug)]
struct Flushed {
    row: Option<Box<[u8]>>,
    hash: Option<u64>,
}

impl Entry {
    /// How deep [`Entry::touch`] can look.
    pub(super) const DEPTHS: usize = 1 + Profile::DEPTHS;

    pub(super) fn of_stored(person: &Person, stored: Option<PersonRow>, used: u32) -> Entry {
        let (row, due) = match stored {
            Some(PersonRow { value, due }) => (Some(value.into_boxed_slice()), due),
            None => (None, None),
        };
        let (person, stored_due) = (person.clone(), due);
        Entry { person, row, due, stored_due, decoded: None, unsaved: false, used, is_busy: false }
    }

    /// Decodes the committed row, or makes a new profile where there is none. Answers whether that was to be done.
    pub(super) fn decode(&mut self, rules: &RuleBook) -> Result<bool, RowError> {
        if self.decoded.is_some() {
            return Ok(false);
        }
        let (profile, committed_hash) = match &self.row {
            Some(row) => (row::decode_profile(row)?, Some(row_hash(&row::profile_key(&self.person), row))),
            None => (Profile::default(), None),
        };
        self.decoded = Some(Box::new(Decoded {
            // What the store does not have yet is listed by the due time that it was committed with.
            due: if self.unsaved { self.due } else { react::due(rules, &profile) },
            dirty: false,
            committed_version: committed_version(&profile),
            committed_hash,
            flushed: None,
            profile,
        }));
        Ok(true)
    }

    /// Looks at what is needed first, which brings it near to the processor, and answers a number that depends on all
    /// of it. Done for several entries depth by depth, no look has to wait for another one.
    pub(super) fn touch(&self, depth: usize) -> usize {
        match (&self.decoded, &self.row) {
            (None, row) if depth == 0 => row.as_ref().map_or(0, |row| row.as_ptr().addr()),
            (None, Some(row)) if depth == 1 => {
                row.iter().step_by(CACHE_LINE).fold(0, |sum, byte| sum ^ usize::from(*byte))
            }
            (None, _) => 0,
            (Some(decoded), _) if depth == 0 => decoded.profile.version as usize,
            (Some(decoded), _) => decoded.profile.touch(depth - 1),
        }
    }

    /// Makes the row of a profile that the transaction has touched, as it goes to the changelog. `scratch` is for
    /// repeated use.
    pub(super) fn flush(&mut self, scratch: &mut Vec<u8>) -> Option<Dirty<'_>> {
        let decoded = self.decoded.as_deref_mut()?;
        let key = row::profile_key(&self.person);
        let is_there = decoded.profile != Profile::default();
        let row = is_there.then(|| row::encode_profile_with(scratch, &decoded.profile).into_boxed_slice());
        let hash = row.as_ref().map(|row| row_hash(&key, row));
        let flushed = decoded.flushed.insert(Flushed { row, hash });
        Some(Dirty {
            person: &self.person,
            profile: &decoded.profile,
            risen: decoded.profile.version > decoded.committed_version,
            key,
            row: flushed.row.as_deref(),
            hashes: (decoded.committed_hash, hash),
        })
    }

    /// What was flushed is committed. Where somebody is busy, and there is `room`, the profile stays decoded. Answers
    /// whether the store lacks it and had what was committed before.
    pub(super) fn settle(&mut self, room: bool) -> bool {
        let Some(mut decoded) = self.decoded.take() else { return false };
        let Some(Flushed { row, hash }) = decoded.flushed.take() else { return false };
        (self.row, self.due) = (row, decoded.due.filter(|_| !is_armed(Mutant::SettleWithoutDueTimes)));
        if room && self.is_busy {
            decoded.dirty = false;
            decoded.due = self.due;
            decoded.committed_version = committed_version(&decoded.profile);
            decoded.committed_hash = hash;
            self.decoded = Some(decoded);
        }
        !std::mem::replace(&mut self.unsaved, true)
    }

    /// Whether the open transaction has changed its profile.
    pub(super) fn is_dirty(&self) -> bool {
        self.decoded.as_ref().is_some_and(|decoded| decoded.dirty)
    }

    /// Whether its due time is another one than the store's index has.
    pub(super) fn is_listed(&self) -> bool {
        self.unsaved || self.is_dirty()
    }

    /// When its profile is due, as the transaction has it.
    pub(super) fn due_with_person(&self) -> Option<(Timestamp, Person)> {
        Some((self.decoded.as_ref()?.due?, self.person.clone()))
    }

    /// What the store is to be told.
    pub(super) fn change(&self) -> Change {
        Change {
            key: row::profile_key(&self.person),
            value: self.row.as_deref().map(<[u8]>::to_vec),
            due: self.due,
            due_before: DueBefore::Known(self.stored_due),
        }
    }

    /// The store has been told.
    pub(super) fn saved(&mut self) {
        (self.unsaved, self.stored_due) = (false, self.due);
    }

    /// How many bytes of memory it takes between transactions.
    pub(super) fn memory(&self) -> usize {
        size_of::<Entry>() + OVERHEAD + self.row.as_ref().map_or(0, |row| row.len())
    }
}

/// The version that a profile has when it is committed.
fn committed_version(profile: &Profile) -> u64 {
    if is_armed(Mutant::ForgetCommittedVersion) { 0 } else { profile.version }
}

impl Decoded {
    /// Notes that what was committed of it is forgotten.
    pub(super) fn forgotten(&mut self) {
        self.committed_version = 0;
    }
}
