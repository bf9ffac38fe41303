"""Tests of what the oracle says of a site's shares: their records and rows, and the lift that they give to what one
person likes.

Run by oracle_tests.py.
"""

from __future__ import annotations

import json
import unittest
from typing import Any

from oracle import postcard, site_shares
from oracle.event import Content, SiteShares
from oracle.lift import Site
from oracle.reject import Reject
from oracle.render import profile_update
from oracle.report import Report
from oracle.schemas import Schemas
from oracle.state import State
from oracle.updates import Updates
from oracle_stage import AT, HOUR, Folded

LIKES = """
interests:
  c: {facet: category, half_life: 7d, enter: 3, show_negative: true,
    weights: {product_viewed: 1, product_added: 3, product_removed: -2}}
slots:
  by_share: {items: 2, interest: c, exclude_recent: false}
  by_lift: {items: 2, interest: c, exclude_recent: false, rank_by: lift}
"""
SITE = SiteShares("c", AT - HOUR, 1_000, [("shoes", 0.5), ("socks", 0.25), ("tents", 0.1)])


def liking(*events: tuple[str, str]) -> Folded:
    """Ada has done these things with products of these categories."""
    heroes = [Content(f"hero-{one}", [], [(one, 1.0)], 0.0, None, None, None) for one in ("shoes", "tents")]
    folded = Folded(LIKES, heroes)
    for event, category in events:
        folded.send(event, AT, productId="p", category=category)
    return folded


def update(folded: Folded, site: Site | None = None) -> dict[str, Any]:
    return profile_update("user:ada", folded.fold.persons["user:ada"], folded.fold.site if site is None else site)


def lifts(folded: Folded) -> dict[str, float | None]:
    return {one["value"]: one["lift"] for one in update(folded)["interests"][0]["affinities"]}


