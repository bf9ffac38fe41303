"""Tests of what the oracle says of the schemas of events: which version holds, how an event is brought up, the
canonical form that schemas speak of, and what the dead letter of a misfit tells.

Run by oracle_tests.py.
"""

from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path
from typing import Any

from oracle import configuration
from oracle.aliases import Aliases
from oracle.canonical import canonical
from oracle.configuration import Configuration
from oracle.document import ConfigurationError
from oracle.event import Event
from oracle.event_schemas import EventSchemas, load
from oracle.json_schema import JsonSchema
from oracle.reject import Reject
from oracle.upcast import bring_up, read_steps
from oracle.wire import Reader
from oracle_stage import AT, README

Tree = dict[str, Any]


def item_with(price: str) -> Tree:
    return {"items": {"type": "object", "required": ["item_id"], "properties": {price: {"maximum": 100}}}}


# Prices are called `cost` in version 1 and `price` in version 2, which demands a currency, too.
FIRST = {"type": "object", "properties": {"properties": {"properties": {"items": item_with("cost")}}}}
SECOND = {
    "type": "object",
    "properties": {
        "properties": {
            "required": ["items", "currency"],
            "properties": {"items": item_with("price"), "currency": {"enum": ["EUR", "USD"]}},
        }
    },
    "x-upcast": [
        {"rename": "/properties/items/*/cost", "to": "price"},
        {"default": "/properties/currency", "value": "EUR"},
    ],
}
# A third version that only allows more needs no way up to it.
THIRD = {key: value for key, value in SECOND.items() if key != "x-upcast"}


