"""The partition of a key as Java's clients compute it, written from the description of MurmurHash2."""

from __future__ import annotations

MASK = 0xFFFFFFFF
FACTOR = 0x5BD1E995
SEED = 0x9747B28C


def partition_of(key: bytes, partitions: int) -> int:
    """The sign is cut off, then the rest is taken by the number of partitions."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(key: bytes) -> int:
    """The 32 bits of the hash, unsigned."""
    value = SEED ^ len(key)
    whole = len(key) - len(key) % 4
    for start in range(0, whole, 4):
        word = int.from_bytes(key[start : start + 4], "little") * FACTOR & MASK
        word = (word ^ word >> 24) * FACTOR & MASK
        value = value * FACTOR & MASK ^ word
    if whole < len(key):
        value = (value ^ int.from_bytes(key[whole:], "little")) * FACTOR & MASK
    value = (value ^ value >> 13) * FACTOR & MASK
    return value ^ value >> 15
