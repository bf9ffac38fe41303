"""One change of one profile, by an event or by the passing of time: windows, sessions, orders, items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import aggregates, condition, contributions, decide, interests, membership, visits
from .book import ALWAYS, EVENT, ORDERS, RECENT, SESSION, TRAITS, Attribute
from .contributions import bounded
from .event import Event
from .ledger import Order, Word
from .profile import TIME, Profile
from .visits import Visit

if TYPE_CHECKING:
    from .fold import Fold

TRAITS_MAX = 64
ABOUT_ORDERS = ("order_completed", "order_cancelled", "order_refunded")
ORDERS_MAX = 256
ITEMS_BOUGHT_MAX = 200
REVENUES_MAX = 16


class Change:
    """One change of one profile: by an event, or by the passing of time. Also the scope of conditions."""

    __slots__ = (
        "at", "before", "book", "event", "everything", "fold", "joined", "late", "now", "person", "profile", "repeated",
        "round", "touched", "triggers", "weighed",
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
        self.late = event is not None and self.book.is_late(event.source, event.timestamp, now)
        self.repeated = False
        self.joined: Visit | None = None  # the visit that the event belongs to
        self.before = now  # what the profile was as of
        self.weighed = 0  # the interests to which the event speaks
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
            visits.enter(self, event)
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
        open_until = profile.visit.last + self.book.gap_ms
        if profile.session_open and self.book.session_timed and open_until < self.now:
            profile.session_open = False
            self.touched |= SESSION
        self.follow()
        interests.untag(self, timed_only=True)
        membership.follow_up(self)

    def follow(self, by_rules: bool = False) -> None:
        """What is made of attributes that changed has changed, too. What rules set moves no affinity."""
        rules = self.book.attributes
        for rule in (one for one in rules if one.affinity):
            if not by_rules and self._weighs_otherwise(rule):
                self.touched |= rule.bit
        for rule in (one for one in rules if one.parts):
            of_no_attribute = ORDERS if rule.measure == "score" else TRAITS
            bits = (of_no_attribute if isinstance(part, str) else rules[part].bit for part in rule.parts)
            if any(self.touched & bit for bit in bits):
                self.touched |= rule.bit

    def _weighs_otherwise(self, rule: Attribute) -> bool:
        """Whether an affinity may have other points; where that is no change of its own, with the next event."""
        interest = self.book.interests[rule.affinity[0]] if rule.affinity else None
        if rule.affinity is None or interest is None:
            return False
        points = [self.profile.points(rule.affinity, at) for at in (self.before, self.now)]
        falls = points[0] != points[1]
        if self.event is None:
            return interest.timed and falls
        return falls or not interest.timed or bool(self.weighed & interest.bit)

    def _begin(self, cause: Any) -> None:
        profile = self.profile
        profile.version += 1
        self.before, profile.as_of = profile.as_of, self.now
        profile.ids_capped = profile.holds_most_ids()
        profile.cause = cause
        profile.rendered = len(self.fold.books) - 1
        profile.sited = len(self.fold.sites) - 1
        if profile.made_by is None or profile.made_by.fingerprint != self.book.fingerprint:
            self.everything = True
        profile.made_by = self.book

    def _expire_windows(self, fell_unseen: bool) -> None:
        """Takes out what has left the windows. What does not fall by itself shows with the next event."""
        profile, now = self.profile, self.now
        for at, attribute in self.book.windowed:
            # Of how many values a sum is changes no answer.
            if (evidence := profile.evidence[at]) is not None:
                evidence.expire(now, attribute)
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

        for at in self.book.aging:
            attribute = self.book.attributes[at]
            aged = aggregates.aged(profile, at, self.before) != aggregates.aged(profile, at, now)
            unseen = self.event is not None and fell_unseen and not attribute.timed
            if (aged and (self.event is not None or attribute.timed)) or unseen:
                self.touched |= attribute.bit

    def _hear_lately(self, at: int, happened: int) -> bool:
        """Whether an attribute is believed again."""
        profile = self.profile
        before, latest = aggregates.aged(profile, at, self.now), profile.latest[at]
        profile.latest[at] = happened if latest is None else max(latest, happened)
        return before != aggregates.aged(profile, at, self.now)

    def _drop_buckets(self, at: int, oldest: int) -> bool:
        buckets, sums = self.profile.buckets[at], self.profile.sums[at]
        gone = next((place for place, bucket in enumerate(buckets) if bucket >= oldest), len(buckets))
        del buckets[:gone], sums[:gone]
        before = self.profile.totals[at]
        self.profile.totals[at] = bounded(sum(sums))
        return before != self.profile.totals[at]

    def _count(self, event: Event) -> None:
        for at, attribute in self.book.counting(event.name):
            if (self.late and attribute.bucket_ms) or (attribute.of_session and self.joined is None):
                continue
            if attribute.where is not None and condition.holds(attribute.where, self) is not True:
                continue
            if at in self.book.aging and self._hear_lately(at, event.timestamp):
                self.touched |= attribute.bit
            if attribute.of_session and self.joined is not None:
                self.joined.note(attribute, event)
                if self.joined is not self.profile.visit:
                    continue
            if (held := self.profile.held[at]) is not None:
                if held.add(event, self.now, attribute):
                    self.touched |= attribute.bit
                continue
            amount = contributions.amount(attribute, event)
            if amount and self._add(at, attribute, amount, event.timestamp):
                self.touched |= attribute.bit
            if (evidence := self.profile.evidence[at]) is not None:
                evidence.add(contributions.additions(attribute, event), event.timestamp, self.now, attribute)

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
                sums[place - 1] = bounded(sums[place - 1] + amount)
                if sums[place - 1] == 0:
                    del buckets[place - 1], sums[place - 1]
            else:
                buckets.insert(place, bucket)
                sums.insert(place, amount)
        profile.totals[at] = bounded(profile.totals[at] + amount)
        return True

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
            revenue[currency] = bounded(revenue.get(currency, 0) + amount)

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


def _put_first(texts: list[str], text: str, most: int) -> None:
    if text in texts:
        texts.remove(text)
    texts.insert(0, text)
    del texts[most:]
