"""Scores the processor's decisions on real shopping data: called by `./dev real`.

The Complete Journey 2017: the purchases of 2,469 households. Each basket is an order event; before each
basket of the second half of the year a decision is asked for, which names ten categories; recall at 10 says
how many of the basket's categories were named. Half-life and weights are chosen on July to September, the
figure is that of October to December. Then all of it again with duplicates, disorder and two kill -9: every
decision must be the same.

Ends with 1 if the figure is not above that of the best simple method, or if the runs differ.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from confluent_kafka import KafkaException

import configuration
import scoring
from choice import Choice, choose
from journey import CHOOSING, REPORTED, Basket, Journey, Period, load
from kafka import Decision, KafkaFailed
from movielens_run import measure_movielens
from processor import ProcessorFailed
from replay import KILL_AT, ReplayFailed, Setup, replay
from report import count_differing, say, show_cost
from shop import as_in_life, clean, clicks
from shop_replay import Year, replay_shop
from stream import count_behind, disturbed, messages

# The best of the simple methods: counts with a half-life of 13 weeks.
BAR = 0.4155
# So many households are in the year; fewer profiles are a replay that went wrong.
PERSONS_LEAST = 2_400
# How many baskets October to December has: another number means another task.
BASKETS = 35_705
SEED = 2017


@dataclass(frozen=True)
class Task:
    """The baskets of a period, and what each method names before them, best first."""

    period: Period
    baskets: list[Basket]
    methods: dict[str, np.ndarray]

    @classmethod
    def of(cls, journey: Journey, period: Period, choice: Choice) -> Task:
        popularity = journey.popularity(period.start)
        # Equals by popularity as at the end of September in the processor's catalogue, whatever the period.
        declared = journey.popularity(REPORTED.start)
        chosen = scoring.shares(journey, choice.half_life_hours, period) @ choice.weights
        nothing = np.zeros_like(chosen)
        undecayed = scoring.shares(journey, None, period)
        decayed = scoring.shares(journey, 13 * scoring.WEEK_HOURS, period)
        methods = {
            "popularity": scoring.ranked(nothing, popularity),
            "counts without decay": scoring.ranked(undecayed, popularity),
            "half-life of 13 weeks": scoring.ranked(decayed, popularity),
            "the chosen, in numpy": scoring.ranked(chosen, declared),
        }
        return cls(period, journey.within(period), methods)

    def tops(self, categories: Sequence[str], decisions: dict[str, Decision]) -> list[np.ndarray]:
        """What the processor named before each basket."""
        number = {name: place for place, name in enumerate(categories)}
        answers = (decisions[str(basket.number)] for basket in self.baskets)
        return [np.array([number[content] for content in answer.contents]) for answer in answers]

    def recall(self, method: str) -> float:
        return scoring.recall(self.methods[method], self.baskets)


def main() -> int:
    arguments = parse()
    if arguments.movielens is not None:
        with tempfile.TemporaryDirectory(prefix="bespoke-real.") as work:
            return measure_movielens(arguments, Path(work))
    say("reading The Complete Journey 2017")
    journey = load()
    say("choosing half-life and weights on July to September")
    choice = choose(journey)
    show_choice(choice)
    tasks = [Task.of(journey, period, choice) for period in (CHOOSING, REPORTED)]
    if len(tasks[-1].baskets) != BASKETS:
        raise ReplayFailed(f"{len(tasks[-1].baskets)} baskets to be decided instead of {BASKETS}: other data")
    catalogue = configuration.contents(
        journey.categories, journey.categories, choice.weights, journey.popularity(REPORTED.start)
    )
    setup = Setup.of(arguments, choice.half_life_hours, catalogue)
    with tempfile.TemporaryDirectory(prefix="bespoke-real.") as work:
        if arguments.shop:
            return measure_shop(journey, tasks, setup, Path(work))
        return measure(arguments.faults, journey, tasks, setup, Path(work))


def measure_shop(journey: Journey, tasks: list[Task], setup: Setup, work: Path) -> int:
    """The year as a shop sees it, clean and as it comes in life: both must say the same."""
    name, made = f"real-{os.getpid()}", clicks(journey, Random(SEED))
    years: list[Year] = []
    for text, records, from_database in (
        ("clean", clean(journey, made), False),
        ("as in life", as_in_life(journey, made, Random(SEED)), True),
    ):
        say(f"streaming {len(records):,} records, {len(made):,} of them clicks: {text}")
        home = work / f"shop-{len(years)}"
        years.append(replay_shop(setup, f"{name}-{len(years)}", home, records, from_database))
        say(f"  {len(years[-1].decisions):,} decisions, {len(years[-1].profiles):,} profiles, {years[-1].wall_s:.0f} s")
    one, other = years
    persons = one.profiles.keys() | other.profiles.keys()
    torn = [person for person in sorted(persons) if one.profiles.get(person) != other.profiles.get(person)]
    for person in torn[:3]:
        say(f"  {person}: {one.profiles.get(person)} became {other.profiles.get(person)}")
    differing = count_differing(one.decisions, other.decisions)
    scores = [scoring.recall(tasks[-1].tops(journey.categories, year.decisions), tasks[-1].baskets) for year in years]
    known = sum(any(values for _, values in profile["interests"]) for profile in one.profiles.values())
    good = not torn and not differing and scores[1] >= scores[0] > BAR and known == len(persons) >= PERSONS_LEAST
    say(
        f"real: recall@10 clean {scores[0]:.4f}, as in life {scores[1]:.4f}; of {len(persons):,} profiles "
        f"{len(torn)} differ, of {len(one.decisions):,} decisions {differing}{'' if good else ': NOT the same'}"
    )
    return 0 if good else 1


def measure(with_faults: bool, journey: Journey, tasks: list[Task], setup: Setup, work: Path) -> int:
    """Both runs, everything that is printed about them, and the exit code."""
    name = f"real-{os.getpid()}"
    stream = messages(journey)
    say(f"streaming {len(stream):,} records through the processor")
    plain = replay(setup, f"{name}-plain", work / "plain", stream, kill_at=())
    show_cost(plain)
    for task in tasks:
        show_scores(task, task.tops(journey.categories, plain.decisions))
    score = scoring.recall(tasks[-1].tops(journey.categories, plain.decisions), tasks[-1].baskets)
    verdict, code = "", 0 if score > BAR else 1
    if with_faults:
        faulty_stream = disturbed(stream, Random(SEED))
        copies, behind = len(faulty_stream) - len(stream), count_behind(faulty_stream)
        say(
            f"again, with {copies:,} duplicates, {behind:,} records behind a later one "
            f"and {len(KILL_AT)} kill -9"
        )
        faulty = replay(setup, f"{name}-faults", work / "faults", faulty_stream, KILL_AT)
        show_cost(faulty)
        again = scoring.recall(tasks[-1].tops(journey.categories, faulty.decisions), tasks[-1].baskets)
        differing = count_differing(plain.decisions, faulty.decisions)
        same = differing == 0 and again == score
        say(f"recall@10 without faults {score!r}, with faults {again!r}; decisions that differ: {differing}")
        verdict = "; the same with faults" if same else f"; with faults {differing} decisions DIFFER"
        code = code if same else 1
    if score <= BAR:
        verdict += f"; NOT above {BAR}"
    popularity, counts = tasks[-1].recall("popularity"), tasks[-1].recall("counts without decay")
    say(
        f"real: recall@10 {score:.4f} on {len(tasks[-1].baskets):,} baskets "
        f"(popularity {popularity:.3f}, counts {counts:.3f}){verdict}"
    )
    return code


def show_choice(choice: Choice) -> None:
    plain = ", ".join(f"{weeks} weeks {reached:.4f}" for weeks, reached in choice.plain.items())
    say(f"  each content about its own category, July to September: {plain}")
    say(
        f"  fitted on July and August, September: {choice.held_out:.4f} with a half-life of "
        f"{choice.half_life_weeks} weeks and a pull of {choice.pull} "
        f"({choice.held_out_plain:.4f} with own categories alone)"
    )


def show_scores(task: Task, tops: Sequence[np.ndarray]) -> None:
    baskets = task.baskets
    note = ", on which the weights were fitted" if task.period == CHOOSING else ""
    repeated = scoring.share_repeated(baskets)
    say(f"{task.period.name}: {len(baskets):,} baskets{note}; {repeated:.1%} of categories bought before")
    say(f"  {'recall@10':24} {'all':>7} {'repeat':>7} {'new':>7}")
    methods: dict[str, Iterable[np.ndarray]] = {**task.methods, "the processor": tops}
    for method, named in methods.items():
        parts = (scoring.recall, scoring.recall_of_repeated, scoring.recall_of_new)
        all_, repeat, new = (part(named, baskets) for part in parts)
        say(f"  {method:24} {all_:7.4f} {repeat:7.4f} {new:7.4f}")
    model = task.methods["the chosen, in numpy"]
    same = sum(np.array_equal(one, other) for one, other in zip(tops, model, strict=True))
    say(f"  {same:,} of {len(baskets):,} decisions rank as numpy does")


def parse() -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bootstrap", required=True, help="the Kafka broker, as host:port")
    parser.add_argument("--registry", required=True, help="the address of the schema registry")
    parser.add_argument("--binary", required=True, type=Path, help="the processor")
    parser.add_argument("--threads", type=int, default=2, help="worker threads of the processor [2]")
    parser.add_argument(
        "--faults",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="the second run, with duplicates, disorder and kills",
    )
    parser.add_argument(
        "--shop",
        action="store_true",
        help="instead: orders as Debezium tells them and a made clickstream, clean and as in life",
    )
    parser.add_argument(
        "--movielens",
        type=Path,
        metavar="ARCHIVE",
        help="instead: films by their tags, from MovieLens-100k in this archive of the package recbole",
    )
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (KafkaException, KafkaFailed, OSError, ProcessorFailed, ReplayFailed) as failure:
        # A deadline that has passed says nothing of itself.
        sys.exit(f"real: {str(failure) or repr(failure)}")
