//! A profile in memory, beside what is committed of it.

use super::super::{Change, DueBefore, PersonRow};
use crate::codec::digest::row_hash;
use crate::codec::row;
use crate::domain::person::Person;
use crate::domain::profile::Profile;
use crate::domain::react;
use crate::domain::rulebook::RuleBook;
use crate::domain::time::Timestamp;
use crate::mutant::{Mutant, is_armed};

/// What the memory of an entry is counted in, in bytes, so that two bytes of the entry hold the number.
const BLOCK: usize = 64;

/// A profile in memory.
#[derive(Debug)]
pub struct Entry {
    /// The profile.
    pub profile: Profile,
    pub(super) person: Person,
    /// When it changes by itself next, by the definitions of its last change or its loading.
    pub(super) due: Option<Timestamp>,
    pub(super) committed_version: u64,
    /// When the committed row is due, as the store's index has it.
    committed_due: Option<Timestamp>,
    /// The hash of the committed row, as it was read or written; none where there is no row.
    pub(super) committed_hash: Option<u64>,
    /// The hash of the row that was flushed last; none where that was its end.
    pub(super) flushed_hash: Option<u64>,
    pub(super) dirty: bool,
    /// The memory that it took when it was last written or read, in [`BLOCK`]s.
    blocks: u16,
    /// After how many commits it was last changed.
    pub(super) used: u32,
}

impl Entry {
    /// The profile of a committed row; a new one where there is none.
    pub(super) fn of_row(
        rules: &RuleBook,
        person: &Person,
        committed: Option<PersonRow>,
        used: u32,
    ) -> Result<Entry, row::RowError> {
        let (profile, committed_hash, committed_due) = match committed {
            Some(PersonRow { value, due }) => {
                let hash = row_hash(&row::profile_key(person), &value);
                (row::decode_profile(&value)?, Some(hash), due)
            }
            None => (Profile::default(), None, None),
        };
        let mut entry = Entry {
            person: person.clone(),
            due: react::due(rules, &profile),
            committed_version: profile.version,
            profile,
            committed_due,
            committed_hash,
            flushed_hash: None,
            dirty: false,
            blocks: 0,
            used,
        };
        entry.measure();
        Ok(entry)
    }

    /// When the profile changes by itself next, by the definitions of its last change or its loading.
    pub fn due(&self) -> Option<Timestamp> {
        self.due
    }

    /// The row, as it goes to the changelog. `scratch` is for repeated use.
    pub(super) fn flush(&mut self, scratch: &mut Vec<u8>) -> Change {
        let key = row::profile_key(&self.person);
        let value =
            (self.profile != Profile::default()).then(|| row::encode_profile_with(scratch, &self.profile));
        self.measure();
        self.flushed_hash = value.as_ref().map(|value| row_hash(&key, value));
        let due = self.due.filter(|_| !is_armed(Mutant::SettleWithoutDueTimes));
        Change { key, value, due, due_before: DueBefore::Known(self.committed_due) }
    }

    /// How many bytes of memory it takes.
    pub(super) fn memory(&self) -> usize {
        usize::from(self.blocks) * BLOCK
    }

    fn measure(&mut self) {
        let bytes = size_of::<Entry>() - size_of::<Profile>() + self.profile.footprint();
        self.blocks = u16::try_from(bytes.div_ceil(BLOCK)).unwrap_or(u16::MAX);
    }

    /// What was flushed is committed.
    pub(super) fn settle(&mut self) {
        self.dirty = false;
        self.committed_hash = self.flushed_hash;
        self.committed_due = self.due;
        if !is_armed(Mutant::ForgetCommittedVersion) {
            self.committed_version = self.profile.version;
        }
    }
}
