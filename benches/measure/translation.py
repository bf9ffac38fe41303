"""Bespoke's committed outputs in the words of the peers' dumps, so that one oracle and one comparison judge
all.

Nothing is worked out here but two things. A decision tells the profile's own version, which also rises when
time alone changes the profile, while the workload wants the number of events applied: the changes by time are
those segment changes that no event caused, so they are counted. And a tag is a segment of the workload.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .proofs import Schemas, number_of, profile_of
from .settings import DEAD_LETTERS, DECISIONS, PROFILES, SEGMENTS, Failed

if TYPE_CHECKING:
    from .broker import Broker

COUNTERS = {
    "product_viewed": "productViewed",
    "page_viewed": "pageViewed",
    "product_added": "productAdded",
    "product_removed": "productRemoved",
    "order_completed": "orderCompleted",
    "product_searched": "productSearched",
}
INTEREST = "category_fan"
HOUR_MS = 3_600_000
WINDOW_HOURS = 168


def write_outputs(broker: Broker, schemas: Schemas, to: Path) -> dict[str, Any]:
    """All four outputs, as sorted lines of key, tab, JSON. Says how many profile updates there were."""
    to.mkdir(parents=True, exist_ok=True)
    changes = [schemas.decode(record.value()) for record in broker.records(SEGMENTS)]
    by_time = versions_by_time(changes)
    _write(to / "segments.txt", ((change["person"], _change(change)) for change in changes))
    decisions = (schemas.decode(record.value()) for record in broker.records(DECISIONS))
    _write(to / "decisions.txt", ((made["person"], _decision(made, by_time)) for made in decisions))
    letters = ((_text(record.key()), _text(record.value())) for record in broker.records(DEAD_LETTERS))
    _write(to / "dead-letters.txt", letters)
    last: dict[str, bytes] = {}
    updates = 0
    for record in broker.records(PROFILES):
        updates += 1
        if record.value() is None:
            last.pop(_text(record.key()), None)
        else:
            last[_text(record.key())] = record.value()
    _write(
        to / "profiles.txt",
        ((user, _profile(schemas.decode(value), by_time)) for user, value in last.items()),
    )
    return {"profile_updates": updates, "profiles": len(last)}


def write_state(broker: Broker, changelog: str, to: Path) -> None:
    """The profiles of the changelog, brought to one common hour."""
    last: dict[bytes, bytes] = {}
    for record in broker.records(changelog):
        if record.key()[:1] == b"p":
            if record.value() is None:
                last.pop(record.key(), None)
            else:
                last[record.key()] = record.value()
    profiles = {_text(key[1:]): profile_of(value) for key, value in last.items()}
    profiles = {user: profile for user, profile in profiles.items() if profile["events"] > 0}
    hour = max((profile["as_of"] for profile in profiles.values()), default=0) // HOUR_MS
    counters = [number_of(name) for name in COUNTERS]
    interest = number_of(INTEREST)
    _write(
        to / "state.txt", ((user, _state(row, hour, counters, interest)) for user, row in profiles.items())
    )


def versions_by_time(changes: Iterable[dict[str, Any]]) -> dict[str, list[int]]:
    """The versions of each person that came with the passing of time, rising."""
    found: dict[str, set[int]] = defaultdict(set)
    for change in changes:
        if change["message_id"] is None:
            found[change["person"]].add(change["profile_version"])
    return {person: sorted(versions) for person, versions in found.items()}


def _events(person: str, version: int, by_time: dict[str, list[int]]) -> int:
    """How many events had been applied to a profile of this version."""
    return version - bisect_right(by_time.get(person, []), version)


def _change(change: dict[str, Any]) -> dict[str, Any]:
    way = {"ENTERED": "enter", "LEFT": "leave"}[change["change"]]
    return {"segment": change["segment"], "change": way, "at": change["at"]}


def _decision(made: dict[str, Any], by_time: dict[str, list[int]]) -> dict[str, Any]:
    return {
        "requestId": made["request_id"],
        "slot": made["slot"],
        "profileVersion": _events(made["person"], made["profile_version"], by_time),
        "timestamp": made["at"],
        "items": [{"id": ranked["content_id"], "score": ranked["score"]} for ranked in made["ranked"]],
    }


def _profile(update: dict[str, Any], by_time: dict[str, list[int]]) -> dict[str, Any]:
    person, events = update["person"], update["events_applied"]
    if _events(person, update["version"], by_time) != events:
        raise Failed(
            f"version {update['version']} of {person} is not {events} events and the changes by time"
        )
    numbers = {attribute["name"]: round(attribute["value"]) for attribute in update["attributes"]}
    affinities = {interest["name"]: interest["affinities"] for interest in update["interests"]}
    segments = [membership["segment"] for membership in update["segments"]]
    segments += [f"{tag['interest']}:{tag['value']}" for tag in update["tags"]]
    orders, session = update["orders"], update["session"]
    return {
        "userId": person,
        "version": events,
        "asOf": update["as_of"],
        "affinities": [
            {"category": one["value"], "score": one["score"], "share": one["share"]}
            for one in affinities[INTEREST]
        ],
        "segments": sorted(segments),
        "counters": {theirs: numbers[ours] for ours, theirs in COUNTERS.items()},
        "lifetime": {
            "events": events,
            "orders": orders["count"],
            "items": orders["units"],
            "revenueCents": sum(revenue["amount_hundredths"] for revenue in orders["revenue"]),
        },
        "session": {
            "count": session["count"],
            "events": session["events"],
            "startedAt": session["started_at"],
            "lastAt": session["last_at"],
        },
        "recentProducts": update["recent_items"],
    }


def _state(row: dict[str, Any], hour: int, counters: list[int], interest: int) -> dict[str, Any]:
    def count(number: int) -> int:
        _, buckets = row["counters"].get(number, (0, []))
        return sum(amount for at, amount in buckets if hour - WINDOW_HOURS < at <= hour)

    scores = {
        value: score * 2.0 ** (-(hour - at) / WINDOW_HOURS)
        for value, score, _, at, _, _ in row["interests"].get(interest, [])
    }
    return {
        "at": hour * HOUR_MS,
        "counters": [count(number) for number in counters],
        "lifetime": [row["events"], *row["orders"], sum(row["revenue"].values())],
        "scores": scores,
    }


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "replace")


def _write(path: Path, records: Iterable[tuple[str, Any]]) -> None:
    lines = (f"{key}\t{value if isinstance(value, str) else json.dumps(value)}" for key, value in records)
    with path.open("w", encoding="utf-8", newline="\n") as out:
        out.writelines(f"{line}\n" for line in sorted(lines))
