"""Who is measured: what every engine can be told to do, and the state that it leaves between two starts."""

from __future__ import annotations

import shutil
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .broker import Broker
from .process import Process, size_bytes
from .settings import OUTPUTS, Failed, Load, Settings

POLL_S = 0.1
# The broker deletes topics in the background.
AFTER_DELETION_S = 2


@dataclass(frozen=True)
class Started:
    """When a process was ready, by its own word: seconds and CPU-seconds from its start, records restored."""

    seconds: float
    cpu_s: float
    restored: int


class Engine(ABC):
    """One of those that process the workload. Its name is its consumer group's too."""

    name: str
    group: str
    outputs: tuple[str, ...] = OUTPUTS

    def __init__(self, settings: Settings, broker: Broker) -> None:
        self.settings = settings
        self.broker = broker
        self.state = settings.home / "state" / self.name
        self.log = settings.home / f"{self.name}.log"

    # ---- What differs ----

    def runs(self, load: Load) -> bool:
        """Whether it is written for this load."""
        return True

    @abstractmethod
    def start(self, load: Load, commit_ms: int) -> Process:
        """Starts it on the load's topic, with whatever state it has."""

    @abstractmethod
    def started(self, process: Process) -> Started:
        """Waits until it has its partitions, restored."""

    @abstractmethod
    def request_id(self, value: bytes) -> str:
        """The id of the request that a decision answers."""

    @abstractmethod
    def dump(self, load: Load, to: Path) -> dict[str, Any]:
        """Writes its committed outputs in the peers' format of dumps."""

    @abstractmethod
    def make_topics(self, load: Load) -> None:
        """Makes its outputs, and what else it does not make by itself."""

    def inner_topics(self, load: Load) -> list[str]:
        """Topics between its two halves, which are not drained when the source is."""
        return []

    def changelogs(self) -> list[str]:
        return [topic for topic in self.broker.topics() if self.owns(topic) and "changelog" in topic]

    # ---- What is the same ----

    def owns(self, topic: str) -> bool:
        return topic.startswith(f"bench-{self.name}-")

    def forget_offsets(self) -> None:
        self.broker.forget(self.group)

    def clean(self, load: Load) -> None:
        """Nothing is left of what it did before: outputs, inner topics, offsets and state."""
        self.broker.delete([topic for topic in self.broker.topics() if topic in OUTPUTS or self.owns(topic)])
        self.forget_offsets()
        self.lose_state()
        self.make_topics(load)
        time.sleep(AFTER_DELETION_S)

    def lose_state(self) -> None:
        shutil.rmtree(self.state, ignore_errors=True)
        self.state.mkdir(parents=True)

    def state_bytes(self) -> int:
        return size_bytes([self.state])

    def wait_until_drained(self, load: Load, process: Process, limit_s: float = 1_800) -> float:
        """Until the last record is committed, of the source and then of what lies behind it. Says when."""
        deadline = time.monotonic() + limit_s
        at = self._wait(load.name, self.broker.ends(load.name), process, deadline)
        for topic in self.inner_topics(load):
            at = self._wait(topic, self.broker.after_last_records(topic), process, deadline)
        return at

    def _wait(self, topic: str, ends: dict[int, int], process: Process, deadline: float) -> float:
        while left := self.broker.left(self.group, topic, ends):
            if time.monotonic() > deadline:
                raise Failed(f"{self.name} has not drained {topic}: {left:,} records are left")
            process.check()
            time.sleep(POLL_S)
        return time.time()
