"""Tests of what the oracle expects on the status topic: one answer for each change, and nothing else.

Run by oracle_tests.py.
"""

from __future__ import annotations

import json
import unittest
from typing import Any

from oracle.murmur2 import partition_of
from oracle.reject import Reject
from oracle.report import Report
from oracle.statuses import Status, Statuses, status_of
from oracle_sources_tests import Message
from oracle_stage import AT

PARTITIONS = 4


class Answer(Message):
    """A record of the status topic."""

    def __init__(self, key: bytes, value: Any, partition: int | None = None) -> None:
        super().__init__("status", 0, None if value is None else json.dumps(value).encode())
        self.name = key
        at = partition_of(key, PARTITIONS) if partition is None else partition
        self.where = ("status", at, 0)

    def key(self) -> bytes:
        return self.name


def expected() -> list[Status]:
    refusal = Reject("invalid_field", "$.rank")
    return [
        status_of("definitions", Message("changes", 3, b"lateness: 1h"), AT, None),
        status_of("content", Message("contents", 4, b"{}"), AT, refusal),
        status_of("content", Message("contents", 5, None), AT, None),
    ]


def right() -> list[Answer]:
    definitions, content, withdrawn = expected()
    return [
        Answer(definitions.key, definitions.value),
        Answer(content.key, {**(content.value or {}), "message": "rank: no number"}),
        Answer(withdrawn.key, None),
    ]


class StatusesFound(unittest.TestCase):
    def violations(self, answers: list[Answer]) -> list[str]:
        report = Report()
        statuses = Statuses("status", expected(), report)
        for answer in answers:
            statuses.take(answer, PARTITIONS)  # type: ignore[arg-type]
        statuses.finish()
        return [name for name, count in report.violations.items() for _ in range(count)]

    def test_what_must_be_said(self) -> None:
        definitions, content, withdrawn = expected()
        self.assertEqual((definitions.key, content.key), (b"definitions", b"content/key"))
        self.assertEqual((withdrawn.key, withdrawn.value), (b"content/key", None))
        where = {"topic": "contents", "partition": 0, "offset": 4, "timestamp_ms": AT}
        refused = {"kind": "content", "state": "REFUSED", "code": "invalid_field", "path": "$.rank", **where}
        self.assertEqual(content.value, refused)
        self.assertEqual((definitions.value or {})["state"], "ACCEPTED")
        self.assertEqual(len((definitions.value or {})["fingerprint"]), 16)
        self.assertEqual(self.violations(right()), [])

    def test_what_is_wrong_is_found(self) -> None:
        for at in range(3):
            self.assertEqual(self.violations([one for n, one in enumerate(right()) if n != at]), ["I1"], at)
            self.assertEqual(self.violations([*right(), right()[at]]), ["I2"], at)
        definitions, content, withdrawn = right()
        said = json.loads(content.value() or b"")
        for changed in ({"code": "empty"}, {"message": ""}, {"path": "$"}, {"state": "ACCEPTED"}, {"kind": "x"}):
            other = Answer(content.name, {**said, **changed})
            self.assertEqual(self.violations([definitions, other, withdrawn]), ["I5"], changed)
        elsewhere = Answer(content.name, said, (content.where[1] + 1) % PARTITIONS)
        self.assertEqual(self.violations([definitions, elsewhere, withdrawn]), ["I3"])
        stranger = Answer(b"content/other", said)
        self.assertEqual(self.violations([definitions, stranger, withdrawn]), ["I5"])
        self.assertEqual(self.violations([definitions, Answer(content.name, 7), withdrawn]), ["I1", "I5"])


if __name__ == "__main__":
    unittest.main()
