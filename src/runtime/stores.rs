//! Where the stores of partitions are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::store::memory::MemoryStore;
use crate::store::rocks::{RocksStore, StoreMemory};
use crate::store::{Store, StoreError};

/// Opens the store of a partition.
pub trait Stores: Send + Sync {
    /// Opens it, as it was left or new.
    fn open(&self, number: i32) -> Result<Box<dyn Store>, StoreError>;

    /// Puts a damaged store aside, so that the next open makes a new one.
    fn quarantine(&self, number: i32) -> std::io::Result<()>;
}

/// Stores on disk: one directory per partition below that of the application.
pub struct DiskStores {
    directory: PathBuf,
    memory: Arc<StoreMemory>,
}

/// Stores that are gone when the process ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryStores;

impl DiskStores {
    /// Stores below a directory.
    pub fn new(directory: &Path, memory: Arc<StoreMemory>) -> DiskStores {
        DiskStores { directory: directory.to_owned(), memory }
    }

    fn directory_of(&self, number: i32) -> PathBuf {
        self.directory.join(format!("profiles-{number}"))
    }
}

impl Stores for DiskStores {
    fn open(&self, number: i32) -> Result<Box<dyn Store>, StoreError> {
        let directory = self.directory_of(number);
        Ok(Box::new(RocksStore::open(&directory, &self.memory)?))
    }

    fn quarantine(&self, number: i32) -> std::io::Result<()> {
        let aside = RocksStore::quarantine(&self.directory_of(number))?;
        tracing::error!(event = "store_quarantined", aside = %aside.display(), "a damaged store was put aside");
        Ok(())
    }
}

impl Stores for MemoryStores {
    fn open(&self, _: i32) -> Result<Box<dyn Store>, StoreError> {
        Ok(Box::new(MemoryStore::default()))
    }

    fn quarantine(&self, _: i32) -> std::io::Result<()> {
        Ok(())
    }
}
