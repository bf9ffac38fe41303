//! The committed inputs: each once failed, and is kept so that it does not fail again.

use std::fs;
use std::path::PathBuf;

/// The inputs of a target, in the order of their names.
pub(crate) fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder(target)) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap()))
        .collect()
}

/// Keeps a failing input under a name that says why. Returns where.
pub(crate) fn keep(target: &str, why: &str, input: &[u8]) -> PathBuf {
    let words: String =
        why.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '-' }).collect();
    let words: Vec<&str> = words.split('-').filter(|word| !word.is_empty()).collect();
    let mut name = words.join("-").to_lowercase();
    name.truncate(name.floor_char_boundary(60));
    let hash = xxhash_rust::xxh3::xxh3_64(input) as u32;
    let path = folder(target).join(format!("{name}-{hash:08x}"));
    fs::create_dir_all(folder(target)).unwrap();
    fs::write(&path, input).unwrap();
    path
}

fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target)
}
