//! A store on disk: one RocksDB for one partition. It has one column family, so that a batch of changes with
//! its position is atomic whether or not the log is written.
//!
//! It is not a cache and keeps no uncommitted data. Nothing here forces data to the disk, since whatever a
//! crash takes away is in the changelog; what is left is always a prefix of the commits, with its own
//! position. `tests/store_kill.rs` shows it.

mod directory;
mod fault;
mod layout;
mod options;
mod record_log;
mod sizes;

#[cfg(test)]
mod damage;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod scratch;

use std::cell::RefCell;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use rocksdb::{ColumnFamily, DB, DEFAULT_COLUMN_FAMILY_NAME, ReadOptions, WriteBatch, WriteOptions};

pub use self::options::{StoreMemory, StoreOptions};

use self::fault::Fault;
use self::layout::{INDEX_END, POSITION_KEY};
use super::{Change, DueBefore, PersonRow, Position, Row, Store, StoreError, StoreSizes};
use crate::codec::row::PERSON_PREFIX;
use crate::domain::person::Person;
use crate::domain::time::Timestamp;

/// One partition's state on disk. Only one may be open for a directory at a time, in any process; dropping
/// it closes it.
pub struct RocksStore {
    database: DB,
    options: StoreOptions,
    memory: StoreMemory,
    fault: Fault,
    position: Option<Position>,
    /// A key that no entry of the index lies before. Deleted entries slow a scan down until they are
    /// compacted away, so each scan starts here, and none is made before the first entry is due.
    first_due: RefCell<Vec<u8>>,
    /// Keys between which the last scan that began further on has found no entry. The next change may add one.
    gap: RefCell<Range<Vec<u8>>>,
}

impl RocksStore {
    /// Opens the store in `directory`, or makes a new one where the directory is missing or empty.
    ///
    /// Fails with [`StoreError::Damaged`] where the files are not a whole store of this format, with
    /// [`StoreError::Newer`], having touched nothing, where a newer version wrote them, and with
    /// [`StoreError::InUse`] or [`StoreError::Busy`] where the store is open already.
    pub fn open(directory: &Path, memory: &StoreMemory) -> Result<RocksStore, StoreError> {
        RocksStore::open_with(directory, memory, StoreOptions::default())
    }

    /// Opens a store as [`RocksStore::open`] does, with options other than the default ones. A store may be
    /// opened with other options than it was written with.
    pub fn open_with(
        directory: &Path,
        memory: &StoreMemory,
        options: StoreOptions,
    ) -> Result<RocksStore, StoreError> {
        let fault = Fault::at(directory);
        let existing = directory::prepare(directory, &fault)?;
        let database =
            open_database(directory, memory, options).map_err(|error| fault.on_open(&error, existing))?;
        let position = read_position(&database, &fault)?;
        let first_due = RefCell::new(layout::index_start());
        let (memory, gap) = (memory.clone(), RefCell::default());
        Ok(RocksStore { database, options, memory, fault, position, first_due, gap })
    }

    /// Moves a damaged store aside, to `<directory>.damaged-<n>`, so that a new one can be opened in its place
    /// and somebody can look into the old one. Keeps the last one only: an earlier one is removed first.
    /// Returns the new place. The store must not be open.
    pub fn quarantine(directory: &Path) -> io::Result<PathBuf> {
        directory::quarantine(directory)
    }

    fn column_family(&self) -> &ColumnFamily {
        self.database
            .cf_handle(DEFAULT_COLUMN_FAMILY_NAME)
            .expect("the default column family was opened by its name")
    }

    /// When the rows that these changes replace are due: their entries in the index have to go. What is not
    /// known is read.
    fn due_before(&self, changes: &[(&Change, DueBefore)]) -> Result<Vec<Option<Timestamp>>, StoreError> {
        let is_person = |change: &Change| change.key.first() == Some(&PERSON_PREFIX);
        let unknown = changes.iter().filter(|(change, due)| is_person(change) && *due == DueBefore::Unknown);
        let mut read = self.stored_due(unknown.map(|(change, _)| &*change.key))?.into_iter();
        let due_before = changes.iter().map(|(change, due_before)| match due_before {
            _ if !is_person(change) => None,
            DueBefore::Known(due) => *due,
            DueBefore::Unknown => read.next().flatten(),
        });
        let due_before: Vec<_> = due_before.collect();
        // What is said to be known and is not would leave an entry in the index for ever.
        #[cfg(debug_assertions)]
        for ((change, _), due) in changes.iter().zip(&due_before).filter(|((change, _), _)| is_person(change))
        {
            let stored = self.load_person(&change.key)?.and_then(|row| row.due);
            assert_eq!(stored, *due, "a change was told a wrong due time of the row that it replaces");
        }
        Ok(due_before)
    }

