//! The directory of a store: what must be true of it before RocksDB may touch it, and how it is put aside.
//!
//! The number of the format is in a file of its own, not in RocksDB: a newer version may bring a newer
//! RocksDB, whose files this one could take for damaged ones, and opening them would already change them.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::fault::Fault;
use super::record_log;
use crate::store::StoreError;

/// The format that this version writes, and the only one that it reads.
pub(super) const FORMAT: u32 = 1;

const FORMAT_FILE: &str = "FORMAT";
const FORMAT_FILE_UNFINISHED: &str = "FORMAT.unfinished";
/// What a directory may hold before it holds a store: an attempt that a crash cut short, and what the root
/// of a file system has.
const NOT_OURS: [&str; 2] = [FORMAT_FILE_UNFINISHED, "lost+found"];

/// Makes sure that there is a directory for a store of this format. Returns whether a RocksDB is in it.
pub(super) fn prepare(directory: &Path, fault: &Fault) -> Result<bool, StoreError> {
    fs::create_dir_all(directory).map_err(|error| fault.io("making the directory", &error))?;
    let files = list(directory).map_err(|error| fault.io("listing the directory", &error))?;
    match fs::read(directory.join(FORMAT_FILE)) {
        Ok(text) => check_format(&text, fault)?,
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(fault.io("reading the file FORMAT", &error));
        }
        Err(_) if files.iter().any(|file| !NOT_OURS.contains(&file.name.as_str())) => {
            return Err(fault.damaged("the directory is not empty and has no file FORMAT"));
        }
        Err(_) => write_format(directory).map_err(|error| fault.io("writing the file FORMAT", &error))?,
    }
    let existing = files.iter().any(|file| file.name == "CURRENT");
    // RocksDB takes a directory without this file for a new one and deletes what else it finds.
    if !existing && files.iter().any(FoundFile::has_rows) {
        return Err(fault.damaged("the file CURRENT is missing"));
    }
    for file in files.iter().filter(|file| file.is_record_log()) {
        let readable = record_log::is_readable(&directory.join(&file.name));
        if !readable.map_err(|error| fault.io("reading a record log", &error))? {
            return Err(fault.damaged(&format!("{} has a record of a type that is not written", file.name)));
        }
    }
    Ok(existing)
}

/// Moves a directory aside; see [`RocksStore::quarantine`](super::RocksStore::quarantine).
pub(super) fn quarantine(directory: &Path) -> io::Result<PathBuf> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "the directory of a store must have a name");
    let name = directory.file_name().ok_or_else(invalid)?;
    let mut prefix = name.to_owned();
    prefix.push(".damaged-");
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));

    // Nothing is removed for the sake of a directory that is not there.
    fs::metadata(directory)?;
    let mut last = 0;
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if let Some(number) = number_after(&prefix, &entry.file_name()) {
            fs::remove_dir_all(entry.path())?;
            last = last.max(number);
        }
    }
    let mut aside = prefix;
    aside.push(last.saturating_add(1).to_string());
    let aside = directory.with_file_name(aside);
    fs::rename(directory, &aside)?;
    Ok(aside)
}

fn number_after(prefix: &OsString, name: &OsString) -> Option<u64> {
    name.to_str()?.strip_prefix(prefix.to_str()?)?.parse().ok()
}

struct FoundFile {
    name: String,
    bytes: u64,
}

impl FoundFile {
    /// Whether the file holds rows that RocksDB has written: a table, or a log that something is in.
    fn has_rows(&self) -> bool {
        self.name.ends_with(".sst") || (self.name.ends_with(".log") && self.bytes > 0)
    }

    fn is_record_log(&self) -> bool {
        self.name.starts_with("MANIFEST-") || self.name.ends_with(".log")
    }
}

fn list(directory: &Path) -> io::Result<Vec<FoundFile>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        // Another process may delete a file meanwhile; the lock, taken later, decides who may go on.
        let bytes = entry.metadata().map(|metadata| metadata.len()).unwrap_or_default();
        files.push(FoundFile { name: entry.file_name().to_string_lossy().into_owned(), bytes });
    }
    Ok(files)
}

fn check_format(text: &[u8], fault: &Fault) -> Result<(), StoreError> {
    let text = String::from_utf8_lossy(text);
    let number = text.trim_end().strip_prefix("bespoke store format ").and_then(|number| number.parse().ok());
    match number {
        Some(FORMAT) => Ok(()),
        Some(found) if found > FORMAT => {
            Err(StoreError::Newer { directory: fault.directory().to_owned(), found, known: FORMAT })
        }
        Some(found) => Err(fault.damaged(&format!("format {found} is no longer read"))),
        None => Err(fault.damaged("the file FORMAT does not name a format")),
    }
}

/// Writes the file whole or not at all, before anything else.
fn write_format(directory: &Path) -> io::Result<()> {
    let unfinished = directory.join(FORMAT_FILE_UNFINISHED);
    let mut file = File::create(&unfinished)?;
    writeln!(file, "bespoke store format {FORMAT}")?;
    file.sync_all()?;
    fs::rename(&unfinished, directory.join(FORMAT_FILE))?;
    File::open(directory)?.sync_all()
}
