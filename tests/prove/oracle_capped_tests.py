"""Tests of what the oracle says is held at its limit: each kind by itself, in order, and as of when.

Run by oracle_tests.py.
"""

from __future__ import annotations

import unittest

from oracle.holdings import FREQUENCIES_MAX
from oracle.render import profile_update
from oracle.report import Report
from oracle.schemas import Schemas
from oracle.updates import Updates
from oracle_stage import AT, HOUR, Folded

MINUTE = 60_000


def capped(folded: Folded) -> list[str]:
    return list(profile_update("user:ada", folded.fold.persons["user:ada"], {})["capped"])


def identify(folded: Folded, *traits: int) -> None:
    folded.send("identify", AT, traits={f"t{number}": 1 for number in traits})


def request(folded: Folded, at: int) -> None:
    folded.send("decision_request", at, requestId="r", slot="s")


class HeldAtItsLimit(unittest.TestCase):
    def test_message_ids_within_the_horizon_of_the_last_change(self) -> None:
        folded = Folded(
            "dedupe: {ids_max: 3, horizon: 1h}\nattributes: {views: {count: seen, window: 3h, bucket: 1h}}"
        )
        for minute, expected in ((0, []), (1, []), (2, ["message_ids"]), (3, ["message_ids"])):
            folded.send("seen", AT + minute * MINUTE)
            self.assertEqual(capped(folded), expected, minute)
        # The end of the visit is no message, and within the horizon; the end of the window is long after it.
        folded.pass_to(AT + 40 * MINUTE)
        self.assertEqual(capped(folded), ["message_ids"])
        folded.pass_to(AT + 3 * HOUR)
        self.assertEqual((capped(folded), len(folded.fold.persons["user:ada"].seen)), ([], 3))

    def test_the_horizon_itself_is_within_it(self) -> None:
        folded = Folded("dedupe: {ids_max: 2, horizon: 1h}")
        folded.send("seen", AT)
        folded.send("seen", AT + HOUR)
        self.assertEqual(capped(folded), ["message_ids"])
        folded.send("seen", AT + 2 * HOUR + 1)
        self.assertEqual(capped(folded), [])

    def test_traits(self) -> None:
        folded = Folded("")
        identify(folded, *range(63))
        self.assertEqual(capped(folded), [])
        identify(folded, 63)
        self.assertEqual(capped(folded), ["traits"])
        identify(folded, 64)
        self.assertEqual((capped(folded), len(folded.fold.persons["user:ada"].traits)), (["traits"], 64))

    def test_orders_that_have_an_id(self) -> None:
        folded = Folded("dedupe: {ids_max: 1000}")
        folded.send("order_completed", AT, properties={"value": 5})
        for number in range(257):
            self.assertEqual(capped(folded), ["orders"] if number == 256 else [], number)
            folded.send("order_completed", AT, orderId=f"o{number}", value=5)
        self.assertEqual(capped(folded), ["orders"])

    def test_values_of_an_interest_however_little_they_are_liked(self) -> None:
        folded = Folded(
            "interests:\n  c: {facet: category, enter: 9, values_max: 2, weights: {seen: 1, shunned: -1}}\n"
            "  b: {facet: brand, enter: 9, values_max: 1, weights: {seen: 1}}"
        )
        folded.send("seen", AT, productId="p", category="a")
        self.assertEqual(capped(folded), [])
        folded.send("shunned", AT, productId="p", category="b", brand="x")
        self.assertEqual(capped(folded), ["interests.c"])
        folded.send("seen", AT, productId="p", category="c", brand="x")
        self.assertEqual(capped(folded), ["interests.c", "interests.b"])
        # By definitions that allow more they are not at it, by some that allow less they are beyond it.
        text = "interests: {{c: {{facet: category, enter: 9, values_max: {}, weights: {{seen: 1}}}}}}"
        for values_max, expected in ((3, []), (2, ["interests.c"]), (1, ["interests.c"])):
            folded.fold.define(text.format(values_max))
            folded.send("other", AT)
            self.assertEqual(capped(folded), expected)

    def test_values_that_are_counted_as_long_as_they_are(self) -> None:
        folded = Folded(
            "attributes:\n  usual: {most_frequent: x, of: any, window: 3h, bucket: 1h}\n"
            "  all: {list: x, of: any, most: 64}\n"
            "  best: {top: x, of: any}\n  some: {distinct: x, of: any}\n  last: {last: x, of: any}"
        )
        folded.send("seen", AT, properties={"x": [f"v{number}" for number in range(63)]})
        self.assertEqual(capped(folded), [])
        folded.send("seen", AT + HOUR, properties={"x": "v63"})
        self.assertEqual(capped(folded), ["attributes.usual", "attributes.best"])
        folded.send("seen", AT + HOUR, properties={"x": "v64"})
        self.assertEqual(capped(folded), ["attributes.usual", "attributes.best"])
        folded.pass_to(AT + 3 * HOUR)
        self.assertEqual(capped(folded), ["attributes.best"])

    def test_values_that_are_counted_in_a_session_are_those_of_the_current_one(self) -> None:
        folded = Folded("attributes: {usual: {most_frequent: x, of: any, scope: session}}")
        halves = [[f"v{number}" for number in range(start, start + 32)] for start in (0, 32)]
        for late, values in ((0, halves[0] + halves[1]), (HOUR, halves[0])):
            folded.send("seen", AT + late, properties={"x": values})
            self.assertEqual(capped(folded), [] if late else ["attributes.usual"])
        # The visit before counts more, and what makes the two one brings them together.
        folded.send("seen", AT + MINUTE, properties={"x": ["more"]})
        self.assertEqual(capped(folded), [])
        folded.send("seen", AT + HOUR // 2, properties={"x": 0.5})
        self.assertEqual(capped(folded), ["attributes.usual"])

    def test_of_several_each_in_its_order(self) -> None:
        folded = Folded(
            "dedupe: {ids_max: 256}\nattributes:\n  zoo: {top: x, of: any}\n  ant: {top: x, of: any}\n"
            "interests:\n  z: {facet: category, enter: 9, values_max: 1, weights: {seen: 1}}\n"
            "  a: {facet: brand, enter: 9, values_max: 1, weights: {seen: 1}}"
        )
        identify(folded, *range(64))
        values = [f"v{number}" for number in range(FREQUENCIES_MAX)]
        folded.send("seen", AT, properties={"x": values, "productId": "p", "category": "c", "brand": "b"})
        for number in range(256):
            folded.send("order_completed", AT, orderId=f"o{number}")
        names = ["interests.z", "interests.a", "attributes.zoo", "attributes.ant"]
        self.assertEqual(capped(folded), ["message_ids", "traits", "orders", *names])


class CappedUpdates(unittest.TestCase):
    """The update of a change is written at the commit, after requests that may follow it, and does not show them."""

    def test_requests_change_nothing_that_is_told(self) -> None:
        folded = Folded("dedupe: {ids_max: 3, horizon: 1h}")
        folded.send("seen", AT)
        request(folded, AT)
        request(folded, AT)
        self.assertEqual((capped(folded), len(folded.fold.persons["user:ada"].seen)), ([], 3))
        folded.send("seen", AT)
        self.assertEqual(capped(folded), ["message_ids"])
        request(folded, AT + 3 * HOUR)
        self.assertEqual((capped(folded), len(folded.fold.persons["user:ada"].seen)), (["message_ids"], 1))

    def test_another_page_or_percent_is_found(self) -> None:
        folded = Folded("")
        folded.send("page_viewed", AT, path="/a")
        folded.send("engagement", AT, properties={"scroll_pct": 40})
        profile = folded.fold.persons["user:ada"]
        updates = Updates("profile-updates", 0, Schemas("http://nowhere"), Report())
        for percent, said in (
            (40, None),
            (41, "session.pages[0].scroll_pct: expected 40 found 41"),
            (None, "session.pages[0].scroll_pct: expected 40 found None"),
        ):
            found = profile_update("user:ada", profile, {})
            found["session"]["pages"][0]["scroll_pct"] = percent
            self.assertEqual(updates._difference("user:ada", profile, folded.fold, found), said)
        del found["session"]["pages"][0]["scroll_pct"]
        self.assertIsNotNone(updates._difference("user:ada", profile, folded.fold, found))


if __name__ == "__main__":
    unittest.main()
