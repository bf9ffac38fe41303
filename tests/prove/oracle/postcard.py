"""The bytes of the command topic and of the changelog's rows, read and written from the layout alone: a byte
of version, then fields one after another; numbers as varints, signed ones zigzag, texts and lists with their
length in front, options and choices with their number in front, doubles in eight bytes, little-endian."""

from __future__ import annotations

import struct
from typing import Any

from .event import Content, Event, SiteShares

VERSION = 1
DOUBLE = struct.Struct("<d")


class Unreadable(Exception):
    """The bytes are not what they should be."""


# ---- Writing ----


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _signed(number: int) -> bytes:
    return _varint(number << 1 if number >= 0 else (-number << 1) - 1)


def _text(text: str) -> bytes:
    data = text.encode()
    size = len(data)
    return bytes((size,)) + data if size < 0x80 else _varint(size) + data


def _option(text: str | None) -> bytes:
    return b"\0" if text is None else b"\1" + _text(text)


def _scalar(value: Any, doubles: list[float]) -> bytes:
    kind = type(value)
    if kind is str:
        return b"\3" + _text(value)
    if kind is bool:
        return b"\0\1" if value else b"\0\0"
    if kind is int:
        return b"\1" + _signed(value)
    if kind is float:
        doubles.append(value)
        return b"\2"
    return b"\4" + _varint(len(value)) + b"".join(map(_text, value))


def _properties(properties: dict[str, Any], doubles: list[float]) -> bytes:
    if not properties:
        return b"\0"
    parts = [_varint(len(properties))]
    for name in sorted(properties):
        parts += (_text(name), _scalar(properties[name], doubles))
    return b"".join(parts)


def encode_event(event: Event, doubles: list[float]) -> bytes:
    """The bytes of a command that is an event, without the values of properties that are doubles: those go to
    `doubles`, in their order, to be compared with a tolerance, since readers of JSON differ in a last bit."""
    parts = [
        b"\1\0",
        _text(event.message_id),
        _text(event.name),
        _text(event.person),
        _signed(event.timestamp),
        _signed(event.original),
        _signed(event.received),
        b"\1" if event.clamped else b"\0",
        _text(event.source),
        _varint(len(event.items)),
    ]
    for item_id, category, brand, price, quantity in event.items:
        parts += (_text(item_id), _option(category), _option(brand))
        parts += (b"\0" if price is None else b"\1" + _signed(price), _varint(quantity))
    parts.append(_option(event.order_id))
    value, request = event.value, event.request
    parts.append(b"\0" if value is None else b"\1" + _signed(value[0]) + _text(value[1]))
    if request is None:
        parts.append(b"\0")
    else:
        parts += (b"\1", _text(request[0]), _text(request[1]), _varint(len(request[2])))
        parts += map(_text, request[2])
    parts += (_option(event.page), _properties(event.properties, doubles), _properties(event.traits, doubles))
    return b"".join(parts)


def encode_content(change: Content | str) -> bytes:
    """The bytes of a command that changes content or, given an id alone, withdraws it."""
    if isinstance(change, str):
        return b"\1\2" + _text(change)
    parts = [b"\1\1", _text(change.content_id), _varint(len(change.slots)), *map(_text, change.slots)]
    parts.append(_varint(len(change.weights)))
    for value, weight in change.weights:
        parts += (_text(value), DOUBLE.pack(weight))
    parts += (DOUBLE.pack(change.base_weight), _option(change.item_id))
    for at in (change.starts_at, change.ends_at):
        parts.append(b"\0" if at is None else b"\1" + _signed(at))
    return b"".join(parts)


def encode_definitions(text: str) -> bytes:
    return b"\1\3" + _text(text)


def encode_site_shares(change: SiteShares | str) -> bytes:
    """The bytes of a command that changes a site's shares or, given an interest alone, withdraws them."""
    if isinstance(change, str):
        return b"\1\5" + _text(change)
    parts = [b"\1\4", _text(change.interest), _signed(change.as_of), _varint(change.persons)]
    parts.append(_varint(len(change.shares)))
    for value, share in change.shares:
        parts += (_text(value), DOUBLE.pack(share))
    return b"".join(parts)


