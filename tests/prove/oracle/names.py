"""What conditions see: the names of a person's profile and of the event."""

from __future__ import annotations

from typing import Any

from . import aggregates
from .book import ALWAYS, EVENT, MISSING, ORDERS, RECENT, SEGMENTS, SESSION, TRAITS
from .document import ConfigurationError
from .values import Closure, Unknown


def reader(path: list[str], bits: dict[tuple[str, str], int]) -> tuple[int, Closure]:
    """The bits of what a path reads and the closure that reads it."""
    root, rest = path[0], path[1:]
    if root in ("attributes", "tags"):
        kind = "attributes" if root == "attributes" else "interests"
        if not rest or (kind, rest[0]) not in bits:
            raise ConfigurationError(f"{'.'.join(path)}: nothing of that name is declared")
        read = _attribute if root == "attributes" else _tags
        return bits[kind, rest[0]], read(rest[0]) if len(rest) == 1 else _unknown
    known = {
        "segments": (SEGMENTS, _segments), "session": (SESSION, _session), "orders": (ORDERS, _orders),
        "recent": (RECENT, _recent), "traits": (TRAITS, _traits), "profile": (ALWAYS, _profile),
        "event": (EVENT, _event),
    }  # fmt: skip
    reads, read_path = known[root]
    return reads, read_path(rest)


def _unknown(scope: Any, variables: dict[str, Any]) -> Any:
    raise Unknown


def _attribute(name: str) -> Closure:
    def read(scope: Any, variables: dict[str, Any]) -> Any:
        at = scope.book.attribute_at[name]
        value = aggregates.value(scope.profile, at)
        if value is MISSING:
            raise Unknown
        return value

    return read


def _tags(name: str) -> Closure:
    def read(scope: Any, variables: dict[str, Any]) -> list[str]:
        affinities = scope.profile.affinities[scope.book.interest_at[name]]
        tagged = [value for value, affinity in affinities.items() if affinity.tagged_at is not None]
        return sorted(tagged, key=str.encode)

    return read


def _segments(rest: list[str]) -> Closure:
    def read(scope: Any, variables: dict[str, Any]) -> list[str]:
        states = scope.profile.segments
        return [rule.name for at, rule in enumerate(scope.book.segments) if states[at][0] == 2]

    return _unknown if rest else read


def _session(rest: list[str]) -> Closure:
    if rest == ["count"]:
        return lambda s, v: s.profile.session_count
    if rest == ["events"]:
        return lambda s, v: s.profile.visit.events
    if rest == ["open"]:
        return lambda s, v: s.profile.session_open
    if rest == ["pages"]:
        return lambda s, v: [path for _, path, _ in s.profile.visit.pages]
    if rest in (["entry_page"], ["referrer_medium"]):
        return _entry(1 if rest == ["entry_page"] else 2)
    return _unknown


def _entry(part: int) -> Closure:
    def read(scope: Any, variables: dict[str, Any]) -> str:
        entry = scope.profile.visit.entry
        if entry is None or not entry[part]:
            raise Unknown
        return str(entry[part])

    return read


def _orders(rest: list[str]) -> Closure:
    if rest == ["count"]:
        return lambda s, v: s.profile.orders
    if rest == ["units"]:
        return lambda s, v: s.profile.units
    if len(rest) > 1 and rest[0] == "revenue":
        currency = ".".join(rest[1:])
        return lambda s, v: s.profile.revenue.get(currency, 0) / 100.0
    return _unknown


def _recent(rest: list[str]) -> Closure:
    return _unknown if rest else lambda s, v: s.profile.recent


def _traits(rest: list[str]) -> Closure:
    return _properties(rest, lambda scope: scope.profile.traits)


def _properties(rest: list[str], of: Any) -> Closure:
    name = ".".join(rest)

    def read(scope: Any, variables: dict[str, Any]) -> Any:
        properties = of(scope)
        if not name:
            return properties
        if name in properties:
            return properties[name]
        raise Unknown

    return read


def _profile(rest: list[str]) -> Closure:
    if rest == ["version"]:
        return lambda s, v: s.profile.version
    if rest == ["events"]:
        return lambda s, v: s.profile.events
    if rest == ["person"]:
        return lambda s, v: s.person
    if rest == ["completeness"]:
        return lambda s, v: aggregates.completeness(s.profile)
    if rest == ["contradictions"]:
        return lambda s, v: aggregates.contradictions(s.profile)
    return _unknown


def _event(rest: list[str]) -> Closure:
    if not rest:
        return _unknown
    name = rest[0]
    if name == "properties":
        return _properties(rest[1:], lambda scope: _event_of(scope).properties)
    parts = {
        "name": lambda e: e.name,
        "source": lambda e: e.source,
        "page": lambda e: e.page,
        "order_id": lambda e: e.order_id,
        "value": lambda e: e.money()[0] / 100.0,
        "currency": lambda e: e.currency(),
        "items": lambda e: [_item(item) for item in e.items],
    }
    if len(rest) > 1 or name not in parts:
        return _unknown

    def read(scope: Any, variables: dict[str, Any]) -> Any:
        value = parts[name](_event_of(scope))
        if value is None:
            raise Unknown
        return value

    return read


def _event_of(scope: Any) -> Any:
    if scope.event is None:
        raise Unknown
    return scope.event


def _item(item: tuple[Any, ...]) -> dict[str, Any]:
    item_id, category, brand, price, quantity = item
    said = {"category": category, "brand": brand, "price": None if price is None else price / 100.0}
    return {"item_id": item_id, "quantity": quantity} | {k: v for k, v in said.items() if v is not None}
