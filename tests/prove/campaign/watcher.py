"""The concurrent check, a process of its own: follows the outputs read_committed and asserts at once.

  profile-updates    the versions of a person rise strictly
  content-decisions  no id comes twice; a person's decisions are in the order of their profile's versions
  segment-changes    no id comes twice; in the order of versions; a person enters what they are not in and
                     leaves what they are in

It reads the first fields of a record only, and remembers hashes of eight bytes instead of ids and names, so
that it stays cheap. A line of JSON a second says how far it is; each violation is a line at once, and names
topic, partition and offset. What is right, the oracle decides in the end; this sees what can be seen early.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import selectors
import sys
import time
import urllib.request
from hashlib import blake2b
from typing import Any

from confluent_kafka import Consumer, KafkaError, TopicPartition
from fastavro import parse_schema, schemaless_reader

# The fields that are read, the first of each record.
FIELDS = {
    "profile-updates": ("person", "version"),
    "content-decisions": ("decision_id", "request_id", "slot", "person", "profile_version"),
    "segment-changes": ("transition_id", "person", "segment", "change", "at", "profile_version"),
}
VIOLATIONS_SHOWN = 50
REPORT_S = 1.0


def short(text: str | bytes) -> int:
    data = text.encode() if isinstance(text, str) else text
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little")


class Order:
    """What has been seen, and what must not come after it. Pure, so that it can be shown to find things."""

    def __init__(self) -> None:
        self.ids: dict[str, set[int]] = {topic: set() for topic in FIELDS}
        self.versions: dict[str, dict[int, int]] = {topic: {} for topic in FIELDS}
        self.members: set[int] = set()
        self.forgotten: dict[str, set[int]] = {topic: set() for topic in FIELDS}

    def forget(self, person: str) -> None:
        """A person was forgotten, whose versions begin anew, once, in every topic."""
        key = short(person)
        self.versions["profile-updates"].pop(key, None)
        for topic in FIELDS:
            self.forgotten[topic].add(key)

    def look(self, topic: str, record: dict[str, Any]) -> list[str]:
        """What is wrong with this record, in words."""
        if topic == "profile-updates":
            return self.rising(topic, record["person"], record["version"], strictly=True)
        identity = record["decision_id" if topic == "content-decisions" else "transition_id"]
        wrong = self.rising(topic, record["person"], record["profile_version"], strictly=False)
        if short(str(identity)) in self.ids[topic]:
            wrong.append(f"the id {identity} of {record['person']} has come before")
        self.ids[topic].add(short(str(identity)))
        if topic == "segment-changes":
            wrong += self.membership(record)
        return wrong

    def rising(self, topic: str, person: str, version: int, strictly: bool) -> list[str]:
        versions, key = self.versions[topic], short(person)
        before = versions.get(key, -1)
        versions[key] = version
        if version > before or (version == before and not strictly):
            return []
        if topic != "profile-updates" and key in self.forgotten[topic]:
            self.forgotten[topic].remove(key)
            return []
        return [f"version {version} of {person} comes after version {before}"]

    def membership(self, record: dict[str, Any]) -> list[str]:
        key = short(f"{record['person']}\0{record['segment']}")
        if (record["change"] == "ENTERED") == (key not in self.members):
            self.members.symmetric_difference_update({key})
            return []
        inside = "is in it already" if record["change"] == "ENTERED" else "is not in it"
        return [f"{record['person']} {record['change']} {record['segment']} but {inside}"]


class Schemas:
    """Decoders of the first fields, by schema id."""

    def __init__(self, registry: str) -> None:
        self.registry = registry
        self.found: dict[tuple[str, bytes], Any] = {}

    def decode(self, topic: str, value: bytes) -> dict[str, Any]:
        schema = self.found.get((topic, value[:5]))
        if schema is None:
            schema = self.found[topic, value[:5]] = self.fetch(topic, value)
        body = io.BytesIO(value)
        body.seek(5)
        return schemaless_reader(body, schema, None)  # type: ignore[return-value]

    def fetch(self, topic: str, value: bytes) -> Any:
        if value[0] != 0:
            raise SystemExit(f"watcher: a record of {topic} does not begin with Confluent's magic byte")
        number = int.from_bytes(value[1:5], "big")
        with urllib.request.urlopen(f"{self.registry}/schemas/ids/{number}", timeout=30) as answer:
            schema = json.loads(json.load(answer)["schema"])
        wanted = FIELDS[topic]
        found = tuple(field["name"] for field in schema["fields"][: len(wanted)])
        if found != wanted:
            raise SystemExit(f"watcher: {topic} begins with the fields {found} instead of {wanted}")
        schema["fields"] = schema["fields"][: len(wanted)]
        return parse_schema(schema)


class Watcher:
    """The consumer, what it has seen, and what it says."""

    def __init__(self, bootstrap: str, registry: str, prefix: str) -> None:
        self.prefix = prefix
        self.schemas = Schemas(registry)
        self.order = Order()
        self.counts = dict.fromkeys(FIELDS, 0)
        self.violations = 0
        self.consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "campaign-watcher",
                "client.id": "campaign-watcher",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "queued.max.messages.kbytes": 16_384,
                "fetch.wait.max.ms": 500,
                "reconnect.backoff.max.ms": 1000,
                "log_level": 2,
            }
        )
        topics = self.consumer.list_topics(timeout=30).topics
        self.consumer.assign(
            [
                TopicPartition(f"{prefix}{topic}", partition, 0)
                for topic in FIELDS
                for partition in topics[f"{prefix}{topic}"].partitions
            ]
        )

    def step(self) -> int:
        messages = self.consumer.consume(2_000, 0.25)
        for message in messages:
            if (error := message.error()) is not None:
                self.failed(error)
                continue
            topic = (message.topic() or "").removeprefix(self.prefix)
            self.counts[topic] += 1
            if (value := message.value()) is None:
                if topic == "profile-updates":
                    self.order.forget((message.key() or b"").decode("utf-8", "replace"))
                else:
                    self.say_wrong(topic, message, ["an empty value, but only profiles are ever erased"])
                continue
            record = self.schemas.decode(topic, value)
            wrong = self.order.look(topic, record)
            if record["person"].encode() != message.key():
                wrong.append(f"the key is not the person {record['person']}")
            if wrong:
                self.say_wrong(topic, message, wrong)
        return len(messages)

    def say_wrong(self, topic: str, message: Any, wrong: list[str]) -> None:
        self.violations += len(wrong)
        if self.violations <= VIOLATIONS_SHOWN:
            place = f"{topic}-{message.partition()} offset {message.offset()}"
            say(violation=f"{place}: {'; '.join(wrong)}")

    def failed(self, error: KafkaError) -> None:
        """A broker that is away comes back; anything else ends the watch."""
        if error.fatal() or error.code() == KafkaError._AUTO_OFFSET_RESET:
            say(failed=str(error))
            raise SystemExit(1)


def say(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--registry", required=True)
    parser.add_argument("--prefix", required=True)
    arguments = parser.parse_args()
    watcher = Watcher(arguments.bootstrap, arguments.registry, arguments.prefix)
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    reported = 0.0
    while True:
        read = watcher.step()
        if time.monotonic() - reported > REPORT_S:
            reported = time.monotonic()
            say(read=watcher.counts, violations=watcher.violations, idle=not read)
        if selector.select(0) and not os.read(sys.stdin.fileno(), 100):
            return


if __name__ == "__main__":
    main()
