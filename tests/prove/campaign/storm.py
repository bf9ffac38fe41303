"""Load and faults until both have reached their targets, with calm in between in which all must move on."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

from .faults import Faults, World
from .harms import Mix
from .place import CampaignFailed
from .progress import Place
from .settings import CALM_EVERY, FAULT_GAP_S, FLOOD_RATE, KILL_EVERY_S, KILL_SHARE, Settings

CALM_MAX_S = 45.0
# How many other faults are drawn where what one needs is being harmed already.
TRIES = 5
# From so many kills on the pace is measured instead of assumed.
KILLS_MEASURED = 5


class Storm:
    """Begins faults, steers the load, and keeps what it has seen."""

    def __init__(self, settings: Settings, world: World, sent: Callable[[], int]) -> None:
        self.settings, self.world, self.sent = settings, world, sent
        self.faults = Faults(world)
        self.mix = Mix(settings.seed, KILL_SHARE, settings.only)
        self.gaps = Random(f"gaps {settings.seed}")
        self.began = time.monotonic()
        self.rate = 0.0
        self.calms: list[float] = []

    def blow(self) -> None:
        """Until there were enough kills, or something is wrong, or it takes too long."""
        self.began = time.monotonic()
        begun = 0
        while not self.is_over():
            if self.passed_s() > self.settings.time_max_s:
                self.world.journal.say("too slow", kills=self.faults.kills, sent=self.sent())
                break
            self.look_after()
            self.begin_one()
            begun += 1
            if begun % CALM_EVERY == 0:
                self.calm()
            self.rest(self.gaps.uniform(*FAULT_GAP_S))
        self.faults.wait()
        self.look_after()
        kills, took_s = self.faults.kills, round(self.passed_s())
        self.world.journal.say("faults over", kills=kills, sent=self.sent(), took_s=took_s)

    def is_over(self) -> bool:
        return self.faults.kills >= self.settings.kills or self.world.findings.any

    def passed_s(self) -> float:
        return time.monotonic() - self.began

    def begin_one(self) -> None:
        for _ in range(TRIES):
            kind, random = self.mix.draw()
            if self.faults.try_begin(kind, random):
                return

    def rest(self, seconds: float) -> None:
        """Until the next fault. Offsets are looked after and the load is steered meanwhile."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self.is_over():
            self.steer()
            self.world.progress.look_after()
            time.sleep(min(0.5, left))

    def steer(self) -> None:
        """Sets the load's pace so that events and kills come to their ends together."""
        kills = self.faults.kills
        left = self.settings.kills - kills
        each_s = self.passed_s() / kills if kills >= KILLS_MEASURED else KILL_EVERY_S
        rate = (self.settings.events - self.sent()) / max(left * each_s, 1.0) if left > 0 else FLOOD_RATE
        rate = min(rate, FLOOD_RATE)
        if abs(rate - self.rate) > 0.1 * self.rate:
            self.rate = rate
            self.world.load.tell(f"rate {rate:.1f}")

    def calm(self) -> None:
        """Heals everything and waits until each partition that has lag moves; `Progress` judges how long."""
        progress = self.world.progress
        self.faults.wait()
        healed = time.monotonic()
        slowest: list[Place] | None = None
        while (still := progress.unmoved_since(healed)) != [] and time.monotonic() - healed < CALM_MAX_S:
            slowest = still
            progress.look_after()
            time.sleep(0.2)
        self.calms.append(round(time.monotonic() - healed, 1))
        self.world.journal.say(
            "calm",
            kills=self.faults.kills,
            sent=self.sent(),
            rate=round(self.rate),
            waiting=progress.records_waiting(),
            moved_after_s=self.calms[-1],
            slowest="nothing heard"
            if slowest is None
            else [f"{topic}-{number}" for topic, number in slowest],
        )

    def look_after(self) -> None:
        """A helper that is gone makes the run worthless, and so does a fault that could not be healed."""
        self.world.progress.look_after()
        for child in self.world.scene.children:
            child.check()
        if self.faults.failed is not None:
            raise CampaignFailed(f"a fault could not be brought about or healed: {self.faults.failed}")
