"""What the attributes of a profile say, and how far that is believed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .book import MISSING, Attribute
from .holdings import SUMS

NEVER_MISSING = (*SUMS, "list", "distinct", "top", "funnel", "affinity")
NUMBERS = (*SUMS, "mean", "min", "max", "distinct", "since_first", "since_last", "gaps", "funnel")


def value(profile: Any, at: int) -> Any:
    """What an attribute of a profile says."""
    rule, held = profile.book.attributes[at], profile.held[at]
    if aged(profile, at, profile.as_of) == "EXPIRED":
        return MISSING
    if rule.affinity:
        return profile.points(rule.affinity, profile.as_of)
    if rule.parts:
        best = next(said(profile, rule), MISSING)
        return best if best is MISSING or rule.measure == "coalesce" else mark(best, rule)
    if held is not None:
        return held.value(profile.as_of, rule)
    total, unit = profile.totals[at], {"value": 100.0, "sum": 1_000_000.0}.get(rule.measure)
    return total if unit is None else total / unit


def aged(profile: Any, at: int, now: int) -> str:
    """How far an attribute is believed, by the age of its latest event."""
    latest, (stale_ms, expires_ms) = profile.latest[at], profile.book.attributes[at].ages_ms
    if latest is None:
        return "PRESENT"
    if expires_ms is not None and now - latest >= expires_ms:
        return "EXPIRED"
    return "STALE" if stale_ms is not None and now - latest >= stale_ms else "PRESENT"


def status(profile: Any, at: int) -> str:
    """What a row of an update tells beside the value."""
    age_ = age(profile, at)
    return "MISSING" if age_ != "EXPIRED" and value(profile, at) is MISSING else age_


def age(profile: Any, at: int) -> str:
    """How far an attribute is believed now. What is made of others is as old as what it is made of."""
    part, _ = next(saying(profile, profile.book.attributes[at]), (None, MISSING))
    return age(profile, part) if isinstance(part, int) else aged(profile, at, profile.as_of)


def of_orders(profile: Any, name: str) -> int | float:
    _, part, *currency = name.split(".")
    if part == "revenue":
        return float(profile.revenue.get(currency[0], 0)) / 100.0
    return int(profile.orders if part == "count" else profile.units)


def said(profile: Any, rule: Attribute) -> Iterator[Any]:
    """What those parts of a coalesce say that say something, the best first."""
    return (one for _, one in saying(profile, rule))


def saying(profile: Any, rule: Attribute) -> Iterator[tuple[int | str, Any]]:
    """Those parts themselves, each with what it says."""
    for part in rule.parts:
        if not isinstance(part, str):
            one = value(profile, part)
        else:
            one = of_orders(profile, part) if rule.measure == "score" else profile.traits.get(part, MISSING)
        if one is not MISSING:
            yield part, one


def mark(number: float, rule: Attribute) -> int:
    """1, and 1 more for each threshold that is reached, or that is not where the lowest is the best."""
    reached = [number >= threshold for threshold in rule.thresholds]
    return 1 + reached.count(not rule.lowest_is_best)


def completeness(profile: Any) -> float:
    rules = profile.book.attributes
    asked = [at for at in range(len(rules)) if not always_says(rules, at)]
    present = sum(value(profile, at) is not MISSING for at in asked)
    return present / len(asked) if asked else 1.0


def always_says(rules: Sequence[Attribute], at: int) -> bool:
    """Whether there is a number from the beginning, or what is told by one."""
    rule = rules[at]
    if rule.parts:
        says = [rule.measure == "score" if isinstance(part, str) else always_says(rules, part) for part in rule.parts]
        return all(says)
    return rule.measure in NEVER_MISSING and rule.ages_ms[1] is None


def contradictions(profile: Any) -> list[str]:
    def differ(values: list[Any]) -> bool:
        return any((type(one), one) != (type(values[0]), values[0]) for one in values)

    return [rule.name for rule in profile.book.attributes if differ(list(said(profile, rule)))]
