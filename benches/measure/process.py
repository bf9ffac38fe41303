"""A process that is measured or lends a hand, with what the kernel accounts to it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from .settings import Failed

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
STOP_MAX_S = 90


@dataclass(frozen=True)
class Usage:
    """What a process has used so far."""

    cpu_s: float
    peak_rss_mb: float
    written_bytes: int
    threads: dict[str, float] = field(default_factory=dict)


class Process:
    """A process of ours. What it says on standard output is read as it comes; the rest goes to its log."""

    started: ClassVar[list[Process]] = []

    def __init__(
        self, command: Sequence[object], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.command = [str(part) for part in command]
        self.log = log
        self._said: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self._closed = False
        self.began = time.time()
        with log.open("ab") as errors:
            self._child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, **(environment or {})},
            )
        Process.started.append(self)
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._child.pid

    def alive(self) -> bool:
        return self._child.poll() is None

    def check(self) -> None:
        """Says why it has ended, where it has."""
        if not self.alive():
            raise Failed(self._ended())

    def usage(self) -> Usage:
        """By the kernel's own books, while the process runs."""
        self.check()
        home = Path("/proc") / str(self.pid)
        status = dict(line.split(":", 1) for line in (home / "status").read_text().splitlines())
        io = dict(line.split(": ") for line in (home / "io").read_text().splitlines())
        peak_kb = int(status["VmHWM"].split()[0])
        return Usage(cpu_s(self.pid), peak_kb / 1024, int(io["write_bytes"]), _threads(home))

    def line(self, key: str, value: object = None, wait_s: float = 600) -> dict[str, Any]:
        """The first line of JSON that has the key, and the value where one is given."""
        deadline = time.monotonic() + wait_s
        with self._news:
            while True:
                for said in self._said:
                    if key in said and (value is None or said[key] == value):
                        return said
                if self._closed or not self._news.wait(deadline - time.monotonic()):
                    raise Failed(f"{self._ended()} without saying {key}")

    def finish(self) -> list[dict[str, Any]]:
        """Waits for its end, which must be a good one, and gives what it has said."""
        if self._child.wait() != 0:
            raise Failed(self._ended())
        self._reader.join()
        return self._said

    def stop(self) -> None:
        """Asks it to end, and makes it end where it does not."""
        if self.alive():
            self._child.send_signal(signal.SIGTERM)
        try:
            self._child.wait(STOP_MAX_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"{self.command[0]} had to be killed; its log is {self.log}") from None

    def kill(self) -> None:
        self._child.kill()
        self._child.wait()

    @staticmethod
    def kill_all() -> None:
        """Ends whatever is left when a run ends early."""
        for process in Process.started:
            process.kill()

    def _listen(self) -> None:
        assert self._child.stdout is not None
        try:
            for text in self._child.stdout:
                if text.startswith("{"):
                    with self._news:
                        self._said.append(json.loads(text))
                        self._news.notify_all()
        finally:
            # Also where a line could not be read: nobody may wait for what does not come any more.
            with self._news:
                self._closed = True
                self._news.notify_all()

    def _ended(self) -> str:
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
        return (
            f"{' '.join(self.command)[-300:]} ended with {self._child.poll()}; the end of its log:\n{tail}\n"
        )


def cpu_s(pid: int) -> float:
    """User and system time of a process, its ended threads included."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(after_name[11]) + int(after_name[12])) / TICKS_PER_SECOND


def _threads(home: Path) -> dict[str, float]:
    """CPU-seconds of the living threads by name, numbers left out, largest first."""
    found: dict[str, float] = {}
    for task in (home / "task").iterdir():
        try:
            name, rest = re.match(r"\d+ \((.*)\) (.*)", (task / "stat").read_text()).groups()  # type: ignore[union-attr]
        except OSError:
            continue
        name = re.sub(r"[\d:.\-#/]+", "-", name).strip("- ") or "unnamed"
        used = sum(map(int, rest.split()[11:13])) / TICKS_PER_SECOND
        found[name] = round(found.get(name, 0.0) + used, 2)
    return dict(sorted(found.items(), key=lambda entry: -entry[1]))


def size_bytes(directories: Sequence[Path]) -> int:
    """The bytes of all files below some directories, which other processes may be changing."""
    total = 0
    for directory in directories:
        for place, _, names in os.walk(directory):
            for name in names:
                try:
                    total += (Path(place) / name).stat().st_size
                except OSError:
                    continue
    return total
