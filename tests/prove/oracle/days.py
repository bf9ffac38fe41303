"""The calendar days of a time zone, by the zones of Python."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .document import ConfigurationError
from .section import DAY_MS

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Days:
    """Days since 1970-01-01, and when each begins."""

    def __init__(self, name: str) -> None:
        try:
            self.zone = ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ConfigurationError(f"there is no time zone `{name}`") from error
        self.name = name
        self.begins = lru_cache(maxsize=100_000)(self._begins)

    def day(self, at: int) -> int:
        day = at // DAY_MS - 1
        while self.begins(day + 1) <= at:
            day += 1
        return day

    def _begins(self, day: int) -> int:
        """The first millisecond on whose date it is that day or later, by halving."""
        before, since = (day - 2) * DAY_MS, (day + 2) * DAY_MS
        while since - before > 1:
            middle = (before + since) // 2
            date = (EPOCH + timedelta(milliseconds=middle)).astimezone(self.zone).date()
            if (date - EPOCH.date()).days >= day:
                since = middle
            else:
                before = middle
        return since
