"""A person's row, formats 2 to 8, read from its layout alone: flags in one byte, then fields one after another;
instants as milliseconds before the profile's own, ids of names in four bytes, hashes in eight."""

from __future__ import annotations

from typing import Any

from .postcard import Bytes, Unreadable

PLAIN, WITH_AGGREGATES = 2, 3
BY_DEFINITIONS = 2  # by so much a format is higher that says by which definitions it was made
WITH_PREVIOUS = 6  # the format of a row with a previous visit, which says so always
WITH_SQUARES = 7  # the same with the squares of what affinities rest on
WITH_SCROLLS = 8  # the same with how far pages were scrolled, or with the flag of full message ids
SAME_PAGE = 1 << 7  # beside the percent of a scroll: it is of the page of the one before it
OF_CONTENT_BITS = 8  # of what is remembered of a message id, which was all of the id once
HOUR_MS = 3_600_000
DOUBLE_MAX = 1.7976931348623157e308
FIRST_AT, LAST_AT, ORDERS_FIRST_AT, ORDERS_LAST_AT, SESSION_OPEN, CAUSE_EVENT, CAUSE_TIME, IDS_FULL = (
    1 << bit for bit in range(8)
)


def profile_of(value: bytes) -> dict[str, Any]:
    """What a person's row says. What holds nothing is left out."""
    if not value or not PLAIN <= value[0] <= WITH_SCROLLS:
        raise Unreadable("a row of another format")
    if value[0] <= WITH_AGGREGATES:
        return {"definitions": 0, **_Row(Bytes(value, 1)).read(value[0])}
    definitions = int.from_bytes(value[1:5], "little")
    layout = value[0] if value[0] >= WITH_PREVIOUS else value[0] - BY_DEFINITIONS
    return {"definitions": definitions, **_Row(Bytes(value, 5)).read(layout)}


