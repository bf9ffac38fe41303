"""Sees the checker fail: copies the topics of a finished, clean application, does one wrong thing to a copy,
and demands that the checker finds it and names the right invariant. A check that cannot fail proves nothing.

    python tests/prove/tamper.py --bootstrap HOST:PORT --registry URL --config FILE

The application must have stopped. Its own topics are left as they are; copies are deleted at the end.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from oracle import configuration
from oracle.checker import check
from oracle.log import Log
from oracle.postcard import decode_command
from oracle.report import Report

TIMEOUT_S = 30


@dataclass(frozen=True)
class Record:
    partition: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    at: int


Wrong = Callable[[list[Record]], None]


@dataclass(frozen=True)
class Case:
    name: str
    topic: str  # the key of the topic under `topics`
    wrong: Wrong
    invariants: tuple[str, ...]  # at least one of them must be named


def main() -> int:
    parser = argparse.ArgumentParser(description="Sees the checker fail, one wrong thing at a time.")
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--registry", required=True)
    parser.add_argument("--config", required=True, type=Path)
    arguments = parser.parse_args()
    stage = Stage(arguments.bootstrap, arguments.registry, arguments.config)
    before = stage.check()
    print(f"untouched: {before.total} violations")
    missed = ["untouched"] if before.total else []
    for case in CASES:
        missed += [] if stage.play(case) else [case.name]
    for topic in (stage.told.input, stage.told.intake_topics[0]):
        missed += [] if stage.set_back(topic) else [f"offset of {topic} set back"]
    print(
        f"tamper: {len(CASES) + 2 - len(missed)} of {len(CASES) + 2} found"
        + (f"; missed {missed}" if missed else "")
    )
    return 1 if missed else 0


class Stage:
    def __init__(self, bootstrap: str, registry: str, config: Path) -> None:
        self.bootstrap, self.registry, self.config = bootstrap, registry, config
        self.told = configuration.load(config)
        self.admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 3})
        self.log = Log(bootstrap, self.told.application)

    def check(self) -> Report:
        return check(self.bootstrap, self.registry, self.config)

    def play(self, case: Case) -> bool:
        """Copies, does the wrong thing, checks, and deletes the copy."""
        attribute = {"content_decisions": "decisions"}.get(case.topic, case.topic)
        original = str(getattr(self.told, attribute))
        copy = f"{original}-copy-{case.name.replace(' ', '-')}"
        records = self._read(original)
        case.wrong(records)
        self._write(copy, records, self.log.partitions(original))
        variable = f"BESPOKE__TOPICS__{case.topic.upper()}"
        os.environ[variable] = copy
        try:
            report = self.check()
        finally:
            del os.environ[variable]
            self.admin.delete_topics([copy])[copy].result(TIMEOUT_S)
        return _tell(case.name, case.invariants, report)

    def set_back(self, topic: str) -> bool:
        """The group's offset of a topic, one record back."""
        number, now = next(
            (n, o) for n, o in enumerate(self.log.committed(topic, self.log.partitions(topic))) if o
        )
        self._commit([TopicPartition(topic, number, now - 1)])
        try:
            report = self.check()
        finally:
            self._commit([TopicPartition(topic, number, now)])
        return _tell(f"offset of {topic} set back", ("I6",), report)

    def _read(self, topic: str) -> list[Record]:
        return [
            Record(n, m.key(), m.value(), list(m.headers() or []), m.timestamp()[1])
            for n in range(self.log.partitions(topic))
            for m in self.log.records(topic, n)
        ]

    def _write(self, topic: str, records: list[Record], partitions: int) -> None:
        settings = {"max.message.bytes": "67108864", "retention.ms": "-1"}
        self.admin.create_topics([NewTopic(topic, partitions, 1, config=settings)])[topic].result(TIMEOUT_S)
        producer = Producer(
            {"bootstrap.servers": self.bootstrap, "message.max.bytes": 8 << 20, "log_level": 3}
        )
        ends = [0] * partitions
        for one in records:
            ends[one.partition] += 1
            producer.produce(topic, one.value, one.key, one.partition, headers=one.headers, timestamp=one.at)
            producer.poll(0)
        producer.flush(TIMEOUT_S)
        if topic.startswith(self.told.commands):
            # The state ends where the original's last record does; the copy has no marks of transactions.
            wanted = self.log.committed(self.told.commands, partitions)
            self._commit([TopicPartition(topic, n, wanted[n] or 0) for n in range(partitions)])

    def _commit(self, offsets: list[TopicPartition]) -> None:
        group = ConsumerGroupTopicPartitions(self.told.application, offsets)
        self.admin.alter_consumer_group_offsets([group])[self.told.application].result(TIMEOUT_S)


