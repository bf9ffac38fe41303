"""Reads every output topic with clients that are not ours: called by `./dev foreign`.

Hand-made events in three shapes, and some that cannot be used, go through the real binary. Then
confluent-kafka with its Avro deserializer, fastavro with the Confluent frame taken off by hand, and kcat read
profile updates, decisions, segment changes and dead letters. All three must agree with one another, with
what the events mean, and every record must be in the partition that Java's clients give its key.

Ends with 1 and says what differs, else with one line.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException

from application import PARTITIONS, Application, ApplicationFailed
from events import Person, Sent, bad, good, persons
from murmur2 import partition_of
from readers import Read, Schemas, Unreadable, by_confluent, raw, raw_by_kcat

AVRO_TOPICS = ("profile-updates", "content-decisions", "segment-changes")
DEAD_LETTERS = "dead-letters"


class Differs(Exception):
    """Something read is not what it should be."""


def main() -> int:
    arguments = parse()
    with tempfile.TemporaryDirectory(prefix="bespoke-foreign.") as home:
        application = Application(
            name=f"foreign-{os.getpid()}",
            bootstrap=arguments.bootstrap,
            registry=arguments.registry.rstrip("/"),
            binary=arguments.binary,
            home=Path(home),
        )
        try:
            application.prepare()
            count = check(application)
        finally:
            application.remove()
    print(f"foreign clients: {count} records read by confluent-kafka, fastavro and kcat, all agree")
    return 0


def check(application: Application) -> int:
    """Lets the events through and reads what came out. Says how many records that were."""
    application.send([*good(), *(record for record, _ in bad())])
    application.work_until(lambda: missing(application))
    schemas = Schemas(application.registry)
    values: dict[str, list[Any]] = {}
    count = 0
    for suffix in AVRO_TOPICS:
        read = read_avro(application, schemas, suffix)
        in_their_partitions(suffix, read)
        values[suffix] = [record.value for record in read]
        count += len(read)
    check_profiles(values["profile-updates"])
    check_decisions(values["content-decisions"])
    check_segments(values["segment-changes"])
    return count + check_dead_letters(application)


def missing(application: Application) -> str | None:
    """What has not come out yet; none when all has."""
    schemas = Schemas(application.registry)
    updates = raw(application.bootstrap, application.topic("profile-updates"))
    applied = sum(value["events_applied"] for value in latest(schemas.decode(read.value) for read in updates))
    decided = len(raw(application.bootstrap, application.topic("content-decisions")))
    dead = len(raw(application.bootstrap, application.topic(DEAD_LETTERS)))
    counts = (applied, decided, dead)
    wanted = (sum(person.events for person in persons()), len(persons()), len(bad()))
    if all(count >= want for count, want in zip(counts, wanted, strict=True)):
        return None
    return f"(events applied, decisions, dead letters) are {counts} instead of {wanted}"


def read_avro(application: Application, schemas: Schemas, suffix: str) -> list[Read]:
    """Reads a topic with all three and compares record by record. Answers with what they agree on.

    The bytes are kcat's, and fastavro decodes those.
    """
    topic, bootstrap, registry = application.topic(suffix), application.bootstrap, application.registry
    frames = raw_by_kcat(bootstrap, topic)
    same(f"{topic}: kcat and confluent-kafka", frames, raw(bootstrap, topic))
    by_hand = [
        Read(frame.partition, frame.offset, frame.key, schemas.decode(frame.value)) for frame in frames
    ]
    same(f"{topic}: confluent-kafka and fastavro", by_confluent(bootstrap, registry, topic), by_hand)
    return by_hand


def check_profiles(updates: Sequence[dict[str, Any]]) -> None:
    """The last update of each person says what their events mean."""
    last = {update["person"]: update for update in latest(updates)}
    equal("persons with a profile", sorted(last), sorted(person.key for person in persons()))
    for person in persons():
        profile = last[person.key]
        orders = profile["orders"]
        found = {
            "events_applied": profile["events_applied"],
            "views": profile["attributes"][0]["value"],
            "interests": [value["value"] for value in profile["interests"][0]["affinities"]],
            "tags": [(tag["interest"], tag["value"]) for tag in profile["tags"]],
            "orders": (orders["count"], orders["units"]),
            "revenue": [(sum_["currency"], sum_["amount_hundredths"]) for sum_ in orders["revenue"]],
            "segments": [membership["segment"] for membership in profile["segments"]],
            "traits": {trait["name"]: trait["value"] for trait in profile["traits"]},
        }
        equal(f"the profile of {person.key}", found, expected_profile(person))


def expected_profile(person: Person) -> dict[str, Any]:
    traits = {"name": f"Zoë {person.number}", "age": 30 + person.number, "vip": True}
    return {
        "events_applied": person.events,
        "views": float(person.views),
        "interests": [person.category],
        "tags": [("category", person.category)],
        "orders": (1, 3),
        "revenue": [("EUR", 12_980)],
        "segments": ["keen"] if person.is_keen else [],
        "traits": traits if person.shape == "segment" else {},
    }


def check_decisions(decisions: Sequence[dict[str, Any]]) -> None:
    """One decision for each request, for the right person and about what they like."""
    found = sorted(
        (made["request_id"], made["person"], made["ladder"], made["ranked"][0]["content_id"])
        for made in decisions
    )
    wanted = sorted(
        (person.request_id, person.key, "PERSONAL", f"about-{person.category}") for person in persons()
    )
    equal("decisions", found, wanted)


def check_segments(changes: Sequence[dict[str, Any]]) -> None:
    found = sorted((change["person"], change["segment"], change["change"]) for change in changes)
    wanted = sorted((person.key, "keen", "ENTERED") for person in persons() if person.is_keen)
    equal("segment changes", found, wanted)


def check_dead_letters(application: Application) -> int:
    """Dead letters are no Avro: bytes, keys and headers as they were sent, and headers with the reason."""
    topic = application.topic(DEAD_LETTERS)
    read = raw(application.bootstrap, topic)
    same(f"{topic}: confluent-kafka and kcat", raw_by_kcat(application.bootstrap, topic), read)
    in_their_partitions(DEAD_LETTERS, read)
    found = Counter(
        (letter.key, letter.value or b"", code_of(letter), own_headers(letter)) for letter in read
    )
    wanted = Counter((sent.key, sent.value, code, sent_headers(sent)) for sent, code in bad())
    if found != wanted:
        brief = [(key, value[:60], code) for key, value, code, _ in (found - wanted)]
        lacking = [(key, value[:60], code) for key, value, code, _ in (wanted - found)]
        raise Differs(f"dead letters: {brief} came, {lacking} should have")
    return len(read)


def code_of(letter: Read) -> str:
    marker = b"bespoke.error.code="
    codes = [part for part in letter.headers.split(b",") if part.startswith(marker)]
    if len(codes) != 1:
        raise Differs(f"a dead letter has {len(codes)} codes: {letter.headers!r}")
    return codes[0].removeprefix(marker).decode()


def own_headers(letter: Read) -> bytes:
    """The headers before the first that says why: those that the sender gave."""
    return letter.headers.partition(b"__streams.errors.")[0].rstrip(b",")


def sent_headers(sent: Sent) -> bytes:
    return b",".join(name.encode() + b"=" + value for name, value in sent.headers)


def in_their_partitions(suffix: str, read: Sequence[Read]) -> None:
    """A record without a key may be anywhere."""
    for record in read:
        if record.key is not None and record.partition != partition_of(record.key, PARTITIONS):
            raise Differs(f"{suffix}: the record of {record.key!r} is in partition {record.partition}")


def latest(updates: Any) -> list[dict[str, Any]]:
    """The last update of each person; those of one person come in their order."""
    return list({update["person"]: update for update in updates}.values())


def same(what: str, one: Sequence[Read], other: Sequence[Read]) -> None:
    equal(f"{what}: number of records", len(one), len(other))
    for left, right in zip(one, other, strict=True):
        equal(f"{what}: partition {right.partition}, offset {right.offset}", left, right)


def equal(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise Differs(f"{what}:\n  found  {str(found)[:3000]}\n  wanted {str(wanted)[:3000]}")


def parse() -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bootstrap", required=True, help="the Kafka broker, as host:port")
    parser.add_argument("--registry", required=True, help="the address of the schema registry")
    parser.add_argument("--binary", required=True, type=Path, help="the processor")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ApplicationFailed, Differs, KafkaException, OSError, Unreadable) as failure:
        sys.exit(f"foreign clients: {failure}")