class _Row:
    def __init__(self, bytes_: Bytes) -> None:
        self.r = bytes_
        self.as_of = 0
        self.with_scrolls = False

    def read(self, format_: int) -> dict[str, Any]:
        r = self.r
        self.with_scrolls = format_ >= WITH_SCROLLS
        flags = self._fixed(1)
        row: dict[str, Any] = {"version": r.number()}
        row["as_of"] = self.as_of = r.signed()
        row["events"] = r.number()
        row["first_at"] = self._time_if(flags & FIRST_AT)
        row["last_at"] = self._time_if(flags & LAST_AT)
        event = f"event {r.text()}" if flags & CAUSE_EVENT else None
        row["cause"] = event or ("time" if flags & CAUSE_TIME else "none")
        row["seen"] = self._seen()
        row["ids_full"] = bool(flags & IDS_FULL)
        row["traits"] = {r.text(): self._scalar() for _ in range(r.number())}
        counters = [(self._fixed(4), r.signed(), self._buckets()) for _ in range(r.number())]
        row["counters"] = {number: [total, buckets] for number, total, buckets in counters if total or buckets}
        interests = [(self._fixed(4), self._affinities(format_ >= WITH_SQUARES)) for _ in range(r.number())]
        row["interests"] = {number: values for number, values in interests if values}
        row["session"] = [r.number(), self._time(), self._time(), r.number(), bool(flags & SESSION_OPEN)]
        row["recent"] = r.texts()
        row["orders"] = [r.number(), r.number()]
        row["revenue"] = {r.text(): r.signed() for _ in range(r.number())}
        row["order_times"] = [self._time_if(flags & ORDERS_FIRST_AT), self._time_if(flags & ORDERS_LAST_AT)]
        row["orders_seen"] = [self._fixed(8) for _ in range(r.number())]
        row["bought"] = r.texts()
        segments = [(self._fixed(4), self._status()) for _ in range(r.number())]
        row["segments"] = {number: status for number, status in segments if status[0]}
        row["fired"] = {self._fixed(4): self._time() for _ in range(r.number())}
        row["points"], row["frequencies"], row["ledger"] = {}, {}, []
        row["entry"], row["pages"], row["fires"], row["previous"] = [], [], {}, []
        row["forgotten_until"], row["scrolls"] = [], []
        if format_ == WITH_AGGREGATES or format_ >= WITH_PREVIOUS:
            row["points"] = {self._fixed(4): self._points() for _ in range(r.number())}
            row["frequencies"] = {self._fixed(4): self._frequencies() for _ in range(r.number())}
            row["ledger"] = [self._order() for _ in range(r.number())]
            row["entry"] = [self._page() for _ in range(r.number())]
            row["pages"] = [self._page() for _ in range(r.number())]
            row["scrolls"] = self._scrolls()
            row["fires"] = {
                self._fixed(4): [self._time() for _ in range(r.number())] for _ in range(r.number())
            }
        if format_ >= WITH_PREVIOUS:
            row["previous"] = [self._previous() for _ in range(r.number())]
            row["forgotten_until"] = [self._time() for _ in range(r.number())]
        r.end()
        return row

    def _previous(self) -> dict[str, Any]:
        r = self.r
        visit = {"start": self._time(), "last": self._time(), "events": r.number()}
        visit["entry"] = [self._page() for _ in range(r.number())]
        visit["pages"] = [self._page() for _ in range(r.number())]
        visit["scrolls"] = self._scrolls()
        kinds = (("sum", r.signed), ("points", self._points), ("frequencies", self._frequencies))
        visit["values"] = {}
        for _ in range(r.number()):
            number, (kind, read) = self._fixed(4), kinds[self._fixed(1)]
            visit["values"][number] = [kind, read()]
        return visit

    def _seen(self) -> list[tuple[int, int]]:
        """The last stands first, each with the milliseconds to the one that followed it. What is of the
        events' content is not read, since no output tells of it."""
        seen, after = [], self.as_of
        for _ in range(self.r.number()):
            hash_ = self._fixed(8) >> OF_CONTENT_BITS
            after -= self.r.signed()
            seen.append((hash_, after))
        return seen[::-1]

    def _buckets(self) -> list[tuple[int, int]]:
        buckets, number = [], 0
        for _ in range(self.r.number()):
            number += self.r.signed()
            buckets.append((number, self.r.signed()))
        return buckets

    def _points(self) -> list[tuple[int, Any]]:
        return [(self._time(), self._scalar()) for _ in range(self.r.number())]

    def _frequencies(self) -> dict[str, list[Any]]:
        return {self.r.text(): [self.r.signed(), self._buckets()] for _ in range(self.r.number())}

    def _order(self) -> list[Any]:
        r = self.r
        id_, flags = self._fixed(8), self._fixed(1)
        order = {"status": flags & 3, "trusted": bool(flags & 4), "counted": bool(flags & 8)}
        order["late"] = bool(flags & 16)
        order |= {"at": self._time(), "told_at": self._time(), "money": self._money(), "units": r.number()}
        refunds = [[self._fixed(8), bool(self._fixed(1)), self._money()] for _ in range(r.number())]
        return [id_, order, refunds]

    def _page(self) -> list[Any]:
        return [self._time(), self.r.text(), self.r.text()]

    def _scrolls(self) -> list[list[Any]]:
        scrolls: list[list[Any]] = []
        for _ in range(self.r.number() if self.with_scrolls else 0):
            at, percent = self._time(), self._fixed(1)
            path = scrolls[-1][1] if percent & SAME_PAGE else next(iter(self.r.texts()), None)
            scrolls.append([at, path, percent & ~SAME_PAGE])
        return scrolls

    def _money(self) -> tuple[int, str]:
        currency = self.r.text()
        return self.r.signed(), currency

    def _affinities(self, with_squares: bool) -> list[list[Any]]:
        values: list[list[Any]] = []
        for _ in range(self.r.number()):
            value, score = self.r.text(), self.r.double()
            hour = self.as_of // HOUR_MS - self.r.signed()
            evidence, squares = self.r.number(), min(score * score, DOUBLE_MAX)
            tagged, evidence = evidence & 1, evidence >> 1
            if with_squares:
                squares, evidence = self.r.double() if evidence & 1 else squares, evidence >> 1
            values.append([value, score, squares, hour, evidence, self._time_if(tagged)])
        return values

    def _status(self) -> tuple[int, int]:
        kind = self._fixed(1)
        return (kind, self._time()) if kind else (0, 0)

    def _scalar(self) -> Any:
        kind = self._fixed(1)
        if kind < 2:
            return kind == 1
        readers = {2: self.r.signed, 3: self.r.double, 4: self.r.text, 5: self.r.texts}
        if kind not in readers:
            raise Unreadable(f"a trait of kind {kind}")
        return readers[kind]()

    def _time_if(self, there: int) -> int | None:
        return self._time() if there else None

    def _time(self) -> int:
        return self.as_of - self.r.signed()

    def _fixed(self, size: int) -> int:
        """A number in so many bytes, little-endian."""
        data = self.r.data[self.r.at : self.r.at + size]
        if len(data) < size:
            raise IndexError
        self.r.at += size
        return int.from_bytes(data, "little")
