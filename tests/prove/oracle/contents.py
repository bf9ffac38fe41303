"""Records of the catalogue topic: content that changed or, without a value, was withdrawn."""

from __future__ import annotations

from typing import Any

from . import jsontext
from .aliases import Aliases
from .clock import instant
from .event import Content
from .fields import CONTROL, Fields, as_id, as_list, as_object
from .reject import Reject, invalid

RECORD_BYTES_MAX = 1 << 20
ALIASES = Aliases()


def read(key: bytes | None, value: bytes | None) -> Content | str:
    """The content of a record, or the id of what it withdraws."""
    if value is None:
        return _id_of_key(key)
    if len(value) > RECORD_BYTES_MAX:
        raise Reject("too_large")
    tree = jsontext.parse(value)
    if type(tree) is not dict:
        raise invalid("$")
    fields = Fields(ALIASES, "content").add_object(tree, "$")
    found = fields.take("content_id")
    content_id = _id_of_key(key) if found is None else as_id(found.value, found.path)
    starts_at, ends_at = _instant(fields, "starts_at"), _instant(fields, "ends_at")
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        raise invalid("$.endsAt")
    slots = _names(fields, "slots")
    weights = _weights(fields)
    found = fields.take("base_weight")
    base_weight = 0.0 if found is None else _weight(found.value, found.path)
    found = fields.take("item_id")
    item_id = None if found is None else as_id(found.value, found.path)
    return Content(content_id, slots, weights, base_weight, item_id, starts_at, ends_at)


def _id_of_key(key: bytes | None) -> str:
    if not key:
        raise Reject("missing_field", "$.contentId")
    try:
        text = key.decode("utf-8")
    except UnicodeDecodeError as error:
        raise invalid("$") from error
    if len(key) > 256 or CONTROL.search(text):
        raise invalid("$")
    return text


def _instant(fields: Fields, name: str) -> int | None:
    found = fields.take(name)
    return None if found is None else instant(found.value, found.path)


def _names(fields: Fields, name: str) -> list[str]:
    found = fields.take(name)
    return [] if found is None else [as_id(v, path) for path, v in as_list(found.value, found.path, 64)]


def _weights(fields: Fields) -> list[tuple[str, float]]:
    weights = dict.fromkeys(_names(fields, "categories"), 1.0)
    found = fields.take("weights")
    if found is not None:
        for name, value in sorted(as_object(found.value, found.path).items()):
            if not name or len(name.encode()) > 256 or CONTROL.search(name):
                raise invalid(found.path)
            weights[name] = _weight(value, f"{found.path}.{name}")
    if len(weights) > 64:
        raise invalid("$.weights")
    return sorted(weights.items())


def _weight(value: Any, path: str) -> float:
    if type(value) in (int, float) and 0.0 <= value <= 1e6:
        return float(value)
    raise invalid(path)
