//! Floor 2, one partition's state. Only committed data ever enters a store, together with its position, in
//! one atomic write.

pub mod memory;
pub mod overlay;
pub mod profile_cache;
pub mod rocks;

use crate::codec::row::PERSON_PREFIX;
use crate::domain::person::Person;
use crate::domain::time::Timestamp;

/// The state of one partition, as of a commit.
///
/// Rows are found by key. The first byte of a key tells its kind; a key that starts with
/// [`PERSON_PREFIX`] is a person's row, and a store keeps an index of those by due time.
pub trait Store: Send {
    /// The value of a row.
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// The value of a row and when it is due, which only persons' rows ever are.
    fn load_person(&self, key: &[u8]) -> Result<Option<PersonRow>, StoreError>;

    /// All rows whose keys start with `prefix`, in the order of keys. For the few rows that are not persons'.
    fn scan(&self, prefix: &[u8]) -> Result<Vec<Row>, StoreError>;

    /// The persons whose rows are due at or before `until`, earliest first, at most `limit`; those due at the
    /// same time in the order of their keys.
    fn due(&self, until: Timestamp, limit: usize) -> Result<Vec<(Timestamp, Person)>, StoreError> {
        self.due_after(None, until, limit)
    }

    /// The same of those that are due later than `after`, where that is given.
    fn due_after(
        &self,
        after: Option<Timestamp>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, Person)>, StoreError>;

    /// At most `limit` persons, in the order of their keys, behind `after` where that is given.
    fn persons_after(&self, after: Option<&Person>, limit: usize) -> Result<Vec<Person>, StoreError>;

    /// How large the store is and whether it keeps up. Cheap: no file is read.
    fn sizes(&self) -> StoreSizes {
        StoreSizes::default()
    }

    /// What has been absorbed; `None` in a new store.
    fn position(&self) -> Option<Position>;

    /// Writes committed changes and the position that they lead to, all or nothing. Where a key occurs more
    /// than once, its last change holds.
    fn absorb(&mut self, changes: &[Change], position: Position) -> Result<(), StoreError>;
}

/// A row: its key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// A person's row as a store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonRow {
    /// Its value.
    pub value: Vec<u8>,
    /// When it is due by the store's index.
    pub due: Option<Timestamp>,
}

/// One row's change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The row's key.
    pub key: Vec<u8>,
    /// Its new value; none deletes it.
    pub value: Option<Vec<u8>>,
    /// For a person's row: when it changes by itself next, if ever. Other rows and deletions have none: it
    /// is ignored there.
    pub due: Option<Timestamp>,
    /// When the row that it replaces is due.
    pub due_before: DueBefore,
}

/// When the row that a change replaces is due. Its entry in the index has to go, so a store that is not told
/// reads the row first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DueBefore {
    /// The store has to look.
    #[default]
    Unknown,
    /// As [`Store::load_person`] said, or as the last change said that was absorbed; none where there is no row.
    Known(Option<Timestamp>),
}

impl Change {
    /// The entry that this change puts into the index by due time. Persons' keys are text, so a row that is
    /// due and is not a person's by that measure is refused before anything is written.
    fn due_entry(&self, directory: &str) -> Result<Option<(Timestamp, &str)>, StoreError> {
        match (self.key.split_first(), self.due, &self.value) {
            (Some((&PERSON_PREFIX, person)), Some(due), Some(_)) => match std::str::from_utf8(person) {
                Ok(person) => Ok(Some((due, person))),
                Err(error) => Err(StoreError::Failed {
                    directory: directory.to_owned(),
                    reason: format!("a row to be written has a person's key that is not text: {error}"),
                }),
            },
            _ => Ok(None),
        }
    }
}

/// How large a store is and whether it keeps up. Zero where RocksDB does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreSizes {
    /// Rows and index entries, roughly.
    pub keys_estimated: u64,
    /// Bytes in the files that hold the present state.
    pub live_file_bytes: u64,
    /// Bytes in memory that are written and not yet in files.
    pub write_buffer_bytes: u64,
    /// Bytes in the block cache, which all stores of the process share.
    pub block_cache_bytes: u64,
    /// Bytes that compactions still have to rewrite, roughly.
    pub pending_compaction_bytes: u64,
    /// Compactions that are running.
    pub running_compactions: u64,
    /// Whether RocksDB slows writes down or has stopped them, until compactions have caught up.
    pub writes_stalled: bool,
    /// Failures of background work since the store was opened.
    pub background_errors: u64,
}

/// How far a store has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The next offset to read from the changelog. Control records take offsets too, so it counts nothing.
    pub changelog_next: i64,
    /// The next offset to read from the input partition.
    pub input_next: i64,
}

/// Why a store cannot go on.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum StoreError {
    /// The files are damaged: put them aside and rebuild from the changelog.
    #[error("the store in {directory} is damaged: {reason}")]
    Damaged {
        /// Where the files are.
        directory: String,
        /// What the store said.
        reason: String,
    },
    /// There is no space left: wait until there is.
    #[error("no space is left for the store in {directory}: {reason}")]
    Full {
        /// Where the files are.
        directory: String,
        /// What the store said.
        reason: String,
    },
    /// Another process has it open.
    #[error("the store in {directory} is in use by another process: {reason}")]
    InUse {
        /// Where the files are.
        directory: String,
        /// What the store said.
        reason: String,
    },
    /// This process has it open still: another of its threads is about to let it go.
    #[error("the store in {directory} is still open in this process: {reason}")]
    Busy {
        /// Where the files are.
        directory: String,
        /// What the store said.
        reason: String,
    },
    /// The files were written by a newer version: nothing was touched.
    #[error(
        "the store in {directory} has format {found}, newer than {known}, which this version knows: run a newer version"
    )]
    Newer {
        /// Where the files are.
        directory: String,
        /// The format found.
        found: u32,
        /// The newest format that this version reads.
        known: u32,
    },
    /// Reading or writing failed in another way.
    #[error("the store in {directory} failed: {reason}")]
    Failed {
        /// Where the files are.
        directory: String,
        /// What the store said.
        reason: String,
    },
}
