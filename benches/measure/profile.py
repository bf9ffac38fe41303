"""Where the CPU goes while the product drains: samples of `perf`, by part of the work and by function."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .bench import Bench
from .process import cpu_s
from .report import Figure, progress
from .settings import Failed

SAMPLES_PER_SECOND = 499
FUNCTIONS_SHOWN = 40

# The first whose words are in the function's name, or in that of the file it is in, has it. What is inlined
# counts where it went; the allocator and the copying of bytes are apart, whoever called them.
PARTS = (
    ("kernel", r"\[kernel|\[vdso\]"),
    ("allocator", r"\b(malloc|calloc|realloc|cfree|free|_int_\w+|malloc_consolidate|unlink_chunk)\b|__rust_|__rdl_|sysmalloc|tcache"),
    ("copying and comparing of bytes", r"mem(cpy|move|set|cmp|chr)|bcmp|strlen"),
    ("decode", r"codec::wire|serde_json|jiff|json"),
    ("react", r"domain::|cel::|libm"),
    ("row codec", r"codec::row|postcard"),
    ("hashing", r"xxh|foldhash|siphash|sip::"),
    ("output encode", r"codec::output|apache_avro|codec::command"),
    ("overlay and task", r"store::overlay|runtime::task"),
    ("store", r"store::rocks|rocksdb|LZ4_.*rocksdb|ROCKSDB"),
    ("metrics and logs", r"opentelemetry|instruments|tracing|prometheus"),
    ("kafka client", r"rd_kafka|rdkafka|rd_|LZ4|XXH|crc32|murmur|kafka"),
    ("worker", r"runtime::|bespoke::"),
    ("waiting and locking", r"pthread|futex|mutex|mtx_|cnd_|lll_"),
)


def profile(bench: Bench) -> Figure:
    """Samples one drain from the moment that the process is ready."""
    if shutil.which("perf") is None:
        raise Failed("perf is missing; Debian has it in linux-perf")
    load, engine = bench.settings.load(), bench.bespoke
    bench.preload(load)
    engine.clean(load)
    process = engine.start(load, bench.settings.commit_ms)
    engine.started(process)
    before = cpu_s(process.pid)
    samples = bench.settings.home / "perf.data"
    record = ["perf", "record", "-q", "-F", str(SAMPLES_PER_SECOND), "-p", str(process.pid), "-o", str(samples)]
    with subprocess.Popen(record, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as sampler:
        engine.wait_until_drained(load, process)
        used = process.usage().cpu_s - before
        sampler.send_signal(signal.SIGINT)
        _, errors = sampler.communicate()
    process.stop()
    functions = list(_functions(samples))
    if not functions:
        raise Failed(f"perf has no samples: {errors.decode(errors='replace').strip()}")
    _print(functions, used * 1e6 / load.events)
    share, name, _ = functions[0]
    return Figure(
        f"profile: {used * 1e6 / load.events:.2f} µs of CPU per event after the start; "
        f"the most, {share:.1f} %, in {name}",
        True,
    )


def _functions(samples: Path) -> Iterator[tuple[float, str, str]]:
    """The share in percent, the function, and the part of the work that it is."""
    command = ["perf", "report", "-i", str(samples), "--no-children", "--stdio", "-g", "none", "-F", "overhead,dso,symbol"]
    told = subprocess.run([*command, "-w", "0,0,200"], capture_output=True, text=True, check=False)
    for line in told.stdout.splitlines():
        if found := re.match(r"\s*([\d.]+)%\s+(\S+)\s+\[[.k]\]\s+(.*\S)", line):
            share, file, name = found.groups()
            yield float(share), name, _part(file, name)


def _part(file: str, name: str) -> str:
    for part, words in PARTS:
        if re.search(words, f"{file} {name}"):
            return part
    return "other"


def _print(functions: list[tuple[float, str, str]], us_per_event: float) -> None:
    parts: dict[str, float] = {}
    for share, _, part in functions:
        parts[part] = parts.get(part, 0.0) + share
    progress("\npart                              share    µs per event")
    for part, share in sorted(parts.items(), key=lambda entry: -entry[1]):
        progress(f"{part:32} {share:6.1f} %  {share * us_per_event / 100:10.3f}")
    progress("\nfunction")
    for share, name, part in functions[:FUNCTIONS_SHOWN]:
        progress(f"{share:6.2f} %  {part:18.18}  {name[:120]}")
