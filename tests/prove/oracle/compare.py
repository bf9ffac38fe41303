"""Compares an expected record with a found one, field by field. Doubles may differ by 1e-9 of their size, and
numbers inside an evidence text by the last digit that it shows; how often that was needed is counted."""

from __future__ import annotations

import math
import re
from typing import Any

RELATIVE = 1e-9
SHOWN = 0.001
NUMBER = re.compile(r"-?[0-9]+\.[0-9]{3}(?![0-9])")


class Tolerated:
    """How often two values were equal within the tolerance alone."""

    def __init__(self) -> None:
        self.count = 0


def difference(expected: Any, found: Any, tolerated: Tolerated, path: str = "") -> str | None:
    """The first difference as text; none where there is none."""
    if type(expected) is not type(found):
        return _said(path, expected, found)
    if isinstance(expected, dict):
        for name in expected | found:
            inner = f"{path}.{name}" if path else name
            if name not in expected or name not in found:
                return _said(inner, expected.get(name, "nothing"), found.get(name, "nothing"))
            if said := difference(expected[name], found[name], tolerated, inner):
                return said
        return None
    if isinstance(expected, list):
        for at, pair in enumerate(zip(expected, found, strict=False)):
            if said := difference(*pair, tolerated, f"{path}[{at}]"):
                return said
        return None if len(expected) == len(found) else _said(f"{path}.length", len(expected), len(found))
    if expected == found:
        return None
    if isinstance(expected, float):
        near = math.isclose(expected, found, rel_tol=RELATIVE, abs_tol=1e-300)
    else:
        near = path.endswith("evidence") and _near_text(expected, found)
    tolerated.count += near
    return None if near else _said(path, expected, found)


def _near_text(expected: str, found: str) -> bool:
    if NUMBER.sub("#", expected) != NUMBER.sub("#", found):
        return False
    pairs = zip(NUMBER.findall(expected), NUMBER.findall(found), strict=True)
    return all(abs(float(one) - float(other)) < SHOWN * 1.5 for one, other in pairs)


def _said(path: str, expected: Any, found: Any) -> str:
    return f"{path}: expected {_short(expected)} found {_short(found)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
