"""The fold of one partition: what each command does to each person, in the order of the log. Changes that fall
due are settled when their person, the content or the definitions are touched next, and at the end; by ruling 12
of the design that gives the same as settling them at any other time."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from . import decide, rulebook
from .catalogue import Catalogue
from .event import Content, Event
from .profile import HOUR_MS, OUT, TIME, TOLERANCE, Affinity, Profile
from .rulebook import (
    EVENT, ORDERS, RECENT, SEGMENTS, SESSION, TRAITS, ALWAYS, Attribute, Book, Interest, Rule, Segment,
)  # fmt: skip

TRAITS_MAX = 64
ORDERS_SEEN_MAX = 256
ITEMS_BOUGHT_MAX = 200
REVENUES_MAX = 16
LARGEST = 2**63 - 1

Emit = Callable[[str, str, dict[str, Any]], None]


class Fold:
    """All persons of one partition. `emit` is told ("decision" or "segment", person, record)."""

    def __init__(self, book: Book, contents: list[Content], emit: Emit) -> None:
        self.books = [book]
        self.book = book
        self.declared = {content.content_id for content in contents}
        self.catalogue = Catalogue(contents)
        self.changed_contents: dict[str, Content | None] = {}
        self.definitions: str | None = None
        self.stream_time = 0
        self.persons: dict[str, Profile] = {}
        self.counts = {"applied": 0, "answered": 0, "duplicates": 0, "knowledge": 0, "due": 0}
        self.emit = emit
        self.heap: list[tuple[int, str]] = []

    def event(self, event: Event) -> None:
        """Applies one event, or answers it if it asks for a decision."""
        self.stream_time = now = max(self.stream_time, event.timestamp)
        person = event.person
        profile = self.persons.get(person)
        if profile is None:
            profile = self.persons[person] = Profile(self.book)
        before = profile.due
        self._settle(person, profile, now)
        if not self._remember(profile, now, event.message_id):
            self.counts["duplicates"] += 1
        elif event.name == "decision_request":
            self.counts["answered"] += 1
            self._answer(person, profile, now, event)
        else:
            self.counts["applied"] += 1
            Change(self, person, profile, event, now, now).apply(event)
            profile.find_due()
        if profile.due is not None and profile.due != before:
            heapq.heappush(self.heap, (profile.due, person))

    def content(self, content: Content) -> None:
        self._knowledge()
        self.catalogue.put(content)
        self.changed_contents[content.content_id] = content

    def withdraw(self, content_id: str) -> None:
        self._knowledge()
        self.catalogue.withdraw(content_id)
        self.changed_contents[content_id] = None

    def define(self, text: str) -> None:
        self._knowledge()
        self.book = rulebook.of_text(text)
        self.books.append(self.book)
        self.definitions = text
        self.heap = []
        for person, profile in self.persons.items():
            profile.move_to(self.book)
            if profile.due is not None:
                self.heap.append((profile.due, person))
        heapq.heapify(self.heap)

    def settle_all(self) -> None:
        """Settles everything that is due by the partition's time."""
        while self.heap and self.heap[0][0] <= self.stream_time:
            at, person = heapq.heappop(self.heap)
            profile = self.persons[person]
            if profile.due == at:
                self._settle(person, profile, self.stream_time)
                if profile.due is not None:
                    heapq.heappush(self.heap, (profile.due, person))

    def _knowledge(self) -> None:
        """What is due before a change of content or definitions does not see it."""
        self.settle_all()
        self.counts["knowledge"] += 1

    def _settle(self, person: str, profile: Profile, until: int) -> None:
        while profile.due is not None and profile.due <= until:
            self.counts["due"] += 1
            Change(self, person, profile, None, max(profile.due, profile.as_of), profile.due).pass_time()
            profile.find_due()

    def _remember(self, profile: Profile, now: int, message_id: str) -> bool:
        seen, horizon = profile.seen, now - self.book.horizon_ms
        while seen:
            oldest = next(iter(seen))
            if seen[oldest] >= horizon:
                break
            del seen[oldest]
        if message_id in seen:
            return False
        while len(seen) >= self.book.ids_max:
            del seen[next(iter(seen))]
        seen[message_id] = now
        return True

    def _answer(self, person: str, profile: Profile, now: int, event: Event) -> None:
        request_id, slot, exclude = event.request or ("", "", [])
        cause = {"kind": "REQUEST", "message_id": event.message_id, "rule": None}
        name = f"request|{person}|{event.message_id}"
        self._decision(person, profile, now, event.timestamp, slot, exclude, cause, name, request_id)

    def _decision(
        self, person: str, profile: Profile, now: int, at: int, slot: str, exclude: list[str],
        cause: dict[str, str | None], name: str, request_id: str | None,
    ) -> None:  # fmt: skip
        ladder, ranked, excluded = decide.decide(self.book, self.catalogue, profile, now, slot, exclude)
        record = {
            "decision_id": decide.stable_id(f"decision|{slot}|{name}"),
            "request_id": request_id,
            "slot": slot,
            "person": person,
            "profile_version": profile.version,
            "at": at,
            "cause": cause,
            "policy": "affinity",
            "ladder": ladder,
            "fallback": ladder in ("FALLBACK", "NOTHING"),
            "ranked": ranked,
            "excluded": excluded,
        }
        self.emit("decision", person, record)


