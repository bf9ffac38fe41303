"""Tests of what the oracle says of how far page views were scrolled: whatever the order of arrival, the same.

Run by oracle_tests.py.
"""

from __future__ import annotations

import unittest
from collections.abc import Iterable
from itertools import permutations
from random import Random
from typing import Any

from oracle import rows, state
from oracle.postcard import Bytes, Unreadable
from oracle.render import profile_update
from oracle.scrolls import SCROLLS_MAX, Scroll, furthest, held
from oracle_stage import AT, Folded

MINUTE = 60_000
# A second after AT, a path or none, and how far that was scrolled; none of a page view.
Step = tuple[float, str | None, Any]


def scroll(folded: Folded, at: int, percent: Any, path: str | None = None, event: str = "engagement") -> None:
    said = {} if path is None else {"path": path}
    folded.send(event, at, properties={**said, "scroll_pct": percent})


def walk(steps: Iterable[Step], text: str = "") -> Folded:
    """Ada has done this, in the order in which it was heard of."""
    folded = Folded(text)
    for second, path, percent in steps:
        at = AT + int(second * 1_000)
        if percent is None:
            folded.send("page_viewed", at, path=path)
        else:
            scroll(folded, at, percent, path)
    return folded


def session(folded: Folded) -> dict[str, Any]:
    return dict(profile_update("user:ada", folded.fold.persons["user:ada"], {})["session"])


def pages(folded: Folded) -> list[tuple[str, int | None]]:
    return [(one["path"], one["scroll_pct"]) for one in session(folded)["pages"]]


def row(folded: Folded) -> dict[str, Any]:
    return state._expected(folded.fold.persons["user:ada"])


class ScrollsTold(unittest.TestCase):
    def percent(self, said: Any, event: str = "engagement") -> int | None:
        folded = walk([(0, "/a", None)])
        scroll(folded, AT + MINUTE, said, "/a", event)
        return pages(folded)[0][1]

    def test_a_number_is_cut_to_a_whole_percent_from_one_to_a_hundred(self) -> None:
        for said, percent in (
            (0, None), (-5, None), (0.9, None), (1, 1), (1.0, 1), (1.9, 1), (99.99, 99), (100, 100),
            (100.5, 100), (150, 100), (2**80, 100), (1e300, 100), ("75", None), ("", None), (True, None),
            (["75"], None),
        ):  # fmt: skip
            self.assertEqual(self.percent(said), percent, said)

    def test_only_engagement_says_it_by_whatever_name(self) -> None:
        for event in ("engagement", "user_engagement", "scroll", "Page Ping"):
            self.assertEqual(self.percent(40, event), 40, event)
        for event in ("page_viewed", "product_viewed", "login"):
            self.assertIsNone(self.percent(40, event), event)
        folded = walk([(0, "/a", None)])
        folded.send("scroll", AT, params={"percent_scrolled": 90, "page_location": "https://shop.de/a?b"})
        folded.send("engagement", AT)
        self.assertEqual(pages(folded), [("/a", 90)])

    def test_paths_are_cut_as_those_of_page_views_are(self) -> None:
        # After 255 bytes there is no room for a letter of two.
        path = "/" + "a" * 254
        folded = walk([(0, path + "ä", None), (1, "/b", None), (2, path + "äb", 30)])
        self.assertEqual(pages(folded), [(path, 30), ("/b", None)])
        self.assertEqual(row(folded)["scrolls"], [[AT + 2_000, path, 30]])

    def test_where_no_pages_are_remembered_nothing_is(self) -> None:
        folded = walk([(0, "/a", None), (1, "/a", 50)], "session: {pages_max: 0}")
        self.assertEqual((pages(folded), row(folded)["scrolls"], session(folded)["events"]), ([], [], 2))

    def test_what_is_late_or_of_no_visit_says_nothing(self) -> None:
        text = "lateness: 10m\nsession: {extends_back: false}"
        folded = walk([(0, "/a", None), (1_200, "/a", None), (599, "/a", 50), (-1, None, 60)], text)
        self.assertEqual((pages(folded), row(folded)["scrolls"]), ([("/a", None), ("/a", None)], []))
        # A second late is not too late, but before the visit.
        before = walk([(0, "/a", None), (-1, None, 50)], text)
        self.assertEqual((session(before)["events"], row(before)["scrolls"]), (1, []))

    def test_what_is_told_twice_counts_once(self) -> None:
        folded = walk([(0, "/a", None), (1, "/a", 50)])
        folded.sent = 1
        scroll(folded, AT + 2_000, 90, "/a")
        self.assertEqual(pages(folded), [("/a", 50)])


