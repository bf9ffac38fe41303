//! The bytes of keys and values on disk, in one place, since they are the format that
//! [`FORMAT`](super::directory::FORMAT) counts. What is inside a row's value is not known here.
//!
//! | what | key | value |
//! | --- | --- | --- |
//! | index by due time | `d`, the due time so that bytes sort as times, the person's key | empty |
//! | position | `mposition` | the two offsets, big-endian |
//! | row | `r`, the row's key | when it is due: `0`, or `1` and the time; then the row's value |

use super::fault::Fault;
use crate::codec::row::PERSON_PREFIX;
use crate::domain::person::Person;
use crate::domain::time::Timestamp;
use crate::store::{Position, StoreError};

const INDEX: u8 = b'd';
const ROW: u8 = b'r';
/// The first byte of a stored row that is never due, and of one that is due.
const NOT_DUE: u8 = 0;
const DUE: u8 = 1;

/// The key of the position.
pub(super) const POSITION_KEY: &[u8] = b"mposition";
/// The first key after the index.
pub(super) const INDEX_END: &[u8] = b"e";

/// The first key that an entry of the index may have.
pub(super) fn index_start() -> Vec<u8> {
    vec![INDEX]
}

/// The first key after the entries that are due at or before `until`.
pub(super) fn index_end(until: Timestamp) -> Vec<u8> {
    match until.ms().checked_add(1) {
        Some(after) => index_prefix(Timestamp::from_ms(after)),
        None => INDEX_END.to_vec(),
    }
}

/// The key of the index entry of a person's row, from the row's key.
pub(super) fn index_key(due: Timestamp, row_key: &[u8]) -> Vec<u8> {
    let mut key = index_prefix(due);
    key.extend(row_key.iter().skip(1));
    key
}

fn index_prefix(due: Timestamp) -> Vec<u8> {
    let mut key = index_start();
    // With the sign bit flipped, big-endian bytes sort as the numbers do.
    key.extend((due.ms() ^ i64::MIN).to_be_bytes());
    key
}

/// The due time and the person of an index entry.
pub(super) fn split_index_key(key: &[u8], fault: &Fault) -> Result<(Timestamp, Person), StoreError> {
    let entry = key.get(1..).and_then(|entry| entry.split_first_chunk::<8>());
    let (due, person) = entry.ok_or_else(|| fault.damaged("an entry of the index is too short"))?;
    let person = std::str::from_utf8(person)
        .map_err(|error| fault.damaged(&format!("a person's key in the index is not text: {error}")))?;
    Ok((Timestamp::from_ms(i64::from_be_bytes(*due) ^ i64::MIN), Person::bare(person)))
}

/// The key on disk of a row, or of a prefix of rows.
pub(super) fn row_key(key: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(1 + key.len());
    stored.push(ROW);
    stored.extend_from_slice(key);
    stored
}

/// The first key on disk after the row of a person.
pub(super) fn row_key_after(person: &Person) -> Vec<u8> {
    let mut stored = row_key(&[PERSON_PREFIX]);
    stored.extend_from_slice(person.as_bytes());
    stored.push(0);
    stored
}

/// The person whose row this key on disk is of.
pub(super) fn person_of_row(stored: &[u8], fault: &Fault) -> Result<Person, StoreError> {
    let person = std::str::from_utf8(stored.get(2..).unwrap_or_default())
        .map_err(|error| fault.damaged(&format!("the key of a person's row is not text: {error}")))?;
    Ok(Person::bare(person))
}

/// The key of a row, from its key on disk.
pub(super) fn split_row_key(stored: &[u8]) -> &[u8] {
    stored.get(1..).unwrap_or_default()
}

/// The first key after all keys that start with `prefix`; none if there is no such key.
pub(super) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut after = prefix.to_vec();
    while let Some(last) = after.pop() {
        if let Some(next) = last.checked_add(1) {
            after.push(next);
            return Some(after);
        }
    }
    None
}

/// A row as it is stored.
pub(super) fn join_row(due: Option<Timestamp>, value: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(9 + value.len());
    match due {
        Some(due) => {
            stored.push(DUE);
            stored.extend(due.ms().to_be_bytes());
        }
        None => stored.push(NOT_DUE),
    }
    stored.extend_from_slice(value);
    stored
}

/// When a stored row is due, and its value.
pub(super) fn split_row<'a>(
    stored: &'a [u8],
    fault: &Fault,
) -> Result<(Option<Timestamp>, &'a [u8]), StoreError> {
    match stored.split_first() {
        Some((&NOT_DUE, value)) => Ok((None, value)),
        Some((&DUE, rest)) => match rest.split_first_chunk::<8>() {
            Some((due, value)) => Ok((Some(Timestamp::from_ms(i64::from_be_bytes(*due))), value)),
            None => Err(fault.damaged("a row is too short")),
        },
        _ => Err(fault.damaged("a row does not say whether it is due")),
    }
}

/// A position as it is stored.
pub(super) fn join_position(position: Position) -> Vec<u8> {
    [position.changelog_next.to_be_bytes(), position.input_next.to_be_bytes()].concat()
}

/// A position from what is stored.
pub(super) fn split_position(stored: &[u8], fault: &Fault) -> Result<Position, StoreError> {
    match stored.as_chunks::<8>() {
        ([changelog_next, input_next], []) => Ok(Position {
            changelog_next: i64::from_be_bytes(*changelog_next),
            input_next: i64::from_be_bytes(*input_next),
        }),
        _ => Err(fault.damaged("the position is not two offsets")),
    }
}
