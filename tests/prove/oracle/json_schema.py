"""One JSON Schema of draft 2020-12, and the first of its demands that an event does not meet. What is valid, the
`jsonschema` package says; the order of demands and their names, which dead letters carry, are worked out here.

What could be told in two ways is refused: no user's schema has needed it yet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import unquote

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend

from . import jsontext
from .document import ConfigurationError
from .pointer import pointer, steps_of
from .reject import Reject

DRAFT = "https://json-schema.org/draft/2020-12/schema"
BYTES_MAX = 1 << 20
# Keywords whose value is a schema, a list of schemas, or schemas by name.
ONE = ("additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then")
SOME = ("allOf", "anyOf", "oneOf", "prefixItems")
NAMED = ("$defs", "dependentSchemas", "patternProperties", "properties")
UNFOLLOWED = frozenset(
    "$anchor $dynamicAnchor $dynamicRef $recursiveRef $vocabulary additionalItems dependencies maxContains"
    " minContains unevaluatedItems unevaluatedProperties".split()
)
# What is escaped, or a class of characters, inside a pattern.
ATOM = r"\\.|\[(?:\\.|[^\]\\])*\]"
Errors = Iterator[ValidationError]


class Violation(NamedTuple):
    """Where in the event, as a JSON Pointer, for what is missing where it should stand; and the keyword."""

    pointer: str
    rule: str


class JsonSchema:
    """A schema, compiled."""

    def __init__(self, text: bytes, what: str) -> None:
        self.document = _document(text, what)
        for part in _parts(self.document):
            _refuse_unfollowed(part, self.document, what)
        keywords = {**KEYWORDS, "$ref": lambda *asked: _reference(self.document, *asked)}
        self._validator = extend(Draft202012Validator, keywords)(self.document)

    def violation(self, event: Any) -> Violation | None:
        """None where the event fits. Of several violations it is the one that comes first by its place in the
        event, then by that of the demand in the schema."""
        first = min(self._validator.iter_errors(event), key=_place, default=None)
        if first is None:
            return None
        at = pointer(first.absolute_path)
        if (missing := getattr(first, "missing", None)) is not None:
            return Violation(at + pointer([missing]), "required")
        # A schema that is `false` has no keyword.
        return Violation(at, "falseSchema" if first.validator is None else str(first.validator))


def _place(error: ValidationError) -> tuple[str, str]:
    demand = getattr(error, "demand", None)
    return pointer(error.absolute_path), pointer(error.absolute_schema_path) if demand is None else demand


# ---- Reading a schema ----


def _document(text: bytes, what: str) -> Any:
    if len(text) > BYTES_MAX:
        raise ConfigurationError(f"{what}: longer than {BYTES_MAX} bytes")
    try:
        document = jsontext.parse(text)
        Draft202012Validator.check_schema(document)
    except Reject as error:
        raise ConfigurationError(f"{what}: not JSON: {error}") from error
    except SchemaError as error:
        raise ConfigurationError(f"{what}: no JSON Schema of draft 2020-12: {error.message}") from error
    return document


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    """The schema and all schemas inside it."""
    if not isinstance(schema, dict):
        return
    yield schema
    inside = [schema[keyword] for keyword in ONE if keyword in schema]
    inside += [part for keyword in SOME for part in schema.get(keyword, [])]
    inside += [part for keyword in NAMED for part in schema.get(keyword, {}).values()]
    for part in inside:
        yield from _parts(part)


def _refuse_unfollowed(part: dict[str, Any], document: Any, what: str) -> None:
    unfollowed = sorted(UNFOLLOWED.intersection(part))
    if part is not document and "$id" in part:
        unfollowed.append("$id")
    if part.get("$schema", DRAFT).rstrip("#") != DRAFT:
        unfollowed.append("$schema")
    if isinstance(part.get("multipleOf"), float):
        unfollowed.append("multipleOf of parts")
    if unfollowed:
        raise ConfigurationError(f"{what}: the oracle does not know `{unfollowed[0]}`")
    for pattern in (*part.get("patternProperties", {}), *([part["pattern"]] if "pattern" in part else [])):
        try:
            _regex(pattern)
        except ValueError as error:
            raise ConfigurationError(f"{what}: the pattern `{pattern}`: {error}") from error
    if "$ref" in part:
        try:
            _target(document, part["$ref"])
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise ConfigurationError(f"{what}: `$ref: {part['$ref']}` leads nowhere in the file") from error


# ---- Keywords that are checked or named in a way of their own ----


def _required(validator: Any, names: list[str], event: Any, schema: Any) -> Errors:
    if isinstance(event, dict):
        yield from _missing(names, event)


def _dependent_required(validator: Any, names: dict[str, list[str]], event: Any, schema: Any) -> Errors:
    if isinstance(event, dict):
        for name in sorted(set(names).intersection(event)):
            yield from _missing(names[name], event)


def _missing(names: Iterable[str], event: dict[str, Any]) -> Errors:
    for name in names:
        if name not in event:
            error = ValidationError(f"no {name}")
            error.missing = name
            yield error


def _items(validator: Any, items: Any, event: Any, schema: Any) -> Errors:
    if isinstance(event, list):
        for at in range(len(schema.get("prefixItems", [])), len(event)):
            yield from _inside(validator, event, at, items)


def _prefix_items(validator: Any, parts: list[Any], event: Any, schema: Any) -> Errors:
    for at, part in enumerate(parts[: len(event)] if isinstance(event, list) else ()):
        yield from _inside(validator, event, at, part, at)


def _properties(validator: Any, parts: dict[str, Any], event: Any, schema: Any) -> Errors:
    for name, part in parts.items() if isinstance(event, dict) else ():
        if name in event:
            yield from _inside(validator, event, name, part, name)


def _property_names(validator: Any, names: Any, event: Any, schema: Any) -> Errors:
    for name in event if isinstance(event, dict) else ():
        for error in validator.descend(name, names):
            # What is wrong with a name is told of the object that has it.
            told = ValidationError(error.message, validator=None if names is False else "propertyNames")
            told.schema_path.extend(error.schema_path)
            yield told


def _pattern(validator: Any, pattern: str, event: Any, schema: Any) -> Errors:
    if isinstance(event, str) and not _regex(pattern).search(event):
        yield ValidationError(f"not {pattern}")


def _pattern_properties(validator: Any, patterns: dict[str, Any], event: Any, schema: Any) -> Errors:
    for name in event if isinstance(event, dict) else ():
        for pattern, part in patterns.items():
            if _regex(pattern).search(name):
                yield from _inside(validator, event, name, part, pattern)


def _additional_properties(validator: Any, part: Any, event: Any, schema: Any) -> Errors:
    named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name in event if isinstance(event, dict) else ():
        if name in named or any(_regex(pattern).search(name) for pattern in patterns):
            continue
        if part is False:
            yield ValidationError(f"{name} is not allowed")
        else:
            yield from _inside(validator, event, name, part)


def _inside(validator: Any, event: Any, at: Any, part: Any, named: Any = None) -> Errors:
    """What is wrong with a member or an element, with its place, which the library leaves out below `false`."""
    for error in validator.descend(event[at], part):
        error.path.appendleft(at)
        if named is not None:
            error.schema_path.appendleft(named)
        yield error


def _reference(document: Any, validator: Any, reference: str, event: Any, schema: Any) -> Errors:
    """What a reference leads to. Its demands stand where they are written, not where they are referred to."""
    for error in validator.descend(event, _target(document, reference)):
        if getattr(error, "demand", None) is None:
            error.demand = unquote(reference[1:]) + pointer(error.schema_path)
        yield error


KEYWORDS = {
    "additionalProperties": _additional_properties,
    "dependentRequired": _dependent_required,
    "items": _items,
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "prefixItems": _prefix_items,
    "properties": _properties,
    "propertyNames": _property_names,
    "required": _required,
}


def _target(document: Any, reference: str) -> Any:
    if not re.fullmatch(r"#(/.*)?", reference):
        raise ValueError(reference)
    for step in steps_of(unquote(reference[1:])):
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    """A pattern of ECMA 262, as far as both libraries mean the same by it."""
    translated = re.sub(rf"{ATOM}|[$.]", _part_of_regex, pattern, flags=re.DOTALL)
    if re.search(r"\(\?(?!:)|[*+?}]\+", re.sub(ATOM, "a", pattern, flags=re.DOTALL)):
        raise ValueError("groups that look around or have names, and what repeats for good, are not followed")
    try:
        return re.compile(translated, re.ASCII)
    except re.error as error:
        raise ValueError(str(error)) from error


def _part_of_regex(match: re.Match[str]) -> str:
    part = match[0]
    for escape in re.findall(r"\\(.)", part, re.DOTALL):
        if escape not in "dDwWtnr" and (escape.isalnum() or not escape.isascii()):
            raise ValueError(f"\\{escape} is not followed")
    # The end is the end also where a line break stands before it, and a dot is no line break of any kind.
    return {"$": r"\Z", ".": "[^\n\r\u2028\u2029]"}.get(part, part)
