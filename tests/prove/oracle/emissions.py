"""Decisions and segment changes of one partition: what stands in the topic, against what the fold says,
person by person in order."""

from __future__ import annotations

from typing import Any

from .compare import Tolerated, difference
from .log import Log
from .murmur2 import partition_of
from .report import Report
from .schemas import Schemas, Undecodable
from .transactions import Transactions


class Emissions:
    """One output partition in memory, as bytes. `expect` takes the fold's records one after another; a person
    whose records differ is set aside and told apart at the end."""

    def __init__(self, topic: str, partition: int, key: str, schemas: Schemas, report: Report) -> None:
        """`key` is the field that holds the records' own id."""
        self.topic = topic
        self.partition = partition
        self.key = key
        self.schemas = schemas
        self.report = report
        self.tolerated = Tolerated()
        self.found: dict[str, list[tuple[int, bytes | None]]] = {}
        self.next: dict[str, int] = {}
        self.astray: dict[str, list[dict[str, Any]]] = {}

    def read(self, log: Log, transactions: Transactions) -> None:
        count, partitions = 0, log.partitions(self.topic)
        for message in log.whole(self.topic, self.partition):
            count += 1
            transactions.note(message, self.report)
            person = (message.key() or b"").decode("utf-8", "replace")
            records = self.found.get(person)
            if records is None:
                records = self.found[person] = []
                if partition_of(message.key() or b"", partitions) != self.partition:
                    home = partition_of(message.key() or b"", partitions)
                    what = f"expected in partition {home} found in {self.partition}"
                    self.report.violation("I3", self._where(message.offset()), person, what)
            records.append((message.offset(), message.value()))
        self.report.read(self.topic, count)

    def expect(self, person: str, record: dict[str, Any]) -> None:
        """The next record of a person."""
        aside = self.astray.get(person)
        if aside is not None:
            aside.append(record)
            return
        place = self.next.get(person, 0)
        records = self.found.get(person, ())
        found = None
        if place < len(records):
            found = self._decoded(person, *records[place])
        if found is not None:
            self._name_definitions(record, found)
        if found is None or (found != record and difference(record, found, self.tolerated)):
            self.astray[person] = [record]
            return
        self.next[person] = place + 1
        self.report.count(self.key)

    def finish(self) -> None:
        """Tells what is wrong with those set aside and with records that nobody expected."""
        for person, records in self.found.items():
            if person not in self.astray and self.next.get(person, 0) < len(records):
                self.astray[person] = []
        for person, expected in self.astray.items():
            self._tell_apart(person, expected)
        self.report.count("doubles equal within the tolerance alone", self.tolerated.count)

    def _tell_apart(self, person: str, expected: list[dict[str, Any]]) -> None:
        records = self.found.get(person, [])
        place = self.next.get(person, 0)
        before = {self._id(value) for _, value in records[:place]}
        by_id = {record[self.key]: record for record in expected}
        seen: dict[str, int] = {}
        order: list[str] = []
        for offset, value in records[place:]:
            where = self._where(offset)
            found = self._decoded(person, offset, value)
            if found is None:
                continue
            own = found[self.key]
            if own in seen or own in before:
                said = f"expected {self.key} {own} once found it again"
                self.report.violation("I2", where, person, said)
            elif own not in by_id:
                said = f"expected no {self.key} {own} found {_brief(found)}"
                self.report.violation("I2", where, person, said)
            else:
                order.append(own)
                self._name_definitions(by_id[own], found)
                if said_ := difference(by_id[own], found, self.tolerated):
                    self.report.violation("I5", where, person, f"{self.key} {own}: {said_}")
                self.report.count(self.key)
            seen[own] = offset
        end = self._where(records[-1][0] + 1 if records else 0)
        for record in expected:
            if record[self.key] not in seen:
                said = f"expected {self.key} {record[self.key]} {_brief(record)} found none"
                self.report.violation("I1", end, person, said)
        rightly = [record[self.key] for record in expected if record[self.key] in seen]
        for own, other in zip(order, rightly, strict=False):
            if own != other:
                said = f"expected {self.key} {other} found {own}, which comes later"
                self.report.violation("I3", self._where(seen[own]), person, said)
                break

    def _name_definitions(self, record: dict[str, Any], found: dict[str, Any]) -> None:
        """What stands for the definitions of the configuration is taken from the first record that has its id."""
        if record["definitions"] is None and record[self.key] == found[self.key]:
            record["definitions"] = self.report.name_configured(int(found["definitions"] or "0", 16))

    def _decoded(self, person: str, offset: int, value: bytes | None) -> dict[str, Any] | None:
        try:
            return self.schemas.decode(value)
        except Undecodable as error:
            self.report.violation("I5", self._where(offset), person, f"expected a record found {error}")
            return None

    def _id(self, value: bytes | None) -> str | None:
        try:
            return str(self.schemas.decode(value)[self.key])
        except Undecodable:
            return None

    def _where(self, offset: int) -> str:
        return f"{self.topic}-{self.partition}@{offset}"


def _brief(record: dict[str, Any]) -> str:
    """What a record is about, in a few words."""
    if "slot" in record:
        return f"(slot {record['slot']}, version {record['profile_version']}, {record['cause']})"
    return f"({record['change']} {record['segment']}, version {record['profile_version']})"
