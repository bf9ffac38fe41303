"""The fold of one partition: what each command does to each person, in the order of the log. Changes that
fall due are settled when their person, the content, the definitions or the site's shares are touched next, and at
the end: the product promises that settling them at any other time gives the same."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from . import decide, rulebook, trust, validity, visits
from .book import Book
from .catalogue import Catalogue
from .change import Change
from .event import Content, Event, SiteShares
from .lift import Site
from .profile import Profile

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
        # All that were ever in force: an update may be of after the change that it tells of.
        self.sites: list[Site] = [{}]
        self.stream_time = 0
        self.persons: dict[str, Profile] = {}
        self.counts = {"applied": 0, "answered": 0, "duplicates": 0, "knowledge": 0, "due": 0, "forgotten": 0}
        self.emit = emit
        self.heap: list[tuple[int, str]] = []

    @property
    def site(self) -> Site:
        """The site's shares in force."""
        return self.sites[-1]

    def event(self, event: Event) -> None:
        """Applies one event, or answers it if it asks for a decision."""
        self.stream_time = now = max(self.stream_time, event.timestamp)
        person = event.person
        profile = self.persons.get(person)
        if profile is None:
            profile = self.persons[person] = Profile(self.book)
        before = profile.due
        profile = self._settle(person, profile, now)
        if not self._remember(profile, now, event.message_id):
            self.counts["duplicates"] += 1
        elif event.name == "decision_request":
            self.counts["answered"] += 1
            self._answer(person, profile, now, event)
            profile.find_due()
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
        book = rulebook.of_text(text)
        visits.refuse_other_scopes(self.books, book)
        self.book = book
        self.book.since = self.stream_time
        self.books.append(self.book)
        self.definitions = text
        self.heap = []
        for person, profile in self.persons.items():
            profile.move_to(self.book)
            if profile.due is not None:
                self.heap.append((profile.due, person))
        heapq.heapify(self.heap)

    def share(self, shares: SiteShares) -> None:
        self._knowledge()
        self.sites.append({**self.site, shares.interest: shares})

    def withdraw_shares(self, interest: str) -> None:
        self._knowledge()
        self.sites.append({name: shares for name, shares in self.site.items() if name != interest})

    def settle_all(self) -> None:
        """Settles everything that is due by the partition's time."""
        while self.heap and self.heap[0][0] <= self.stream_time:
            at, person = heapq.heappop(self.heap)
            profile = self.persons[person]
            if profile.due == at:
                profile = self._settle(person, profile, self.stream_time)
                if profile.due is not None:
                    heapq.heappush(self.heap, (profile.due, person))

    def _knowledge(self) -> None:
        """What is due before a change of content, definitions or the site's shares does not see it."""
        self.settle_all()
        self.counts["knowledge"] += 1

    def _settle(self, person: str, profile: Profile, until: int) -> Profile:
        """What is due. A person who is forgotten gets a profile of nobody."""
        while profile.due is not None and profile.due <= until:
            self.counts["due"] += 1
            at = max(profile.due, self.book.since)
            change = Change(self, person, profile, None, max(at, profile.as_of), at)
            if profile.forgotten_at() == profile.due:
                self.counts["forgotten"] += 1
                change.forget()
                profile = self.persons[person] = Profile(self.book)
                break
            change.pass_time()
            profile.find_due()
        return profile

    def _remember(self, profile: Profile, now: int, message_id: str) -> bool:
        seen, horizon = profile.seen, now - self.book.horizon_ms
        if seen.get(message_id, horizon - 1) >= horizon:
            # A repetition changes nothing, not even what is remembered.
            return False
        while seen:
            oldest = next(iter(seen))
            if seen[oldest] >= horizon:
                break
            del seen[oldest]
        while len(seen) >= self.book.ids_max:
            del seen[next(iter(seen))]
        seen[message_id] = now
        return True

    def _answer(self, person: str, profile: Profile, now: int, event: Event) -> None:
        request_id, slot, exclude = event.request or ("", "", [])
        cause = {"kind": "REQUEST", "message_id": event.message_id, "rule": None}
        name = f"request|{person}|{event.message_id}"
        self.decide_for(person, profile, now, event.timestamp, slot, exclude, cause, name, request_id)

    def decide_for(
        self, person: str, profile: Profile, now: int, at: int, slot: str, exclude: list[str],
        cause: dict[str, str | None], name: str, request_id: str | None,
    ) -> None:  # fmt: skip
        """Decides for a person and emits the decision."""
        ladder, ranked, excluded = decide.decide(
            self.book, self.catalogue, self.site, profile, now, slot, exclude
        )
        rule = self.book.slots.get(slot)
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
            "definitions": self.book.shown(),
            "valid_until": None if rule is None else validity.of_answer(self.catalogue, profile, rule, ladder, now),
            "last_at": profile.last_at,
            "status": trust.of_decision(profile, rule, ladder, now),
        }
        self.emit("decision", person, record)
