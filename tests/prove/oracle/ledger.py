"""One order, as a list of what was said of it; what is so is worked out from all of it each time.

A trusted source's word on an order or its cancellation outweighs others', and among those the latest does; at one
instant the cancellation does, and of two orders the one heard of first. Without a trusted word the first order
told counts, until somebody cancels it."""

from __future__ import annotations

from typing import Any, NamedTuple

from .event import Event

REFUNDS_MAX = 32
EXPECTED, PLACED, CANCELLED = range(3)
Amount = tuple[int, str]


class Word(NamedTuple):
    """What one event said: "completed" or "cancelled"."""

    kind: str
    trusted: bool
    at: int
    money: Amount
    units: int


class Order:
    """All that was said of one order."""

    def __init__(self, at: int) -> None:
        self.words: list[Word] = []
        self.at = at  # when it was placed, by who told of it first
        self.counted = self.late = False
        self.refunds: dict[str, tuple[bool, Amount]] = {}

    def hear(self, event: Event, trusted: bool, late: bool) -> str:
        """Whether it is the "first" word of something, a "correction", or a "repeat"."""
        if event.name == "order_refunded":
            return self._refund(event, trusted)
        kind = event.name.removeprefix("order_")
        before = self.status()
        word = Word(kind, trusted, event.timestamp, event.money(), sum(item[4] for item in event.items))
        self.words.append(word)
        if self.what_counts() is not word:
            self.words.pop()  # what does not count now never will
            return "repeat"
        if kind == "cancelled":
            return "repeat" if before == CANCELLED else "first"
        if self.counted:
            return "correction"
        self.counted, self.at, self.late = True, event.timestamp, late
        return "first"

    def what_counts(self) -> Word | None:
        trusted = [word for word in self.words if word.trusted]
        if trusted:
            latest = max((word.at, word.kind == "cancelled") for word in trusted)
            equals = [word for word in trusted if (word.at, word.kind == "cancelled") == latest]
            return equals[-1] if latest[1] else equals[0]
        cancelled = [word for word in self.words if word.kind == "cancelled"]
        return (cancelled or self.words)[-1 if cancelled else 0] if self.words else None

    def status(self) -> int:
        word = self.what_counts()
        return EXPECTED if word is None else CANCELLED if word.kind == "cancelled" else PLACED

    def stated(self) -> Word | None:
        """The word on money and units that was the last to count."""
        placed = [word for word in self.words if word.kind == "completed"]
        return placed[-1] if placed else None

    def totals(self) -> tuple[int, int, list[Amount]]:
        """How many orders it is, its units, and what it adds to the revenue."""
        status, word = self.status(), self.what_counts()
        refunds = [(-money[0], money[1]) for _, money in self.refunds.values()]
        if status == CANCELLED:
            return 0, 0, []
        return (1, word.units, [word.money, *refunds]) if status == PLACED and word else (0, 0, refunds)

    def row(self) -> dict[str, Any]:
        word, stated = self.what_counts(), self.stated()
        return {
            "status": self.status(),
            "counted": self.counted,
            "late": self.late,
            "trusted": word is not None and word.trusted,
            "at": self.at,
            "told_at": word.at if word else 0,
            "money": stated.money if stated else (0, ""),
            "units": stated.units if stated else 0,
        }

    def _refund(self, event: Event, trusted: bool) -> str:
        told = event.properties.get("refund_id")
        id_ = told if isinstance(told, str) else ""
        known = self.refunds.get(id_)
        if known is None and len(self.refunds) < REFUNDS_MAX:
            self.refunds[id_] = (trusted, event.money())
            return "first"
        if known is not None and trusted and not known[0]:
            self.refunds[id_] = (trusted, event.money())
            return "correction"
        return "repeat"
