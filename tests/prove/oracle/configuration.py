"""An application's configuration, as far as it decides what the outputs must be. Keys that change no output
are known and passed over; every other key stops the oracle, by name."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import rulebook
from .book import Book
from .clock import timestamp_of_text
from .document import ConfigurationError, parse
from .event import Content
from .event_schemas import EventSchemas
from .event_schemas import load as load_schemas
from .section import Section
from .table import Table, read_table

ENVIRONMENT_PREFIX = "BESPOKE__"


@dataclass(slots=True)
class Source:
    topic: str
    clock: str
    keyed: bool
    table: Table | None = None


@dataclass(slots=True)
class Configuration:
    application: str
    sources: list[Source]
    catalogue_topic: str | None
    contents: list[Content]
    definitions_topic: str | None
    site_shares_topic: str | None
    commands: str
    changelog: str
    profile_updates: str
    decisions: str
    segment_changes: str
    dead_letters: str
    status: str
    ids: str
    record_bytes_max: int
    event_aliases: dict[str, str]
    field_aliases: dict[str, str]
    schemas: EventSchemas
    book: Book

    @property
    def keyed(self) -> Source | None:
        return next((source for source in self.sources if source.keyed), None)

    @property
    def input(self) -> str:
        """The topic that is folded: the command topic, or the source that stands in for it."""
        return self.keyed.topic if self.keyed else self.commands

    @property
    def intake_topics(self) -> list[str]:
        """The topics whose records become commands."""
        topics = [source.topic for source in self.sources if not source.keyed]
        return topics + self.broadcast_topics

    @property
    def broadcast_topics(self) -> list[str]:
        """Those of them whose records are for every partition."""
        topics = (self.catalogue_topic, self.definitions_topic, self.site_shares_topic)
        return [topic for topic in topics if topic]


def load(path: Path, environment: Mapping[str, str] | None = None) -> Configuration:
    """Reads a file with the environment laid over it."""
    variables = dict(os.environ) if environment is None else dict(environment)
    tree = parse(path.read_text(encoding="utf-8"), str(path)) or {}
    if not isinstance(tree, dict):
        raise ConfigurationError(f"{path}: the document must be a mapping")
    for name, value in sorted(variables.items()):
        if name.startswith(ENVIRONMENT_PREFIX) and value:
            _lay_over(tree, name[len(ENVIRONMENT_PREFIX) :].lower().split("__"), value, name)
    process = {key: value for key, value in tree.items() if key in rulebook.PROCESS_KEYS}
    tree.update(_filled(process, variables))
    return of_tree(tree, path.parent)


def _lay_over(tree: dict[str, Any], path: list[str], value: str, name: str) -> None:
    parsed = parse(value, name) if value.lstrip().startswith(("[", "{")) else value
    for key in path[:-1]:
        tree[key] = tree.get(key) or {}
        tree = tree[key]
        if not isinstance(tree, dict):
            raise ConfigurationError(f"{name} cannot be set: `{key}` has no keys")
    tree[path[-1]] = parsed


def _filled(tree: Any, variables: Mapping[str, str]) -> Any:
    """The tree with `${VARIABLE}` and `${file:/path}` filled in."""

    def look_up(match: re.Match[str]) -> str:
        if match[0].startswith("$$"):
            return match[0][1:]
        if match[1].startswith("file:"):
            return Path(match[1][5:]).read_text(encoding="utf-8").rstrip("\r\n")
        if match[1] not in variables:
            raise ConfigurationError(f"the environment variable `{match[1]}` is not set")
        return variables[match[1]]

    if isinstance(tree, dict):
        return {key: _filled(value, variables) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_filled(value, variables) for value in tree]
    return re.sub(r"\$?\$\{([^}]*)\}", look_up, tree) if isinstance(tree, str) else tree


def of_tree(tree: Any, beside: Path = Path()) -> Configuration:
    """Reads a configuration's tree; directories that it names are `beside` it."""
    section = Section(tree, "")
    book = rulebook.read(section)
    application = section.needed("application")
    section.skip("kafka", "registry", "commit", "state", "threads", "http", "telemetry")
    sources = section.raw("sources")
    if not isinstance(sources, list) or not sources:
        raise ConfigurationError("sources must be a list of at least one source")
    catalogue = section.section("catalogue")
    items = catalogue.raw("items") or []
    catalogue_topic = catalogue.text("topic")
    catalogue.done()
    definitions, site_shares = section.section("definitions"), section.section("site_shares")
    topics = section.section("topics")
    topics.skip("partitions", "replication")
    limits = section.section("limits")
    aliases = section.section("aliases")

    def topic(key: str, suffix: str) -> str:
        return topics.text(key) or f"{application}-{suffix}"

    configuration = Configuration(
        application=application,
        sources=[_source(Section(tree, f"sources.{at}")) for at, tree in enumerate(sources)],
        catalogue_topic=catalogue_topic,
        contents=[_content(Section(tree, f"catalogue.items.{at}"), book) for at, tree in enumerate(items)],
        definitions_topic=definitions.text("topic"),
        site_shares_topic=site_shares.text("topic"),
        commands=topic("commands", "commands"),
        changelog=topic("changelog", "profile-changelog"),
        profile_updates=topic("profile_updates", "profile-updates"),
        decisions=topic("content_decisions", "content-decisions"),
        segment_changes=topic("segment_changes", "segment-changes"),
        dead_letters=topic("dead_letters", "dead-letters"),
        status=topic("status", "status"),
        ids=section.choice("ids", ("by_kind", "user"), "by_kind"),
        record_bytes_max=limits.size_bytes("record_bytes_max", 1024, 64 << 20, "1MiB"),
        event_aliases=_aliases(aliases, "events"),
        field_aliases=_aliases(aliases, "fields"),
        schemas=_schemas(section, beside),
        book=book,
    )
    for part in (definitions, site_shares, topics, limits, aliases, section):
        part.done()
    if configuration.keyed and configuration.intake_topics:
        raise ConfigurationError("a keyed source stands in for the command topic, which other topics need")
    return configuration


