"""One record of a campaign, and how instants are written in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple


class Sent(NamedTuple):
    """One record for a source: which source, key, value, and when it was sent, in milliseconds."""

    source: str
    key: bytes
    value: bytes | None
    at_ms: int


def iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
