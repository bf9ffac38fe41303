"""What attributes hold. Of those that are no sums the best of each bucket of time is kept, in each group; what a
row must show and what falls when is worked out from that.

A group is a register of a sketch, or a text of a list, or all there is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import xxhash

from .book import MISSING, Attribute
from .contributions import bounded, numbers, order, scalars, texts, total
from .event import Event
from .journeys import Funnel, Lifecycle

FREQUENCIES_MAX = 64
REGISTERS = 512
SMALLER_IS_BETTER = ("min", "first", "since_first")
BY_BUCKET = ("min", "max", "distinct")
FREQUENCIES = ("most_frequent", "top")
SUMS = ("count", "units", "value", "sum")
OF_VALUES = ("units", "value", "sum")  # the sums that do not say themselves how many values they are of


class Ring:
    """A number by bucket, and the sum of what the window holds."""

    __slots__ = ("buckets", "total")

    def __init__(self) -> None:
        self.total = 0
        self.buckets: dict[int, int] = {}

    def add(self, amount: int, happened: int, now: int, rule: Attribute) -> bool:
        if not amount:
            return False
        if rule.bucket_ms:
            bucket = rule.bucket(happened)
            if bucket < rule.oldest(now):
                return False
            self.buckets[bucket] = bounded(self.buckets.get(bucket, 0) + amount)
            if not self.buckets[bucket]:
                del self.buckets[bucket]
        self.total = bounded(self.total + amount)
        return True

    def expire(self, now: int, rule: Attribute) -> bool:
        oldest = rule.oldest(now)
        gone = [bucket for bucket in self.buckets if bucket < oldest]
        if not gone:
            return False
        for bucket in gone:
            del self.buckets[bucket]
        before, self.total = self.total, bounded(sum(self.buckets.values()))
        return before != self.total

    def due(self, rule: Attribute) -> int | None:
        return rule.begins(min(self.buckets) + rule.buckets) if self.buckets else None

    def row(self) -> list[Any]:
        return [self.total, sorted(self.buckets.items())]


class Mean:
    """A sum and how many numbers it is of."""

    def __init__(self) -> None:
        self.sum, self.count = Ring(), Ring()

    def add(self, event: Event, now: int, rule: Attribute) -> bool:
        told = numbers(rule, event)
        self.sum.add(total(told), event.timestamp, now, rule)
        return self.count.add(len(told), event.timestamp, now, rule)

    def expire(self, before: int, now: int, rule: Attribute) -> bool:
        fallen = [ring.expire(now, rule) for ring in (self.sum, self.count)]
        return any(fallen)

    def due(self, as_of: int, rule: Attribute) -> int | None:
        return self.count.due(rule)

    def value(self, as_of: int, rule: Attribute) -> Any:
        count = self.count.total
        return float(self.sum.total) / float(count) / 1_000_000.0 if count else MISSING

    def holds(self) -> bool:
        return bool(self.sum.total or self.count.total)


class Gaps:
    """The largest number of a sequence, and how many numbers of it there were."""

    def __init__(self) -> None:
        self.largest = self.count = 0

    def add(self, event: Event, now: int, rule: Attribute) -> bool:
        told = numbers(rule, event)
        numbered = [one // 1_000_000 for one in told if one >= 1_000_000 and one % 1_000_000 == 0]
        self.largest = max([self.largest, *numbered])
        self.count += len(numbered)
        return bool(numbered)

    def due(self, as_of: int, rule: Attribute) -> int | None:
        return None

    def value(self, as_of: int, rule: Attribute) -> Any:
        return max(0, self.largest - self.count) if self.count else MISSING

    def holds(self) -> bool:
        return bool(self.count)


class Derived:
    """Holds nothing: what it says is made of what its parts say."""

    def add(self, event: Event, now: int, rule: Attribute) -> bool:
        return False

    def holds(self) -> bool:
        return False


class Frequencies:
    """How often each text occurred; of too many the rarest is forgotten."""

    def __init__(self) -> None:
        self.rings: dict[str, Ring] = {}

    def add(self, event: Event, now: int, rule: Attribute) -> bool:
        counted = False
        for text in texts(rule, event):
            ring = self.rings.setdefault(text, Ring())
            if ring.add(1, event.timestamp, now, rule):
                counted = True
                if len(self.rings) > FREQUENCIES_MAX:
                    fewest = min(ring.total for ring in self.rings.values())
                    del self.rings[max(text for text, ring in self.rings.items() if ring.total == fewest)]
            elif not ring.total:
                del self.rings[text]
        return counted

    def expire(self, before: int, now: int, rule: Attribute) -> bool:
        fallen = [ring.expire(now, rule) for ring in self.rings.values()]
        self.rings = {text: ring for text, ring in self.rings.items() if ring.total}
        return any(fallen)

    def due(self, as_of: int, rule: Attribute) -> int | None:
        dues = [due for ring in self.rings.values() if (due := ring.due(rule)) is not None]
        return min(dues, default=None)

    def value(self, as_of: int, rule: Attribute) -> Any:
        best = sorted(self.rings, key=lambda text: (-self.rings[text].total, text))
        if rule.measure == "top":
            return best[: rule.most]
        return best[0] if best else MISSING

    def holds(self) -> bool:
        return bool(self.rings)

    def row(self) -> dict[str, list[Any]]:
        return {text: ring.row() for text, ring in self.rings.items()}


class Bests:
    """By group and bucket the best that there was: how good, when, and what."""

    def __init__(self) -> None:
        self.best: dict[Any, dict[int, tuple[Any, int, Any]]] = {}

    def add(self, event: Event, now: int, rule: Attribute) -> bool:
        kept = False
        for group, value in self._told(rule, event):
            at, bucket = event.timestamp, 0
            if rule.bucket_ms:
                bucket = rule.bucket(at)
                if bucket < rule.oldest(now):
                    continue
            if rule.measure in BY_BUCKET:
                at = rule.begins(bucket) if rule.bucket_ms else 0
                good: Any = order(value) if rule.measure != "distinct" else value & 63
            else:
                good = (at, order(value))
            mine = self.best.setdefault(group, {})
            later = (mine[other][0] for other in mine if other >= bucket)
            if any(self._as_good(one, good, rule) for one in later):
                continue
            mine[bucket] = (good, at, value)
            kept |= rule.measure != "list" or self._cap(rule, value)
        return kept

    def expire(self, before: int, now: int, rule: Attribute) -> bool:
        if rule.step_ms:
            return any(steps(rule, at, before) != steps(rule, at, now) for at, _ in self.front(rule))
        oldest = rule.oldest(now)
        fallen = any(rule.bucket(at) < oldest for at, _ in self.front(rule))
        for group, mine in list(self.best.items()):
            self.best[group] = {bucket: one for bucket, one in mine.items() if bucket >= oldest}
            if not self.best[group]:
                del self.best[group]
        return fallen

    def due(self, as_of: int, rule: Attribute) -> int | None:
        front = self.front(rule)
        if not front:
            return None
        if rule.step_ms:
            at = front[0][0]
            next_ = steps(rule, at, as_of) + 1
            return at + next_ * rule.step_ms if next_ <= rule.steps_max else None
        return rule.begins(rule.bucket(min(at for at, _ in front)) + rule.buckets)

    def front(self, rule: Attribute) -> list[tuple[int, Any]]:
        """What can be read now or later, by time and value: nothing newer is as good."""
        points = []
        for mine in self.best.values():
            for bucket, (good, at, value) in mine.items():
                newer = (mine[other][0] for other in mine if other > bucket)
                if not any(self._as_good(one, good, rule) for one in newer):
                    points.append((at, value))
        return sorted(points, key=lambda point: (point[0], order(point[1])))

    def value(self, as_of: int, rule: Attribute) -> Any:
        front = self.front(rule)
        if rule.measure == "list":
            return [value for _, value in reversed(front)][: rule.most]
        if rule.measure == "distinct":
            return estimate([value for _, value in front])
        if not front:
            return MISSING
        if rule.step_ms:
            return steps(rule, front[0][0], as_of)
        values = [value for _, value in front]
        if rule.measure in ("min", "max"):
            return (min if rule.measure == "min" else max)(values) / 1_000_000.0
        return values[0] if rule.measure == "first" else values[-1]

    def holds(self) -> bool:
        return bool(self.best)

    def _told(self, rule: Attribute, event: Event) -> Iterator[tuple[Any, Any]]:
        if rule.step_ms:
            yield None, True
        elif rule.measure in ("min", "max"):
            yield from ((None, number) for number in numbers(rule, event))
        elif rule.measure in ("first", "last"):
            yield from ((None, value) for value in scalars(rule, event))
        elif rule.measure == "list":
            yield from ((text, text) for text in texts(rule, event))
        else:
            for text in texts(rule, event):
                hash_ = xxhash.xxh3_64_intdigest(text.encode())
                register, rest = hash_ >> 55, hash_ & (2**55 - 1)
                yield register, register << 6 | 55 - rest.bit_length() + 1

    def _cap(self, rule: Attribute, value: str) -> bool:
        """Drops the oldest of too many texts; whether this one is still there."""
        front = self.front(rule)
        for _, oldest in front[: max(0, len(front) - rule.most)]:
            del self.best[oldest]
        return value in self.best

    def _as_good(self, one: Any, other: Any, rule: Attribute) -> bool:
        return bool(one <= other if rule.measure in SMALLER_IS_BETTER else one >= other)


def empty(rule: Attribute) -> Any:
    """What an attribute holds of a person of whom nothing is known; nothing where it adds up."""
    if rule.measure in SUMS:
        return None
    if rule.parts or rule.affinity:
        return Derived()
    others = {"mean": Mean, "gaps": Gaps, "lifecycle": Lifecycle, "funnel": Funnel}
    if rule.measure in others:
        return others[rule.measure]()
    return Frequencies() if rule.measure in FREQUENCIES else Bests()


def evidence(rule: Attribute) -> Ring | None:
    """Of how many values a sum is, beside it and by the same buckets; nothing where that is no question."""
    return Ring() if rule.measure in OF_VALUES else None


def key(rule: Attribute) -> str:
    """What rows hold something under, in the place of a name."""
    return rule.key if rule.measure in SUMS else shape(rule)


def evidence_key(rule: Attribute) -> str:
    """What rows hold under of how many values a sum is."""
    return f"{rule.name}|evidence|{span(rule)}"


def shape(rule: Attribute) -> str:
    """The same of what is no sum."""
    if rule.step_ms or rule.parts or rule.gaps_ms or rule.affinity:
        return f"{rule.name}|{rule.measure}|0"
    kind = "frequencies" if rule.measure in FREQUENCIES else rule.measure
    return f"{rule.name}|{kind}|{'>'.join(rule.steps) or rule.prop}|{span(rule)}"


def span(rule: Attribute) -> str:
    return f"{rule.bucket_ms}|{rule.days.name}" if rule.days else str(rule.bucket_ms)


def steps(rule: Attribute, at: int, now: int) -> int:
    return max(0, min(rule.steps_max, (now - at) // rule.step_ms))


def estimate(marks: list[int]) -> int:
    """How many distinct texts there were, by HyperLogLog with linear counting of few."""
    ranks = [0] * REGISTERS
    for mark in marks:
        ranks[mark >> 6] = max(ranks[mark >> 6], mark & 63)
    raw = 0.7213 / (1.0 + 1.079 / REGISTERS) * REGISTERS * REGISTERS / sum(2.0**-rank for rank in ranks)
    unused = ranks.count(0)
    number = REGISTERS * math.log(REGISTERS / unused) if raw <= 2.5 * REGISTERS and unused else raw
    return math.floor(number + 0.5)