class Lifts(unittest.TestCase):
    def test_a_lift_is_the_share_over_the_sites_after_as_much_of_the_sites_taste_as_makes_a_tag(self) -> None:
        viewed, added, removed = "product_viewed", "product_added", "product_removed"
        folded = liking((viewed, "shoes"), (added, "tents"), (viewed, "hats"), (removed, "socks"))
        self.assertEqual(lifts(folded), dict.fromkeys(("tents", "hats", "shoes", "socks")))
        self.assertIsNone(update(folded)["interests"][0]["site_as_of"])
        folded.fold.share(SITE)
        # Of 1 + 3 + 1 and the 3 that make a tag: shoes (1 + 3 * 0.5) / 8, tents (3 + 3 * 0.1) / 8, and socks, which
        # are not liked at all, 3 * 0.25 / 8. Of hats the site says nothing.
        expected = {"shoes": 0.3125 / 0.5, "tents": 0.4125 / 0.1, "socks": 0.375, "hats": None}
        for value, lift in lifts(folded).items():
            wanted = expected.pop(value)
            self.assertEqual(lift is None, wanted is None, value)
            self.assertAlmostEqual(lift or 0.0, wanted or 0.0, 12, value)
        self.assertEqual(expected, {})
        self.assertEqual(update(folded)["interests"][0]["site_as_of"], AT - HOUR)

    def test_where_values_roll_up_the_widest_are_the_whole(self) -> None:
        folded = Folded(
            "interests: {c: {facet: category, half_life: 7d, enter: 2, roll_up: /, weights: {seen: 1}}}"
        )
        for category in ("a/b", "a/c"):
            folded.send("seen", AT, productId="p", category=category)
        folded.fold.share(SiteShares("c", AT, 10, [("a", 0.5), ("a/b", 0.25)]))
        self.assertEqual(lifts(folded), {"a": 1.5, "a/b": 1.5, "a/c": None})

    def test_a_slot_that_ranks_by_lift_shows_first_what_the_others_like_less(self) -> None:
        folded = liking(*[("product_viewed", "shoes")] * 3, *[("product_viewed", "tents")] * 2)
        folded.fold.share(SITE)
        for slot in ("by_share", "by_lift"):
            folded.send("decision_request", AT, requestId="r", slot=slot)
        folded.fold.withdraw_shares("c")
        folded.send("decision_request", AT, requestId="r", slot="by_lift")
        by_share, by_lift, without = (
            [(one["content_id"], one["score"]) for one in decision["ranked"]] for decision in folded.decisions
        )
        self.assertEqual(by_share, [("hero-shoes", 0.6), ("hero-tents", 0.4)])
        self.assertEqual(without, by_share)
        self.assertEqual([name for name, _ in by_lift], ["hero-tents", "hero-shoes"])
        # Tents 0.4 * ((2 + 0.3) / 8) / 0.1, shoes 0.6 * ((3 + 1.5) / 8) / 0.5.
        self.assertAlmostEqual(by_lift[0][1], 1.15, 12)
        self.assertAlmostEqual(by_lift[1][1], 0.675, 12)
        told = [d["ranked"][-1]["reasons"][0]["evidence"] for d in folded.decisions]
        self.assertEqual(told[0], "c tents: share 0.400, score 2.000, 2 events")
        self.assertEqual(told[1], "c shoes: share 0.600, lift 1.125, score 3.000, 3 events")
        self.assertEqual(told[2], told[0])

    def test_what_the_site_says_nothing_of_counts_by_its_share(self) -> None:
        folded = liking(*[("product_viewed", "shoes")] * 3, *[("product_viewed", "tents")] * 2)
        folded.fold.share(SiteShares("c", AT, 10, [("shoes", 1.0)]))
        folded.send("decision_request", AT, requestId="r", slot="by_lift")
        # Shoes 0.6 * (3 + 3) / 8, and tents as they are.
        ranked = folded.decisions[0]["ranked"]
        self.assertEqual([one["content_id"] for one in ranked], ["hero-shoes", "hero-tents"])
        self.assertAlmostEqual(ranked[0]["score"], 0.45, 12)
        self.assertEqual(ranked[1]["score"], 0.4)
        self.assertEqual(ranked[1]["reasons"][0]["evidence"], "c tents: share 0.400, score 2.000, 2 events")

    def test_what_is_due_before_a_change_of_site_shares_does_not_see_it(self) -> None:
        rules = "segments: {gone: {after: product_viewed, without: logout, for: 1h}}\n"
        rules += "rules: {r: {on: {entered: gone}, decide: by_lift}}"
        folded = Folded(LIKES + rules, [Content("hero", [], [("shoes", 1.0)], 0.0, None, None, None)])
        folded.send("product_viewed", AT, productId="p", category="shoes")
        folded.send("heartbeat", AT + HOUR, user="clock")
        folded.fold.share(SITE)
        self.assertEqual(len(folded.decisions), 1)
        self.assertNotIn("lift", folded.decisions[0]["ranked"][0]["reasons"][0]["evidence"])
        # A look, the end of the visit, and nothing because of the site.
        self.assertEqual(folded.fold.persons["user:ada"].version, 3)

    def test_shares_outlast_definitions_that_know_nothing_of_their_interest(self) -> None:
        folded = liking(("product_viewed", "shoes"))
        folded.fold.share(SITE)
        folded.fold.define("attributes: {all: {count: any}}")
        self.assertEqual(update(folded)["interests"], [])
        folded.fold.define(LIKES)
        self.assertEqual(lifts(folded), {"shoes": 1.25})

    def test_an_update_has_the_shares_of_its_change_or_later_ones_but_never_earlier_ones(self) -> None:
        folded = liking()
        folded.fold.share(SITE)
        folded.send("product_viewed", AT, productId="p", category="shoes")
        for of_shoes in (0.25, 0.125):
            folded.fold.share(SiteShares("c", AT, 1_000, [("shoes", of_shoes)]))
        report = Report()
        updates = Updates("profile-updates", 0, Schemas("http://nowhere"), report)
        before, *others = [update(folded, site) for site in folded.fold.sites]
        profile = folded.fold.persons["user:ada"]
        for found in others:
            self.assertIsNone(updates._difference("user:ada", profile, folded.fold, found))
        said = updates._difference("user:ada", profile, folded.fold, before) or ""
        self.assertIn("interests[0].affinities[0].lift: expected 1.25 found None", said)
        mixed = update(folded)
        mixed["interests"][0]["site_as_of"] = AT - HOUR
        self.assertIsNotNone(updates._difference("user:ada", profile, folded.fold, mixed))


