//! The rows of the state: their keys and values, the same in the store and on the changelog.
//!
//! | key | value |
//! | --- | --- |
//! | `p` and the person's key | the profile |
//! | `c` and the content's id | a piece of content |
//! | `s` and an interest's name | what all persons together are drawn to |
//! | `m` | how far the input was read, the stream time, and the digest of all other rows |
//! | `r` | the text of the definitions in force, and since when they are |
//! | `i` | with which definitions due times were worked out |
//! | `d` | in a store alone, while it is restored: the digest of what it has |
//! | `t` | in a store alone, until the first commit after that: its due times are by the configured definitions |
//!
//! The first byte of a value is the format's version. On the changelog a null value deletes the row. What
//! consumers read is in `output`, never these rows.

mod profile;

use compact_str::CompactString;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::digest::Digest;
use crate::domain::affinity::Affinity;
use crate::domain::catalogue::Content;
use crate::domain::person::Person;
use crate::domain::profile::Profile;
use crate::domain::site::SiteShares;
use crate::domain::time::Timestamp;

/// The first byte of the key of a person's row.
pub const PERSON_PREFIX: u8 = b'p';
/// What the keys of all content rows start with.
pub const CONTENT_PREFIX: &[u8] = b"c";
/// What the keys of all rows of site shares start with.
pub const SITE_PREFIX: &[u8] = b"s";
/// The key of the [`Meta`] row.
pub const META_KEY: &[u8] = b"m";
/// The key of the definitions' row.
pub const DEFINITIONS_KEY: &[u8] = b"r";
/// The key of the row that says with which definitions due times were worked out: their XXH3 hash.
pub const INDEX_KEY: &[u8] = b"i";
/// The key of the row that a store has while it is restored. The changelog has none.
pub const RESTORING_KEY: &[u8] = b"d";
/// The key of the row that a store has from its restore to the next commit: due times are worked out by the
/// configured definitions then, whatever others the state has. The changelog has none.
pub const MISREAD_KEY: &[u8] = b"t";

/// Whether a row is a store's own note about its restore, which no changelog has.
pub fn is_note(key: &[u8]) -> bool {
    [RESTORING_KEY, MISREAD_KEY].contains(&key)
}

/// The version that is written, and the newest that is read.
const FORMAT: u8 = 1;
/// The same of the [`Meta`] row. Version 1 had no digest.
const META_FORMAT: u8 = 2;
/// The same of the definitions' row. Version 1 did not say since when they are in force.
const DEFINITIONS_FORMAT: u8 = 2;
/// The newest of a person's row, whose layout is in `profile`. Version 1 was as the other rows are.
const PROFILE_FORMAT: u8 = profile::WITH_SCROLLS;
/// Room for a common profile; a larger one makes the buffer grow.
const ROW_BYTES: usize = 1024;

/// How far a partition has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The next offset to read from the input partition.
    pub input_next: i64,
    /// The highest event time seen, so that a restart does not turn it back.
    pub stream_time: Timestamp,
    /// The digest of the partition's other rows; none where a version that kept none wrote them.
    pub digest: Option<Digest>,
}

/// The [`Meta`] row as version 1 wrote it.
#[derive(Deserialize)]
struct MetaWithoutDigest {
    input_next: i64,
    stream_time: Timestamp,
}

/// Why a row cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// A newer version wrote it: nothing is wrong with it, and nothing may overwrite it.
    #[error("the row has format {found}, newer than {known}, which this version knows: run a newer version")]
    Newer {
        /// The format found.
        found: u8,
        /// The newest format that this version reads.
        known: u8,
    },
    /// The bytes are no row: put the store aside and rebuild it from the changelog.
    #[error("the row is damaged: {reason}")]
    Damaged {
        /// What is wrong with the bytes.
        reason: String,
    },
}

/// The key of a person's row.
pub fn profile_key(person: &Person) -> Vec<u8> {
    [&[PERSON_PREFIX], person.as_bytes()].concat()
}

/// Whose row a key belongs to; none if it is no person's.
pub fn person_of_key(key: &[u8]) -> Option<Person> {
    let (prefix, person) = key.split_first()?;
    let person = std::str::from_utf8(person).ok()?;
    (*prefix == PERSON_PREFIX).then(|| Person::bare(person))
}

/// The key of a content row.
pub fn content_key(content_id: &str) -> Vec<u8> {
    [CONTENT_PREFIX, content_id.as_bytes()].concat()
}

/// The content that a content row is about.
pub fn content_id_of_key(key: &[u8]) -> CompactString {
    String::from_utf8_lossy(key.strip_prefix(CONTENT_PREFIX).unwrap_or(key)).into()
}

/// The key of a row of site shares.
pub fn site_key(interest: &str) -> Vec<u8> {
    [SITE_PREFIX, interest.as_bytes()].concat()
}

/// The value of a person's row.
pub fn encode_profile(profile: &Profile) -> Vec<u8> {
    let mut value = Vec::with_capacity(ROW_BYTES);
    profile::write(profile, &mut value);
    value
}

/// The same, in just the memory that it needs: a commit holds many rows at once. `scratch` is for repeated use.
pub fn encode_profile_with(scratch: &mut Vec<u8>, profile: &Profile) -> Vec<u8> {
    scratch.clear();
    profile::write(profile, scratch);
    scratch.as_slice().to_vec()
}

