"""Attributes, as definitions declare them."""

from __future__ import annotations

import re

from . import aggregates, condition
from .book import Attribute, Book
from .days import Days
from .document import ConfigurationError
from .section import DAY_MS, HOUR_MS, Section, read_number

OF_FIELD = ("sum", "mean", "min", "max", "first", "last", "list", "distinct", "most_frequent", "top", "gaps")
SINCE = ("since_first", "since_last")
DERIVED = ("affinity", "coalesce", "score")
MEASURES = ("count", "units", "value", *OF_FIELD, *SINCE, "lifecycle", "funnel", *DERIVED)
NUMBERS = ("items.price", "items.quantity", "event.value")
PURPOSES = ("store", "analytics", "profile_content", "select_content", "measure", "ads", "share_third_party")
TEXTS = ("items.item_id", "items.category", "items.brand", "event.page", "event.name", "event.source")


def read(section: Section, name: str, book: Book) -> Attribute:
    given = [key for key in MEASURES if section.has(key)]
    if len(given) != 1:
        raise ConfigurationError(f"{section.path} needs exactly one of {', '.join(MEASURES)}")
    of = _derived if given[0] in DERIVED else _of_events
    attribute = of(section, name, given[0], book)
    attribute.purposes = _purposes(section)
    section.done()
    return attribute


def _purposes(section: Section) -> tuple[str, ...]:
    purposes = section.texts("purposes", len(PURPOSES), ())
    if not set(purposes) <= set(PURPOSES):
        raise ConfigurationError(f"{section.path}.purposes may be {', '.join(PURPOSES)}")
    return tuple(purposes)


def _of_events(section: Section, name: str, measure: str, book: Book) -> Attribute:
    if (measure in OF_FIELD) != section.has("of"):
        raise ConfigurationError(f"{section.path}.of belongs to a field, and a field needs it")
    prop = _field(section, measure) if measure in OF_FIELD else None
    events = section.event_names("of" if measure in OF_FIELD else measure)
    if not events:
        raise ConfigurationError(f"{section.path} names no event")
    if "any" in events and len(events) > 1:
        raise ConfigurationError(f"{section.path} has `any` and other names")
    where = condition.optional(section, "where", book.bits, [], event_only=True)
    of_session = section.choice("scope", ("profile", "session"), "profile") == "session"
    if section.has("window") and (of_session or measure in (*SINCE, "gaps", "lifecycle")):
        raise ConfigurationError(f"{section.path}.window does not go with a session, nor with {SINCE}")
    bucket_ms, buckets, days = _window(section)
    attribute = Attribute(
        name, measure, prop,
        events=None if "any" in events else frozenset(events),
        where=where[0],
        bucket_ms=bucket_ms,
        buckets=buckets,
        timed=section.truth("timed", True),
        bit=book.bits["attributes", name],
        of_session=of_session,
        days=days,
    )  # fmt: skip
    attribute.ages_ms = _ages(section, of_session or measure in (*SINCE, "lifecycle"))
    attribute.latest_key = f"{name}|latest|{measure}|{'' if 'any' in events else ','.join(events)}"
    _read_details(section, attribute, events)
    return attribute


def _ages(section: Section, has_its_own: bool) -> tuple[int | None, int | None]:
    keys = ("stale_after", "expires_after")
    stale_ms, expires_ms = (
        section.duration_ms(key, 60_000, 2_400 * DAY_MS, None) if section.has(key) else None for key in keys
    )
    if (stale_ms or expires_ms) and has_its_own:
        raise ConfigurationError(f"{section.path}: {keys} do not go with a session, {SINCE} or lifecycle")
    if stale_ms and expires_ms and stale_ms >= expires_ms:
        raise ConfigurationError(f"{section.path} is expired before it is stale")
    return stale_ms, expires_ms


def _read_details(section: Section, attribute: Attribute, events: list[str]) -> None:
    """What only some measures are told."""
    measure = attribute.measure
    if measure in ("list", "top"):
        attribute.most = section.whole("most", 1, 64, 10)
    if measure in SINCE:
        attribute.step_ms = section.duration_ms("step", 60_000, 365 * DAY_MS, "1d")
        up_to_ms = section.duration_ms("up_to", 60_000, 2_400 * DAY_MS, "90d")
        attribute.steps_max = up_to_ms // attribute.step_ms
        if up_to_ms % attribute.step_ms or attribute.steps_max > 2_400:
            raise ConfigurationError(f"{section.path}.up_to must be 1 to 2,400 whole steps")
    if measure == "lifecycle":
        at_risk_ms = section.duration_ms("at_risk_after", 60_000, 2_400 * DAY_MS, "60d")
        lapsed_ms = section.duration_ms("lapsed_after", 60_000, 2_400 * DAY_MS, "180d")
        attribute.gaps_ms = (at_risk_ms, lapsed_ms)
        if at_risk_ms >= lapsed_ms:
            raise ConfigurationError(f"{section.path}: nobody is at risk before they have lapsed")
    if measure == "funnel":
        attribute.steps = tuple(events)
        if not 2 <= len(events) <= 16 or "any" in events:
            raise ConfigurationError(f"{section.path}.funnel needs 2 to 16 events")


