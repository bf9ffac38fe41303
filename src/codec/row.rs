//! The rows of the state: their keys and values, the same in the store and on the changelog.
//!
//! | key | value |
//! | --- | --- |
//! | `p` and the person's key | the profile |
//! | `c` and the content's id | a piece of content |
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
use crate::domain::catalogue::Content;
use crate::domain::person::Person;
use crate::domain::profile::Profile;
use crate::domain::time::Timestamp;

/// The first byte of the key of a person's row.
pub const PERSON_PREFIX: u8 = b'p';
/// What the keys of all content rows start with.
pub const CONTENT_PREFIX: &[u8] = b"c";
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
const PROFILE_FORMAT: u8 = profile::WITH_PREVIOUS;
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
        // Version 1 had them in the order in which they came.
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
mod tests {
    use std::fmt::Write;

    use proptest::prelude::*;

    use super::*;
    use crate::codec::arbitrary;
    use crate::domain::affinity::Affinity;

    /// Rows as each version writes them. A row on somebody's disk looks like this: what changes the layout needs
    /// a new format, and reads these for ever.
    const FORMAT_1_PROFILE: &str = "\
        01ac0280a8a9d702ab020180bab7030001036d2d3101ffffffffffffffffff0180a8a9d7020503616765010506\
        6c6162656c730402016101620a6e6577736c6574746572000104706c616e0304676f6c6405726174696f020000\
        00000000e03f01070401c601040108010573686f6573000000000000f83fc801030180eef1d3020280eef1d302\
        80a8a9d70205010105736b752d31010201034555529d1f0180d4d4ab010180d4d4ab0101010105736b752d3203\
        09028098ffcd010a018098dca9030b00010c80dca9f001";
    const FORMAT_2_PROFILE: &str = "\
        023dac0280a8a9d702ab0280eef1d302036d2d3101ffffffffffffffff0005036167650205066c6162656c7305\
        02016101620a6e6577736c65747465720104706c616e0404676f6c6405726174696f03000000000000e03f0107\
        0000000401c601040108000000010573686f6573000000000000f83f000780bab7030280bab70300050105736b\
        752d31010201034555529d1f80d4d4ab0180d4d4ab010101000000000000000105736b752d3203090000000280\
        90aa89010a00000001ffefb2520b00000000010c00000080ccff66";
    const FORMAT_1_CONTENT: &str =
        "010862616e6e65722d310104686f6d65010573686f6573000000000000f03f000000000000d03f0105736b752d31010200";

    fn bytes(hexadecimal: &str) -> Vec<u8> {
        let digits = hexadecimal.as_bytes().chunks(2);
        digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
    }

    fn hexadecimal(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    }

    #[test]
    fn the_layouts_stay() {
        let profile = encode_profile(&arbitrary::sample_profile());
        assert_eq!(hexadecimal(&profile), FORMAT_2_PROFILE);
        assert_eq!(decode_profile(&profile), Ok(arbitrary::sample_profile()));
        assert_eq!(hexadecimal(&encode_content(&arbitrary::sample_content())), FORMAT_1_CONTENT);
        let digest = Some(Digest { rows: 300, sum: u64::MAX });
        let meta = Meta { input_next: 300, stream_time: Timestamp::from_ms(1_700_000_000_000), digest };
        let row = "02d80480a0abfef96201ac02ffffffffffffffffff01";
        assert_eq!(hexadecimal(&encode_meta(&meta)), row);
        assert_eq!(hexadecimal(&encode_restoring(&digest)), "0101ac02ffffffffffffffffff01");
        assert_eq!(encode_definitions(None, "slots: []"), b"\x01slots: []");
        let since = Some(Timestamp::from_ms(0x0102));
        assert_eq!(encode_definitions(since, "a: 1"), b"\x02\x02\x01\0\0\0\0\0\0a: 1");
    }

    #[test]
    fn a_profile_of_format_1_is_read_with_its_affinities_in_order() {
        let mut profile = arbitrary::sample_profile();
        assert_eq!(decode_profile(&bytes(FORMAT_1_PROFILE)), Ok(profile.clone()));
        let affinities = &mut profile.interests[0].1;
        affinities.push(Affinity::new("boots", 7));
        let row = encode(FORMAT, &profile, Vec::new());
        profile.interests[0].1.reverse();
        assert_eq!(decode_profile(&row), Ok(profile));
    }

