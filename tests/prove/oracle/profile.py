"""What is known about one person, in the oracle's own form."""

from __future__ import annotations

import math
from typing import Any

from . import holdings, visits
from .book import Book, Interest
from .ledger import Order

TIME = object()  # a change's cause: the passing of time

# A person's status in a segment: (0, 0) out, (1, due at) waiting to be in, (2, entered at) in.
OUT = (0, 0)
TOLERANCE = 1e-9
HOUR_MS = 3_600_000


class Affinity:
    """How much a person is drawn to one value; the signed score is as of an hour."""

    __slots__ = ("evidence", "falls_at", "hour", "score", "squares", "tagged_at")

    def __init__(self, hour: int) -> None:
        self.score = self.squares = 0.0
        self.hour = hour
        self.evidence = 0
        self.tagged_at: int | None = None
        self.falls_at: int | None = None  # when a tag is lost, if nothing happens

    def at(self, hour: int, rule: Interest) -> float:
        """The score at an hour that is not before its own."""
        return self.score if hour <= self.hour else self.score * rule.decay(hour - self.hour)

    def n_eff(self) -> float:
        """The square of the sum over the sum of the squares."""
        n_eff = self.score * self.score / self.squares if self.squares else 0.0
        return n_eff if math.isfinite(n_eff) else 0.0

    def find_fall(self, rule: Interest) -> None:
        """When the score is below what keeps the tag."""
        self.falls_at = None if self.tagged_at is None else self.falls_below(rule.leave, rule)

    def falls_below(self, threshold: float, rule: Interest) -> int | None:
        """The first whole hour at which the score is below a threshold that it reaches."""
        limit = threshold - TOLERANCE
        if self.score < limit:
            return None
        low, high = 0, rule.half_life_hours
        while self.score * rule.decay(high) >= limit:
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            if self.score * rule.decay(middle) >= limit:
                low = middle
            else:
                high = middle
        return (self.hour + high) * HOUR_MS


