"""Tests of what the oracle reads from the changes of a table, and that it says of the product's own scenarios of tables
and of schemas what those expect.

Run by oracle_tests.py.
"""

from __future__ import annotations

import json
import unittest
from pathlib import Path
from typing import Any

import xxhash
import yaml

from oracle import configuration as configurations
from oracle.configuration import Configuration
from oracle.document import ConfigurationError
from oracle.event import Event
from oracle.event_schemas import Versions
from oracle.fold import Fold
from oracle.json_schema import JsonSchema
from oracle.reject import Reject
from oracle.render import profile_update
from oracle.sources import reader_of
from oracle.written import number_text, tree_bytes
from oracle_stage import AT, README, configuration

SCENARIOS = Path(__file__).parents[1] / "scenarios"
TABLE = """
      event: order_completed
      columns: {id: order_id, customer: user_id, placed_at: timestamp}
      column: status
      events: {draft: none, 7: order_cancelled, true: order_refunded, 0.5: none}
"""
Tree = dict[str, Any]


def table(debezium: str = TABLE) -> Configuration:
    source = f"  - topic: orders\n    clock: trust\n    debezium:{debezium}"
    return configuration(README.replace("  - {topic: clickstream, format: json}\n", source))


def row(**columns: Any) -> Tree:
    said = {"id": 7, "customer": "u1", "total": 12.5, "currency": "EUR", "status": "paid", "type": "page"}
    return {**said, "event": "fair", "note": None, "placed_at": "2026-01-05T10:00:00Z", **columns}


class TableChanges(unittest.TestCase):
    def setUp(self) -> None:
        self.told = table()

    def read(self, change: Any) -> Event | None:
        value = change if isinstance(change, bytes) else json.dumps(change).encode()
        return reader_of(self.told, "orders").read(value, AT + 60_000)

    def event(self, change: Any) -> Event:
        event = self.read(change)
        assert event is not None, "it tells something"
        return event

    def reject(self, change: Any) -> tuple[str, str]:
        with self.assertRaises(Reject) as caught:
            self.read(change)
        return caught.exception.code, caught.exception.path

    def test_a_row_is_an_event_and_its_other_columns_are_properties(self) -> None:
        event = self.event({"op": "c", "ts_ms": 1, "source": {"lsn": 1, "ts_ms": 2}, "after": row()})
        self.assertEqual((event.name, event.person, event.timestamp), ("order_completed", "user:u1", AT))
        self.assertEqual((event.order_id, event.value, event.source), ("7", (1250, "EUR"), "orders"))
        self.assertEqual(event.properties, {"event": "fair", "status": "paid", "type": "page"})

    def test_the_products_of_an_order_stand_in_a_column_of_json(self) -> None:
        items = [{"sku": 'p"1', "category": "maps", "price": 2.5, "quantity": 3}, {"sku": "p2"}]
        told = [self.event({"op": "c", "after": row(items=one)}) for one in (items, " " + json.dumps(items))]
        self.assertEqual(told[0].items, [('p"1', "maps", None, 250, 3), ("p2", None, None, None, 1)])
        self.assertEqual(told[0].items, told[1].items)
        for column, code, path in (
            ("[{", "malformed_json", "$.after.items"),
            ('[{"sku": "p1", "price": "cheap"}]', "invalid_field", "$.after.items[0].price"),
            ("p1", "invalid_field", "$.after.items"),
        ):
            self.assertEqual(self.reject({"op": "c", "after": row(items=column)}), (code, path))

    def test_an_insert_happened_when_the_row_says_and_a_later_change_when_it_was_made(self) -> None:
        def at(op: str, source: Tree | None, columns: Tree) -> int:
            change = {"op": op, "ts_ms": AT + 2_000, "source": source, "after": row(**columns)}
            return self.event({name: value for name, value in change.items() if value is not None}).timestamp

        made: Tree = {"ts_ms": AT + 1_000}
        for op, source, columns, expected in (
            ("c", made, {}, AT),
            ("r", made, {}, AT),
            ("u", made, {}, AT + 1_000),
            ("u", {}, {}, AT + 2_000),
            ("u", None, {"placed_at": "yesterday"}, AT + 2_000),
            # A column that is null says nothing.
            ("c", made, {"placed_at": None}, AT + 1_000),
        ):
            self.assertEqual(at(op, source, columns), expected, (op, source, columns))
        without = row()
        del without["placed_at"]
        self.assertEqual(self.event({"op": "c", "source": made, "after": without}).timestamp, AT + 1_000)
        self.assertEqual(self.event({"op": "u", "after": row()}).timestamp, AT)

    def test_a_column_decides_what_a_row_tells(self) -> None:
        for status, name in (
            ("paid", "order_completed"), (7, "order_cancelled"), ("7", "order_cancelled"), (7.0, "order_completed"),
            (True, "order_refunded"), ([], "order_completed"), (None, "order_completed"), ("draft", None), (0.5, None),
        ):  # fmt: skip
            event = self.read({"op": "u", "after": row(status=status)})
            self.assertEqual(event and event.name, name, status)

    def test_what_tells_nothing_is_passed_over(self) -> None:
        self.assertIsNone(reader_of(self.told, "orders").read(None, AT))
        for change in (
            {"op": "c", "ts_ms": 1, "after": row(status="draft")},
            {"op": "d", "ts_ms": 1, "before": row()},
            {"op": "t", "ts_ms": 1},
            {"payload": {"op": "m"}, "schema": {}},
        ):
            self.assertIsNone(self.read(change), change)

    def test_what_is_deleted_is_told_of_the_row_as_it_was(self) -> None:
        self.told = table(TABLE + "      deleted: order_cancelled\n")
        event = self.event({"op": "d", "ts_ms": AT + 5_000, "before": row(status="paid"), "after": None})
        self.assertIsNone(self.read({"op": "d", "ts_ms": AT, "before": row(status="draft")}), "it never was an order")
        self.assertEqual((event.name, event.order_id, event.timestamp), ("order_cancelled", "7", AT + 5_000))
        self.assertEqual(self.reject({"op": "d", "before": None}), ("missing_field", "$.before"))

    def test_what_is_wrong_is_named_where_it_stands(self) -> None:
        for change, code, path in (
            (b"", "empty", "$"),
            (b"{", "malformed_json", "$"),
            ([], "missing_field", "$.op"),
            ({"payload": {}}, "missing_field", "$.payload.op"),
            ({"payload": 7, "op": "c"}, "missing_field", "$.payload.op"),
            ({"payload": None, "op": "x"}, "invalid_field", "$.op"),
            ({"op": ["c"]}, "invalid_field", "$.op"),
            ({"op": "c", "after": None}, "missing_field", "$.after"),
            ({"op": "c", "after": 7}, "invalid_field", "$.after"),
            ({"op": "c", "after": row(customer="null")}, "blocked_id", "$.after.customer"),
            ({"payload": {"op": "c", "after": row(total=-1)}}, "invalid_field", "$.payload.after.total"),
            ({"op": "c", "after": {"id": 7}}, "missing_field", "$.after.userId"),
            ({"op": "c", "after": row(**{f"c{n}": 1 for n in range(200)})}, "invalid_field", "$.after"),
            ({"op": "u", "ts_ms": "soon", "after": row()}, "invalid_field", "$.ts_ms"),
        ):
            self.assertEqual(self.reject(change), (code, path), change)

    def test_a_schema_holds_for_a_row_in_its_canonical_form(self) -> None:
        schema = {"properties": {"properties": {"properties": {"value": {"maximum": 10}}}}}
        versions = Versions("order_completed", {1: JsonSchema(json.dumps(schema).encode(), "test")})
        self.told.schemas = {"order_completed": versions}
        self.assertEqual(self.reject({"op": "c", "after": row()}), ("schema_mismatch", "$.after.total"))
        self.assertEqual(self.event({"op": "c", "after": row(total=9, schema={"version": 9})}).value, (900, "EUR"))


