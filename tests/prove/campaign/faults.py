"""The faults: each takes what it needs, does its harm, heals it, and is counted.

A fault runs in a thread of its own, so that several may be under way at once. It holds the things that it
harms (`p0` to `p3` for processes, `broker`, `network`, `disk`), and no other fault takes those meanwhile. All
that is random about a fault is drawn from the seed and its number before it begins.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from .children import Child
from .member import Member, Supervisor
from .place import CampaignFailed, Findings, Journal
from .progress import Progress, Turmoil
from .recovery import Recoveries
from .scene import Scene


@dataclass
class World:
    """Everything that a fault may harm, and where it is reported."""

    scene: Scene
    load: Child
    supervisor: Supervisor
    progress: Progress
    recoveries: Recoveries
    turmoil: Turmoil
    findings: Findings
    journal: Journal

    @property
    def members(self) -> list[Member]:
        return self.scene.members[:-1]

    @property
    def extra(self) -> Member:
        """The one that comes and goes."""
        return self.scene.members[-1]


@dataclass(frozen=True)
class Kind:
    """A kind of fault: what it needs, and whether it kills a process with -9."""

    name: str
    needs: Callable[[Random, World], list[str]]
    do: Callable[[Faults, Random, list[str]], str]
    kills: bool = False


class Faults:
    """Begins faults, counts them, and keeps two from harming the same thing."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.held: set[str] = set()
        self.threads: list[threading.Thread] = []
        self.lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.kills = 0
        self.failed: Exception | None = None

    def try_begin(self, kind: Kind, random: Random) -> bool:
        """Begins a fault; false where something that it needs is taken."""
        needs = kind.needs(random, self.world)
        if not needs:
            return False
        with self.lock:
            if self.held & set(needs):
                return False
            self.held |= set(needs)
        thread = threading.Thread(target=self._run, args=(kind, random, needs), daemon=True)
        self.threads.append(thread)
        thread.start()
        return True

    def killed(self, member: Member) -> bool:
        """kill -9 of a process, counted where there was one."""
        if not member.kill():
            return False
        with self.lock:
            self.kills += 1
        return True

    def wait(self) -> None:
        """Until all that have begun have healed what they harmed."""
        for thread in self.threads:
            thread.join()
        self.threads.clear()

    def _run(self, kind: Kind, random: Random, needs: list[str]) -> None:
        number, began = self.world.turmoil.begin(kind.name), time.monotonic()
        try:
            detail = kind.do(self, random, needs)
            if detail:
                with self.lock:
                    self.counts[kind.name] += 1
                took_s = round(time.monotonic() - began, 1)
                self.world.journal.note("fault", kind=kind.name, on=needs, detail=detail, took_s=took_s)
        except (CampaignFailed, OSError) as error:
            self.failed = self.failed or error
        finally:
            self.world.turmoil.end(number)
            with self.lock:
                self.held -= set(needs)
