"""The events of a campaign: who does what and when, the same for the same seed, with known counts by kind.

Persons come for visits: a pool of visits is open at any time, each does a dozen things and makes room for the
next. Some send everything twice, some come late, some never say who they are, and some records are broken.
Values are put together from prepared pieces, since a generator that costs processor time takes it from what
it is to load. Nothing here knows Kafka.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from .engagement import Engagement, Reader
from .rows import Rows
from .sent import Sent, iso
from .shop import Product, products
from .versions import Speaker, Versions

# In the past, since no event may lie in the future, and with room for millions of steps after it.
START_MS = 1_600_000_000_000  # 2020-09-13T12:26:40Z
STEP_MS = 12_000
HOUR_MS = 3_600_000
OPEN_VISITS = 60
RECENT = 400

DUPLICATES = 0.02
MALFORMED = 0.005
LATE = 0.03
TOO_LATE = 0.003
ANONYMOUS = 0.15
SKEWED = 0.05
# What is told beside the story: orders by telephone, events that have schemas, how far pages were scrolled.
ROWS = 0.03
VERSIONED = 0.02
SCROLLED = 0.03


@dataclass
class Visit:
    """Somebody who is here: who, in which shape their device speaks, and what lies in the cart."""

    user: int | None
    device: int
    shape: int
    left: int
    skew_ms: int
    cart: list[Product] = field(default_factory=list)


class Story:
    """The stream of events of a seed; `counts` says how many there were of each kind."""

    def __init__(self, seed: int | str, persons: int, start_ms: int = START_MS) -> None:
        self.random = Random(f"story {seed}")
        self.prefix = f"{seed}"
        self.persons = persons
        self.at_ms = start_ms
        self.made = 0
        self.products = products()
        self.visits = [self._visit() for _ in range(OPEN_VISITS)]
        self.recent: list[Sent] = []
        self.counts: Counter[str] = Counter()
        self.beside = Random(f"beside {seed}")
        self.rows = Rows(seed, self.counts)
        self.versions = Versions(seed, self.counts)
        self.engagement = Engagement(seed, self.counts)

    def next(self) -> Sent:
        """The next record; a copy or a broken one now and then."""
        self.made += 1
        self.at_ms += STEP_MS
        if (beside := self._beside()) is not None:
            return beside
        draw = self.random.random()
        if draw < DUPLICATES and self.recent:
            self.counts["duplicate"] += 1
            copied = self.recent[int(draw / DUPLICATES * len(self.recent))]
            return copied._replace(at_ms=self.at_ms)
        if draw > 1 - MALFORMED:
            self.counts["malformed"] += 1
            return self._malformed()
        return self._remembered(self._deed())

    def _beside(self) -> Sent | None:
        """What is told beside the story, mostly nothing; its own draws leave those of the story as they are."""
        draw = self.beside.random()
        if draw >= ROWS + VERSIONED:
            return self._scrolled() if draw < ROWS + VERSIONED + SCROLLED else None
        visit, of = self.beside.choice(self.visits), self.beside.choices(self.products, k=2)
        if draw < ROWS:
            return self.rows.next(self.at_ms, visit.user, visit.device, of)
        speaker = Speaker(visit.user, visit.device, of[0], f"{self.prefix}-{self.made}")
        sent, fits = self.versions.next(self.at_ms, speaker)
        return self._remembered(sent) if fits else sent

    def _scrolled(self) -> Sent:
        """Somebody who is here scrolls; drawn by itself, too."""
        visit = self.engagement.random.choice(self.visits)
        reader = Reader(visit.user, visit.device, visit.shape, self.prefix, self.made)
        return self._remembered(self.engagement.next(self.at_ms, reader))

    def _remembered(self, sent: Sent) -> Sent:
        """It may be sent again."""
        if len(self.recent) < RECENT:
            self.recent.append(sent)
        else:
            self.recent[self.made % RECENT] = sent
        return sent

    def _visit(self) -> Visit:
        random = self.random
        person = min(random.randrange(self.persons), random.randrange(self.persons))
        user = None if random.random() < ANONYMOUS else person
        skew_ms = random.randrange(-HOUR_MS, HOUR_MS) if random.random() < SKEWED else 0
        return Visit(user, person, random.randrange(3), random.randrange(2, 20), skew_ms)

    def _deed(self) -> Sent:
        random = self.random
        place = int(random.random() * OPEN_VISITS)
        visit = self.visits[place]
        visit.left -= 1
        if visit.left <= 0:
            self.visits[place] = self._visit()
        at_ms, draw = self._happened(), random.random()
        product = self.products[int(random.random() * random.random() * len(self.products))]
        if visit.user is None:
            self.counts["anonymous"] += 1
        if draw < 0.28:
            return self._told(visit, at_ms, "page", None)
        if draw < 0.62:
            return self._told(visit, at_ms, "view", product)
        if draw < 0.76:
            visit.cart.append(product)
            return self._told(visit, at_ms, "add", product)
        if draw < 0.79 and visit.cart:
            return self._told(visit, at_ms, "remove", visit.cart.pop())
        if draw < 0.83 and visit.cart:
            return self._order(visit, at_ms)
        if draw < 0.85 and visit.user is not None:
            return self._identify(visit, at_ms)
        return self._request(visit, at_ms)

    def _happened(self) -> int:
        draw = self.random.random()
        if draw < TOO_LATE:
            self.counts["too_late"] += 1
            return self.at_ms - 80 * HOUR_MS - int(draw * 1e9)
        if draw < TOO_LATE + LATE:
            self.counts["late"] += 1
            return self.at_ms - 1 - int((draw - TOO_LATE) / LATE * 600_000)
        return self.at_ms

    def _sent(self, source: str, visit: Visit, value: str) -> Sent:
        key = f"u{visit.user}" if visit.user is not None else f"d{visit.device}"
        return Sent(source, key.encode(), value.encode(), self.at_ms)

    def _who(self, visit: Visit, user: str, device: str) -> str:
        who = f'"{device}":"d{visit.device}"'
        return who if visit.user is None else f'"{user}":"u{visit.user}",{who}'

    def _told(self, visit: Visit, at_ms: int, verb: str, product: Product | None) -> Sent:
        self.counts[verb] += 1
        tell = (self._segment, self._ga4, self._plain)[visit.shape]
        return self._sent("clickstream", visit, tell(visit, at_ms, verb, product))

    def _segment(self, visit: Visit, at_ms: int, verb: str, product: Product | None) -> str:
        skew = visit.skew_ms
        head = (
            f'{{"messageId":"{self.prefix}-{self.made}",{self._who(visit, "userId", "anonymousId")},'
            f'"originalTimestamp":"{iso(at_ms + skew)}","sentAt":"{iso(self.at_ms + skew)}",'
            f'"receivedAt":"{iso(self.at_ms)}",'
        )
        if product is None:
            return head + '"type":"page","properties":{},"context":{"page":{"path":"/start"}}}'
        name = {"view": "Product Viewed", "add": "Product Added", "remove": "Product Removed"}[verb]
        return f'{head}"type":"track","event":"{name}","properties":{{{product.segment}}}}}'

    def _ga4(self, visit: Visit, at_ms: int, verb: str, product: Product | None) -> str:
        head = (
            f'{{"event_id":"{self.prefix}-{self.made}",{self._who(visit, "user_id", "user_pseudo_id")},'
            f'"timestamp_micros":{at_ms}000,'
        )
        if product is None:
            return head + '"name":"page_view","params":{"page_location":"https://shop.example/start"}}'
        name = {"view": "view_item", "add": "add_to_cart", "remove": "remove_from_cart"}[verb]
        value = f'"currency":"EUR","value":{product.price:.2f}'
        return f'{head}"name":"{name}","params":{{{value},"items":[{{{product.ga4}}}]}}}}'

    def _plain(self, visit: Visit, at_ms: int, verb: str, product: Product | None) -> str:
        """A call from code written by hand. It has no id: what is sent twice is known by being the same."""
        who = self._who(visit, "userId", "anonymousId")
        head = f'{{"timestamp":"{iso(at_ms)}",{who},"sequence":{self.made},'
        if product is None:
            return head + '"event":"page_view","path":"/start"}'
        name = {"view": "view_item", "add": "add_to_cart", "remove": "remove_from_cart"}[verb]
        return f'{head}"event":"{name}",{product.plain}}}'

    def _order(self, visit: Visit, at_ms: int) -> Sent:
        self.counts["order"] += 1
        bought, visit.cart = visit.cart, []
        items = ",".join(f"{{{product.plain}}}" for product in bought)
        value = (
            f'{{"event":"Order Completed","messageId":"{self.prefix}-{self.made}",'
            f'"orderId":"o{self.prefix}-{self.made}","timestamp":"{iso(at_ms)}","items":[{items}],'
            f'"value":{sum(product.price for product in bought):.2f},"currency":"EUR",'
            f"{self._who(visit, 'userId', 'anonymousId')}}}"
        )
        return self._sent("orders", visit, value)

    def _identify(self, visit: Visit, at_ms: int) -> Sent:
        self.counts["identify"] += 1
        tier = self.random.choice(("bronze", "silver", "gold"))
        value = (
            f'{{"type":"identify","messageId":"{self.prefix}-{self.made}",'
            f'{self._who(visit, "userId", "anonymousId")},"originalTimestamp":"{iso(at_ms)}",'
            f'"traits":{{"tier":"{tier}"}}}}'
        )
        return self._sent("clickstream", visit, value)

    def _request(self, visit: Visit, at_ms: int) -> Sent:
        self.counts["request"] += 1
        slot = "cart_side" if visit.cart else "home_hero"
        value = (
            f'{{"event":"decision_request","messageId":"{self.prefix}-{self.made}",'
            f'"requestId":"r{self.prefix}-{self.made}","slot":"{slot}","timestamp":"{iso(at_ms)}",'
            f"{self._who(visit, 'userId', 'anonymousId')}}}"
        )
        return self._sent("clickstream", visit, value)

    def _malformed(self) -> Sent:
        at, deep = iso(self.at_ms), "[" * 100 + "]" * 100
        who = '"userId":"u1"'
        value = self.random.choice(
            (
                '{"event":"add_to_cart","productId":"p012","userId":"u1","times',
                "",
                f'{{"event":"page_view",{who},"deep":{deep}}}',
                f'{{"event":"add_to_cart","productId":"p012","timestamp":"{at}"}}',
                f'{{{who},"productId":"p012","timestamp":"{at}"}}',
                f'{{"event":"page_view","userId":"null","timestamp":"{at}"}}',
                f'{{"event":"page_view",{who},"timestamp":"2999-12-31T00:00:00Z"}}',
                f'{{"event":"page_view",{who},"timestamp":"yesterday"}}',
                f'{{"event":"add_to_cart",{who},"productId":"p012","price":"cheap","timestamp":"{at}"}}',
                f'{{"event":"decision_request",{who},"requestId":"r1","timestamp":"{at}"}}',
            )
        )
        return Sent("clickstream", b"u1", value.encode(), self.at_ms)