class ScrolledPages(unittest.TestCase):
    def test_the_order_of_arrival_says_nothing(self) -> None:
        steps: list[Step] = [
            (0, "/a", None), (50, "/b", None), (70, "/a", None),
            (55, "/a", 80.5), (65, None, 40), (130, "/a", 30),
        ]  # fmt: skip
        # The first is of the first look at /a, though /b was seen since, and what names no path is of that.
        expected = [("/a", 80), ("/b", 40), ("/a", 30)]
        for order in permutations(steps):
            self.assertEqual(pages(walk(order)), expected, order)

    def test_a_view_that_is_heard_of_late_takes_what_is_its_own(self) -> None:
        folded = walk([(0, "/a", None), (100, "/a", 70), (200, None, 50)])
        self.assertEqual(pages(folded), [("/a", 70)])
        for second, expected in (
            (150, [("/a", 70), ("/a", 50)]),
            (90, [("/a", None), ("/a", 70), ("/a", 50)]),
            (99, [("/a", None), ("/a", None), ("/a", 70), ("/a", 50)]),
        ):
            folded.send("page_viewed", AT + second * 1_000, path="/a")
            self.assertEqual(pages(folded), expected)
        folded.send("page_viewed", AT + 180_000, path="/b")
        self.assertEqual(pages(folded)[2:], [("/a", 70), ("/a", None), ("/b", 50)])

    def test_what_was_before_every_view_or_is_of_another_path_is_of_none(self) -> None:
        folded = walk([(-1, "/a", 90), (-1, None, 95), (0, "/a", None), (5, "/b", 80), (5, "/a/", 70)])
        self.assertEqual((pages(folded), len(row(folded)["scrolls"])), ([("/a", None)], 4))
        at_once = walk([(0, "/a", 90), (0, "/a", None)])
        self.assertEqual(pages(at_once), [("/a", 90)])

    def test_views_at_one_instant_stand_in_the_order_of_the_ring(self) -> None:
        folded = walk([(0, "/b", None), (0, "/a", None), (0, None, 30), (0, "/a", 20)])
        self.assertEqual(pages(folded), [("/a", 20), ("/b", 30)])

    def test_what_was_scrolled_of_a_view_that_is_forgotten_is_of_one_before_it_or_of_none(self) -> None:
        seen: list[Step] = [(0, "/a", None), (10, "/b", None), (30, "/a", None), (40, "/a", None)]
        expected = [("/b", 60), ("/a", None), ("/a", None)]
        for pages_max, first in ((2, 1), (3, 0)):
            folded = walk([*seen, (20, "/b", 60)], f"session: {{pages_max: {pages_max}}}")
            self.assertEqual(pages(folded), expected[first:])

    def test_two_visits_that_become_one_have_what_was_scrolled_in_both(self) -> None:
        steps: list[Step] = [
            (0, "/a", None), (60, "/a", 10), (65, "/a", 70), (25 * 60, None, 60), (50 * 60, "/a", None),
            (51 * 60, None, 50),
        ]  # fmt: skip
        for order in permutations(steps):
            folded = walk(order)
            self.assertEqual((session(folded)["count"], pages(folded)), (1, [("/a", 70), ("/a", 50)]), order)

    def test_a_visit_begins_with_nothing_and_the_one_before_it_keeps_its_own(self) -> None:
        first: list[Step] = [(0, "/a", None), (60, "/a", 10)]
        folded = walk([*first, (4_000, None, 80), (4_100, "/a", None), (90, None, 5)])
        self.assertEqual((session(folded)["count"], pages(folded)), (2, [("/a", None)]))
        self.assertEqual(row(folded)["scrolls"], [[AT + 4_000_000, None, 80]])
        before = row(folded)["previous"][0]["scrolls"]
        self.assertEqual(before, [[AT + 90_000, None, 5], [AT + 60_000, "/a", 10]])
        # Between the two and too far from both is one of its own, and the first of them is forgotten.
        scroll(folded, AT + 2_000_000, 33)
        self.assertEqual(row(folded)["previous"][0]["scrolls"], [[AT + 2_000_000, None, 33]])

    def test_other_definitions_take_nothing_away(self) -> None:
        folded = walk([(0, "/a", None), (10, None, 60)])
        folded.fold.define("session: {pages_max: 0}")
        scroll(folded, AT + 20_000, 90)
        self.assertEqual((pages(folded), len(row(folded)["scrolls"])), ([("/a", 60)], 1))
        folded.fold.define("session: {pages_max: 5}")
        scroll(folded, AT + 30_000, 70)
        self.assertEqual(pages(folded), [("/a", 70)])


