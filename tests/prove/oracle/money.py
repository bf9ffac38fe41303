"""Amounts in hundredths, rounded half away from zero."""

from __future__ import annotations

import re
from typing import Any

from .clock import round_half_up
from .fields import Fields
from .reject import invalid

AMOUNT_MAX = 10**15
DECIMAL = re.compile(r"([+-]?)([0-9]+)(?:\.([0-9]+))?", re.ASCII)


def hundredths(value: Any, path: str) -> int:
    """An amount from a number or from a text such as `59.90`."""
    amount: int | None
    if type(value) is int:
        amount = value * 100
    elif type(value) is float:
        scaled = value * 100.0
        amount = None if value < 0.0 or scaled > 2.0 * AMOUNT_MAX else round_half_up(scaled)
    elif type(value) is str:
        amount = hundredths_of_text(value)
    else:
        amount = None
    if amount is None or not 0 <= amount <= AMOUNT_MAX:
        raise invalid(path)
    return amount


def hundredths_of_text(text: str) -> int | None:
    """None for what is no decimal number."""
    match = DECIMAL.fullmatch(text.strip())
    if match is None:
        return None
    sign, units, fraction = match[1], match[2], (match[3] or "0") + "00"
    if sign == "-" and set(match[2] + (match[3] or "")) != {"0"}:
        return -1
    if len(units.lstrip("0")) > 15:
        return 2**63 - 1
    return int(units) * 100 + int(fraction[:2]) + (fraction[2] >= "5")


def stated(properties: Fields, is_commerce: bool) -> tuple[tuple[int, str] | None, str | None]:
    """The value of an event with its currency, and the currency. Away from commerce, a `value` that is no
    number stays a property."""
    found = properties.take("currency")
    currency = None if found is None else _code(found.value, found.path)
    if not is_commerce and currency is None and not _is_amount(properties.peek("value")):
        return None, None
    value = properties.take("value")
    if value is None:
        return None, currency
    return (hundredths(value.value, value.path), currency or "XXX"), currency


def _is_amount(value: Any) -> bool:
    if type(value) is str:
        return hundredths_of_text(value) is not None
    return type(value) in (int, float)


def _code(value: Any, path: str) -> str:
    if type(value) is str and len(value) == 3 and value.isascii() and value.isalpha():
        return value.upper()
    raise invalid(path)
