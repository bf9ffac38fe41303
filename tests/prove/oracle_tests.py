"""Tests of the oracle itself: small cases worked out by hand from the documentation, and the README's example.

    python tests/prove/oracle_tests.py
"""

from __future__ import annotations

import json
import unittest
from array import array
from typing import Any

from oracle import cel, condition, contents, postcard, rulebook
from oracle.aliases import Aliases, snake_case
from oracle.clock import instant
from oracle.compare import Tolerated, difference
from oracle.configuration import Configuration, _read
from oracle.decide import stable_id
from oracle.document import ConfigurationError, parse
from oracle.event import Content, Event
from oracle.fold import Fold
from oracle.interleaving import Interleaving
from oracle.murmur2 import murmur2, partition_of
from oracle.reject import Reject
from oracle.report import Report
from oracle.section import Section
from oracle.transactions import Transactions
from oracle.wire import Reader

AT = 1_767_607_200_000  # 2026-01-05T10:00:00Z
HOUR = 3_600_000
README = """
application: shop
kafka: {bootstrap: localhost:9092}
registry: {url: http://localhost:8081}
sources:
  - {topic: clickstream, format: json}
catalogue: {topic: content}
topics: {partitions: 1, replication: 1}
attributes:
  views_7d: {count: product_viewed, window: 7d}
interests:
  category: {facet: category, half_life: 7d, enter: 3, leave: 2,
    weights: {product_viewed: 1, product_added: 3, order_completed: 5}}
segments:
  cart_abandoner: {after: product_added, without: order_completed, for: 24h}
rules:
  rescue_cart: {on: {entered: cart_abandoner}, decide: home_hero}
slots:
  home_hero: {items: 2, interest: category, fallback: [welcome]}
"""


def configuration(text: str) -> Configuration:
    return _read(Section(parse(text, "test"), ""))