class Change:
    """One change of one profile: by an event, or by the passing of time. It is also the scope of conditions."""

    __slots__ = (
        "at", "book", "event", "fold", "late", "now", "person", "profile", "repeated", "touched", "triggers",
    )  # fmt: skip

    def __init__(
        self, fold: Fold, person: str, profile: Profile, event: Event | None, now: int, at: int
    ) -> None:
        self.fold = fold
        self.book = fold.book
        self.person = person
        self.profile = profile
        self.event = event
        self.now = now
        self.at = at
        self.late = event is not None and now - event.timestamp > self.book.lateness_ms
        self.repeated = False
        self.touched = ALWAYS if event is None else ALWAYS | EVENT
        self.triggers: set[tuple[str, str]] = set()

    def apply(self, event: Event) -> None:
        profile = self.profile
        fell_unseen = profile.cause is TIME
        self._begin(event.message_id)
        if profile.events == 0:
            self.touched = -1
        profile.events += 1
        at = event.timestamp
        profile.first_at = at if profile.first_at is None else min(profile.first_at, at)
        profile.last_at = at if profile.last_at is None else max(profile.last_at, at)
        self._expire_windows(fell_unseen)
        self.repeated = self._is_repeat(event)
        if not self.late:
            self._session(event)
        if not self.repeated:
            self._count(event)
            if event.name == "identify":
                self._learn_traits(event)
            elif event.name == "order_completed":
                self._order(event)
            elif event.name == "order_refunded":
                self._revenue(event.money()[1], -event.money()[0])
            if not self.late:
                self._interests(event)
                self._recent(event)
            self.triggers.add(("event", event.name))
        self._untag(timed_only=False)
        self._segments()
        self._rules()

    def pass_time(self) -> None:
        profile = self.profile
        self._begin(TIME)
        self._expire_windows(False)
        open_until = profile.session_last + self.book.gap_ms
        if profile.session_open and self.book.session_timed and open_until < self.now:
            profile.session_open = False
            self.touched |= SESSION
        self._untag(timed_only=True)
        self._segments()
        self._rules()

    def _begin(self, cause: Any) -> None:
        profile = self.profile
        profile.version += 1
        profile.as_of = self.now
        profile.cause = cause
        profile.rendered = len(self.fold.books) - 1

    def _expire_windows(self, fell_unseen: bool) -> None:
        """Takes out what has left the windows. What does not fall by itself is noticed with the next event."""
        profile, now = self.profile, self.now
        for at, attribute in self.book.windowed:
            buckets = profile.buckets[at]
            fallen = False
            if buckets:
                oldest = now // attribute.bucket_ms - attribute.buckets + 1
                if buckets[0] < oldest:
                    fallen = self._drop_buckets(at, oldest)
            if self.event is not None:
                shows = fallen or (fell_unseen and not attribute.timed)
            else:
                shows = fallen and attribute.timed
            if shows:
                self.touched |= attribute.bit

    def _drop_buckets(self, at: int, oldest: int) -> bool:
        buckets, sums = self.profile.buckets[at], self.profile.sums[at]
        gone = next((place for place, bucket in enumerate(buckets) if bucket >= oldest), len(buckets))
        del buckets[:gone], sums[:gone]
        before = self.profile.totals[at]
        self.profile.totals[at] = _bounded(sum(sums))
        return before != self.profile.totals[at]

    def _count(self, event: Event) -> None:
        for at, attribute in self.book.counting(event.name):
            if self.late and attribute.bucket_ms:
                continue
            if attribute.where is not None and rulebook.condition.holds(attribute.where, self) is not True:
                continue
            amount = _amount(attribute, event)
            if amount and self._add(at, attribute, amount, event.timestamp):
                self.touched |= attribute.bit

    def _add(self, at: int, attribute: Attribute, amount: int, happened: int) -> bool:
        profile = self.profile
        if attribute.bucket_ms:
            bucket = happened // attribute.bucket_ms
            if bucket <= self.now // attribute.bucket_ms - attribute.buckets:
                return False
            buckets, sums = profile.buckets[at], profile.sums[at]
            place = len(buckets)
            while place and buckets[place - 1] > bucket:
                place -= 1
            if place and buckets[place - 1] == bucket:
                sums[place - 1] = _bounded(sums[place - 1] + amount)
                if sums[place - 1] == 0:
                    del buckets[place - 1], sums[place - 1]
            else:
                buckets.insert(place, bucket)
                sums.insert(place, amount)
        profile.totals[at] = _bounded(profile.totals[at] + amount)
        return True

    def _session(self, event: Event) -> None:
        profile, at, gap = self.profile, event.timestamp, self.book.gap_ms
        if profile.session_count == 0 or at - profile.session_last > gap:
            profile.session_count += 1
            profile.session_events = 1
            profile.session_start = profile.session_last = at
        elif at >= profile.session_start:
            profile.session_events += 1
            profile.session_last = max(profile.session_last, at)
        else:
            return
        profile.session_open = self.now - profile.session_last <= gap
        self.touched |= SESSION

    def _learn_traits(self, event: Event) -> None:
        traits = self.profile.traits
        for name in sorted(event.traits):
            if name in traits or len(traits) < TRAITS_MAX:
                traits[name] = event.traits[name]
                self.touched |= TRAITS

    def _is_repeat(self, event: Event) -> bool:
        if event.name not in ("order_completed", "order_refunded") or event.order_id is None:
            return False
        seen, key = self.profile.orders_seen, f"{event.name}|{event.order_id}"
        if key in seen:
            return True
        if len(seen) >= ORDERS_SEEN_MAX:
            del seen[0]
        seen.append(key)
        return False

    def _order(self, event: Event) -> None:
        profile, at = self.profile, event.timestamp
        profile.orders += 1
        profile.units += sum(item[4] for item in event.items)
        profile.order_first = at if profile.order_first is None else min(profile.order_first, at)
        profile.order_last = at if profile.order_last is None else max(profile.order_last, at)
        amount, currency = event.money()
        self._revenue(currency, amount)
        for item in event.items:
            if item[0]:
                _put_first(profile.items_bought, item[0], ITEMS_BOUGHT_MAX)

    def _revenue(self, currency: str, amount: int) -> None:
        revenue = self.profile.revenue
        if currency in revenue or len(revenue) < REVENUES_MAX:
            revenue[currency] = _bounded(revenue.get(currency, 0) + amount)
        self.touched |= ORDERS

    def _recent(self, event: Event) -> None:
        if event.name in self.book.recent_events:
            for item in event.items:
                if item[0]:
                    _put_first(self.profile.recent, item[0], self.book.recent_max)
                    self.touched |= RECENT

    # ---- Interests ---------------------------------------------------------------------------------------

    def _interests(self, event: Event) -> None:
        for at, rule in enumerate(self.book.interests):
            weight = rule.weights.get(event.name)
            if weight is None:
                continue
            place = {"item": 0, "category": 1, "brand": 2}[rule.facet]
            values = [str(item[place]) for item in event.items if item[place]]
            for value in values:
                self._weigh(at, rule, value, weight, event.timestamp // HOUR_MS)
            # After the last item, so that no value becomes a tag and is dropped by one and the same event.
            for value in values:
                self._tag(at, rule, value)

    def _weigh(self, at: int, rule: Interest, value: str, weight: float, event_hour: int) -> None:
        affinities = self.profile.affinities[at]
        now_hour = self.now // HOUR_MS
        affinity = affinities.get(value)
        if affinity is None:
            affinity = affinities[value] = Affinity(now_hour)
        hour = max(affinity.hour, now_hour)
        score = affinity.at(hour, rule) + weight * rule.decay(hour - event_hour)
        affinity.score = max(-1.7976931348623157e308, min(1.7976931348623157e308, score))
        affinity.hour = hour
        affinity.evidence = min(affinity.evidence + 1, 2**32 - 1)
        if affinity.tagged_at is not None:
            affinity.find_fall(rule)
        if len(affinities) > rule.values_max:
            lowest = min(one.at(now_hour, rule) for one in affinities.values())
            equals = [v for v, one in affinities.items() if one.at(now_hour, rule) <= lowest + TOLERANCE]
            evicted = max(equals)
            if affinities.pop(evicted).tagged_at is not None:
                self.profile.tags[at] -= 1
                self._tag_changed(rule, evicted, False)

    def _tag(self, at: int, rule: Interest, value: str) -> None:
        affinity = self.profile.affinities[at].get(value)
        if affinity is None or affinity.tagged_at is not None:
            return
        if affinity.at(self.now // HOUR_MS, rule) >= rule.enter - TOLERANCE:
            affinity.tagged_at = self.now
            affinity.find_fall(rule)
            self.profile.tags[at] += 1
            self._tag_changed(rule, value, True)

    def _untag(self, timed_only: bool) -> None:
        hour = self.now // HOUR_MS
        for at, rule in enumerate(self.book.interests):
            if not self.profile.tags[at] or (timed_only and not rule.timed):
                continue
            tagged = [(v, one) for v, one in self.profile.affinities[at].items() if one.tagged_at is not None]
            for value, affinity in tagged:
                if affinity.at(hour, rule) < rule.leave - TOLERANCE:
                    affinity.tagged_at = affinity.falls_at = None
                    self.profile.tags[at] -= 1
                    self._tag_changed(rule, value, False)

    def _tag_changed(self, rule: Interest, value: str, entered: bool) -> None:
        self.touched |= rule.bit
        if entered:
            self.triggers.add(("tagged", rule.name))
        if rule.as_segments:
            self._emit_segment(f"{rule.name}:{value}", entered)

    # ---- Segments and rules ------------------------------------------------------------------------------

    def _segments(self) -> None:
        states = self.profile.segments
        for at, rule in enumerate(self.book.segments):
            status = states[at]
            next_ = self._by_absence(rule, status) if rule.enter is None else self._by_condition(rule, status)
            if next_ != status:
                states[at] = next_
                if (status[0] == 2) != (next_[0] == 2):
                    entered = next_[0] == 2
                    self.touched |= SEGMENTS
                    self.triggers.add(("entered" if entered else "left", rule.name))
                    self._emit_segment(rule.name, entered)

    def _by_absence(self, rule: Segment, status: tuple[int, int]) -> tuple[int, int]:
        name = self.event.name if self.event is not None and not self.repeated else None
        if name is not None and name == rule.without:
            return OUT
        if status[0] == 0 and name is not None and name == rule.after and not self.late:
            return 1, (self.event.timestamp if self.event else self.now) + rule.for_ms
        if status[0] == 1 and self.event is None and status[1] <= self.at:
            return 2, status[1]
        return status

    def _by_condition(self, rule: Segment, status: tuple[int, int]) -> tuple[int, int]:
        holds = rulebook.condition.holds
        enters = rule.enter or _never
        if status[0] == 0:
            if self.touched & rule.enter_reads and holds(enters, self) is True:
                return (1, self.at + rule.for_ms) if rule.for_ms else (2, self.at)
        elif status[0] == 1:
            if self.touched & rule.enter_reads and holds(enters, self) is not True:
                return OUT
            if self.event is None and status[1] <= self.at:
                return 2, status[1]
        elif rule.leave is not None:
            if self.touched & rule.leave_reads and holds(rule.leave, self) is True:
                return OUT
        elif self.touched & rule.enter_reads and holds(enters, self) is False:
            return OUT
        return status

    def _emit_segment(self, segment: str, entered: bool) -> None:
        profile, way = self.profile, "enter" if entered else "leave"
        record = {
            "transition_id": decide.stable_id(f"segment|{self.person}|{segment}|{profile.version}|{way}"),
            "person": self.person,
            "segment": segment,
            "change": "ENTERED" if entered else "LEFT",
            "at": self.at,
            "profile_version": profile.version,
            "message_id": None if profile.cause is TIME else profile.cause,
        }
        self.fold.emit("segment", self.person, record)

    def _rules(self) -> None:
        if not self.triggers:
            return
        for rule in self.book.rules:
            if rule.trigger in self.triggers and self._may_fire(rule):
                self._fire(rule)

    def _may_fire(self, rule: Rule) -> bool:
        fired = self.profile.fired.get(rule.name)
        if fired is not None and self.at - fired < rule.cooldown_ms:
            return False
        if self.event is not None and self.now - self.event.timestamp > rule.event_age_ms_max:
            return False
        return rule.when is None or rulebook.condition.holds(rule.when, self) is True

    def _fire(self, rule: Rule) -> None:
        profile = self.profile
        if rule.cooldown_ms:
            profile.fired[rule.name] = self.at
        message_id = self.event.message_id if self.event is not None else None
        cause = {"kind": "RULE", "message_id": message_id, "rule": rule.name}
        name = f"rule|{self.person}|{rule.name}|{profile.version}"
        self.fold._decision(
            self.person, profile, self.now, self.at, rule.slot, [], cause, name, None
        )


def _never(scope: Any, variables: dict[str, Any]) -> bool:
    return False


def _bounded(number: int) -> int:
    """Sums stop at the ends of 64 bits."""
    return number if -LARGEST <= number <= LARGEST else max(-LARGEST - 1, min(LARGEST, number))


def _amount(attribute: Attribute, event: Event) -> int:
    if attribute.measure == "count":
        return 1
    if attribute.measure == "units":
        return sum(item[4] for item in event.items)
    if attribute.measure == "value":
        return event.money()[0]
    value = event.properties.get(attribute.prop or "")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    scaled = float(value) * 1_000_000.0
    whole = int(abs(scaled)) if abs(scaled) < 2.0**63 else LARGEST
    whole += abs(scaled) - whole >= 0.5 if abs(scaled) < 2.0**52 else 0
    return _bounded(whole if scaled >= 0 else -whole)


def _put_first(texts: list[str], text: str, most: int) -> None:
    if text in texts:
        texts.remove(text)
    texts.insert(0, text)
    del texts[most:]