    fn stored_due<'k>(
        &self,
        keys: impl Iterator<Item = &'k [u8]>,
    ) -> Result<Vec<Option<Timestamp>>, StoreError> {
        let keys: Vec<Vec<u8>> = keys.map(layout::row_key).collect();
        let found = self.database.batched_multi_get_cf(self.column_family(), &keys, true);
        found
            .into_iter()
            .map(|row| match row.map_err(|error| self.fault.of(&error))? {
                Some(row) => Ok(layout::split_row(&row, &self.fault)?.0),
                None => Ok(None),
            })
            .collect()
    }

    /// Visits keys and values in the order of keys, from `lower` to before `upper`, while `visit` returns
    /// true.
    fn walk(
        &self,
        lower: &[u8],
        upper: Option<&[u8]>,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let mut reading = ReadOptions::default();
        reading.set_iterate_lower_bound(lower);
        if let Some(upper) = upper {
            reading.set_iterate_upper_bound(upper);
        }
        let mut cursor = self.database.raw_iterator_opt(reading);
        cursor.seek(lower);
        while let Some((key, value)) = cursor.item() {
            if !visit(key, value)? {
                return Ok(());
            }
            cursor.next();
        }
        cursor.status().map_err(|error| self.fault.of(&error))
    }

    /// The changes as one batch, and the first of the entries that it puts into the index.
    fn batch(
        &self,
        changes: &[Change],
        position: Position,
    ) -> Result<(WriteBatch, Option<Vec<u8>>), StoreError> {
        let changes = last_of_each_key(changes);
        let due_before = self.due_before(&changes)?;
        let mut batch = WriteBatch::default();
        let mut first_entry: Option<Vec<u8>> = None;
        for ((change, _), due_before) in changes.into_iter().zip(due_before) {
            let key = &change.key;
            let former = due_before.map(|due| layout::index_key(due, key));
            let entry = change.due_entry(self.fault.directory())?;
            let entry = entry.map(|(due, _)| layout::index_key(due, key));
            if former != entry {
                former.into_iter().for_each(|former| batch.delete(former));
                entry.iter().for_each(|entry| batch.put(entry, b""));
            }
            match &change.value {
                Some(value) => {
                    let due = entry.is_some().then_some(change.due).flatten();
                    batch.put(layout::row_key(key), layout::join_row(due, value));
                }
                None => batch.delete(layout::row_key(key)),
            }
            first_entry = entry.into_iter().chain(first_entry).min();
        }
        batch.put(POSITION_KEY, layout::join_position(position));
        Ok((batch, first_entry))
    }
}

/// The last change of each key, in the order of keys, in which they are written fastest; and what is known of
/// the row that is in the store, which the first change of the key replaces.
fn last_of_each_key(changes: &[Change]) -> Vec<(&Change, DueBefore)> {
    let mut sorted: Vec<&Change> = changes.iter().collect();
    sorted.sort_by(|one, other| one.key.cmp(&other.key));
    let mut last: Vec<(&Change, DueBefore)> = Vec::with_capacity(sorted.len());
    for change in sorted {
        match last.last_mut().filter(|(kept, _)| kept.key == change.key) {
            Some((kept, _)) => *kept = change,
            None => last.push((change, change.due_before)),
        }
    }
    last
}