    #[test]
    fn a_position_of_format_1_has_an_unknown_digest() {
        let row = [0x01, 0xd8, 0x04, 0x80, 0xa0, 0xab, 0xfe, 0xf9, 0x62];
        let stream_time = Timestamp::from_ms(1_700_000_000_000);
        let meta = Meta { input_next: 300, stream_time, digest: None };
        assert_eq!(decode_meta(&row), Ok(meta));
        assert_eq!(hexadecimal(&encode_meta(&meta)), "02d80480a0abfef96200", "it is written as format 2");
        assert!(decode_meta(&[&row[..], &[0]].concat()).is_err(), "format 1 ends here");
    }

    #[test]
    fn keys_tell_what_they_are_of() {
        let person = Person::bare("user:42");
        assert_eq!(profile_key(&person), b"puser:42");
        assert_eq!(content_key("banner-1"), b"cbanner-1");
        for key in [META_KEY, DEFINITIONS_KEY, RESTORING_KEY, &content_key("p"), b"", b"p\xff"] {
            assert_eq!(person_of_key(key), None);
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_the_reason() {
        assert_eq!(decode_profile(&[7, 0]), Err(RowError::Newer { found: 7, known: 6 }));
        assert_eq!(decode_content(&[2, 0]), Err(RowError::Newer { found: 2, known: 1 }));
        assert_eq!(decode_meta(&[3, 0]), Err(RowError::Newer { found: 3, known: 2 }));
        assert_eq!(decode_meta(&[]).unwrap_err().to_string(), "the row is damaged: it is empty");
        assert_eq!(decode_meta(&[0]).unwrap_err().to_string(), "the row is damaged: there is no format 0");
        let follows = decode_meta(&[1, 0, 0, 0]).unwrap_err();
        assert_eq!(follows.to_string(), "the row is damaged: 1 bytes follow after it");
        assert!(matches!(decode_definitions(&[1, 0xff]), Err(RowError::Damaged { .. })));
    }

    #[test]
    fn a_length_beyond_the_row_takes_no_memory() {
        // Ten bytes that say that 2^64 - 1 traits follow; the zeros before them are the profile's numbers.
        for zeros in [vec![FORMAT, 0, 0, 0, 0, 0, 0, 0], vec![PROFILE_FORMAT, 0, 0, 0, 0, 0]] {
            let mut value = zeros;
            value.extend([0xff; 9]);
            value.push(1);
            assert!(matches!(decode_profile(&value), Err(RowError::Damaged { .. })));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_profile_comes_back_as_it_was(profile in arbitrary::profile()) {
            let mut value = encode_profile(&profile);
            prop_assert_eq!(decode_profile(&value), Ok(profile));
            value.push(0);
            prop_assert!(decode_profile(&value).is_err());
        }

        #[test]
        fn content_comes_back_as_it_was(content in arbitrary::content()) {
            prop_assert_eq!(decode_content(&encode_content(&content)), Ok(content));
        }

        #[test]
        fn positions_and_definitions_come_back(
            input_next: i64, ms: i64, text: String, digest: Option<(u64, u64)>
        ) {
            let digest = digest.map(|(rows, sum)| Digest { rows, sum });
            let meta = Meta { input_next, stream_time: Timestamp::from_ms(ms), digest };
            prop_assert_eq!(decode_restoring(&encode_restoring(&digest)), Ok(digest));
            let read = decode_meta(&encode_meta(&meta)).ok();
            let possible = input_next >= 0 && meta.stream_time.is_plausible();
            prop_assert_eq!(read, possible.then_some(meta));
            let meta = Meta { input_next: input_next & i64::MAX, stream_time: Timestamp::LATEST, digest };
            prop_assert_eq!(decode_meta(&encode_meta(&meta)), Ok(meta));
            for since in [None, Some(meta.stream_time)] {
                let row = encode_definitions(since, &text);
                prop_assert_eq!(decode_definitions(&row), Ok((since, text.as_str().into())));
            }
        }

        #[test]
        fn persons_come_back_from_their_keys(person in arbitrary::person()) {
            prop_assert_eq!(person_of_key(&profile_key(&person)), Some(person));
        }

        #[test]
        fn any_bytes_give_a_row_or_a_reason(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let [first, second] = [FORMAT, PROFILE_FORMAT].map(|format| [&[format], &bytes[..]].concat());
            for value in [&first[..], &second[..], &bytes[..]] {
                let _ = (decode_profile(value), decode_content(value), decode_meta(value));
                let _ = (decode_definitions(value), decode_restoring(value));
            }
        }
    }
}