def _derived(section: Section, name: str, measure: str, book: Book) -> Attribute:
    attribute = Attribute(
        name, measure, None, events=frozenset(), where=None, bucket_ms=0, buckets=0, timed=True,
        bit=book.bits["attributes", name],
    )  # fmt: skip
    if section.choice("scope", ("profile", "session"), "profile") == "session" or not section.truth("timed", True):
        raise ConfigurationError(f"{section.path} changes when its parts do")
    if measure == "affinity":
        interest = section.needed("affinity")
        if interest not in book.interest_at:
            raise ConfigurationError(f"{section.path}.affinity: no interest is called `{interest}`")
        attribute.affinity = (book.interest_at[interest], section.needed("to"))
    elif measure == "score":
        attribute.parts = (section.needed("score"),)
        named = section.texts("thresholds", 16, ())
        attribute.thresholds = tuple(read_number(text, f"{section.path}.thresholds") for text in named)
        attribute.lowest_is_best = section.choice("best", ("highest", "lowest"), "highest") == "lowest"
        if not attribute.thresholds or list(attribute.thresholds) != sorted(set(attribute.thresholds)):
            raise ConfigurationError(f"{section.path}.thresholds must ascend")
    else:
        attribute.parts = tuple(section.texts("coalesce", 8, ()))
        if len(attribute.parts) < 2:
            raise ConfigurationError(f"{section.path}.coalesce has nothing to choose from")
    return attribute


def resolve(book: Book) -> None:
    """Names of parts become the numbers of attributes; those of traits stay names."""
    for rule in (one for one in book.attributes if one.parts):
        parts: list[int | str] = []
        for part in map(str, rule.parts):
            at = book.attribute_at.get(part)
            if part.startswith("traits.") and rule.measure == "coalesce":
                parts.append(part.removeprefix("traits."))
            elif rule.measure == "score" and re.fullmatch(r"orders\.(count|units|revenue\.[A-Z]{3})", part):
                parts.append(part)
            elif at is None or not _fits(book.attributes[at], rule.measure):
                raise ConfigurationError(f"attributes.{rule.name} can not be made of {part}")
            else:
                parts.append(at)
        rule.parts = tuple(parts)


def _fits(part: Attribute, whole: str) -> bool:
    if part.measure in DERIVED:
        return False
    may_be_missing = part.measure not in aggregates.NEVER_MISSING or part.ages_ms[1] is not None
    return part.measure in aggregates.NUMBERS if whole == "score" else may_be_missing


def _field(section: Section, measure: str) -> str:
    name = section.needed(measure)
    known = name in NUMBERS or name in TEXTS
    about_numbers = measure in ("sum", "mean", "min", "max", "gaps")
    fits = measure in ("first", "last") or (name in NUMBERS) == about_numbers
    if known and not fits or not known and name.startswith(("items.", "event.")):
        raise ConfigurationError(f"{section.path}.{measure} can not be about `{name}`")
    return name


def _window(section: Section) -> tuple[int, int, Days | None]:
    if not section.has("window"):
        if section.has("bucket") or section.has("time_zone"):
            raise ConfigurationError(f"{section.path}: a bucket or a time zone without a window")
        return 0, 0, None
    longest = 2_400 * DAY_MS
    window_ms = section.duration_ms("window", 60_000, longest, None)
    if section.has("time_zone"):
        if window_ms % DAY_MS or section.has("bucket"):
            raise ConfigurationError(f"{section.path}: a time zone wants whole days, and no bucket")
        return DAY_MS, window_ms // DAY_MS, Days(section.needed("time_zone"))
    steps = [(2 * HOUR_MS, "1m"), (6 * HOUR_MS, "5m"), (24 * HOUR_MS, "15m"), (100 * DAY_MS + 1, "1h")]
    default = next((step for below, step in steps if window_ms < below), "1d")
    bucket_ms = section.duration_ms("bucket", 60_000, longest, default)
    if window_ms % bucket_ms or window_ms // bucket_ms > 2_400:
        raise ConfigurationError(f"{section.path}: the window must be 1 to 2,400 whole buckets")
    return bucket_ms, window_ms // bucket_ms, None
