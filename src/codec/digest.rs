//! The digest of a partition's state: how many rows it has, and the sum of their hashes. A state that was
//! restored is compared with it, so that a changelog from which something is missing is noticed.
//!
//! It is a sum, so that it does not depend on the order of rows and a changed row costs two additions. It is
//! no exclusive or, in which a row that is counted twice is gone and two errors that are alike cancel out. A
//! row's hash is one of its key and value together, so that two rows whose values changed places are noticed.
//!
//! It is no seal: who wants to forge a state finds rows that add up. It finds loss and defects, and misses one
//! in 2^64.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::row;

/// How many rows a state has, and the sum of their hashes. The default is that of no rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// The number of rows.
    pub rows: u64,
    /// The sum of their hashes, modulo 2^64.
    pub sum: u64,
}

impl Digest {
    /// The digest of these keys and values, those that it leaves out included.
    pub fn of<'r>(rows: impl IntoIterator<Item = (&'r [u8], &'r [u8])>) -> Digest {
        let mut digest = Digest::default();
        for (key, value) in rows.into_iter().filter(|(key, _)| is_counted(key)) {
            digest.replace(None, Some(row_hash(key, value)));
        }
        digest
    }

    /// Counts a row's hash from before out and the one from now on in; none where there is no row. What is
    /// counted out and was never in leads to a digest of no state, which the comparison finds.
    pub fn replace(&mut self, before: Option<u64>, after: Option<u64>) {
        if let Some(hash) = before {
            self.rows = self.rows.wrapping_sub(1);
            self.sum = self.sum.wrapping_sub(hash);
        }
        if let Some(hash) = after {
            self.rows = self.rows.wrapping_add(1);
            self.sum = self.sum.wrapping_add(hash);
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} rows with the digest {:016x}", self.rows, self.sum)
    }
}

/// The hash of a row: of the hashes of its key and its value, each in eight bytes, little-endian.
pub fn row_hash(key: &[u8], value: &[u8]) -> u64 {
    xxh3_64([xxh3_64(key).to_le_bytes(), xxh3_64(value).to_le_bytes()].as_flattened())
}

/// Whether a row counts. The one that carries the digest cannot, and a store's notes about its restore are not in
/// the changelog.
pub fn is_counted(key: &[u8]) -> bool {
    key != row::META_KEY && !row::is_note(key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(rows: &[(&str, &str)]) -> Digest {
        Digest::of(rows.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes())))
    }

    #[test]
    fn the_hash_stays_what_it_is() {
        // As Python's xxhash gives it: xxh3_64(pack("<QQ", xxh3_64(b"puser:1"), xxh3_64(b"\x01value"))).
        assert_eq!(row_hash(b"puser:1", b"\x01value"), 0xfe28_c25c_aa29_cf0e);
    }

    #[test]
    fn every_difference_between_states_shows() {
        let state = of(&[("pa", "1"), ("pb", "2"), ("pc", "2")]);
        let others = [
            of(&[("pb", "2"), ("pc", "2")]),
            of(&[("pa", "2"), ("pb", "1"), ("pc", "2")]),
            of(&[("pa", "1"), ("pb", "2"), ("pd", "2")]),
            of(&[("pa", "1"), ("pb", "2"), ("pc", "3")]),
            of(&[("pa1", ""), ("pb", "2"), ("pc", "2")]),
            of(&[("pa", "1"), ("pb", "2"), ("pc", "2"), ("pd", "")]),
            // Where it was an exclusive or, the row that is counted three times would be there once.
            of(&[("pa", "1"), ("pb", "2"), ("pc", "2"), ("pc", "2"), ("pc", "2")]),
        ];
        assert!(!others.contains(&state));
        assert_eq!(state.rows, 3);
    }

    #[test]
    fn the_position_and_the_note_of_a_restore_are_left_out() {
        assert_eq!(of(&[("m", "1"), ("d", "2")]), Digest::default());
        assert_eq!(of(&[("i", "1"), ("r", "2"), ("c", "")]).rows, 3);
    }

    #[test]
    fn what_is_counted_out_of_nothing_panics_nowhere_and_comes_back() {
        let mut digest = Digest::default();
        digest.replace(Some(7), None);
        assert_ne!(digest, Digest::default());
        digest.replace(None, Some(7));
        assert_eq!(digest, Digest::default());
    }

    proptest! {
        #[test]
        fn changes_in_any_order_lead_to_the_digest_of_the_rows(
            changes in prop::collection::vec((0..6_u8, prop::option::of(any::<Vec<u8>>())), 0..60)
        ) {
            let mut rows = std::collections::BTreeMap::new();
            let mut digest = Digest::default();
            for (key, value) in changes {
                let key = vec![b'p', key];
                let hash = |value: &Vec<u8>| row_hash(&key, value);
                digest.replace(rows.get(&key).map(hash), value.as_ref().map(hash));
                match value {
                    Some(value) => rows.insert(key, value),
                    None => rows.remove(&key),
                };
                let rows = rows.iter().rev().map(|(key, value)| (&key[..], &value[..]));
                prop_assert_eq!(digest, Digest::of(rows));
            }
        }
    }
}
