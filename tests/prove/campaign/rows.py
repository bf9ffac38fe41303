"""The table of the orders that the shop takes by telephone, as Debezium tells its changes: rows are inserted, some as
drafts, corrected, cancelled, deleted and read again by snapshots; a connector that starts again tells its last changes
again; and some changes nobody can read. Nothing here knows Kafka.

`counts` says what each record must become: `malformed` a dead letter, `silent` nothing, `duplicate` an event that is
known already, and all others an event.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

from .sent import Sent
from .shop import Product

SOURCE = "order-rows"
# What the configuration says of the table.
DEBEZIUM = """\
    debezium:
      event: order_completed
      deleted: order_cancelled
      columns: {id: order_id, customer: user_id, device: anonymous_id, placed_at: timestamp, lines: items}
      column: status
      events: {draft: none, cancelled: order_cancelled}
"""
OPEN_ROWS = 40
RETOLD_MAX = 10

BROKEN = 0.05
RETOLD = 0.08
ABOUT_NO_ROW = 0.04
INSERTED = 0.4
DRAFTS = 0.25
# What becomes of a row that was paid; it is deleted otherwise.
CORRECTED, CANCELLED, READ_AGAIN = 0.45, 0.2, 0.2


@dataclass
class Row:
    """A row as it stands in the table."""

    number: str
    user: int | None
    device: int
    status: str
    cents: int
    lines: str
    placed_ms: int

    def columns(self) -> dict[str, Any]:
        # The total is a number in some tables and a text in others, and a note may be anything.
        is_text = self.cents % 2 == 0
        return {
            "id": self.number,
            "customer": None if self.user is None else f"u{self.user}",
            "device": f"d{self.device}",
            "status": self.status,
            "total": f"{self.cents / 100:.2f}" if is_text else self.cents / 100,
            "currency": "EUR",
            "lines": self.lines,
            "placed_at": self.placed_ms * 1_000,
            "note": 'für "Ada"\n' if is_text else None,
        }


class Told(NamedTuple):
    """A change that tells an event, to be told again."""

    key: bytes
    change: dict[str, Any]


class Rows:
    """The changes of a seed, in the order of the table's log."""

    def __init__(self, seed: int | str, counts: Counter[str]) -> None:
        self.random = Random(f"rows {seed}")
        self.prefix = f"{seed}"
        self.counts = counts
        self.rows: list[Row] = []
        self.told: list[Told] = []
        self.log = 0
        self.tombstone: bytes | None = None

    def next(self, at_ms: int, user: int | None, device: int, products: Sequence[Product]) -> Sent:
        """The next record; a row that is inserted is an order of this person for these products."""
        if self.tombstone is not None:
            key, self.tombstone = self.tombstone, None
            self.counts["silent"] += 1
            return Sent(SOURCE, key, None, at_ms)
        draw = self.random.random()
        if draw < BROKEN:
            return self._broken(at_ms)
        if draw < BROKEN + RETOLD and self.told:
            self.counts["duplicate"] += 1
            key, change = self.random.choice(self.told)
            return Sent(SOURCE, key, self._written(change, at_ms), at_ms)
        if draw < BROKEN + RETOLD + ABOUT_NO_ROW:
            self.counts["silent"] += 1
            change = self._change(self.random.choice("tm"), None, None, at_ms)
            return Sent(SOURCE, b"{}", self._written(change, at_ms), at_ms)
        if not self.rows or draw > 1 - INSERTED:
            return self._inserted(at_ms, user, device, products)
        return self._changed(self.rows[self.random.randrange(len(self.rows))], at_ms)

    def _inserted(self, at_ms: int, user: int | None, device: int, products: Sequence[Product]) -> Sent:
        self.counts["row inserted"] += 1
        status = "draft" if self.random.random() < DRAFTS else "paid"
        cents = round(sum(product.price for product in products) * 100)
        lines = f"[{','.join(f'{{{product.plain}}}' for product in products)}]"
        row = Row(f"t{self.prefix}-{self.log}", user, device, status, cents, lines, at_ms)
        self.rows.append(row)
        if len(self.rows) > OPEN_ROWS:
            del self.rows[0]
        return self._sent("c", row, None, at_ms)

    def _changed(self, row: Row, at_ms: int) -> Sent:
        draw, before = self.random.random(), row.columns()
        if row.status == "draft":
            row.status = "paid"
        elif row.status == "paid" and draw < CORRECTED:
            row.cents -= row.cents // 10
        elif row.status == "paid" and draw < CORRECTED + CANCELLED:
            row.status = "cancelled"
        elif draw < CORRECTED + CANCELLED + READ_AGAIN:
            self.counts["row read again"] += 1
            return self._sent("r", row, None, at_ms)
        else:
            self.counts["row deleted"] += 1
            self.rows.remove(row)
            sent = self._sent("d", row, before, at_ms)
            self.tombstone = sent.key
            return sent
        self.counts["row updated"] += 1
        return self._sent("u", row, before, at_ms)

    def _sent(self, op: str, row: Row, before: dict[str, Any] | None, at_ms: int) -> Sent:
        key = json.dumps({"id": row.number}).encode()
        change = self._change(op, before, None if op == "d" else row.columns(), at_ms)
        if op != "d" and row.status == "draft":
            self.counts["silent"] += 1
        else:
            self.told = [*self.told[1 - RETOLD_MAX :], Told(key, change)]
        return Sent(SOURCE, key, self._written(change, at_ms), at_ms)

    def _change(self, op: str, before: Any, after: Any, at_ms: int) -> dict[str, Any]:
        self.log += 1
        source = {"connector": "postgresql", "table": "orders", "lsn": self.log, "ts_ms": at_ms}
        return {"before": before, "after": after, "source": source | {"snapshot": str(op == "r").lower()}, "op": op}

    def _written(self, change: dict[str, Any], at_ms: int) -> bytes:
        """The change as it is told now, every other one with a schema around it."""
        told: dict[str, Any] = {**change, "ts_ms": at_ms + 40}
        if change["source"]["lsn"] % 2:
            told = {"schema": {"type": "struct", "optional": False}, "payload": told}
        return json.dumps(told, separators=(",", ":")).encode()

    def _broken(self, at_ms: int) -> Sent:
        self.counts["malformed"] += 1
        row = Row(f"b{self.prefix}-{self.log}", 1, 1, "paid", 995, "[]", at_ms).columns()
        change = self.random.choice(
            (
                self._change("c", None, row | {"total": "much"}, at_ms),
                self._change("c", None, row | {"lines": "[{"}, at_ms),
                self._change("u", row, None, at_ms),
                self._change("d", {"id": row["id"]}, None, at_ms),
                self._change("x", None, row, at_ms),
            )
        )
        return Sent(SOURCE, b"{}", self._written(change, at_ms), at_ms)
