"""The definitions: attributes, interests, segments, rules and slots, as the configuration or a record of the
definitions topic declares them."""

from __future__ import annotations

import math
import re

import xxhash

from . import attributes, condition, functions, holdings
from .book import FIRST_NAMED_BIT, Book, Interest, Rule, Segment, Slot
from .document import ConfigurationError, parse
from .section import DAY_MS, HOUR_MS, Section

PROCESS_KEYS = [
    "application",
    "kafka",
    "registry",
    "sources",
    "catalogue",
    "definitions",
    "site_shares",
    "topics",
    "commit",
    "state",
    "threads",
    "http",
    "telemetry",
    "ids",
    "limits",
    "aliases",
    "schemas",
]


def of_text(text: str) -> Book:
    """The definitions that a record of the definitions topic holds."""
    section = Section(parse(text, "the definitions"), "")
    for key in PROCESS_KEYS:
        if key in section.unread:
            raise ConfigurationError(f"`{key}` is a setting of the process and no part of definitions")
    book = read(section)
    section.done()
    book.fingerprint = xxhash.xxh3_64_intdigest(text.encode())
    return book


def read(section: Section) -> Book:
    """Reads the definitions' keys of a document, and no others."""
    functions.declare(section)
    book = Book()
    book.lateness_ms = section.duration_ms("lateness", 0, 365 * DAY_MS, "72h")
    book.lateness_ms_by_source = section.durations_ms("lateness_by_source", 64, 0, 365 * DAY_MS)
    book.lateness_ms_max = max([book.lateness_ms, *book.lateness_ms_by_source.values()])
    dedupe = section.section("dedupe")
    book.ids_max = dedupe.whole("ids_max", 1, 4096, 256)
    book.horizon_ms = dedupe.duration_ms("horizon", 60_000, 90 * DAY_MS, "72h")
    dedupe.done()
    if section.has("retention"):
        book.retention_ms = section.duration_ms("retention", DAY_MS, 3_650 * DAY_MS, "1d")
        if book.retention_ms < max(book.lateness_ms_max, book.horizon_ms):
            raise ConfigurationError("retention is shorter than lateness, of any source, or dedupe.horizon")
    session = section.section("session")
    book.gap_ms = session.duration_ms("gap", 1_000, DAY_MS, "30m")
    book.session_timed = session.truth("timed", True)
    book.pages_max = session.whole("pages_max", 0, 50, 10)
    book.extends_back = session.truth("extends_back", True)
    session.done()
    orders = section.section("orders")
    book.trusted = frozenset(orders.texts("trusted", 64))
    orders.done()
    recent = section.section("recent_items")
    defaults = ("product_viewed", "product_added", "order_completed")
    book.recent_events = frozenset(recent.event_names("events", defaults))
    book.recent_max = recent.whole("max", 0, 200, 10)
    recent.done()
    names = {key: _names(section, key) for key in ("attributes", "interests", "segments", "rules", "slots")}
    for kind in ("attributes", "interests"):
        for name in names[kind]:
            book.bits[kind, name] = 1 << (FIRST_NAMED_BIT + len(book.bits))
    book.attribute_at = {name: at for at, name in enumerate(names["attributes"])}
    book.interest_at = {name: at for at, name in enumerate(names["interests"])}
    book.attributes = [attributes.read(one, name, book) for name, one in _each(section, "attributes")]
    attributes.resolve(book)
    of_sums = [one.measure in holdings.SUMS for one in book.attributes]
    book.sums = [at for at, adds_up in enumerate(of_sums) if adds_up]
    book.aggregates = [at for at, adds_up in enumerate(of_sums) if not adds_up]
    book.aging = [at for at, one in enumerate(book.attributes) if one.ages_ms != (None, None)]
    book.windowed = [(at, book.attributes[at]) for at in book.sums if book.attributes[at].bucket_ms]
    book.interests = [_interest(one, name, book) for name, one in _each(section, "interests")]
    before: list[str] = []
    for name, one in _each(section, "segments"):
        book.segments.append(_segment(one, name, book, before))
        before.append(name)
    book.rules = [_rule(one, name, book, names) for name, one in _each(section, "rules")]
    book.slots = {name: _slot(one, name, names) for name, one in _each(section, "slots")}
    return book


def _names(section: Section, key: str) -> list[str]:
    tree = section.entries.get(key)
    if tree is None:
        return []
    if not isinstance(tree, dict):
        raise ConfigurationError(f"{section.name(key)} must be a mapping")
    member = key in ("attributes", "interests")
    pattern = r"[a-z][a-z0-9_]{0,63}" if member else r"[a-z][a-z0-9_-]{0,63}"
    for name in tree:
        if not re.fullmatch(pattern, name) or (member and name in condition.RESERVED):
            raise ConfigurationError(f"{section.name(key)}: `{name}` is no name")
    if len(tree) > (64 if key == "interests" else 256):
        raise ConfigurationError(f"{section.name(key)} has too many entries")
    return list(tree)


def _each(section: Section, key: str) -> list[tuple[str, Section]]:
    tree = section.raw(key) or {}
    return [(name, Section(value, f"{key}.{name}")) for name, value in tree.items()]


