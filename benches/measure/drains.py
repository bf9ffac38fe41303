"""The measures that are drains: keyed, unkeyed, against the bare copy, with more users and partitions, and
the memory that they take."""

from __future__ import annotations

import hashlib

from .bench import Bench
from .broker import Broker
from .product import Copy, bench_executable
from .report import Figure
from .settings import Failed, Load

# How many times the events per CPU-second of a peer.
TARGETS = {
    "keyed": {"extreme": 3.0, "tuned": 6.0, "idiomatic": 15.0},
    "unkeyed": {"extreme": 3.0},
}
COPY_TARGET = 1.5
GROWTH_TARGET = 1.3
MEMORY_TARGET = 0.2
MANY_USERS = 2_000_000
FEW_USERS = 20_000
MANY_PARTITIONS = 64


def drain(bench: Bench) -> Figure:
    return _against_peers(bench, bench.settings.load())


def unkeyed(bench: Bench) -> Figure:
    return _against_peers(bench, bench.settings.load(keyed=False))


def _against_peers(bench: Bench, load: Load) -> Figure:
    engines = bench.engines(load)
    case = load.variant
    agree = bench.drains("drain", case, engines, load, bench.settings.rounds(5), judged=True)
    ours = bench.report.median("drain", "bespoke", case, "events_per_cpu_s")
    parts = [f"bespoke {ours:,.0f} events per CPU-second"]
    missed = []
    for peer in engines[1:]:
        times = bench.report.ratio("drain", "bespoke", peer.name, case, "events_per_cpu_s")
        theirs = bench.report.median("drain", peer.name, case, "events_per_cpu_s")
        parts.append(f"{times:.1f} x {peer.name} ({theirs:,.0f})")
        target = TARGETS[case].get(peer.name)
        if target is not None and times < target:
            missed.append(f"{target:g} x {peer.name}")
    if missed:
        parts.append(f"missed: {', '.join(missed)}")
    outcome = "outputs agree" if agree else "OUTPUTS DISAGREE"
    return Figure(f"drain {case}: {', '.join(parts)}; {outcome}", agree and not missed)


def limit(bench: Bench) -> Figure:
    """Against a bare copy of the same bytes through the same client."""
    load, case = bench.settings.load(), "limit"
    copy = Copy(bench.settings, bench.broker, bench_executable("copy"))
    bench.drains("limit", case, [bench.bespoke, copy], load, bench.settings.rounds(5), judged=False)
    # A drain of the product leaves the topic of the copy as it is.
    same = _hashes(bench.broker, load.name) == _hashes(bench.broker, copy.topic)
    times = bench.report.ratio("limit", "bespoke", copy.name, case, "cpu_us_per_event")
    ours = bench.report.median("limit", "bespoke", case, "cpu_us_per_event")
    theirs = bench.report.median("limit", copy.name, case, "events_per_cpu_s")
    good = same and times <= COPY_TARGET
    copied = f"a bare copy ({theirs:,.0f} records per CPU-second)"
    text = f"limit: bespoke {ours:.2f} µs of CPU per event, {times:.1f} x {copied}"
    text += "" if times <= COPY_TARGET else f", missed: {COPY_TARGET} x"
    return Figure(text + ("; the copy is whole" if same else "; THE COPY DIFFERS"), good)


def growth(bench: Bench) -> Figure:
    """Ten and a hundred times the users, eight times the partitions: the product against itself."""
    loads = {
        f"{FEW_USERS:,} users": bench.settings.load(users=FEW_USERS),
        "200,000 users": bench.settings.load(users=200_000),
        f"{MANY_USERS:,} users": bench.settings.load(users=MANY_USERS),
        f"{MANY_PARTITIONS} partitions": bench.settings.load(users=200_000, partitions=MANY_PARTITIONS),
    }
    cost = {}
    for case, load in loads.items():
        bench.drains("growth", case, [bench.bespoke], load, bench.settings.rounds(3), judged=False)
        cost[case] = bench.report.median("growth", "bespoke", case, "cpu_us_per_event")
    few, some, many, wide = cost.values()
    by_users, by_partitions = many / few, wide / some
    good = max(by_users, by_partitions) <= GROWTH_TARGET
    text = (
        f"growth: CPU per event {by_users:.2f} x from {FEW_USERS:,} to {MANY_USERS:,} users, "
        f"{by_partitions:.2f} x from 8 to {MANY_PARTITIONS} partitions"
    )
    return Figure(text if good else f"{text}, missed: {GROWTH_TARGET} x", good)


def memory(bench: Bench) -> Figure:
    """Peak resident memory of a drain."""
    parts, good = [], True
    for users in (200_000, MANY_USERS):
        load, case = bench.settings.load(users=users), f"{users:,} users"
        engines = bench.engines(load)
        bench.drains("memory", case, engines, load, bench.settings.rounds(1), judged=False)
        ours = bench.report.median("memory", "bespoke", case, "peak_rss_mb")
        parts.append(f"{ours:,.0f} MB with {users:,} users")
        if engines[1:]:
            smallest = min(
                bench.report.median("memory", one.name, case, "peak_rss_mb") for one in engines[1:]
            )
            parts.append(f"{ours / smallest:.2f} x the smallest peer ({smallest:,.0f} MB)")
            if ours / smallest > MEMORY_TARGET:
                parts.append(f"missed: {MEMORY_TARGET} x")
                good = False
    return Figure(f"memory: bespoke {', '.join(parts)}", good)


def _hashes(broker: Broker, topic: str) -> list[tuple[int, int, str]]:
    """Of each partition: how many records, and the hash of their keys and values in their order."""
    found = {number: [0, hashlib.blake2b(digest_size=16)] for number in broker.partitions(topic)}
    for record in broker.records(topic):
        entry = found.get(record.partition())
        if entry is None:
            raise Failed(f"{topic} has grown a partition")
        entry[0] += 1
        for part in (record.key() or b"", record.value() or b""):
            entry[1].update(len(part).to_bytes(4, "big") + part)
    return [(number, count, digest.hexdigest()) for number, (count, digest) in sorted(found.items())]