class ScrollsHeld(unittest.TestCase):
    def test_of_a_minute_and_path_the_furthest_is_held_and_of_equals_the_earliest(self) -> None:
        # AT is at the beginning of a minute.
        told = ((0, 7), (59, 9), (20, 9), (60, 3))
        all_ = [Scroll(AT + second * 1_000, "/a", percent) for second, percent in told]
        for order in permutations(all_):
            self.assertEqual(held(order), [Scroll(AT + 20_000, "/a", 9), Scroll(AT + 60_000, "/a", 3)])
        # So of a view in the middle of the minute only what is held counts.
        self.assertEqual(furthest(all_[:3], [(AT, "/a", ""), (AT + 30_000, "/a", "")]), [9, None])

    def test_an_empty_path_is_a_path_like_any_other(self) -> None:
        pages_ = [(AT, "", ""), (AT, "/a", "")]
        self.assertEqual(furthest([Scroll(AT, "", 5), Scroll(AT, None, 3)], pages_), [5, 3])
        self.assertEqual(furthest([Scroll(AT, "", 5)], pages_[1:]), [None])

    def test_minutes_are_those_of_before_1970_too(self) -> None:
        all_ = [Scroll(-1, None, 1), Scroll(-60_000, None, 2), Scroll(-60_001, None, 3), Scroll(0, None, 4)]
        self.assertEqual([one.percent for one in held(all_)], [3, 2, 4])

    def test_of_too_many_the_least_go_by_minute_then_by_path(self) -> None:
        paths = (None, "", "/a", "/ä", "/\U0001f600")
        of_first = [Scroll(AT + 59_000 - place, path, 50) for place, path in enumerate(paths)]
        for more in range(SCROLLS_MAX - 5, SCROLLS_MAX + 3):
            later = [Scroll(AT + minute * MINUTE, None, 1) for minute in range(1, more + 1)]
            all_ = of_first + later
            Random(more).shuffle(all_)
            self.assertEqual(held(all_), (of_first + later)[-SCROLLS_MAX:], more)

    def test_what_is_too_much_of_a_visit_says_nothing_any_more(self) -> None:
        # Each minute says less than the one before it, and the first six of seventy are forgotten.
        steps: list[Step] = [(0, "/a", None), *((minute * 60, None, 100 - minute) for minute in range(70))]
        for seed in range(5):
            folded = walk(steps)
            self.assertEqual((pages(folded), len(row(folded)["scrolls"])), ([("/a", 94)], SCROLLS_MAX))
            Random(seed).shuffle(steps)

    def test_two_visits_that_become_one_hold_no_more_than_one(self) -> None:
        first: list[Step] = [(minute * 60, "/a", 90 - minute) for minute in range(50)]
        second: list[Step] = [(minute * 60, "/c", 180 - minute) for minute in range(100, 140)]
        between: list[Step] = [(0, "/a", None), (75 * 60, "/b", 1)]
        folded = walk(first + second + between)
        self.assertEqual((session(folded)["count"], len(row(folded)["scrolls"])), (1, SCROLLS_MAX))
        # Of 91 the first 27 are gone: the 28th was told in minute 27.
        self.assertEqual(pages(folded), [("/a", 63)])
        self.assertEqual(row(folded)["scrolls"], row(walk(between + second + first))["scrolls"])


class RowsOfScrolls(unittest.TestCase):
    """Rows of format 8 of a person of whom nothing else is known, written down byte by byte."""

    # Definitions 7, no flags, version 1, as of 100,000, and nothing but one visit.
    HEAD = b"\x07\0\0\0" + b"\0" + b"\1" + b"\xc0\x9a\x0c" + b"\0" * 14 + b"\0" * 3
    # Three on two pages, one of them on none: 2 s, 1 s and 0 s before.
    SCROLLS = b"\3" + b"\xa0\x1f\x32\1\1a" + b"\xd0\x0f\xbc" + b"\0\x05\0"
    READ = [[98_000, "a", 50], [99_000, "a", 60], [100_000, None, 5]]

    def test_a_row_tells_of_each_visit_how_far_it_was_scrolled(self) -> None:
        with_them = self.row(self.SCROLLS)
        self.assertEqual(with_them["scrolls"], self.READ)
        self.assertEqual([one["scrolls"] for one in with_them["previous"]], [[]])
        without = self.row(b"\0", self.SCROLLS)
        self.assertEqual((without["scrolls"], without["previous"][0]["scrolls"]), ([], self.READ))

    def row(self, current: bytes, previous: bytes = b"\0") -> dict[str, Any]:
        # Points, frequencies, orders, entry and pages; fires; a visit of no events, and none before that.
        before = b"\1" + b"\0" * 3 + b"\0\0" + previous + b"\0" + b"\0"
        return rows.profile_of(b"\x08" + self.HEAD + b"\0" * 5 + current + b"\0" + before)

    def test_rows_of_formats_that_nobody_knows_are_not_read(self) -> None:
        for format_ in (0, 1, 9):
            with self.assertRaises(Unreadable):
                rows.profile_of(bytes((format_,)) + self.HEAD)

    def test_of_a_message_id_the_high_bits_are_compared(self) -> None:
        folded = Folded("")
        folded.send("seen", AT)
        self.assertEqual(row(folded)["seen"], [(state.TEXT_HASH(b"m1") >> 8, AT)])
        seen = rows._Row(Bytes(b"\1" + (0x1122334455667788).to_bytes(8, "little") + b"\0"))._seen()
        self.assertEqual(seen, [(0x11223344556677, 0)])


if __name__ == "__main__":
    unittest.main()
