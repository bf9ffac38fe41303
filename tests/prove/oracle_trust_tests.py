"""Tests of what the oracle says of how much things rest on and whether they are still of today: of attributes, of
segments and of decisions. Small cases worked out by hand.

Run by oracle_tests.py.
"""

from __future__ import annotations

import unittest
from typing import Any

from oracle import rulebook, state
from oracle.document import ConfigurationError
from oracle.event import Content
from oracle.render import profile_update
from oracle_stage import AT, HOUR, Folded

MINUTE = 60_000


def update(folded: Folded) -> dict[str, Any]:
    return profile_update("user:ada", folded.fold.persons["user:ada"], folded.fold.site)


def told(folded: Folded, name: str) -> tuple[float, float]:
    """What an attribute says, and on how much that rests."""
    one = next(one for one in update(folded)["attributes"] if one["name"] == name)
    return one["value"], one["n_eff"]


def memberships(folded: Folded) -> dict[str, tuple[float, str]]:
    return {one["segment"]: (one["n_eff"], one["status"]) for one in update(folded)["segments"]}


def order(folded: Folded, at: int, order_id: str, value: float, *items: dict[str, Any], name: str = "purchase") -> None:
    folded.send(name, at, ecommerce={"transaction_id": order_id, "value": value, "currency": "EUR", "items": items})


