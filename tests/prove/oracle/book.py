"""The definitions in force, compiled: what an application declares, in the form that the fold uses. What each
condition reads is a set of bits (`Book.bits`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .days import Days
from .section import HOUR_MS

# What a change of a profile can touch besides single attributes and the tags of single interests.
SEGMENTS, SESSION, ORDERS, RECENT, TRAITS, ALWAYS, EVENT = (1 << bit for bit in range(7))
FIRST_NAMED_BIT = 7
MISSING = object()  # what an attribute says that has nothing to say


@dataclass(slots=True)
class Attribute:
    name: str
    measure: str  # the key that declares it
    prop: str | None  # the field that it is about
    events: frozenset[str] | None  # none: every event
    where: Callable[..., Any] | None
    bucket_ms: int  # 0: for the lifetime
    buckets: int
    timed: bool
    bit: int
    of_session: bool = False
    most: int = 10
    step_ms: int = 0  # 0: not the time since an event
    steps_max: int = 0
    # What a coalesce chooses from, or a score is of: the number of an attribute; else the name of a trait, of a
    # score one such as `orders.count`.
    parts: tuple[int | str, ...] = ()
    # From which gap on somebody is at risk, and from which lapsed.
    gaps_ms: tuple[int, int] | None = None
    affinity: tuple[int, str] | None = None  # the place of an interest, and a value of it
    steps: tuple[str, ...] = ()  # of a funnel
    thresholds: tuple[float, ...] = ()
    lowest_is_best: bool = False
    # From which age of its latest event on it is stale, and from which expired.
    ages_ms: tuple[int | None, int | None] = (None, None)
    latest_key: str = ""  # what rows hold it under when the latest of its events was
    purposes: tuple[str, ...] = ()  # what it may be used for, as declared
    days: Days | None = None  # of a zone; then buckets are these

    @property
    def key(self) -> str:
        """What rows hold a sum under."""
        return f"{self.name}|{self.days.name}" if self.days else self.name

    def bucket(self, at: int) -> int:
        return self.days.day(at) if self.days else at // self.bucket_ms

    def begins(self, bucket: int) -> int:
        return self.days.begins(bucket) if self.days else bucket * self.bucket_ms

    def oldest(self, now: int) -> int:
        """The first bucket that is still in the window."""
        return self.bucket(now) - self.buckets + 1

    @property
    def moves(self) -> bool:
        """Whether it changes with time."""
        return bool(self.bucket_ms or self.step_ms or self.gaps_ms)


@dataclass(slots=True)
class Interest:
    name: str
    facet: str
    half_life_hours: int
    weights: dict[str, float]
    enter: float
    leave: float
    values_max: int
    evidence_min: int
    top: int
    show_negative: bool
    timed: bool
    as_segments: bool
    bit: int
    factors: list[float] = field(default_factory=list)
    roll_up: str | None = None

    def values(self, value: str) -> list[str]:
        """A value after those above it, the widest first."""
        if self.roll_up is None:
            return [value]
        steps = value.split(self.roll_up)
        above = [self.roll_up.join(steps[:end]) for end in range(1, len(steps))]
        return [*[one for one in above if one][:7], value]

    def decay(self, hours: int) -> float:
        """What is left of 1 after so many whole hours."""
        if hours <= 0:
            return 1.0
        halvings, rest = divmod(hours, self.half_life_hours)
        return 0.0 if halvings > 1_000 else self.factors[rest] * 2.0**-halvings


@dataclass(slots=True)
class Segment:
    name: str
    enter: Callable[..., Any] | None
    enter_reads: int
    leave: Callable[..., Any] | None
    leave_reads: int
    after: str | None
    without: str | None
    for_ms: int


@dataclass(slots=True)
class Rule:
    name: str
    trigger: tuple[str, str]
    when: Callable[..., Any] | None
    slot: str | None
    cooldown_ms: int
    event_age_ms_max: int
    max_fires: tuple[int, int] | None = None  # how often, within how many milliseconds
    group: str | None = None
    set: tuple[tuple[str, Any], ...] = ()  # traits, by name


@dataclass(slots=True)
class Slot:
    name: str
    items: int
    interest: str
    by_lift: bool  # whether affinities count by what lifts them above the site's, not by their shares alone
    exclude_recent: bool
    exclude_bought: bool
    fallback: list[str]
    stale_ms: int | None = None  # from which age of a person's latest event on a decision is stale


@dataclass(slots=True)
class Book:
    """All definitions in force."""

    # The hash of their text; none of those of the configuration, whose text is the product's own.
    fingerprint: int | None = None
    since: int = 0  # in force since; what is due by them is not due before
    ids_max: int = 256
    horizon_ms: int = 72 * HOUR_MS
    lateness_ms: int = 72 * HOUR_MS
    lateness_ms_by_source: dict[str, int] = field(default_factory=dict)
    lateness_ms_max: int = 72 * HOUR_MS  # of them all
    retention_ms: int | None = None
    gap_ms: int = 1_800_000
    session_timed: bool = True
    pages_max: int = 10
    extends_back: bool = True
    trusted: frozenset[str] = frozenset()  # the sources whose word on orders counts
    recent_events: frozenset[str] = frozenset()
    recent_max: int = 10
    attributes: list[Attribute] = field(default_factory=list)
    interests: list[Interest] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    slots: dict[str, Slot] = field(default_factory=dict)
    bits: dict[tuple[str, str], int] = field(default_factory=dict)
    attribute_at: dict[str, int] = field(default_factory=dict)
    interest_at: dict[str, int] = field(default_factory=dict)
    sums: list[int] = field(default_factory=list)  # the places of the attributes that add up
    aggregates: list[int] = field(default_factory=list)  # the places of the others
    aging: list[int] = field(default_factory=list)  # those that are not believed for ever
    windowed: list[tuple[int, Attribute]] = field(default_factory=list)
    by_event: dict[str, list[tuple[int, Attribute]]] = field(default_factory=dict)

    def shown(self) -> str | None:
        """As outputs name them."""
        return None if self.fingerprint is None else f"{self.fingerprint:016x}"

    def is_late(self, source: str, happened: int, now: int) -> bool:
        """Whether an event is heard of too late for what is of a time."""
        return now - happened > self.lateness_ms_by_source.get(source, self.lateness_ms)

    def counting(self, event: str) -> list[tuple[int, Attribute]]:
        """The attributes that count an event of this name, whatever their condition says."""
        found = self.by_event.get(event)
        if found is None:
            all_ = enumerate(self.attributes)
            found = [(at, a) for at, a in all_ if a.events is None or event in a.events]
            if len(self.by_event) < 10_000:
                self.by_event[event] = found
        return found
