"""Events that have schemas in two versions, and senders that speak the first, the second, none that they name, or one
that nobody knows; and some that say what no schema allows. Nothing here knows Kafka.

`counts` says what each record must become: `malformed` a dead letter, and all others an event.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from .sent import Sent, iso
from .shop import Product

SOURCE = "clickstream"
# Beside the configuration.
DIRECTORY = "event-schemas"
# What was called `cost` and `stars`, and was about one currency and one channel, is called otherwise since version 2.
# Version 2 of what is removed allows all that those of the story say who know nothing of schemas.
SCHEMAS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "product_removed": (
        {"items": {"minItems": 1, "items": {"properties": {"cost": {"type": "number", "maximum": 10_000}}}}},
        {
            "items": {"minItems": 1, "items": {"properties": {"price": {"type": "number", "maximum": 10_000}}}},
            "currency": {"enum": ["EUR", "USD"]},
        },
    ),
    "product_reviewed": (
        {"stars": {"type": "integer", "minimum": 1, "maximum": 5}, "shop": {"type": "string"}},
        {
            "rating": {"type": "integer", "minimum": 1, "maximum": 5},
            "channel": {"type": "string", "pattern": "^(web|app)$"},
        },
    ),
}
REQUIRED = {"product_removed": (["items"], ["items"]), "product_reviewed": (["stars"], ["rating", "channel"])}
UPCASTS: dict[str, list[dict[str, Any]]] = {
    "product_removed": [
        {"rename": "/properties/items/*/cost", "to": "price"},
        {"default": "/properties/currency", "value": "EUR"},
        {"remove": "/properties/legacy"},
    ],
    "product_reviewed": [
        {"rename": "/properties/stars", "to": "rating"},
        {"rename": "/properties/shop", "to": "channel"},
        {"default": "/properties/channel", "value": "web"},
    ],
}
# An attribute that rests on what an event is brought up to.
ATTRIBUTE = "  reviewed_by: {last: channel, of: product_reviewed}\n"

# What is said of the version, and how often of a hundred times.
KINDS = {"version 1": 35, "version 2": 25, "no version": 15, "unknown version": 7, "misfit": 18}


# The version that is stated, and the properties.
Said = tuple[int | str | None, dict[str, Any]]


class Speaker(NamedTuple):
    """Who says something, about which product, and the id of the message."""

    user: int | None
    device: int
    product: Product
    message_id: str


def lay(beside: Path) -> None:
    """Writes the schemas into a directory beside the configuration."""
    for event, versions in SCHEMAS.items():
        for number, properties in enumerate(versions, 1):
            file = beside / DIRECTORY / event / f"{number}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(_schema(event, number, properties), indent=1) + "\n")


def _schema(event: str, number: int, properties: dict[str, Any]) -> dict[str, Any]:
    inside = {"type": "object", "required": REQUIRED[event][number - 1], "properties": properties}
    schema: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}
    schema |= {"required": ["properties"], "properties": {"event": {"const": event}, "properties": inside}}
    return schema | {"x-upcast": UPCASTS[event]} if number == 2 else schema


class Versions:
    """The events of a seed."""

    def __init__(self, seed: int | str, counts: Counter[str]) -> None:
        self.random = Random(f"versions {seed}")
        self.counts = counts

    def next(self, at_ms: int, speaker: Speaker) -> tuple[Sent, bool]:
        """The next record, and whether it is an event that may be sent twice."""
        kind = self.random.choices([*KINDS], [*KINDS.values()])[0]
        is_review = self.random.random() < 0.5
        first, second = self._first(speaker, is_review), self._second(speaker, is_review)
        said: dict[str, Said] = {
            "version 1": (self.random.choice((1, "1")), first),
            "version 2": (2, second),
            "no version": (None, second),
            "unknown version": (3, second),
            "misfit": self._misfit(first, second, is_review),
        }
        self.counts[kind] += 1
        fits = kind not in ("unknown version", "misfit")
        self.counts["malformed"] += not fits
        return self._sent(at_ms, speaker, is_review, said[kind]), fits

    def _first(self, speaker: Speaker, is_review: bool) -> dict[str, Any]:
        """As version 1 has it, in the shape of Segment."""
        product = speaker.product
        if is_review:
            shop = {"shop": self.random.choice(("web", "app"))} if product.number % 2 else {}
            return {"stars": self.random.randrange(1, 6), "product_id": f"p{product.number:03}", **shop}
        item = {"product_id": f"p{product.number:03}", "category": product.category, "cost": round(product.price, 2)}
        return {"products": [item], "legacy": True}

    def _second(self, speaker: Speaker, is_review: bool) -> dict[str, Any]:
        product = speaker.product
        if is_review:
            return {"rating": self.random.randrange(1, 6), "sku": f"p{product.number:03}", "channel": "app"}
        item = {"sku": f"p{product.number:03}", "item_category": product.category, "price": round(product.price, 2)}
        return {"items": [item], "currency": "USD"}

    def _misfit(self, first: dict[str, Any], second: dict[str, Any], is_review: bool) -> Said:
        """What does not fit its version, or does not fit the second once it is brought up to it."""
        misfits: tuple[Said, ...] = (
            (1, first | {"products": []}),
            (1, first | {"currency": "CHF"}),
            (2, second | {"currency": "eur"}),
            (None, {"currency": "EUR"}),
            (None, second | {"items": [{"id": "p001", "price": 1e5}]}),
        )
        if is_review:
            misfits = (
                (1, first | {"stars": 6}),
                (1, first | {"shop": "letter"}),
                (2, second | {"rating": "good"}),
                (None, {"rating": 3}),
                (None, second | {"channel": "web\n"}),
            )
        return self.random.choice(misfits)

    def _sent(self, at_ms: int, speaker: Speaker, is_review: bool, said: Said) -> Sent:
        version, properties = said
        key = f"u{speaker.user}" if speaker.user is not None else f"d{speaker.device}"
        event: dict[str, Any] = {"type": "track", "event": "Product Reviewed" if is_review else "Product Removed"}
        event |= {"messageId": speaker.message_id, "anonymousId": f"d{speaker.device}", "timestamp": iso(at_ms)}
        if speaker.user is not None:
            event["userId"] = f"u{speaker.user}"
        if version is not None:
            event["schema"] = {"version": version}
        value = json.dumps(event | {"properties": properties}, separators=(",", ":"))
        return Sent(SOURCE, key.encode(), value.encode(), at_ms)