class Folded:
    """A fold with what it emits."""

    def __init__(self, definitions: str, contents_: list[Content] | None = None) -> None:
        self.decisions: list[dict[str, Any]] = []
        self.changes: list[dict[str, Any]] = []
        self.fold = Fold(rulebook.of_text(definitions), contents_ or [], self._emit)
        self.reader = Reader("events", "trust", "by_kind", 1 << 20, Aliases())
        self.sent = 0

    def _emit(self, kind: str, person: str, record: dict[str, Any]) -> None:
        (self.decisions if kind == "decision" else self.changes).append(record)

    def send(self, event: str, at: int, user: str = "ada", **said: Any) -> None:
        self.sent += 1
        record = {"messageId": f"m{self.sent}", "event": event, "userId": user, "timestamp": at, **said}
        self.fold.event(self.reader.read(json.dumps(record).encode(), at))

    def pass_to(self, at: int) -> None:
        """Somebody else's event brings the time on, and everything that is due is settled."""
        self.send("heartbeat", at, user="clock")
        self.fold.settle_all()

    def moves(self) -> list[tuple[str, str, int]]:
        mine = [one for one in self.changes if one["person"] == "user:ada"]
        return [(one["segment"], one["change"], one["at"]) for one in mine]


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
            '{"type":"track","event":"Product Viewed","messageId":"m1","userId":"ada","timestamp":"2026-01-05T10:00:00Z","properties":{"productId":"p1","category":"shoes","price":59.9,"currency":"EUR"}}',
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
        self.assertEqual(folded.fold.persons["user:ada"].session_events, 1)

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
        self.assertEqual(folded.moves(), [("keen", "ENTERED", AT + 3 * HOUR), ("keen", "LEFT", AT + 11 * HOUR)])

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
        folded = Folded("interests: {c: {facet: item, half_life: 1h, enter: 9, weights: {product_viewed: 4}}}")
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

    def test_a_rule_rests_after_it_fired_and_leaves_old_events_alone(self) -> None:
        folded = Folded(
            "interests: {c: {facet: category, enter: 1, weights: {x: 1}}}\nslots: {s: {interest: c, fallback: [w]}}\n"
            "rules: {r: {on: {event: login}, when: event.name == 'login', decide: s, cooldown: 1h, event_age_max: 30m}}"
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


class Reading(unittest.TestCase):
    def read(self, value: str | bytes, clock: str = "trust") -> Event:
        data = value if isinstance(value, bytes) else value.encode()
        return Reader("clicks", clock, "by_kind", 1 << 20, Aliases()).read(data, AT)

    def reject(self, value: str | bytes) -> tuple[str, str]:
        with self.assertRaises(Reject) as caught:
            self.read(value)
        return caught.exception.code, caught.exception.path

    def test_spellings_of_one_call(self) -> None:
        for call in (
            '{"type":"track","event":"Product Added","messageId":"m","userId":"u","timestamp":1767607200,"properties":{"product_id":"p"}}',
            '{"event":"add_to_cart","productId":"p","messageId":"m","userId":"u","timestamp":"2026-01-05T10:00:00Z"}',
            '{"name":"addToCart","event_id":"m","user_id":"u","timestamp_micros":"1767607200000000","params":{"items":["p"]}}',
        ):
            event = self.read(call)
            self.assertEqual((event.name, event.person, event.timestamp), ("product_added", "user:u", AT))
            self.assertEqual(event.items, [("p", None, None, None, 1)])

    def test_a_device_clock_is_corrected_where_the_record_says_when_it_was_received(self) -> None:
        said = '{"event":"a","userId":"u","timestamp":"2026-01-05T09:00:00Z","sentAt":"2026-01-05T09:00:02Z","receivedAt":"2026-01-05T10:00:02Z"}'
        self.assertEqual(self.read(said, "automatic").timestamp, AT)
        self.assertEqual(self.read(said, "trust").timestamp, AT - HOUR)

    def test_reasons_and_paths(self) -> None:
        for value, code, path in (
            ("", "empty", "$"),
            ('{"event":"a","userId":"u","userId":"u"}', "malformed_json", "$"),
            ("[" * 65 + "]" * 65, "too_deep", "$"),
            ("[" * 1_000_000, "too_deep", "$"),
            ("[" + "0," * 50_000 + "0]", "too_large", "$"),
            (b'"\xff"', "malformed_json", "$"),
            ('{"event":"a","userId":"u","v":1e400}', "malformed_json", "$"),
            ("[1]", "invalid_field", "$"),
            ('{"event":"a","userId":"null","anonymousId":"x"}', "blocked_id", "$.userId"),
            ('{"event":"a"}', "missing_field", "$.userId"),
            ('{"event":"a","userId":"u","timestamp":"2300-01-01T00:00:00Z"}', "implausible_time", "$.timestamp"),
            ('{"event":"a","userId":"u","params":{"items":["x",{"sku":"b","price":"dear"}]}}', "invalid_field", "$.params.items[1].price"),
            ('{"event":"decision_request","userId":"u","slot":"s"}', "missing_field", "$.properties.requestId"),
        ):  # fmt: skip
            self.assertEqual(self.reject(value), (code, path), value[:80])

    def test_a_worse_name_keeps_its_own_name_beside_a_better_one(self) -> None:
        event = self.read(
            '{"event":"a","userId":"u","properties":{"items":["x"],"item_id":"i","productId":"p","sku":"s"}}'
        )
        self.assertEqual(event.properties, {"item_id": "i", "product_id": "p", "sku": "s"})

    def test_a_derived_message_id_is_the_hash_of_the_bytes(self) -> None:
        event = self.read('{"event":"login","userId":"u1"}')
        self.assertEqual(event.message_id, "x-2e1a7711228a628df9326b292366ec33")

    def test_an_event_survives_the_command_topics_bytes_but_for_its_doubles(self) -> None:
        said = {"event": "purchase", "userId": "u", "ecommerce": {"transaction_id": "o", "value": 1.5}}
        event = self.read(json.dumps(said | {"deep": {"isGift": True, "tags": ["a"], "n": -4, "x": 0.25}}))
        doubles: list[float] = []
        encoded = postcard.encode_event(event, doubles)
        self.assertEqual(doubles, [0.25])
        event.properties["deep.x"] = "0.25"
        read = postcard.decode_command(postcard.encode_event(event, []))
        self.assertIsInstance(read, Event)
        self.assertEqual(event.differences(read), [])  # type: ignore[arg-type]
        self.assertNotEqual(encoded, b"")
        self.assertEqual(postcard.encode_content("c-1"), bytes([1, 2, 3]) + b"c-1")

    def test_names_are_split_at_capitals_blanks_and_hyphens(self) -> None:
        said = ["productID", "Product Added", "HTMLPageLoaded", "ga4Event", " - "]
        expected = ["product_id", "product_added", "html_page_loaded", "ga4_event", "_"]
        self.assertEqual([snake_case(name) for name in said], expected)


class Conditions(unittest.TestCase):
    def holds(self, source: str) -> bool | None:
        folded = Folded("attributes: {views: {count: any}, spent: {value: any}}")
        folded.send("login", AT, colour="red", value="12.5", products=[{"id": "p", "price": 3.5}])
        scope = type("Scope", (), {})()
        scope.profile, scope.book = folded.fold.persons["user:ada"], folded.fold.book
        scope.person, scope.event = "user:ada", None
        compiler = condition._Compiler(folded.fold.book.bits, [])
        return condition.holds(compiler.compile(cel.parse(source), frozenset()), scope)

    def test_true_false_and_unsaid(self) -> None:
        for source, answer in (
            ("attributes.views >= 1 && attributes.spent > 12", True),
            ("attributes.views > 1", False),
            ("attributes.views", None),
            ("attributes.views / 0 > 1", None),
            ("traits.plan == 'gold'", None),
            ("traits.plan == 'gold' || attributes.views == 1", True),
            ("traits.plan == 'gold' && attributes.views == 1", None),
            ("has(traits.plan)", False),
            ("event.name == 'login'", None),
            ("'p' in recent || size(recent) == 0 ? !(1 == 2) : false", True),
            ("[1, 2].exists(x, x > 1) && ![1, 2].all(x, x > 1) && 7 % 4 == 3 && -7 / 2 == -3", True),
            ("orders.revenue.EUR == 0.0", True),
        ):
            self.assertIs(self.holds(source), answer, source)

    def test_unknown_names_and_functions_stop_the_oracle(self) -> None:
        for source in ("atributes.a > 1", "attributes.unheard > 1", "nonsense(1)", "1 +"):
            with self.assertRaises(ConfigurationError):
                self.holds(source)


class Configurations(unittest.TestCase):
    def test_unknown_keys_stop_the_oracle_by_name(self) -> None:
        for addition, name in (
            ("colour: red", "colour"),
            ("session: {gap: 5m, colour: red}", "session.colour"),
            ("consent: {}", "consent"),
        ):
            with self.assertRaises(ConfigurationError) as caught:
                configuration(README + addition)
            self.assertIn(f"`{name}`", str(caught.exception))

    def test_what_the_oracle_cannot_follow_stops_it(self) -> None:
        for text in ("format: avro", "start: latest"):
            with self.assertRaises(ConfigurationError):
                configuration(README.replace("format: json", text))


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

    def test_partitions_are_those_of_java(self) -> None:
        known = {b"21": -973_932_308, b"foobar": -790_332_482, b"abc": 479_470_107}
        for key, signed in known.items():
            self.assertEqual(murmur2(key), signed % 2**32)
        self.assertEqual(partition_of(b"21", 12), (-973_932_308 & 0x7FFFFFFF) % 12)

    def test_ids_are_uuids_of_version_5(self) -> None:
        name = "decision|home_hero|request|user:ada|m4"
        self.assertEqual(stable_id(name), "aa7f7701-93e7-5a07-b75a-4f3ee7981a01")


if __name__ == "__main__":
    unittest.main()