class IdsOfChanges(unittest.TestCase):
    """Which changes are one: no document says how the id is made, so it stands here as it is."""

    def message_id(self, change: Tree) -> str:
        event = reader_of(table(), "orders").read(json.dumps(change).encode(), AT)
        assert event is not None, "it tells something"
        return event.message_id

    def test_a_change_that_is_told_again_has_the_same_id_and_another_has_not(self) -> None:
        def id_of(lsn: int, told_at: int, wrapped: bool = False, **columns: Any) -> str:
            change = {"op": "u", "ts_ms": told_at, "source": {"lsn": lsn}, "after": row(**columns)}
            return self.message_id({"schema": {}, "payload": change} if wrapped else change)

        self.assertEqual(id_of(1, AT), id_of(1, AT + 9))
        self.assertEqual(id_of(1, AT), id_of(1, AT + 9, wrapped=True))
        self.assertEqual(len({id_of(1, AT), id_of(2, AT), id_of(1, AT, total=12), id_of(1, AT, status=7)}), 4)
        # What says its id itself keeps it.
        self.assertEqual(id_of(1, AT, message_id="m1"), "m1")

    def test_it_is_the_hash_of_the_event_the_place_in_the_database_and_the_row(self) -> None:
        change = {"op": "c", "source": {"lsn": 1, "db": 'a"b', "version": "3.1"}}
        change["after"] = {"n": [None, True, 2.5], "customer": "u1"}
        place, said = 'k2:dbs3:a"bk3:lsni1;', "{k8:customers2:u1k1:n[ntd4004000000000000]}"
        expected = xxhash.xxh3_128_hexdigest(f"s15:order_completed{{{place}}}{said}".encode())
        self.assertEqual(self.message_id(change), f"x-{expected}")
        del change["source"]
        expected = xxhash.xxh3_128_hexdigest(f"s15:order_completed{{}}{said}".encode())
        self.assertEqual(self.message_id(change), f"x-{expected}")

    def test_numbers_are_written_with_the_fewest_digits(self) -> None:
        for number, text in (
            (7, "7"), (-7, "-7"), (2**64 - 1, "18446744073709551615"), (7.0, "7.0"), (-0.0, "-0.0"), (12.5, "12.5"),
            (0.1, "0.1"), (1e15, "1000000000000000.0"), (1e16, "1e+16"), (1.5e300, "1.5e+300"), (0.0001, "0.0001"),
            (0.00001, "0.00001"), (-1.25e-5, "-0.0000125"), (1e-6, "1e-6"), (5.9604644775e-8, "5.9604644775e-8"),
        ):  # fmt: skip
            self.assertEqual(number_text(number), text)

    def test_trees_are_written_so_that_others_are_others(self) -> None:
        for tree, expected in (
            ("é\0", "s3:é\0"), (-7, "i-7;"), (1e300, "d7e37e43c8800759c"), ({"b": [], "a": {}}, "{k1:a{}k1:b[]}"),
        ):  # fmt: skip
            self.assertEqual(tree_bytes(tree), expected.encode())