def _tell(name: str, invariants: tuple[str, ...], report: Report) -> bool:
    named = {invariant for invariant, count in report.violations.items() if count}
    found = bool(named & set(invariants))
    first = next((line for line in report.first if line.split()[0] in invariants), "nothing of that kind")
    print(
        f"{'found' if found else 'MISSED'}: {name}: "
        f"{ {one: report.violations[one] for one in sorted(named)} }: {first[:220]}"
    )
    return found


# ---- Wrong things ----


def _middle(records: list[Record], wanted: Callable[[Record], bool] = lambda one: True) -> int:
    places = [place for place, one in enumerate(records) if wanted(one)]
    return places[len(places) // 2]


def drop(records: list[Record]) -> None:
    del records[_middle(records)]


def double(records: list[Record]) -> None:
    place = _middle(records)
    records.insert(place + 1, records[place])


def swap(records: list[Record]) -> None:
    """Two neighbours of one person."""
    for place in range(_middle(records), len(records)):
        for other in range(place + 1, len(records)):
            if (
                records[place].key == records[other].key
                and records[place].key
                and records[place].value != records[other].value
            ):
                records[place], records[other] = records[other], records[place]
                return


def flip(records: list[Record]) -> None:
    """One bit in the last eight bytes: of a decision that is a ranked score's neighbour, of a row its end."""
    place = _middle(records, lambda one: bool(one.value) and len(one.value or b"") > 40)
    value = bytearray(records[place].value or b"")
    value[-6] ^= 0x04
    records[place] = replace(records[place], value=bytes(value))


def retell(records: list[Record]) -> None:
    """Another letter in the first text of a value."""
    place = _middle(records, lambda one: bool(one.value) and len(one.value or b"") > 40)
    value = bytearray(records[place].value or b"")
    value[8] ^= 0x01
    records[place] = replace(records[place], value=bytes(value))


def other_person(records: list[Record]) -> None:
    place = _middle(records, lambda one: one.key is not None)
    records[place] = replace(records[place], key=b"user:nobody-at-all")


def other_partition(records: list[Record]) -> None:
    place = _middle(records, lambda one: one.key is not None)
    records[place] = replace(
        records[place], partition=(records[place].partition + 1) % (1 + max(r.partition for r in records))
    )


def drop_last_of_a_person(records: list[Record]) -> None:
    key = records[_middle(records)].key
    del records[max(place for place, one in enumerate(records) if one.key == key)]


def change_last_of_a_person(records: list[Record]) -> None:
    key = next(one.key for one in reversed(records) if one.key and one.key != b"m" and one.value)
    place = max(place for place, one in enumerate(records) if one.key == key)
    value = bytearray(records[place].value or b"")
    value[-6] ^= 0x04
    records[place] = replace(records[place], value=bytes(value))


def drop_position(records: list[Record]) -> None:
    del records[max(place for place, one in enumerate(records) if one.key == b"m")]


def forget_person(records: list[Record]) -> None:
    key = next(one.key for one in records if (one.key or b"").startswith(b"p"))
    records.append(next(one for one in reversed(records) if one.key == key))
    records[-1] = replace(records[-1], value=None)


def other_code(records: list[Record]) -> None:
    place = _middle(records)
    headers = [(n, b"blocked_id?" if n == "bespoke.error.code" else v) for n, v in records[place].headers]
    records[place] = replace(records[place], headers=headers)


def other_keyword(records: list[Record]) -> None:
    """Another demand of the schema that an event does not fit."""
    rule = "bespoke.error.rule"
    place = _middle(records, lambda one: any(name == rule for name, _ in one.headers))
    headers = [(n, b"maxProperties" if n == rule else v) for n, v in records[place].headers]
    records[place] = replace(records[place], headers=headers)


def other_lift(records: list[Record]) -> None:
    """Another first digit of a lift that the evidence of a decision tells."""
    place = _middle(records, lambda one: b", lift " in (one.value or b""))
    value = bytearray(records[place].value or b"")
    value[value.index(b", lift ") + len(b", lift ")] ^= 0x01
    records[place] = replace(records[place], value=bytes(value))


def change_shares(records: list[Record]) -> None:
    """One bit of the site's shares that are in force: of the last share, where there is one."""
    place = max(place for place, one in enumerate(records) if (one.key or b"").startswith(b"s") and one.value)
    value = bytearray(records[place].value or b"")
    value[-1] ^= 0x01
    records[place] = replace(records[place], value=bytes(value))


def content_late(records: list[Record]) -> None:
    """A broadcast that one partition has not got."""
    del records[
        _middle(records, lambda one: one.key is None and not hasattr(decode_command(one.value), "person"))
    ]


def with_headers(gap: bool) -> Wrong:
    def wrong(records: list[Record]) -> None:
        for place, one in enumerate(records):
            number = place + (gap and place >= len(records) // 2)
            header = ("transaction", f"0-0/1/7/{number}".encode())
            records[place] = replace(one, headers=[*one.headers, header])
        if not gap:
            place = len(records) // 2
            records[place] = replace(records[place], headers=records[place - 1].headers)

    return wrong


CASES = [
    Case("decision lost", "content_decisions", drop, ("I1",)),
    Case("decision doubled", "content_decisions", double, ("I2",)),
    Case("decisions swapped", "content_decisions", swap, ("I3",)),
    Case("decision changed", "content_decisions", flip, ("I5",)),
    Case("lift in a decision changed", "content_decisions", other_lift, ("I5",)),
    Case("decision of a stranger", "content_decisions", other_person, ("I1", "I2")),
    Case("decision in another partition", "content_decisions", other_partition, ("I3",)),
    Case("segment change lost", "segment_changes", drop, ("I1",)),
    Case("segment change doubled", "segment_changes", double, ("I2",)),
    Case("segment changes swapped", "segment_changes", swap, ("I3",)),
    Case("segment change retold", "segment_changes", retell, ("I2", "I5")),
    Case("last update lost", "profile_updates", drop_last_of_a_person, ("I1", "I5")),
    Case("last update changed", "profile_updates", change_last_of_a_person, ("I5",)),
    Case("update doubled", "profile_updates", double, ("I2",)),
    Case("updates swapped", "profile_updates", swap, ("I3",)),
    Case("dead letter lost", "dead_letters", drop, ("I1",)),
    Case("dead letter doubled", "dead_letters", double, ("I2",)),
    Case("dead letter changed", "dead_letters", flip, ("I5",)),
    Case("dead letter with another code", "dead_letters", other_code, ("I5",)),
    Case("dead letter with another keyword", "dead_letters", other_keyword, ("I5",)),
    Case("status lost", "status", drop, ("I1",)),
    Case("status doubled", "status", double, ("I2",)),
    Case("status changed", "status", flip, ("I2", "I5")),
    Case("command lost", "commands", drop, ("I1",)),
    Case("command doubled", "commands", double, ("I2",)),
    Case("commands swapped", "commands", swap, ("I3",)),
    Case("command retold", "commands", retell, ("I1",)),
    Case("command in another partition", "commands", other_partition, ("I3",)),
    Case("content change lost in one partition", "commands", content_late, ("I1",)),
    Case("position of the state older", "changelog", drop_position, ("I6",)),
    Case("row of a person changed", "changelog", change_last_of_a_person, ("I5",)),
    Case("row of the site's shares changed", "changelog", change_shares, ("I5",)),
    Case("row of a person deleted", "changelog", forget_person, ("I5",)),
    Case("record of a transaction lost", "content_decisions", with_headers(gap=True), ("I4",)),
    Case("record of a transaction doubled", "content_decisions", with_headers(gap=False), ("I4",)),
]

if __name__ == "__main__":
    sys.exit(main())
