"""Strict JSON: one text in UTF-8, no key twice, no number beyond a double, at most 64 levels and 50,000
values. Whole numbers of 64 bits stay whole, all others become doubles."""

from __future__ import annotations

import json
import re
from typing import Any

from .reject import Reject

DEPTH_MAX = 64
VALUES_MAX = 50_000
# What the fast way could read otherwise than 64-bit numbers and UTF-8 allow.
UNUSUAL = re.compile(r"-0(?![.\d])|\d[eE][+-]?\d{2}|\d{19}|\\u[dD][89a-fA-F]")


def parse(data: bytes | None) -> Any:
    """The tree of a record's value."""
    if not data:
        raise Reject("empty")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Reject("malformed_json") from error
    brackets = text.count("{") + text.count("[")
    if brackets > DEPTH_MAX or text.count(",") + 2 * brackets >= VALUES_MAX:
        _check_bounds(text)
    try:
        if UNUSUAL.search(text) is None:
            return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse)
        tree = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse,
            parse_int=_whole,
            parse_float=_double,
        )
        _check_texts(tree)
        return tree
    except (ValueError, RecursionError) as error:
        raise Reject("malformed_json") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a key stands twice")
    return members


def _refuse(text: str) -> None:
    raise ValueError(text)


def _whole(text: str) -> int | float:
    if text == "-0":
        return -0.0
    # Longer texts than this are not whole numbers of 64 bits, and slow to read.
    number = int(text) if len(text) <= 20 else 2**64
    return number if -(2**63) <= number < 2**64 else _double(text)


def _double(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("out of range")
    return number


def _check_texts(tree: Any) -> None:
    """Half a surrogate pair is no text; it would not encode."""
    if isinstance(tree, str):
        tree.encode("utf-8")
    elif isinstance(tree, dict):
        for key, value in tree.items():
            key.encode("utf-8")
            _check_texts(value)
    elif isinstance(tree, list):
        for value in tree:
            _check_texts(value)


SCALAR = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null', re.DOTALL)
BLANK = re.compile(r"[ \t\n\r]*")


def _check_bounds(text: str) -> None:
    """Refuses what breaks a bound before it breaks the grammar, as a reader that reads on would meet them.
    What breaks the grammar first is left to the real parser."""
    depth = values = at = 0
    ready = True  # for a value; after one, only what separates or closes may come
    expects_key: list[bool] = []
    while True:
        at = _blank(text, at)
        if at >= len(text):
            return
        character = text[at]
        if not ready and character not in ",:]}":
            return
        if character in "{[":
            values += 1
            if values > VALUES_MAX:
                raise Reject("too_large")
            if depth >= DEPTH_MAX:
                raise Reject("too_deep")
            depth += 1
            expects_key.append(character == "{")
            at += 1
        elif character in "}]":
            if not expects_key:
                return
            expects_key.pop()
            depth -= 1
            at += 1
            ready = False
        elif character in ",:":
            at += 1
            ready = True
        else:
            match = SCALAR.match(text, at)
            if match is None:
                return
            at = match.end()
            ready = False
            is_key = bool(expects_key) and expects_key[-1] and text[_blank(text, at) :][:1] == ":"
            values += not is_key
            if values > VALUES_MAX:
                raise Reject("too_large")


def _blank(text: str, at: int) -> int:
    match = BLANK.match(text, at)
    return match.end() if match else at
