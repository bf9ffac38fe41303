"""Invariant I7 as the processes tell it: what came in and what became of it, for a known load."""

from __future__ import annotations

from .member import Member
from .place import CampaignFailed
from .recovery import metrics
from .settings import APPLICATION, SOURCES

COMMANDS = f"{APPLICATION}-commands"
OTHERS = ("dead_letters", "duplicates", "aborts")


def figures(members: list[Member]) -> dict[str, float]:
    """The sums over all processes: records in by topic, and the others over all their labels."""
    inputs = {topic: f'bespoke_records_in_total{{topic="{topic}"}}' for topic in (*SOURCES, COMMANDS)}
    sums = dict.fromkeys([*inputs, *OTHERS], 0.0)
    for member in members:
        found = metrics(member.port, 5.0)
        if not found:
            raise CampaignFailed(f"{member.name} does not tell its metrics; see {member.log}")
        for topic, metric in inputs.items():
            sums[topic] += found.get(metric, 0.0)
        for name in OTHERS:
            sums[name] += sum(
                value for key, value in found.items() if key.startswith(f"bespoke_{name}_total")
            )
    return sums


def difference(after: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    return {name: after[name] - before[name] for name in after}


def expected(sent: dict[str, int], partitions: int) -> dict[str, float]:
    """What the processes must say about a small load and one change of the catalogue.

    What is malformed ends as a dead letter where it comes in, and what a table says that tells nothing ends there; all
    else becomes a command, duplicates too; and content becomes one for each partition.
    """
    events = sent["clickstream"] + sent["orders"] + sent["order-rows"]
    commands = events - sent["malformed"] - sent["silent"] + partitions
    return {
        "clickstream": sent["clickstream"],
        "orders": sent["orders"],
        "order-rows": sent["order-rows"],
        "content": 1,
        "definitions": 0,
        "site-shares": 0,
        COMMANDS: commands,
        "dead_letters": sent["malformed"],
        "duplicates": sent["duplicate"],
        "aborts": 0,
    }
