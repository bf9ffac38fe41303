"""What a campaign is told, and the sizes that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
APPLICATION = "shop"
OWN_PARTITIONS = 6
# As the demo has them, and the table of the orders by telephone.
SOURCES = {"clickstream": 4, "orders": 2, "order-rows": 2, "content": 1, "definitions": 1, "site-shares": 1}
MEMBERS = 3
# How long the group waits for a member that says nothing; the least that the configuration takes.
SESSION_S = 6.0

# Seconds from one fault to the next, and the share of them that kill a process: together a kill in 8 s.
FAULT_GAP_S = (2.0, 6.5)
KILL_SHARE = 0.58
KILL_EVERY_S = 8.0
# After so many faults everything is healed, and every partition that has lag must move.
CALM_EVERY = 12
FLOOD_RATE = 20_000.0


@dataclass(frozen=True)
class Settings:
    """The arguments of `./dev prove kills`."""

    kills: int
    events: int
    seed: int
    profiles: int
    binary: Path
    jars: Path
    check: Path
    home: Path
    report: Path
    tally: Path | None
    keep: bool
    only: frozenset[str]

    @property
    def persons(self) -> int:
        """About fifty events a person; prefilled persons come again."""
        return min(max(100, self.events // 50), 50_000)

    @property
    def small_disk_bytes(self) -> int:
        return max(512 << 20, self.profiles * 4_096)

    @property
    def time_max_s(self) -> float:
        """A run that has not reached its kills and events by then has failed."""
        return 300 + self.kills * 3 * KILL_EVERY_S + self.events / 300

    @property
    def drain_max_s(self) -> float:
        """How long everything may take to be consumed once all faults are healed and all events sent."""
        return 90 + self.events / 1_000 + self.profiles / 1_000
