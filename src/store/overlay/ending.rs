//! What becomes of everything when the transaction ends, be it committed or given up; and when the store hears of it.

use super::Overlay;
use super::entry::Entry;
use crate::codec::row;
use crate::mutant::{Mutant, is_armed};
use crate::store::profile_cache::DECODED_PROFILE_BYTES;
use crate::store::{Change, Position, StoreError};

/// One in so many bytes of the memory may be of rows that the store lacks. They are read from the changelog again after
/// a crash.
const UNSAVED_PART: usize = 2;
/// One in so many bytes of it may be of profiles that stay decoded.
const DECODED_PART: usize = 8;

impl Overlay {
    /// What was flushed is committed: only to be called after the commit that made it true, with the rows that are no
    /// person's, and with the position that all of it leads to.
    ///
    /// # Errors
    /// When the store was to be told, and failed.
    pub fn settle(&mut self, rows: Vec<Change>, position: Position) -> Result<(), StoreError> {
        let decoded_max = self.share.bytes() / DECODED_PART / DECODED_PROFILE_BYTES;
        let mut decoded = 0;
        for at in self.dirty.drain(..) {
            let Some(entry) = self.entries.get_mut(at) else { continue };
            let before = entry.memory();
            if entry.settle(decoded < decoded_max) {
                self.unsaved.push(at);
                self.unsaved_memory += before;
            }
            decoded += usize::from(entry.decoded.is_some());
            self.memory = self.memory + entry.memory() - before;
            self.unsaved_memory = self.unsaved_memory + entry.memory() - before;
        }
        // What was only read, or stayed decoded for nothing, goes.
        let turn = self.turn;
        self.keep_decoded(|entry| entry.is_busy && entry.used == turn);
        self.rows.clear();
        self.digest = self.digest_flushed;
        // What everybody's answers depend on is few, and read from the store.
        let is_knowledge = rows.iter().any(|row| row.key != row::META_KEY);
        self.unsaved_rows.extend(rows.into_iter().map(|row| (row.key, row.value)));
        self.unsaved_position = Some(position);
        self.turn = self.turn.wrapping_add(1);
        if is_knowledge || self.unsaved_memory > self.share.bytes() / UNSAVED_PART {
            self.save()?;
        }
        self.make_room()
    }

    /// Hands the store what was committed since this was done last, all or nothing.
    ///
    /// # Errors
    /// When the store failed. Then it lacks what it lacked before.
    pub fn save(&mut self) -> Result<(), StoreError> {
        let Some(position) = self.unsaved_position else { return Ok(()) };
        let row = |(key, value): (&Vec<u8>, &Option<Vec<u8>>)| Change {
            key: key.clone(),
            value: value.clone(),
            ..Change::default()
        };
        let persons = self.unsaved.iter().filter_map(|at| self.entries.get(*at)).map(Entry::change);
        let changes: Vec<Change> = self.unsaved_rows.iter().map(row).chain(persons).collect();
        let left_out = usize::from(is_armed(Mutant::SettleLessThanCommitted) && changes.len() > 2);
        self.store.absorb(changes.get(..changes.len() - left_out).unwrap_or_default(), position)?;
        for at in self.unsaved.drain(..) {
            self.entries.get_mut(at).into_iter().for_each(Entry::saved);
        }
        // By other definitions they may be due at other times than what stays decoded says.
        self.keep_decoded(Entry::is_dirty);
        (self.unsaved_memory, self.unsaved_position, self.passed) = (0, None, None);
        self.unsaved_rows.clear();
        let dirty = self.dirty.iter().filter_map(|at| self.entries.get(*at));
        self.due = dirty.filter_map(Entry::due_with_person).collect();
        Ok(())
    }

    /// Forgets everything that is not committed.
    ///
    /// # Errors
    /// When the store failed, which is told what is committed first.
    pub fn discard(&mut self) -> Result<(), StoreError> {
        if is_armed(Mutant::KeepWhatIsGivenUp) {
            return Ok(());
        }
        self.dirty.clear();
        self.keep_decoded(|_| false);
        self.rows.clear();
        if is_armed(Mutant::ForgetUnsaved) {
            self.forget_all();
            self.unsaved.clear();
        }
        self.save()?;
        self.due.clear();
        self.passed = None;
        Ok(())
    }

    /// Ends with the decoded profiles but for some.
    fn keep_decoded(&mut self, stays: impl Fn(&Entry) -> bool) {
        let entries = &mut self.entries;
        self.decoded.retain(|at| {
            let Some(entry) = entries.get_mut(*at) else { return false };
            if !stays(entry) {
                entry.decoded = None;
            }
            entry.decoded.is_some()
        });
    }

    /// Drops rows while they take too much memory, those first that were not used for the longest; after a commit, when
    /// all profiles are clean. A quarter of the memory is freed at once, so that it is seldom done.
    fn make_room(&mut self) -> Result<(), StoreError> {
        let room = self.share.bytes();
        if self.memory + self.decoded.len() * DECODED_PROFILE_BYTES <= room {
            return Ok(());
        }
        // It leaves nothing decoded, since all profiles are clean.
        self.save()?;
        let (mut entries, turn) = (std::mem::take(&mut self.entries), self.turn);
        self.forget_all();
        entries.sort_by_cached_key(|entry| turn.wrapping_sub(entry.used));
        for entry in entries {
            if self.memory + entry.memory() > room - room / 4 {
                break;
            }
            self.insert(entry);
        }
        Ok(())
    }
}