class Profile:
    """One person. Lists have one entry for each attribute, interest or segment of the definitions in force;
    what earlier definitions knew and these do not is parked by name."""

    __slots__ = (
        "affinities", "as_of", "book", "buckets", "cause", "due", "events", "evidence", "fired", "fires", "first_at",
        "held", "ids_capped", "items_bought", "last_at", "latest",
        "ledger", "made_by", "order_first", "order_last", "orders", "parked", "recent", "revenue",
        "forgotten_until", "previous", "rendered", "seen", "segments", "session_count", "session_open", "sited",
        "sums", "tags", "totals", "traits", "units", "version", "visit",
    )  # fmt: skip

    def __init__(self, book: Book) -> None:
        self.book = book
        self.version = self.as_of = self.events = 0
        self.first_at: int | None = None
        self.last_at: int | None = None
        self.cause: Any = None
        self.seen: dict[str, int] = {}
        # Whether as many were held as may be at the last change.
        self.ids_capped = False
        self.traits: dict[str, Any] = {}
        self.totals = [0] * len(book.attributes)
        self.buckets: list[list[int]] = [[] for _ in book.attributes]  # numbers of buckets, ascending
        self.sums: list[list[int]] = [[] for _ in book.attributes]
        self.evidence = [holdings.evidence(one) for one in book.attributes]  # of how many values each sum is
        self.held: list[Any] = [holdings.empty(one) for one in book.attributes]  # of what is no sum
        self.latest: list[int | None] = [None] * len(book.attributes)  # of those that are not believed for ever
        self.affinities: list[dict[str, Affinity]] = [{} for _ in book.interests]
        self.tags = [0] * len(book.interests)  # how many affinities are tags
        self.session_count = 0
        self.session_open = False
        self.visit = visits.Visit()
        self.previous: visits.Visit | None = None  # as long as an event may still belong to it
        self.forgotten_until: int | None = None  # when the latest ended that is not held, as long as that
        self.recent: list[str] = []
        self.orders = self.units = 0
        self.revenue: dict[str, int] = {}
        self.order_first: int | None = None
        self.order_last: int | None = None
        self.ledger: dict[str, Order] = {}  # by id, in the order of the first word
        self.items_bought: list[str] = []
        self.segments: list[tuple[int, int]] = [OUT] * len(book.segments)
        self.fired: dict[str, int] = {}
        self.fires: dict[str, list[int]] = {}  # when each rule with a limit fired lately
        self.due: int | None = None
        self.parked: dict[tuple[str, str], Any] = {}
        self.rendered = 0  # which definitions were in force at the last change
        self.sited = 0  # and which shares of the site
        self.made_by: Book | None = None  # and these themselves

    def move_to(self, book: Book) -> None:
        """Goes over to other definitions; what keeps its name keeps its state."""
        old, parked = self.book, self.parked
        for at in old.sums:
            state = (self.totals[at], self.buckets[at], self.sums[at], old.attributes[at].bucket_ms)
            parked["attribute", old.attributes[at].key] = state
        for at in old.aggregates:
            parked["aggregate", holdings.shape(old.attributes[at])] = (old.attributes[at], self.held[at])
        for at in old.aging:
            parked["latest", old.attributes[at].latest_key] = self.latest[at]
        for at, interest in enumerate(old.interests):
            parked["interest", interest.name] = (self.affinities[at], self.tags[at])
        for at, segment in enumerate(old.segments):
            parked["segment", segment.name] = self.segments[at]
        self.latest = [None] * len(book.attributes)
        for at in book.aging:
            self.latest[at] = parked.pop(("latest", book.attributes[at].latest_key), None)
        self.held = [holdings.empty(one) for one in book.attributes]
        for at in book.aggregates:
            rule = book.attributes[at]
            self.held[at] = parked.pop(("aggregate", holdings.shape(rule)), (rule, self.held[at]))[1]
        counters = [
            (0, [], [], one.bucket_ms)
            if at in book.aggregates
            else parked.pop(("attribute", one.key), (0, [], [], one.bucket_ms))
            for at, one in enumerate(book.attributes)
        ]
        for one, counter in zip(book.attributes, counters, strict=True):
            if counter[3] != one.bucket_ms and (counter[0] or counter[1]):
                raise NotImplementedError(f"attributes.{one.name} changed its bucket while it held something")
        self.totals, self.buckets, self.sums = ([c[part] for c in counters] for part in range(3))
        self._move_evidence(book)
        interests = [parked.pop(("interest", one.name), ({}, 0)) for one in book.interests]
        self.affinities, self.tags = [one[0] for one in interests], [one[1] for one in interests]
        for rule, affinities in zip(book.interests, self.affinities, strict=True):
            for affinity in affinities.values():
                affinity.find_fall(rule)
        self.segments = [parked.pop(("segment", one.name), OUT) for one in book.segments]
        self.book = book
        self.find_due()

    def _move_evidence(self, book: Book) -> None:
        for rule, evidence in zip(self.book.attributes, self.evidence, strict=True):
            if evidence is not None:
                self.parked["evidence", holdings.evidence_key(rule)] = (evidence, rule.bucket_ms)
        self.evidence = [holdings.evidence(rule) for rule in book.attributes]
        for at, rule in enumerate(book.attributes):
            known = self.parked.pop(("evidence", holdings.evidence_key(rule)), None) if self.evidence[at] else None
            if known and known[1] != rule.bucket_ms and (known[0].total or known[0].buckets):
                raise NotImplementedError(f"attributes.{rule.name} changed its bucket while it held something")
            self.evidence[at] = known[0] if known else self.evidence[at]

    def holds_most_ids(self) -> bool:
        """Whether as many message ids are held as may be, of those within the horizon of the last change."""
        most, horizon = self.book.ids_max, self.as_of - self.book.horizon_ms
        return len(self.seen) >= most and sum(at >= horizon for at in self.seen.values()) >= most

    def attribute_due(self, at: int) -> int | None:
        """When an attribute changes next if nothing happens, where that is a change of its own."""
        rule = self.book.attributes[at]
        if rule.affinity:
            place, value = rule.affinity
            points, interest = self.points(rule.affinity, self.as_of), self.book.interests[place]
            falls = points and interest.timed
            return self.affinities[place][value].falls_below(points, interest) if falls else None
        if rule.parts:
            dues = [self.attribute_due(part) for part in rule.parts if isinstance(part, int)]
            return min((due for due in dues if due is not None), default=None)
        if not rule.timed:
            return None
        latest = self.latest[at]
        ages = [] if latest is None else [latest + age for age in rule.ages_ms if age is not None]
        dues = [age for age in ages if age > self.as_of]
        if rule.moves and self.held[at] is not None:
            dues += [due for due in (self.held[at].due(self.as_of, rule),) if due is not None]
        elif rule.moves and self.buckets[at]:
            dues.append(rule.begins(self.buckets[at][0] + rule.buckets))
        return min(dues, default=None)

    def points(self, affinity: tuple[int, str], now: int) -> int:
        """How many whole points the score of a value reaches."""
        place, value = affinity
        held = self.affinities[place].get(value)
        score = 0.0 if held is None else max(0.0, held.at(now // HOUR_MS, self.book.interests[place]))
        return math.floor(score) + (score >= math.floor(score) + 1.0 - TOLERANCE)

    def session_due(self) -> int | None:
        """When the session ends if nothing happens."""
        is_open = self.session_open and self.book.session_timed
        return self.visit.last + self.book.gap_ms + 1 if is_open else None

    def tags_due(self, at: int) -> int | None:
        """When the first tag of an interest is lost if nothing happens."""
        if not self.tags[at] or not self.book.interests[at].timed:
            return None
        tagged = (one.falls_at for one in self.affinities[at].values() if one.tagged_at is not None)
        return min((falls for falls in tagged if falls is not None), default=None)

    def find_due(self) -> None:
        """When the profile changes next if nothing happens."""
        book = self.book
        due: int | None = None
        for at in range(len(book.attributes)):
            moves = self.attribute_due(at)
            if moves is not None and (due is None or moves < due):
                due = moves
        others = [self.session_due(), self.forgotten_at()]
        for ends in others + [self.tags_due(at) for at in range(len(self.tags))]:
            if ends is not None and (due is None or ends < due):
                due = ends
        for status, at in self.segments:
            if status == 1 and (due is None or at < due):
                due = at
        self.due = due

    def forgotten_at(self) -> int | None:
        """When nothing has been heard for as long as retention says."""
        heard = next(reversed(self.seen.values()), None) if self.last_at is None else self.last_at
        retention_ms = self.book.retention_ms
        return heard + retention_ms if heard is not None and retention_ms is not None else None

    def life(self) -> str:
        """What tells ids of this life from those of one that was forgotten, of the same versions."""
        return "" if self.book.retention_ms is None else f"|{self.first_at}"

    def shares(self, at: int, hour: int) -> list[tuple[str, Affinity, float, float]]:
        """(value, affinity, score, share) of an interest's positive affinities, in the order of values."""
        positive = self._positive(at, hour)
        total = self._total(at, positive)
        return [
            (value, affinity, score, min(1.0, score / total) if total else 0.0)
            for value, affinity, score in positive
        ]

    def total(self, at: int, hour: int) -> float:
        """What the shares of an interest are shares of."""
        return self._total(at, self._positive(at, hour))

    def _positive(self, at: int, hour: int) -> list[tuple[str, Affinity, float]]:
        rule = self.book.interests[at]
        scores = [(value, one, one.at(hour, rule)) for value, one in sorted(self.affinities[at].items())]
        return [one for one in scores if one[2] > 0.0]

    def _total(self, at: int, positive: list[tuple[str, Affinity, float]]) -> float:
        rule, total = self.book.interests[at], 0.0
        for value, _, score in positive:
            # Where values roll up, the widest are the whole of which all have a share.
            if rule.roll_up is None or rule.roll_up not in value:
                total += score
        return total
