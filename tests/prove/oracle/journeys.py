"""Attributes that look at the order of events in time: where a customer stands, and how far somebody has come. All
that happened is kept, and looked through afresh for each answer."""

from __future__ import annotations

from bisect import insort
from itertools import pairwise
from typing import Any

from .book import MISSING, Attribute
from .event import Event

EVENTS_MAX = 64


class Lifecycle:
    """The instants of all events, in their order."""

    def __init__(self) -> None:
        self.instants: list[int] = []

    def add(self, event: Event, now: int, rule: Attribute) -> bool:
        before = self.instants[-2:]
        insort(self.instants, event.timestamp)
        return self.instants[-2:] != before

    def expire(self, before: int, now: int, rule: Attribute) -> bool:
        return self.stage(before, rule) != self.stage(now, rule)

    def due(self, as_of: int, rule: Attribute) -> int | None:
        if not self.instants or not rule.gaps_ms:
            return None
        dues = [self.instants[-1] + gap_ms for gap_ms in rule.gaps_ms]
        return next((due for due in dues if due > as_of), None)

    def stage(self, now: int, rule: Attribute) -> str | None:
        if not self.instants or not rule.gaps_ms:
            return None
        at_risk_ms, lapsed_ms = rule.gaps_ms
        away_ms = now - self.instants[-1]
        if away_ms >= at_risk_ms:
            return "lapsed" if away_ms >= lapsed_ms else "at_risk"
        if len(self.instants) == 1:
            return "new"
        absences = [later - earlier for earlier, later in pairwise(self.instants)]
        return "returning" if absences[-1] >= lapsed_ms else "active"

    def value(self, as_of: int, rule: Attribute) -> Any:
        return self.stage(as_of, rule) or MISSING

    def holds(self) -> bool:
        return bool(self.instants)

    def points(self) -> list[tuple[int, Any]]:
        """What a row must show."""
        return [(at, True) for at in self.instants[-2:]]


class Funnel:
    """The instants of all steps in the window."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, int]] = []

    def add(self, event: Event, now: int, rule: Attribute) -> bool:
        if rule.bucket_ms and rule.bucket(event.timestamp) < rule.oldest(now):
            return False
        before = self.depth(rule)
        insort(self.taken, (event.timestamp, rule.steps.index(event.name) + 1))
        self.taken = self.points()
        return self.depth(rule) != before

    def expire(self, before: int, now: int, rule: Attribute) -> bool:
        deep = self.depth(rule)
        oldest = rule.begins(rule.oldest(now))
        self.taken = [(at, step) for at, step in self.taken if at >= oldest]
        return self.depth(rule) != deep

    def due(self, as_of: int, rule: Attribute) -> int | None:
        deep = self.depth(rule)
        for bucket in sorted({rule.bucket(at) for at, _ in self.taken}):
            if self.depth(rule, rule.begins(bucket + 1)) < deep:
                return rule.begins(bucket + rule.buckets)
        return None

    def depth(self, rule: Attribute, since: int = 0) -> int:
        """For each step the earliest instant that is not before that of the step before it."""
        instant, deep = since, 0
        for step in range(1, len(rule.steps) + 1):
            later = [at for at, other in self.taken if other == step and at >= instant]
            if not later:
                break
            instant, deep = min(later), step
        return deep

    def value(self, as_of: int, rule: Attribute) -> Any:
        return self.depth(rule)

    def holds(self) -> bool:
        return bool(self.taken)

    def points(self) -> list[tuple[int, Any]]:
        """What a row must show."""
        return self.taken[-EVENTS_MAX:]
