"""What the evaluations print alike."""

from __future__ import annotations

from kafka import Decision
from replay import Outcome


def count_differing(one: dict[str, Decision], other: dict[str, Decision]) -> int:
    """How many requests have another answer: other content, another order or another step of the ladder."""
    return sum(
        1
        for request, decision in one.items()
        if (decision.contents, decision.ladder) != (other[request].contents, other[request].ladder)
    )


def show_cost(outcome: Outcome) -> None:
    rate = outcome.records / outcome.wall_s
    say(
        f"  {outcome.records:,} records, {len(outcome.decisions):,} decisions, {outcome.kills} kills: "
        f"wall {outcome.wall_s:.1f} s, processor CPU {outcome.cpu_s:.1f} s, {rate:,.0f} records/s"
    )


def say(line: str) -> None:
    print(line, flush=True)
