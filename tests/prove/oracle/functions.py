"""Functions that conditions may call without declaring anything first: each call stands for an attribute."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import xxhash

from . import cel
from .document import ConfigurationError
from .section import Section

KEYS = {
    "count": ("count", "window"),
    "since": ("since_last", "step", "up_to"),
    "affinity": ("affinity", "to"),
}
OF_ITEMS = ("item_id", "category", "brand", "price", "quantity")
NAME_BYTES_MAX = 64


def declare(section: Section) -> None:
    """Declares what the conditions of definitions call."""
    called: dict[str, dict[str, str]] = {}
    for kind, keys in (("segments", ("enter", "leave")), ("rules", ("when",))):
        for definition in (section.entries.get(kind) or {}).values():
            for key in keys:
                if isinstance(text := definition.get(key), str):
                    for call in _calls(cel.parse(text)):
                        meant = called.setdefault(name_of(call), _meaning(call))
                        if meant != _meaning(call):
                            raise ConfigurationError(f"two calls stand for attributes.{name_of(call)}")
    if called:
        declared = section.entries.get("attributes") or {}
        for name in called.keys() & declared.keys():
            if called[name] != declared[name]:
                raise ConfigurationError(f"attributes.{name} is what a call stands for, and declared otherwise")
        section.entries["attributes"] = declared | called
        section.unread.add("attributes")


def name_of(call: cel.Node) -> str:
    """The attribute that a call stands for."""
    parts = [call[2]]
    for tree in call[3]:
        pairs = [(_key(name), _plain(value)) for name, value in tree[1]] if tree[0] == "map" else [(_plain(tree),)]
        parts += [part for pair in pairs for part in pair]
    all_ = "_".join(parts)
    if re.fullmatch("[a-z0-9_]*", all_) and len(all_) <= NAME_BYTES_MAX:
        return all_
    lowered = "".join(one.lower() if one.isascii() else "_" for one in all_)
    name = re.sub("[^a-z0-9]+", "_", lowered)[: NAME_BYTES_MAX - 9].rstrip("_")
    return f"{name}_{xxhash.xxh3_64_intdigest('|'.join(parts).encode()) & 0xFFFFFFFF:08x}"


def _meaning(call: cel.Node) -> dict[str, str]:
    _, _, name, arguments = call
    conditions = []
    if name == "count" and arguments and arguments[-1][0] == "map":
        conditions = [(_key(key), value) for key, value in arguments[-1][1]]
        arguments = arguments[:-1]
    texts = [tree[1] for tree in arguments if tree[0] == "literal" and isinstance(tree[1], str)]
    if len(texts) != len(arguments) or not 1 <= len(texts) <= len(KEYS[name]):
        raise ConfigurationError(f"this is no call of {name} that can be understood")
    definition = dict(zip(KEYS[name], texts, strict=False))
    if conditions:
        where = [f"event.properties.{key} == {_shown(value)}" for key, value in conditions if key not in OF_ITEMS]
        items = [f"item.{key} == {_shown(value)}" for key, value in conditions if key in OF_ITEMS]
        where += [f"event.items.exists(item, {' && '.join(items)})"] if items else []
        definition["where"] = " && ".join(where)
    return definition


def _calls(tree: Any) -> Iterator[cel.Node]:
    if isinstance(tree, tuple) and tree[:2] == ("call", None) and tree[2] in KEYS:
        yield tree
    elif isinstance(tree, tuple | list):
        for part in tree:
            yield from _calls(part)


def _key(tree: cel.Node) -> str:
    return str(tree[1])


def _shown(tree: cel.Node) -> str:
    quote = '"' if "'" in _plain(tree) else "'"
    return f"{quote}{_plain(tree)}{quote}" if isinstance(tree[1], str) else _plain(tree)


def _plain(tree: cel.Node) -> str:
    return str(tree[1]).lower() if isinstance(tree[1], bool) else str(tree[1])
