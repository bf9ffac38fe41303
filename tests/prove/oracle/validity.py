"""Until when something holds if nothing happens: when the first of the values that decide it changes."""

from __future__ import annotations

from . import trust
from .book import ALWAYS, SEGMENTS, SESSION, TRAITS, Slot
from .catalogue import Catalogue
from .profile import Profile


def of_segment(profile: Profile, at: int) -> int | None:
    """Until when somebody who is in a segment stays there at least."""
    book, rule = profile.book, profile.book.segments[at]
    dues = [profile.forgotten_at()]
    reads = rule.leave_reads if rule.leave is not None else rule.enter_reads
    # Whatever is due may move another segment, or set off a rule that sets traits.
    of_all = [SEGMENTS, ALWAYS] + [TRAITS for one in book.rules if one.set]
    if any(reads & bit for bit in of_all):
        dues.append(profile.due)
    if reads & SESSION:
        dues.append(profile.session_due())
    for place, attribute in enumerate(book.attributes):
        if reads & attribute.bit:
            dues.append(profile.attribute_due(place))
            is_of_traits = attribute.measure == "coalesce" and any(isinstance(one, str) for one in attribute.parts)
            if is_of_traits and TRAITS in of_all:
                dues.append(profile.due)
    dues += [profile.tags_due(place) for place, one in enumerate(book.interests) if reads & one.bit]
    return min((due for due in dues if due is not None), default=None)


def of_answer(catalogue: Catalogue, profile: Profile, slot: Slot, ladder: str, now: int) -> int | None:
    """Until when a slot has the same answer at least, which is as much to be believed."""
    changes = [at for at, slots in catalogue.changes() if at > now and (not slots or slot.name in slots)]
    stale = trust.stale_at(profile, slot) if ladder == "PERSONAL" else None
    dues = [*changes, profile.forgotten_at(), None if stale is None or stale <= now else stale]
    return min((due for due in dues if due is not None), default=None)
