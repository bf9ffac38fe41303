"""One run of the year as a shop sees it: two topics, some days at a time, and both outputs back."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import configuration
from kafka import Decision, OutputReader, Waiter, create_topic, delete_topics, send
from processor import Processor
from replay import PARTITIONS, Setup, by_request, configured
from shop import ATTRIBUTES, DEBEZIUM, LATENESS, Record, waves

READ_MAX_S = 60
# What has brought nothing out for so long is done.
SILENCE_S = 5.0


@dataclass(frozen=True)
class Year:
    """The decisions by request, and the last profile of each person, as far as order cannot matter."""

    decisions: dict[str, Decision]
    profiles: dict[str, Any]
    records: int
    wall_s: float


def replay_shop(
    setup: Setup, application: str, home: Path, records: Sequence[Record], from_database: bool
) -> Year:
    orders: dict[str, Any] = {"topic": f"{application}-orders", "clock": "trust"}
    if from_database:
        orders["debezium"] = DEBEZIUM
    clicks = {"topic": f"{application}-clicks", "clock": "automatic"}
    own: dict[str, object] = {
        "sources": [orders, clicks],
        "orders": {"trusted": [orders["topic"]]},
        "attributes": ATTRIBUTES,
        "lateness": LATENESS,
        "dedupe": {"ids_max": 512, "horizon": LATENESS},
        "commit": {"age_max": "100ms"},
    }
    processor = Processor(setup.binary, configured(setup, application, home, own))
    topics = [orders["topic"], clicks["topic"]]
    began = time.monotonic()
    try:
        for topic in topics:
            create_topic(setup.bootstrap, topic, PARTITIONS)
        processor.apply_topics()
        processor.start()
        waiter = Waiter(setup.bootstrap, application, topics)
        for wave in waves(records):
            for topic in topics:
                send(setup.bootstrap, topic, [one for one in wave if f"{application}-{one.topic}" == topic])
            processor.check()
            waiter.wait(READ_MAX_S)
        waiter.close()
        decisions = list(map(Decision.of, _all(setup, configuration.decisions_topic(application))))
        updates = _all(setup, f"{application}-profile-updates")
        profiles = {update["person"]: _profile(update) for update in updates}
        processor.stop()
    finally:
        processor.end()
        delete_topics(setup.bootstrap, application)
    asked = len({one.value for one in records if one.is_request})
    return Year(by_request(decisions, asked), profiles, len(records), time.monotonic() - began)


def _all(setup: Setup, topic: str) -> Iterator[Any]:
    """Everything in a topic, until nothing more comes."""
    reader = OutputReader(setup.bootstrap, setup.registry, topic)
    try:
        heard = time.monotonic()
        while time.monotonic() - heard < SILENCE_S:
            if fresh := reader.poll(0.5):
                yield from fresh
                heard = time.monotonic()
    finally:
        reader.close()


def _profile(update: Any) -> dict[str, Any]:
    """What must be the same in whatever order things are heard of."""
    return {
        "attributes": update["attributes"],
        "orders": update["orders"],
        "interests": [
            # Scores are as of the profile's last change; shares stay the same while all of them decay.
            (one["name"], [(value["value"], round(value["share"], 6)) for value in one["affinities"]])
            for one in update["interests"]
        ],
        "events": update["events_applied"],
    }