def has_doubles(event: Event) -> bool:
    """Whether an event has a property that is a double."""
    if not event.properties and not event.traits:
        return False
    return any(type(value) is float for value in (*event.properties.values(), *event.traits.values()))


# ---- Reading ----


class Bytes:
    """Reads fields one after another."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def number(self) -> int:
        data, at = self.data, self.at
        byte = data[at]
        at += 1
        number = byte & 0x7F
        shift = 7
        while byte > 0x7F:
            byte = data[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
        self.at = at
        return number

    def signed(self) -> int:
        number = self.number()
        return (number >> 1) ^ -(number & 1)

    def text(self) -> str:
        data, at = self.data, self.at
        size = data[at]
        if size < 0x80:
            at += 1
        else:
            size = self.number()
            at = self.at
        self.at = end = at + size
        if end > len(data):
            raise IndexError
        return data[at:end].decode()

    def double(self) -> float:
        self.at += 8
        return float(DOUBLE.unpack_from(self.data, self.at - 8)[0])

    def flag(self) -> bool:
        byte = self.data[self.at]
        self.at += 1
        if byte > 1:
            raise Unreadable(f"a flag is {byte}")
        return byte == 1

    def optional_text(self) -> str | None:
        return self.text() if self.flag() else None

    def optional_signed(self) -> int | None:
        return self.signed() if self.flag() else None

    def texts(self) -> list[str]:
        return [self.text() for _ in range(self.number())]

    def properties(self) -> dict[str, Any]:
        return {self.text(): self.scalar() for _ in range(self.number())}

    def scalar(self) -> Any:
        kind = self.number()
        if kind == 3:
            return self.text()
        if kind == 0:
            return self.flag()
        if kind == 1:
            return self.signed()
        if kind == 2:
            return self.double()
        if kind == 4:
            return self.texts()
        raise Unreadable(f"a property of kind {kind}")

    def end(self) -> None:
        if self.at != len(self.data):
            raise Unreadable(f"{len(self.data) - self.at} bytes follow")


Command = Event | Content | SiteShares | tuple[str, str]
# The commands that are one text.
TEXTS = {2: "withdrawn", 3: "definitions", 5: "site shares withdrawn"}


def decode_command(data: bytes | None) -> Command:
    """An event, a content, a site's shares, ("withdrawn", id), ("definitions", text) or ("site shares withdrawn",
    interest)."""
    if not data or data[0] != VERSION:
        raise Unreadable("no command of version 1")
    reader = Bytes(data, 1)
    try:
        kind = reader.number()
        command: Command
        if kind == 0:
            command = _event(reader)
        elif kind == 1:
            command = content(reader)
        elif kind == 4:
            command = site_shares(reader)
        elif kind in TEXTS:
            command = (TEXTS[kind], reader.text())
        else:
            raise Unreadable(f"a command of kind {kind}")
    except (IndexError, UnicodeDecodeError, struct.error) as error:
        raise Unreadable("the bytes end early or hold something else") from error
    reader.end()
    return command


def _event(reader: Bytes) -> Event:
    event = Event()
    text, signed = reader.text, reader.signed
    event.message_id, event.name, event.person = text(), text(), text()
    event.timestamp, event.original, event.received = signed(), signed(), signed()
    event.clamped = reader.flag()
    event.source = text()
    option = reader.optional_text
    event.items = [
        (text(), option(), option(), reader.optional_signed(), reader.number())
        for _ in range(reader.number())
    ]
    event.order_id = option()
    event.value = (signed(), text()) if reader.flag() else None
    event.request = (text(), text(), reader.texts()) if reader.flag() else None
    event.page = option()
    event.properties = reader.properties()
    event.traits = reader.properties()
    return event


def content(reader: Bytes) -> Content:
    return Content(
        reader.text(),
        reader.texts(),
        [(reader.text(), reader.double()) for _ in range(reader.number())],
        reader.double(),
        reader.optional_text(),
        reader.optional_signed(),
        reader.optional_signed(),
    )


def site_shares(reader: Bytes) -> SiteShares:
    interest, as_of, persons = reader.text(), reader.signed(), reader.number()
    return SiteShares(interest, as_of, persons, [(reader.text(), reader.double()) for _ in range(reader.number())])
