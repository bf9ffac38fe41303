"""What is said: rows as lines of JSON, tables with minimum, median and maximum, figures against targets."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]

# The figures of a table: key, what it is called, how it is written.
COLUMNS = {
    "events_per_cpu_s": ("events per CPU-second", ",.0f"),
    "events_per_cpu_s_after_start": ("the same without the start", ",.0f"),
    "events_per_s": ("events per second", ",.0f"),
    "wall_s": ("wall seconds", ",.2f"),
    "cpu_s": ("CPU-seconds", ",.2f"),
    "start_s": ("seconds until ready", ",.2f"),
    "start_cpu_s": ("CPU-seconds until ready", ",.2f"),
    "peak_rss_mb": ("peak resident MB", ",.0f"),
    "written_bytes_per_event": ("bytes written per event", ",.1f"),
    "state_mb": ("state, MB", ",.1f"),
    "changelog_mb": ("changelog, MB", ",.1f"),
    "broker_cpu_s": ("broker's CPU-seconds", ",.2f"),
    "p50_ms": ("p50, ms", ",.1f"),
    "p90_ms": ("p90, ms", ",.1f"),
    "p99_ms": ("p99, ms", ",.1f"),
    "p999_ms": ("p99.9, ms", ",.1f"),
    "unanswered": ("requests without a decision", ",.0f"),
    "most_behind_ms": ("sender behind its plan at most, ms", ",.0f"),
    "cpu_us_per_event": ("CPU-microseconds per event", ",.1f"),
    "ready_s": ("seconds until ready", ",.2f"),
    "records": ("records restored", ",.0f"),
    "records_per_s": ("records restored per second", ",.0f"),
    "first_decision_s": ("seconds until the first decision", ",.2f"),
}


@dataclass(frozen=True)
class Figure:
    """The one line of a measure, and whether it is as it should be."""

    text: str
    good: bool


class Report:
    """Collects rows, writes each at once, and prints tables of them."""

    def __init__(self, path: Path, versions: dict[str, str]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._out = path.open("a", encoding="utf-8")
        self.path = path
        self.rows: list[Row] = []
        self.versions = versions
        self._line(
            {"measure": "versions", "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **versions}
        )

    def add(self, measure: str, engine: str, **figures: Any) -> Row:
        """One run of one engine."""
        row: Row = {"measure": measure, "engine": engine}
        row |= {key: round(value, 3) if isinstance(value, float) else value for key, value in figures.items()}
        self.rows.append(row)
        self._line(row)
        shown = ", ".join(
            f"{format(row[key], style)} {name}"
            for key, (name, style) in COLUMNS.items()
            if key in row
            and key in ("events_per_cpu_s", "peak_rss_mb", "p99_ms", "cpu_us_per_event", "ready_s")
        )
        progress(f"{measure} {row.get('case', '')}: {engine}: {shown or 'done'}")
        return row

    def agreement(self, engine: str, case: str, agrees: bool, words: str) -> None:
        self._line({"measure": "agreement", "engine": engine, "case": case, "agrees": agrees, "words": words})
        progress(f"{engine}, {case}:\n{words}")

    def of(self, measure: str, engine: str, case: str) -> list[Row]:
        return [
            row
            for row in self.rows
            if (row["measure"], row["engine"], row.get("case")) == (measure, engine, case)
        ]

    def median(self, measure: str, engine: str, case: str, key: str) -> float:
        return statistics.median(row[key] for row in self.of(measure, engine, case))

    def ratio(self, measure: str, one: str, other: str, case: str, key: str) -> float:
        """The median of the quotients run by run: what is near in time is near in the machine's mood."""
        pairs = zip(self.of(measure, one, case), self.of(measure, other, case), strict=False)
        return statistics.median(left[key] / right[key] for left, right in pairs)

    def table(self, measure: str, title: str, case: str, engines: Sequence[str]) -> None:
        """All figures of a case, engine by engine."""
        print(f"\n{measure}: {title}")
        print(f"  {'engine':10} {'figure':34} {'runs':>4} {'min':>12} {'median':>12} {'max':>12}")
        for engine in engines:
            rows = self.of(measure, engine, case)
            for key, (name, style) in COLUMNS.items():
                values = [row[key] for row in rows if row.get(key) is not None]
                if values:
                    parts = [
                        format(part, style) for part in (min(values), statistics.median(values), max(values))
                    ]
                    low, middle, high = parts
                    print(f"  {engine:10} {name:34} {len(values):>4} {low:>12} {middle:>12} {high:>12}")
        sys.stdout.flush()

    def figure(self, figure: Figure) -> None:
        self._line({"measure": "figure", "text": figure.text, "good": figure.good})
        print(f"bench: {figure.text}", flush=True)

    def _line(self, row: Row) -> None:
        self._out.write(json.dumps(row) + "\n")
        self._out.flush()


def progress(text: str) -> None:
    """For whoever waits; no part of the result."""
    print(text, file=sys.stderr, flush=True)