/// Reads the value of a person's row.
pub fn decode_profile(value: &[u8]) -> Result<Profile, RowError> {
    let (format, body) = versioned(value, PROFILE_FORMAT)?;
    if format >= profile::PLAIN {
        return profile::read(format, body).map_err(|reason| damaged(reason.to_owned()));
    }
    let mut profile: Profile = whole(body)?;
    profile.traits = profile.traits.in_order();
    for (_, affinities) in &mut profile.interests {
        // Version 1 had them in the order in which they came, and no squares.
        affinities
            .iter_mut()
            .for_each(|affinity| affinity.squares = Affinity::squares_of_one(affinity.score));
        affinities.sort_by(|one, other| one.value.cmp(&other.value));
    }
    Ok(profile)
}

/// The value of a content row.
pub fn encode_content(content: &Content) -> Vec<u8> {
    encode(FORMAT, content, Vec::with_capacity(ROW_BYTES))
}

/// Reads the value of a content row.
pub fn decode_content(value: &[u8]) -> Result<Content, RowError> {
    decode(value)
}

/// The value of a row of site shares.
pub fn encode_site(shares: &SiteShares) -> Vec<u8> {
    encode(FORMAT, shares, Vec::with_capacity(ROW_BYTES))
}

/// Reads the value of a row of site shares.
pub fn decode_site(value: &[u8]) -> Result<SiteShares, RowError> {
    decode(value)
}

/// The value of the [`META_KEY`] row.
pub fn encode_meta(meta: &Meta) -> Vec<u8> {
    encode(META_FORMAT, meta, Vec::with_capacity(64))
}

/// Reads the value of the [`META_KEY`] row.
pub fn decode_meta(value: &[u8]) -> Result<Meta, RowError> {
    let meta = match versioned(value, META_FORMAT)? {
        (FORMAT, body) => {
            let MetaWithoutDigest { input_next, stream_time } = whole(body)?;
            Meta { input_next, stream_time, digest: None }
        }
        (_, body) => whole(body)?,
    };
    if meta.stream_time.is_plausible() && meta.input_next >= 0 {
        Ok(meta)
    } else {
        Err(damaged("it names an offset below 0, or a time that is not between 1970 and 2199".to_owned()))
    }
}

/// The value of the [`DEFINITIONS_KEY`] row: since when, in stream time, and the definitions' text as it was sent.
/// Version 1 did not say since when.
pub fn encode_definitions(since: Option<Timestamp>, text: &str) -> Vec<u8> {
    match since {
        None => [&[FORMAT], text.as_bytes()].concat(),
        Some(since) => [&[DEFINITIONS_FORMAT], &since.ms().to_le_bytes()[..], text.as_bytes()].concat(),
    }
}

/// Reads the value of the [`DEFINITIONS_KEY`] row.
pub fn decode_definitions(value: &[u8]) -> Result<(Option<Timestamp>, CompactString), RowError> {
    let (format, body) = versioned(value, DEFINITIONS_FORMAT)?;
    let (since, text) = match body.split_first_chunk() {
        _ if format == FORMAT => (None, body),
        Some((since, text)) => (Some(Timestamp::from_ms(i64::from_le_bytes(*since))), text),
        None => return Err(damaged("it ends before it is complete".to_owned())),
    };
    if since.is_some_and(|since| !since.is_plausible()) {
        return Err(damaged("it names a time that is not between 1970 and 2199".to_owned()));
    }
    let text = std::str::from_utf8(text).map_err(|error| damaged(error.to_string()))?;
    Ok((since, text.into()))
}

/// The value of the [`RESTORING_KEY`] row: the digest of what the store has, where that is known.
pub fn encode_restoring(digest: &Option<Digest>) -> Vec<u8> {
    encode(FORMAT, digest, Vec::with_capacity(32))
}

/// Reads the value of the [`RESTORING_KEY`] row.
pub fn decode_restoring(value: &[u8]) -> Result<Option<Digest>, RowError> {
    decode(value)
}

fn encode<T: Serialize>(format: u8, row: &T, mut value: Vec<u8>) -> Vec<u8> {
    value.clear();
    value.push(format);
    postcard::to_extend(row, value).expect("a row has no part of unknown length, and memory grows")
}

fn decode<T: DeserializeOwned>(value: &[u8]) -> Result<T, RowError> {
    whole(body(value)?)
}

fn whole<T: DeserializeOwned>(body: &[u8]) -> Result<T, RowError> {
    let (row, rest) = postcard::take_from_bytes(body).map_err(|error| damaged(error.to_string()))?;
    if rest.is_empty() { Ok(row) } else { Err(damaged(format!("{} bytes follow after it", rest.len()))) }
}

/// What follows after the format's version, of a row that has had one version only.
fn body(value: &[u8]) -> Result<&[u8], RowError> {
    Ok(versioned(value, FORMAT)?.1)
}

/// The format's version and what follows after it, if this version knows it.
fn versioned(value: &[u8], known: u8) -> Result<(u8, &[u8]), RowError> {
    match value {
        [] => Err(damaged("it is empty".to_owned())),
        [0, ..] => Err(damaged("there is no format 0".to_owned())),
        [found, body @ ..] if *found <= known => Ok((*found, body)),
        [found, ..] => Err(RowError::Newer { found: *found, known }),
    }
}

fn damaged(reason: String) -> RowError {
    RowError::Damaged { reason }
}

#[cfg(test)]
mod tests;
