"""The processor's configuration for one run: everything that was chosen is declared here, nothing is code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

import numpy as np

from scoring import TOP
from stream import SLOT

INTEREST = "category"


class Content(TypedDict):
    """One piece of content, as the configuration declares it."""

    content_id: str
    weights: dict[str, float]
    base_weight: float


def write(
    path: Path,
    *,
    application: str,
    bootstrap: str,
    registry: str,
    partitions: int,
    half_life_hours: int,
    threads: int,
    catalogue: list[Content],
    own: dict[str, object],
) -> None:
    """Writes a configuration. JSON is YAML, and needs no care with names that hold colons or hashes.

    `own` is what stands in it instead of what all runs have.
    """
    document = {
        "application": application,
        "kafka": {"bootstrap": bootstrap},
        "registry": {"url": registry},
        "sources": [{"topic": source_topic(application), "format": "json", "clock": "trust"}],
        "catalogue": {"items": catalogue},
        "topics": {"partitions": partitions, "replication": 1},
        "commit": {"age_max": "500ms"},
        "state": {"directory": str(path.parent / "state")},
        "threads": threads,
        "http": {"listen": "127.0.0.1:0"},
        "dedupe": {"ids_max": 256, "horizon": "168h"},
        "lateness": "72h",
        "session": {"timed": False},
        "recent_items": {"max": 0},
        "interests": {INTEREST: interest(half_life_hours, "order_completed")},
        "slots": {SLOT: slot(INTEREST, catalogue, exclude_recent=False)},
    }
    path.write_text(json.dumps(document | own, indent=1))


def interest(half_life_hours: int, event: str) -> dict[str, object]:
    """In categories: each item of an event adds 1."""
    return {
        "facet": "category",
        "half_life": f"{half_life_hours}h",
        "weights": {event: 1.0},
        "enter": 3.0,
        "leave": 1.5,
        "values_max": 256,
        "top": TOP,
        "timed": False,
    }


def slot(interest: str, catalogue: list[Content], *, exclude_recent: bool) -> dict[str, object]:
    return {
        "items": TOP,
        "interest": interest,
        "exclude_recent": exclude_recent,
        "exclude_bought": False,
        "fallback": most_popular(catalogue),
    }


def most_popular(catalogue: list[Content]) -> list[str]:
    """What to show when there is nothing better."""
    best = sorted(catalogue, key=lambda content: -content["base_weight"])
    return [content["content_id"] for content in best[:TOP]]


def source_topic(application: str) -> str:
    return f"{application}-purchases"


def decisions_topic(application: str) -> str:
    return f"{application}-content-decisions"


def contents(
    names: list[str], values: list[str], weights: np.ndarray, popularity: np.ndarray
) -> list[Content]:
    """What is shown, and what it is about: weights[value, content]; popularity as the base weight."""
    return [
        {
            "content_id": name,
            "weights": {
                values[value]: float(weights[value, place]) for value in np.flatnonzero(weights[:, place])
            },
            "base_weight": float(popularity[place]),
        }
        for place, name in enumerate(names)
    ]