class TrustInSums(unittest.TestCase):
    def test_a_count_rests_on_itself_and_units_on_items_and_a_value_on_what_is_worth_something(self) -> None:
        folded = Folded(
            "orders: {trusted: [events]}\nattributes: {all: {count: any, window: 3h, bucket: 1h},"
            " units: {units: order_completed}, spent: {value: order_completed}}"
        )
        folded.send("seen", AT)
        self.assertEqual([told(folded, name) for name in ("all", "units", "spent")], [(1, 1), (0, 0), (0, 0)])
        order(folded, AT, "o1", 10, {"item_id": "a", "quantity": 4}, {"item_id": "b"})
        self.assertEqual([told(folded, name) for name in ("all", "units", "spent")], [(2, 2), (5, 2), (10, 1)])
        order(folded, AT, "o2", 0, {"item_id": "c", "quantity": 0})
        self.assertEqual([told(folded, name) for name in ("all", "units", "spent")], [(3, 3), (5, 3), (10, 1)])
        # A trusted source puts the first right: it is worth more, and still one order of two items.
        items = [{"item_id": "a", "quantity": 9} for _ in range(3)]
        order(folded, AT + 1, "o1", 30, *items)
        self.assertEqual([told(folded, name) for name in ("all", "units", "spent")], [(3, 3), (27, 3), (30, 1)])
        # One more event, and after three hours the four of the first are gone.
        folded.send("seen", AT + HOUR)
        folded.pass_to(AT + 3 * HOUR)
        self.assertEqual([told(folded, name) for name in ("all", "units", "spent")], [(1, 1), (27, 3), (30, 1)])

    def test_a_sum_rests_on_its_numbers_as_long_as_they_are_in_the_window(self) -> None:
        folded = Folded("attributes: {x: {sum: x, of: any, window: 2h, bucket: 1h}}")
        for x in (1, -1, "no number", True):
            folded.send("seen", AT, properties={"x": x})
        self.assertEqual(told(folded, "x"), (0, 2))
        folded.send("seen", AT + HOUR, properties={"x": 0})
        self.assertEqual(told(folded, "x"), (0, 3))
        # That a sum of nothing but zeros rests on less changes no value, so it is not due.
        self.assertIsNone(update(folded)["attributes"][0]["valid_until"])
        self.assertEqual(folded.fold.persons["user:ada"].due, AT + HOUR + 30 * MINUTE + 1)
        folded.send("other", AT + 2 * HOUR)
        self.assertEqual(told(folded, "x"), (0, 1))
        folded.send("late", AT, properties={"x": 5})
        self.assertEqual(told(folded, "x"), (0, 1))
        folded.send("other", AT + 3 * HOUR)
        self.assertEqual(told(folded, "x"), (0, 0))

    def test_a_number_for_each_of_the_items(self) -> None:
        folded = Folded("attributes: {prices: {sum: items.price, of: any}}")
        products = [{"productId": "a", "price": 2.5}, {"productId": "b"}, {"productId": "c", "price": 4}]
        folded.send("seen", AT, products=products)
        self.assertEqual(told(folded, "prices"), (6.5, 2))

    def test_what_comes_late_adds_to_the_lifetime_alone(self) -> None:
        folded = Folded("lateness: 1h\nattributes: {week: {sum: x, of: any, window: 7d}, ever: {sum: x, of: any}}")
        for at in (HOUR, 0, -1):
            folded.send("seen", AT + at, properties={"x": 3})
        self.assertEqual([told(folded, name) for name in ("week", "ever")], [(6, 2), (9, 3)])

    def test_what_is_of_a_session_begins_and_is_joined_with_it(self) -> None:
        folded = Folded("attributes: {x: {sum: x, of: any, scope: session}}")
        folded.send("seen", AT, properties={"x": 1})
        folded.send("seen", AT + 60 * MINUTE, properties={"x": 0})
        self.assertEqual(told(folded, "x"), (0, 1))
        row = state._expected(folded.fold.persons["user:ada"])
        sum_, evidence = state.number_of("x"), state.number_of("x|evidence|0")
        self.assertEqual(row["counters"], {evidence: [1, []]})
        self.assertEqual(row["previous"][0]["values"], {sum_: ["sum", 1_000_000], evidence: ["sum", 1]})
        # One more of the visit before, then one that is of both.
        folded.send("seen", AT + MINUTE, properties={"x": 7})
        self.assertEqual(told(folded, "x"), (0, 1))
        folded.send("seen", AT + 31 * MINUTE, properties={"x": 2})
        self.assertEqual(told(folded, "x"), (10, 4))
        row = state._expected(folded.fold.persons["user:ada"])
        self.assertEqual(row["counters"], {sum_: [10_000_000, []], evidence: [4, []]})

    def test_what_is_declared_no_more_holds_what_it_held(self) -> None:
        text = "attributes: {x: {sum: x, of: any, window: 3h, bucket: 1h}}"
        folded = Folded(text)
        folded.send("seen", AT, properties={"x": 1})
        folded.fold.define("attributes: {}")
        folded.send("seen", AT, properties={"x": 1})
        counters = state._expected(folded.fold.persons["user:ada"])["counters"]
        bucket = AT // HOUR
        sum_, evidence = state.number_of("x"), state.number_of("x|evidence|3600000")
        self.assertEqual(counters, {sum_: [1_000_000, [(bucket, 1_000_000)]], evidence: [1, [(bucket, 1)]]})
        folded.fold.define(text)
        folded.send("seen", AT, properties={"x": 4})
        self.assertEqual(told(folded, "x"), (5, 2))

    def test_an_attribute_of_the_session_may_be_declared_no_more_and_again(self) -> None:
        text = "attributes: {x: {sum: x, of: any, scope: session}, y: {max: x, of: any, scope: session}}"
        folded = Folded(text)
        folded.send("seen", AT, properties={"x": 1})
        folded.fold.define("attributes: {}")
        # Another visit begins, which nobody tells the attributes, so that they are as they were.
        folded.send("seen", AT + 60 * MINUTE, properties={"x": 5})
        row = state._expected(folded.fold.persons["user:ada"])
        self.assertEqual(row["previous"][0]["values"], {})
        self.assertEqual(row["counters"][state.number_of("x|evidence|0")], [1, []])
        folded.fold.define(text)
        folded.send("seen", AT + 61 * MINUTE, properties={"x": 3})
        self.assertEqual((told(folded, "x"), told(folded, "y")), ((4, 2), (3, 1)))
        folded.send("seen", AT + 120 * MINUTE, properties={"x": 2})
        self.assertEqual((told(folded, "x"), told(folded, "y")), ((2, 1), (2, 1)))
        # The two are joined while nobody is told, so that what the first of them held is lost.
        folded.fold.define("attributes: {}")
        folded.send("seen", AT + 90 * MINUTE, properties={"x": 9})
        folded.fold.define(text)
        folded.send("seen", AT + 120 * MINUTE, properties={"x": 1})
        self.assertEqual((told(folded, "x"), told(folded, "y")), ((3, 2), (2, 1)))
        with self.assertRaises(NotImplementedError):
            folded.fold.define("attributes: {x: {sum: x, of: any}}")


