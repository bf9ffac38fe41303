"""Tests of what the oracle says of events that come late, by their source, and of receipts that say that they came
tomorrow.

Run by oracle_tests.py.
"""

from __future__ import annotations

import unittest

from oracle import rulebook
from oracle.aliases import Aliases
from oracle.document import ConfigurationError
from oracle.reject import Reject
from oracle.wire import Reader
from oracle_stage import AT, HOUR, Folded
from oracle_trust_tests import told

MINUTE = 60_000
DAY = 24 * HOUR


class LatenessBySource(unittest.TestCase):
    TEXT = "lateness: 1h\nlateness_by_source: {shop: 3h, till: 0s}\nattributes: {week: {count: any, window: 7d}}"

    def send_from(self, folded: Folded, source: str, at: int) -> None:
        folded.reader = Reader(source, "trust", "by_kind", 1 << 20, Aliases())
        folded.send("login", at)

    def test_a_source_may_be_later_or_less_late_than_others(self) -> None:
        folded = Folded(self.TEXT)
        self.send_from(folded, "events", AT)
        for source, late_ms, counts in (
            ("events", HOUR, True), ("events", HOUR + 1, False), ("shop", 3 * HOUR, True),
            ("shop", 3 * HOUR + 1, False), ("till", 0, True), ("till", 1, False),
        ):  # fmt: skip
            before = told(folded, "week")[0]
            self.send_from(folded, source, AT - late_ms)
            self.assertEqual(told(folded, "week")[0] - before, counts, (source, late_ms))

    def test_visits_reach_back_as_far_as_the_latest_source(self) -> None:
        for text, is_held in ((self.TEXT, True), ("lateness: 1h", False), ("lateness_by_source: {shop: 0s}", True)):
            folded = Folded(text)
            self.send_from(folded, "events", AT)
            self.send_from(folded, "events", AT + 3 * HOUR)
            previous = folded.fold.persons["user:ada"].previous
            self.assertEqual(previous is not None, is_held, text)

    def test_what_can_not_be_is_refused(self) -> None:
        many = ", ".join(f"t{at}: 1h" for at in range(65))
        for by_source in ("[shop]", "shop", "{shop: 366d}", "{shop: {late: 1h}}", "{shop: often}", f"{{{many}}}"):
            with self.assertRaises(ConfigurationError, msg=by_source):
                rulebook.of_text(f"lateness_by_source: {by_source}")
        rulebook.of_text("retention: 5d\nlateness_by_source: {shop: 5d}")
        with self.assertRaises(ConfigurationError):
            rulebook.of_text("retention: 5d\nlateness_by_source: {shop: 6d}")


class Receipts(unittest.TestCase):
    def read(self, clock: str, receipt: int, record: int, **said: int) -> tuple[int, int, bool]:
        reader = Reader("events", clock, "by_kind", 1 << 20, Aliases())
        text = f'{{"event":"seen","userId":"ada","receivedAt":{receipt}'
        text += "".join(f',"{name}":{value}' for name, value in said.items()) + "}"
        event = reader.read(text.encode(), record)
        return event.timestamp, event.received, event.clamped

    def test_a_receipt_more_than_a_day_after_its_record_is_none(self) -> None:
        self.assertEqual(self.read("automatic", AT + DAY, AT), (AT + DAY, AT + DAY, False))
        self.assertEqual(self.read("automatic", AT + DAY + 1, AT), (AT, AT, False))
        self.assertEqual(self.read("automatic", AT - 9 * DAY, AT), (AT - 9 * DAY, AT - 9 * DAY, False))

    def test_without_a_receipt_no_clock_is_put_right_of_itself(self) -> None:
        # The device sent a minute after it happened, by a clock of its own.
        said = {"timestamp": AT - HOUR, "sentAt": AT - HOUR + MINUTE}
        self.assertEqual(self.read("automatic", AT + DAY, AT, **said), (AT + DAY - MINUTE, AT + DAY, False))
        self.assertEqual(self.read("automatic", AT + DAY + 1, AT, **said), (AT - HOUR, AT, False))
        self.assertEqual(self.read("correct", AT + DAY + 1, AT, **said), (AT - MINUTE, AT, False))
        self.assertEqual(self.read("trust", AT + DAY + 1, AT, **said), (AT - HOUR, AT, False))
        # What lies in the future of the record, too, is of when that was written.
        self.assertEqual(self.read("automatic", AT + 2 * DAY, AT, timestamp=AT + HOUR), (AT, AT, True))

    def test_a_record_of_no_time_refutes_nothing(self) -> None:
        for record in (-1, 7_258_118_400_000):
            self.assertEqual(self.read("automatic", AT, record), (AT, AT, False))

    def test_a_receipt_that_is_no_instant_is_still_refused(self) -> None:
        with self.assertRaises(Reject) as caught:
            self.read("automatic", 7_258_118_400_000, AT)
        self.assertEqual((caught.exception.code, caught.exception.path), ("implausible_time", "$.receivedAt"))
