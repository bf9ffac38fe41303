"""How long a restarted process takes to its first commit, and with what it spends that time.

The first commit is seen on the process's own metrics, asked ten times a second until it is there. The parts
come from events of its log: `started` (all that a start checks is checked), the first `partition_assigned`
(the group has answered) and the last `restored` before the commit.
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

ASK_S = 0.1
# What has not committed by then is counted with this time, so that it cannot flatter the figures.
GIVE_UP_S = 120.0


@dataclass
class Recovery:
    """One restart: of whom, with which state on disk, and the seconds of its parts."""

    ordinal: int
    state: str
    pause_s: float
    first_commit_s: float
    committed: bool
    disturbed: bool
    start_s: float | None
    group_s: float | None
    restore_s: float | None
    batch_s: float | None
    restored_records: int


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
        while not self.stopping.wait(ASK_S):
            if member.starts != start_number or not member.runs():
                with self.lock:
                    self.superseded += 1
                return
            disturbed = disturbed or bool(set(self.turmoil.active) - others)
            now = time.time()
            count = metrics(member.port).get("bespoke_commit_duration_seconds_count", 0.0)
            if count or now - began > GIVE_UP_S:
                parts = parts_of(log, began, now)
                with self.lock:
                    self.done.append(
                        Recovery(
                            member.ordinal,
                            state,
                            round(pause_s, 2),
                            round(now - began, 2),
                            bool(count),
                            disturbed,
                            *parts,
                        )
                    )
                return


def parts_of(
    log: Path, began: float, committed: float
) -> tuple[float | None, float | None, float | None, float | None, int]:
    """Seconds to the start, the assignment, the complete state and the first commit; and records."""
    started = assigned = restored = None
    records = 0
    for line in log.read_text(errors="replace").splitlines():
        try:
            entry = json.loads(line)
            at = datetime.fromisoformat(entry["timestamp"]).timestamp()
        except (ValueError, KeyError):
            continue
        if at > committed:
            break
        event = entry.get("event")
        if event == "started" and started is None:
            started = at
        elif event == "partition_assigned" and assigned is None:
            assigned = at
        elif event == "restored":
            restored = at
            records += int(entry.get("records", 0))
    marks = [began, started, assigned, restored, committed]
    spans: list[float | None] = []
    last = began
    for mark in marks[1:]:
        spans.append(None if mark is None else round(mark - last, 2))
        last = last if mark is None else mark
    return spans[0], spans[1], spans[2], spans[3], records


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
    for part in ("first_commit_s", "start_s", "group_s", "restore_s", "batch_s"):
        values = sorted(value for one in recoveries if (value := asdict(one)[part]) is not None)
        if values:
            result[part] = {"median": at(values, 0.5), "p95": at(values, 0.95), "max": values[-1]}
    result["never"] = sum(not one.committed for one in recoveries)
    return result


def at(values: list[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    return values[max(math.ceil(len(values) * share), 1) - 1]
