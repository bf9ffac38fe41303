"""MovieLens through the processor: plain, then with faults, beside methods that are simpler."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

import configuration
from movielens import RATED, REMEMBERED, Films, Rating, load, messages
from movielens_model import CHOSEN, Choice, choose, hit_rate, rank, shares, weights
from replay import KILL_AT, Outcome, Setup, replay
from report import count_differing, say, show_cost
from scoring import TOP
from stream import SLOT, Message, count_behind, disturbed

# The methods that are to be beaten.
SIMPLE = ("popularity", "counts without decay")
SEED = 1997


@dataclass(frozen=True)
class Task:
    """The last ratings, and how well each method foretells them."""

    films: Films
    ratings: list[Rating]
    # How often each film was rated before: its base weight.
    counts: np.ndarray
    # What the chosen half-life and weights name, best first.
    chosen: np.ndarray
    rates: dict[str, float]

    @classmethod
    def of(cls, films: Films, choice: Choice) -> Task:
        start, end = films.instant(CHOSEN), films.instant(1)
        ratings, counts = films.between(start, end), films.counts(start)
        tops = {name: rank(scores, counts, ratings) for name, scores in rankings(films, choice, start, end).items()}
        rates = {name: hit_rate(top, ratings) for name, top in tops.items()}
        return cls(films, ratings, counts, tops["the chosen, in numpy"], rates)

    def tops(self, outcome: Outcome) -> list[np.ndarray]:
        """What the processor named before each rating."""
        place = {film: number for number, film in enumerate(self.films.ids)}
        answers = (outcome.decisions[str(rating.number)] for rating in self.ratings)
        return [np.array([place[film] for film in answer.contents]) for answer in answers]


def measure_movielens(arguments: argparse.Namespace, work: Path) -> int:
    """Both runs, everything that is printed about them, and the exit code."""
    films = load(arguments.movielens)
    say("choosing half-life and pull on the ratings from 60 to 80 %")
    choice = choose(films)
    say(f"  {choice.hit_rate:.4f} with a half-life of {choice.half_life_hours} h and a pull of {choice.pull}")
    task = Task.of(films, choice)
    catalogue = configuration.contents(films.ids, films.tags, choice.weights, task.counts)
    own = declared(choice, catalogue)
    setup = Setup.of(arguments, choice.half_life_hours, catalogue)

    def run(name: str, records: list[Message], kill_at: tuple[float, ...]) -> Outcome:
        outcome = replay(setup, f"real-{os.getpid()}-{name}", work / name, records, kill_at, own)
        show_cost(outcome)
        return outcome

    stream = messages(films, films.instant(CHOSEN))
    say(f"streaming {len(stream):,} records through the processor")
    plain = run("plain", stream, ())
    score, bar = show_rates(task, plain), max(task.rates[name] for name in SIMPLE)
    verdict, good = "" if score > bar else f"; NOT above {bar:.4f}", score > bar
    if arguments.faults:
        faulty = disturbed(stream, Random(SEED))
        say(
            f"again, with {len(faulty) - len(stream):,} duplicates, {count_behind(faulty):,} records behind a "
            f"later one and {len(KILL_AT)} kill -9"
        )
        differing = count_differing(plain.decisions, run("faults", faulty, KILL_AT).decisions)
        verdict += f"; with faults {differing} decisions DIFFER" if differing else "; the same with faults"
        good = good and differing == 0
    simple = ", ".join(f"{name} {task.rates[name]:.4f}" for name in SIMPLE)
    say(f"real: MovieLens hit rate at {TOP} {score:.4f} before {len(task.ratings):,} ratings ({simple}){verdict}")
    return 0 if good else 1


def show_rates(task: Task, outcome: Outcome) -> float:
    """Prints how well each method does, and answers how well the processor does."""
    tops = task.tops(outcome)
    score = hit_rate(tops, task.ratings)
    say(f"the last 20 %: {len(task.ratings):,} decisions, hit rate at {TOP}")
    for name, rate in {**task.rates, "the processor": score}.items():
        say(f"  {name:24} {rate:7.4f}")
    same = sum(np.array_equal(one, other) for one, other in zip(tops, task.chosen, strict=True))
    say(f"  {same:,} of {len(tops):,} decisions rank as numpy does")
    return score


def rankings(films: Films, choice: Choice, start: int, end: int) -> dict[str, np.ndarray]:
    """What each method thinks of each film before each rating."""
    known = shares(films, choice.half_life_hours, start, end)
    genres = len(films.ids)
    return {
        "popularity": np.zeros((len(known), genres)),
        "genres alone": known[:, genres:] @ weights(films, start, 1.0)[genres:],
        "counts without decay": shares(films, None, start, end) @ choice.weights,
        "the chosen, in numpy": known @ choice.weights,
    }


def declared(choice: Choice, catalogue: list[configuration.Content]) -> dict[str, object]:
    """What stands in the configuration instead of what is for baskets."""
    return {
        "recent_items": {"events": [RATED], "max": REMEMBERED},
        "interests": {"film": configuration.interest(choice.half_life_hours, RATED)},
        "slots": {SLOT: configuration.slot("film", catalogue, exclude_recent=True)},
    }
