//! What a store on disk does about files that are damaged, foreign, newer or in use: it says so, and never
//! gives a wrong row.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use proptest::prelude::*;

use super::scratch::{self, Scratch, at, put};
use super::{RocksStore, StoreMemory};
use crate::domain::time::Timestamp;
use crate::store::memory::MemoryStore;
use crate::store::{Change, Store, StoreError};

const ROWS: i64 = 600;

/// A file's name and what is in it.
type FileContents = (String, Vec<u8>);

#[test]
fn a_second_opener_is_told_that_the_store_is_in_use() {
    let scratch = Scratch::new();
    let first = scratch.open("store", true).unwrap();
    let second = scratch.open("store", true);
    assert!(matches!(second, Err(StoreError::Busy { .. })), "{:?}", second.err());
    drop(first);
    scratch.open("store", true).unwrap();
}

#[test]
fn a_newer_store_is_refused_and_not_touched() {
    let scratch = Scratch::new();
    drop(written(&scratch, true));
    fs::write(scratch.path("store").join("FORMAT"), "bespoke store format 2\n").unwrap();
    let before = contents(&scratch.path("store"));
    let directory = scratch.path("store").display().to_string();
    assert_eq!(scratch.open("store", true).err(), Some(StoreError::Newer { directory, found: 2, known: 1 }));
    assert_eq!(contents(&scratch.path("store")), before);
}

#[test]
fn a_directory_that_is_not_a_whole_store_is_damaged() {
    let damages: [fn(&Path); 6] = [
        |store| fs::remove_file(store.join("FORMAT")).unwrap(),
        |store| fs::write(store.join("FORMAT"), "bespoke store format 0\n").unwrap(),
        |store| fs::write(store.join("FORMAT"), b"\xff\xff").unwrap(),
        |store| fs::remove_file(store.join("CURRENT")).unwrap(),
        |store| {
            // Without a log either, RocksDB by itself would begin anew and delete the tables.
            fs::remove_file(store.join("CURRENT")).unwrap();
            remove_all(store, ".log");
        },
        |store| remove_all(store, ".sst"),
    ];
    for damage in damages {
        let scratch = Scratch::new();
        drop(written(&scratch, false));
        damage(&scratch.path("store"));
        let opened = scratch.open("store", false);
        assert!(matches!(opened, Err(StoreError::Damaged { .. })), "{:?}", opened.err());
    }
}

#[test]
fn a_foreign_database_is_damaged() {
    let scratch = Scratch::new();
    drop(scratch.open("store", true).unwrap());
    let foreign = rocksdb::DB::open_default(scratch.path("store")).unwrap();
    foreign.put(b"other", b"data").unwrap();
    drop(foreign);
    let opened = scratch.open("store", true);
    assert!(matches!(opened, Err(StoreError::Damaged { .. })), "{:?}", opened.err());
}

#[test]
fn a_creation_cut_short_begins_again() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.path("store")).unwrap();
    fs::write(scratch.path("store").join("FORMAT.unfinished"), "bespo").unwrap();
    drop(scratch.open("store", true).unwrap());
    // RocksDB has begun, and has not yet named its manifest or written a log.
    fs::remove_file(scratch.path("store").join("CURRENT")).unwrap();
    remove_all(&scratch.path("store"), ".log");
    assert_eq!(scratch.open("store", true).unwrap().position(), None);
}

#[test]
fn a_damaged_store_is_put_aside_and_only_the_last_is_kept() {
    let scratch = Scratch::new();
    for number in 1..=3 {
        drop(written(&scratch, true));
        let aside = RocksStore::quarantine(&scratch.path("store")).unwrap();
        assert_eq!(aside, scratch.path(&format!("store.damaged-{number}")));
        assert!(!scratch.path("store").exists());
        assert_eq!(fs::read_dir(scratch.path("")).unwrap().count(), 1);
    }
    assert!(RocksStore::quarantine(&scratch.path("store")).is_err());
    assert!(scratch.path("store.damaged-3").exists());
    assert_eq!(scratch.open("store", true).unwrap().position(), None);
}

/// Of these flips RocksDB, left to itself, never comes back.
#[test]
fn a_record_of_a_recycled_log_is_reported() {
    let mut reported = 0;
    for (name, bytes) in whole(true).iter().filter(|(name, _)| name.starts_with("MANIFEST-")) {
        let mut at = 0;
        while let Some([_, _, _, _, low, high, _]) = bytes.get(at..at + 7) {
            let scratch = Scratch::new();
            let store = scratch.path("store");
            fs::create_dir(&store).unwrap();
            whole(true).iter().for_each(|(name, bytes)| fs::write(store.join(name), bytes).unwrap());
            let mut flipped = bytes.clone();
            flipped[at + 6] ^= 1 << 2;
            fs::write(store.join(name), flipped).unwrap();
            let error = scratch.open("store", true).err().unwrap();
            assert!(matches!(&error, StoreError::Damaged { reason, .. } if reason.contains("MANIFEST-")));
            reported += 1;
            at += 7 + usize::from(u16::from_le_bytes([*low, *high]));
        }
    }
    assert!(reported > 3, "{reported} records");
}

