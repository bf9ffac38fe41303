"""How far the page views of a visit were scrolled. What events said is kept as it was told; what of that is
held, and to which page view it belongs, is worked out afresh whenever somebody asks, so that the order of
arrival says nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .contributions import cut, is_number
from .event import Event

if TYPE_CHECKING:
    from .visits import Page

SCROLLS_MAX = 64
PERCENT_MAX = 100
MINUTE_MS = 60_000


class Scroll(NamedTuple):
    """How far somebody had come at an instant, on which page where that was said."""

    at: int
    path: str | None
    percent: int

    def place(self) -> tuple[int, bool, bytes]:
        """Of one minute and path one is held. No path comes before any; paths are in their bytes' order."""
        return self.at // MINUTE_MS, self.path is not None, (self.path or "").encode()

    def is_of(self, page: Page) -> bool:
        """Whether it may be of a page view, which began before it."""
        return page[0] <= self.at and self.path in (None, page[1])


def told(event: Event) -> list[Scroll]:
    """What an event says: of an engagement a number, which is cut to a whole percent from 1 on."""
    said: Any = event.properties.get("scroll_pct")
    if event.name != "engagement" or not is_number(said) or not said >= 1:
        return []
    path = None if event.page is None else cut(event.page)
    return [Scroll(event.timestamp, path, int(min(said, PERCENT_MAX)))]


def held(told_: Iterable[Scroll]) -> list[Scroll]:
    """Of each minute and path the furthest, of those equally far the earliest; of too many the last."""
    best = {one.place(): one for one in sorted(told_, key=lambda one: (one.percent, -one.at))}
    return [best[place] for place in sorted(best)[-SCROLLS_MAX:]]


def furthest(told_: Iterable[Scroll], pages: Sequence[Page]) -> list[int | None]:
    """How far each page view was scrolled, none where nothing says so. Each scroll is of the last view that
    it may be of, and of none where that is forgotten or was never heard of."""
    percents: list[list[int]] = [[] for _ in pages]
    for scroll in held(told_):
        places = [place for place, page in enumerate(pages) if scroll.is_of(page)]
        if places:
            percents[places[-1]].append(scroll.percent)
    return [max(one, default=None) for one in percents]