class TrustInOtherAttributes(unittest.TestCase):
    def test_what_is_told_by_one_event_rests_on_one(self) -> None:
        measures = ("min: x, of: seen", "max: x, of: seen", "first: x, of: seen", "last: x, of: seen")
        measures += ("since_first: seen", "since_last: seen")
        folded = Folded(f"attributes: {{{', '.join(f'a{at}: {{{of}}}' for at, of in enumerate(measures))}}}")
        folded.send("other", AT)
        self.assertEqual([told(folded, f"a{at}")[1] for at in range(6)], [0.0] * 6)
        for x in (3, 1, 2):
            folded.send("seen", AT, properties={"x": x})
        self.assertEqual([told(folded, f"a{at}") for at in range(6)], [(1, 1), (3, 1), (1, 1), (3, 1), (0, 1), (0, 1)])

    def test_means_and_gaps_rest_on_their_numbers(self) -> None:
        folded = Folded("attributes: {mean: {mean: x, of: any, window: 2h, bucket: 1h}, gaps: {gaps: x, of: any}}")
        folded.send("seen", AT)
        self.assertEqual([told(folded, name) for name in ("mean", "gaps")], [(0, 0), (0, 0)])
        for hour, x in ((0, 2), (0, 2.5), (1, 5)):
            folded.send("seen", AT + hour * HOUR, properties={"x": x})
        self.assertEqual([told(folded, name) for name in ("mean", "gaps")], [(9.5 / 3, 3), (3, 2)])
        folded.pass_to(AT + 2 * HOUR)
        self.assertEqual([told(folded, name) for name in ("mean", "gaps")], [(5, 1), (3, 2)])

    def test_texts_rest_on_how_many_there_are_and_how_often(self) -> None:
        measures = ("list: x, of: any, most: 2", "distinct: x, of: any", "most_frequent: x, of: any")
        measures += ("top: x, of: any, most: 1",)
        folded = Folded(f"attributes: {{{', '.join(f'a{at}: {{{of}}}' for at, of in enumerate(measures))}}}")
        folded.send("seen", AT)
        self.assertEqual([told(folded, f"a{at}")[1] for at in range(4)], [0.0] * 4)
        for text in ("a", "b", "a", "c"):
            folded.send("seen", AT, properties={"x": text})
        # Two are shown, three there are, and what is most frequent is so among four.
        self.assertEqual([told(folded, f"a{at}")[1] for at in range(4)], [2.0, 3.0, 4.0, 4.0])

    def test_of_too_many_texts_those_count_that_are_kept(self) -> None:
        folded = Folded("attributes: {usual: {top: x, of: any}}")
        for number in range(70):
            folded.send("seen", AT, properties={"x": ["often", f"v{number:02}"]})
        self.assertEqual(told(folded, "usual")[1], 70.0 + 63.0)

    def test_ways_and_stages_rest_on_what_they_are_made_of(self) -> None:
        folded = Folded("attributes: {stage: {lifecycle: bought}, way: {funnel: [view, add, bought]}}")
        expected = (("seen", 0, 0), ("view", 0, 1), ("bought", 1, 1), ("add", 1, 2), ("bought", 2, 3), ("bought", 2, 3))
        for minute, (event, stage, way) in enumerate(expected):
            folded.send(event, AT + minute * MINUTE)
            self.assertEqual((told(folded, "stage")[1], told(folded, "way")[1]), (stage, way), minute)

    def test_an_affinity_rests_on_what_its_score_rests_on_shown_or_not(self) -> None:
        folded = Folded(
            "attributes: {hats: {affinity: c, to: hats}, socks: {affinity: c, to: socks}}\n"
            "interests: {c: {facet: category, half_life: 1h, enter: 9, top: 1,"
            " weights: {added: 3, seen: 1, gone: -5}}}"
        )
        folded.send("seen", AT, productId="p", category="shoes")
        self.assertEqual(told(folded, "hats"), (0, 0))
        folded.send("seen", AT, productId="p", category="hats")
        folded.send("added", AT, productId="p", category="hats")
        # 4 * 4 / (1 + 9), and hours later all is less, but in the same parts.
        self.assertEqual(told(folded, "hats"), (4, 1.6))
        folded.send("seen", AT + 2 * HOUR)
        self.assertEqual(told(folded, "hats"), (1, 1.6))
        self.assertEqual(update(folded)["interests"][0]["affinities"][0]["n_eff"], 1.6)
        folded.send("gone", AT + 2 * HOUR, productId="p", category="hats")
        # 1 - 5, over 10 / 16 + 25.
        self.assertEqual(told(folded, "hats"), (0, 16 / 25.625))
        self.assertEqual([one["value"] for one in update(folded)["interests"][0]["affinities"]], ["shoes"])
        self.assertEqual(told(folded, "socks"), (0, 0))

    def test_what_is_chosen_or_marked_rests_on_what_it_is_taken_from(self) -> None:
        folded = Folded(
            "attributes: {mean: {mean: x, of: any, expires_after: 2h}, last: {last: y, of: any},"
            " bought: {count: buy}, best: {coalesce: [traits.orders.count, mean, last]},"
            " often: {score: bought, thresholds: [1, 2]},"
            " mark: {score: mean, thresholds: [5]}, rich: {score: orders.revenue.EUR, thresholds: [5]}}"
        )
        names = ("best", "often", "mark", "rich")
        folded.send("seen", AT)
        self.assertEqual([told(folded, name) for name in names], [(0, 0), (1, 0), (0, 0), (1, 0)])
        folded.send("buy", AT, properties={"x": 4, "y": 3})
        folded.send("buy", AT, properties={"x": 6, "y": 3})
        for order_id in ("o1", "o2", "o3"):
            order(folded, AT, order_id, 2)
        self.assertEqual([told(folded, name) for name in names], [(5, 2), (3, 2), (2, 2), (2, 3)])
        folded.pass_to(AT + 2 * HOUR)
        one = update(folded)["attributes"][0]
        self.assertEqual((one["status"], one["value"], one["n_eff"]), ("EXPIRED", 0.0, 0.0))
        self.assertEqual([told(folded, name) for name in names], [(3, 1), (3, 2), (0, 0), (2, 3)])
        folded.send("identify", AT + 2 * HOUR, traits={"orders": {"count": 8}})
        self.assertEqual(told(folded, "best"), (8, 1))

    def test_what_is_old_rests_on_as_much_until_it_says_nothing(self) -> None:
        folded = Folded("attributes: {spent: {sum: x, of: any, stale_after: 1h, expires_after: 3h}}")
        for _ in range(2):
            folded.send("seen", AT, properties={"x": 5})
        for hours, status, n_eff in ((0, "PRESENT", 2.0), (1, "STALE", 2.0), (3, "EXPIRED", 0.0)):
            folded.pass_to(AT + hours * HOUR)
            one = update(folded)["attributes"][0]
            self.assertEqual((one["status"], one["n_eff"]), (status, n_eff))
        folded.send("seen", AT + 3 * HOUR, properties={"x": 1})
        self.assertEqual(told(folded, "spent"), (11, 3))

    def test_what_is_made_of_others_is_as_old_as_what_it_is_taken_from(self) -> None:
        folded = Folded(
            "attributes: {style: {last: x, of: any, stale_after: 1h, expires_after: 3h},"
            " taste: {coalesce: [traits.taste, style]}}\nsegments: {odd: {enter: attributes.taste == 'odd'}}"
        )
        folded.send("seen", AT, properties={"x": "odd"})
        for hours, status, of_segment in ((0, "PRESENT", "PRESENT"), (1, "STALE", "STALE"), (3, "MISSING", "PRESENT")):
            folded.pass_to(AT + hours * HOUR)
            told_ = update(folded)
            self.assertEqual((told_["attributes"][1]["status"], told_["segments"][0]["status"]), (status, of_segment))
        folded.send("identify", AT + 3 * HOUR, traits={"taste": "odd"})
        self.assertEqual(update(folded)["attributes"][1]["status"], "PRESENT")

    def test_purposes_are_told_as_they_are_declared(self) -> None:
        folded = Folded(
            "attributes: {a: {count: any, purposes: [measure, ads]},"
            " b: {coalesce: [traits.x, traits.y], purposes: [share_third_party]}, c: {count: any}}"
        )
        folded.send("seen", AT)
        attributes = update(folded)["attributes"]
        self.assertEqual([one["purposes"] for one in attributes], [["measure", "ads"], ["share_third_party"], []])
        self.assertEqual(list(attributes[0])[-3:], ["valid_until", "n_eff", "purposes"])
        for purposes in ("[sell]", "[ads, ads]", "{ads: true}"):
            with self.assertRaises(ConfigurationError, msg=purposes):
                rulebook.of_text(f"attributes: {{a: {{count: any, purposes: {purposes}}}}}")


