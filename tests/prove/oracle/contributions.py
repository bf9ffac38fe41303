"""What an event says in the field that an attribute is about, and what it adds to a sum."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from .book import Attribute
from .event import Event

LARGEST = 2**63 - 1
TEXT_BYTES_MAX = 256


def amount(rule: Attribute, event: Event) -> int:
    """What an event adds to a sum."""
    if rule.measure == "count":
        return 1
    if rule.measure == "units":
        return sum(item[4] for item in event.items)
    if rule.measure == "value":
        return event.money()[0]
    return total(numbers(rule, event))


def additions(rule: Attribute, event: Event) -> int:
    """Of how many values that amount is made. What is worth nothing says nothing of what somebody spends; of the
    values of a field, a zero is as good as any other number."""
    if rule.measure == "units":
        return len(event.items)
    if rule.measure == "value":
        return 0 if event.money()[0] == 0 else 1
    return len(numbers(rule, event))


def numbers(rule: Attribute, event: Event) -> list[int]:
    """Those values of the field that are numbers, in millionths."""
    return [millionths(value) for value in scalars(rule, event) if is_number(value)]


def total(amounts: list[int]) -> int:
    sum_ = 0
    for one in amounts:
        sum_ = bounded(sum_ + one)
    return sum_


def scalars(rule: Attribute, event: Event) -> list[Any]:
    """What the event says in the field, each value on its own."""
    field = rule.prop or ""
    if field == "items.price":
        return [price / 100.0 for *_, price, _ in event.items if price is not None]
    if field == "items.quantity":
        return [quantity for *_, quantity in event.items]
    if field.startswith("items."):
        part = ("items.item_id", "items.category", "items.brand").index(field)
        return [cut(text) for item in event.items if (text := item[part])]  # type: ignore[misc]
    if field == "event.value":
        known = event.value is not None or any(item[3] is not None for item in event.items)
        return [event.money()[0] / 100.0] if known else []
    told: Any = event.properties.get(field)
    if field.startswith("event."):
        told = {"event.page": event.page, "event.name": event.name, "event.source": event.source}[field]
    if told is None:
        return []
    return [cut(one) if isinstance(one, str) else one for one in (told if isinstance(told, list) else [told])]


def texts(rule: Attribute, event: Event) -> Iterator[str]:
    for value in scalars(rule, event):
        if isinstance(value, bool):
            yield "true" if value else "false"
        elif isinstance(value, int):
            yield str(value)
        elif isinstance(value, str) and value:
            yield value


def cut(text: str) -> str:
    data = text.encode()
    return text if len(data) <= TEXT_BYTES_MAX else data[:TEXT_BYTES_MAX].decode(errors="ignore")


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def millionths(value: int | float) -> int:
    """Half a millionth is rounded away from zero, as far as a double still has halves."""
    scaled = float(value) * 1_000_000.0
    whole = int(abs(scaled)) if abs(scaled) < 2.0**63 else LARGEST
    whole += abs(scaled) - whole >= 0.5 if abs(scaled) < 2.0**52 else 0
    return bounded(whole if scaled >= 0 else -whole)


def bounded(number: int) -> int:
    """Sums stop at the ends of 64 bits."""
    return max(-LARGEST - 1, min(LARGEST, number))


def order(value: Any) -> tuple[int, Any]:
    """By kind, then by value; doubles by their bits, so that zero comes after minus zero."""
    if isinstance(value, bool):
        return 0, value
    if isinstance(value, int):
        return 1, value
    if isinstance(value, float):
        bits = struct.unpack("<q", struct.pack("<d", value))[0]
        return 2, bits if bits >= 0 else bits ^ LARGEST
    return 3, value
