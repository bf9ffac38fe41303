"""The course of a run: load and faults; drain and check; start again, compare the metrics, check again."""

from __future__ import annotations

import json
import time
from typing import Any

from .faults import World
from .member import DRAIN_MAX_S, Member, Supervisor
from .oracle import check
from .place import CampaignFailed, Findings, Journal
from .progress import Progress, Turmoil
from .recovery import Recoveries, ready
from .scene import OUTPUTS, Scene
from .settings import APPLICATION, SOURCES, Settings
from .storm import Storm
from .sums import COMMANDS, difference, expected, figures

READY_S = 90.0
SMALL_EVENTS = 1_000
WATCH_MAX_S = 180.0
IDLE_REPORTS = 3
SMALL_TRIES = 3


class Course:
    """One run, step by step. What it has found out so far is always in its fields."""

    def __init__(self, settings: Settings, scene: Scene, journal: Journal, findings: Findings) -> None:
        self.settings, self.scene, self.journal, self.findings = settings, scene, journal, findings
        self.turmoil = Turmoil()
        self.recoveries = Recoveries(self.turmoil)
        self.sent = 0
        self.kinds: dict[str, int] = {}
        self.watched: dict[str, Any] = {}
        self.watch_idle = 0
        self.checks: list[dict[str, Any]] = []
        self.metrics_checked = False
        self.cpu: dict[str, float] = {}
        self.storm: Storm | None = None
        self.progress: Progress | None = None
        self.supervisor: Supervisor | None = None

    # ---- The whole course ------------------------------------------------------------------------------

    def run(self) -> None:
        self.set_up()
        assert self.storm is not None and self.supervisor is not None, "set_up has made both"
        self.storm.blow()
        self.drain()
        self.stop_members()
        self.check("after the faults")
        self.restart_without_load()
        self.compare_metrics()
        self.stop_members()
        self.check("after one more start")
        self.supervisor.stop()

    def set_up(self) -> None:
        scene, settings = self.scene, self.settings
        scene.open()
        self.journal.say("broker", bootstrap=scene.broker.bootstrap, registry=scene.registry)
        common: dict[str, object] = {"bootstrap": scene.broker.bootstrap}
        told = {**common, "seed": settings.seed, "events": settings.events, "persons": settings.persons}
        self.load = scene.child("load", told, self._hear_load)
        watched = {**common, "registry": scene.registry, "prefix": OUTPUTS}
        self.watcher = scene.child("watcher", watched, self._hear_watcher)
        self.members: list[Member] = scene.members[:-1]
        supervisor = self.supervisor = Supervisor(scene.members, self.findings, self.journal)
        asked = {**common, "group": APPLICATION, "topics": ",".join([*SOURCES, COMMANDS])}
        progress = self.progress = Progress(
            lambda hear: scene.helper("offsets", asked, hear), self.findings, self.turmoil
        )
        world = World(
            scene, self.load, supervisor, progress, self.recoveries, self.turmoil, self.findings, self.journal
        )
        self.storm = Storm(settings, world, sent=lambda: self.sent)
        supervisor.start()
        self.start_members()
        progress.look_after()
        self.prefill()
        self.load.tell("contents")
        self.load.answer("contents", 60)
        self.wait_until_done(60 + settings.profiles / 1_000, "the first content")
        progress.expect(commits=True)

    def prefill(self) -> None:
        if not (profiles := self.settings.profiles):
            return
        began = time.monotonic()
        # Time jumps forward behind them, and input waits until that has been done with everybody.
        assert self.progress is not None, "set_up has made it"
        self.progress.expect(commits=False)
        self.load.tell(f"prefill {profiles}")
        self.load.answer("prefill", 60 + profiles / 2_000)
        self.wait_until_done(60 + profiles / 500, "the profiles that are made before the faults")
        self.journal.say("prefilled", profiles=profiles, took_s=round(time.monotonic() - began))

    # ---- Healing, stopping, checking -------------------------------------------------------------------

    def drain(self) -> None:
        if not self.findings.any:
            self.load.tell("finish")
            answer = self.load.answer("finish", 60 + self.settings.events / 1_000)
            self.sent, self.kinds = answer["sent"], answer["kinds"]
        self.wait_until_done(self.settings.drain_max_s, "everything that was sent")
        self.recoveries.wait(5)
        self.cpu = self.scene.cpu()
        self.journal.say("drained", sent=self.sent)

    def wait_until_done(self, limit_s: float, what: str) -> None:
        assert self.progress is not None, "set_up has made it"
        began = time.monotonic()
        if not self.progress.wait_until_done(limit_s):
            lag = {
                f"{topic}-{number}": lag for (topic, number), lag in self.progress.lag().items() if lag > 0
            }
            text = f"{what}: not consumed within {limit_s:.0f} s, without a fault; waiting: {json.dumps(lag)}"
            self.findings.violation("progress", text)
        self.journal.note("done", what=what, took_s=round(time.monotonic() - began, 1))

    def start_members(self) -> None:
        assert self.progress is not None, "set_up has made it"
        for member in self.members:
            member.start()
        self.progress.expect(commits=True)
        deadline = time.monotonic() + READY_S
        while not all(ready(member.port) for member in self.members):
            if time.monotonic() > deadline:
                slow = [member.log for member in self.members if not ready(member.port)]
                self.findings.violation("readiness", f"not ready {READY_S:.0f} s after the start: {slow}")
                return
            time.sleep(0.2)

    def stop_members(self) -> None:
        assert self.supervisor is not None and self.progress is not None, "set_up has made both"
        self.progress.expect(commits=False)
        for member in self.members:
            member.wanted = False
        for member in self.members:
            self.supervisor.record(member, member.terminate(DRAIN_MAX_S))

    def check(self, when: str) -> None:
        self.watch_to_the_end()
        began = time.monotonic()
        result = check(self.settings, self.scene, self.findings, when)
        result["took_s"] = round(time.monotonic() - began, 1)
        self.checks.append(result)
        for topic, read in self.watched.items():
            there = result["report"].get("records", {}).get(f"{OUTPUTS}{topic}", read)
            if there != read:
                text = f"{when}: {topic} holds {there} records, but the watcher has read {read}"
                self.findings.violation("watcher", text)
        self.journal.say("checked", when=when, exit=result["exit"], took_s=result["took_s"])

    def watch_to_the_end(self) -> None:
        """Until the watcher has had nothing to read in some reports one after the other."""
        self.watch_idle = 0
        deadline = time.monotonic() + WATCH_MAX_S
        while self.watch_idle < IDLE_REPORTS:
            self.watcher.check()
            if time.monotonic() > deadline:
                raise CampaignFailed(f"the watcher has not caught up within {WATCH_MAX_S:.0f} s")
            time.sleep(0.2)

    def restart_without_load(self) -> None:
        """A start alone must bring nothing out: what was done is done, and nothing is due."""
        before = dict(self.watched)
        self.start_members()
        time.sleep(3)
        self.watch_to_the_end()
        if self.watched != before:
            text = f"a start without load brought out records: {before} became {self.watched}"
            self.findings.violation("restart", text)

    def compare_metrics(self) -> None:
        """I7: a known load, and what the processes say that they did with it."""
        assert self.progress is not None, "set_up has made it"
        for _ in range(SMALL_TRIES):
            before = figures(self.members)
            self.load.tell(f"small {SMALL_EVENTS}")
            sent = self.load.answer("small", 60)["small"]
            self.load.tell("catalogue")
            self.load.answer("catalogue", 60)
            self.wait_until_done(60, "the small load")
            told = difference(figures(self.members), before)
            if not told["aborts"]:
                break
        else:
            raise CampaignFailed(
                "metrics could not be compared: transactions were aborted, so records count twice"
            )
        partitions = sum(topic == COMMANDS for topic, _ in self.progress.ends)
        if told != (wanted := expected(sent, partitions)):
            self.findings.violation("metrics", f"the processes say {told}, but what was sent is {wanted}")
        self.metrics_checked = True

    # ---- What the helpers say --------------------------------------------------------------------------

    def _hear_load(self, line: str) -> None:
        said = json.loads(line)
        if "failed" in said:
            self.journal.say("load failed", why=said["failed"])
        self.sent = said.get("sent", self.sent)

    def _hear_watcher(self, line: str) -> None:
        said = json.loads(line)
        if "violation" in said:
            self.findings.violation("watcher", said["violation"])
        elif "read" in said:
            self.watched = said["read"]
            self.watch_idle = self.watch_idle + 1 if said["idle"] else 0
