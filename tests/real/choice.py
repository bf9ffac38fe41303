"""Chooses what the configuration declares: the half-life of the interest and the weights of the content.

A piece of content stands for one category, and it may be about other categories too: who buys pasta may be
shown sauce. Its weights are fitted so that the sum of the household's shares times the weights comes near to
what naming the category would have been worth; least squares, no weight below zero, drawn towards 1 for
the category itself. Everything here sees baskets of July to September alone, with the purchases before them:
half-life and strength of the pull are those that do best in September when fitted on July and August.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from journey import CHOOSING, FITTING, HELD_OUT, Journey
from scoring import WEEK_HOURS, ranked, recall, shares, targets

HALF_LIVES_WEEKS = (9, 13, 18, 26)
PULLS = (0.5, 1.0, 2.0, 5.0)
# The most values that one piece of content can be about.
WEIGHTS_MAX = 64
# Weights are written with so many decimals.
DECIMALS = 6
SWEEPS_MAX = 30


@dataclass(frozen=True)
class Choice:
    """What was chosen, and how it did in September."""

    half_life_weeks: int
    pull: float
    # weights[value, content]
    weights: np.ndarray
    held_out: float
    held_out_plain: float
    # Recall over July to September of each half-life with each content about its own category alone.
    plain: dict[int, float]

    @property
    def half_life_hours(self) -> int:
        return self.half_life_weeks * WEEK_HOURS


def choose(journey: Journey) -> Choice:
    """Tries every half-life with every pull and fits the best again, on the three months."""
    popularity = journey.popularity(CHOOSING.start)
    baskets = journey.within(CHOOSING)
    worth = targets(baskets, len(journey.categories))
    fitted = np.array([FITTING.has(basket.at) for basket in baskets])
    held_out = [basket for basket in baskets if HELD_OUT.has(basket.at)]
    plain: dict[int, float] = {}
    best: tuple[float, int, float, float] | None = None
    for weeks in HALF_LIVES_WEEKS:
        known = shares(journey, weeks * WEEK_HOURS, CHOOSING)
        tops = ranked(known, popularity)
        plain[weeks] = recall(tops, baskets)
        unfitted = recall(tops[~fitted], held_out)
        products = Products.of(known[fitted], worth[fitted])
        for pull in PULLS:
            scores = known[~fitted] @ products.weights(pull)
            reached = recall(ranked(scores, popularity), held_out)
            if best is None or reached > best[0]:
                best = (reached, weeks, pull, unfitted)
    assert best is not None, "there is a half-life and a pull"
    reached, weeks, pull, unfitted = best
    weights = Products.of(shares(journey, weeks * WEEK_HOURS, CHOOSING), worth).weights(pull)
    return Choice(weeks, pull, weights, reached, unfitted, plain)


@dataclass(frozen=True)
class Products:
    """The sums over baskets that a fit needs."""

    known: np.ndarray
    worth: np.ndarray

    @classmethod
    def of(cls, known: np.ndarray, worth: np.ndarray) -> Products:
        return cls(known.T @ known, known.T @ worth)

    def weights(self, pull: float) -> np.ndarray:
        """The weights as they can be declared: the largest of each content, rounded."""
        weights = self._fit(pull)
        lowest_kept = np.sort(weights, axis=0)[-min(WEIGHTS_MAX, len(weights))]
        return np.round(np.where(weights < lowest_kept, 0.0, weights), DECIMALS)

    def _fit(self, pull: float) -> np.ndarray:
        """Goes down one row of weights after another, for all contents at once, until nothing moves."""
        own = pull * np.eye(len(self.known))
        known, worth = self.known + own, self.worth + own
        weights = np.eye(len(known))
        for _ in range(SWEEPS_MAX):
            before = weights.copy()
            for value in range(len(known)):
                rest = worth[value] - known[value] @ weights + known[value, value] * weights[value]
                weights[value] = np.maximum(rest / known[value, value], 0)
            if np.abs(weights - before).max() < 1e-6:
                break
        return weights
