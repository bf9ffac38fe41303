"""How long a restarted process takes to its first commit, and with what it spends that time.

Commits are seen on the process's own metrics, asked ten times a second. The parts come from events of its
log: `started` (all that a start checks is checked), the first `partition_assigned` (the group has answered)
and the last `restored`.
"""

from __future__ import annotations

import json
import math
import threading
import time
import urllib.request
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from .member import Member
from .progress import Turmoil
from .settings import APPLICATION

ASK_S = 0.1
# What has not committed by then is counted with this time, so that it cannot flatter the figures.
GIVE_UP_S = 180.0
COMMANDS = f"{APPLICATION}-commands-"


@dataclass
class Recovery:
    """One restart: of whom, with which state on disk, and its seconds.

    A process may commit what it takes in while it still restores. So there are two ends: the first commit of
    all, and the first one with all its state there, `working_s`, which is the sum of the four parts. It is
    none where the process was killed again before that.
    """

    ordinal: int
    state: str
    pause_s: float
    disturbed: bool
    first_commit_s: float
    working_s: float | None = None
    start_s: float | None = None
    group_s: float | None = None
    restore_s: float | None = None
    batch_s: float | None = None
    restored_records: int = 0
    gave_up: bool = False


def metrics(port: int, timeout_s: float = 1.0) -> dict[str, float]:
    """All figures of a process by name and labels; empty while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=timeout_s) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return {}
    pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


class Recoveries:
    """Measures every restart in a thread of its own."""

    def __init__(self, turmoil: Turmoil) -> None:
        self.turmoil = turmoil
        self.done: list[Recovery] = []
        self.superseded = 0
        self.lock = threading.Lock()
        self.threads: list[threading.Thread] = []
        self.stopping = threading.Event()

    def measure(self, member: Member, state: str, pause_s: float) -> None:
        """Call right after the start; the fault itself still goes on and does not count as disturbance."""
        began, start_number = time.time(), member.starts
        others = set(self.turmoil.active)
        thread = threading.Thread(
            target=self._follow, args=(member, start_number, began, state, pause_s, others), daemon=True
        )
        self.threads.append(thread)
        thread.start()

    def wait(self, limit_s: float) -> None:
        deadline = time.monotonic() + limit_s
        for thread in self.threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self.stopping.set()

    def _follow(
        self, member: Member, start_number: int, began: float, state: str, pause_s: float, others: set[int]
    ) -> None:
        log, disturbed = member.log, len(others) > 1
        recovery: Recovery | None = None
        commits_when_whole: float | None = None
        while not self.stopping.wait(ASK_S) and member.starts == start_number and member.runs():
            disturbed = disturbed or bool(set(self.turmoil.active) - others)
            passed_s = time.time() - began
            commits = metrics(member.port).get("bespoke_commit_duration_seconds_count", 0.0)
            gave_up = passed_s > GIVE_UP_S
            if recovery is None and (commits or gave_up):
                recovery = Recovery(member.ordinal, state, round(pause_s, 2), disturbed, round(passed_s, 2))
            if recovery is not None:
                told = Told.by(log, began)
                if commits_when_whole is None and told.whole:
                    # A commit that is seen together with the last restore may be an older one.
                    commits_when_whole = commits if told.restored_s else 0.0
                if gave_up or (commits_when_whole is not None and commits > commits_when_whole):
                    recovery.gave_up = gave_up
                    self._keep(recovery, told, passed_s, disturbed)
                    return
        with self.lock:
            if recovery is None:
                self.superseded += 1
            else:
                self.done.append(recovery)

    def _keep(self, recovery: Recovery, told: Told, passed_s: float, disturbed: bool) -> None:
        recovery.working_s, recovery.disturbed = round(passed_s, 2), disturbed
        recovery.restored_records = told.records
        last = 0.0
        marks = (("start_s", told.started_s), ("group_s", told.assigned_s), ("restore_s", told.restored_s))
        for part, mark in (*marks, ("batch_s", passed_s)):
            if mark is not None:
                setattr(recovery, part, round(max(mark - last, 0.0), 2))
                last = max(mark, last)
        with self.lock:
            self.done.append(recovery)


@dataclass
class Told:
    """What a process has said in its log since its start: seconds from then, and which state is not there."""

    started_s: float | None = None
    assigned_s: float | None = None
    restored_s: float | None = None
    records: int = 0
    whole: bool = False

    @classmethod
    def by(cls, log: Path, began: float) -> Told:
        told, open_partitions = cls(), set[str]()
        for line in log.read_text(errors="replace").splitlines():
            try:
                entry = json.loads(line)
                at_s = datetime.fromisoformat(entry["timestamp"]).timestamp() - began
            except (ValueError, KeyError):
                continue
            event, partition = entry.get("event"), str(entry.get("partition", ""))
            if event == "started":
                told.started_s = at_s
            elif event == "partition_assigned":
                told.assigned_s = at_s if told.assigned_s is None else told.assigned_s
                if partition.startswith(COMMANDS):
                    open_partitions.add(partition.removeprefix(COMMANDS))
            elif event == "restored":
                told.restored_s = at_s
                told.records += int(entry.get("records", 0))
                open_partitions.discard(str(entry.get("number")))
            elif event == "partition_revoked":
                open_partitions.discard(partition.removeprefix(COMMANDS))
            elif event == "worker_restarts":
                open_partitions.clear()
        told.whole = told.assigned_s is not None and not open_partitions
        return told


def figures(recoveries: list[Recovery]) -> dict[str, object]:
    """Median, p95 and max by what was on disk; all of them, and those with no other fault meanwhile."""
    found: dict[str, object] = {}
    for state in sorted({one.state for one in recoveries}):
        of_state = [one for one in recoveries if one.state == state]
        calm = [one for one in of_state if not one.disturbed]
        found[state] = {"all": spread(of_state), "undisturbed": spread(calm)}
    return found


def spread(recoveries: list[Recovery]) -> dict[str, object]:
    if not recoveries:
        return {"count": 0}
    result: dict[str, object] = {"count": len(recoveries)}
    for part in ("first_commit_s", "working_s", "start_s", "group_s", "restore_s", "batch_s"):
        values = sorted(value for one in recoveries if (value := asdict(one)[part]) is not None)
        if values:
            result[part] = {"median": at(values, 0.5), "p95": at(values, 0.95), "max": values[-1]}
    result["gave_up"] = sum(one.gave_up for one in recoveries)
    return result


def at(values: list[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    return values[max(math.ceil(len(values) * share), 1) - 1]
