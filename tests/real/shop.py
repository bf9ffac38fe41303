"""The same year as a shop sees it: a database's table of orders, and a made clickstream beside it.

Clean, both come in order, from clocks that are right. As they come in life, the table is told by Debezium's
changes, of which a restarted connector tells some again, and devices send clicks from clocks that are minutes
off, some twice, some hours late in one batch. Both must lead to the same profiles and the same decisions.

A row is inserted when somebody goes to the till, which asks for a decision, and updated once it is paid, which is
the order. Clicks are made, so nothing is decided by them: they say what is browsed, in attributes alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from journey import DECIDED, Basket, Journey
from stream import SLOT, items_of, text_of, total_of

SKEW_MAX_S = 15 * 60
SKEWED = 0.3
TWICE = 0.02
LATE = 0.05
LATE_MAX_S = 12 * 3600
# Clicks before a basket, at most, and how long before it.
CLICKS_MAX = 3
BROWSED_MAX_S = 2 * 3600
# Records are sent so much at a time; what is late by less counts.
WAVE_S = 4 * 24 * 3600
LATENESS = "240h"

ATTRIBUTES: dict[str, object] = {
    "views": {"count": "product_viewed"},
    "views_28d": {"count": "product_viewed", "window": "28d", "bucket": "1d"},
    "browsed_last": {"last": "items.category", "of": "product_viewed"},
    "browsed_most": {
        "most_frequent": "items.category", "of": "product_viewed", "window": "28d", "bucket": "1d",
    },
    "orders_28d": {"count": "order_completed", "window": "28d", "bucket": "1d"},
    "spent": {"value": "order_completed"},
    "stage": {"lifecycle": "order_completed", "at_risk_after": "28d", "lapsed_after": "56d"},
    "way_1d": {"funnel": ["product_viewed", "order_completed"], "window": "24h", "bucket": "1h"},
}  # fmt: skip
DEBEZIUM: dict[str, object] = {
    "event": "order_completed",
    "columns": {
        "id": "order_id", "household": "user_id", "at": "timestamp", "lines": "items",
        "total": "value", "request": "request_id",
    },
    "column": "status",
    "events": {"at_the_till": "decision_request"},
}  # fmt: skip


@dataclass(frozen=True)
class Record:
    """One record: for which topic, whose, when it is sent, and what it says; `request` where it asks."""

    topic: str
    household: int
    sent_at: float
    value: bytes
    is_request: bool = False

    @property
    def key(self) -> bytes:
        return f"user:{self.household}".encode()


@dataclass(frozen=True)
class Click:
    household: int
    number: int
    at: int
    category: str


def clicks(journey: Journey, random: Random) -> list[Click]:
    """Looks at what the household bought before, within the hours before a basket."""
    made: list[Click] = []
    known: dict[int, list[str]] = {}
    for basket in journey.in_time:
        bought = known.setdefault(basket.household, [])
        for _ in range(random.randrange(CLICKS_MAX + 1) if bought else 0):
            at = basket.at - 60 - random.randrange(BROWSED_MAX_S)
            made.append(Click(basket.household, len(made), at, random.choice(bought)))
        bought += [journey.categories[category] for category in basket.categories]
    return made


def clean(journey: Journey, made: Sequence[Click]) -> list[Record]:
    """Everything once, in the order in which it happened, in plain calls."""
    records = [Record("clicks", click.household, click.at, _click(click, click.at, None)) for click in made]
    for basket in journey.in_time:
        if DECIDED.has(basket.at):
            records.append(_plain(basket, basket.at - 1, "decision_request", journey))
        records.append(_plain(basket, basket.at, "order_completed", journey))
    return _in_order(records)


def as_in_life(journey: Journey, made: Sequence[Click], random: Random) -> list[Record]:
    """The same, as databases and devices tell it."""
    records: list[Record] = []
    skews = {
        click.household: random.randrange(-SKEW_MAX_S, SKEW_MAX_S) if random.random() < SKEWED else 0
        for click in made
    }
    for click in made:
        sent_at = click.at + (random.randrange(LATE_MAX_S) if random.random() < LATE else random.randrange(3))
        record = Record(
            "clicks", click.household, sent_at, _click(click, sent_at, skews[click.household])
        )
        records.append(record)
        if random.random() < TWICE:
            again = sent_at + random.randrange(600)
            records.append(replace(record, sent_at=again))
    for place, basket in enumerate(journey.in_time):
        changes = [_change(basket, place, paid, journey) for paid in (False, True)]
        changes = changes[0 if DECIDED.has(basket.at) else 1 :]
        records += changes
        if random.random() < TWICE:
            # A connector that starts again tells the last changes again, in their order.
            records += [replace(change, sent_at=basket.at + 0.5) for change in changes]
    return _in_order(records)


def waves(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Some days at a time: topics are read side by side, not in the order of time."""
    wave: list[Record] = []
    for record in records:
        if wave and record.sent_at // WAVE_S != wave[0].sent_at // WAVE_S:
            yield wave
            wave = []
        wave.append(record)
    yield wave


def _in_order(records: list[Record]) -> list[Record]:
    return sorted(records, key=lambda record: record.sent_at)


def _click(click: Click, sent_at: int, skew_s: int | None) -> bytes:
    """A click, with the times of the device's own clock where there is a device."""
    event: dict[str, object] = {"event": "product_viewed", "messageId": f"click-{click.number}"}
    event |= {"userId": str(click.household), "productId": click.category, "category": click.category}
    if skew_s is None:
        event["timestamp"] = text_of(click.at)
    else:
        event |= {
            "originalTimestamp": text_of(click.at + skew_s),
            "sentAt": text_of(sent_at + skew_s),
            "receivedAt": text_of(sent_at),
        }
    return json.dumps(event, separators=(",", ":")).encode()


def _plain(basket: Basket, at: int, name: str, journey: Journey) -> Record:
    is_request = name == "decision_request"
    said: dict[str, object] = {"requestId": str(basket.number), "slot": SLOT}
    if not is_request:
        said = {"orderId": str(basket.number), "currency": "USD", "value": total_of(basket)}
        said["items"] = items_of(basket, journey.categories)
    event = {"event": name, "messageId": f"{name}-{basket.number}", "userId": str(basket.household)}
    value = json.dumps({**event, "timestamp": text_of(at), "properties": said}, separators=(",", ":"))
    # The second before the basket, and the basket.
    return Record("orders", basket.household, basket.at + (0.1 if is_request else 0.2), value.encode(), is_request)


def _change(basket: Basket, place: int, paid: bool, journey: Journey) -> Record:
    at = basket.at if paid else basket.at - 1
    row = {
        "id": basket.number, "household": basket.household, "status": "paid" if paid else "at_the_till",
        "at": (basket.at - 1) * 1_000_000, "total": f"{total_of(basket):.2f}", "currency": "USD",
        "lines": json.dumps(items_of(basket, journey.categories)), "slot": SLOT, "request": str(basket.number),
    }  # fmt: skip
    # Baskets of before the decisions are inserted as they are, which is when they happened.
    inserted = not paid or not DECIDED.has(basket.at)
    if inserted and paid:
        row["at"] = at * 1_000_000
    source = {"connector": "postgresql", "table": "orders", "lsn": 2 * place + paid, "ts_ms": at * 1_000}
    change = {"op": "c" if inserted else "u", "before": None, "after": row, "source": source}
    change["ts_ms"] = at * 1_000 + 40
    value = json.dumps({"schema": {"type": "struct"}, "payload": change}, separators=(",", ":"))
    return Record("orders", basket.household, basket.at + (0.2 if paid else 0.1), value.encode(), not paid)
