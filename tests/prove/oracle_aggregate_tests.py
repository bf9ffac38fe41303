"""Tests of what the oracle says of attributes that are no sums: small cases worked out by hand.

Run by oracle_tests.py.
"""

from __future__ import annotations

import unittest
from datetime import datetime, timezone
from typing import Any

from xxhash import xxh3_64_intdigest

from oracle import aggregates, rulebook
from oracle.book import MISSING
from oracle.days import EPOCH, Days
from oracle.document import ConfigurationError
from oracle.holdings import Bests, Frequencies, Mean, estimate
from oracle.render import profile_update
from oracle_stage import AT, HOUR, Folded


def said(folded: Folded, name: str) -> Any:
    profile = folded.fold.persons["user:ada"]
    at = profile.book.attribute_at[name]
    return aggregates.value(profile, at)


class Aggregates(unittest.TestCase):
    def test_the_largest_of_a_window_is_followed_by_the_next(self) -> None:
        folded = Folded("attributes: {dearest: {max: items.price, of: any, window: 3h, bucket: 1h}}")
        for hour, price in ((0, 9), (1, 4), (2, 5), (2, 1)):
            folded.send("product_viewed", AT + hour * HOUR, productId="p", price=price)
        self.assertEqual(said(folded, "dearest"), 9.0)
        held = folded.fold.persons["user:ada"].held[0]
        assert isinstance(held, Bests)
        rule = folded.fold.book.attributes[0]
        # 4 is older than 5, and 1 is less than it in its own hour.
        self.assertEqual(held.front(rule), [(AT, 9_000_000), (AT + 2 * HOUR, 5_000_000)])
        folded.pass_to(AT + 3 * HOUR)
        self.assertEqual(said(folded, "dearest"), 5.0)
        folded.pass_to(AT + 5 * HOUR)
        self.assertIs(said(folded, "dearest"), MISSING)

    def test_first_and_last_are_by_event_time(self) -> None:
        folded = Folded("attributes: {one: {first: x, of: any}, two: {last: x, of: any, window: 4h, bucket: 1h}}")
        for minutes, x in ((60, "b"), (0, "a"), (120, "d"), (90, "c"), (120, "e")):
            folded.send("seen", AT + minutes * 60_000, properties={"x": x})
        self.assertEqual((said(folded, "one"), said(folded, "two")), ("a", "e"))

    def test_a_mean_is_of_what_is_in_the_window(self) -> None:
        folded = Folded("attributes: {typical: {mean: x, of: any, window: 2h, bucket: 1h}}")
        folded.send("seen", AT, properties={"x": 1})
        folded.send("seen", AT + HOUR, properties={"x": 2.5})
        folded.send("seen", AT + HOUR, properties={"x": "no number"})
        self.assertEqual(said(folded, "typical"), 1.75)
        folded.pass_to(AT + 2 * HOUR)
        self.assertEqual(said(folded, "typical"), 2.5)
        self.assertIsInstance(folded.fold.persons["user:ada"].held[0], Mean)

    def test_a_list_has_the_latest_texts_and_a_top_the_most_frequent(self) -> None:
        folded = Folded("attributes: {list_: {list: x, of: any, most: 2}, top: {top: x, of: any, most: 2}}")
        for number, x in enumerate(("a", "b", "a", "c", True, 7, 0.5)):
            folded.send("seen", AT + number, properties={"x": x})
        self.assertEqual(said(folded, "list_"), ["7", "true"])
        self.assertEqual(said(folded, "top"), ["a", "7"])

    def test_of_too_many_texts_the_rarest_is_forgotten(self) -> None:
        folded = Folded("attributes: {usual: {most_frequent: x, of: any}}")
        for number in range(70):
            folded.send("seen", AT, properties={"x": ["often", f"v{number:02}"]})
        held = folded.fold.persons["user:ada"].held[0]
        assert isinstance(held, Frequencies)
        self.assertEqual((said(folded, "usual"), len(held.rings), "v62" in held.rings), ("often", 64, True))
        self.assertNotIn("v63", held.rings)

    def test_distinct_texts_are_estimated(self) -> None:
        folded = Folded("attributes: {variety: {distinct: x, of: any}}")
        for number in range(40):
            folded.send("seen", AT, properties={"x": f"v{number % 20}"})
        self.assertEqual((said(folded, "variety"), estimate([])), (20, 0))

    def test_the_time_since_an_event_rises_by_itself_up_to_its_end(self) -> None:
        folded = Folded(
            "attributes: {away: {since_last: login, step: 1h, up_to: 3h}}\n"
            "segments: {gone: {enter: attributes.away >= 2}}"
        )
        folded.send("page", AT)
        self.assertIs(said(folded, "away"), MISSING)
        folded.send("login", AT)
        folded.pass_to(AT + 9 * HOUR)
        self.assertEqual((said(folded, "away"), folded.fold.persons["user:ada"].due), (3, None))
        folded.send("login", AT + 10 * HOUR)
        self.assertEqual(folded.moves(), [("gone", "ENTERED", AT + 2 * HOUR), ("gone", "LEFT", AT + 10 * HOUR)])

    def test_gaps_are_filled_by_what_comes_late(self) -> None:
        folded = Folded("attributes: {lost: {gaps: n, of: any}}")
        for n, expected in ((1, 0), (4, 2), (2.5, 2), (0, 2), (3, 1), (2, 0), (2, 0)):
            folded.send("seen", AT, properties={"n": n})
            self.assertEqual(said(folded, "lost"), expected)

    def test_the_best_of_several_values_is_chosen_and_others_contradict_it(self) -> None:
        folded = Folded(
            "attributes: {seen: {last: x, of: seen, window: 2h, bucket: 1h}, bought: {last: x, of: bought},"
            " best: {coalesce: [traits.x, bought, seen]}}\n"
            "segments: {torn: {enter: \"'best' in profile.contradictions\"}, b: {enter: attributes.best == 'b'}}"
        )
        profile = lambda: folded.fold.persons["user:ada"]  # noqa: E731
        folded.send("other", AT)
        self.assertIs(said(folded, "best"), MISSING)
        self.assertEqual(aggregates.completeness(profile()), 0.0)
        folded.send("seen", AT, properties={"x": "a"})
        self.assertEqual((said(folded, "best"), aggregates.contradictions(profile())), ("a", []))
        folded.send("bought", AT, properties={"x": "b"})
        self.assertEqual((said(folded, "best"), aggregates.contradictions(profile())), ("b", ["best"]))
        folded.pass_to(AT + 2 * HOUR)
        self.assertEqual((said(folded, "best"), aggregates.contradictions(profile())), ("b", []))
        folded.send("identify", AT + 2 * HOUR, traits={"x": 7})
        self.assertEqual((said(folded, "best"), aggregates.contradictions(profile())), (7, ["best"]))
        self.assertEqual(aggregates.completeness(profile()), 2 / 3)
        moves = [(change["segment"], change["change"]) for change in folded.changes]
        self.assertEqual(
            moves,
            [("torn", "ENTERED"), ("b", "ENTERED"), ("torn", "LEFT"), ("torn", "ENTERED"), ("b", "LEFT")],
        )

    def test_a_customer_lapses_with_time_and_comes_back(self) -> None:
        folded = Folded(
            "attributes: {stage: {lifecycle: bought, at_risk_after: 2h, lapsed_after: 5h}}\n"
            "segments: {lost: {enter: attributes.stage == 'lapsed'}}"
        )
        folded.send("seen", AT)
        self.assertIs(said(folded, "stage"), MISSING)
        for hour, stage in ((0, "new"), (1, "active"), (6, "returning"), (7, "active")):
            folded.send("bought", AT + hour * HOUR)
            self.assertEqual(said(folded, "stage"), stage)
        folded.pass_to(AT + 9 * HOUR)
        self.assertEqual(said(folded, "stage"), "at_risk")
        # What is heard of late changes the time before the last, and so whether somebody came back.
        folded.send("bought", AT + 13 * HOUR)
        folded.send("bought", AT + 8 * HOUR)
        self.assertEqual(said(folded, "stage"), "returning")
        folded.send("bought", AT + 9 * HOUR)
        self.assertEqual(said(folded, "stage"), "active")
        moves = [("lost", "ENTERED", AT + 6 * HOUR), ("lost", "LEFT", AT + 6 * HOUR)]
        moves += [("lost", "ENTERED", AT + 12 * HOUR), ("lost", "LEFT", AT + 13 * HOUR)]
        self.assertEqual(folded.moves(), moves)

    def test_two_orders_of_one_instant_are_two(self) -> None:
        folded = Folded("attributes: {stage: {lifecycle: bought}}")
        folded.send("bought", AT)
        folded.send("bought", AT)
        self.assertEqual(said(folded, "stage"), "active")

    def test_new_definitions_are_heard_with_the_next_change(self) -> None:
        way = "segments: {lost: {enter: attributes.stage == 'lapsed'}}"
        folded = Folded("attributes: {stage: {lifecycle: bought}}\n" + way)
        folded.send("bought", AT)
        folded.send("seen", AT + 9 * HOUR)
        text = "attributes: {stage: {lifecycle: bought, at_risk_after: 1h, lapsed_after: 2h}}\n" + way
        folded.fold.define(text)
        self.assertEqual(folded.moves(), [])
        folded.send("seen", AT + 9 * HOUR + 1)
        self.assertEqual(folded.moves(), [("lost", "ENTERED", AT + 9 * HOUR + 1)])
        self.assertEqual(folded.changes[0]["definitions"], f"{xxh3_64_intdigest(text.encode()):016x}")

    def test_what_new_definitions_make_due_is_not_due_before_them(self) -> None:
        way = "segments: {quiet: {enter: attributes.views == 0}}"
        folded = Folded("attributes: {views: {count: view, window: 7h, bucket: 1h}}\n" + way)
        folded.send("view", AT)
        folded.pass_to(AT + 5 * HOUR)
        folded.fold.define("attributes: {views: {count: view, window: 3h, bucket: 1h}}\n" + way)
        folded.pass_to(AT + 5 * HOUR + 1)
        self.assertEqual(folded.moves(), [("quiet", "ENTERED", AT + 5 * HOUR)])

    def test_new_definitions_say_nothing_of_an_event_that_is_over(self) -> None:
        text = "segments: {hit: {enter: event.name == 'hit', for: 3h}}"
        folded = Folded(text)
        folded.send("hit", AT)
        folded.fold.define(text + " # the same")
        folded.pass_to(AT + 9 * HOUR)
        self.assertEqual(folded.moves(), [("hit", "ENTERED", AT + 3 * HOUR)])

    def test_a_day_that_begins_twice_begins_the_first_time(self) -> None:
        # One minute after midnight clocks went back to one minute after eleven.
        day = (datetime(2006, 10, 29, tzinfo=timezone.utc) - EPOCH).days
        begins = datetime(2006, 10, 29, 2, 30, tzinfo=timezone.utc).timestamp() * 1_000
        days = Days("America/St_Johns")
        self.assertEqual((days.begins(day), days.day(int(begins) + 120_000)), (begins, day))

    def test_a_way_is_as_long_as_its_steps_follow_each_other(self) -> None:
        folded = Folded("attributes: {way: {funnel: [view, add, buy], window: 4h, bucket: 1h}}")
        for minute, event, depth in ((9, "buy", 0), (5, "add", 0), (20, "view", 1), (1, "view", 3), (2, "add", 3)):
            folded.send(event, AT + minute * 60_000)
            self.assertEqual(said(folded, "way"), depth, (minute, event))
        self.assertEqual(folded.fold.persons["user:ada"].attribute_due(0), AT + 4 * HOUR)
        folded.pass_to(AT + 4 * HOUR)
        self.assertEqual(said(folded, "way"), 0)

    def test_days_are_those_of_a_place(self) -> None:
        folded = Folded(
            "attributes: {today: {count: seen, window: 1d, time_zone: Europe/Berlin},"
            " dearest: {max: x, of: seen, window: 2d, time_zone: Europe/Berlin}}"
        )
        # Sunday the 29th of March 2026 begins at 23:00 UTC and is 23 hours long; AT is the 5th of January, 10:00.
        march = AT + 82 * 24 * HOUR + 13 * HOUR
        for minute, x, count in ((-1, 9, 1), (0, 3, 1), (23 * 60 - 1, 2, 2)):
            folded.send("seen", march + minute * 60_000, properties={"x": x})
            self.assertEqual((said(folded, "today"), said(folded, "dearest")), (count, 9.0))
        folded.pass_to(march + 23 * HOUR)
        self.assertEqual((said(folded, "today"), said(folded, "dearest")), (0, 3.0))
        folded.pass_to(march + 47 * HOUR)
        self.assertIs(said(folded, "dearest"), MISSING)

    def test_a_score_is_the_mark_of_a_number(self) -> None:
        folded = Folded(
            "attributes: {away: {since_last: bought, step: 1h, up_to: 9h}, bought: {count: bought},\n"
            " recency: {score: away, thresholds: [2, 4], best: lowest}, often: {score: bought, thresholds: [1, 2]}}"
        )
        folded.send("seen", AT)
        self.assertEqual((said(folded, "recency"), said(folded, "often")), (MISSING, 1))
        folded.send("bought", AT)
        self.assertEqual((said(folded, "recency"), said(folded, "often")), (3, 2))
        folded.pass_to(AT + 4 * HOUR)
        self.assertEqual(said(folded, "recency"), 1)

    def test_who_is_gone_is_forgotten_and_comes_again_as_somebody_new(self) -> None:
        folded = Folded(
            "retention: 4d\nattributes: {views: {count: seen}}\nsegments: {keen: {enter: attributes.views > 0}}"
        )
        folded.send("seen", AT)
        folded.send("decision_request", AT + HOUR, properties={"requestId": "r", "slot": "s"})
        folded.pass_to(AT + 96 * HOUR - 1)
        self.assertEqual(said(folded, "views"), 1)
        folded.pass_to(AT + 96 * HOUR)
        profile = folded.fold.persons["user:ada"]
        self.assertEqual((profile.version, profile.seen, said(folded, "views")), (0, {}, 0))
        folded.send("seen", AT + 100 * HOUR)
        self.assertEqual(folded.fold.persons["user:ada"].version, 1)
        told = [(one["change"], one["at"], one["profile_version"]) for one in folded.changes]
        expected = [("ENTERED", AT, 1), ("LEFT", AT + 96 * HOUR, 3), ("ENTERED", AT + 100 * HOUR, 1)]
        self.assertEqual(told, expected)
        self.assertEqual(len({one["transition_id"] for one in folded.changes}), 3)

    def test_what_is_of_a_session_starts_afresh_with_it(self) -> None:
        folded = Folded(
            "attributes: {all: {count: any, scope: session}, most: {max: x, of: any, scope: session}}"
        )
        folded.send("seen", AT, properties={"x": 5})
        folded.send("seen", AT + 60_000, properties={"x": 3})
        self.assertEqual((said(folded, "all"), said(folded, "most")), (2, 5.0))
        folded.send("seen", AT + 2 * HOUR, properties={"x": 1})
        # What is late and of the session before does not count.
        folded.send("seen", AT + 120_000, properties={"x": 9})
        self.assertEqual((said(folded, "all"), said(folded, "most")), (1, 1.0))

    def test_a_call_stands_for_an_attribute(self) -> None:
        folded = Folded(
            "interests: {c: {facet: category, half_life: 24h, enter: 9, leave: 1, weights: {seen: 2.5}}}\n"
            "segments:\n  looks: {enter: \"count('seen', '7d', {category: 'a/b'}) >= 2\"}\n"
            "  drawn: {enter: \"affinity('c', 'a/b') >= 5\"}\n"
            "  away: {enter: \"since('seen') >= 2 && in_segment('looks')\", leave: \"since('seen') < 2\"}"
        )
        names = [one.name for one in folded.fold.book.attributes]
        self.assertEqual(names, ["count_seen_7d_category_a_b_b722a5df", "affinity_c_a_b_cec294dd", "since_seen"])
        for minute, category in enumerate(("a/b", "z", "a/b")):
            folded.send("seen", AT + minute * 60_000, productId="p", category=category)
        self.assertEqual((said(folded, names[0]), said(folded, names[1])), (2, 5))
        folded.send("other", AT + 49 * HOUR)
        told = [(one["segment"], one["change"], one["at"] - AT) for one in folded.changes]
        expected = [
            ("looks", "ENTERED", 120_000), ("drawn", "ENTERED", 120_000), ("drawn", "LEFT", HOUR),
            ("away", "ENTERED", 120_000 + 48 * HOUR),
        ]  # fmt: skip
        self.assertEqual(told, expected)
        self.assertEqual(said(folded, names[1]), 1)

    def test_what_is_not_believed_for_ever_is_stale_and_then_says_nothing(self) -> None:
        folded = Folded(
            "attributes: {last: {last: x, of: any, stale_after: 1h, expires_after: 3h}}\n"
            "segments: {big: {enter: attributes.last > 4}}"
        )
        folded.send("seen", AT, properties={"x": 5})
        for hours, status, value, due in ((0, "PRESENT", 5.0, 1), (1, "STALE", 5.0, 3), (3, "EXPIRED", 0.0, None)):
            folded.pass_to(AT + hours * HOUR)
            update = profile_update("user:ada", folded.fold.persons["user:ada"], {})
            said_ = [update["attributes"][0][key] for key in ("status", "value", "valid_until")]
            self.assertEqual(said_, [status, value, due and AT + due * HOUR])
            self.assertEqual(update["segments"][0]["valid_until"], due and AT + due * HOUR)

    def test_what_can_not_be_is_refused(self) -> None:
        for attribute in (
            "{max: items.category, of: any}",
            "{top: items.price, of: any}",
            "{max: x}",
            "{first: items.colour, of: any}",
            "{since_last: login, window: 1d}",
            "{count: login, scope: session, window: 1d}",
            "{since_last: login, step: 7m, up_to: 1h}",
            "{max: x, of: any, most: 3}",
            "{lifecycle: login, lapsed_after: 30d}",
            "{lifecycle: login, window: 90d}",
            "{funnel: [login]}",
            "{count: login, time_zone: Europe/Berlin}",
            "{count: login, window: 36h, time_zone: Europe/Berlin}",
            "{count: login, window: 1d, time_zone: Europe/Nowhere}",
            "{score: a, thresholds: [1]}",
            "{count: login, thresholds: [1]}",
        ):
            with self.assertRaises(ConfigurationError, msg=attribute):
                rulebook.of_text(f"attributes: {{a: {attribute}}}")