class WithDirectory(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory(prefix="bespoke-schemas.")
        self.addCleanup(directory.cleanup)
        self.home = Path(directory.name)

    def lay(self, **versions: Any) -> EventSchemas:
        """Lays the schemas of `product_viewed` into the directory, as v1, v2 and so on."""
        for version, schema in versions.items():
            file = self.home / "schemas" / "product_viewed" / f"{version.removeprefix('v')}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(schema))
        return load(self.home / "schemas")

    def loaded(self, text: str) -> Configuration:
        (self.home / "shop.yaml").write_text(text)
        return configuration.load(self.home / "shop.yaml", {})


class VersionsOfSchemas(WithDirectory):
    def setUp(self) -> None:
        super().setUp()
        self.reader = self.reading(v1=FIRST, v2=SECOND)

    def reading(self, **versions: Any) -> Reader:
        return Reader("clicks", "trust", "by_kind", 1 << 20, Aliases(), self.lay(**versions))

    def read(self, **record: Any) -> Event:
        return self.reader.read(json.dumps({"userId": "u1", "messageId": "m", **record}).encode(), AT)

    def reject(self, **record: Any) -> tuple[Any, ...]:
        with self.assertRaises(Reject) as caught:
            self.read(**record)
        return caught.exception.code, caught.exception.path, *(caught.exception.rule or ())

    def test_one_schema_serves_every_shape_and_names_the_senders_own_path(self) -> None:
        dear = {"item_id": "p", "price": 101}
        for path, record in (
            ("$.properties.price", {"type": "track", "event": "Product Viewed", "properties": {
                "product_id": "p", "price": 101, "currency": "EUR"}}),
            ("$.params.items[1].price", {"name": "view_item", "params": {
                "currency": "EUR", "items": [{"item_id": "o"}, dear]}}),
            # What is null in a list is not counted in the document, but it is in the record.
            ("$.ecommerce.items[1].price", {"event": "view_item", "ecommerce": {
                "currency": "EUR", "items": [None, dear]}}),
            ("$.price", {"event": "productViewed", "sku": "p", "price": 101, "currency": "EUR"}),
        ):  # fmt: skip
            said = self.reject(**record)
            self.assertEqual(said, ("schema_mismatch", path, "product_viewed", 2, "maximum"), path)

    def test_what_is_missing_is_named_where_it_should_stand(self) -> None:
        for path, rule, record in (
            ("$.properties.currency", "required", {"productId": "p"}),
            ("$.currency", "enum", {"productId": "p", "currency": "CHF"}),
            ("$.properties.items", "required", {"currency": "EUR", "items": None}),
            ("$.products[0].item_id", "required", {"currency": "EUR", "products": [{"colour": "red"}]}),
        ):
            said = self.reject(event="view_item", **record)
            self.assertEqual(said, ("schema_mismatch", path, "product_viewed", 2, rule), path)

    def test_an_old_version_is_brought_up(self) -> None:
        rest = {"event": "view_item", "colour": "red"}
        old = {"products": [{"sku": "p", "cost": 12.5, "brand": "Acme"}], "schema": {"name": "viewItem", "version": 1}}
        new = {"products": [{"sku": "p", "price": 12.5, "brand": "Acme"}], "currency": "EUR"}
        event = self.read(**rest, **old)
        self.assertEqual(event.differences(self.read(**rest, **new)), [])
        self.assertEqual(event.items, [("p", None, "Acme", 1250, 1)])
        self.assertEqual(event.properties, {"colour": "red", "currency": "EUR"})

    def test_who_has_no_message_id_gets_that_of_the_bytes_as_they_came(self) -> None:
        said = b'{"event":"view_item","userId":"u1","schema":{"version":1},"products":[{"sku":"p","cost":1}]}'
        bare = Reader("clicks", "trust", "by_kind", 1 << 20, Aliases()).read(said, AT)
        self.assertEqual(self.reader.read(said, AT).message_id, bare.message_id)

    def test_a_statement_is_held_to_and_an_unknown_version_refused(self) -> None:
        misfit = ("schema_mismatch", "$.products[0].cost", "product_viewed", 1, "maximum")
        unknown = ("unknown_schema_version", "$.schema.version", "product_viewed")
        for schema, said in (
            ({"version": "1"}, misfit),
            ({"version": "+01"}, misfit),
            ({"version": 3}, (*unknown, 3, "schema")),
            ({"version": 0}, (*unknown, 0, "schema")),
            ({"version": 2**64 - 1}, (*unknown, 2**32 - 1, "schema")),
            ({"version": 2**64}, ("invalid_field", "$.schema.version")),
            ({"version": -1}, ("invalid_field", "$.schema.version")),
            ({"version": 1.0}, ("invalid_field", "$.schema.version")),
            ({"version": "one"}, ("invalid_field", "$.schema.version")),
            ({"version": True}, ("invalid_field", "$.schema.version")),
            ({"name": "view_item"}, ("missing_field", "$.schema.version")),
            ({"name": "page_viewed", "version": 1}, ("invalid_field", "$.schema.name")),
            ({"name": 7, "version": 1}, ("invalid_field", "$.schema.name")),
        ):
            products = [{"sku": "p", "cost": 101, "price": 1}]
            self.assertEqual(self.reject(event="view_item", schema=schema, products=products), said, schema)

    def test_what_an_upcast_makes_of_an_event_is_checked_too(self) -> None:
        francs = {"event": "view_item", "schema": {"version": 1}, "productId": "p", "currency": "CHF"}
        self.assertEqual(self.reject(**francs), ("schema_mismatch", "$.currency", "product_viewed", 2, "enum"))
        # Where the member that is wrong was made, its place is the closest that the sender knows.
        dear = {**francs, "currency": "EUR", "schema": {"version": 1}, "products": [{"sku": "p", "cost": 100}]}
        self.reader = self.reading(v1=FIRST, v2=json.loads(json.dumps(SECOND).replace("100", "99")))
        self.assertEqual(
            self.reject(**dear), ("schema_mismatch", "$.products[0].price", "product_viewed", 2, "maximum")
        )

    def test_a_version_that_only_allows_more_leaves_events_as_they_are(self) -> None:
        self.reader = self.reading(v1=FIRST, v2=SECOND, v3=THIRD)
        event = {"event": "view_item", "productId": "p", "price": 101, "currency": "EUR"}
        self.assertEqual(self.reject(**event)[3:], (3, "maximum"))
        self.assertEqual(self.reject(**event, schema={"version": 2})[3:], (2, "maximum"))
        self.assertEqual(self.read(**event | {"price": 7}, schema={"version": 2}).items[0][3], 700)
        self.assertEqual(self.read(event="view_item", productId="p", cost=7, schema={"version": 1}).items[0][3], None)

    def test_other_events_and_other_schemas_are_nobodys_business(self) -> None:
        self.assertEqual(self.read(event="page_viewed", schema={"version": 9}).properties, {})
        snowplow = "iglu:com.acme/page/jsonschema/1-0-0"
        self.assertEqual(self.read(event="page_viewed", schema=snowplow).properties, {"schema": snowplow})

    def test_a_record_that_is_no_event_is_refused_before_its_schema_is_asked(self) -> None:
        for code, path, record in (
            ("invalid_field", "$.properties", {"properties": 7}),
            ("invalid_field", "$.items", {"items": "p"}),
            ("invalid_field", "$.items", {"items": ["p"] * 201}),
        ):
            self.assertEqual(self.reject(event="view_item", **record), (code, path))
        fits = {"event": "view_item", "productId": "p", "currency": "EUR"}
        self.assertEqual(self.reject(**fits, timestamp="soon"), ("invalid_field", "$.timestamp"))
        # Of an event that was brought up, the canonical form is what is read.
        cheap = {"productId": "p", "price": "cheap", "schema": {"version": 1}}
        self.assertEqual(self.reject(event="view_item", **cheap), ("invalid_field", "$.properties.items[0].price"))


class CanonicalForm(unittest.TestCase):
    def document(self, record: Tree) -> Tree:
        return canonical(record, Aliases()).document

    def test_calls_of_all_shapes_have_one(self) -> None:
        item = {"item_id": "p", "price": 5, "category": "shoes"}
        document = {"event": "product_viewed", "user_id": "u", "properties": {"items": [item], "colour": "red"}}
        for record in (
            {"type": "track", "event": "Product Viewed", "userId": "u", "integrations": {"All": True}, "channel": "s",
             "properties": {"product_id": "p", "price": 5, "category": "shoes", "colour": "red", "size": None}},
            {"name": "view_item", "user_id": "u", "schema": {"version": 1}, "params": {"colour": "red", "items": [
                {"id": "p", "price": 5, "item_category": "shoes", "brand": None}]}},
            {"event": "productViewed", "userId": "u", "sku": "p", "price": 5, "category": "shoes", "Colour": "red"},
            {"event": "view_item", "userId": "u", "colour": "red",
             "ecommerce": {"colour": "blue", "items": [None, item]}, "params": {"colour": "red"}},
        ):  # fmt: skip
            self.assertEqual(self.document(record), document, record)
        self.assertEqual(canonical(document, Aliases.none()).document, document)

    def test_products_are_a_list_of_objects_and_nulls_keep_places_in_other_lists(self) -> None:
        said = {"items": ["p", 7, {"sku": "q", "n": {"a": None}}, [None], True], "tags": [None, {"a": None}], "x": None}
        found = self.document({"event": "view_item", **said})
        items = [{"item_id": "p"}, {"item_id": 7}, {"item_id": "q", "n": {}}, [None], True]
        self.assertEqual(found["properties"], {"items": items, "tags": [None, {}]})

    def test_what_kind_of_call_it_is_and_what_it_says_of_somebody(self) -> None:
        identify = {"type": "identify", "userId": "u", "traits": {"favouriteColour": "red"}, "context": {"ip": None}}
        expected = {"event": "identify", "user_id": "u", "context": {}, "traits": {"favourite_colour": "red"}}
        self.assertEqual(self.document(identify), {**expected, "properties": {}})
        self.assertEqual(canonical(identify, Aliases()).path("/event"), "$.type")
        page = {"type": "page", "name": "Home", "properties": {"path": "/"}}
        self.assertEqual(self.document(page), {"event": "page_viewed", "properties": {"path": "/"}})

    def test_paths_lead_through_the_record(self) -> None:
        form = canonical({"event": "a", "params": {"deep": {"a/b": [{"x": 1}]}}}, Aliases())
        for pointer, path in (
            ("/properties/deep/a~1b/0/x", "$.params.deep.a/b[0].x"),
            ("/properties/other", "$.properties.other"),
            ("/traits/12/a", "$.traits[12].a"),
            ("", "$"),
        ):
            self.assertEqual(form.path(pointer), path)


class Upcasts(unittest.TestCase):
    def brought(self, steps: Any, event: Any) -> Any:
        event = json.loads(json.dumps(event))
        bring_up(event, read_steps(steps, "test"))
        return event

    def test_steps_rename_fill_and_remove_in_their_order(self) -> None:
        steps = [
            {"rename": "/properties/sum", "to": "total"},
            {"rename": "/properties/items/*/cost", "to": "price"},
            {"default": "/properties/items/*/quantity", "value": 1},
            {"default": "/context/app/name", "value": "shop"},
            {"remove": "/properties/total"},
        ]
        event = {"properties": {"sum": 1, "items": [{"cost": 2}, {"price": 3, "cost": 4}, "bare"]}}
        items = [{"price": 2, "quantity": 1}, {"price": 3, "cost": 4, "quantity": 1}, "bare"]
        expected = {"properties": {"items": items}, "context": {"app": {"name": "shop"}}}
        self.assertEqual(self.brought(steps, event), expected)

    def test_what_is_there_stays_and_lists_are_not_made(self) -> None:
        steps = [
            {"default": "/properties/a", "value": 1},
            {"rename": "/properties/b", "to": "a"},
            {"rename": "/traits/x", "to": "y"},
            {"remove": "/context/z"},
            {"default": "/properties/items/*/q", "value": 1},
        ]
        event = {"properties": {"a": 0, "b": 2}}
        self.assertEqual(self.brought(steps, event), event)
        self.assertEqual(self.brought(steps, 7), 7)

    def test_wrong_steps_stop_the_oracle(self) -> None:
        wrong: tuple[Any, ...] = (
            {}, [7], [{"remove": "/properties/a"}] * 65, [{"rename": "/properties/a"}],
            [{"rename": "/properties/a", "to": ""}], [{"remove": "/event"}], [{"remove": "/properties/items/*"}],
            [{"remove": "/properties/"}], [{"remove": "/properties/a", "value": 1}], [{"default": "/properties/a"}],
        )  # fmt: skip
        for steps in wrong:
            with self.assertRaises(ConfigurationError, msg=str(steps)):
                read_steps(steps, "test")


class DemandsOfSchemas(unittest.TestCase):
    def violation(self, schema: Any, event: Any) -> tuple[str, str] | None:
        return JsonSchema(json.dumps(schema).encode(), "test").violation(event)

    def test_of_several_violations_the_first_by_its_place_is_told_then_by_the_schemas(self) -> None:
        text = {"type": "string", "maxLength": 1}
        schema = {"properties": {"b": text, "a": text, "list": {"items": text}}, "required": ["z", "y"]}
        several = {"z": 1, "y": 1, "list": ["xx"] * 2 + ["x"] * 9 + ["xx"]}
        for event, pointer, rule in (
            ({"b": 1, "a": 1, "z": 1, "y": 1}, "/a", "type"),
            ({"b": 1, "a": 1}, "/z", "required"),
            # Places are compared as texts, as they are written.
            (several | {"list": ["x"] * 10 + ["xx", "x", "xx"]}, "/list/10", "maxLength"),
            (several, "/list/0", "maxLength"),
            (several | {"list": ["x", "x", "xx"] + ["x"] * 7 + ["xx"]}, "/list/10", "maxLength"),
        ):
            self.assertEqual(self.violation(schema, event), (pointer, rule))
        demands: tuple[tuple[Tree, str], ...] = (
            ({"minimum": 5, "enum": [9], "type": "string"}, "enum"),
            ({"minimum": 5, "type": "string"}, "minimum"),
            ({"$ref": "#/$defs/z", "$defs": {"z": {"type": "string"}}, "enum": [9]}, "type"),
            ({"$ref": "#/x/y", "x": {"y": {"type": "string"}}, "enum": [9]}, "enum"),
            ({"allOf": [{"minimum": 5}], "type": "string"}, "minimum"),
        )
        for schema, rule in demands:
            self.assertEqual(self.violation(schema, 1), ("", rule), schema)

    def test_how_demands_are_called(self) -> None:
        demands: tuple[tuple[Any, Any, str, str], ...] = (
            ({"properties": {"a/b": {"const": 1}}}, {"a/b": 2}, "/a~1b", "const"),
            ({"required": ["a/b"]}, {}, "/a~1b", "required"),
            ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, "/b", "required"),
            ({"additionalProperties": False}, {"a": 1}, "", "additionalProperties"),
            ({"additionalProperties": {"type": "null"}}, {"a": 1}, "/a", "type"),
            ({"properties": {"a": False}}, {"a": 1}, "/a", "falseSchema"),
            ({"prefixItems": [False]}, [1], "/0", "falseSchema"),
            ({"items": False, "prefixItems": [True]}, [1, 2], "/1", "falseSchema"),
            ({"propertyNames": {"maxLength": 1}}, {"ab": 1}, "", "propertyNames"),
            ({"propertyNames": False}, {"ab": 1}, "", "falseSchema"),
            ({"contains": {"const": 1}}, [2], "", "contains"),
            ({"if": {"minimum": 0}, "then": {"maximum": 5}}, 7, "", "maximum"),
            ({"anyOf": [{"minimum": 9}, {"type": "string"}]}, 7, "", "anyOf"),
            ({"patternProperties": {"^a": {"type": "null"}}}, {"ab": 1, "b": 1}, "/ab", "type"),
            (False, 1, "", "falseSchema"),
        )
        for schema, event, pointer, rule in demands:
            self.assertEqual(self.violation(schema, event), (pointer, rule), schema)
        fitting: tuple[tuple[Any, Any], ...] = ((True, 1), ({"type": "integer"}, 1.0), ({"enum": [1]}, 1.0))
        for schema, event in (*fitting, ({"format": "date"}, "x")):
            self.assertIsNone(self.violation(schema, event), schema)
        self.assertEqual(self.violation({"const": 1}, True), ("", "const"))

    def test_a_schema_that_refers_to_itself_ends_with_the_event(self) -> None:
        schema = {"properties": {"next": {"$ref": "#"}}, "required": ["id"]}
        event = {"id": 1, "next": {"id": 2, "next": {}}}
        self.assertEqual(self.violation(schema, event), ("/next/next/id", "required"))

    def test_patterns_are_those_of_ecma_262(self) -> None:
        for pattern, text, fits in (
            ("^[A-Z]{3}$", "EUR\n", False), ("^\\d+$", "١٢", False), ("^\\w$", "é", False), ("b", "abc", True),
            ("^[.$]$", "$", True), ("^a.c$", "a\rc", False), ("^(?:ab|c)+$", "abc", True), ("^[0-9*+]+$", "1+", True),
        ):  # fmt: skip
            self.assertEqual(self.violation({"pattern": pattern}, text) is None, fits, pattern)

    def test_what_the_oracle_cannot_follow_stops_it(self) -> None:
        for schema in (
            {"unevaluatedProperties": False}, {"items": {"$anchor": "a"}}, {"pattern": "(?=a)b"}, {"pattern": "\\s"},
            {"$ref": "https://example.com/other.json"}, {"$ref": "#/$defs/none"}, {"type": "objekt"},
            {"$schema": "http://json-schema.org/draft-07/schema#"}, {"multipleOf": 0.01}, {"minContains": 2},
        ):  # fmt: skip
            with self.assertRaises(ConfigurationError, msg=str(schema)):
                self.violation(schema, 1)


