"""Tests of the oracle itself: small cases worked out by hand from the documentation, the README's example.

python tests/prove/oracle_tests.py
"""

from __future__ import annotations

import unittest
from typing import Any

from oracle import contents
from oracle.aliases import Aliases
from oracle.clock import instant
from oracle.event import Content
from oracle.fold import Fold
from oracle.wire import Reader
from oracle_aggregate_tests import Aggregates
from oracle_capped_tests import CappedUpdates, HeldAtItsLimit
from oracle_checking_tests import Checking
from oracle_debezium_tests import ConfiguredTables, IdsOfChanges, ScenariosOfTheProduct, TableChanges
from oracle_lateness_tests import LatenessBySource, Receipts
from oracle_lift_tests import Lifts, SiteRecords
from oracle_reading_tests import Conditions, Configurations, Reading
from oracle_schema_tests import CanonicalForm, ConfiguredSchemas, DemandsOfSchemas, Upcasts, VersionsOfSchemas
from oracle_scroll_tests import RowsOfScrolls, ScrolledPages, ScrollsHeld, ScrollsTold
from oracle_sources_tests import LettersFound, SourceRecords
from oracle_stage import AT, HOUR, README, Folded, configuration
from oracle_status_tests import StatusesFound
from oracle_trust_tests import TrustInDecisions, TrustInOtherAttributes, TrustInSegments, TrustInSums

__all__ = [
    "Aggregates",
    "CanonicalForm",
    "CappedUpdates",
    "Checking",
    "Conditions",
    "Configurations",
    "ConfiguredSchemas",
    "ConfiguredTables",
    "DemandsOfSchemas",
    "Folding",
    "HeldAtItsLimit",
    "IdsOfChanges",
    "LatenessBySource",
    "LettersFound",
    "Lifts",
    "Reading",
    "Receipts",
    "RowsOfScrolls",
    "ScenariosOfTheProduct",
    "ScrolledPages",
    "ScrollsHeld",
    "ScrollsTold",
    "SiteRecords",
    "SourceRecords",
    "StatusesFound",
    "TableChanges",
    "TheReadmesExample",
    "TrustInDecisions",
    "TrustInOtherAttributes",
    "TrustInSegments",
    "TrustInSums",
    "Upcasts",
    "VersionsOfSchemas",
]


class TheReadmesExample(unittest.TestCase):
    """The README shows what comes out of its example, with ids."""

    def test_decisions_and_segments(self) -> None:
        told = configuration(README)
        emitted: list[dict[str, Any]] = []
        fold = Fold(told.book, [], lambda kind, person, record: emitted.append(record))
        for content in (
            b'{"contentId":"hero-shoes","weights":{"shoes":1.0},"baseWeight":0.5}',
            b'{"contentId":"hero-tents","weights":{"tents":1.0},"baseWeight":0.4}',
            b'{"contentId":"hero-sale","weights":{},"baseWeight":0.9}',
        ):
            fold.content(contents.read(None, content))  # type: ignore[arg-type]
        reader = Reader("clickstream", "automatic", "by_kind", 1 << 20, Aliases(told))
        for line in (
            '{"type":"track","event":"Product Viewed","messageId":"m1","userId":"ada",'
            '"timestamp":"2026-01-05T10:00:00Z","properties":{"productId":"p1","category":"shoes","price":59.9,"currency":"EUR"}}',
            '{"name":"view_item","user_id":"ada","event_id":"m2","timestamp":"2026-01-05T10:01:00Z","params":{"items":[{"item_id":"p2","item_category":"shoes"}]}}',
            '{"event":"add_to_cart","productId":"p3","category":"tents","timestamp":"2026-01-05T10:02:00Z","userId":"ada","messageId":"m3"}',
            '{"type":"track","event":"decision_request","messageId":"m4","userId":"ada","timestamp":"2026-01-05T10:03:00Z","properties":{"requestId":"page-77","slot":"home_hero"}}',
            '{"type":"page","messageId":"m9","userId":"bob","timestamp":"2026-01-06T10:30:00Z","context":{"page":{"path":"/"}}}',
        ):
            fold.event(reader.read(line.encode(), AT + 48 * HOUR))
        fold.settle_all()
        decisions = [record for record in emitted if "decision_id" in record]
        self.assertEqual(
            [one["decision_id"] for one in decisions],
            ["aa7f7701-93e7-5a07-b75a-4f3ee7981a01", "9ddbb140-ac89-52af-bbd8-631056a800d8"],
        )
        best = decisions[0]["ranked"][0]
        self.assertEqual((best["content_id"], best["score"]), ("hero-tents", 0.6))
        self.assertEqual(best["reasons"][0]["evidence"], "category tents: share 0.600, score 3.000, 1 events")
        self.assertEqual((decisions[0]["ladder"], decisions[0]["profile_version"]), ("PERSONAL", 3))
        self.assertIn("score 2.717", decisions[1]["ranked"][0]["reasons"][0]["evidence"])
        ada = fold.persons["user:ada"]
        self.assertEqual((ada.version, ada.events, ada.totals), (5, 3, [2]))
        self.assertEqual(ada.due, instant("2026-01-09T13:00:00Z", "$"))
        self.assertEqual(ada.recent, ["p3", "p2", "p1"])


