"""Hand-made events in the three shapes that the processor takes, and what must come of them.

The expectations are written down here from the meaning of the events, not computed by anything of ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

PERSONS = 24
CATEGORIES = ("shoes", "hats", "bags")
SLOT = "home"
# From so many views on somebody is in the segment `keen`.
KEEN_VIEWS = 4
BEGINNING_S = 1_714_226_400  # 2024-04-27T14:00:00Z


@dataclass(frozen=True)
class Sent:
    """One record for the source topic."""

    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True)
class Person:
    """What one person does, and what must be known about them afterwards."""

    number: int

    @property
    def shape(self) -> str:
        return ("segment", "ga4", "plain")[self.number % 3]

    @property
    def key(self) -> str:
        """GA4 knows devices only."""
        return f"anonymous:ga.{self.number}" if self.shape == "ga4" else f"user:u{self.number}"

    @property
    def category(self) -> str:
        return CATEGORIES[self.number // 3 % len(CATEGORIES)]

    @property
    def views(self) -> int:
        return 3 + self.number // 2 % 3

    @property
    def events(self) -> int:
        """Views, one thing in the cart, one order; and an identify call in the shape that has one."""
        return self.views + 2 + (self.shape == "segment")

    @property
    def is_keen(self) -> bool:
        return self.views >= KEEN_VIEWS

    @property
    def request_id(self) -> str:
        return f"request-{self.number}"

    def sent(self) -> list[Sent]:
        shaped = {"segment": self._segment, "ga4": self._ga4, "plain": self._plain}[self.shape]
        return [Sent(self.key.encode(), json.dumps(event).encode()) for event in shaped()]

    def _at(self, step: int) -> int:
        return BEGINNING_S + self.number + 60 * step

    def _items(self) -> list[dict[str, object]]:
        return [
            {"item_id": f"{self.category}-1", "item_category": self.category, "price": 59.9, "quantity": 2},
            {"item_id": f"{self.category}-2", "item_category": self.category, "price": 10, "quantity": 1},
        ]

    def _segment(self) -> Iterator[dict[str, object]]:
        def call(step: int, kind: str, **more: object) -> dict[str, object]:
            own = {"messageId": f"{self.number}-{step}", "userId": f"u{self.number}"}
            return {"type": kind, **own, "timestamp": self._at(step), **more}

        product = {"product_id": f"{self.category}-1", "category": self.category, "price": "59.90"}
        yield call(0, "identify", traits={"name": f"Zoë {self.number}", "age": 30 + self.number, "vip": True})
        for step in range(1, self.views + 1):
            yield call(step, "track", event="Product Viewed", properties=product)
        yield call(10, "track", event="Product Added", properties=product)
        order = {
            "order_id": f"o{self.number}",
            "currency": "EUR",
            "revenue": 129.8,
            "products": self._items(),
        }
        yield call(11, "track", event="Order Completed", properties=order)
        request = {"requestId": self.request_id, "slot": SLOT}
        yield call(12, "track", event="decision_request", properties=request)

    def _ga4(self) -> Iterator[dict[str, object]]:
        def call(step: int, name: str, **params: object) -> dict[str, object]:
            own = {"event_id": f"{self.number}-{step}", "client_id": f"ga.{self.number}"}
            return {"name": name, **own, "timestamp_micros": self._at(step) * 1_000_000, "params": params}

        for step in range(1, self.views + 1):
            yield call(step, "view_item", currency="EUR", value=59.9, items=self._items()[:1])
        # What a tag manager sends from the data layer.
        yield {
            "event": "add_to_cart",
            "event_id": f"{self.number}-10",
            "client_id": f"ga.{self.number}",
            "timestamp": self._at(10),
            "ecommerce": {"currency": "EUR", "value": 59.9, "items": self._items()[:1]},
        }
        yield call(
            11, "purchase", transaction_id=f"o{self.number}", currency="EUR", value=129.8, items=self._items()
        )
        yield call(12, "decision_request", request_id=self.request_id, slot=SLOT)

    def _plain(self) -> Iterator[dict[str, object]]:
        def call(step: int, name: str, **more: object) -> dict[str, object]:
            own = {"messageId": f"{self.number}-{step}", "userId": f"u{self.number}"}
            return {"event": name, **own, "timestamp": self._at(step), **more}

        product = {"productId": f"{self.category}-1", "category": self.category}
        for step in range(1, self.views + 1):
            yield call(step, "product_viewed", **product)
        yield call(10, "add_to_cart", **product)
        order = {"orderId": f"o{self.number}", "currency": "EUR", "value": 129.8, "items": self._items()}
        yield call(11, "order_completed", **order)
        yield call(12, "decision_request", requestId=self.request_id, slot=SLOT)


def persons() -> list[Person]:
    return [Person(number) for number in range(1, PERSONS + 1)]


def good() -> list[Sent]:
    """Everything that everybody does, person by person, and one record a second time."""
    sent = [record for person in persons() for record in person.sent()]
    return [*sent, sent[0]]


def bad() -> list[tuple[Sent, str]]:
    """Records that cannot be used, each with the code of its dead letter."""
    trace = (("trace", b"abc"), ("binary", b"\xff\xfe"))

    def plain(**fields: object) -> bytes:
        return json.dumps({"event": "product_viewed", "userId": "u1", **fields}).encode()

    return [
        (Sent(b"user:u1", b'{"event": "product_viewed",', trace), "malformed_json"),
        (Sent(b"user:u2", b"\xff\xfe\x00"), "malformed_json"),
        (Sent(b"user:u3", b""), "empty"),
        (Sent(b"user:u4", b"[" * 1000 + b"]" * 1000), "too_deep"),
        (Sent(b"user:u5", b'"a text"'), "invalid_field"),
        (Sent(b"nobody", plain(userId=None)), "missing_field"),
        (Sent(b"nobody", plain(userId="undefined"), trace), "blocked_id"),
        (Sent(b"user:u1", plain(userId={"id": 1})), "invalid_field"),
        (Sent(b"user:u1", plain(timestamp="yesterday")), "invalid_field"),
        (Sent(b"user:u1", plain(timestamp="1969-12-31T23:59:59Z")), "implausible_time"),
        (Sent(b"user:u1", plain(productId="p", price=-1)), "invalid_field"),
        (Sent(None, b'{"userId": "u1"}'), "missing_field"),
        (
            Sent(b"user:u1", b'{"event": "decision_request", "userId": "u1", "requestId": "r"}'),
            "missing_field",
        ),
        (
            Sent(b"user:u1", b'{"event": "x", "userId": "u1", "pad": "' + b"a" * 2_000_000 + b'"}'),
            "too_large",
        ),
    ]
