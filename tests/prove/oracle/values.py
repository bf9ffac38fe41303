"""Values of conditions: how they are compared, added and looked into. What can not be said is `Unknown`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

Closure = Callable[[Any, dict[str, Any]], Any]


class Unknown(Exception):
    """It cannot be said."""


def truth(value: Any) -> bool:
    if value is True or value is False:
        return value
    raise Unknown


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def equal(one: Any, other: Any) -> bool:
    """CEL's equality: numbers by value, everything else only with its own type."""
    if is_number(one) and is_number(other):
        return bool(one == other)
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(equal(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def ordered(operator: str, one: Any, other: Any) -> bool:
    both = is_number(one) and is_number(other)
    if not both and (type(one) is not type(other) or not isinstance(one, str | bool)):
        raise Unknown
    if one != one or other != other:
        raise Unknown
    if operator in ("<", ">="):
        return bool(one < other) is (operator == "<")
    return bool(one > other) is (operator == ">")


def zero_of(value: Any) -> Any:
    return 0.0 if isinstance(value, float) else 0


def arithmetic(operator: str, one: Any, other: Any) -> Any:
    if type(one) is not type(other) or isinstance(one, bool):
        raise Unknown
    if operator == "+" and isinstance(one, str | list):
        return one + other
    if isinstance(one, float) and operator != "%":
        if operator == "/" and other == 0:
            return (
                math.nan if one == 0 or one != one else math.copysign(math.inf, one) * math.copysign(1, other)
            )
        return (
            {"+": one + other, "-": one - other, "*": one * other}.get(operator)
            if operator != "/"
            else one / other
        )
    if not isinstance(one, int) or (operator in "/%" and other == 0):
        raise Unknown
    if operator in "/%":
        quotient = abs(one) // abs(other) * (1 if (one < 0) == (other < 0) else -1)
        result = quotient if operator == "/" else one - quotient * other
    else:
        result = {"+": one + other, "-": one - other, "*": one * other}[operator]
    if not -(2**63) <= result < 2**63:
        raise Unknown
    return result


def contains(value: Any, container: Any) -> bool:
    if isinstance(container, list | dict):
        return any(equal(value, item) for item in container)
    raise Unknown


def member(value: Any, name: str) -> Any:
    if isinstance(value, dict) and name in value:
        return value[name]
    raise Unknown


def has(value: Any, name: str) -> bool:
    if isinstance(value, dict):
        return name in value
    raise Unknown


def element(value: Any, index: Any) -> Any:
    if isinstance(value, list) and is_number(index) and 0 <= index < len(value) and index == int(index):
        return value[int(index)]
    if isinstance(value, dict) and isinstance(index, str) and index in value:
        return value[index]
    raise Unknown


def of_texts(function: Callable[[str, str], Any]) -> Callable[[Any, Any], Any]:
    def checked(one: Any, other: Any) -> Any:
        if not isinstance(one, str) or not isinstance(other, str):
            raise Unknown
        return function(one, other)

    return checked


def size(value: Any) -> int:
    if isinstance(value, str | list | dict):
        return len(value)
    raise Unknown


def to_double(value: Any) -> float:
    if is_number(value):
        return float(value)
    raise Unknown


FUNCTIONS: dict[tuple[str, int], Callable[..., Any]] = {
    ("size", 1): size,
    ("double", 1): to_double,
    ("contains", 2): of_texts(lambda one, other: other in one),
    ("startsWith", 2): of_texts(str.startswith),
    ("endsWith", 2): of_texts(str.endswith),
    ("matches", 2): of_texts(lambda one, other: re.search(other, one) is not None),
}
