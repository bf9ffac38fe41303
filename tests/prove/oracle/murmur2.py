"""The partition of a key, as Java's producers choose it: MurmurHash2 of 32 bits over the key."""

from __future__ import annotations

import struct

FACTOR = 0x5BD1E995
MASK = 0xFFFFFFFF


def murmur2(key: bytes) -> int:
    """The hash as an unsigned number."""
    length = len(key)
    whole = length & ~3
    state = 0x9747B28C ^ length
    for word in struct.unpack(f"<{whole // 4}I", key[:whole]):
        word = word * FACTOR & MASK
        word = (word ^ word >> 24) * FACTOR & MASK
        state = (state * FACTOR & MASK) ^ word
    rest = key[whole:]
    if rest:
        state = (state ^ int.from_bytes(rest, "little")) * FACTOR & MASK
    state = (state ^ state >> 13) * FACTOR & MASK
    return state ^ state >> 15


def partition_of(key: bytes, partitions: int) -> int:
    return (murmur2(key) & 0x7FFFFFFF) % partitions
