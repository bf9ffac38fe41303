"""One change of one profile, by an event or by the passing of time: windows, sessions, orders, items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import aggregates, condition, decide, interests, membership
from .book import ALWAYS, EVENT, ORDERS, RECENT, SESSION, TRAITS, Attribute
from .event import Event
from .ledger import Order, Word
from .profile import TIME, Profile

if TYPE_CHECKING:
    from .fold import Fold

TRAITS_MAX = 64
ABOUT_ORDERS = ("order_completed", "order_cancelled", "order_refunded")
ORDERS_MAX = 256
ITEMS_BOUGHT_MAX = 200
REVENUES_MAX = 16
LARGEST = 2**63 - 1


class Change:
    """One change of one profile: by an event, or by the passing of time. Also the scope of conditions."""

    __slots__ = (
        "at", "before", "book", "event", "everything", "fold", "in_session", "late", "now", "person", "profile", "repeated",
        "round", "touched", "triggers",
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
        self.round = 0
        self.late = event is not None and now - event.timestamp > self.book.lateness_ms
        self.repeated = self.in_session = False
        self.before = now  # what the profile was as of
        self.everything = False  # every condition may have another answer
        self.touched = ALWAYS if event is None else ALWAYS | EVENT
        self.triggers: set[tuple[str, str]] = set()

    def apply(self, event: Event) -> None:
        profile = self.profile
        fell_unseen = profile.cause is TIME
        self._begin(event.message_id)
        self.everything |= profile.events == 0
        profile.events += 1
        at = event.timestamp
        profile.first_at = at if profile.first_at is None else min(profile.first_at, at)
        profile.last_at = at if profile.last_at is None else max(profile.last_at, at)
        self._expire_windows(fell_unseen)
        if event.name in ABOUT_ORDERS:
            self._hear_of_order(event)
        if not self.late:
            self._session(event)
        if not self.repeated:
            self._count(event)
            if event.name == "identify":
                self._learn_traits(event)
            if not self.late:
                interests.weigh(self, event)
                self._recent(event)
            self.triggers.add(("event", event.name))
        self.follow()
        interests.untag(self, timed_only=False)
        membership.follow_up(self)

    def pass_time(self) -> None:
        profile = self.profile
        self._begin(TIME)
        self._expire_windows(False)
        open_until = profile.session_last + self.book.gap_ms
        if profile.session_open and self.book.session_timed and open_until < self.now:
            profile.session_open = False
            self.touched |= SESSION
        self.follow()
        interests.untag(self, timed_only=True)
        membership.follow_up(self)

    def follow(self) -> None:
        """What is made of attributes that changed has changed, too."""
        rules = self.book.attributes
        for rule in (one for one in rules if one.parts):
            bits = (TRAITS if isinstance(part, str) else rules[part].bit for part in rule.parts)
            if any(self.touched & bit for bit in bits):
                self.touched |= rule.bit

    def _begin(self, cause: Any) -> None:
        profile = self.profile
        profile.version += 1
        self.before, profile.as_of = profile.as_of, self.now
        profile.cause = cause
        profile.rendered = len(self.fold.books) - 1
        if profile.made_by is None or profile.made_by.fingerprint != self.book.fingerprint:
            self.everything = True
        profile.made_by = self.book

    def _expire_windows(self, fell_unseen: bool) -> None:
        """Takes out what has left the windows. What does not fall by itself shows with the next event."""
        profile, now = self.profile, self.now
        for at, attribute in self.book.windowed:
            buckets = profile.buckets[at]
            fallen = False
            if buckets:
                oldest = attribute.oldest(now)
                if buckets[0] < oldest:
                    fallen = self._drop_buckets(at, oldest)
            if self.event is not None:
                shows = fallen or (fell_unseen and not attribute.timed)
            else:
                shows = fallen and attribute.timed
            if shows:
                self.touched |= attribute.bit
        for at in self.book.aggregates:
            attribute = self.book.attributes[at]
            if attribute.moves:
                fallen = profile.held[at].expire(self.before, now, attribute)
                unseen = self.event is not None and fell_unseen and not attribute.timed
                if (fallen and (self.event is not None or attribute.timed)) or unseen:
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
            if (self.late and attribute.bucket_ms) or (attribute.of_session and not self.in_session):
                continue
            if attribute.where is not None and condition.holds(attribute.where, self) is not True:
                continue
            if (held := self.profile.held[at]) is not None:
                if held.add(event, self.now, attribute):
                    self.touched |= attribute.bit
                continue
            amount = _amount(attribute, event)
            if amount and self._add(at, attribute, amount, event.timestamp):
                self.touched |= attribute.bit

    def _add(self, at: int, attribute: Attribute, amount: int, happened: int) -> bool:
        profile = self.profile
        if attribute.bucket_ms:
            bucket = attribute.bucket(happened)
            if bucket < attribute.oldest(self.now):
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
            self._forget_session()
            profile.pages, profile.entry = [], None
            profile.session_count += 1
            profile.session_events = 1
            profile.session_start = profile.session_last = at
        elif at >= profile.session_start - (gap if self.book.extends_back else 0):
            profile.session_events += 1
            profile.session_start = min(profile.session_start, at)
            profile.session_last = max(profile.session_last, at)
        else:
            return
        profile.session_open = self.now - profile.session_last <= gap
        self.touched |= SESSION
        self.in_session = True
        if self.book.pages_max and event.name in ("page_viewed", "screen_viewed") and event.page is not None:
            told = event.properties.get("referrer_medium")
            medium = aggregates.cut(told) if isinstance(told, str) else ""
            page = (at, aggregates.cut(event.page), medium)
            profile.entry = page if profile.entry is None else min(profile.entry, page)
            profile.pages = sorted([*profile.pages, page])[-self.book.pages_max :]

    def _forget_session(self) -> None:
        """What is of a session starts afresh with the next."""
        profile = self.profile
        for at, rule in enumerate(self.book.attributes):
            if rule.of_session:
                held = profile.held[at]
                if profile.totals[at] or (held is not None and held.holds()):
                    self.touched |= rule.bit
                profile.totals[at], profile.held[at] = 0, aggregates.empty(rule)

    def _learn_traits(self, event: Event) -> None:
        for name in sorted(event.traits):
            if self.learn(name, event.traits[name]):
                self.touched |= TRAITS

    def reaches(self, reads: int) -> bool:
        """Whether a condition that reads this can have another answer now."""
        has_news = self.event is not None or not reads & EVENT
        return bool(self.touched & reads) or (self.everything and has_news)

    def learn(self, name: str, value: Any) -> bool:
        """Learns a trait, as long as there are not too many."""
        traits = self.profile.traits
        has_room = name in traits or len(traits) < TRAITS_MAX
        if has_room:
            traits[name] = value
        return has_room

    def occasion(self) -> str:
        """What tells ids of this life from those of another, and those of what rules have set off from the others."""
        return self.profile.life() + (f"|{self.round}" if self.round else "")

    def _hear_of_order(self, event: Event) -> None:
        profile, amount = self.profile, event.money()
        if event.order_id is None:
            if event.name == "order_completed":
                profile.orders += 1
                profile.units += sum(item[4] for item in event.items)
                self._revenue(amount[1], amount[0])
                self._bought(event)
            elif event.name == "order_refunded":
                self._revenue(amount[1], -amount[0])
            self.touched |= ORDERS
            return
        order = profile.ledger.get(event.order_id)
        if order is None:
            if len(profile.ledger) >= ORDERS_MAX:
                del profile.ledger[next(iter(profile.ledger))]
            order = profile.ledger[event.order_id] = Order(event.timestamp)
        before, stated = order.totals(), order.stated()
        news = order.hear(event, event.source in self.book.trusted, self.late)
        self.repeated = news != "first"
        if news == "repeat":
            return
        self.touched |= ORDERS
        after = order.totals()
        profile.orders += after[0] - before[0]
        profile.units += after[1] - before[1]
        for sign, totals in ((-1, before), (1, after)):
            for hundredths, currency in totals[2]:
                self._revenue(currency, sign * hundredths)
        if event.name == "order_completed" and news == "first":
            self._bought(event)
        elif event.name == "order_completed":
            self._correct(event, order, stated)

    def _correct(self, event: Event, order: Order, before: Word | None) -> None:
        """What was added for the order is put right, in the bucket of when it was placed."""
        after = order.stated()
        assert before is not None and after is not None
        for at, rule in self.book.counting(event.name):
            more = {"value": after.money[0] - before.money[0], "units": after.units - before.units}
            amount = more.get(rule.measure, 0)
            if rule.of_session or rule.measure not in more or (order.late and rule.bucket_ms):
                continue
            if rule.where is not None and condition.holds(rule.where, self) is not True:
                continue
            if amount and self._add(at, rule, amount, order.at):
                self.touched |= rule.bit

    def _bought(self, event: Event) -> None:
        profile, at = self.profile, event.timestamp
        profile.order_first = at if profile.order_first is None else min(profile.order_first, at)
        profile.order_last = at if profile.order_last is None else max(profile.order_last, at)
        for item in event.items:
            if item[0]:
                _put_first(profile.items_bought, item[0], ITEMS_BOUGHT_MAX)

    def _revenue(self, currency: str, amount: int) -> None:
        revenue = self.profile.revenue
        if currency in revenue or len(revenue) < REVENUES_MAX:
            revenue[currency] = _bounded(revenue.get(currency, 0) + amount)

    def _recent(self, event: Event) -> None:
        if event.name in self.book.recent_events:
            for item in event.items:
                if item[0]:
                    _put_first(self.profile.recent, item[0], self.book.recent_max)
                    self.touched |= RECENT

    def forget(self) -> None:
        """Leaves every segment, in their order, and then those that are tags."""
        profile = self.profile
        self._begin(TIME)
        inside = [one.name for at, one in enumerate(self.book.segments) if profile.segments[at][0] == 2]
        for at, interest in enumerate(self.book.interests):
            affinities = sorted(profile.affinities[at].items())
            tagged = [value for value, one in affinities if one.tagged_at is not None]
            inside += [f"{interest.name}:{value}" for value in tagged if interest.as_segments]
        for segment in inside:
            self.emit_segment(segment, False)

    def emit_segment(self, segment: str, entered: bool) -> None:
        """Says that the person entered or left a segment, or got or lost a tag that is one."""
        profile, way = self.profile, "enter" if entered else "leave"
        name = f"segment|{self.person}|{segment}|{profile.version}|{way}{self.occasion()}"
        record = {
            "transition_id": decide.stable_id(name),
            "person": self.person,
            "segment": segment,
            "change": "ENTERED" if entered else "LEFT",
            "at": self.at,
            "profile_version": profile.version,
            "message_id": None if profile.cause is TIME else profile.cause,
            "definitions": self.book.shown(),
        }
        self.fold.emit("segment", self.person, record)


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
    total = 0
    for value in aggregates.scalars(attribute, event):
        total = _bounded(total + (aggregates.millionths(value) if aggregates.is_number(value) else 0))
    return total


def _put_first(texts: list[str], text: str, most: int) -> None:
    if text in texts:
        texts.remove(text)
    texts.insert(0, text)
    del texts[most:]
