"""The status topic: of each change of content, definitions or site shares, once, what became of it. A change that
withdraws something leaves no value behind, so that of these the number is compared."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import xxhash
from confluent_kafka import Message

from .configuration import Configuration
from .log import Log
from .murmur2 import partition_of
from .reject import Reject
from .report import Report
from .transactions import Transactions

Origin = tuple[str, int, int]
DEFINITIONS = b"definitions"


@dataclass(slots=True)
class Status:
    """What must be said of a change; nothing of what was withdrawn."""

    key: bytes
    value: dict[str, Any] | None


def kind_of(configuration: Configuration, topic: str) -> str:
    """What the records of a topic change that are for every partition."""
    kinds = {configuration.catalogue_topic: "content", configuration.site_shares_topic: "site_shares"}
    return kinds.get(topic, "definitions")


def status_of(kind: str, message: Message, at: int, refusal: Reject | None) -> Status:
    """`at` is the time of the record."""
    key = DEFINITIONS if kind == "definitions" else f"{kind}/".encode() + (message.key() or b"")
    if refusal is None and message.value() is None:
        return Status(key, None)
    value = {
        "kind": kind,
        "state": "REFUSED" if refusal else "ACCEPTED",
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp_ms": at,
    }
    if refusal:
        value |= {"code": refusal.code, "path": refusal.path}
    elif kind == "definitions":
        value["fingerprint"] = f"{xxhash.xxh3_64_intdigest(message.value() or b''):016x}"
    return Status(key, value)


class Statuses:
    """Takes the expected ones out one by one."""

    def __init__(self, topic: str, expected: list[Status], report: Report) -> None:
        self.topic = topic
        self.report = report
        told = [one for one in expected if one.value is not None]
        self.expected = {_origin(one.value or {}): one for one in told}
        self.withdrawn = Counter(one.key for one in expected if one.value is None)

    def read(self, log: Log, transactions: Transactions) -> None:
        partitions = log.partitions(self.topic)
        for partition in range(partitions):
            count = 0
            for message in log.whole(self.topic, partition):
                count += 1
                transactions.note(message, self.report)
                self.take(message, partitions)
            self.report.read(self.topic, count)
        self.finish()

    def take(self, message: Message, partitions: int) -> None:
        where = f"{message.topic()}-{message.partition()}@{message.offset()}"
        key, bytes_ = message.key() or b"", message.value()
        if message.partition() != partition_of(key, partitions):
            said = f"expected {key!r} in partition {partition_of(key, partitions)} found it here"
            self.report.violation("I3", where, None, said)
        if bytes_ is None:
            if not self.withdrawn[key]:
                self.report.violation("I2", where, None, f"expected no further status of {key!r} found one")
            self.withdrawn[key] -= 1
        else:
            self._compare(where, key, bytes_)
        self.report.count("statuses")

    def finish(self) -> None:
        for (topic, partition, offset), one in self.expected.items():
            said = f"expected the status {one.value} of {one.key!r} found none"
            self.report.violation("I1", f"{topic}-{partition}@{offset}", None, said)
        for key, count in self.withdrawn.items():
            if count > 0:
                said = f"expected {count} more statuses of what was withdrawn, {key!r}"
                self.report.violation("I1", self.topic, None, said)

    def _compare(self, where: str, key: bytes, bytes_: bytes) -> None:
        try:
            found = json.loads(bytes_)
            one = self.expected.pop(_origin(found), None)
        except (ValueError, KeyError, TypeError):
            self.report.violation("I5", where, None, f"expected a status found {bytes_[:80]!r}")
            return
        if one is None:
            self.report.violation("I2", where, None, f"expected no further status of {key!r} found {found}")
            return
        # What is wrong is said for people, in the product's own words.
        message = found.pop("message", "")
        if (one.key, one.value) != (key, found) or bool(message) != ("code" in found):
            said = f"expected {one.key!r} {one.value} found {key!r} {found} with the message {message!r}"
            self.report.violation("I5", where, None, said)


def _origin(value: dict[str, Any]) -> Origin:
    return value["topic"], value["partition"], value["offset"]
