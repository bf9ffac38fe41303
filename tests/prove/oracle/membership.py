"""Segments, moved by conditions, by events and by time, and the rules that a change sets off. A condition
that cannot be said lets nobody in and nobody out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import condition
from .book import ALWAYS, SEGMENTS, TRAITS, Rule, Segment
from .profile import OUT

if TYPE_CHECKING:
    from .change import Change

# How deep rules may set off one another.
DEPTH_MAX = 4


def move(change: Change) -> None:
    """Moves the person through the segments, in their order."""
    states = change.profile.segments
    for at, rule in enumerate(change.book.segments):
        status = states[at]
        next_ = (
            _by_absence(change, rule, status) if rule.enter is None else _by_condition(change, rule, status)
        )
        if next_ != status:
            states[at] = next_
            if (status[0] == 2) != (next_[0] == 2):
                entered = next_[0] == 2
                change.touched |= SEGMENTS
                change.triggers.add(("entered" if entered else "left", rule.name))
                change.emit_segment(rule.name, entered)


def _by_absence(change: Change, rule: Segment, status: tuple[int, int]) -> tuple[int, int]:
    name = change.event.name if change.event is not None and not change.repeated else None
    if name is not None and name == rule.without:
        return OUT
    if status[0] == 0 and name is not None and name == rule.after and not change.late:
        return 1, (change.event.timestamp if change.event else change.now) + rule.for_ms
    if status[0] == 1 and change.event is None and status[1] <= change.at:
        return 2, status[1]
    return status


def _by_condition(change: Change, rule: Segment, status: tuple[int, int]) -> tuple[int, int]:
    holds = condition.holds
    enters = rule.enter or _never
    if status[0] == 0:
        if change.reaches(rule.enter_reads) and holds(enters, change) is True:
            return (1, change.at + rule.for_ms) if rule.for_ms else (2, change.at)
    elif status[0] == 1:
        if change.reaches(rule.enter_reads) and holds(enters, change) is not True:
            return OUT
        if change.event is None and status[1] <= change.at:
            return 2, status[1]
    elif rule.leave is not None:
        if change.reaches(rule.leave_reads) and holds(rule.leave, change) is True:
            return OUT
    elif change.reaches(rule.enter_reads) and holds(enters, change) is False:
        return OUT
    return status


def follow_up(change: Change) -> None:
    """Moves the person and fires rules, over again as long as rules set something new, but not for ever: the person
    still moves after the fourth time, and nothing fires any more."""
    groups: set[str | None] = set()
    for change.round in range(DEPTH_MAX + 1):
        move(change)
        if change.round == DEPTH_MAX or not _fire_rules(change, groups):
            break
        change.everything, change.touched = False, ALWAYS | TRAITS
        change.triggers = set()
        change.follow(by_rules=True)


def _fire_rules(change: Change, groups: set[str | None]) -> bool:
    """Fires the rules that the change sets off, in their order. Whether they have set something."""
    has_set = False
    for rule in change.book.rules:
        if rule.trigger in change.triggers and rule.group not in groups and _may_fire(change, rule):
            has_set |= _fire(change, rule)
            groups |= {rule.group} - {None}
    return has_set


def _may_fire(change: Change, rule: Rule) -> bool:
    fired = change.profile.fired.get(rule.name)
    if fired is not None and change.at - fired < rule.cooldown_ms:
        return False
    if change.event is not None and change.now - change.event.timestamp > rule.event_age_ms_max:
        return False
    if rule.max_fires is not None:
        count, per_ms = rule.max_fires
        fires = change.profile.fires.get(rule.name, [])
        if sum(change.at - at < per_ms for at in fires) >= count:
            return False
    return rule.when is None or condition.holds(rule.when, change) is True


def _fire(change: Change, rule: Rule) -> bool:
    profile = change.profile
    if rule.cooldown_ms:
        profile.fired[rule.name] = change.at
    if rule.max_fires is not None:
        lately = [at for at in profile.fires.get(rule.name, []) if change.at - at < rule.max_fires[1]]
        profile.fires[rule.name] = [*lately, change.at]
    has_set = False
    for trait, value in rule.set:
        before = profile.traits.get(trait)
        if (type(before), before) != (type(value), value):
            has_set |= change.learn(trait, value)
    if rule.slot is None:
        return has_set
    message_id = change.event.message_id if change.event is not None else None
    cause = {"kind": "RULE", "message_id": message_id, "rule": rule.name}
    name = f"rule|{change.person}|{rule.name}|{profile.version}{change.occasion()}"
    change.fold.decide_for(change.person, profile, change.now, change.at, rule.slot, [], cause, name, None)
    return has_set


def _never(scope: Any, variables: dict[str, Any]) -> bool:
    return False
