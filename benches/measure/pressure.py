"""What must not hurt: a backlog that unpacks to many times its size, a person who is half of the traffic, and one
who is all of it."""

from __future__ import annotations

import json
import time

from confluent_kafka import Producer

from .bench import Bench
from .live import TOPIC, Live, paced
from .report import Figure, progress
from .settings import Failed, Load

# What deploy/base lets a process have.
MEMORY_MB = 1_024
# The latency of the others, and the cost of an event, against what they are without such a person.
OTHERS_RATIO, BOT_RATIO = 2.0, 2.0

BACKLOG_TOPIC = "bench-backlog"
BACKLOG_BYTES = 10_000_000_000
RECORD_BYTES = 20_000
BACKLOG_USERS = 50_000
START_MS = 1_767_571_200_000

RATE, COMMIT_MS, HOT_PERCENT = 5_000, 100, 50
BOT_EVENTS = 300_000


def pressure(bench: Bench, following: Live) -> Figure:
    figures = [_backlog(bench), _hot_person(bench, following), _bot(bench)]
    for figure in figures:
        progress(figure.text)
    good = all(figure.good for figure in figures)
    return Figure(f"pressure: {'; '.join(figure.text for figure in figures)}", good)


def _backlog(bench: Bench) -> Figure:
    """Records that lie packed to a hundredth in the topic."""
    load = Load(events=BACKLOG_BYTES // RECORD_BYTES, users=BACKLOG_USERS, topic=BACKLOG_TOPIC)
    bench.broker.delete([BACKLOG_TOPIC])
    bench.broker.create([BACKLOG_TOPIC], load.partitions)
    progress(f"loading {BACKLOG_TOPIC}: {load.events:,} records of {RECORD_BYTES:,} bytes")
    _fill(bench, load)
    row = bench.drain("pressure", "backlog", bench.bespoke, load)
    packed_mb = bench.broker.size_bytes(BACKLOG_TOPIC) / 1e6
    packed = f" out of {packed_mb:,.0f} MB" if packed_mb else ""
    bench.broker.delete([BACKLOG_TOPIC])
    peak = float(row["peak_rss_mb"])
    text = f"{BACKLOG_BYTES / 1e9:.0f} GB{packed} drained with {peak:,.0f} MB at most"
    good = peak <= MEMORY_MB
    return Figure(text if good else f"{text}, missed: {MEMORY_MB:,} MB", good)


def _fill(bench: Bench, load: Load) -> None:
    producer = Producer(
        {
            "bootstrap.servers": bench.settings.bootstrap,
            "compression.type": "lz4",
            "linger.ms": 50,
            "batch.size": 1_000_000,
            "partitioner": "murmur2_random",
        }
    )
    failed: list[str] = []

    def delivered(error: object, _: object) -> None:
        if error is not None:
            failed.append(str(error))

    filler = "x" * (RECORD_BYTES - 400)
    for number in range(load.events):
        person = f"u-{number * 7919 % load.users:06d}"
        at = time.gmtime((START_MS + number * 100) / 1000)
        event = {
            "messageId": f"b-{number:010d}",
            "type": "track",
            "event": "product_viewed",
            "userId": person,
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", at),
            "context": {"page": {"path": "/"}, "userAgent": filler},
            "properties": {"productId": f"p-{number % 20_000:05d}", "category": "shoes", "price": 59.9},
        }
        value = json.dumps(event, separators=(",", ":"))
        while True:
            try:
                producer.produce(load.name, value, person, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.05)
        producer.poll(0)
    producer.flush()
    if failed:
        raise Failed(f"the backlog could not be written: {failed[0]}")


def _hot_person(bench: Bench, following: Live) -> Figure:
    """The latency of the others, with and without a person who is half of the traffic."""
    following.prepare()
    p99 = {}
    for percent in (0, HOT_PERCENT):
        case = f"{percent} % of one person"
        for _ in range(bench.settings.rounds(2)):
            paced(bench, following, bench.bespoke, RATE, COMMIT_MS, case=case, hot=percent)
        p99[percent] = bench.report.median("latency", "bespoke", case, "p99_ms")
    times = p99[HOT_PERCENT] / p99[0]
    text = (
        f"p99 of the others {p99[HOT_PERCENT]:.0f} ms beside one who is {HOT_PERCENT} % of {RATE:,}/s on "
        f"{TOPIC}, {times:.2f} x that without"
    )
    good = times <= OTHERS_RATIO
    return Figure(text if good else f"{text}, missed: {OTHERS_RATIO:g} x", good)


def _bot(bench: Bench) -> Figure:
    """What an event costs when one person sends them all, as fast as they can be taken."""
    cost, rate = {}, 0.0
    for users in (bench.settings.users, 1):
        load, case = bench.settings.load(events=BOT_EVENTS, users=users), f"{users:,} users"
        bench.drains("pressure", case, [bench.bespoke], load, bench.settings.rounds(3), judged=False)
        cost[users] = bench.report.median("pressure", "bespoke", case, "cpu_us_per_event")
        rate = bench.report.median("pressure", "bespoke", case, "events_per_s")
    times = cost[1] / cost[bench.settings.users]
    text = f"a person alone at {rate:,.0f} events/s costs {cost[1]:.1f} µs per event, {times:.2f} x the usual"
    good = times <= BOT_RATIO
    return Figure(text if good else f"{text}, missed: {BOT_RATIO:g} x", good)
