"""What the oracle's tests share: the README's example, and a fold that keeps what it emits."""

from __future__ import annotations

import json
from typing import Any

from oracle import rulebook
from oracle.aliases import Aliases
from oracle.configuration import Configuration, of_tree
from oracle.document import parse
from oracle.event import Content
from oracle.fold import Fold
from oracle.wire import Reader

AT = 1_767_607_200_000  # 2026-01-05T10:00:00Z
HOUR = 3_600_000
README = """
application: shop
kafka: {bootstrap: localhost:9092}
registry: {url: http://localhost:8081}
sources:
  - {topic: clickstream, format: json}
catalogue: {topic: content}
topics: {partitions: 1, replication: 1}
attributes:
  views_7d: {count: product_viewed, window: 7d}
interests:
  category: {facet: category, half_life: 7d, enter: 3, leave: 2,
    weights: {product_viewed: 1, product_added: 3, order_completed: 5}}
segments:
  cart_abandoner: {after: product_added, without: order_completed, for: 24h}
rules:
  rescue_cart: {on: {entered: cart_abandoner}, decide: home_hero}
slots:
  home_hero: {items: 2, interest: category, fallback: [welcome]}
"""


def configuration(text: str) -> Configuration:
    return of_tree(parse(text, "test"))


class Folded:
    """A fold with what it emits."""

    def __init__(self, definitions: str, contents_: list[Content] | None = None) -> None:
        self.decisions: list[dict[str, Any]] = []
        self.changes: list[dict[str, Any]] = []
        self.fold = Fold(rulebook.of_text(definitions), contents_ or [], self._emit)
        self.reader = Reader("events", "trust", "by_kind", 1 << 20, Aliases())
        self.sent = 0

    def _emit(self, kind: str, person: str, record: dict[str, Any]) -> None:
        (self.decisions if kind == "decision" else self.changes).append(record)

    def send(self, event: str, at: int, user: str = "ada", **said: Any) -> None:
        self.sent += 1
        record = {"messageId": f"m{self.sent}", "event": event, "userId": user, "timestamp": at, **said}
        self.fold.event(self.reader.read(json.dumps(record).encode(), at))

    def pass_to(self, at: int) -> None:
        """Somebody else's event brings the time on, and everything that is due is settled."""
        self.send("heartbeat", at, user="clock")
        self.fold.settle_all()

    def moves(self) -> list[tuple[str, str, int]]:
        mine = [one for one in self.changes if one["person"] == "user:ada"]
        return [(one["segment"], one["change"], one["at"]) for one in mine]
