//! How RocksDB is set up, each setting with its reason, and the memory that all stores of a process share.
//! Nothing here is read from the configuration: its values come in as arguments.

use rocksdb::{BlockBasedOptions, Cache, DBCompressionType, LogLevel, Options, WriteBufferManager};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// The most that one store collects in memory before it writes a file, in bytes.
const STORE_WRITE_BUFFER_BYTES_MAX: usize = 64 * MIB;
/// The least that RocksDB accepts.
const STORE_WRITE_BUFFER_BYTES_MIN: usize = 64 * KIB;
/// How much of a write buffer its filter takes.
const WRITE_BUFFER_FILTER_SHARE: f64 = 0.02;
/// How many files of the newest level are merged at once, twice RocksDB's default.
const FILES_MERGED_MIN: i32 = 8;
const OPEN_FILES_MAX: i32 = 256;
const BACKGROUND_JOBS_MAX: i32 = 2;

/// The memory that all stores of one process share: make one, and open every store with it. A clone is the
/// same memory.
#[derive(Clone)]
pub struct StoreMemory {
    pub(super) block_cache: Cache,
    write_buffers: WriteBufferManager,
}

impl StoreMemory {
    /// Memory for what is read, and for what is written and not yet in files, each in bytes. The first
    /// includes the indexes and filters of files. Both bounds are soft: a read or a write is never refused
    /// for want of memory, and the store that is written to makes files earlier instead. With many stores,
    /// allow at least 2 MiB of write buffers for each, or they make many small files.
    pub fn new(block_cache_bytes: usize, write_buffer_bytes: usize) -> StoreMemory {
        StoreMemory {
            block_cache: Cache::new_hyper_clock_cache(block_cache_bytes, 0),
            // Without stalls: a store that waits for another one's flush would hold up its whole worker.
            write_buffers: WriteBufferManager::new_write_buffer_manager(write_buffer_bytes, false),
        }
    }
}

/// How a store writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreOptions {
    /// Whether each batch also goes to a log file, unsynced. With the log, a process that is killed finds
    /// all its batches again; without it, the default, it finds those up to the last file that was written,
    /// and replays from the changelog at most a write buffer's worth, and what the overlay had held back.
    /// Either way what is found is a prefix; without the log that rests on synced files alone, after a power
    /// failure too.
    pub write_ahead_log: bool,
}

/// RocksDB's options for one store.
pub(super) fn settings(memory: &StoreMemory, options: StoreOptions) -> Result<Options, rocksdb::Error> {
    let mut settings = Options::default();
    if options.write_ahead_log {
        // When the power fails, an older log may have lost its unsynced end while a newer one is whole, and
        // RocksDB by itself replays the newer one over the gap. This makes it see the gap and stop there. The
        // crate has no function for it.
        settings = settings.get_options_from_string("track_and_verify_wals=true")?;
    }
    settings.create_if_missing(true);
    set_memory(&mut settings, memory);
    set_care(&mut settings);

    // Rows are small and much alike; lz4 halves them at hardly any cost.
    settings.set_compression_type(DBCompressionType::Lz4);
    // Half as many merges write a fifth less, and filters spare most of the looks into files that wait for one.
    settings.set_level_zero_file_num_compaction_trigger(FILES_MERGED_MIN);
    // The stores of many partitions must not take all file descriptors of the process.
    settings.set_max_open_files(OPEN_FILES_MAX);
    // The threads belong to the process, not to the store: more would not serve a few cores.
    settings.set_max_background_jobs(BACKGROUND_JOBS_MAX);
    // Files are handed to the disk bit by bit, so that the sync at the end does not stall everything.
    settings.set_bytes_per_sync(MIB as u64);
    // RocksDB's own diary, not the write-ahead log: for looking into an accident only.
    settings.set_log_level(LogLevel::Warn);
    settings.set_max_log_file_size(MIB);
    settings.set_keep_log_file_num(2);
    settings.set_stats_dump_period_sec(0);
    settings.set_stats_persist_period_sec(0);
    Ok(settings)
}

fn set_memory(settings: &mut Options, memory: &StoreMemory) {
    let bytes = memory.write_buffers.get_buffer_size();
    settings.set_write_buffer_size(bytes.clamp(STORE_WRITE_BUFFER_BYTES_MIN, STORE_WRITE_BUFFER_BYTES_MAX));
    settings.set_write_buffer_manager(&memory.write_buffers);
    // Whoever is new is not in the write buffers either, and a filter says so without a search.
    settings.set_memtable_prefix_bloom_ratio(WRITE_BUFFER_FILTER_SHARE);
    settings.set_memtable_whole_key_filtering(true);

    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&memory.block_cache);
    // Indexes and filters count against the shared cache too; otherwise memory grows with the data.
    table.set_cache_index_and_filter_blocks(true);
    table.set_cache_index_and_filter_blocks_with_high_priority(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    // A quarter of the index of 4 KiB blocks and half the disk with lz4, for a tenth of the reads per second.
    table.set_block_size(16 * KIB);
    // Many persons are new, and a filter answers for those without a read.
    table.set_bloom_filter(10.0, false);
    table.set_whole_key_filtering(true);
    table.set_optimize_filters_for_memory(true);
    settings.set_block_based_table_factory(&table);
}

/// Damage must be seen, and never be written over. Checksums are verified with every read by default.
fn set_care(settings: &mut Options) {
    settings.set_paranoid_checks(true);
    // A log is replayed up to the first record that is not whole: that is a prefix. This is the default,
    // set here since the whole design leans on it.
    settings.set_wal_recovery_mode(rocksdb::DBRecoveryMode::PointInTime);
}
