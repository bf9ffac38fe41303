"""Conditions compiled to closures. A closure is called with a scope (`.profile`, `.event`, `.person`) and the
variables of enclosing macros; it raises `Unknown` where something that it names is absent or has another type
than it needs. `holds` makes the answer of it: true, false, or none when it cannot be said."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from . import cel
from .document import ConfigurationError
from .section import Section

RESERVED = (
    "as break const continue else false for function if import in let loop namespace null package return true "
    "var void while"
).split()
ROOTS = ("attributes", "event", "orders", "profile", "recent", "segments", "session", "tags", "traits")
MACROS = ("all", "exists", "exists_one", "map", "filter")

Closure = Callable[[Any, dict[str, Any]], Any]


class Unknown(Exception):
    """It cannot be said."""


def holds(closure: Closure, scope: Any) -> bool | None:
    """Whether a condition holds; none when it cannot be said."""
    try:
        answer = closure(scope, {})
    except Unknown:
        return None
    return answer if answer is True or answer is False else None


def optional(
    section: Section,
    key: str,
    bits: dict[tuple[str, str], int],
    segments: list[str],
    event_only: bool = False,
) -> tuple[Closure | None, int]:
    """The condition under a key and the bits of what it reads; none where there is no condition."""
    source = section.text(key)
    if source is None:
        return None, 0
    try:
        compiler = _Compiler(bits, segments)
        closure = compiler.compile(cel.parse(source), frozenset())
    except ConfigurationError as error:
        raise ConfigurationError(f"{section.name(key)}: {error}") from error
    if event_only and compiler.reads & ~(1 << 6):
        raise ConfigurationError(f"{section.name(key)} may look at the event alone")
    return closure, compiler.reads


class _Compiler:
    def __init__(self, bits: dict[tuple[str, str], int], segments: list[str]) -> None:
        self.bits = bits
        self.segments = segments
        self.reads = 0

    def compile(self, tree: cel.Node, bound: frozenset[str]) -> Closure:
        return getattr(self, f"_{tree[0]}")(tree, bound)

    def _literal(self, tree: cel.Node, bound: frozenset[str]) -> Closure:
        value = tree[1]
        return lambda s, v: value

    def _list(self, tree: cel.Node, bound: frozenset[str]) -> Closure:
        items = [self.compile(item, bound) for item in tree[1]]
        return lambda s, v: [item(s, v) for item in items]

    def _name(self, tree: cel.Node, bound: frozenset[str]) -> Closure:
        name = tree[1]
        if name in bound:
            return lambda s, v: v[name]
        return self._path([name])

    def _select(self, tree: cel.Node, bound: frozenset[str]) -> Closure:
        path = _path_of(tree)
        if path and path[0] not in bound:
            return self._path(path)
        inner, name = self.compile(tree[1], bound), tree[2]
        return lambda s, v: _member(inner(s, v), name)

    def _index(self, tree: cel.Node, bound: frozenset[str]) -> Closure:
        inner, index = self.compile(tree[1], bound), self.compile(tree[2], bound)
        return lambda s, v: _element(inner(s, v), index(s, v))

    def _not(self, tree: cel.Node, bound: frozenset[str]) -> Closure:
        inner = self.compile(tree[1], bound)
        return lambda s, v: not _truth(inner(s, v))

    def _negate(self, tree: cel.Node, bound: frozenset[str]) -> Closure:
        inner = self.compile(tree[1], bound)
        return lambda s, v: _arithmetic("-", _zero_of(number := inner(s, v)), number)

    def _and(self, tree: cel.Node, bound: frozenset[str]) -> Closure:
        return _junction(self.compile(tree[1], bound), self.compile(tree[2], bound), False)

    def _or(self, tree: cel.Node, bound: frozenset[str]) -> Closure:
        return _junction(self.compile(tree[1], bound), self.compile(tree[2], bound), True)

    def _if(self, tree: cel.Node, bound: frozenset[str]) -> Closure:
        test, yes, no = (self.compile(part, bound) for part in tree[1:])
        return lambda s, v: yes(s, v) if _truth(test(s, v)) else no(s, v)

    def _binary(self, tree: cel.Node, bound: frozenset[str]) -> Closure:
        operator = tree[1]
        if operator == "in" and tree[3] == ("name", "segments") and tree[2][0] == "literal":
            if tree[2][1] not in self.segments:
                raise ConfigurationError(f"no segment before this is called `{tree[2][1]}`")
        left, right = self.compile(tree[2], bound), self.compile(tree[3], bound)
        if operator == "==":
            return lambda s, v: equal(left(s, v), right(s, v))
        if operator == "!=":
            return lambda s, v: not equal(left(s, v), right(s, v))
        if operator == "in":
            return lambda s, v: _contains(left(s, v), right(s, v))
        if operator in ("<", "<=", ">", ">="):
            return lambda s, v: _ordered(operator, left(s, v), right(s, v))
        return lambda s, v: _arithmetic(operator, left(s, v), right(s, v))

    def _call(self, tree: cel.Node, bound: frozenset[str]) -> Closure:
        _, target, name, arguments = tree
        if name == "has" and target is None and len(arguments) == 1 and arguments[0][0] == "select":
            inner, field = self.compile(arguments[0][1], bound), arguments[0][2]
            return lambda s, v: _has(inner(s, v), field)
        if target is not None and name in MACROS:
            return self._macro(target, name, arguments, bound)
        trees = ([target] if target is not None else []) + arguments
        function = FUNCTIONS.get((name, len(trees)))
        if function is None:
            raise ConfigurationError(f"the oracle does not know the function {name} of {len(trees)} values")
        closures = [self.compile(argument, bound) for argument in trees]
        return lambda s, v: function(*[closure(s, v) for closure in closures])

    def _macro(self, target: cel.Node, name: str, arguments: list[cel.Node], bound: frozenset[str]) -> Closure:
        if len(arguments) not in (2, 3) or (len(arguments) == 3 and name != "map") or arguments[0][0] != "name":
            raise ConfigurationError(f"{name} needs a variable and an expression")
        variable = arguments[0][1]
        items = self.compile(target, bound)
        inner = [self.compile(argument, bound | {variable}) for argument in arguments[1:]]

        def each(scope: Any, variables: dict[str, Any]) -> Any:
            values = items(scope, variables)
            if not isinstance(values, list | dict):
                raise Unknown
            scopes = [{**variables, variable: value} for value in values]
            if name == "map":
                kept = [own for own in scopes if len(inner) == 1 or _truth(inner[0](scope, own))]
                return [inner[-1](scope, own) for own in kept]
            if name in ("all", "exists"):
                return _fold(inner[0], scope, scopes, name == "exists")
            found = [own[variable] for own in scopes if _truth(inner[0](scope, own))]
            return found if name == "filter" else len(found) == 1

        return each

    def _path(self, path: list[str]) -> Closure:
        from .names import reader  # the names are of no use without this module, nor it without them

        root = path[0]
        if root not in ROOTS:
            raise ConfigurationError(f"{root} is not known; conditions start from {', '.join(ROOTS)}")
        reads, closure = reader(path, self.bits)
        self.reads |= reads
        return closure


def _path_of(tree: cel.Node) -> list[str] | None:
    if tree[0] == "name":
        return [tree[1]]
    inner = _path_of(tree[1]) if tree[0] == "select" else None
    return [*inner, tree[2]] if inner else None


def _junction(left: Closure, right: Closure, decisive: bool) -> Closure:
    """`and` and `or`: what decides wins over what cannot be said, on either side."""

    def junction(scope: Any, variables: dict[str, Any]) -> bool:
        try:
            if _truth(left(scope, variables)) is decisive:
                return decisive
        except Unknown:
            if _truth(right(scope, variables)) is decisive:
                return decisive
            raise
        return _truth(right(scope, variables))

    return junction


def _fold(inner: Closure, scope: Any, scopes: list[dict[str, Any]], decisive: bool) -> bool:
    unsaid = False
    for own in scopes:
        try:
            if _truth(inner(scope, own)) is decisive:
                return decisive
        except Unknown:
            unsaid = True
    if unsaid:
        raise Unknown
    return not decisive


def _truth(value: Any) -> bool:
    if value is True or value is False:
        return value
    raise Unknown


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def equal(one: Any, other: Any) -> bool:
    """CEL's equality: numbers by value, everything else only with its own type."""
    if _is_number(one) and _is_number(other):
        return bool(one == other)
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(equal(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def _ordered(operator: str, one: Any, other: Any) -> bool:
    both = _is_number(one) and _is_number(other)
    if not both and (type(one) is not type(other) or not isinstance(one, str | bool)):
        raise Unknown
    if one != one or other != other:
        raise Unknown
    if operator in ("<", ">="):
        return bool(one < other) is (operator == "<")
    return bool(one > other) is (operator == ">")


def _zero_of(value: Any) -> Any:
    return 0.0 if isinstance(value, float) else 0


def _arithmetic(operator: str, one: Any, other: Any) -> Any:
    if type(one) is not type(other) or isinstance(one, bool):
        raise Unknown
    if operator == "+" and isinstance(one, str | list):
        return one + other
    if isinstance(one, float) and operator != "%":
        if operator == "/" and other == 0:
            return math.nan if one == 0 or one != one else math.copysign(math.inf, one) * math.copysign(1, other)
        return {"+": one + other, "-": one - other, "*": one * other}.get(operator) if operator != "/" else one / other
    if not isinstance(one, int) or (operator in "/%" and other == 0):
        raise Unknown
    if operator in "/%":
        quotient = abs(one) // abs(other) * (1 if (one < 0) == (other < 0) else -1)
        result = quotient if operator == "/" else one - quotient * other
    else:
        result = {"+": one + other, "-": one - other, "*": one * other}[operator]
    if not -(2**63) <= result < 2**63:
        raise Unknown
    return result


def _contains(value: Any, container: Any) -> bool:
    if isinstance(container, list | dict):
        return any(equal(value, item) for item in container)
    raise Unknown


def _member(value: Any, name: str) -> Any:
    if isinstance(value, dict) and name in value:
        return value[name]
    raise Unknown


def _has(value: Any, name: str) -> bool:
    if isinstance(value, dict):
        return name in value
    raise Unknown


def _element(value: Any, index: Any) -> Any:
    if isinstance(value, list) and _is_number(index) and 0 <= index < len(value) and index == int(index):
        return value[int(index)]
    if isinstance(value, dict) and isinstance(index, str) and index in value:
        return value[index]
    raise Unknown


def _of_texts(function: Callable[[str, str], Any]) -> Callable[[Any, Any], Any]:
    def checked(one: Any, other: Any) -> Any:
        if not isinstance(one, str) or not isinstance(other, str):
            raise Unknown
        return function(one, other)

    return checked


def _size(value: Any) -> int:
    if isinstance(value, str | list | dict):
        return len(value)
    raise Unknown


def _to_double(value: Any) -> float:
    if _is_number(value):
        return float(value)
    raise Unknown


FUNCTIONS: dict[tuple[str, int], Callable[..., Any]] = {
    ("size", 1): _size,
    ("double", 1): _to_double,
    ("contains", 2): _of_texts(lambda one, other: other in one),
    ("startsWith", 2): _of_texts(str.startswith),
    ("endsWith", 2): _of_texts(str.endswith),
    ("matches", 2): _of_texts(lambda one, other: re.search(other, one) is not None),
}
