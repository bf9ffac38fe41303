//! Follows the digest of a store while the changelog is replayed into it, and compares it at the end with the
//! one that the last commit wrote. So a changelog from which a row is missing is no state: it was trimmed, or
//! made anew under a process that went on writing.
//!
//! It begins with the digest that the store has, and reads the old value of each row that is replayed; the
//! whole store is never read. In the middle of a compacted changelog the digest of the rows is none that was
//! ever committed, so it is kept in a row of its own beside the position until the end is reached.
//!
//! A state that a version without digests wrote is not checked, until it is restored from the very beginning.

use std::collections::HashMap;

use super::task::TaskError;
use crate::codec::digest::{Digest, is_counted, row_hash};
use crate::codec::row::{self, Meta};
use crate::store::{Change, DueBefore, Store, StoreError};

/// The digest of a store that is being restored.
pub(super) struct Recount {
    /// None where it is not known.
    digest: Option<Digest>,
    /// Whether the store has a row that says so.
    noted: bool,
}

/// A store at the end of its changelog that is not what was committed last.
pub(super) struct Incomplete {
    /// What was committed.
    pub(super) expected: Digest,
    /// What the store has.
    pub(super) found: Digest,
}

impl Recount {
    /// Goes on where a restore of this store was broken off, or begins one.
    pub(super) fn begin(store: &dyn Store) -> Result<Recount, TaskError> {
        if let Some(note) = store.load(row::RESTORING_KEY)? {
            return Ok(Recount { digest: row::decode_restoring(&note)?, noted: true });
        }
        let digest = match store.position() {
            None => Some(Digest::default()),
            Some(_) => meta(store)?.and_then(|meta| meta.digest),
        };
        Ok(Recount { digest, noted: false })
    }

    /// Whether anything was restored, now or before a restore was broken off.
    pub(super) fn is_noted(&self) -> bool {
        self.noted
    }

    /// Takes in what the store is about to absorb, and tells the changes when the rows that they replace are due,
    /// since those are read here. Answers a change that must be absorbed with them.
    pub(super) fn take(&mut self, store: &dyn Store, changes: &mut [Change]) -> Result<Change, StoreError> {
        if let Some(digest) = &mut self.digest {
            let mut due_before = Vec::with_capacity(changes.len());
            let mut taken: HashMap<&[u8], Option<u64>> = HashMap::with_capacity(changes.len());
            for Change { key, value, .. } in &*changes {
                let mut due = DueBefore::Unknown;
                if is_counted(key) {
                    let after = value.as_ref().map(|value| row_hash(key, value));
                    let before = match taken.insert(key, after) {
                        Some(before) => before,
                        None => {
                            let row = store.load_person(key)?;
                            due = DueBefore::Known(row.as_ref().and_then(|row| row.due));
                            row.map(|row| row_hash(key, &row.value))
                        }
                    };
                    digest.replace(before, after);
                }
                due_before.push(due);
            }
            changes.iter_mut().zip(due_before).for_each(|(change, due)| change.due_before = due);
        }
        self.noted = true;
        Ok(change(row::RESTORING_KEY, Some(row::encode_restoring(&self.digest))))
    }

    /// At the end of the changelog: compares. Answers the changes that complete the store, or what is wrong
    /// with it; then it keeps its note, and is as wrong at the next start.
    pub(super) fn finish(self, store: &dyn Store) -> Result<Result<Vec<Change>, Incomplete>, TaskError> {
        let mut changes = Vec::new();
        if let (Some(found), Some(meta)) = (self.digest, meta(store)?) {
            match meta.digest {
                Some(expected) if expected != found => return Ok(Err(Incomplete { expected, found })),
                Some(_) => {}
                // From now on it is known.
                None => {
                    let meta = Meta { digest: Some(found), ..meta };
                    changes.push(change(row::META_KEY, Some(row::encode_meta(&meta))));
                }
            }
        }
        if self.noted {
            changes.push(change(row::RESTORING_KEY, None));
        }
        Ok(Ok(changes))
    }
}

fn meta(store: &dyn Store) -> Result<Option<Meta>, TaskError> {
    Ok(store.load(row::META_KEY)?.map(|value| row::decode_meta(&value)).transpose()?)
}