class ConfiguredSchemas(WithDirectory):
    def test_the_directory_lies_beside_the_configuration(self) -> None:
        self.lay(v1=FIRST, v2=SECOND)
        told = self.loaded(README + "schemas: {directory: schemas}")
        self.assertEqual(sorted(told.schemas["product_viewed"].schemas), [1, 2])
        self.assertEqual(self.loaded(README).schemas, {})

    def test_what_is_no_directory_of_schemas_stops_the_oracle(self) -> None:
        for place in ("empty", "beside/1.json", "named/login/one.json", "broken/login/1.json", "misfit/login/1.json"):
            (self.home / place).parent.mkdir(parents=True, exist_ok=True)
            if place.endswith(".json"):
                (self.home / place).write_text('{"type": 7}' if place.startswith("misfit") else "{")
            else:
                (self.home / place).mkdir()
            with self.assertRaises(ConfigurationError, msg=place):
                self.loaded(README + f"schemas: {{directory: {place.partition('/')[0]}}}")
        for text in ("schemas: {directory: nowhere}", "schemas: {colour: red}"):
            with self.assertRaises(ConfigurationError, msg=text):
                self.loaded(README + text)

    def test_the_schemas_that_are_shipped_fit_their_own_examples(self) -> None:
        shipped = load(Path(__file__).parents[2] / "schemas" / "events")
        examples = 0
        for event, versions in shipped.items():
            reader = Reader("clicks", "trust", "by_kind", 1 << 20, Aliases(), shipped)
            for example in versions.schemas[versions.latest].document["examples"]:
                self.assertEqual(reader.read(json.dumps(example).encode(), AT).name, event)
                examples += 1
        self.assertGreaterEqual(examples, 10)
