"""How much what is said of somebody rests on, and whether it is still of today: what a reader needs to know before
believing it."""

from __future__ import annotations

from collections.abc import Iterator

from . import aggregates
from .book import MISSING, ORDERS, Attribute, Slot
from .holdings import OF_VALUES
from .profile import Profile

ONE_CONTRIBUTION = ("min", "max", "first", "last", "since_first", "since_last")

# What contributions that contradict each other may leave behind by rounding.
TRACE = 1e-9


def of_attribute(profile: Profile, at: int) -> float:
    """On how many contributions of equal weight the value of an attribute rests."""
    rule, value = profile.book.attributes[at], aggregates.value(profile, at)
    if value is MISSING:
        return 0.0
    if rule.affinity:
        place, name = rule.affinity
        affinity = profile.affinities[place].get(name)
        return 0.0 if affinity is None else affinity.n_eff()
    if rule.parts:
        return _of_part(profile, rule, next(aggregates.saying(profile, rule))[0])
    if rule.measure in ONE_CONTRIBUTION:
        return 1.0
    return float(len(value) if rule.measure == "list" else _counted(profile, at, value))


def _of_part(profile: Profile, rule: Attribute, part: int | str) -> float:
    """A trait is told once; money and units are those of orders."""
    if isinstance(part, int):
        return of_attribute(profile, part)
    return float(profile.orders) if rule.measure == "score" else 1.0


def _counted(profile: Profile, at: int, value: int) -> int:
    """What has been counted, where the value does not tell."""
    measure, held, evidence = profile.book.attributes[at].measure, profile.held[at], profile.evidence[at]
    if measure in OF_VALUES and evidence is not None:
        return evidence.total
    if measure == "mean":
        return int(held.count.total)
    if measure == "gaps":
        return int(held.count)
    if measure in ("most_frequent", "top"):
        return sum(ring.total for ring in held.rings.values())
    return len(held.points()) if measure == "lifecycle" else value


def of_membership(profile: Profile, at: int) -> tuple[float, str]:
    """The least that a value rests on by which somebody is in a segment, and whether one of these is old. That
    something did not happen is one contribution, and is never old."""
    rule = profile.book.segments[at]
    if rule.enter is None:
        return 1.0, "PRESENT"
    reads = rule.enter_reads if rule.leave is None else rule.leave_reads
    read = [place for place, one in enumerate(profile.book.attributes) if reads & one.bit]
    rests_on = [of_attribute(profile, place) for place in read] + list(_of_the_rest(profile, reads))
    statuses = {aggregates.status(profile, place) for place in read}
    status = next((one for one in ("EXPIRED", "STALE") if one in statuses), "PRESENT")
    return min((one for one in rests_on if one > TRACE), default=0.0), status


def _of_the_rest(profile: Profile, reads: int) -> Iterator[float]:
    for interest, affinities in zip(profile.book.interests, profile.affinities, strict=True):
        if reads & interest.bit:
            yield from (one.n_eff() for one in affinities.values() if one.tagged_at is not None)
    if reads & ORDERS:
        yield float(profile.orders)


def stale_at(profile: Profile, slot: Slot | None) -> int | None:
    """When nothing has been heard of somebody for as long as a slot believes what it knows."""
    if slot is None or slot.stale_ms is None or profile.last_at is None:
        return None
    return profile.last_at + slot.stale_ms


def of_decision(profile: Profile, slot: Slot | None, ladder: str, now: int) -> str:
    """What a decision rests on: nothing that is known of the person, or what is old, or what is not."""
    if ladder != "PERSONAL":
        return "MISSING"
    stale = stale_at(profile, slot)
    return "STALE" if stale is not None and now >= stale else "PRESENT"
