//! What RocksDB and the file system say, translated into what a worker can do about it. RocksDB gives its
//! errors as text only, so the text is read here and nowhere else.

use std::io;
use std::path::Path;

use rocksdb::ErrorKind;

use crate::store::StoreError;

/// Makes errors that name the store's directory.
pub(super) struct Fault {
    directory: String,
}

impl Fault {
    /// Errors of the store in this directory.
    pub(super) fn at(directory: &Path) -> Fault {
        Fault { directory: directory.display().to_string() }
    }

    /// The store's directory.
    pub(super) fn directory(&self) -> &str {
        &self.directory
    }

    /// An error while reading or writing.
    pub(super) fn of(&self, error: &rocksdb::Error) -> StoreError {
        let text = error.as_ref();
        let directory = self.directory.clone();
        let reason = text.to_owned();
        if ["No space left", "Disk quota exceeded", "Space limit reached"]
            .iter()
            .any(|full| text.contains(full))
        {
            return StoreError::Full { directory, reason };
        }
        if text.contains("lock hold by current process") {
            return StoreError::Busy { directory, reason };
        }
        if text.contains("While lock file") {
            return StoreError::InUse { directory, reason };
        }
        // A file that RocksDB counts on and does not find is as bad as one that it cannot read.
        let missing = text.contains("No such file or directory");
        match error.kind() {
            ErrorKind::Corruption | ErrorKind::NotSupported | ErrorKind::ColumnFamilyDropped => {
                StoreError::Damaged { directory, reason }
            }
            _ if missing => StoreError::Damaged { directory, reason },
            _ => StoreError::Failed { directory, reason },
        }
    }

    /// An error while opening. There, existing files that do not fit are reported as an invalid argument.
    pub(super) fn on_open(&self, error: &rocksdb::Error, existing: bool) -> StoreError {
        match error.kind() {
            ErrorKind::InvalidArgument if existing => self.damaged(error.as_ref()),
            _ => self.of(error),
        }
    }

    /// An error of the file system.
    pub(super) fn io(&self, what: &str, error: &io::Error) -> StoreError {
        let directory = self.directory.clone();
        let reason = format!("{what}: {error}");
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                StoreError::Full { directory, reason }
            }
            _ => StoreError::Failed { directory, reason },
        }
    }

    /// What was read cannot be right.
    pub(super) fn damaged(&self, reason: &str) -> StoreError {
        StoreError::Damaged { directory: self.directory.clone(), reason: reason.to_owned() }
    }
}