class TrustInSegments(unittest.TestCase):
    def test_a_membership_rests_on_the_least_of_what_decides_it(self) -> None:
        folded = Folded(
            "attributes: {views: {count: product_viewed}, none: {count: other}, last: {last: x, of: product_viewed}}\n"
            "interests: {c: {facet: category, half_life: 7d, enter: 1, weights: {product_viewed: 1}},"
            " b: {facet: brand, enter: 9, weights: {product_viewed: 1}}}\n"
            "segments:\n"
            "  keen: {enter: attributes.views >= 1}\n"
            "  idle: {enter: attributes.views >= 1 && attributes.none == 0}\n"
            "  drawn: {enter: \"attributes.views >= 1 && 'hats' in tags.c && size(tags.b) == 0\"}\n"
            "  told: {enter: attributes.views >= 1, leave: attributes.last > 7}\n"
            "  young: {enter: orders.count < 2 && attributes.views > 1}\n"
            "  here: {enter: \"session.open && profile.events > 0 && size(recent) > 0 && 'keen' in segments\"}\n"
            "  calls: {enter: \"count('product_viewed', '7d') >= 1\"}\n"
        )
        for category in ("hats", "hats", "hats", "shoes", "shoes"):
            folded.send("product_viewed", AT, productId="p", category=category, x=1)
        expected = {
            "keen": 5.0, "idle": 5.0, "drawn": 2.0, "told": 1.0, "young": 5.0, "here": 0.0, "calls": 5.0,
        }  # fmt: skip
        self.assertEqual(memberships(folded), {name: (n_eff, "PRESENT") for name, n_eff in expected.items()})
        order(folded, AT, "o1", 5)
        self.assertEqual(memberships(folded)["young"], (1.0, "PRESENT"))
        one = update(folded)["segments"][0]
        self.assertEqual(list(one), ["segment", "entered_at", "valid_until", "n_eff", "status"])

    def test_that_nothing_happened_is_one_contribution(self) -> None:
        folded = Folded("segments: {gone: {after: seen, without: bought, for: 1h}}")
        folded.send("seen", AT)
        folded.pass_to(AT + HOUR)
        self.assertEqual(memberships(folded), {"gone": (1.0, "PRESENT")})

    def test_a_membership_is_as_old_as_the_oldest_attribute_that_decides_it(self) -> None:
        folded = Folded(
            "attributes: {a: {last: x, of: any, stale_after: 1h, expires_after: 4h},"
            " b: {count: any, stale_after: 2h}, c: {last: x, of: never}}\n"
            "segments: {one: {enter: attributes.a > 0 || attributes.c > 0}, two: {enter: attributes.a > 0 &&"
            " attributes.b > 0}, three: {enter: attributes.a > 0, leave: attributes.b > 5}}"
        )
        folded.send("seen", AT, properties={"x": 1})
        for hours, statuses in (
            (0, ("PRESENT", "PRESENT", "PRESENT")),
            (1, ("STALE", "STALE", "PRESENT")),
            (2, ("STALE", "STALE", "STALE")),
            (4, ("EXPIRED", "EXPIRED", "STALE")),
        ):
            folded.pass_to(AT + hours * HOUR)
            self.assertEqual(tuple(status for _, status in memberships(folded).values()), statuses)
        # What can not be said any more lets nobody out, and rests on nothing.
        self.assertEqual([n_eff for n_eff, _ in memberships(folded).values()], [0.0, 1.0, 1.0])


