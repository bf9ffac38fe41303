"""Invariant I9 seen from outside: after a fault is healed, commits go on for every partition that has lag.

Judges what `offsets` says about the group and its inputs each second. An end may lie behind what can be read,
so where a partition stands still it is looked early on whether there is a record to read: a stall counts from
when there was.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

from .children import Child
from .place import CampaignFailed, Findings

# From the end of a fault to the next commit of each partition that has lag.
CALM_STALL_MAX_S = 30.0
# Whatever happens meanwhile.
STALL_MAX_S = 180.0
# After so long it is looked whether there is anything to read.
LOOK_AFTER_S = 5.0
LOOK_MAX_S = 40.0

Place = tuple[str, int]


class Turmoil:
    """Which faults are going on, and when the last one ended. Any thread may ask."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.active: dict[int, str] = {}
        self.ended = time.monotonic()
        self.number = 0

    def begin(self, kind: str) -> int:
        with self.lock:
            self.number += 1
            self.active[self.number] = kind
            return self.number

    def end(self, number: int) -> None:
        with self.lock:
            del self.active[number]
            self.ended = time.monotonic()

    def calm_since(self) -> float | None:
        """None while a fault goes on."""
        with self.lock:
            return None if self.active else self.ended


class Progress:
    """Committed offsets and ends as last heard, and since when each partition stands still."""

    def __init__(
        self, asker: Callable[[Callable[[str], None]], Child], findings: Findings, turmoil: Turmoil
    ) -> None:
        self.asker, self.findings, self.turmoil = asker, findings, turmoil
        self.committed: dict[Place, int] = {}
        self.ends: dict[Place, int] = {}
        self.moved: dict[Place, float] = {}
        self.doubtful: set[Place] = set()
        self.confirmed: set[Place] = set()
        self.reported: set[Place] = set()
        # Off while nobody is there who could commit.
        self.judging = False
        self.readable: list[Place] | None = None
        self.stall_max_s = 0.0
        self.calm_stall_max_s = 0.0
        self.lag_max = 0
        self.asked = 0.0
        self.deaths = 0
        self.child: Child | None = None

    def look_after(self) -> None:
        """Starts the asking process, again where it has died; and looks where there are doubts."""
        if self.child is None or self.child.process.poll() is not None:
            self.deaths += self.child is not None
            self.child = self.asker(self.hear)
        if doubtful := list(self.doubtful):
            self.doubtful.clear()
            readable = self.look(doubtful)
            self.confirmed |= set(readable)
            for place in set(doubtful) - set(readable):
                self.moved[place] = time.monotonic()

    def expect(self, commits: bool) -> None:
        """Whether somebody is there from now on who has to commit."""
        self.judging = commits
        self.moved = dict.fromkeys(self.moved, time.monotonic())

    def lag(self) -> dict[Place, int]:
        return {place: end - self.committed.get(place, 0) for place, end in list(self.ends.items())}

    def records_waiting(self) -> int:
        return sum(self.lag().values())

    def unmoved_since(self, moment: float) -> list[Place] | None:
        """The partitions that have lag and have not moved since; none where nothing was heard after it."""
        if self.asked < moment:
            return None
        return [
            place for place, lag in self.lag().items() if lag > 0 and self.moved.get(place, 0.0) <= moment
        ]

    def wait_until_done(self, limit_s: float) -> bool:
        """Whether everything that can be read was read within the limit, by answers from after the call."""
        began = time.monotonic()
        while time.monotonic() < began + limit_s:
            self.look_after()
            if self.asked > began + 1.5:
                behind = [place for place, lag in self.lag().items() if lag > 0]
                if not behind or (self.records_waiting() < 10_000 and not self.look(behind)):
                    return True
            time.sleep(0.3)
        return False

    def look(self, places: list[Place]) -> list[Place]:
        """Those of these places at whose committed offset, or behind it, a committed record lies."""
        self.readable = None
        asked = [[*place, self.committed.get(place, 0)] for place in places]
        try:
            if self.child is not None:
                self.child.tell(f"readable {json.dumps(asked)}")
        except CampaignFailed:
            return places
        deadline = time.monotonic() + LOOK_MAX_S
        while self.readable is None and time.monotonic() < deadline:
            time.sleep(0.05)
        return places if self.readable is None else self.readable

    def hear(self, line: str) -> None:
        said = json.loads(line)
        if "readable" in said:
            self.readable = [(topic, number) for topic, number in said["readable"]]
            return
        now = time.monotonic()
        ends = {(topic, number): end for topic, number, end in said["ends"]}
        for topic, number, offset in said["committed"]:
            place, end = (topic, number), ends[topic, number]
            before = self.committed.get(place, 0)
            if offset < before:
                text = f"the committed offset of {topic}-{number} went back from {before} to {offset}"
                self.findings.violation("offsets", text)
            if offset != before or offset >= end or place not in self.moved:
                self.moved[place] = now
                self.reported.discard(place)
                self.confirmed.discard(place)
                self.doubtful.discard(place)
            self.committed[place], self.ends[place] = offset, end
        self.lag_max = max(self.lag_max, self.records_waiting())
        self.asked = now
        self.judge(now)

    def judge(self, now: float) -> None:
        calm = self.turmoil.calm_since()
        for place, lag in self.lag().items():
            if lag <= 0 or place in self.reported or not self.judging:
                continue
            still_s = now - self.moved[place]
            calm_s = now - max(self.moved[place], calm) if calm is not None else 0.0
            if place not in self.confirmed:
                if calm_s > LOOK_AFTER_S or still_s > STALL_MAX_S / 2:
                    self.doubtful.add(place)
                continue
            self.stall_max_s = max(self.stall_max_s, still_s)
            self.calm_stall_max_s = max(self.calm_stall_max_s, calm_s)
            if calm_s > CALM_STALL_MAX_S:
                self.stalled(place, f"for {calm_s:.0f} s after the last fault was healed")
            elif still_s > STALL_MAX_S:
                self.stalled(place, f"for {still_s:.0f} s, among faults")

    def stalled(self, place: Place, how: str) -> None:
        self.reported.add(place)
        at = f"at {self.committed[place]} of {self.ends[place]}"
        self.findings.violation("progress", f"{place[0]}-{place[1]}: no commit {how}, {at}")
