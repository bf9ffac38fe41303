//! A store on disk under `kill -9` and, as far as files can show it, under a power failure. Whatever happens,
//! it opens again, and its rows are exactly those of the batches before its own position: that is what the
//! rest of the program builds on. Both settings of the log are tried.
//!
//! This test starts itself as a process to be killed. It does not test the disk: that data which was synced
//! is still there after a power failure is taken for granted.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use bespoke::domain::person::Person;
use bespoke::domain::time::Timestamp;
use bespoke::store::rocks::{RocksStore, StoreMemory, StoreOptions};
use bespoke::store::{Change, Position, Store, StoreError};

const KILLS: usize = 20;
/// Batch `n` writes the rows of slot `n % SLOTS`, all with `n` in them.
const SLOTS: i64 = 997;
const ROWS_PER_BATCH: i64 = 4;
/// Batch `n` also writes a row of its own, which batch `n + LINGER` deletes: a batch that is missing
/// anywhere below the position leaves a row too many for ever.
const LINGER: i64 = 3;
/// So little that files are written and compacted several times between two kills, in bytes.
const WRITE_BUFFER_BYTES: usize = 128 << 10;
/// What the process to be killed is told its part with.
const PART: &str = "killed-while-absorbing=";

#[test]
fn a_killed_store_with_its_log_reopens_as_a_prefix() {
    kill_again_and_again("a_killed_store_with_its_log_reopens_as_a_prefix", true);
}

#[test]
fn a_killed_store_without_a_log_reopens_as_a_prefix() {
    kill_again_and_again("a_killed_store_without_a_log_reopens_as_a_prefix", false);
}

fn kill_again_and_again(test: &str, write_ahead_log: bool) {
    let options = StoreOptions { write_ahead_log };
    if let Some(directory) =
        std::env::args().find_map(|argument| Some(PathBuf::from(argument.strip_prefix(PART)?)))
    {
        absorb_until_killed(&directory, options);
        return;
    }
    let scratch = Scratch::new(test);
    let store = scratch.0.join("store");
    let mut report = format!("log: {write_ahead_log}; batches found after each kill:");
    let mut last = 0;
    let mut power = PowerFailures::default();
    for _ in 0..KILLS {
        let mut child = start(test, &store);
        let written = wait_until_it_writes(&mut child, &store);
        sleep(Duration::from_millis(random_below(150)));
        child.kill().unwrap();
        child.wait().unwrap();
        power.fail(&scratch.0, &store, options);
        let next = next_of_sound(&store, options).unwrap_or_else(|error| panic!("{report} then {error}"));
        assert!(next >= last, "{report} then {next}");
        assert!(next > written || !write_ahead_log, "{report} then {next}, though {written} was logged");
        write!(report, " {next}").unwrap();
        last = next;
    }
    assert!(last > 0, "{report}");
    eprintln!("{report}; {power:?}");
}

