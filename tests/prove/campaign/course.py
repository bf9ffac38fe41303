"""The course of a run: load and faults; heal, drain and check; start once more, compare the metrics, check."""

from __future__ import annotations

import json
import time
from random import Random
from typing import Any

from .faults import DRAIN_MAX_S, Faults, Mix, World
from .member import Member, Supervisor
from .oracle import check
from .place import CampaignFailed, Findings, Journal
from .progress import Progress, Turmoil
from .recovery import Recoveries, metrics, ready
from .scene import OUTPUTS, Scene
from .settings import APPLICATION, CALM_EVERY, FAULT_GAP_S, FLOOD_RATE, KILL_EVERY_S, KILL_SHARE, SOURCES, Settings

READY_S = 90.0
CALM_MAX_S = 45.0
SMALL_EVENTS = 1_000
TRIES = 5


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
        self.calms: list[float] = []
        self.checks: list[dict[str, Any]] = []
        self.metrics_checked = False
        self.cpu: dict[str, float] = {}
        self.rate = 0.0
        self.faults: Faults | None = None
        self.progress: Progress | None = None
        self.supervisor: Supervisor | None = None

    # ---- The whole course ------------------------------------------------------------------------------

    def run(self) -> None:
        self.set_up()
        assert self.progress is not None and self.supervisor is not None, "set_up has made both"
        self.harm()
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
        self.load = scene.child(
            "load", "--bootstrap", scene.broker.bootstrap, "--seed", str(settings.seed), "--events",
            str(settings.events), "--persons", str(settings.persons), hear=self._hear_load,
        )
        self.watcher = scene.child(
            "watcher", "--bootstrap", scene.broker.bootstrap, "--registry", scene.registry, "--prefix", OUTPUTS,
            hear=self._hear_watcher,
        )
        self.supervisor = Supervisor(scene.members, self.findings, self.journal)
        self.members: list[Member] = scene.members[:-1]
        inputs = [*SOURCES, f"{OUTPUTS}commands"]
        asker = lambda hear: scene.helper(  # noqa: E731
            "offsets", "--bootstrap", scene.broker.bootstrap, "--group", APPLICATION, "--topics", *inputs, hear=hear
        )
        self.progress = Progress(asker, self.findings, self.turmoil)
        self.supervisor.start()
        self.start_members()
        self.progress.look_after()
        self.prefill()
        self.load.tell("contents")
        self.load.answer("contents", 60)
        self.wait_until_done(60 + settings.profiles / 1_000, "the first content")

    def prefill(self) -> None:
        if not (profiles := self.settings.profiles):
            return
        began = time.monotonic()
        self.load.tell(f"prefill {profiles}")
        self.load.answer("prefill", 60 + profiles / 2_000)
        self.wait_until_done(60 + profiles / 500, "the profiles that are made before the faults")
        self.journal.say("prefilled", profiles=profiles, took_s=round(time.monotonic() - began))

    # ---- Load and faults -------------------------------------------------------------------------------

    def harm(self) -> None:
        """Faults until there were enough kills, with events all the while; then the rest of the events."""
        scene = self.scene
        assert self.supervisor is not None and self.progress is not None, "set_up has made both"
        world = World(
            self.members, scene.members[-1], scene.broker, scene.proxy, scene.proxied, scene.small_disk,
            scene.small, self.load, self.supervisor, self.recoveries, self.turmoil, self.findings, self.journal,
        )
        faults = self.faults = Faults(world)
        mix, gaps = Mix(self.settings.seed, KILL_SHARE, self.settings.only), Random(f"gaps {self.settings.seed}")
        began, begun = time.monotonic(), 0
        while faults.kills < self.settings.kills and not self.findings.any:
            if time.monotonic() - began > self.settings.time_max_s:
                self.journal.say("too slow", kills=faults.kills, sent=self.sent)
                break
            self.steer(faults.kills, time.monotonic() - began)
            self.look_after(faults)
            begun += self.begin_one(faults, mix)
            if begun and begun % CALM_EVERY == 0:
                begun += 1
                self.calm(faults)
            self.rest(gaps.uniform(*FAULT_GAP_S), faults, began)
        faults.wait()
        self.look_after(faults)
        self.journal.say("faults over", kills=faults.kills, sent=self.sent, took_s=round(time.monotonic() - began))

    def begin_one(self, faults: Faults, mix: Mix) -> int:
        for _ in range(TRIES):
            kind, random = mix.draw()
            if faults.try_begin(kind, random):
                return 1
        return 0

    def rest(self, seconds: float, faults: Faults, began: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and faults.kills < self.settings.kills:
            time.sleep(min(0.5, max(0.0, until - time.monotonic())))
            self.steer(faults.kills, time.monotonic() - began)

    def steer(self, kills: int, passed_s: float) -> None:
        """Sets the load's pace so that events and kills come to their ends together."""
        left = self.settings.kills - kills
        each_s = passed_s / kills if kills >= 5 else KILL_EVERY_S
        rate = (self.settings.events - self.sent) / max(left * each_s, 1.0) if left > 0 else FLOOD_RATE
        rate = min(rate, FLOOD_RATE)
        if abs(rate - self.rate) > 0.1 * self.rate:
            self.rate = rate
            self.load.tell(f"rate {rate:.1f}")

    def calm(self, faults: Faults) -> None:
        """Heals everything and waits until each partition that has lag moves; `Progress` judges how long."""
        assert self.progress is not None, "set_up has made it"
        faults.wait()
        healed = time.monotonic()
        while not self.progress.moved_since(healed) and time.monotonic() - healed < CALM_MAX_S:
            time.sleep(0.2)
        self.calms.append(round(time.monotonic() - healed, 1))
        self.journal.say(
            "calm", kills=faults.kills, sent=self.sent, rate=round(self.rate),
            waiting=self.progress.records_waiting(), moved_after_s=self.calms[-1],
        )

    def look_after(self, faults: Faults) -> None:
        """A helper that is gone makes the run worthless, and so does a fault that could not be healed."""
        assert self.progress is not None, "set_up has made it"
        self.progress.look_after()
        for child in self.scene.children:
            child.check()
        if faults.failed is not None:
            raise CampaignFailed(f"a fault could not be brought about or healed: {faults.failed}")

    # ---- Healing, stopping, checking -------------------------------------------------------------------

    def drain(self) -> None:
        if not self.findings.any:
            self.load.tell("finish")
            answer = self.load.answer("finish", 60 + self.settings.events / 1_000)
            self.sent, self.kinds = answer["sent"], answer["kinds"]
        self.wait_until_done(self.settings.drain_max_s, "everything that was sent")
        self.recoveries.wait(5)
        self.cpu = {**self.scene.cpu()}
        self.journal.say("drained", sent=self.sent)

    def wait_until_done(self, limit_s: float, what: str) -> None:
        assert self.progress is not None, "set_up has made it"
        began = time.monotonic()
        if not self.progress.wait_until_done(limit_s):
            lag = {f"{topic}-{number}": lag for (topic, number), lag in self.progress.lag().items() if lag > 0}
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
        self.journal.say("checked", when=when, exit=result["exit"], took_s=result["took_s"])

    def watch_to_the_end(self) -> None:
        """Until the watcher has had nothing to read for two of its reports."""
        self.watch_idle = 0
        deadline = time.monotonic() + 120
        while self.watch_idle < 3 and time.monotonic() < deadline:
            self.watcher.check()
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
        for _ in range(3):
            before = self._figures()
            self.load.tell(f"small {SMALL_EVENTS}")
            sent = self.load.answer("small", 60)["small"]
            self.load.tell("catalogue")
            self.load.answer("catalogue", 60)
            self.wait_until_done(60, "the small load")
            after = self._figures()
            if after["aborts"] == before["aborts"]:
                break
        else:
            raise CampaignFailed("metrics could not be compared: transactions were aborted, so records count twice")
        told = {name: after[name] - before[name] for name in after}
        wanted = {
            "clickstream": sent["clickstream"],
            "orders": sent["orders"],
            "content": 1,
            "commands": sent["clickstream"] + sent["orders"] - sent["malformed"],
            "dead_letters": sent["malformed"],
            "duplicates": sent["duplicate"],
            "aborts": 0,
        }
        # Content goes to every partition of the commands.
        wanted["commands"] += self.partitions()
        if told != wanted:
            self.findings.violation("metrics", f"the processes say {told}, but what was sent is {wanted}")
        self.metrics_checked = True

    def partitions(self) -> int:
        assert self.progress is not None, "set_up has made it"
        return sum(topic == f"{OUTPUTS}commands" for topic, _ in self.progress.ends)

    def _figures(self) -> dict[str, float]:
        inputs = {name: f'bespoke_records_in_total{{topic="{name}"}}' for name in SOURCES}
        inputs["commands"] = f'bespoke_records_in_total{{topic="{OUTPUTS}commands"}}'
        sums = dict.fromkeys([*inputs, "dead_letters", "duplicates", "aborts"], 0.0)
        for member in self.members:
            found = metrics(member.port, 5.0)
            if not found:
                raise CampaignFailed(f"{member.name} does not tell its metrics")
            for name, metric in inputs.items():
                sums[name] += found.get(metric, 0.0)
            for name in ("dead_letters", "duplicates", "aborts"):
                sums[name] += sum(value for key, value in found.items() if key.startswith(f"bespoke_{name}_total"))
        return sums

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