class ConfiguredTables(unittest.TestCase):
    def test_what_is_no_table_stops_the_oracle(self) -> None:
        for debezium in (
            " {columns: {id: order_id}}", " {event: a, column: status}", " {event: a, events: {x: y}}",
            " {event: a, colour: red}", " {event: a}\n    keyed: true", " {event: a}\n    format: avro",
        ):  # fmt: skip
            with self.assertRaises(ConfigurationError, msg=debezium):
                table(debezium + "\n")
        for columns in ("{event: user_id}", "{timestamp: made_at}", "{properties: message_id}"):
            with self.assertRaises(ConfigurationError, msg=columns):
                table(f" {{event: a, columns: {columns}}}\n")

    def test_columns_are_what_is_declared_and_not_what_google_calls_so(self) -> None:
        told = table(TABLE.replace("{id: order_id,", "{id: order_id, event: fair,"))
        lines = json.dumps([{"id": "p1"}])
        change = {"op": "c", "source": {"lsn": 1}, "after": row(client_id=9, event_id=8, items=lines)}
        event = reader_of(told, "orders").read(json.dumps(change).encode(), AT)
        assert event is not None, "it tells something"
        self.assertEqual((event.person, event.items[0][0], event.properties["fair"]), ("user:u1", "p1", "fair"))
        self.assertEqual((event.properties["client_id"], event.properties["event_id"]), (9, 8))


class ScenariosOfTheProduct(unittest.TestCase):
    """The product's scenarios are what its users are shown of it."""

    def play(self, name: str) -> int:
        scenario = yaml.safe_load((SCENARIOS / name).read_text())
        told = configurations.load(SCENARIOS / scenario["config"], {})
        readers = {source.topic: reader_of(told, source.topic) for source in told.sources}
        fold = Fold(told.book, [], lambda kind, person, record: None)
        compared, was = 0, ""
        for step in scenario["steps"]:
            if "event" in step:
                topic = step.get("source", told.sources[0].topic)
                was = self.send(fold, readers[topic], step["event"])
            else:
                compared += self.compare(fold, step["expect"], was)
        return compared

    def send(self, fold: Fold, reader: Any, record: Tree) -> str:
        try:
            event = reader.read(json.dumps(record).encode(), AT + 86_400_000)
        except Reject as reject:
            schema, version, rule = reject.rule or ("", "", "")
            return f"{reject.code} {reject.path} {schema} {version} {rule}"
        if event is None:
            return "silent"
        fold.event(event)
        return "applied"

    def compare(self, fold: Fold, expected: Tree, was: str) -> int:
        if "rejected" in expected:
            for part in expected["rejected"].values():
                self.assertIn(str(part), was.split())
            return 1
        self.assertEqual(was, expected.get("outcome", "applied"))
        if "profile" not in expected:
            return 1
        fold.settle_all()
        profile = fold.persons[expected["person"]]
        orders = expected["profile"].get("orders", {})
        self.assertEqual(profile.orders, orders.get("count", profile.orders))
        for currency, amount in orders.get("revenue", {}).items():
            self.assertEqual(profile.revenue[currency], round(amount * 100))
        found = {one["name"]: one for one in profile_update(expected["person"], profile, fold.site)["attributes"]}
        for name, value in expected["profile"].get("attributes", {}).items():
            self.assertEqual(found[name]["text" if isinstance(value, str) else "value"], value, name)
        return 1

    def test_a_database_tells_of_orders(self) -> None:
        self.assertGreaterEqual(self.play("m05_database.yaml"), 11)

    def test_a_schema_serves_every_way_of_sending(self) -> None:
        self.assertGreaterEqual(self.play("m07_schemas.yaml"), 6)
