"""What all measures have in common: the engines, what is loaded, and one drain."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence

from .agreement import Agreement
from .broker import Broker
from .engine import Engine
from .java import Java
from .peers import PEERS, Peer
from .product import Bespoke
from .report import Report, Row, progress
from .settings import Load, Settings


class Bench:
    """One run on one broker."""

    def __init__(self, settings: Settings, report: Report) -> None:
        self.settings = settings
        self.report = report
        self.broker = Broker(settings)
        self.java = Java(settings)
        self.agreement = Agreement(settings, self.java)
        self.bespoke = Bespoke(settings, self.broker)
        self.peers: list[Peer] = [PEERS[name](settings, self.broker, self.java) for name in settings.peers]
        self.disagreed = False
        self._loaded: dict[str, tuple[Load, str]] = {}

    def engines(self, load: Load) -> list[Engine]:
        """The product first, then the peers that are written for this load."""
        return [self.bespoke, *(peer for peer in self.peers if peer.runs(load))]

    def preload(self, load: Load) -> str:
        """Fills the load's topic, unless it holds just that. Gives the hash of the stream."""
        loaded, sha256 = self._loaded.get(load.name, (None, ""))
        if loaded == load:
            return sha256
        progress(f"loading {load.name}: {load}")
        sha256 = self.java.preload(load)["sha256"]
        self._loaded[load.name] = (load, sha256)
        return sha256

    def train(self, engines: Iterable[Engine], load: Load) -> None:
        """Gives the peers' virtual machines their archives of classes, where they have none yet."""
        for engine in engines:
            if isinstance(engine, Peer):
                engine.train(load)

    def drains(
        self, measure: str, case: str, engines: Sequence[Engine], load: Load, rounds: int, judged: bool
    ) -> bool:
        """Drains in alternation; judges all in the last round. Says whether all agree."""
        sha256 = self.preload(load)
        self.train(engines, load)
        agree = True
        for number in range(rounds):
            for engine in engines if number % 2 == 0 else reversed(engines):
                self.drain(measure, case, engine, load)
                if judged and number == rounds - 1:
                    verdict = self.agreement.judge(engine, load, sha256)
                    self.report.agreement(engine.name, case, verdict.agrees, verdict.words)
                    agree = agree and verdict.agrees
        self.report.table(measure, f"{case}: {load}", case, [engine.name for engine in engines])
        self.disagreed = self.disagreed or not agree
        return agree

    def drain(self, measure: str, case: str, engine: Engine, load: Load) -> Row:
        """From the start of a process without state to the commit of the last record."""
        engine.clean(load)
        broker_before = self.broker.cpu_s()
        process = engine.start(load, self.settings.commit_ms)
        started = engine.started(process)
        ended = engine.wait_until_drained(load, process)
        used, broker_s = process.usage(), self.broker.cpu_s() - broker_before
        self.broker.wait_until_quiet(engine.outputs)
        process.stop()
        wall_s = ended - process.began
        return self.report.add(
            measure,
            engine.name,
            case=case,
            load=str(load),
            commit_ms=self.settings.commit_ms,
            events=load.events,
            wall_s=wall_s,
            events_per_s=load.events / wall_s,
            cpu_s=used.cpu_s,
            events_per_cpu_s=load.events / used.cpu_s,
            cpu_us_per_event=used.cpu_s * 1e6 / load.events,
            start_s=started.seconds,
            start_cpu_s=started.cpu_s,
            events_per_cpu_s_after_start=load.events / max(used.cpu_s - started.cpu_s, 0.01),
            peak_rss_mb=used.peak_rss_mb,
            written_bytes_per_event=used.written_bytes / load.events,
            state_mb=engine.state_bytes() / 1e6,
            changelog_mb=sum(map(self.broker.size_bytes, engine.changelogs())) / 1e6,
            broker_cpu_s=broker_s,
            threads=used.threads,
        )

    def close(self) -> None:
        """Throws away what nobody looks at afterwards."""
        shutil.rmtree(self.settings.home / "state", ignore_errors=True)
