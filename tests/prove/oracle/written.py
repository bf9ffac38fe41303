"""Values of JSON written out where their text matters: numbers, which a column's value is compared by, and whole trees,
which the message id of a change is the hash of."""

from __future__ import annotations

import struct
from typing import Any


def number_text(number: int | float) -> str:
    """A number in decimal: a double with the fewest digits that tell it apart, with an exponent below 1e-5 and from
    1e16 on."""
    text = repr(number)
    if type(number) is int or "e" not in text:
        return text
    digits, _, exponent = text.partition("e")
    power = int(exponent)
    if power == -5:
        sign, bare = "-" * digits.startswith("-"), digits.lstrip("-").replace(".", "")
        return f"{sign}0.0000{bare}"
    return f"{digits}e{power:+d}" if power > 0 else f"{digits}e{power}"


def tree_bytes(tree: Any) -> bytes:
    """A whole tree: texts and keys after their lengths, doubles as their bits, members in the order of their keys."""
    if tree is None:
        return b"n"
    if type(tree) is bool:
        return b"t" if tree else b"f"
    if type(tree) is int:
        return f"i{tree};".encode()
    if type(tree) is float:
        return b"d" + struct.pack(">d", tree).hex().encode()
    if type(tree) is str:
        return _after_length("s", tree)
    if type(tree) is list:
        return b"[" + b"".join(map(tree_bytes, tree)) + b"]"
    members = (_after_length("k", key) + tree_bytes(tree[key]) for key in sorted(tree, key=str.encode))
    return b"{" + b"".join(members) + b"}"


def _after_length(kind: str, text: str) -> bytes:
    said = text.encode()
    return f"{kind}{len(said)}:".encode() + said
