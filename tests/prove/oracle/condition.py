"""Conditions compiled to closures. A closure is called with a scope (`.profile`, `.event`, `.person`) and the
variables of enclosing macros; it raises `Unknown` where something that it names is absent or has another type
than it needs. `holds` makes the answer of it: true, false, or none when it cannot be said."""

from __future__ import annotations

from typing import Any

from . import cel, functions, names
from .book import EVENT
from .document import ConfigurationError
from .section import Section
from .values import (
    FUNCTIONS,
    Closure,
    Unknown,
    arithmetic,
    contains,
    element,
    equal,
    has,
    member,
    ordered,
    truth,
    zero_of,
)  # fmt: skip

RESERVED = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
]
ROOTS = ("attributes", "event", "orders", "profile", "recent", "segments", "session", "tags", "traits")
MACROS = ("all", "exists", "exists_one", "map", "filter")


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
    if event_only and compiler.reads & ~EVENT:
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
        return lambda s, v: member(inner(s, v), name)

    def _index(self, tree: cel.Node, bound: frozenset[str]) -> Closure:
        inner, index = self.compile(tree[1], bound), self.compile(tree[2], bound)
        return lambda s, v: element(inner(s, v), index(s, v))

    def _not(self, tree: cel.Node, bound: frozenset[str]) -> Closure:
        inner = self.compile(tree[1], bound)
        return lambda s, v: not truth(inner(s, v))

    def _negate(self, tree: cel.Node, bound: frozenset[str]) -> Closure:
        inner = self.compile(tree[1], bound)
        return lambda s, v: arithmetic("-", zero_of(number := inner(s, v)), number)

    def _and(self, tree: cel.Node, bound: frozenset[str]) -> Closure:
        return _junction(self.compile(tree[1], bound), self.compile(tree[2], bound), False)

    def _or(self, tree: cel.Node, bound: frozenset[str]) -> Closure:
        return _junction(self.compile(tree[1], bound), self.compile(tree[2], bound), True)

    def _if(self, tree: cel.Node, bound: frozenset[str]) -> Closure:
        test, yes, no = (self.compile(part, bound) for part in tree[1:])
        return lambda s, v: yes(s, v) if truth(test(s, v)) else no(s, v)

    def _binary(self, tree: cel.Node, bound: frozenset[str]) -> Closure:
        operator = tree[1]
        in_segments = operator == "in" and tree[3] == ("name", "segments") and tree[2][0] == "literal"
        if in_segments and tree[2][1] not in self.segments:
            raise ConfigurationError(f"no segment before this is called `{tree[2][1]}`")
        left, right = self.compile(tree[2], bound), self.compile(tree[3], bound)
        if operator == "==":
            return lambda s, v: equal(left(s, v), right(s, v))
        if operator == "!=":
            return lambda s, v: not equal(left(s, v), right(s, v))
        if operator == "in":
            return lambda s, v: contains(left(s, v), right(s, v))
        if operator in ("<", "<=", ">", ">="):
            return lambda s, v: ordered(operator, left(s, v), right(s, v))
        return lambda s, v: arithmetic(operator, left(s, v), right(s, v))

    def _call(self, tree: cel.Node, bound: frozenset[str]) -> Closure:
        _, target, name, arguments = tree
        if name == "has" and target is None and len(arguments) == 1 and arguments[0][0] == "select":
            inner, field = self.compile(arguments[0][1], bound), arguments[0][2]
            return lambda s, v: has(inner(s, v), field)
        if target is None and name in functions.KEYS:
            return self._path(["attributes", functions.name_of(tree)])
        if target is None and name == "in_segment" and len(arguments) == 1 and arguments[0][0] == "literal":
            return self.compile(("binary", "in", arguments[0], ("name", "segments")), bound)
        if target is not None and name in MACROS:
            return self._macro(target, name, arguments, bound)
        trees = ([target] if target is not None else []) + arguments
        function = FUNCTIONS.get((name, len(trees)))
        if function is None:
            raise ConfigurationError(f"the oracle does not know the function {name} of {len(trees)} values")
        closures = [self.compile(argument, bound) for argument in trees]
        return lambda s, v: function(*[closure(s, v) for closure in closures])

    def _macro(
        self, target: cel.Node, name: str, arguments: list[cel.Node], bound: frozenset[str]
    ) -> Closure:
        if (
            len(arguments) not in (2, 3)
            or (len(arguments) == 3 and name != "map")
            or arguments[0][0] != "name"
        ):
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
                kept = [own for own in scopes if len(inner) == 1 or truth(inner[0](scope, own))]
                return [inner[-1](scope, own) for own in kept]
            if name in ("all", "exists"):
                return _fold(inner[0], scope, scopes, name == "exists")
            found = [own[variable] for own in scopes if truth(inner[0](scope, own))]
            return found if name == "filter" else len(found) == 1

        return each

    def _path(self, path: list[str]) -> Closure:
        root = path[0]
        if root not in ROOTS:
            raise ConfigurationError(f"{root} is not known; conditions start from {', '.join(ROOTS)}")
        reads, closure = names.reader(path, self.bits)
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
            if truth(left(scope, variables)) is decisive:
                return decisive
        except Unknown:
            if truth(right(scope, variables)) is decisive:
                return decisive
            raise
        return truth(right(scope, variables))

    return junction


def _fold(inner: Closure, scope: Any, scopes: list[dict[str, Any]], decisive: bool) -> bool:
    unsaid = False
    for own in scopes:
        try:
            if truth(inner(scope, own)) is decisive:
                return decisive
        except Unknown:
            unsaid = True
    if unsaid:
        raise Unknown
    return not decisive
