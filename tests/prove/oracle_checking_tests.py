"""Tests of the checker's own parts: interleavings, transactions, tolerance, partitions and ids."""

from __future__ import annotations

import unittest
from array import array

from oracle.compare import Tolerated, difference
from oracle.decide import stable_id
from oracle.interleaving import Interleaving
from oracle.murmur2 import murmur2, partition_of
from oracle.postcard import Unreadable
from oracle.report import Report
from oracle.state import State, digest_of, position_of
from oracle.transactions import Transactions


class Checking(unittest.TestCase):
    def follow(self, one: list[int], other: list[int], found: list[int]) -> dict[str, int]:
        report = Report()
        sources = [("a-0", array("Q", one), array("q", range(len(one))))]
        sources.append(("b-0", array("Q", other), array("q", range(len(other)))))
        follow = Interleaving("commands-0", sources, report)
        for offset, hashed in enumerate(found):
            follow.take(hashed, offset, None, str(hashed))
        follow.finish()
        return {name: count for name, count in report.violations.items() if count}

    def test_any_interleaving_is_right(self) -> None:
        self.assertEqual(self.follow([1, 2, 3], [7, 8], [7, 1, 2, 8, 3]), {})
        self.assertEqual(self.follow([1, 5, 3], [5, 8], [1, 5, 8, 5, 3]), {}, "5 is at the head of both")
        self.assertEqual(self.follow([5, 3], [5, 8], [5, 3, 5, 8]), {})

    def test_what_is_lost_doubled_swapped_or_foreign_is_named(self) -> None:
        self.assertEqual(self.follow([1, 2, 3], [7], [1, 3, 7]), {"I1": 1})
        self.assertEqual(self.follow([1, 2, 3], [7], [1, 2, 2, 7, 3]), {"I2": 1})
        self.assertEqual(self.follow([1, 2, 3], [7], [1, 3, 2, 7]), {"I3": 1})
        self.assertEqual(self.follow([1, 2, 3], [7], [1, 2, 9, 3]), {"I1": 1, "I2": 1})

    def test_a_transactions_records_are_counted_from_nothing_on(self) -> None:
        report, transactions = Report(), Transactions()
        transactions.seen = {"a/0/1": 0b111, "a/0/2": 0b1011}
        transactions.check(report)
        self.assertEqual(report.violations["I4"], 1)
        self.assertIn("a/0/2", report.first[0])
        other = Transactions()
        other.seen = {"a/0/1": 0b100}
        transactions.add(other, report)
        self.assertEqual(report.violations["I4"], 2)

    def test_doubles_are_equal_within_1e_9_and_it_is_counted(self) -> None:
        tolerated = Tolerated()
        self.assertIsNone(difference({"a": [1.0]}, {"a": [1.0 + 1e-10]}, tolerated))
        self.assertEqual(tolerated.count, 1)
        self.assertIn("a[0]", difference({"a": [1.0]}, {"a": [1.0 + 1e-8]}, tolerated) or "")
        self.assertIsNotNone(difference({"a": 1}, {"a": True}, tolerated))

    def test_positions_of_both_formats_are_read_and_no_others(self) -> None:
        # The golden rows of the product's own test.
        old = bytes.fromhex("01d80480a0abfef962")
        new = bytes.fromhex("02d80480a0abfef96201ac02ffffffffffffffffff01")
        self.assertEqual(position_of(old), (300, 1_700_000_000_000, None))
        self.assertEqual(position_of(new), (300, 1_700_000_000_000, (300, 2**64 - 1)))
        self.assertEqual(position_of(b"\2" + old[1:] + b"\0"), position_of(old))
        for wrong in (b"", b"\0" + old[1:], b"\3" + new[1:], old + b"\0", new + b"\0", b"\2" + old[1:]):
            with self.assertRaises((Unreadable, IndexError)):
                position_of(wrong)

    def test_a_row_that_is_missing_shows_in_the_digest(self) -> None:
        rows = {b"puser:1": (0, b"\1value"), b"cone": (1, b""), b"m": (2, b"\2")}
        told = digest_of(rows.items())
        self.assertEqual((told[0], digest_of([(b"puser:1", rows[b"puser:1"])])), (2, (1, 0xFE28C25CAA29CF0E)))
        for lost in (None, b"m", b"cone", b"puser:1"):
            report = Report()
            state = State("changelog", 0, report)
            state.rows = {key: row for key, row in rows.items() if key != lost}
            state.check_digest(told, 2)
            self.assertEqual(report.violations["I5"], int(lost not in (None, b"m")))

    def test_partitions_are_those_of_java(self) -> None:
        known = {b"21": -973_932_308, b"foobar": -790_332_482, b"abc": 479_470_107}
        for key, signed in known.items():
            self.assertEqual(murmur2(key), signed % 2**32)
        self.assertEqual(partition_of(b"21", 12), (-973_932_308 & 0x7FFFFFFF) % 12)

    def test_ids_are_uuids_of_version_5(self) -> None:
        name = "decision|home_hero|request|user:ada|m4"
        self.assertEqual(stable_id(name), "aa7f7701-93e7-5a07-b75a-4f3ee7981a01")
