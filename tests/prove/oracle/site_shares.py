"""Records of the topic of site shares: how all visitors of a site are drawn to the values of an interest, or,
without a value, that this is not known any more."""

from __future__ import annotations

from typing import Any

from . import jsontext
from .clock import instant
from .event import SiteShares
from .fields import CONTROL, as_object
from .reject import Reject, invalid

RECORD_BYTES_MAX = 1_048_576
NAME_BYTES_MAX = 256
SHARES_MAX = 1_000
SHARE_MIN = 1e-9
PERSONS_MAX = 2**64 - 1


def read(key: bytes | None, value: bytes | None) -> SiteShares | str:
    """The shares of a record, or the interest whose shares it withdraws. The key is the interest's name, since
    nothing in the value says it."""
    interest = _interest(key)
    if value is None:
        return interest
    if len(value) > RECORD_BYTES_MAX:
        raise Reject("too_large")
    tree = jsontext.parse(value)
    if type(tree) is not dict:
        raise invalid("$")
    as_of = instant(_needed(tree, "asOf"), "$.asOf")
    persons = _persons(_needed(tree, "persons"), "$.persons")
    return SiteShares(interest, as_of, persons, _shares(_needed(tree, "shares"), "$.shares"))


def _interest(key: bytes | None) -> str:
    if not key:
        raise Reject("missing_field", "$key")
    try:
        text = key.decode("utf-8")
    except UnicodeDecodeError as error:
        raise invalid("$key") from error
    if len(key) > NAME_BYTES_MAX or CONTROL.search(text):
        raise invalid("$key")
    return text


def _needed(tree: dict[str, Any], name: str) -> Any:
    """A member by exactly this name: a program writes these records. Nulls are absent."""
    value = tree.get(name)
    if value is None:
        raise Reject("missing_field", f"$.{name}")
    return value


def _persons(value: Any, path: str) -> int:
    if type(value) is int and 0 <= value <= PERSONS_MAX:
        return value
    raise invalid(path)


def _shares(value: Any, path: str) -> list[tuple[str, float]]:
    members = as_object(value, path)
    if len(members) > SHARES_MAX:
        raise invalid(path)
    shares = []
    for name, share in sorted(members.items()):
        if not name or len(name.encode()) > NAME_BYTES_MAX or CONTROL.search(name):
            raise invalid(path)
        shares.append((name, _share(share, f"{path}.{name}")))
    return shares


def _share(value: Any, path: str) -> float:
    if type(value) in (int, float) and SHARE_MIN <= value <= 1.0:
        return float(value)
    raise invalid(path)
