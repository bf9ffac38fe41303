"""Visits: the current one, and the one before it for as long as an event may still belong to it. What counted in
each for attributes of the session is kept as it was told, and counted afresh where two visits turn out to be one.

What is declared no more is counted no more, and keeps what it held: of the current visit that stays with the person
until it is declared again, whichever visit is the current one by then; of the visit before it that stays with that
visit, and is lost when it is joined with the current one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from . import contributions, holdings, scrolls
from .book import SESSION, Attribute, Book
from .contributions import bounded, cut
from .event import Event
from .holdings import Ring
from .scrolls import Scroll

if TYPE_CHECKING:
    from .change import Change
    from .profile import Profile

PAGES = ("page_viewed", "screen_viewed")
Page = tuple[int, str, str]  # time, path and medium ("" if unknown)
# What counted for one attribute of the session, each with how it was declared at the time.
Told = list[tuple[Attribute, Event]]


class Counted(NamedTuple):
    """What one attribute holds of what it was told."""

    total: int
    evidence: Ring
    held: Any  # none where it adds up

    def says_something(self) -> bool:
        return bool(self.total or (self.held is not None and self.held.holds()))


class Visit:
    """Events with no gap longer than the declared one between them."""

    __slots__ = ("entry", "events", "last", "pages", "scrolls", "start", "told")

    def __init__(self, at: int = 0) -> None:
        self.start = self.last = at
        self.events = 0
        self.pages: list[Page] = []  # in their order
        self.entry: Page | None = None
        self.scrolls: list[Scroll] = []  # all that were told
        self.told: dict[str, Told] = {}  # by what rows hold it under

    def add(self, event: Event, pages_max: int) -> None:
        self.events += 1
        self.start, self.last = min(self.start, event.timestamp), max(self.last, event.timestamp)
        if not pages_max:
            return
        self.scrolls += scrolls.told(event)
        if event.name in PAGES and event.page is not None:
            told = event.properties.get("referrer_medium")
            medium = cut(told) if isinstance(told, str) else ""
            page = (event.timestamp, cut(event.page), medium)
            self._see(page, [page], pages_max)

    def join(self, other: Visit, pages_max: int) -> None:
        self.events += other.events
        self.start, self.last = min(self.start, other.start), max(self.last, other.last)
        self.scrolls += other.scrolls
        self._see(other.entry, other.pages, pages_max)

    def note(self, rule: Attribute, event: Event) -> None:
        """Remembers an event that counts for an attribute of the session."""
        self.told.setdefault(holdings.key(rule), []).append((rule, event))

    def _see(self, entry: Page | None, pages: list[Page], pages_max: int) -> None:
        entries = [one for one in (self.entry, entry) if one is not None]
        self.entry = min(entries, default=None)
        self.pages = sorted([*self.pages, *pages])[-pages_max:] if pages_max else []


def enter(change: Change, event: Event) -> None:
    """Puts an event into the visit that it belongs to."""
    profile, book, at = change.profile, change.book, event.timestamp
    gap = book.gap_ms
    if profile.previous is not None and not _is_reachable(book, profile.previous.last, change.now):
        profile.previous = None
    if profile.forgotten_until is not None and not _is_reachable(book, profile.forgotten_until, change.now):
        profile.forgotten_until = None
    current, previous = profile.visit, profile.previous
    if profile.session_count == 0 or at > current.last + gap:
        _begin(change)
        joined = profile.visit
    else:
        back = gap if book.extends_back else 0
        is_current = current.start - back <= at
        is_previous = previous is not None and previous.start - gap <= at <= previous.last + gap
        if is_current and is_previous:
            _join(change)
        if is_current:
            joined = current
        elif not book.extends_back or (profile.forgotten_until is not None and at <= profile.forgotten_until + gap):
            return
        elif previous is not None and at <= previous.last + gap:
            if not is_previous:
                return
            joined = previous
        else:
            profile.session_count += 1
            joined = Visit(at)
            _hold(profile, joined)
    joined.add(event, book.pages_max)
    profile.session_open = change.now - profile.visit.last <= gap
    change.touched |= SESSION
    change.joined = joined


def _is_reachable(book: Book, ended: int, now: int) -> bool:
    """Whether an event that is not too late can belong to a visit that ended then."""
    return book.extends_back and now - book.lateness_ms_max <= ended + book.gap_ms


def _hold(profile: Profile, visit: Visit | None) -> None:
    """Another visit is the one before the current one; of an earlier one only its end is known."""
    if profile.previous is not None:
        profile.forgotten_until = max(profile.forgotten_until or 0, profile.previous.last)
    profile.previous = visit


def _begin(change: Change) -> None:
    profile, book = change.profile, change.book
    before, profile.visit = profile.visit, Visit(change.event.timestamp if change.event else 0)
    is_held = profile.session_count > 0 and _is_reachable(book, before.last, change.now)
    _hold(profile, before if is_held else None)
    profile.session_count += 1
    declared = {holdings.key(rule) for rule in book.attributes if rule.of_session}
    profile.visit.told = {key: before.told.pop(key) for key in before.told.keys() - declared}
    for at, rule in enumerate(book.attributes):
        if rule.of_session:
            held = profile.held[at]
            if profile.totals[at] or (held is not None and held.holds()):
                change.touched |= rule.bit
            profile.totals[at], profile.held[at] = 0, holdings.empty(rule)
            profile.evidence[at] = holdings.evidence(rule)


def _join(change: Change) -> None:
    """Makes the two visits one."""
    profile, previous = change.profile, change.profile.previous
    assert previous is not None
    profile.visit.join(previous, change.book.pages_max)
    profile.previous = None
    profile.session_count -= 1
    for at, rule in enumerate(change.book.attributes):
        key = holdings.key(rule)
        if rule.of_session and key in previous.told:
            if counted(previous.told[key]).says_something():
                change.touched |= rule.bit
            all_ = profile.visit.told[key] = previous.told[key] + profile.visit.told.get(key, [])
            total, evidence, held = counted(all_)
            profile.totals[at], profile.held[at] = total, held
            profile.evidence[at] = evidence if holdings.evidence(rule) else None


def counted(told: Told) -> Counted:
    """What is held of events without a window."""
    total, evidence, held = 0, Ring(), holdings.empty(told[0][0])
    for rule, event in told:
        if held is not None:
            held.add(event, event.timestamp, rule)
            continue
        total = bounded(total + contributions.amount(rule, event))
        if holdings.evidence(rule):
            evidence.add(contributions.additions(rule, event), event.timestamp, event.timestamp, rule)
    return Counted(total, evidence, held)


def refuse_other_scopes(books: list[Book], book: Book) -> None:
    """What an attribute holds of which the events are not kept can not be told apart by visits."""
    of_session = {holdings.key(rule): rule.of_session for one in books for rule in one.attributes}
    for rule in book.attributes:
        if of_session.get(holdings.key(rule), rule.of_session) is not rule.of_session:
            raise NotImplementedError(f"attributes.{rule.name} is of a session, and was not, or was, and is not")
