"""The processor's arithmetic in numpy, and the measure.

The measure and the simple methods need no processor. The processor's own scoring is here a second time, to
choose half-life and weights in seconds, and to check afterwards that the processor ranks as this does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from journey import Basket, Journey, Period

TOP = 10
HOUR_S = 3600
WEEK_HOURS = 7 * 24


def shares(journey: Journey, half_life_hours: int | None, period: Period) -> np.ndarray:
    """Before each basket of the period: the household's share of each category, one row for each basket.

    A basket adds 1 to each of its categories, whatever stands on its lines, and what was added halves in the
    half-life, by whole hours as the processor has it. Without a half-life nothing decays.
    """
    rows = []
    household, hour, scores = 0, 0, np.zeros(len(journey.categories))
    for basket in journey.baskets:
        now = basket.at // HOUR_S
        if basket.household != household:
            household, hour, scores = basket.household, now, np.zeros(len(journey.categories))
        if half_life_hours is not None:
            scores *= 0.5 ** ((now - hour) / half_life_hours)
        hour = now
        if period.has(basket.at):
            rows.append(scores / max(scores.sum(), 1e-300))
        scores[basket.categories] += 1
    return np.array(rows)


def targets(baskets: Sequence[Basket], width: int) -> np.ndarray:
    """What naming a category before a basket is worth: one row for each basket."""
    worth = np.zeros((len(baskets), width))
    for row, basket in enumerate(baskets):
        worth[row, basket.categories] = 1 / min(TOP, len(basket.categories))
    return worth


def ranked(scores: np.ndarray, popularity: np.ndarray) -> np.ndarray:
    """The best categories of each row, best first. Equal scores, also zeros, go by popularity, then by name.

    Scores count in steps of 1e-9, so that the order of additions decides nothing.
    """
    by_popularity = np.argsort(-popularity, kind="stable")
    steps = np.rint(scores[:, by_popularity] * 1e9)
    return by_popularity[np.argsort(-steps, axis=1, kind="stable")[:, :TOP]]


def recall(tops: Iterable[np.ndarray], baskets: Sequence[Basket]) -> float:
    """Recall at 10: hits over the number of the basket's categories, or over 10 where there are more."""
    return _mean(tops, baskets, lambda basket: basket.categories)


def recall_of_repeated(tops: Iterable[np.ndarray], baskets: Sequence[Basket]) -> float:
    """As `recall`, of what the household had bought before, over baskets that have some."""
    return _mean(tops, baskets, lambda basket: basket.categories[basket.repeated])


def recall_of_new(tops: Iterable[np.ndarray], baskets: Sequence[Basket]) -> float:
    """As `recall`, of what the household buys for the first time, over baskets that have some."""
    return _mean(tops, baskets, lambda basket: basket.categories[~basket.repeated])


def share_repeated(baskets: Sequence[Basket]) -> float:
    """The share of the baskets' categories that their households had bought before."""
    return float(np.concatenate([basket.repeated for basket in baskets]).mean())


def _mean(
    tops: Iterable[np.ndarray], baskets: Sequence[Basket], wanted: Callable[[Basket], np.ndarray]
) -> float:
    parts = []
    for top, basket in zip(tops, baskets, strict=True):
        categories = set(wanted(basket).tolist())
        if categories:
            parts.append(len(categories.intersection(np.asarray(top).tolist())) / min(TOP, len(categories)))
    return float(np.mean(parts))
