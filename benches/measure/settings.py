"""What one run of the benchmark is told, and what lies in the topic that the engines read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

BENCHES = Path(__file__).resolve().parents[1]
PEER = BENCHES / "peers" / "kafka-streams"
IDIOMATIC = BENCHES / "peers" / "kafka-streams-idiomatic"
CONFIGURATION = BENCHES / "reference" / "bespoke.yaml"
CONTENT = PEER / "src" / "main" / "resources" / "content.csv"

PROFILES, DECISIONS, SEGMENTS, DEAD_LETTERS = (
    "bench-profiles",
    "bench-decisions",
    "bench-segments",
    "bench-dead-letters",
)
OUTPUTS = (PROFILES, DECISIONS, SEGMENTS, DEAD_LETTERS)

THREADS = 2


class Failed(Exception):
    """The run cannot go on."""


@dataclass(frozen=True)
class Load:
    """The records that engines process: a function of these numbers alone."""

    events: int
    users: int
    seed: int = 1
    keyed: bool = True
    partitions: int = 8
    topic: str = ""

    @property
    def name(self) -> str:
        """The topic that it lies in."""
        return self.topic or ("bench-events" if self.keyed else "bench-events-unkeyed")

    @property
    def variant(self) -> str:
        return "keyed" if self.keyed else "unkeyed"

    def __str__(self) -> str:
        return (
            f"{self.variant}, {self.events:,} events, {self.users:,} users, {self.partitions} partitions, "
            f"seed {self.seed}"
        )


@dataclass(frozen=True)
class Settings:
    """Where things are and how much is to be done."""

    bootstrap: str
    registry: str
    binary: Path
    cache: Path
    home: Path
    broker_home: Path | None
    broker: str
    events: int
    users: int
    seed: int
    repeats: int | None
    peers: tuple[str, ...]
    commits_ms: tuple[int, ...]
    rates: tuple[int, ...]
    seconds: int
    warm_up_s: int
    sets: tuple[str, ...]

    def load(self, **other: object) -> Load:
        """The load that was asked for, with what one measure wants otherwise."""
        values: dict[str, object] = {"events": self.events, "users": self.users, "seed": self.seed, **other}
        return Load(**values)  # type: ignore[arg-type]

    def rounds(self, otherwise: int) -> int:
        """How often a measure is repeated; more often than `otherwise` or less where that was asked for."""
        return self.repeats or otherwise

    @property
    def commit_ms(self) -> int:
        """The commit interval of everything but latency: every engine commits at most one second apart."""
        return 1_000
