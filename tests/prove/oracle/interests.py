"""Interests: what events add to a person's affinities, and which values become tags or lose that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .book import Interest
from .event import Event
from .profile import HOUR_MS, TOLERANCE, Affinity

if TYPE_CHECKING:
    from .change import Change

DOUBLE_MAX = 1.7976931348623157e308


def weigh(change: Change, event: Event) -> None:
    """Adds an event to the affinities of every interest that weighs it."""
    for at, rule in enumerate(change.book.interests):
        weight = rule.weights.get(event.name)
        if weight is None:
            continue
        change.weighed |= rule.bit
        place = {"item": 0, "category": 1, "brand": 2}[rule.facet]
        values = [one for item in event.items if item[place] for one in rule.values(str(item[place]))]
        for value in values:
            _weigh(change, at, rule, value, weight, event.timestamp // HOUR_MS)
        # After the last item, so that no value becomes a tag and is dropped by one and the same event.
        for value in values:
            _tag(change, at, rule, value)


def _weigh(change: Change, at: int, rule: Interest, value: str, weight: float, event_hour: int) -> None:
    affinities = change.profile.affinities[at]
    now_hour = change.now // HOUR_MS
    affinity = affinities.get(value)
    if affinity is None:
        affinity = affinities[value] = Affinity(now_hour)
    hour = max(affinity.hour, now_hour)
    contribution = weight * rule.decay(hour - event_hour)
    left = 1.0 if hour <= affinity.hour else rule.decay(hour - affinity.hour)
    affinity.score = max(-DOUBLE_MAX, min(DOUBLE_MAX, affinity.at(hour, rule) + contribution))
    affinity.squares = min(DOUBLE_MAX, affinity.squares * left * left + contribution * contribution)
    affinity.hour = hour
    affinity.evidence = min(affinity.evidence + 1, 2**32 - 1)
    if affinity.tagged_at is not None:
        affinity.find_fall(rule)
    if len(affinities) > rule.values_max:
        lowest = min(one.at(now_hour, rule) for one in affinities.values())
        equals = [v for v, one in affinities.items() if one.at(now_hour, rule) <= lowest + TOLERANCE]
        evicted = max(equals)
        if affinities.pop(evicted).tagged_at is not None:
            change.profile.tags[at] -= 1
            _tag_changed(change, rule, evicted, False)


def _tag(change: Change, at: int, rule: Interest, value: str) -> None:
    affinity = change.profile.affinities[at].get(value)
    if affinity is None or affinity.tagged_at is not None:
        return
    if affinity.evidence >= rule.evidence_min and affinity.at(change.now // HOUR_MS, rule) >= rule.enter - TOLERANCE:
        affinity.tagged_at = change.now
        affinity.find_fall(rule)
        change.profile.tags[at] += 1
        _tag_changed(change, rule, value, True)


def untag(change: Change, timed_only: bool) -> None:
    """Takes back the tags whose scores have fallen: all, or only those that fall by themselves."""
    hour = change.now // HOUR_MS
    for at, rule in enumerate(change.book.interests):
        if not change.profile.tags[at] or (timed_only and not rule.timed):
            continue
        affinities = sorted(change.profile.affinities[at].items(), key=lambda entry: entry[0].encode())
        tagged = [(v, one) for v, one in affinities if one.tagged_at is not None]
        for value, affinity in tagged:
            if affinity.at(hour, rule) < rule.leave - TOLERANCE:
                affinity.tagged_at = affinity.falls_at = None
                change.profile.tags[at] -= 1
                _tag_changed(change, rule, value, False)


def _tag_changed(change: Change, rule: Interest, value: str, entered: bool) -> None:
    change.touched |= rule.bit
    if entered:
        change.triggers.add(("tagged", rule.name))
    if rule.as_segments:
        change.emit_segment(f"{rule.name}:{value}", entered)
