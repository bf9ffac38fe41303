//! What a store tells the metrics about itself. Not a health check: errors appear where they are met.

use rocksdb::DB;
use rocksdb::properties::{self, PropName};

use super::options::StoreMemory;
use crate::store::StoreSizes;

/// Asks RocksDB.
pub(super) fn sizes_of(database: &DB, memory: &StoreMemory) -> StoreSizes {
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
