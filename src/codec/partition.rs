//! Which partition a key belongs to, as Java clients and librdkafka's `murmur2` partitioner have it, so that
//! a person's partition can be named without asking anybody.
//!
//! Producing does not go through here: librdkafka places records itself.

/// The partition of a key in a topic of so many partitions, at least 1.
pub fn partition_of(key: &[u8], partitions: i32) -> i32 {
    // As in Java, the sign is cut off instead of turned round: the lowest number has no counterpart.
    (murmur2(key) & i32::MAX) % partitions.max(1)
}

/// MurmurHash2 of 32 bits with the seed that Kafka's clients use.
pub fn murmur2(bytes: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const FACTOR: u32 = 0x5bd1_e995;
    let (words, rest) = bytes.as_chunks::<4>();
    // Only the low half of a length counts in the hash, and no key is longer than 4 GiB.
    let mut hash = SEED ^ bytes.len() as u32;
    for word in words {
        let mut word = u32::from_le_bytes(*word).wrapping_mul(FACTOR);
        word ^= word >> 24;
        hash = hash.wrapping_mul(FACTOR) ^ word.wrapping_mul(FACTOR);
    }
    if !rest.is_empty() {
        for (place, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * place);
        }
        hash = hash.wrapping_mul(FACTOR);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(FACTOR);
    (hash ^ (hash >> 15)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of Kafka's own test.
    const KNOWN: [(&[u8], i32); 6] = [
        (b"21", -973_932_308),
        (b"foobar", -790_332_482),
        (b"a-little-bit-long-string", -985_981_536),
        (b"a-little-bit-longer-string", -1_486_304_829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        (b"abc", 479_470_107),
    ];

    #[test]
    fn hashes_are_those_of_java_clients() {
        for (key, hash) in KNOWN {
            assert_eq!(murmur2(key), hash, "{}", String::from_utf8_lossy(key));
        }
    }

    #[test]
    fn every_key_has_a_partition_of_the_topic() {
        assert_eq!(partition_of(b"abc", 12), 479_470_107 % 12);
        assert_eq!(partition_of(b"21", 12), (-973_932_308 & i32::MAX) % 12);
        for key in 0..1_000_u32 {
            assert!((0..7).contains(&partition_of(&key.to_be_bytes(), 7)));
            assert_eq!(partition_of(&key.to_be_bytes(), 1), 0);
        }
    }
}