def _source(section: Section) -> Source:
    section.choice("format", ("json",), "json")
    section.choice("start", ("earliest",), "earliest")
    section.skip("expected", "records_per_hour_min", "records_per_hour_max")
    clock = section.choice("clock", ("automatic", "correct", "trust"), "automatic")
    table = read_table(section.section("debezium")) if section.has("debezium") else None
    source = Source(section.needed("topic"), clock, section.truth("keyed", False), table)
    if source.keyed and table:
        raise ConfigurationError(f"{section.path}: a table's changes are keyed by its rows, not by persons")
    section.done()
    return source


def _schemas(section: Section, beside: Path) -> EventSchemas:
    if not section.has("schemas"):
        return {}
    inside = section.section("schemas")
    schemas = load_schemas(beside / inside.needed("directory"))
    inside.done()
    return schemas


def _content(section: Section, book: Book) -> Content:
    def instant(key: str) -> int | None:
        text = section.text(key)
        if text is None:
            return None
        at = timestamp_of_text(text)
        if at is None:
            raise ConfigurationError(f"{section.name(key)} is `{text}`, which is no instant")
        return at

    slots = section.texts("slots", 256)
    for slot in slots:
        if slot not in book.slots:
            raise ConfigurationError(f"{section.path}: no slot is called `{slot}`")
    content = Content(
        section.needed("content_id"),
        slots,
        list(section.numbers("weights", 64, 0.0, 1e6).items()),
        section.number("base_weight", 0.0, 1e6, 0.0),
        section.text("item_id"),
        instant("starts_at"),
        instant("ends_at"),
    )
    section.done()
    return content


def _aliases(section: Section, key: str) -> dict[str, str]:
    tree = section.raw(key) or {}
    if not isinstance(tree, dict) or not all(isinstance(value, str) for value in tree.values()):
        raise ConfigurationError(f"{section.name(key)} must map names to names")
    return tree
