"""What the checker found: counts, and the first violations, each in one line."""

from __future__ import annotations

from typing import Any

KEPT_MAX = 50


class Report:
    """Counts and violations; reports of several processes add up."""

    def __init__(self) -> None:
        self.records: dict[str, int] = {}
        self.compared: dict[str, int] = {}
        self.violations: dict[str, int] = {f"I{number}": 0 for number in range(1, 8)}
        self.first: list[str] = []
        self.configured: int | None = None  # what stands for the definitions of the configuration

    def violation(self, invariant: str, where: str, person: str | None, what: str) -> None:
        """`where` is topic-partition@offset."""
        self.violations[invariant] += 1
        if len(self.first) < KEPT_MAX:
            about = f" {person}" if person else ""
            self.first.append(f"{invariant} {where}{about}: {what}"[:2_000])

    def name_configured(self, found: int) -> str:
        """The product's own name of the definitions of the configuration, the same in all outputs and, its low half,
        in rows."""
        if self.configured is None:
            self.configured = found
        return f"{self.configured:016x}"

    def read(self, topic: str, count: int = 1) -> None:
        self.records[topic] = self.records.get(topic, 0) + count

    def count(self, what: str, number: int = 1) -> None:
        self.compared[what] = self.compared.get(what, 0) + number

    def add(self, other: Report) -> None:
        for topic, count in other.records.items():
            self.read(topic, count)
        for what, count in other.compared.items():
            self.count(what, count)
        for invariant, count in other.violations.items():
            self.violations[invariant] += count
        self.first = (self.first + other.first)[:KEPT_MAX]
        if None not in (self.configured, other.configured) and self.configured != other.configured:
            self.violation("I5", "outputs", None, "the definitions of the configuration have two names")
        self.configured = self.configured if other.configured is None else other.configured

    @property
    def total(self) -> int:
        return sum(self.violations.values())

    def as_json(self, seconds: float) -> dict[str, Any]:
        return {
            "records": self.records,
            "compared": self.compared,
            "violations": self.violations,
            "first": self.first,
            "seconds": round(seconds, 3),
        }