class SiteRecords(unittest.TestCase):
    RIGHT = '{"asOf":"2026-01-05T10:00:00Z","persons":300,"shares":{"tents":0.25,"shoes":1}'

    def reject(self, key: bytes | None, value: bytes | None) -> tuple[str, str]:
        with self.assertRaises(Reject, msg=value) as caught:
            site_shares.read(key, value)
        return caught.exception.code, caught.exception.path

    def test_a_record_is_read_whatever_else_it_says(self) -> None:
        read = site_shares.read("häts".encode(), (self.RIGHT + ',"model":{"name":7},"as_of":7}').encode())
        self.assertEqual(read, SiteShares("häts", AT, 300, [("shoes", 1.0), ("tents", 0.25)]))
        empty = b'{"asOf":1767607200,"persons":0,"shares":{}}'
        self.assertEqual(site_shares.read(b"k" * 256, empty), SiteShares("k" * 256, AT, 0, []))

    def test_what_is_no_record_is_rejected(self) -> None:
        def said(as_of: Any = "2026-01-05T10:00:00Z", persons: Any = 1, **shares: Any) -> bytes:
            return json.dumps({"asOf": as_of, "persons": persons, "shares": shares}).encode()

        many = {f"v{at}": 0.5 for at in range(1_001)}
        for value, code, path in (
            (b"", "empty", "$"),
            (b" " * 1_048_577, "too_large", "$"),
            (b'{"asOf"', "malformed_json", "$"),
            (b'{"persons":1,"persons":2}', "malformed_json", "$"),
            (b'{"asOf":1767607200,"persons":1,"shares":{"a":0.5,"a":0.5}}', "malformed_json", "$"),
            (b"[]", "invalid_field", "$"),
            (b'{"persons":1,"shares":{}}', "missing_field", "$.asOf"),
            (b'{"asOf":1767607200,"persons":null,"shares":{}}', "missing_field", "$.persons"),
            (b'{"asOf":1767607200,"persons":1}', "missing_field", "$.shares"),
            (b'{"asOf":1767607200,"persons":1,"shares":[0.5]}', "invalid_field", "$.shares"),
            (said(as_of="yesterday"), "invalid_field", "$.asOf"),
            (said(as_of="1969-12-31T23:59:59Z"), "implausible_time", "$.asOf"),
            (said(persons=-1), "invalid_field", "$.persons"),
            (said(persons=1.5), "invalid_field", "$.persons"),
            (said(persons="1"), "invalid_field", "$.persons"),
            (said(persons=2**64), "invalid_field", "$.persons"),
            (said(shoes=0), "invalid_field", "$.shares.shoes"),
            (said(shoes=1.001), "invalid_field", "$.shares.shoes"),
            (said(shoes="0.5"), "invalid_field", "$.shares.shoes"),
            (said(shoes=None), "invalid_field", "$.shares.shoes"),
            (said(shoes=True), "invalid_field", "$.shares.shoes"),
            (said(**{"": 0.5}), "invalid_field", "$.shares"),
            (said(**{"a\n": 0.5}), "invalid_field", "$.shares"),
            (said(**{"a" * 257: 0.5}), "invalid_field", "$.shares"),
            (said(**many), "invalid_field", "$.shares"),
        ):
            self.assertEqual(self.reject(b"c", value), (code, path), value[:80])
        for keys, code in (((None, b""), "missing_field"), ((b"a\x00", b"\xff", b"k" * 257), "invalid_field")):
            for key in keys:
                for value_ in (None, said(shoes=0.5)):
                    self.assertEqual(self.reject(key, value_), (code, "$key"), key)

    def test_commands_have_the_layout_of_their_fields_and_are_read_again(self) -> None:
        shares = SiteShares("cat", 150, 300, [("a", 0.5)])
        encoded = b"\1\4" + b"\3cat" + b"\xac\2" + b"\xac\2" + b"\1" + b"\1a" + b"\0\0\0\0\0\0\xe0\x3f"
        self.assertEqual(postcard.encode_site_shares(shares), encoded)
        self.assertEqual(postcard.decode_command(encoded), shares)
        withdrawn = site_shares.read(b"cat", None)
        self.assertEqual(withdrawn, "cat")
        self.assertEqual(postcard.encode_site_shares(withdrawn), b"\1\5\3cat")
        self.assertEqual(postcard.decode_command(b"\1\5\3cat"), ("site shares withdrawn", "cat"))
        with self.assertRaises(postcard.Unreadable):
            postcard.decode_command(encoded + b"\0")

    def test_a_row_is_there_as_long_as_its_shares_are(self) -> None:
        def violations(rows: dict[bytes, bytes]) -> int:
            state = State("changelog", 0, Report())
            state.rows = {key: (at, value) for at, (key, value) in enumerate(rows.items())}
            state.check(folded.fold, None, "commands-0")
            return state.report.violations["I5"]

        folded = Folded(LIKES)
        folded.fold.share(SITE)
        row = b"\1" + postcard.encode_site_shares(SITE)[2:]
        other = row[:-1] + bytes((row[-1] ^ 1,))
        self.assertEqual(violations({b"sc": row}), 0)
        self.assertEqual(violations({}), 1)
        for wrong in (other, row + b"\0", row[:-1], b"\2" + row[1:], b""):
            self.assertEqual(violations({b"sc": wrong}), 1, wrong)
        folded.fold.withdraw_shares("c")
        self.assertEqual(violations({}), 0)
        self.assertEqual(violations({b"sc": row}), 1)
