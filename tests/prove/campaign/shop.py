"""The shop of the campaign: its products, as the shapes of events write them, the content it shows, and what its
visitors like on the whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random

CATEGORIES = ("shoes", "jackets", "tents", "backpacks", "running", "cycling", "climbing", "books")
BRANDS = ("Norvik", "Alpenhof", "Trailwise", "Kestrel", "Oryx")
PRODUCTS_EACH = 12
# Whose shares are told again and again: what slots and outputs need, and what nobody has declared.
LIKED = {"category": CATEGORIES, "brand": BRANDS, "colour": ("red", "blue")}
FALLBACKS = ("hero-welcome", "hero-bestsellers", "hero-free-delivery", "tile-gift-card", "tile-care-kit")


@dataclass(frozen=True)
class Product:
    """A product as the three shapes write it, without the braces."""

    number: int
    price: float
    category: str
    plain: str
    segment: str
    ga4: str


def products() -> list[Product]:
    made = []
    for number in range(len(CATEGORIES) * PRODUCTS_EACH):
        category, brand = CATEGORIES[number // PRODUCTS_EACH], BRANDS[number * 7 % len(BRANDS)]
        price = 9.95 + number * 37 % 400
        rest = f'"price":{price:.2f},"quantity":1'
        made.append(
            Product(
                number,
                price,
                category,
                f'"productId":"p{number:03}","category":"{category}","brand":"{brand}",{rest}',
                f'"product_id":"p{number:03}","category":"{category}","brand":"{brand}",{rest},"currency":"EUR"',
                f'"item_id":"p{number:03}","item_category":"{category}","item_brand":"{brand}",{rest}',
            )
        )
    return made


def contents(random: Random) -> list[tuple[bytes, bytes]]:
    """All content as key and value; its base weights are drawn."""
    made = [content(name, slot_of(name), {}, random.random(), None) for name in FALLBACKS]
    for number, category in enumerate(CATEGORIES):
        for suffix, weight in (("", 1.0), ("-offers", 0.6)):
            made.append(
                content(f"hero-{category}{suffix}", "home_hero", {category: weight}, random.random(), None)
            )
        for rank in range(3):
            item = f"p{number * PRODUCTS_EACH + rank:03}"
            weights = {category: 1 - rank / 5}
            made.append(content(f"tile-{item}", "cart_side", weights, random.random(), item))
    return made


def slot_of(name: str) -> str:
    return "home_hero" if name.startswith("hero") else "cart_side"


def content(
    name: str, slot: str, weights: dict[str, float], base_weight: float, item: str | None
) -> tuple[bytes, bytes]:
    value: dict[str, object] = {"contentId": name, "slots": [slot], "weights": weights}
    value["baseWeight"] = round(base_weight, 3)
    if item:
        value["itemId"] = item
    return name.encode(), json.dumps(value).encode()


def changed_content(random: Random, change: int) -> tuple[bytes, bytes | None]:
    """The `change`-th change of the catalogue: another weight, content that is new, or content withdrawn."""
    category = CATEGORIES[random.randrange(len(CATEGORIES))]
    kind = change % 3
    if kind == 0:
        return content(f"hero-{category}", "home_hero", {category: 1.0}, random.random(), None)
    name = f"hero-{category}-special"
    if kind == 1:
        return content(name, "home_hero", {category: 0.8}, random.random(), None)
    return name.encode(), None


def changed_shares(random: Random, change: int, as_of: str) -> tuple[bytes, bytes | None]:
    """The `change`-th change of what all visitors like: other shares of some values, for the slots' interest every
    other time. Of nine, one withdraws what was told, as the last of forty does, and one is no shares at all: a dead
    letter, and the last good ones stay."""
    interest = ("category", "brand", "category", "colour")[change % 4]
    step = change % 9
    if step == 3:
        return interest.encode(), None
    told = [value for value in LIKED[interest] if random.random() < 0.8]
    # With few digits, so that every reader of JSON makes the same double of them.
    value: dict[str, object] = {
        "asOf": as_of,
        "persons": -1 if step == 7 else random.randrange(100, 1_000_000),
        "shares": {one: round(random.uniform(0.002, 0.6), 3) for one in told},
    }
    return interest.encode(), json.dumps(value).encode()
