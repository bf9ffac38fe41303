"""Ranks films by the tags of those rated before, in numpy: to choose what is declared, and to compare with.

A film's weights say how near it is to each tag. To another film: the cosine of who rated both (Sarwar et al.,
Item-Based Collaborative Filtering, WWW 2001). To a genre: what share of those who watch it rated the film, times a
pull. Half-life and pull are those that do best on the ratings from 60 to 80 % of all, with weights from those
before; the weights that are declared are of all before 80 %. The last 20 % are reported alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from movielens import Films, Rating
from scoring import HOUR_S, TOP, ranked

HALF_LIVES_HOURS = (2, 4, 12, 24)
PULLS = (0.0, 0.05, 0.1, 0.2)
# How many other films one can be about: with the genres no more than 64 values.
NEIGHBOURS_MAX = 44
DECIMALS = 6
FITTED = 0.6
CHOSEN = 0.8


@dataclass(frozen=True)
class Choice:
    """What was chosen, and how it did from 60 to 80 %."""

    half_life_hours: int
    pull: float
    # weights[tag, film]
    weights: np.ndarray
    hit_rate: float


def choose(films: Films) -> Choice:
    """Tries every half-life with every pull."""
    start, end = films.instant(FITTED), films.instant(CHOSEN)
    counts, held_out = films.counts(start), films.between(start, end)
    best = (0.0, 0, 0.0)
    for half_life_hours in HALF_LIVES_HOURS:
        known = shares(films, half_life_hours, start, end)
        for pull in PULLS:
            tops = rank(known @ weights(films, start, pull), counts, held_out)
            best = max(best, (hit_rate(tops, held_out), -half_life_hours, pull))
    rate, half_life, pull = best
    return Choice(-half_life, pull, np.round(weights(films, end, pull), DECIMALS), rate)


def weights(films: Films, until: int, pull: float) -> np.ndarray:
    """What each film is about, by the ratings before an instant: weights[tag, film]."""
    before = films.between(0, until)
    person = {name: row for row, name in enumerate(sorted({rating.person for rating in before}))}
    rated = np.zeros((len(person), len(films.ids)))
    for rating in before:
        rated[person[rating.person], rating.films] = 1
    counts = rated.sum(axis=0)
    together = rated.T @ rated
    np.fill_diagonal(together, 0)
    nearness = together / np.maximum(np.sqrt(np.outer(counts, counts)), 1)
    for film in nearness.T:
        film[np.argsort(-film, kind="stable")[NEIGHBOURS_MAX:]] = 0
    watched = rated @ films.of_genre
    watched /= np.maximum(watched.sum(axis=1, keepdims=True), 1)
    of_watchers = watched.T @ rated / np.maximum(watched.sum(axis=0)[:, None], 1)
    return np.vstack([nearness, pull * of_watchers])


def shares(films: Films, half_life_hours: int | None, start: int, end: int) -> np.ndarray:
    """Before each rating from `start` to before `end`: the person's share of each tag. Decays by whole hours."""
    rows = []
    tags = np.hstack([np.eye(len(films.ids)), films.of_genre])
    known: dict[int, tuple[int, np.ndarray]] = {}
    for rating in films.between(0, end):
        now = rating.at // HOUR_S
        hour, scores = known.get(rating.person, (now, np.zeros(tags.shape[1])))
        if half_life_hours is not None:
            scores = scores * 0.5 ** ((now - hour) / half_life_hours)
        if rating.at >= start:
            rows.append(scores / max(scores.sum(), 1e-300))
        known[rating.person] = (now, scores + tags[rating.films].sum(axis=0))
    return np.array(rows)


def rank(scores: np.ndarray, counts: np.ndarray, ratings: Sequence[Rating]) -> np.ndarray:
    """The ten best films before each rating, without those that are not to be named."""
    scores = scores.copy()
    for row, rating in zip(scores, ratings, strict=True):
        row[rating.excluded] = -1
    return ranked(scores, counts)


def hit_rate(tops: Sequence[np.ndarray] | np.ndarray, ratings: Sequence[Rating]) -> float:
    """Hit rate at 10: before what share of the ratings one of its films was among the ten named."""
    hits = [np.isin(rating.films, top[:TOP]).any() for top, rating in zip(tops, ratings, strict=True)]
    return float(np.mean(hits))
