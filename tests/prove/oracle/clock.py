"""Instants: how they are written and how device clocks are corrected."""

from __future__ import annotations

import math
import re
from datetime import date
from functools import lru_cache
from typing import Any

from .reject import Reject, invalid

LATEST_MS = 7_258_118_399_999
FUTURE_MS_MAX = 300_000
RECEIPT_AHEAD_MS_MAX = 86_400_000
EPOCH_DAY = date(1970, 1, 1).toordinal()

ISO_8601 = re.compile(
    r"(\d{4}|[+-]\d{6})(?:-(\d\d)-(\d\d)|(\d\d)(\d\d))[Tt ](\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,](\d{1,9}))?)?)?"
    r"(?:([Zz])|([+-])(\d\d)(?::?(\d\d)(?::?(\d\d))?)?)(?:\[[^\]]*\])*",
    re.ASCII,
)
WHOLE = re.compile(r"[+-]?[0-9]+", re.ASCII)


@lru_cache(maxsize=4096)
def _day_ms(year: str, month: str, day: str) -> int:
    return (date(int(year), int(month), int(day)).toordinal() - EPOCH_DAY) * 86_400_000


def timestamp_of_text(text: str) -> int | None:
    """Milliseconds since 1970 of ISO 8601 with `Z` or an offset; none for anything else."""
    match = ISO_8601.fullmatch(text)
    if match is None:
        return None
    year, month, day, month_, day_, hour, minute, second, fraction, _, sign = match.groups()[:11]
    off_hour, off_minute, off_second = match.groups()[11:]
    if not 1 <= int(year) <= 9999:
        return -1 if int(year) < 1 else LATEST_MS + 1
    try:
        at = _day_ms(year, month or month_, day or day_)
    except ValueError:
        return None
    hours, minutes, seconds = int(hour), int(minute or 0), min(int(second or 0), 59)
    if hours > 23 or minutes > 59 or int(second or 0) > 60:
        return None
    at += hours * 3_600_000 + minutes * 60_000 + seconds * 1_000
    if fraction:
        at += int((fraction + "00")[:3])
    if sign:
        if int(off_hour) > 25 or int(off_minute or 0) > 59 or int(off_second or 0) > 59:
            return None
        offset = int(off_hour) * 3_600 + int(off_minute or 0) * 60 + int(off_second or 0)
        at -= (offset if sign == "+" else -offset) * 1_000
    return at


def instant(value: Any, path: str) -> int:
    """An instant as a text or as a number whose size tells the unit."""
    if type(value) is str:
        at = timestamp_of_text(value) if not WHOLE.fullmatch(value) else _of_text_number(value, path)
        if at is None:
            raise invalid(path)
    elif type(value) is int:
        at = _of_whole(value) if value < 2**63 else None
    elif type(value) is float:
        at = _of_fraction(value)
    else:
        raise invalid(path)
    if at is None or not 0 <= at <= LATEST_MS:
        raise Reject("implausible_time", path)
    return at


def _of_text_number(text: str, path: str) -> int:
    number = int(text) if len(text) < 40 else 2**63
    if not -(2**63) <= number < 2**63:
        raise invalid(path)
    at = _of_whole(number)
    return -1 if at is None else at


def _of_whole(number: int) -> int | None:
    if 0 <= number < 10**11:
        return number * 1_000
    if 10**11 <= number < 10**14:
        return number
    return number // 1_000 if 10**14 <= number < 10**17 else None


def _of_fraction(number: float) -> int | None:
    if number < 0.0 or not number < 1e17:
        return None
    ms = number * 1_000.0 if number < 1e11 else number if number < 1e14 else number / 1_000.0
    return round_half_up(ms)


def round_half_up(number: float) -> int:
    """Half away from zero, of a number that is not negative."""
    whole = math.floor(number)
    return whole + (number - whole >= 0.5)


def believed(receipt: int | None, record_ms: int) -> int | None:
    """When somebody says that an event was received. A record is written after that, so what lies more than a day
    after the record, which is more than clocks differ, is no receipt."""
    if receipt is None or not 0 <= record_ms <= LATEST_MS:
        return receipt
    return receipt if receipt - record_ms <= RECEIPT_AHEAD_MS_MAX else None


def corrected(
    clock: str, original: int, sent: int | None, received: int, says_received: bool
) -> tuple[int, bool]:
    """When an event happened, and whether it lay in the future."""
    corrects = clock == "correct" or (clock == "automatic" and says_received)
    at = received - (sent - original) if sent is not None and corrects else original
    if at - received > FUTURE_MS_MAX:
        return received, True
    if not 0 <= at <= LATEST_MS:
        raise Reject("implausible_time", "$.sentAt")
    return at, False
