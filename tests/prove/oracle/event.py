"""What a source record becomes: an event, a piece of content, or what a site's visitors like."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

# (item id, category, brand, price in hundredths, quantity)
Item = tuple[str, str | None, str | None, int | None, int]


class Event:
    """One event of one person. Times are milliseconds since 1970."""

    __slots__ = (
        "message_id", "name", "person", "timestamp", "original", "received", "clamped", "source", "items",
        "order_id", "value", "request", "page", "properties", "traits",
    )  # fmt: skip

    message_id: str
    name: str
    person: str
    timestamp: int
    original: int
    received: int
    clamped: bool
    source: str
    items: list[Item]
    order_id: str | None
    value: tuple[int, str] | None  # hundredths, currency
    request: tuple[str, str, list[str]] | None  # request id, slot, excluded ids
    page: str | None
    properties: dict[str, Any]
    traits: dict[str, Any]

    def money(self) -> tuple[int, str]:
        """The stated value, else the sum of price times quantity over the items."""
        if self.value is not None:
            return self.value
        total = 0
        for item in self.items:
            total = min(total + (item[3] or 0) * item[4], 2**63 - 1)
        return total, self.currency()

    def currency(self) -> str:
        if self.value is not None:
            return self.value[1]
        stated = self.properties.get("currency")
        return stated if isinstance(stated, str) else "XXX"

    def differences(self, other: Event) -> list[str]:
        """The names of the fields in which two events differ."""
        return [name for name in self.__slots__ if getattr(self, name) != getattr(other, name)]


class Content(NamedTuple):
    """A piece of content that decisions choose from."""

    content_id: str
    slots: list[str]
    weights: list[tuple[str, float]]
    base_weight: float
    item_id: str | None
    starts_at: int | None
    ends_at: int | None

    @property
    def shown(self) -> str:
        """The product that it shows, else its own id."""
        return self.content_id if self.item_id is None else self.item_id


@dataclass(slots=True)
class SiteShares:
    """How all visitors of a site are drawn to the values of one interest."""

    interest: str
    as_of: int
    persons: int
    shares: list[tuple[str, float]]  # in the order of values
    # The same to look one up, since every affinity of every decision does.
    by_value: dict[str, float] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.by_value = dict(self.shares)