impl Store for RocksStore {
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.database.get_pinned(layout::row_key(key)).map_err(|error| self.fault.of(&error))?;
        found.map(|row| Ok(layout::split_row(&row, &self.fault)?.1.to_vec())).transpose()
    }

    fn load_person(&self, key: &[u8]) -> Result<Option<PersonRow>, StoreError> {
        let found = self.database.get_pinned(layout::row_key(key)).map_err(|error| self.fault.of(&error))?;
        let split = |row: rocksdb::DBPinnableSlice<'_>| {
            let (due, value) = layout::split_row(&row, &self.fault)?;
            Ok(PersonRow { value: value.to_vec(), due })
        };
        found.map(split).transpose()
    }

    fn scan(&self, prefix: &[u8]) -> Result<Vec<Row>, StoreError> {
        let lower = layout::row_key(prefix);
        let mut rows = Vec::new();
        self.walk(&lower, layout::after_prefix(&lower).as_deref(), |key, row| {
            let (_, value) = layout::split_row(row, &self.fault)?;
            rows.push((layout::split_row_key(key).to_vec(), value.to_vec()));
            Ok(true)
        })?;
        Ok(rows)
    }

    fn due_after(
        &self,
        after: Option<Timestamp>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, Person)>, StoreError> {
        let mut first_due = self.first_due.borrow_mut();
        let mut gap = self.gap.borrow_mut();
        let end = layout::index_end(until);
        let start = after.map(layout::index_end).filter(|start| *start > *first_due);
        let start = start.unwrap_or_else(|| first_due.clone());
        let from = if gap.contains(&start) { &gap.end } else { &start };
        if limit == 0 || *from >= end {
            return Ok(Vec::new());
        }
        let mut due = Vec::new();
        let mut first_found = None;
        // The walk goes on to the first entry after `until`, to learn when the next scan is worth making.
        self.walk(from, Some(INDEX_END), |key, _| {
            first_found.get_or_insert_with(|| key.to_vec());
            if key < end.as_slice() && due.len() < limit {
                due.push(layout::split_index_key(key, &self.fault)?);
            }
            Ok(key < end.as_slice() && due.len() < limit)
        })?;
        let first_found = first_found.unwrap_or_else(|| INDEX_END.to_vec());
        if start == *first_due {
            *first_due = first_found;
        } else {
            *gap = start..first_found;
        }
        Ok(due)
    }

    fn persons_after(&self, after: Option<&Person>, limit: usize) -> Result<Vec<Person>, StoreError> {
        let prefix = layout::row_key(&[PERSON_PREFIX]);
        let lower = after.map_or_else(|| prefix.clone(), layout::row_key_after);
        let mut persons = Vec::new();
        self.walk(&lower, layout::after_prefix(&prefix).as_deref(), |key, _| {
            if persons.len() < limit {
                persons.push(layout::person_of_row(key, &self.fault)?);
            }
            Ok(persons.len() < limit)
        })?;
        Ok(persons)
    }

    fn sizes(&self) -> StoreSizes {
        sizes::sizes_of(&self.database, &self.memory)
    }

    fn position(&self) -> Option<Position> {
        self.position
    }

    fn absorb(&mut self, changes: &[Change], position: Position) -> Result<(), StoreError> {
        let (batch, first_entry) = self.batch(changes, position)?;
        let mut writing = WriteOptions::default();
        writing.disable_wal(!self.options.write_ahead_log);
        self.database.write_opt(batch, &writing).map_err(|error| self.fault.of(&error))?;
        self.position = Some(position);
        self.gap.take();
        let first_due = self.first_due.get_mut();
        if let Some(first_entry) = first_entry.filter(|entry| entry < first_due) {
            *first_due = first_entry;
        }
        Ok(())
    }
}

fn open_database(
    directory: &Path,
    memory: &StoreMemory,
    options: StoreOptions,
) -> Result<DB, rocksdb::Error> {
    let settings = options::settings(memory, options)?;
    DB::open_cf_with_opts(&settings, directory, [(DEFAULT_COLUMN_FAMILY_NAME, settings.clone())])
}

/// The position that the files hold. Every batch writes it, so a store with rows and without it is damaged; a
/// store with nothing at all is new, or lost its first batches to a crash, which is the same.
fn read_position(database: &DB, fault: &Fault) -> Result<Option<Position>, StoreError> {
    if let Some(position) = database.get_pinned(POSITION_KEY).map_err(|error| fault.of(&error))? {
        return layout::split_position(&position, fault).map(Some);
    }
    let mut cursor = database.raw_iterator();
    cursor.seek_to_first();
    cursor.status().map_err(|error| fault.of(&error))?;
    if cursor.valid() {
        return Err(fault.damaged("it holds rows but no position"));
    }
    Ok(None)
}
