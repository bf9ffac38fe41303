"""How an event of the version before becomes one of this version: the steps of `x-upcast`, taken in their order, each
at one member of the event in canonical form, or with `*` in its path at one of every element of a list."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

from .document import ConfigurationError
from .pointer import steps_of

# An event's name, ids and times are what they are.
CHANGEABLE = ("/properties/", "/context/", "/traits/")
KINDS = ({"rename", "to"}, {"default", "value"}, {"remove"})
STEPS_MAX = 64


class Step(NamedTuple):
    """One change of a member."""

    kind: str  # rename, default or remove
    way: list[str]  # the names on the way to the object that has the member
    member: str
    value: Any  # the other name, or what is put where nothing is


def read_steps(tree: Any, what: str) -> list[Step]:
    """The steps of an `x-upcast`."""
    if not isinstance(tree, list) or len(tree) > STEPS_MAX:
        raise ConfigurationError(f"{what}: x-upcast is no list of at most {STEPS_MAX} steps")
    return [_step(step, f"{what}: x-upcast/{at}") for at, step in enumerate(tree)]


def _step(tree: Any, what: str) -> Step:
    if not isinstance(tree, dict) or set(tree) not in KINDS:
        raise ConfigurationError(f"{what} is no step")
    kind = next(kind for kind in ("rename", "default", "remove") if kind in tree)
    pointer, value = tree[kind], tree.get("to" if kind == "rename" else "value")
    if not isinstance(pointer, str) or not pointer.startswith(CHANGEABLE):
        raise ConfigurationError(f"{what} changes what is not below {', '.join(CHANGEABLE)}")
    if kind == "rename" and not (isinstance(value, str) and value):
        raise ConfigurationError(f"{what} gives no new name")
    *way, member = steps_of(pointer)
    if member in ("", "*"):
        raise ConfigurationError(f"{what} does not end with the name of a member")
    return Step(kind, way, member, value)


def bring_up(document: Any, steps: list[Step]) -> None:
    """Takes every step."""
    for step in steps:
        _walk(step, step.way, document)


def _walk(step: Step, way: Sequence[str], at: Any) -> None:
    if not way:
        if isinstance(at, dict):
            _change(step, at)
        return
    first, rest = way[0], way[1:]
    if isinstance(at, list) and first == "*":
        for element in at:
            _walk(step, rest, element)
    elif isinstance(at, dict):
        # What is given where it is missing is given where the object around it is missing too; no list is made.
        if step.kind == "default" and "*" not in way:
            at.setdefault(first, {})
        if first in at:
            _walk(step, rest, at[first])


def _change(step: Step, members: dict[str, Any]) -> None:
    if step.kind == "default":
        members.setdefault(step.member, copy.deepcopy(step.value))
    elif step.kind == "remove":
        members.pop(step.member, None)
    elif step.member in members and step.value not in members:
        members[step.value] = members.pop(step.member)
