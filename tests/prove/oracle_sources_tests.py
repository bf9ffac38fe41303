"""Tests of what the oracle expects of the records of a source, and of the dead letters that it compares with it.

Run by oracle_tests.py.
"""

from __future__ import annotations

import json
import unittest
from collections.abc import Iterator
from typing import Any

from confluent_kafka import TIMESTAMP_CREATE_TIME

from oracle import sources
from oracle.configuration import Configuration
from oracle.event_schemas import Versions
from oracle.json_schema import JsonSchema
from oracle.letters import Letters
from oracle.report import Report
from oracle.sources import Expected
from oracle.transactions import Transactions
from oracle_stage import AT, README, configuration

Headers = list[tuple[str, bytes | None]]
TABLE = "  - {topic: rows, debezium: {event: order_completed, columns: {who: user_id}}}\n"
MISFIT = {"event": "login", "userId": "u", "properties": {"way": 7}}


class Message:
    """A record as the client library gives it."""

    def __init__(self, topic: str, offset: int, value: bytes | None, headers: Headers | None = None) -> None:
        self.where = (topic, 0, offset)
        self.said = value
        self.told = headers

    def topic(self) -> str:
        return self.where[0]

    def partition(self) -> int:
        return self.where[1]

    def offset(self) -> int:
        return self.where[2]

    def key(self) -> bytes | None:
        return b"key"

    def value(self) -> bytes | None:
        return self.said

    def headers(self) -> Headers | None:
        return self.told

    def timestamp(self) -> tuple[int, int]:
        return TIMESTAMP_CREATE_TIME, AT


class Log:
    """A cluster whose topics have one partition."""

    def __init__(self, *messages: Message) -> None:
        self.messages = messages

    def partitions(self, topic: str) -> int:
        return 1

    def whole(self, topic: str, partition: int) -> Iterator[Message]:
        return (message for message in self.messages if message.topic() == topic)


def told() -> Configuration:
    configured = configuration(README.replace("sources:\n", "sources:\n" + TABLE))
    text = b'{"properties": {"properties": {"properties": {"way": {"type": "string"}}}}}'
    configured.schemas = {"login": Versions("login", {3: JsonSchema(text, "test")})}
    return configured


def read(topic: str, *values: Any) -> Expected:
    said = [value if value is None or isinstance(value, bytes) else json.dumps(value).encode() for value in values]
    log: Any = Log(*(Message(topic, 10 * at, value) for at, value in enumerate(said)))
    return sources.read(log, told(), topic, 0, Report())


class SourceRecords(unittest.TestCase):
    def test_what_tells_nothing_is_read_and_is_neither_an_event_nor_a_letter(self) -> None:
        row = {"op": "c", "after": {"who": "u", "id": 1}}
        expected = read("rows", row, {"op": "d", "before": {"who": "u"}}, None, {"op": "c"})
        self.assertEqual((expected.events, list(expected.offsets[0]), expected.next_offset), (1, [0], 31))
        told = [(at, one.code, one.path) for at, one in expected.letters.items()]
        self.assertEqual(told, [(30, "missing_field", "$.after")])

    def test_a_letter_says_which_demand_of_which_schema_is_not_met(self) -> None:
        expected = read("clickstream", MISFIT, MISFIT | {"schema": {"version": 4}}, b"{", MISFIT | {"event": "logout"})
        self.assertEqual(expected.events, 1)
        told = [(one.code, one.path, one.rule) for one in expected.letters.values()]
        self.assertEqual(told[0], ("schema_mismatch", "$.properties.way", ("login", 3, "type")))
        self.assertEqual(told[1], ("unknown_schema_version", "$.schema.version", ("login", 4, "schema")))
        self.assertEqual(told[2], ("malformed_json", "$", None))


class LettersFound(unittest.TestCase):
    def violations(self, value: bytes, **wrong: bytes | None) -> list[str]:
        """What is found wrong with a letter of a record, but for these headers as it must be."""
        expected = read("clickstream", value)
        letter = expected.letters[0]
        names = ("schema", "schema_version", "rule")
        headers: dict[str, bytes | None] = {
            "__streams.errors.exception": letter.code.encode(),
            "__streams.errors.message": b"why",
            "__streams.errors.topic": b"clickstream",
            "__streams.errors.partition": b"0",
            "__streams.errors.offset": b"0",
            "bespoke.error.code": letter.code.encode(),
            "bespoke.error.path": letter.path.encode(),
        }
        rule = dict(zip(names, letter.rule or (), strict=False))
        headers |= {f"bespoke.error.{name}": str(said).encode() for name, said in rule.items()}
        headers |= {f"bespoke.error.{name}": said for name, said in wrong.items()}
        there: Headers = [(name, said) for name, said in headers.items() if said is not None]
        report = Report()
        log: Any = Log(Message("letters", 0, value, there))
        Letters("letters", {("clickstream", 0, 0): letter}, report).read(log, Transactions())
        return report.first

    def test_a_letter_of_a_misfit_says_event_version_and_keyword(self) -> None:
        value = json.dumps(MISFIT).encode()
        self.assertEqual(self.violations(value), [])
        for wrong in ({"schema": b"logout"}, {"schema_version": b"2"}, {"rule": b"maximum"}, {"rule": None}):
            found = self.violations(value, **wrong)
            self.assertEqual(len(found), 1, wrong)
            self.assertIn("the demand ('login', '3', 'type')", found[0])

    def test_another_letter_says_none(self) -> None:
        self.assertEqual(self.violations(b"{"), [])
        self.assertEqual(len(self.violations(b"{", rule=b"type")), 1)