fn change(key: &[u8], value: Option<Vec<u8>>) -> Change {
    Change { key: key.to_vec(), value, ..Change::default() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::time::Timestamp;
    use crate::store::Position;
    use crate::store::memory::MemoryStore;

    fn put(key: &str, value: &str) -> Change {
        change(key.as_bytes(), Some(value.as_bytes().to_vec()))
    }

    fn meta_row(digest: Option<Digest>) -> Change {
        let meta = Meta { input_next: 9, stream_time: Timestamp::from_ms(0), digest };
        change(row::META_KEY, Some(row::encode_meta(&meta)))
    }

    fn rows_of(log: &[Change]) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut rows = BTreeMap::new();
        for Change { key, value, .. } in log {
            match value.clone() {
                Some(value) => rows.insert(key.clone(), value),
                None => rows.remove(key),
            };
        }
        rows
    }

    fn digest_of(log: &[Change]) -> Digest {
        Digest::of(rows_of(log).iter().map(|(key, value)| (&key[..], &value[..])))
    }

    /// Replays these parts, as if the process had ended after each.
    fn replay(store: &mut MemoryStore, parts: &[&[Change]]) {
        for part in parts {
            let mut recount = Recount::begin(store).unwrap();
            let mut changes = part.to_vec();
            let note = recount.take(store, &mut changes).unwrap();
            changes.push(note);
            let next = store.position().map_or(0, |position| position.changelog_next);
            let changelog_next = next + part.len() as i64;
            store.absorb(&changes, Position { changelog_next, input_next: 9 }).unwrap();
        }
    }

    /// Whether the store is whole; if so it is left as a commit leaves it.
    fn finish(store: &mut MemoryStore) -> bool {
        let Ok(changes) = Recount::begin(store).unwrap().finish(store).unwrap() else { return false };
        store.absorb(&changes, store.position().unwrap()).unwrap();
        true
    }

    /// Each part as it comes from somebody who keeps no digests.
    fn of_format_1(log: &[Change]) -> Vec<Change> {
        log.iter().cloned().chain([change(row::META_KEY, Some(vec![1, 18, 0]))]).collect()
    }

    #[test]
    fn a_state_without_a_digest_has_one_after_a_full_restore() {
        let mut store = MemoryStore::default();
        replay(&mut store, &[&of_format_1(&[put("pa", "1"), put("pb", "1")])]);
        assert!(finish(&mut store));
        let digest = digest_of(&[put("pa", "1"), put("pb", "1")]);
        assert_eq!(store.load(row::META_KEY).unwrap(), meta_row(Some(digest)).value);
        assert_eq!(store.load(row::RESTORING_KEY).unwrap(), None);
    }

    #[test]
    fn what_is_not_known_is_not_checked_and_does_not_become_known_on_the_way() {
        let mut store = MemoryStore::default();
        let position = Position { changelog_next: 3, input_next: 9 };
        store.absorb(&of_format_1(&[put("pa", "1"), put("pb", "1")]), position).unwrap();
        // Somebody who restored everything has gone on; the middle of what they wrote is no state.
        let digest = digest_of(&[put("pa", "2"), put("pb", "2")]);
        replay(&mut store, &[&[meta_row(Some(digest)), put("pa", "2")], &[put("pb", "2")]]);
        assert!(finish(&mut store));
        assert_eq!(store.load(row::META_KEY).unwrap(), meta_row(Some(digest)).value);
    }

    #[test]
    fn what_is_incomplete_is_so_at_every_start() {
        let log = [put("pa", "1"), put("pb", "1")];
        let mut store = MemoryStore::default();
        replay(&mut store, &[&log[1..], &[meta_row(Some(digest_of(&log)))]]);
        for _ in 0..3 {
            assert!(!finish(&mut store));
        }
        replay(&mut store, &[&log[..1]]);
        assert!(finish(&mut store), "the record was found again");
    }

    proptest! {
        #[test]
        fn a_compacted_changelog_is_whole_and_without_a_row_it_is_not(
            changes in prop::collection::vec((0..5_u8, prop::option::of(0..3_u8)), 1..40),
            compacted in prop::collection::vec(any::<bool>(), 40),
            already in 0..40_usize,
            cuts in prop::collection::vec(0..42_usize, 0..4),
            lost: prop::sample::Index,
        ) {
            let all: Vec<Change> =
                changes.iter().map(|(key, value)| change(&[b'p', *key], value.map(|value| vec![value]))).collect();
            // The store has seen some commits before it was left behind; the rest has been compacted since.
            let (seen, rest) = all.split_at(already.min(all.len()));
            let is_last = |at: usize| !rest.iter().skip(at + 1).any(|later| later.key == rest[at].key);
            let kept = (0..rest.len()).filter(|at| is_last(*at) || !compacted[*at]);
            let mut tail: Vec<Change> = kept.map(|at| rest[at].clone()).collect();
            tail.push(meta_row(Some(digest_of(&all))));
            let mut store = MemoryStore::default();
            if !seen.is_empty() {
                let committed: Vec<Change> = seen.iter().cloned().chain([meta_row(Some(digest_of(seen)))]).collect();
                store.absorb(&committed, Position { changelog_next: 1, input_next: 9 }).unwrap();
            }
            let mut robbed = store.clone();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| (*cut).min(tail.len())).collect();
            cuts.extend([0, tail.len()]);
            cuts.sort_unstable();
            let parts: Vec<&[Change]> = cuts.windows(2).map(|cut| &tail[cut[0]..cut[1]]).collect();
            replay(&mut store, &parts);
            prop_assert!(finish(&mut store));
            let mut expected = rows_of(&all);
            expected.insert(row::META_KEY.to_vec(), meta_row(Some(digest_of(&all))).value.unwrap());
            let rows: BTreeMap<_, _> = store.scan(b"").unwrap().into_iter().collect();
            prop_assert_eq!(rows, expected);

            let at = lost.index(tail.len());
            let less: Vec<Change> = tail.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, one)| one.clone()).collect();
            replay(&mut robbed, &[&less]);
            let told = robbed.load(row::META_KEY).unwrap().is_some();
            let rows: BTreeMap<_, _> =
                robbed.scan(b"").unwrap().into_iter().filter(|(key, _)| is_counted(key)).collect();
            let whole = at < tail.len() - 1 && rows == rows_of(&all) || at == tail.len() - 1 && rows == rows_of(seen);
            prop_assert_eq!(finish(&mut robbed), whole || !told);
        }
    }
}
