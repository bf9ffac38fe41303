//! What is done to a file of a store: where and what, as chance will have it.

use std::fmt;

/// Numbers that look random and are the same for the same seed.
pub(crate) struct Chance(u64);

/// A change of one file.
pub(crate) struct Mutation {
    /// Its name.
    pub(crate) file: String,
    damage: Damage,
}

#[derive(Debug)]
enum Damage {
    /// These bits are turned over: byte and bit.
    Flipped(Vec<(usize, u32)>),
    /// Only so many bytes are left.
    Cut(usize),
    /// A stretch of the file reads as zeros, as after a power failure.
    Zeroed(usize, usize),
    /// A stretch holds what another stretch of the file held.
    Repeated(usize, usize, usize),
    /// Bytes stand behind the end.
    Longer(usize),
    /// The file is gone.
    Gone,
}

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        (0..8).for_each(|_| {
            chance.below(2);
        });
        chance
    }

    /// A number from 0 to before `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) % end.max(1) as u64) as usize
    }
}

/// The kinds of files in which there is something to damage; the rest is locks and RocksDB's own diary.
pub(crate) fn kind_of(name: &str) -> Option<&'static str> {
    let kinds = [("MANIFEST", "MANIFEST"), ("CURRENT", "CURRENT"), ("OPTIONS", "OPTIONS")];
    let named = kinds.iter().find(|(start, _)| name.starts_with(start)).map(|(_, kind)| *kind);
    named.or(if name.ends_with(".sst") {
        Some("SST")
    } else if name.ends_with(".log") {
        Some("WAL")
    } else {
        None
    })
}

impl Mutation {
    /// Damages one of the files of a kind.
    pub(crate) fn choose(kind: &'static str, files: &[(String, Vec<u8>)], chance: &mut Chance) -> Mutation {
        let of_kind: Vec<_> =
            files.iter().filter(|(name, bytes)| kind_of(name) == Some(kind) && !bytes.is_empty()).collect();
        assert!(!of_kind.is_empty(), "there is no {kind}");
        let (file, bytes) = of_kind[chance.below(of_kind.len())];
        Mutation { file: file.clone(), damage: Damage::choose(bytes.len(), chance) }
    }

    /// The file's bytes afterwards; none where it is gone.
    pub(crate) fn apply(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = bytes.to_vec();
        match &self.damage {
            Damage::Flipped(bits) => bits.iter().for_each(|(at, bit)| bytes[*at] ^= 1 << bit),
            Damage::Cut(length) => bytes.truncate(*length),
            Damage::Zeroed(from, length) => bytes[*from..from + length].fill(0),
            Damage::Repeated(from, to, length) => bytes.copy_within(*from..from + length, *to),
            Damage::Longer(more) => bytes.extend((0..*more).map(|at| (at * 37 % 251) as u8)),
            Damage::Gone => return None,
        }
        Some(bytes)
    }
}

impl Damage {
    fn choose(length: usize, chance: &mut Chance) -> Damage {
        let stretch = |chance: &mut Chance| 1 + chance.below(length.min(4_096));
        match chance.below(20) {
            0..8 => {
                let count = 1 + chance.below(8);
                Damage::Flipped((0..count).map(|_| (chance.below(length), chance.below(8) as u32)).collect())
            }
            8..13 => Damage::Cut(chance.below(length)),
            13..16 => {
                let stretch = stretch(chance);
                Damage::Zeroed(chance.below(length - stretch + 1), stretch)
            }
            16..18 => {
                let stretch = stretch(chance);
                let places = length - stretch + 1;
                Damage::Repeated(chance.below(places), chance.below(places), stretch)
            }
            18 => Damage::Longer(1 + chance.below(600)),
            _ => Damage::Gone,
        }
    }
}

impl fmt::Display for Mutation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {:?}", self.file, self.damage)
    }
}
