"""The calendar days of a time zone, by the zones of Python."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones, reset_tzpath

from .document import ConfigurationError
from .section import DAY_MS

QUARTER_MS = 900_000

# The zones of the package, the same on every machine.
reset_tzpath(to=[])
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Days:
    """Days since 1970-01-01, and when each begins."""

    def __init__(self, name: str) -> None:
        # In any case; the spelling of the database is what rows are kept by.
        spellings = {known.lower(): known for known in available_timezones()}
        if name.lower() not in spellings:
            raise ConfigurationError(f"there is no time zone `{name}`")
        self.name = spellings[name.lower()]
        self.zone = ZoneInfo(self.name)
        self.begins = lru_cache(maxsize=100_000)(self._begins)

    def day(self, at: int) -> int:
        day = at // DAY_MS - 1
        while self.begins(day + 1) <= at:
            day += 1
        return day

    def _begins(self, day: int) -> int:
        """The first millisecond on whose date it is that day or later: the first quarter of an hour that ends on
        such a date, and in it by halving. Where clocks go back past midnight a day begins twice; the first counts."""
        since = next(at for at in range((day - 2) * DAY_MS, (day + 2) * DAY_MS, QUARTER_MS) if self._is(day, at))
        before = since - QUARTER_MS
        while since - before > 1:
            middle = (before + since) // 2
            if self._is(day, middle):
                since = middle
            else:
                before = middle
        return since

    def _is(self, day: int, at: int) -> bool:
        date = (EPOCH + timedelta(milliseconds=at)).astimezone(self.zone).date()
        return (date - EPOCH.date()).days >= day
