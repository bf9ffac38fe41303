"""Events that tell how far somebody has scrolled, in the shapes of the others: of the page that everybody
looks at or of none that they name, with a whole percent, one with a fraction, or none. Nothing here knows
Kafka."""

from __future__ import annotations

import json
from collections import Counter
from random import Random
from typing import Any, NamedTuple

from .sent import Sent, iso

SOURCE = "clickstream"
# As the page views of the story have it.
PATH = "/start"

WITHOUT_PATH = 0.5
WITHOUT_PERCENT = 0.1
WITH_FRACTION = 0.3
LATE = 0.1
LATE_MS_MAX = 600_000


class Reader(NamedTuple):
    """Who looks at a page, in which shape their device speaks, and what tells this record from all others."""

    user: int | None
    device: int
    shape: int
    prefix: str
    made: int


class Engagement:
    """The events of a seed."""

    def __init__(self, seed: int | str, counts: Counter[str]) -> None:
        self.random = Random(f"engagement {seed}")
        self.counts = counts

    def next(self, at_ms: int, reader: Reader) -> Sent:
        """The next record; some tell of earlier."""
        self.counts["engagement"] += 1
        happened_ms = at_ms
        if self.random.random() < LATE:
            happened_ms -= self.random.randrange(LATE_MS_MAX)
        path = None if self.random.random() < WITHOUT_PATH else PATH
        tell = (self._segment, self._ga4, self._plain)[reader.shape]
        event = tell(happened_ms, reader, path, self._percent())
        key = f"u{reader.user}" if reader.user is not None else f"d{reader.device}"
        return Sent(SOURCE, key.encode(), json.dumps(event, separators=(",", ":")).encode(), at_ms)

    def _percent(self) -> int | float | None:
        draw = self.random.random()
        if draw < WITHOUT_PERCENT:
            return None
        # With few digits, so that every reader of JSON makes the same double of them.
        is_whole = draw >= WITHOUT_PERCENT + WITH_FRACTION
        return self.random.randrange(5, 101) if is_whole else round(self.random.uniform(5, 100), 1)

    def _segment(self, at_ms: int, reader: Reader, path: str | None, percent: float | None) -> dict[str, Any]:
        event: dict[str, Any] = {"type": "track", "event": "Engagement"}
        event["messageId"] = f"{reader.prefix}-{reader.made}"
        event |= _who(reader, "userId", "anonymousId") | {"timestamp": iso(at_ms)}
        if path is not None:
            event["context"] = {"page": {"path": path}}
        return event | {"properties": {} if percent is None else {"scroll_pct": percent}}

    def _ga4(self, at_ms: int, reader: Reader, path: str | None, percent: float | None) -> dict[str, Any]:
        said: dict[str, Any] = {} if percent is None else {"percent_scrolled": percent}
        if path is not None:
            said["page_location"] = f"https://shop.example{path}"
        event = {"event_id": f"{reader.prefix}-{reader.made}", "timestamp_micros": at_ms * 1_000}
        return event | _who(reader, "user_id", "user_pseudo_id") | {"name": "scroll", "params": said}

    def _plain(self, at_ms: int, reader: Reader, path: str | None, percent: float | None) -> dict[str, Any]:
        """Without an id, as the story's own of this shape."""
        event = {"timestamp": iso(at_ms), "event": "engagement", "sequence": reader.made}
        said = {"path": path, "scroll_pct": percent}
        return event | _who(reader, "userId", "anonymousId") | said


def _who(reader: Reader, user: str, device: str) -> dict[str, str]:
    who = {device: f"d{reader.device}"}
    return who if reader.user is None else {user: f"u{reader.user}", **who}