class TrustInDecisions(unittest.TestCase):
    TEXT = (
        "interests: {c: {facet: category, half_life: 7d, enter: 9, weights: {seen: 1, added: 3}}}\n"
        "slots: {s: {interest: c, items: 2, stale_after: 1h, exclude_recent: false},"
        " ever: {interest: c, exclude_recent: false}, bare: {interest: c, fallback: [w]}}\n"
        "rules: {r: {on: {event: added}, decide: s}}"
    )

    def folded(self) -> Folded:
        of = [("hats", "s", 0.0), ("hats", "ever", 0.0), ("nothing", "s", 0.5)]
        return Folded(
            self.TEXT, [Content(f"{slot}-{v}", [slot], [(v, 1.0)], base, None, None, None) for v, slot, base in of]
        )

    def ask(self, folded: Folded, at: int, slot: str, user: str = "ada") -> tuple[str, str, int | None, int | None]:
        folded.send("decision_request", at, user=user, requestId="r", slot=slot)
        one = folded.decisions[-1]
        ends = (None if one[key] is None else one[key] - AT for key in ("last_at", "valid_until"))
        return (one["ladder"], one["status"], *ends)  # type: ignore[return-value]

    def test_a_reason_rests_on_what_its_affinity_rests_on(self) -> None:
        folded = self.folded()
        folded.send("seen", AT, productId="p", category="hats")
        folded.send("added", AT, productId="p", category="hats")
        (decision,) = folded.decisions
        reasons = [(one["code"], one["n_eff"]) for ranked in decision["ranked"] for one in ranked["reasons"]]
        self.assertEqual(reasons, [("affinity", 1.6), ("popular", 0.0)])
        self.assertEqual(list(decision)[-3:], ["valid_until", "last_at", "status"])
        # The event that the rule follows is one that was applied.
        self.assertEqual((decision["last_at"], decision["status"], decision["valid_until"]), (AT, "PRESENT", AT + HOUR))
        self.ask(folded, AT, "bare")
        self.assertEqual([one["n_eff"] for one in folded.decisions[-1]["ranked"][0]["reasons"]], [0.0])

    def test_a_decision_is_stale_when_nothing_was_heard_for_as_long_as_its_slot_says(self) -> None:
        folded = self.folded()
        folded.send("seen", AT, productId="p", category="hats")
        self.assertEqual(self.ask(folded, AT + HOUR - 1, "s"), ("PERSONAL", "PRESENT", 0, HOUR))
        self.assertEqual(self.ask(folded, AT + HOUR, "s"), ("PERSONAL", "STALE", 0, None))
        self.assertEqual(self.ask(folded, AT + 9 * HOUR, "ever"), ("PERSONAL", "PRESENT", 0, None))
        # The time of the partition counts, not that of a request that comes late.
        self.assertEqual(self.ask(folded, AT, "s"), ("PERSONAL", "STALE", 0, None))
        folded.send("other", AT + 8 * HOUR)
        folded.send("other", AT + 7 * HOUR)
        self.assertEqual(self.ask(folded, AT + 9 * HOUR, "s"), ("PERSONAL", "STALE", 8 * HOUR, None))
        folded.send("other", AT + 8 * HOUR + 1)
        self.assertEqual(self.ask(folded, AT, "s"), ("PERSONAL", "PRESENT", 8 * HOUR + 1, 9 * HOUR + 1))

    def test_what_ends_first_ends_a_decision(self) -> None:
        folded = self.folded()
        folded.fold.content(Content("soon", [], [], 0.0, None, AT + HOUR // 2, None))
        folded.send("seen", AT, productId="p", category="hats")
        self.assertEqual(self.ask(folded, AT, "s"), ("PERSONAL", "PRESENT", 0, HOUR // 2))
        self.assertEqual(self.ask(folded, AT + HOUR // 2, "s"), ("PERSONAL", "PRESENT", 0, HOUR))

    def test_what_is_not_personal_rests_on_nothing_that_is_known(self) -> None:
        folded = self.folded()
        self.assertEqual(self.ask(folded, AT, "s"), ("POPULAR", "MISSING", None, None))
        self.assertEqual(self.ask(folded, AT, "bare"), ("FALLBACK", "MISSING", None, None))
        self.assertEqual(self.ask(folded, AT, "nowhere"), ("NOTHING", "MISSING", None, None))
        folded.send("seen", AT, productId="p", category="shoes")
        self.assertEqual(self.ask(folded, AT, "s"), ("POPULAR", "MISSING", 0, None))
        self.assertEqual(self.ask(folded, AT + 9 * HOUR, "s"), ("POPULAR", "MISSING", 0, None))

    def test_how_long_a_slot_may_believe(self) -> None:
        for stale_after in ("59s", "2401d", "often"):
            with self.assertRaises(ConfigurationError, msg=stale_after):
                rulebook.of_text(self.TEXT.replace("stale_after: 1h", f"stale_after: {stale_after}"))
