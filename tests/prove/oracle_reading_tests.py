"""Tests of what the oracle reads: source records, conditions and configurations."""

from __future__ import annotations

import json
import unittest

from oracle import cel, condition, postcard, rulebook
from oracle.aliases import Aliases, snake_case
from oracle.document import ConfigurationError
from oracle.event import Event
from oracle.reject import Reject
from oracle.wire import Reader
from oracle_stage import AT, HOUR, README, Folded, configuration


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
            '{"type":"track","event":"Product Added","messageId":"m","userId":"u","timestamp":1767607200,'
            '"properties":{"product_id":"p"}}',
            '{"event":"add_to_cart","productId":"p","messageId":"m","userId":"u","timestamp":"2026-01-05T10:00:00Z"}',
            '{"name":"addToCart","event_id":"m","user_id":"u","timestamp_micros":"1767607200000000","params":{"items":["p"]}}',
        ):
            event = self.read(call)
            self.assertEqual((event.name, event.person, event.timestamp), ("product_added", "user:u", AT))
            self.assertEqual(event.items, [("p", None, None, None, 1)])

    def test_a_device_clock_is_corrected_where_the_record_says_when_it_was_received(self) -> None:
        said = (
            '{"event":"a","userId":"u","timestamp":"2026-01-05T09:00:00Z",'
            '"sentAt":"2026-01-05T09:00:02Z","receivedAt":"2026-01-05T10:00:02Z"}'
        )
        self.assertEqual(self.read(said, "automatic").timestamp, AT)
        self.assertEqual(self.read(said, "trust").timestamp, AT - HOUR)

    def test_reasons_and_paths(self) -> None:
        event = '{"event":"a","userId":"u"'
        for value, code, path in (
            ("", "empty", "$"),
            (event + ',"userId":"u"}', "malformed_json", "$"),
            ("[" * 65 + "]" * 65, "too_deep", "$"),
            ("[" * 1_000_000, "too_deep", "$"),
            ("[1,2" + "[" * 70, "malformed_json", "$"),
            ("[" + "0," * 50_000 + "0]", "too_large", "$"),
            (b'"\xff"', "malformed_json", "$"),
            (event + ',"v":1e400}', "malformed_json", "$"),
            ("[1]", "invalid_field", "$"),
            ('{"event":"a","userId":"null","anonymousId":"x"}', "blocked_id", "$.userId"),
            ('{"event":"a"}', "missing_field", "$.userId"),
            (event + ',"timestamp":"2300-01-01T00:00:00Z"}', "implausible_time", "$.timestamp"),
            (event + ',"items":["x",{"sku":"b","price":"dear"}]}', "invalid_field", "$.items[1].price"),
            (
                '{"event":"decision_request","userId":"u","slot":"s"}',
                "missing_field",
                "$.properties.requestId",
            ),
        ):
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

    def test_every_topic_that_is_for_all_partitions_is_read_and_none_goes_with_a_keyed_source(self) -> None:
        topics = "definitions: {topic: definitions}\nsite_shares: {topic: site-shares}"
        self.assertEqual(configuration(README + topics).broadcast_topics, ["content", "definitions", "site-shares"])
        keyed = README.replace("format: json", "format: json, keyed: true").replace("catalogue: {topic: content}", "")
        self.assertEqual(configuration(keyed).intake_topics, [])
        for addition in ("definitions: {topic: definitions}", "site_shares: {topic: site-shares}"):
            with self.assertRaises(ConfigurationError, msg=addition):
                configuration(keyed + addition)
        for text in ("site_shares: {topic: site-shares}", "slots: {s: {interest: c, rank_by: most}}"):
            with self.assertRaises(ConfigurationError, msg=text):
                rulebook.of_text("interests: {c: {facet: category, enter: 1, weights: {x: 1}}}\n" + text)

    def test_what_the_oracle_cannot_follow_stops_it(self) -> None:
        for text in ("format: avro", "start: latest"):
            with self.assertRaises(ConfigurationError):
                configuration(README.replace("format: json", text))
