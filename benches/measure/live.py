"""The measures of an application that has state: restore, restart, latency. All engines follow one topic,
which is filled once and then goes on, so that what each of them holds is the same."""

from __future__ import annotations

import time

from .bench import Bench
from .delay import Reader, delays
from .engine import Engine
from .process import Process
from .report import Figure, progress
from .settings import Load

TOPIC = "bench-live"
# Whom the generator draws most.
HOT = "u-000000"
RESTART_EVENTS = 5_000
RESTART_COMMIT_MS = 100
RESTART_SECONDS = 2.0
FIRST_DECISION_MAX_S = 300
IDLE_S = 3

RESTORE_SPEED, RESTORE_CPU, RESTART_RATIO = 5.0, 0.2, 0.2
LATENCY_RATIO, PACED_CPU_RATIO, PACED_CPU_RATE = 1 / 3, 0.25, 5_000
# Milliseconds at events per second.
LATENCY_MS = {5_000: 25.0, 20_000: 40.0}


class Live:
    """The topic, and the engines that have followed it so far."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.load: Load = bench.settings.load(topic=TOPIC)
        self.engines: list[Engine] = bench.engines(self.load)
        self._sent = 0
        self._prepared = False

    def prepare(self) -> None:
        """Fills the topic and lets everybody drain it, from nothing."""
        if self._prepared:
            return
        bench = self.bench
        bench.preload(self.load)
        bench.train(self.engines, self.load)
        # All are cleaned before any is started, since they write to the same topics.
        for engine in self.engines:
            engine.clean(self.load)
        for engine in self.engines:
            progress(f"{engine.name} drains {TOPIC}")
            process = self.follow(engine, bench.settings.commit_ms)
            bench.broker.wait_until_quiet(engine.outputs)
            process.stop()
        self._prepared = True

    def follow(self, engine: Engine, commit_ms: int) -> Process:
        """Starts an engine with the state that it has, and waits until it has caught up."""
        process = engine.start(self.load, commit_ms)
        engine.started(process)
        engine.wait_until_drained(self.load, process)
        return process

    def send(self, **how: object) -> dict[str, float]:
        """Goes on with the stream."""
        told = self.bench.java.send_later(self.load, self._sent, **how)
        self._sent += 1
        return told


def restore(bench: Bench, live: Live) -> Figure:
    live.prepare()
    for number in range(bench.settings.rounds(3)):
        for engine in live.engines if number % 2 == 0 else reversed(live.engines):
            engine.lose_state()
            before = bench.broker.cpu_s()
            process = engine.start(live.load, bench.settings.commit_ms)
            started = engine.started(process)
            peak = process.usage().peak_rss_mb
            bench.report.add(
                "restore",
                engine.name,
                case="restore",
                ready_s=started.seconds,
                cpu_s=started.cpu_s,
                records=started.restored,
                records_per_s=started.restored / started.seconds,
                peak_rss_mb=peak,
                broker_cpu_s=bench.broker.cpu_s() - before,
            )
            process.stop()
    bench.report.table("restore", str(live.load), "restore", [engine.name for engine in live.engines])
    speed = bench.report.median("restore", "bespoke", "restore", "records_per_s")
    ready = bench.report.median("restore", "bespoke", "restore", "ready_s")
    parts, good = [f"bespoke {speed:,.0f} records per second, ready after {ready:.2f} s"], True
    for peer in live.engines[1:]:
        faster = bench.report.ratio("restore", "bespoke", peer.name, "restore", "records_per_s")
        cpu = bench.report.ratio("restore", "bespoke", peer.name, "restore", "cpu_s")
        parts.append(f"{faster:.1f} x {peer.name}, {cpu:.2f} x its CPU")
        if peer.name == "extreme" and (faster < RESTORE_SPEED or cpu > RESTORE_CPU):
            parts.append(f"missed: {RESTORE_SPEED:g} x at {RESTORE_CPU:g} x the CPU")
            good = False
    return Figure(f"restore: {', '.join(parts)}", good)


def restart(bench: Bench, live: Live) -> Figure:
    live.prepare()
    for number in range(bench.settings.rounds(3)):
        live.send(events=RESTART_EVENTS)
        for engine in live.engines if number % 2 == 0 else reversed(live.engines):
            reader = Reader(bench.broker)
            process = engine.start(live.load, RESTART_COMMIT_MS)
            first_s = reader.first_ns(FIRST_DECISION_MAX_S) / 1e9 - process.began
            used = process.usage().cpu_s
            bench.report.add("restart", engine.name, case="restart", first_decision_s=first_s, cpu_s=used)
            engine.wait_until_drained(live.load, process)
            process.stop()
            reader.stop()
    bench.report.table("restart", str(live.load), "restart", [engine.name for engine in live.engines])
    ours = bench.report.median("restart", "bespoke", "restart", "first_decision_s")
    parts, good = [f"bespoke {ours:.2f} s to the first decision"], ours < RESTART_SECONDS
    if not good:
        parts.append(f"missed: {RESTART_SECONDS:g} s")
    for peer in live.engines[1:]:
        times = bench.report.ratio("restart", "bespoke", peer.name, "restart", "first_decision_s")
        parts.append(f"{times:.2f} x {peer.name}")
        if peer.name == "extreme" and times > RESTART_RATIO:
            parts.append(f"missed: {RESTART_RATIO:g} x")
            good = False
    return Figure(f"restart: {', '.join(parts)}", good)


def latency(bench: Bench, live: Live) -> Figure:
    live.prepare()
    parts, good = [], True
    for rate in bench.settings.rates:
        for commit_ms in bench.settings.commits_ms:
            case = _case(rate, commit_ms)
            for number in range(bench.settings.rounds(2)):
                for engine in live.engines if number % 2 == 0 else reversed(live.engines):
                    paced(bench, live, engine, rate, commit_ms, case)
            bench.report.table(
                "latency", f"{case}: {live.load}", case, [engine.name for engine in live.engines]
            )
        text, reached = _verdict(bench, live, rate)
        parts.append(text)
        good = good and reached
    return Figure(f"latency: {'; '.join(parts)}", good)


def paced(
    bench: Bench, live: Live, engine: Engine, rate: int, commit_ms: int, case: str, hot: int = 0
) -> None:
    """One run at a rate; `hot` percent of the events are of one person, whose requests do not count."""
    settings = bench.settings
    process = live.follow(engine, commit_ms)
    time.sleep(2)
    starts, reader = bench.broker.ends(TOPIC), Reader(bench.broker)
    broker_before, before = bench.broker.cpu_s(), process.usage().cpu_s
    sent = live.send(rate=rate, seconds=settings.warm_up_s + settings.seconds, hot=hot)
    used, broker_s = process.usage(), bench.broker.cpu_s() - broker_before
    seen = reader.stop_when_idle(IDLE_S)
    process.stop()
    measured = delays(bench.broker, engine, TOPIC, starts, seen, settings.warm_up_s, but=HOT if hot else None)
    bench.report.add(
        "latency",
        engine.name,
        case=case,
        rate=rate,
        commit_ms=commit_ms,
        **vars(measured),
        most_behind_ms=sent["most_behind_ms"],
        cpu_us_per_event=(used.cpu_s - before) * 1e6 / sent["generated"],
        peak_rss_mb=used.peak_rss_mb,
        broker_cpu_s=broker_s,
    )


def _verdict(bench: Bench, live: Live, rate: int) -> tuple[str, bool]:
    """Each engine at the interval at which its p99 is lowest."""
    report = bench.report

    def best(engine: Engine) -> tuple[float, int]:
        return min(
            (report.median("latency", engine.name, _case(rate, commit_ms), "p99_ms"), commit_ms)
            for commit_ms in bench.settings.commits_ms
        )

    p99, commit_ms = best(bench.bespoke)
    limit = LATENCY_MS.get(rate)
    missed = [f"{limit:g} ms"] if limit is not None and p99 > limit else []
    text = f"{rate:,}/s p99 {p99:.0f} ms at {commit_ms} ms commits"
    for peer in live.engines[1:]:
        theirs, their_commit_ms = best(peer)
        text += f", {p99 / theirs:.2f} x {peer.name} ({theirs:.0f} at {their_commit_ms})"
        cpu = report.median("latency", "bespoke", _case(rate, commit_ms), "cpu_us_per_event")
        cpu /= report.median("latency", peer.name, _case(rate, their_commit_ms), "cpu_us_per_event")
        text += f" with {cpu:.2f} x its CPU"
        if peer.name == "extreme" and p99 / theirs > LATENCY_RATIO:
            missed.append("1/3 x extreme")
        if peer.name == "extreme" and rate == PACED_CPU_RATE and cpu > PACED_CPU_RATIO:
            missed.append(f"{PACED_CPU_RATIO:g} x its CPU")
    cases = [_case(rate, each) for each in bench.settings.commits_ms]
    unanswered = sum(row["unanswered"] for case in cases for row in report.of("latency", "bespoke", case))
    if unanswered:
        missed.append(f"{unanswered:,} requests have no decision")
    return (f"{text}, missed: {', '.join(missed)}" if missed else text), not missed


def _case(rate: int, commit_ms: int) -> str:
    return f"{rate:,}/s, {commit_ms} ms commits"
