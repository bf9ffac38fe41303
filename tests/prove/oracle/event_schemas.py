"""What users demand of their events: JSON Schemas in a directory beside the configuration, `<event>/<version>.json`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .document import ConfigurationError
from .json_schema import JsonSchema
from .upcast import Step, bring_up, read_steps

SCHEMAS_MAX = 1_000
VERSION = re.compile(r"([1-9][0-9]{0,9})\.json", re.ASCII)


@dataclass(slots=True)
class Versions:
    """The versions of one event's schema, by number; and of those that say it, how an event is brought up to them."""

    event: str
    schemas: dict[int, JsonSchema] = field(default_factory=dict)
    upcasts: dict[int, list[Step]] = field(default_factory=dict)

    @property
    def latest(self) -> int:
        return max(self.schemas)

    def bring_up(self, document: Any, version: int) -> bool:
        """Brings an event of a version up to the latest. False where no later version says how."""
        later = [number for number in sorted(self.upcasts) if number > version]
        for number in later:
            bring_up(document, self.upcasts[number])
        return bool(later)


# By the canonical name of the event.
EventSchemas = dict[str, Versions]


def load(directory: Path) -> EventSchemas:
    """Reads a directory. What begins with a dot is passed over, and what is no JSON beside the events' directories."""
    schemas: EventSchemas = {}
    for place in _entries(directory):
        if place.is_dir():
            schemas[place.name] = _versions(place)
        elif place.suffix == ".json":
            raise ConfigurationError(f"{place}: lies beside the events' directories, not in one")
    count = sum(len(versions.schemas) for versions in schemas.values())
    if not 1 <= count <= SCHEMAS_MAX:
        raise ConfigurationError(f"{directory}: {count} schemas; there must be 1 to {SCHEMAS_MAX}")
    return {event: versions for event, versions in schemas.items() if versions.schemas}


def _versions(place: Path) -> Versions:
    versions = Versions(place.name)
    for file in _entries(place):
        if (name := VERSION.fullmatch(file.name)) is None:
            raise ConfigurationError(f"{file}: not called by a version, such as 1.json")
        number, schema = int(name[1]), JsonSchema(file.read_bytes(), str(file))
        versions.schemas[number] = schema
        if isinstance(schema.document, dict) and "x-upcast" in schema.document:
            versions.upcasts[number] = read_steps(schema.document["x-upcast"], str(file))
    return versions


def _entries(directory: Path) -> list[Path]:
    try:
        return sorted(place for place in directory.iterdir() if not place.name.startswith("."))
    except OSError as error:
        raise ConfigurationError(f"{directory}: {error}") from error
