"""The members of one or several JSON objects under their canonical names, each taken at most once, so that
what is left over is known."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from .aliases import Aliases, snake_case
from .reject import invalid

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
ID_BYTES_MAX = 256


class Found(NamedTuple):
    """A value, where it stood, and how good its name was."""

    rank: int
    order: int
    key: str
    parent: str
    value: Any

    @property
    def path(self) -> str:
        return f"{self.parent}.{self.key}"


class Fields:
    """Members by canonical name. Of several of one name the best-ranked counts, then the earlier object, then
    the key that sorts first. Nulls are absent."""

    __slots__ = ("aliases", "members", "objects", "scope", "taken")

    def __init__(self, aliases: Aliases, scope: str) -> None:
        self.aliases = aliases
        self.scope = scope
        self.members: dict[str, list[Found]] = {}
        self.taken: set[str] = set()
        self.objects = 0

    def add_object(self, members: dict[str, Any], path: str) -> Fields:
        field, scope, own, order = self.aliases.field, self.scope, self.members, self.objects
        for key, value in members.items():
            if value is not None:
                name, rank = field(scope, key)
                found = Found(rank, order, key, path, value)
                if name in own:
                    own[name].append(found)
                else:
                    own[name] = [found]
        self.objects += 1
        return self

    def add_rest_of(self, other: Fields) -> None:
        """The members of another scope that nobody took, under the names that they have here."""
        for founds in other.members.values():
            for found in founds:
                name, rank = self.aliases.field(self.scope, found.key)
                again = Found(rank, self.objects, found.key, found.parent, found.value)
                self.members.setdefault(name, []).append(again)
        self.objects += 1

    def take(self, name: str) -> Found | None:
        founds = self.members.get(name)
        if not founds:
            return None
        self.taken.add(name)
        if len(founds) == 1:
            del self.members[name]
            return founds[0]
        best = min(founds, key=_goodness)
        founds.remove(best)
        return best

    def peek(self, name: str) -> Any:
        founds = self.members.get(name)
        return min(founds, key=_goodness).value if founds else None

    def rest(self) -> list[tuple[str, Any]]:
        """What nobody took, by its names."""
        return [(name, found.value) for name, found in self.rest_found()]

    def rest_found(self) -> list[tuple[str, Found]]:
        """What nobody took. A member goes by its canonical name, unless a better one has it: then by its
        own."""
        rest: list[tuple[str, Found]] = []
        for name in sorted(self.members):
            founds = self.members[name]
            used = name in self.taken
            for found in sorted(founds, key=_goodness) if len(founds) > 1 else founds:
                own = snake_case(found.key) if used else name
                if not used or own not in (name, rest[-1][0] if rest else None):
                    rest.append((own, found))
                used = True
        return rest


def _goodness(found: Found) -> tuple[int, int, str]:
    return found.rank, found.order, found.key


def as_object(value: Any, path: str) -> dict[str, Any]:
    """A value as an object; an empty list counts as one without members."""
    if type(value) is dict:
        return value
    if value == [] and type(value) is list:
        return {}
    raise invalid(path)


def as_list(value: Any, path: str, most: int) -> list[tuple[str, Any]]:
    """The elements of a list with their paths, nulls left out."""
    if type(value) is not list or len(value) > most:
        raise invalid(path)
    return [(f"{path}[{at}]", item) for at, item in enumerate(value) if item is not None]


def as_text(value: Any, path: str) -> str | None:
    """A short text or a whole number as text; none for the empty text."""
    if type(value) is int:
        value = str(value)
    elif type(value) is not str:
        raise invalid(path)
    if (len(value) > 64 and len(value.encode()) > ID_BYTES_MAX) or CONTROL.search(value):
        raise invalid(path)
    return value or None


def as_id(value: Any, path: str) -> str:
    text = as_text(value, path)
    if text is None:
        raise invalid(path)
    return text
