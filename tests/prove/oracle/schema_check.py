"""The check of a record against the schema of its event, in the version that the sender states."""

from __future__ import annotations

import re
from typing import Any

from .aliases import Aliases
from .canonical import Canonical, canonical
from .event_schemas import Versions
from .fields import Found
from .reject import Reject, invalid

VERSION_MAX = 2**32 - 1
NUMBER_MAX = 2**64 - 1


def brought_up(
    versions: Versions, tree: dict[str, Any], aliases: Aliases, stated: Found | None
) -> dict[str, Any] | None:
    """The event in canonical form, brought up to the latest version; none where the record is read as it stands: it
    states the latest version or none, or no later version says what to change."""
    version = versions.latest if stated is None else _stated_version(versions, aliases, stated)
    form = canonical(tree, aliases)
    _hold(versions, version, form)
    if not versions.bring_up(form.document, version):
        return None
    _hold(versions, versions.latest, form)
    return form.document


def _hold(versions: Versions, version: int, form: Canonical) -> None:
    violation = versions.schemas[version].violation(form.document)
    if violation is not None:
        rule = (versions.event, version, violation.rule)
        raise Reject("schema_mismatch", form.path(violation.pointer), rule)


def _stated_version(versions: Versions, aliases: Aliases, stated: Found) -> int:
    name, version = stated.value.get("name"), stated.value.get("version")
    if name is not None and not (type(name) is str and aliases.event(name) == versions.event):
        raise invalid(f"{stated.path}.name")
    path = f"{stated.path}.version"
    if version is None:
        raise Reject("missing_field", path)
    number = _whole(version)
    if number is None:
        raise invalid(path)
    if number not in versions.schemas:
        raise Reject("unknown_schema_version", path, (versions.event, min(number, VERSION_MAX), "schema"))
    return number


def _whole(value: Any) -> int | None:
    """A number of 64 bits without a sign, as a number or as a text."""
    if type(value) is str and len(value) < 100 and re.fullmatch(r"\+?[0-9]+", value, re.ASCII):
        value = int(value)
    return value if type(value) is int and 0 <= value <= NUMBER_MAX else None
