"""One process of the application, as a StatefulSet keeps it: its ordinal, its state, its exits.

A process that ends by itself is started again, a little later each time, and each such exit is kept with the
last lines of its log. Some exits are violations at once: see `judge`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from .place import Findings, Journal, cpu_seconds

# 70: a worker hung. 72: state and offsets disagree. 78: what was accepted before is refused.
FORBIDDEN = {70: "a worker hung", 72: "state and offsets disagree", 78: "a start is refused"}
# 69: Kafka was not there for thirty seconds at the start. 143 and 0: it was told to end.
EXPECTED = {0, 143, -signal.SIGTERM}
LOOP_EXITS = 5
LOOP_S = 60.0
BACKOFF_MIN_S = 0.2
BACKOFF_MAX_S = 5.0
LINES_KEPT = 15
# How long an end may take that was asked for; the processes cut their own drain off before that.
DRAIN_MAX_S = 30.0


@dataclass(frozen=True)
class Exit:
    """How a process ended."""

    ordinal: int
    code: int
    asked: bool
    at_unix_s: float
    lines: list[str]


class Member:
    """One ordinal. Faults take `lock` while they have it down, so that nobody starts it behind their back."""

    def __init__(self, ordinal: int, command: list[str], port: int, state: Path, logs: Path) -> None:
        self.ordinal, self.command, self.port, self.state, self.logs = ordinal, command, port, state, logs
        self.process: subprocess.Popen[bytes] | None = None
        self.lock = threading.RLock()
        self.starts = 0
        self.started_unix_s = 0.0
        self.wanted = False
        self.cpu_s = 0.0
        self.copy: Path | None = None

    @property
    def log(self) -> Path:
        return self.logs / f"ordinal-{self.ordinal}-{self.starts}.log"

    @property
    def name(self) -> str:
        return f"process {self.ordinal}"

    def start(self) -> None:
        with self.lock:
            self.starts += 1
            self.wanted = True
            self.started_unix_s = time.time()
            with self.log.open("wb") as log:
                self.process = subprocess.Popen(
                    self.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={
                        name: value for name, value in os.environ.items() if not name.startswith("BESPOKE__")
                    },
                    start_new_session=True,
                )

    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self) -> bool:
        """kill -9. False where there was nothing to kill."""
        with self.lock:
            if not self.runs() or self.process is None:
                return False
            self.wanted = False
            self.cpu_s += cpu_seconds(self.process.pid)
            self.process.kill()
            self.process.wait()
            return True

    def terminate(self, limit_s: float) -> Exit | None:
        """SIGTERM, and waits for the end; none where it does not come in time and had to be forced."""
        with self.lock:
            self.wanted = False
            if self.process is None:
                return None
            if self.process.poll() is None:
                self.cpu_s += cpu_seconds(self.process.pid)
                self.process.terminate()
            try:
                self.process.wait(limit_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                return None
            return self.exit(asked=True)

    def exit(self, asked: bool) -> Exit:
        code = self.process.returncode if self.process else 0
        lines = self.log.read_text(errors="replace").splitlines()[-LINES_KEPT:]
        return Exit(self.ordinal, code, asked, time.time(), lines)

    def remove_state(self) -> None:
        shutil.rmtree(self.state, ignore_errors=True)


def judge(exit: Exit, log: Path) -> str | None:
    """What makes this exit a violation, in words; none for one that may happen."""
    panics = [line for line in log.read_text(errors="replace").splitlines() if "panicked" in line]
    if panics:
        return f"process {exit.ordinal} panicked: {panics[0][:400]}"
    if exit.code in FORBIDDEN:
        last = exit.lines[-1] if exit.lines else ""
        return f"process {exit.ordinal} ended with {exit.code}, {FORBIDDEN[exit.code]}: {last[:600]}"
    # While it still checks what a start needs, a process has nothing to drain and lets the signal end it.
    if exit.code < 0 and not (exit.asked and exit.code == -signal.SIGTERM):
        return f"process {exit.ordinal} was ended by signal {-exit.code}, which nobody sent"
    if exit.asked and exit.code not in EXPECTED | {75}:
        last = exit.lines[-1] if exit.lines else ""
        return f"process {exit.ordinal} ended with {exit.code} after SIGTERM: {last[:600]}"
    return None


class Supervisor:
    """Watches the members from a thread and starts again what ends by itself."""

    def __init__(self, members: list[Member], findings: Findings, journal: Journal) -> None:
        self.members, self.findings, self.journal = members, findings, journal
        self.exits: list[Exit] = []
        self.stopping = threading.Event()
        self.looping: set[int] = set()
        self.next_start: dict[int, float] = {}
        self.thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        self.stopping.set()
        self.thread.join()

    def record(self, member: Member, exit: Exit | None) -> None:
        """Keeps an exit, and says so where it must not have happened."""
        if exit is None:
            self.findings.violation("exit", f"{member.name} did not end in time after SIGTERM; {member.log}")
            return
        self.exits.append(exit)
        if (wrong := judge(exit, member.log)) is not None:
            self.findings.violation("exit", f"{wrong}; {member.log}")

    def _watch(self) -> None:
        while not self.stopping.wait(0.05):
            for member in self.members:
                if member.lock.acquire(blocking=False):
                    try:
                        self._look(member)
                    finally:
                        member.lock.release()

    def _look(self, member: Member) -> None:
        if not member.wanted or member.runs():
            self.next_start.pop(member.ordinal, None)
            return
        now = time.monotonic()
        due = self.next_start.get(member.ordinal)
        if due is None:
            self._ended(member, now)
        elif now >= due:
            del self.next_start[member.ordinal]
            member.start()

    def _ended(self, member: Member, now: float) -> None:
        exit = member.exit(asked=False)
        self.record(member, exit)
        last = exit.lines[-1] if exit.lines else ""
        self.journal.say("exit", ordinal=member.ordinal, code=exit.code, log=member.log, last=last[:300])
        recent = [
            one
            for one in self.exits
            if one.ordinal == member.ordinal and not one.asked and exit.at_unix_s - one.at_unix_s < LOOP_S
        ]
        self.next_start[member.ordinal] = now + min(BACKOFF_MIN_S * 2 ** (len(recent) - 1), BACKOFF_MAX_S)
        if len(recent) >= LOOP_EXITS and member.ordinal not in self.looping:
            self.looping.add(member.ordinal)
            often = f"ended by itself {len(recent)} times within {LOOP_S:.0f} s, last with {exit.code}"
            text = f"{member.name} {often}: {last[:400]}; {member.log}"
            self.findings.violation("crash loop", text)
