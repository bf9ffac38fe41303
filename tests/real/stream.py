"""The year as records for a source topic: an order for each basket, a request before those to be decided.

Also the same records as a bad network would bring them: some twice, some in another order. Disorder stays
within what a processor can be asked to mend: the orders of a household that lie between two of its decisions
change places when they lie close together in time, while those of different households overtake one another
freely.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from journey import DECIDED, Basket, Journey

SLOT = "next_basket"
# What share of the records comes twice.
DUPLICATES = 0.01
# How many places a copy, or a record that is overtaken, may be behind: some hours.
PLACES_MAX = 100
# Orders of a household that are nearer than this change places. One comes a day early and so sets the clock
# ahead, while another comes a day late: two days and some hours, within the configuration's lateness.
SWAP_MAX_S = 24 * 3600


@dataclass(frozen=True)
class Message:
    """One record: whose it is, when it happened, and whether it asks for a decision."""

    person: int
    at: int
    is_request: bool
    value: bytes

    @property
    def key(self) -> bytes:
        """The person's key in the processor, so that every step keeps a person in one partition."""
        return f"user:{self.person}".encode()


def messages(journey: Journey) -> list[Message]:
    """All records in the order of event time; a request comes right before its basket."""
    stream: list[Message] = []
    for basket in journey.in_time:
        if DECIDED.has(basket.at):
            stream.append(Message(basket.household, basket.at, True, _request(basket)))
        stream.append(Message(basket.household, basket.at, False, _order(basket, journey.categories)))
    return stream


def disturbed(stream: Sequence[Message], random: Random) -> list[Message]:
    """The stream with disorder and duplicates."""
    households: dict[int, list[Message]] = defaultdict(list)
    for message in stream:
        households[message.person].append(message)
    for own in households.values():
        _swap(own, random)
    places = sorted(range(len(stream)), key=lambda place: place + random.uniform(0, PLACES_MAX))
    turns = {household: iter(own) for household, own in households.items()}
    ordered = [next(turns[stream[place].person]) for place in places]
    return _with_copies(ordered, random)


def count_behind(stream: Sequence[Message]) -> int:
    """How many records come after one that happened later."""
    latest, behind = 0, 0
    for message in stream:
        behind += message.at < latest
        latest = max(latest, message.at)
    return behind


def _swap(own: list[Message], random: Random) -> None:
    """Swaps neighbours, each at most once, where nothing is decided in between."""
    place = 1
    while place < len(own):
        one, other = own[place - 1], own[place]
        free = not one.is_request and not other.is_request and other.at - one.at < SWAP_MAX_S
        if free and random.random() < 0.5:
            own[place - 1], own[place] = other, one
            place += 1
        place += 1


def _with_copies(ordered: list[Message], random: Random) -> list[Message]:
    chosen = random.sample(range(len(ordered)), int(len(ordered) * DUPLICATES))
    copies = [(place + random.uniform(0.5, PLACES_MAX), ordered[place]) for place in chosen]
    placed = [*((float(place), message) for place, message in enumerate(ordered)), *copies]
    return [message for _, message in sorted(placed, key=lambda pair: pair[0])]


def _request(basket: Basket) -> bytes:
    return event(
        "decision_request",
        message_id=f"request-{basket.number}",
        person=basket.household,
        # The second before the basket.
        at=text_of(basket.at - 1),
        properties={"requestId": str(basket.number), "slot": SLOT},
    )


def items_of(basket: Basket, categories: Sequence[str]) -> list[dict[str, object]]:
    """One item for each category: interests count items, and ten kinds of yoghurt are one need."""
    columns = (basket.products, basket.categories, basket.quantities, basket.values)
    return [
        {
            "item_id": str(product),
            "category": categories[category],
            "quantity": int(quantity),
            "price": round(float(value) / max(int(quantity), 1), 2),
        }
        for product, category, quantity, value in zip(*columns, strict=True)
    ]


def total_of(basket: Basket) -> float:
    return round(float(basket.values.sum()), 2)


def _order(basket: Basket, categories: Sequence[str]) -> bytes:
    order = {"orderId": str(basket.number), "currency": "USD", "value": total_of(basket)}
    return event(
        "order_completed",
        message_id=f"order-{basket.number}",
        person=basket.household,
        at=text_of(basket.at),
        properties={**order, "items": items_of(basket, categories)},
    )


def event(name: str, *, message_id: str, person: int, at: str, properties: dict[str, object]) -> bytes:
    fields = {
        "event": name,
        "messageId": message_id,
        "userId": str(person),
        "timestamp": at,
        "properties": properties,
    }
    return json.dumps(fields, separators=(",", ":")).encode()


def text_of(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
