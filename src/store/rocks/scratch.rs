//! A directory for one test, removed at its end. For tests only.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{RocksStore, StoreMemory, StoreOptions};
use crate::domain::time::Timestamp;
use crate::store::{Change, Position, StoreError};

static MADE: AtomicU64 = AtomicU64::new(0);

/// A directory that holds the test's stores.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Scratch {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("bespoke-store-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    /// Where a store of this name goes.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Opens the store of this name, with or without the log, with little memory.
    pub(super) fn open(&self, name: &str, write_ahead_log: bool) -> Result<RocksStore, StoreError> {
        open(&self.path(name), write_ahead_log)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Opens a store with little memory.
pub(super) fn open(directory: &Path, write_ahead_log: bool) -> Result<RocksStore, StoreError> {
    let memory = StoreMemory::new(1 << 20, 1 << 20);
    RocksStore::open_with(directory, &memory, StoreOptions { write_ahead_log })
}

/// Writes a row.
pub(super) fn put(key: &str, value: &str, due: Option<i64>) -> Change {
    Change {
        key: key.into(),
        value: Some(value.into()),
        due: due.map(Timestamp::from_ms),
        ..Change::default()
    }
}

/// Deletes a row.
pub(super) fn delete(key: &str) -> Change {
    Change { key: key.into(), ..Change::default() }
}

/// A position of which only the changelog's part matters.
pub(super) fn at(changelog_next: i64) -> Position {
    Position { changelog_next, input_next: changelog_next + 1 }
}
