"""I4: of every visible transaction all records are visible. A record says in its header `transaction` which
record of which transaction it is: `<member>/<incarnation>/<n>/<k>`, k counted from 0 over all topics."""

from __future__ import annotations

import re

from confluent_kafka import Message

from .report import Report

HEADER = "transaction"
SHAPE = re.compile(rb"[^/]+/[^/]+/[^/]+/[0-9]{1,8}")


class Transactions:
    """Which records of which transactions were seen, as bits."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}
        self.without = 0

    def note(self, message: Message, report: Report) -> None:
        # The last one: a dead letter may have brought a header of that name with it.
        headers = [value for name, value in message.headers() or () if name == HEADER]
        if headers and SHAPE.fullmatch(headers[-1] or b""):
            self._note((headers[-1] or b"").decode(), message, report)
        else:
            self.without += 1

    def add(self, other: Transactions, report: Report) -> None:
        """Adds what another process saw."""
        self.without += other.without
        for name, bits in other.seen.items():
            mine = self.seen.get(name, 0)
            if twice := mine & bits:
                report.violation("I4", f"transaction {name}", None, f"record {_lowest(twice)} is there twice")
            self.seen[name] = mine | bits

    def check(self, report: Report) -> None:
        """Every k from 0 to the highest must be there."""
        for name, bits in self.seen.items():
            report.count("transactions")
            missing = ~bits & ((1 << bits.bit_length()) - 1)
            if missing:
                number, of = missing.bit_count(), bits.bit_length()
                what = f"expected {of} records found {of - number}; record {_lowest(missing)} is missing"
                report.violation("I4", f"transaction {name}", None, what)

    def _note(self, value: str, message: Message, report: Report) -> None:
        where = f"{message.topic()}-{message.partition()}@{message.offset()}"
        name, _, number = value.rpartition("/")
        bit, seen = 1 << int(number), self.seen.get(name, 0)
        if seen & bit:
            report.violation("I4", where, None, f"record {number} of transaction {name} is there twice")
        self.seen[name] = seen | bit


def _lowest(bits: int) -> int:
    return (bits & -bits).bit_length() - 1
