"""What an event costs stage by stage: the work in memory on one thread, the rest of a drain, and the bare copy."""

from __future__ import annotations

import json
import subprocess

from .bench import Bench
from .product import Copy, bench_executable
from .report import Figure, progress
from .settings import CONFIGURATION, THREADS, Failed

NAMES = {
    "decode": "decode: JSON to an event",
    "react": "react: profiles looked up, changed, decisions encoded",
    "flush": "rows and updates of changed profiles encoded",
    "store": "RocksDB",
}


def stages(bench: Bench) -> Figure:
    """The sum of the stages, and what a drain takes beside them."""
    load, rounds = bench.settings.load(), bench.settings.rounds(3)
    copy = Copy(bench.settings, bench.broker, bench_executable("copy"))
    executable = bench_executable("stages")
    bench.drains("stages", "stages", [bench.bespoke, copy], load, rounds, judged=False)
    drained = bench.report.median("stages", "bespoke", "stages", "cpu_us_per_event")
    copied = bench.report.median("stages", "copy", "stages", "cpu_us_per_event")
    state = bench.settings.home / "state" / "stages"
    command = [
        *(executable, "--bootstrap", bench.settings.bootstrap, "--config", CONFIGURATION),
        *("--partitions", load.partitions // THREADS, "--state", state),
    ]
    runs = []
    for _ in range(rounds):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        lines = done.stdout.splitlines()
        if done.returncode != 0 or len(lines) < 2:
            raise Failed(f"the stages ended with {done.returncode}:\n{done.stderr[-4000:]}")
        progress(lines[-2])
        runs.append(json.loads(lines[-1]))
    least = min(runs, key=lambda run: run["sum"])
    bench.report.add("stages", "stages", **least)
    rest = drained - least["sum"]
    progress("\nstage                                                         µs per event")
    for key, name in NAMES.items():
        progress(f"{name:60} {least[key]:10.2f}")
    progress(f"{'the rest: the Kafka client, the kernel, cold caches, start':60} {rest:10.2f}")
    progress(f"{'a drain':60} {drained:10.2f}")
    return Figure(
        f"stages: {least['sum']:.2f} µs of work per event and {rest:.2f} µs beside it; a bare copy takes {copied:.2f} µs",
        True,
    )