#[test]
fn an_index_over_long_gone_entries_is_not_read_before_something_is_due() {
    let scratch = Scratch::new();
    let store = written(&scratch, true);
    assert_eq!(store.due(Timestamp::from_ms(-1), 10), Ok(Vec::new()));
    let start = store.first_due.borrow().clone();
    assert_eq!(start, super::layout::index_key(Timestamp::from_ms(0), b"p0000"));
}

#[test]
fn sizes_follow_what_is_written() {
    let scratch = Scratch::new();
    let memory = StoreMemory::new(1 << 20, 1 << 20);
    let mut store = RocksStore::open(&scratch.path("store"), &memory).unwrap();
    store.absorb(&rows(), at(1)).unwrap();
    let sizes = store.sizes();
    assert_eq!(sizes.keys_estimated, 2 * ROWS as u64 + 1);
    assert!(sizes.write_buffer_bytes > 0);
    drop(store);
    let sizes = RocksStore::open(&scratch.path("store"), &memory).unwrap().sizes();
    assert!(sizes.live_file_bytes > 0 && sizes.block_cache_bytes > 0, "{sizes:?}");
    assert!(!sizes.writes_stalled && sizes.background_errors == 0, "{sizes:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_flipped_bit_is_reported_or_harmless(
        write_ahead_log: bool,
        file in any::<prop::sample::Index>(),
        byte in any::<prop::sample::Index>(),
        bit in 0..8_u32,
    ) {
        let scratch = Scratch::new();
        let store = scratch.path("store");
        fs::create_dir(&store).unwrap();
        let files = whole(write_ahead_log);
        files.iter().for_each(|(name, bytes)| fs::write(store.join(name), bytes).unwrap());
        let has_bits = |(name, bytes): &&FileContents| name != "FORMAT" && !bytes.is_empty();
        let files: Vec<_> = files.iter().filter(has_bits).collect();
        let (name, mut bytes) = file.get(&files).to_owned().to_owned();
        let byte = byte.index(bytes.len());
        bytes[byte] ^= 1 << bit;
        fs::write(store.join(&name), bytes).unwrap();
        assert_sound(&store, &name);
    }
}

/// Whatever can be read is right as of the position that the store gives; nothing but damage is reported.
fn assert_sound(directory: &Path, flipped: &str) {
    let store = match scratch::open(directory, true) {
        Ok(store) => store,
        Err(StoreError::Damaged { .. }) => return,
        Err(error) => panic!("{flipped}: {error:?}"),
    };
    let mut expected = MemoryStore::default();
    if let Some(position) = store.position() {
        expected.absorb(&rows(), at(1)).unwrap();
        assert_eq!(position, at(1), "{flipped}");
    }
    assert_same(store.scan(b""), expected.scan(b""), flipped);
    let (until, limit) = (Timestamp::from_ms(i64::MAX), usize::MAX);
    assert_same(store.due(until, limit), expected.due(until, limit), flipped);
    for row in rows() {
        assert_same(store.load(&row.key), expected.load(&row.key), flipped);
    }
}

fn assert_same<T: PartialEq + std::fmt::Debug>(
    found: Result<T, StoreError>,
    expected: Result<T, StoreError>,
    flipped: &str,
) {
    match found {
        Err(StoreError::Damaged { .. }) => {}
        found => assert_eq!(found, expected, "{flipped}"),
    }
}

fn rows() -> Vec<Change> {
    (0..ROWS)
        .map(|number| put(&format!("p{number:04}"), &"x".repeat(number as usize % 90), Some(number)))
        .collect()
}

/// A store with rows. Without the log they are in a file once the store is closed.
fn written(scratch: &Scratch, write_ahead_log: bool) -> RocksStore {
    let mut store = scratch.open("store", write_ahead_log).unwrap();
    store.absorb(&rows(), at(1)).unwrap();
    store
}

/// The files of such a store, made once since that takes most of the time.
fn whole(write_ahead_log: bool) -> &'static [FileContents] {
    static WHOLE: [OnceLock<Vec<FileContents>>; 2] = [const { OnceLock::new() }; 2];
    WHOLE[usize::from(write_ahead_log)].get_or_init(|| {
        let scratch = Scratch::new();
        drop(written(&scratch, write_ahead_log));
        contents(&scratch.path("store"))
    })
}

fn contents(directory: &Path) -> Vec<FileContents> {
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

fn remove_all(directory: &Path, extension: &str) {
    for (name, _) in contents(directory) {
        if name.ends_with(extension) {
            fs::remove_file(directory.join(name)).unwrap();
        }
    }
}