fn start(test: &str, store: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", &format!("{PART}{}", store.display())])
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// The part of the process that is killed.
fn absorb_until_killed(directory: &Path, options: StoreOptions) {
    let mut store = RocksStore::open_with(directory, &memory(), options).unwrap();
    let first = store.position().map_or(0, |position| position.changelog_next);
    // It ends by itself some time, should the one who kills be gone.
    for number in first..first + 1_000_000 {
        store.absorb(&batch(number), position_after(number)).unwrap();
        if number == first {
            // Renamed, so that it is never read half written.
            fs::write(started(directory).with_extension("new"), number.to_string()).unwrap();
            fs::rename(started(directory).with_extension("new"), started(directory)).unwrap();
        }
    }
}

fn started(store: &Path) -> PathBuf {
    store.with_extension("started")
}

/// Waits for the process to have written a batch, and returns the batch's number.
fn wait_until_it_writes(child: &mut Child, store: &Path) -> i64 {
    loop {
        let number = fs::read_to_string(started(store)).ok().and_then(|text| text.parse().ok());
        if let Some(number) = number {
            fs::remove_file(started(store)).unwrap();
            return number;
        }
        assert_eq!(child.try_wait().unwrap(), None, "the process ended by itself");
        sleep(Duration::from_millis(2));
    }
}

/// Copies of a killed store from which a power failure takes ends of files. What was synced cannot be told
/// from what was not, so some copies lose more than a power failure would take; those may be damaged, as long
/// as that is noticed.
#[derive(Debug, Default)]
struct PowerFailures {
    newest_log_cut: usize,
    older_log_cut: usize,
    manifest_cut: usize,
    manifest_cut_and_noticed: usize,
}

impl PowerFailures {
    fn fail(&mut self, scratch: &Path, store: &Path, options: StoreOptions) {
        let copied = || Copied::of(store, scratch.join("copy"));
        for (age, log) in logs(store).iter().rev().enumerate() {
            let copy = copied();
            // A file system that allocates late leaves files empty, which no checksum in them gives away.
            copy.cut(log, |length| if random_below(2) == 0 { 0 } else { random_below(length + 1) });
            next_of_sound(&copy.0, options).unwrap_or_else(|error| panic!("log {age} was cut: {error}"));
            *(if age == 0 { &mut self.newest_log_cut } else { &mut self.older_log_cut }) += 1;
        }
        let current = fs::read_to_string(store.join("CURRENT")).unwrap();
        let copy = copied();
        copy.cut(current.trim_end(), |length| length.saturating_sub(1 + random_below(400)));
        match next_of_sound(&copy.0, options) {
            Ok(_) => self.manifest_cut += 1,
            Err(StoreError::Damaged { .. }) => self.manifest_cut_and_noticed += 1,
            Err(error) => panic!("the manifest was cut: {error}"),
        }
    }
}

/// A copy of a store, removed at its end.
struct Copied(PathBuf);

impl Copied {
    fn of(store: &Path, to: PathBuf) -> Copied {
        fs::create_dir(&to).unwrap();
        for entry in fs::read_dir(store).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
        Copied(to)
    }

    fn cut(&self, name: &str, to: impl Fn(u64) -> u64) {
        let file = OpenOptions::new().write(true).open(self.0.join(name)).unwrap();
        file.set_len(to(file.metadata().unwrap().len())).unwrap();
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The logs of a store that hold something, oldest first.
fn logs(store: &Path) -> Vec<String> {
    let entries = fs::read_dir(store).unwrap().map(|entry| entry.unwrap());
    let with_bytes = entries.filter(|entry| entry.metadata().unwrap().len() > 0);
    let mut logs: Vec<String> = with_bytes.map(|entry| entry.file_name().into_string().unwrap()).collect();
    logs.retain(|name| name.ends_with(".log"));
    logs.sort();
    logs
}

/// Opens a store, asserts that it is exactly what its position says, and returns the next batch's number.
fn next_of_sound(directory: &Path, options: StoreOptions) -> Result<i64, StoreError> {
    let store = RocksStore::open_with(directory, &memory(), options)?;
    let next = store.position().map_or(0, |position| position.changelog_next);
    if next > 0 {
        assert_eq!(store.position(), Some(position_after(next - 1)));
    }
    // The last batches write every slot and delete every row but those that linger.
    let mut rows = BTreeMap::new();
    let mut due = BTreeSet::new();
    for change in ((next - SLOTS - LINGER).max(0)..next).flat_map(batch) {
        let former = match change.value {
            Some(value) => rows.insert(change.key.clone(), (value, change.due)),
            None => rows.remove(&change.key),
        };
        let person = || Person::bare(std::str::from_utf8(&change.key[1..]).unwrap());
        if let Some(former) = former.and_then(|(_, due)| due) {
            due.remove(&(former, person().to_string()));
        }
        if let Some(at) = change.due {
            due.insert((at, person().to_string()));
        }
    }
    let rows: Vec<_> = rows.into_iter().map(|(key, (value, _))| (key, value)).collect();
    let due: Vec<_> = due.into_iter().map(|(at, person)| (at, Person::bare(&person))).collect();
    assert!(store.scan(b"")? == rows, "the rows are not those of the batches before {next}");
    let found = store.due(Timestamp::from_ms(i64::MAX), usize::MAX)?;
    assert!(found == due, "the index is not that of the batches before {next}");
    Ok(next)
}

fn batch(number: i64) -> Vec<Change> {
    let row = |name: String, due| Change {
        key: name.into_bytes(),
        value: Some(format!("{number}:{}", "x".repeat((number % 200) as usize)).into_bytes()),
        due,
        ..Change::default()
    };
    let slot = number % SLOTS;
    let mut changes: Vec<Change> = (0..ROWS_PER_BATCH)
        .map(|index| row(format!("p{slot}-{index}"), Some(Timestamp::from_ms(number))))
        .collect();
    changes.push(row(format!("s{number}"), None));
    if number >= LINGER {
        changes.push(Change { key: format!("s{}", number - LINGER).into_bytes(), ..Change::default() });
    }
    changes
}

fn position_after(number: i64) -> Position {
    Position { changelog_next: number + 1, input_next: 2 * (number + 1) }
}

fn memory() -> StoreMemory {
    StoreMemory::new(1 << 20, WRITE_BUFFER_BYTES)
}

/// When to kill and where to cut need no seed: the moment could not be repeated anyway.
fn random_below(limit: u64) -> u64 {
    RandomState::new().hash_one(0) % limit
}

/// A directory for one test, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("bespoke-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
