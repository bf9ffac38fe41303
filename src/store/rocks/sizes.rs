//! What a store tells the metrics about itself. Not a health check: errors appear where they are met.

use rocksdb::DB;
use rocksdb::properties::{self, PropName};

use super::options::StoreMemory;

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

impl StoreSizes {
    pub(super) fn of(database: &DB, memory: &StoreMemory) -> StoreSizes {
        let number = |name: &PropName| database.property_int_value(name).ok().flatten().unwrap_or_default();
        StoreSizes {
            keys_estimated: number(properties::ESTIMATE_NUM_KEYS),
            live_file_bytes: number(properties::LIVE_SST_FILES_SIZE),
            write_buffer_bytes: number(properties::CUR_SIZE_ALL_MEM_TABLES),
            block_cache_bytes: memory.block_cache.get_usage() as u64,
            pending_compaction_bytes: number(properties::ESTIMATE_PENDING_COMPACTION_BYTES),
            running_compactions: number(properties::NUM_RUNNING_COMPACTIONS),
            writes_stalled: number(properties::IS_WRITE_STOPPED) > 0
                || number(properties::ACTUAL_DELAYED_WRITE_RATE) > 0,
            background_errors: number(properties::BACKGROUND_ERRORS),
        }
    }
}
