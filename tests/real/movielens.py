"""MovieLens-100k: who rated which films when, as records for a source topic.

The data (GroupLens, for research and education) come inside the Python package `recbole`, which is read as the
archive that it is; nothing of them is written anywhere. Harper and Konstan, The MovieLens Datasets: History and
Context, ACM TiiS 5:4, 2015.

A film's tags are its genres and itself. Whatever the stars, a film that was rated was watched, which is what is to
be foretold: before each second in which somebody rates, ten films are asked for that they have not rated yet.
"""

from __future__ import annotations

import zipfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from replay import ReplayFailed
from stream import SLOT, Message, event, text_of

RATED = "film_rated"
RATINGS = 100_000
FOLDER = "recbole/dataset_example/ml-100k/ml-100k"
# So many of a person's last films does the processor remember, and so many before them can a request name. The
# two overlap, so that neighbours that come in the other order are in one of them.
REMEMBERED = 200
OVERLAP = 20


@dataclass(frozen=True)
class Rating:
    """What a person rated in one second, and the films that are not to be named before it."""

    number: int
    person: int
    at: int
    films: list[int]
    # Those of the films rated before that a request names; the processor knows the last ones itself.
    named: list[int]
    excluded: list[int]


@dataclass(frozen=True)
class Films:
    """All ratings in the order of time. Films are numbers, in the order of their ids as texts."""

    ids: list[str]
    genres: list[str]
    # of_genre[film, genre], 0 or 1
    of_genre: np.ndarray
    ratings: list[Rating]

    @property
    def tags(self) -> list[str]:
        """The names of tags: films, then genres."""
        return [*(f"film {film}" for film in self.ids), *self.genres]

    def between(self, start: int, end: int) -> list[Rating]:
        return [rating for rating in self.ratings if start <= rating.at < end]

    def instant(self, share: float) -> int:
        """When this share of all films rated is reached, in seconds since the epoch."""
        instants = np.repeat([one.at for one in self.ratings], [len(one.films) for one in self.ratings])
        return int(instants[int(len(instants) * share)]) if share < 1 else int(instants[-1]) + 1

    def counts(self, until: int) -> np.ndarray:
        """How often each film was rated before an instant."""
        rated = [film for rating in self.between(0, until) for film in rating.films]
        return np.bincount(rated, minlength=len(self.ids)).astype(float)


def load(archive: Path) -> Films:
    """Reads the ratings and the films from the package's archive."""
    with zipfile.ZipFile(archive) as package:
        lines = [_fields(package, kind) for kind in ("item", "inter")]
    films, ratings = lines
    genres = sorted({genre for film in films for genre in film[3].split()})
    films.sort(key=lambda film: film[0])
    ids = [film[0] for film in films]
    of_genre = np.array([[genre in film[3].split() for genre in genres] for film in films], dtype=float)
    if len(ratings) != RATINGS:
        raise ReplayFailed(f"{len(ratings)} ratings instead of {RATINGS} in {archive}: other data")
    return Films(ids, genres, of_genre, _ratings(ids, ratings))


def _fields(package: zipfile.ZipFile, kind: str) -> list[list[str]]:
    return [line.split("\t") for line in package.read(f"{FOLDER}.{kind}").decode().splitlines()[1:]]


def _ratings(ids: list[str], lines: list[list[str]]) -> list[Rating]:
    number = {film: place for place, film in enumerate(ids)}
    together: dict[tuple[int, int], list[int]] = defaultdict(list)
    for person, film, _stars, at in lines:
        together[int(float(at)), int(person)].append(number[film])
    before: dict[int, list[int]] = defaultdict(list)
    ratings = []
    for place, ((at, person), films) in enumerate(sorted(together.items())):
        rated = before[person]
        named = rated[: -(REMEMBERED - OVERLAP)][-REMEMBERED:]
        ratings.append(Rating(place, person, at, sorted(films), named, [*named, *rated[-REMEMBERED:]]))
        rated += sorted(films)
    return ratings


def messages(films: Films, decided_from: int) -> list[Message]:
    """All records in the order of event time; from an instant on, a request before each rating."""
    stream = []
    for rating in films.ratings:
        if rating.at >= decided_from:
            stream.append(Message(rating.person, rating.at, True, _request(films, rating)))
        for film in rating.films:
            stream.append(Message(rating.person, rating.at, False, _rated(films, rating, film)))
    return stream


def _request(films: Films, rating: Rating) -> bytes:
    named = [films.ids[film] for film in rating.named]
    return event(
        "decision_request",
        message_id=f"request-{rating.number}",
        person=rating.person,
        at=text_of(rating.at),
        properties={"requestId": str(rating.number), "slot": SLOT, "exclude": named},
    )


def _rated(films: Films, rating: Rating, film: int) -> bytes:
    """One item for each tag, since an item has one category."""
    names = [f"film {films.ids[film]}", *(films.genres[genre] for genre in np.flatnonzero(films.of_genre[film]))]
    return event(
        RATED,
        message_id=f"rated-{rating.number}-{film}",
        person=rating.person,
        at=text_of(rating.at),
        properties={"items": [{"item_id": films.ids[film], "category": name} for name in names]},
    )

