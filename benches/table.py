"""The table of drains as it stands in the README, from the lines of JSON that a run of the benchmark leaves.

    python3 benches/table.py ~/.cache/bespoke/bench/runs/*/runs.jsonl

Medians of all runs of the files given, which must be of one load on one machine.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

ENGINES = {"bespoke": "Bespoke", "extreme": "Kafka Streams, *extreme*", "tuned": "*tuned*", "idiomatic": "*idiomatic*"}
# Figure, how it is called, and the steps to which it is rounded.
FIGURES = (
    ("events_per_cpu_s", "events per CPU-second, start included", 1_000),
    ("events_per_cpu_s_after_start", "the same without the start", 1_000),
    ("peak_rss_mb", "peak resident memory, MB", 1),
    ("written_bytes_per_event", "bytes written to disk per event", 1),
)


def main(paths: list[str]) -> int:
    lines = [json.loads(line) for path in paths for line in Path(path).read_text().splitlines()]
    drains = [line for line in lines if line["measure"] == "drain"]
    loads = {line["load"] for line in drains}
    machines = {line["machine"] for line in lines if line["measure"] == "versions"}
    if len(loads) != 1 or len(machines) != 1:
        print(f"not one load on one machine: {sorted(loads)}, {sorted(machines)}", file=sys.stderr)
        return 2
    engines = [engine for engine in ENGINES if any(line["engine"] == engine for line in drains)]
    runs = min(sum(line["engine"] == engine for line in drains) for engine in engines)
    print(f"{loads.pop()}; medians of {runs} runs at least, on {machines.pop()}\n")
    print("| | " + " | ".join(ENGINES[engine] for engine in engines) + " |")
    print("| --- |" + " --- |" * len(engines))
    for figure, called, step in FIGURES:
        print(f"| {called} | " + " | ".join(median(drains, engine, figure, step) for engine in engines) + " |")
    return 0


def median(drains: list[dict[str, Any]], engine: str, figure: str, step: int) -> str:
    values = [line[figure] for line in drains if line["engine"] == engine]
    return f"{round(statistics.median(values) / step) * step:,}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