class Folding(unittest.TestCase):
    def test_a_window_holds_its_whole_buckets_and_falls_by_itself(self) -> None:
        folded = Folded("attributes: {views: {count: product_viewed, window: 3h, bucket: 1h}}")
        folded.send("product_viewed", AT + HOUR // 2)
        folded.send("product_viewed", AT + HOUR)
        profile = folded.fold.persons["user:ada"]
        self.assertEqual(profile.totals, [2])
        folded.pass_to(AT + 3 * HOUR - 1)
        self.assertEqual(profile.totals, [2])
        folded.pass_to(AT + 3 * HOUR)
        self.assertEqual(profile.totals, [1])
        folded.pass_to(AT + 4 * HOUR)
        self.assertEqual(profile.totals, [0])

    def test_late_events_count_for_the_lifetime_only(self) -> None:
        folded = Folded("lateness: 1h\nattributes: {week: {count: any, window: 7d}, ever: {count: any}}")
        folded.send("login", AT + HOUR)
        folded.send("login", AT)
        folded.send("login", AT - 1)
        self.assertEqual(folded.fold.persons["user:ada"].totals, [2, 3])
        self.assertEqual(folded.fold.persons["user:ada"].visit.events, 1)

    def test_what_is_heard_of_late_belongs_to_the_visit_that_it_was_in(self) -> None:
        text = "attributes: {all: {count: any, scope: session}, most: {max: x, of: any, scope: session}}"
        folded = Folded(text)
        minutes = [300, 0, 280, 20, 200, 25, 180, 225, 252, 40, 100]
        expected = [
            (1, None, (300, 1), 1),
            (2, (0, 1), (300, 1), 1),
            (2, (0, 1), (280, 2), 2),
            (2, (0, 2), (280, 2), 2),
            (3, (200, 1), (280, 2), 2),
            (3, (200, 1), (280, 2), 2),
            (3, (180, 2), (280, 2), 2),
            (3, (180, 3), (280, 2), 2),
            (2, None, (180, 6), 6),
            (2, None, (180, 6), 6),
            (3, (100, 1), (180, 6), 6),
        ]
        for minute, (count, previous, current, counted) in zip(minutes, expected, strict=True):
            folded.send("login", AT + minute * 60_000, properties={"x": minute})
            profile = folded.fold.persons["user:ada"]
            held = [one and ((one.start - AT) // 60_000, one.events) for one in (profile.previous, profile.visit)]
            self.assertEqual((profile.session_count, *held), (count, previous, current))
            self.assertEqual(profile.totals[0], counted)
        folded.send("login", AT + 300 * 60_000 + 73 * HOUR)
        self.assertIsNone(folded.fold.persons["user:ada"].previous)

    def test_two_visits_that_were_one_have_the_pages_of_both(self) -> None:
        folded = Folded("attributes: {ever: {count: any}}")
        for minute, path in ((0, "/a"), (10, "/b"), (60, "/c"), (35, "/d")):
            folded.send("page_viewed", AT + minute * 60_000, path=path)
        visit = folded.fold.persons["user:ada"].visit
        self.assertEqual([path for _, path, _ in visit.pages], ["/a", "/b", "/d", "/c"])
        self.assertEqual((visit.entry or ("",) * 3)[1], "/a")

    def test_where_visits_do_not_extend_back_an_event_before_them_is_of_none(self) -> None:
        folded = Folded("session: {extends_back: false}\nattributes: {ever: {count: any}}")
        for minute in (30, 0, 31):
            folded.send("login", AT + minute * 60_000)
        profile = folded.fold.persons["user:ada"]
        found = (profile.session_count, profile.visit.events, profile.visit.start, profile.previous)
        self.assertEqual(found, (1, 2, AT + 30 * 60_000, None))

    def test_values_that_are_paths_roll_up(self) -> None:
        folded = Folded(
            "interests: {c: {facet: category, half_life: 7d, enter: 3, roll_up: /, weights: {seen: 1}}}"
        )
        for category in ("a/b", "a//c", "/d"):
            folded.send("seen", AT, productId="p", category=category)
        profile = folded.fold.persons["user:ada"]
        shares = [(value, score, share) for value, _, score, share in profile.shares(0, AT // HOUR)]
        self.assertEqual(
            shares, [("/d", 1.0, 0.5), ("a", 2.0, 1.0), ("a/", 1.0, 0.5), ("a//c", 1.0, 0.5), ("a/b", 1.0, 0.5)]
        )

    def test_a_message_counts_once_within_the_horizon(self) -> None:
        folded = Folded("dedupe: {horizon: 1h, ids_max: 2}\nattributes: {all: {count: any}}")
        for number, at in ((1, 0), (1, HOUR), (1, HOUR + 1), (2, HOUR + 1), (3, HOUR + 1), (1, HOUR + 2)):
            folded.sent = number - 1
            folded.send("login", AT + at)
        # The second is a duplicate, the third is outside the horizon, the last was pushed out by two others.
        self.assertEqual(folded.fold.persons["user:ada"].totals, [5])

    def test_an_absence_is_entered_when_due_and_left_by_what_was_missed(self) -> None:
        folded = Folded("segments: {left_cart: {after: product_added, without: order_completed, for: 24h}}")
        folded.send("product_added", AT)
        folded.send("product_added", AT + HOUR)
        folded.pass_to(AT + 24 * HOUR - 1)
        self.assertEqual(folded.moves(), [])
        folded.pass_to(AT + 30 * HOUR)
        folded.send("order_completed", AT + 31 * HOUR, orderId="o1")
        entered = ("left_cart", "ENTERED", AT + 24 * HOUR)
        self.assertEqual(folded.moves(), [entered, ("left_cart", "LEFT", AT + 31 * HOUR)])
        self.assertEqual([one["message_id"] is None for one in folded.changes], [True, False])

    def test_a_condition_must_hold_for_its_time_and_has_two_thresholds(self) -> None:
        folded = Folded(
            "attributes: {views: {count: product_viewed, window: 10h, bucket: 1h}}\n"
            "segments: {keen: {enter: attributes.views >= 2, leave: attributes.views < 1, for: 2h}}"
        )
        folded.send("product_viewed", AT)
        folded.send("product_viewed", AT + HOUR)
        folded.pass_to(AT + 20 * HOUR)
        self.assertEqual(
            folded.moves(), [("keen", "ENTERED", AT + 3 * HOUR), ("keen", "LEFT", AT + 11 * HOUR)]
        )

    def test_a_tag_comes_at_its_threshold_and_goes_by_decay(self) -> None:
        folded = Folded(
            "interests: {category: {facet: category, half_life: 2h, enter: 2, leave: 1.5, as_segments: true,"
            " weights: {product_viewed: 1}}}"
        )
        folded.send("product_viewed", AT, productId="p", category="hats")
        folded.send("product_viewed", AT, productId="p", category="hats")
        folded.pass_to(AT + HOUR)
        # 2 * 2^-(1/2) = 1.414 is below 1.5 one hour later already.
        expected = [("category:hats", "ENTERED", AT), ("category:hats", "LEFT", AT + HOUR)]
        self.assertEqual(folded.moves(), expected)

    def test_an_older_event_adds_its_weight_already_decayed(self) -> None:
        folded = Folded(
            "interests: {c: {facet: item, half_life: 1h, enter: 9, weights: {product_viewed: 4}}}"
        )
        folded.send("product_viewed", AT + 2 * HOUR, productId="p")
        folded.send("product_viewed", AT, productId="p")
        self.assertEqual(folded.fold.persons["user:ada"].affinities[0]["p"].score, 5.0)

    def test_a_session_ends_one_millisecond_after_its_gap(self) -> None:
        folded = Folded("session: {gap: 30m}\nsegments: {here: {enter: session.open}}")
        folded.send("login", AT)
        folded.send("login", AT + 1_800_000)
        folded.pass_to(AT + 2 * HOUR)
        self.assertEqual(folded.moves(), [("here", "ENTERED", AT), ("here", "LEFT", AT + 3_600_001)])
        self.assertEqual(folded.fold.persons["user:ada"].session_count, 1)

    def test_an_order_counts_once_whoever_tells_of_it_and_a_refund_is_taken_off(self) -> None:
        folded = Folded("attributes: {spent: {value: order_completed}}")
        for _ in range(2):
            folded.send("purchase", AT, ecommerce={"transaction_id": "o1", "value": 10, "currency": "EUR"})
        folded.send("refund", AT, ecommerce={"transaction_id": "o1", "value": "2.50", "currency": "EUR"})
        profile = folded.fold.persons["user:ada"]
        self.assertEqual((profile.orders, profile.revenue, profile.totals), (1, {"EUR": 750}, [1000]))
        self.assertEqual(profile.version, 3)

    def test_a_rule_fires_so_often_only_and_one_of_a_group_at_a_time(self) -> None:
        folded = Folded(
            "interests: {c: {facet: category, enter: 1, weights: {x: 1}}}\n"
            "slots: {s: {interest: c, fallback: [w]}}\n"
            "rules:\n"
            "  first: {on: {event: login}, decide: s, group: g, max_fires: {count: 2, per: 3h}}\n"
            "  second: {on: {event: login}, decide: s, group: g}\n"
        )
        for hour in (0, 1, 2, 3, 4):
            folded.send("login", AT + hour * HOUR)
        rules = [one["cause"]["rule"] for one in folded.decisions]
        # After three hours the first fire is over, after four the second.
        self.assertEqual(rules, ["first", "first", "second", "first", "first"])

    def test_rules_set_one_another_off_four_times_and_the_person_still_moves(self) -> None:
        folded = Folded(
            "interests: {c: {facet: category, enter: 1, weights: {x: 1}}}\n"
            "slots: {s: {interest: c, fallback: [w]}}\n"
            "segments: {on: {enter: traits.mark == 1}}\n"
            "rules:\n"
            "  first: {on: {event: login}, set: {mark: 1}}\n"
            "  off: {on: {entered: on}, set: {mark: 0.5}, decide: s}\n"
            "  again: {on: {left: on}, set: {mark: 1}}\n"
        )
        folded.send("login", AT)
        self.assertEqual([change for _, change, _ in folded.moves()], ["ENTERED", "LEFT", "ENTERED", "LEFT"])
        self.assertEqual(len({one["transition_id"] for one in folded.changes}), 4)
        self.assertEqual(len({one["decision_id"] for one in folded.decisions}), 2)
        self.assertEqual(folded.fold.persons["user:ada"].traits, {"mark": 0.5})
        folded.send("login", AT, properties={"x": 1})
        self.assertEqual(len(folded.changes), 8)

    def test_a_rule_rests_after_it_fired_and_leaves_old_events_alone(self) -> None:
        folded = Folded(
            "interests: {c: {facet: category, enter: 1, weights: {x: 1}}}\n"
            "slots: {s: {interest: c, fallback: [w]}}\n"
            "rules: {r: {on: {event: login}, when: event.name == 'login', decide: s, cooldown: 1h,"
            " event_age_max: 30m}}"
        )
        for at in (0, HOUR - 1, HOUR, 3 * HOUR, 3 * HOUR - 1_800_001):
            folded.send("login", AT + at)
        self.assertEqual([one["at"] - AT for one in folded.decisions], [0, HOUR, 3 * HOUR])
        self.assertEqual([one["ladder"] for one in folded.decisions], ["FALLBACK"] * 3)

    def test_what_is_due_before_a_change_of_content_does_not_see_it(self) -> None:
        folded = Folded(
            "interests: {c: {facet: category, enter: 1, weights: {x: 1}}}\nslots: {s: {interest: c}}\n"
            "segments: {gone: {after: login, without: logout, for: 1h}}\n"
            "rules: {r: {on: {entered: gone}, decide: s}}",
            [Content("old", [], [], 1.0, None, None, None)],
        )
        folded.send("login", AT)
        folded.send("heartbeat", AT + HOUR, user="clock")
        folded.fold.content(Content("new", [], [], 2.0, None, None, None))
        self.assertEqual([one["ranked"][0]["content_id"] for one in folded.decisions], ["old"])

    def test_who_saw_or_bought_a_product_is_not_shown_it(self) -> None:
        tiles = [Content(f"t{n}", [], [("hats", 1.0 - n / 10)], 0.0, f"p{n}", None, None) for n in range(3)]
        folded = Folded(
            "interests: {c: {facet: category, enter: 9, weights: {product_viewed: 1}}}\n"
            "slots: {s: {interest: c, items: 2, exclude_bought: true}}",
            tiles,
        )
        folded.send("product_viewed", AT, productId="p0", category="hats")
        folded.send("order_completed", AT, orderId="o", products=["p1"])
        folded.send("decision_request", AT, requestId="r", slot="s")
        answer = folded.decisions[0]
        self.assertEqual([one["content_id"] for one in answer["ranked"]], ["t2"])
        said = [(one["content_id"], one["reason"]) for one in answer["excluded"]]
        # The order's items are recent items too, by default; recent is looked at first.
        self.assertEqual(said, [("t0", "recent"), ("t1", "recent")])


if __name__ == "__main__":
    unittest.main()