def _interest(section: Section, name: str, book: Book) -> Interest:
    if not section.has("facet"):
        raise ConfigurationError(f"{section.path}.facet is missing")
    facet = section.choice("facet", ("category", "brand", "item"), "category")
    half_life_ms = section.duration_ms("half_life", HOUR_MS, 3_650 * DAY_MS, "7d")
    weights = section.numbers("weights", 64, -1e6, 1e6)
    enter = section.number("enter", 1e-6, 1e9)
    leave = section.number("leave", 1e-6, 1e9, enter)
    if half_life_ms % HOUR_MS or not weights or leave > enter:
        raise ConfigurationError(f"{section.path}: whole hours, weights, and leave <= enter are needed")
    hours = half_life_ms // HOUR_MS
    interest = Interest(
        name, facet, hours, weights, enter, leave,
        values_max=section.whole("values_max", 1, 256, 32),
        evidence_min=section.whole("evidence_min", 1, 1_000_000, 1),
        top=section.whole("top", 1, 256, 8),
        show_negative=section.truth("show_negative", False),
        timed=section.truth("timed", True),
        as_segments=section.truth("as_segments", False),
        bit=book.bits["interests", name],
        factors=[math.exp2(-hour / hours) for hour in range(hours)],
        roll_up=section.needed("roll_up") if section.has("roll_up") else None,
    )  # fmt: skip
    section.done()
    return interest


def _segment(section: Section, name: str, book: Book, before: list[str]) -> Segment:
    by_condition = section.has("enter") or section.has("leave")
    by_absence = section.has("after") or section.has("without")
    if by_condition == by_absence:
        raise ConfigurationError(f"{section.path} needs either enter or after, without and for")
    if by_condition:
        enter, enter_reads = condition.optional(section, "enter", book.bits, before)
        leave, leave_reads = condition.optional(section, "leave", book.bits, before)
        if enter is None:
            raise ConfigurationError(f"{section.path}.enter is missing")
        for_ms = section.duration_ms("for", 0, 365 * DAY_MS, "0s")
        section.done()
        return Segment(name, enter, enter_reads, leave, leave_reads, None, None, for_ms)
    after, without = section.needed("after"), section.needed("without")
    for_ms = section.duration_ms("for", 1_000, 365 * DAY_MS, None)
    if after == without:
        raise ConfigurationError(f"{section.path} waits for what also ends the wait")
    section.done()
    return Segment(name, None, 0, None, 0, after, without, for_ms)


def _rule(section: Section, name: str, book: Book, names: dict[str, list[str]]) -> Rule:
    on = section.section("on")
    given = [key for key in ("entered", "left", "tagged", "event") if on.has(key)]
    if len(given) != 1:
        raise ConfigurationError(f"{on.path} needs exactly one of entered, left, tagged and event")
    kind, what = given[0], on.needed(given[0])
    known = {"entered": names["segments"], "left": names["segments"], "tagged": names["interests"]}
    if kind in known and what not in known[kind]:
        raise ConfigurationError(f"{on.path}.{kind}: nothing is called `{what}`")
    on.done()
    when, _ = condition.optional(section, "when", book.bits, names["segments"])
    slot = section.text("decide")
    if slot is None and not section.has("set"):
        raise ConfigurationError(f"{section.path} has neither decide nor set")
    if slot is not None and slot not in names["slots"]:
        raise ConfigurationError(f"{section.path}.decide: no slot is called `{slot}`")
    cooldown = section.duration_ms("cooldown", 0, 365 * DAY_MS, "0s")
    age = section.duration_ms("event_age_max", 1_000, 90 * DAY_MS, "1h")
    max_fires = None
    if section.has("max_fires"):
        limit = section.section("max_fires")
        if not limit.has("count"):
            raise ConfigurationError(f"{limit.path}.count is missing")
        max_fires = (limit.whole("count", 1, 100, 1), limit.duration_ms("per", 1_000, 365 * DAY_MS, None))
        limit.done()
    group = section.text("group")
    if group is not None and len(group.encode()) > 64:
        raise ConfigurationError(f"{section.path}.group is longer than 64 bytes")
    set_ = tuple((trait, _value_of(text)) for trait, text in section.table("set", 16))
    is_name = [re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name) and name not in condition.RESERVED for name, _ in set_]
    if not all(is_name):
        raise ConfigurationError(f"{section.path}.set has what is no name of a trait")
    section.done()
    return Rule(name, (kind, what), when, slot, cooldown, age, max_fires, group, set_)


def _value_of(text: str) -> Any:
    """What a rule sets: true or false, a number as it is usually written, else the text."""
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"-?[1-9][0-9]*|0", text) and -(2**63) <= int(text) < 2**63:
        return int(text)
    if re.fullmatch(r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text) and math.isfinite(float(text)):
        return float(text)
    return text


def _slot(section: Section, name: str, names: dict[str, list[str]]) -> Slot:
    interest = section.needed("interest")
    if interest not in names["interests"]:
        raise ConfigurationError(f"{section.path}.interest: no interest is called `{interest}`")
    slot = Slot(
        name,
        section.whole("items", 1, 100, 1),
        interest,
        section.choice("rank_by", ("share", "lift"), "share") == "lift",
        section.truth("exclude_recent", True),
        section.truth("exclude_bought", False),
        section.texts("fallback", 100),
        section.duration_ms("stale_after", 60_000, 2_400 * DAY_MS, None) if section.has("stale_after") else None,
    )
    section.done()
    return slot
