"""Where a run takes place: its directory, its free ports, what it says, and what it finds wrong."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any


class CampaignFailed(Exception):
    """The campaign cannot go on; what it has seen so far proves nothing."""


class Findings:
    """Violations, each said at once. Any thread may add one."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.violations: list[dict[str, str]] = []
        self.lock = threading.Lock()

    def violation(self, check: str, text: str) -> None:
        with self.lock:
            self.violations.append({"check": check, "text": text})
        self.journal.say("VIOLATION", check=check, text=text)

    @property
    def any(self) -> bool:
        return bool(self.violations)


class Journal:
    """What happened when: short lines for people, and a file of JSON lines that is kept with a failed run."""

    def __init__(self, file: Path) -> None:
        self.began = time.monotonic()
        self.lines = file.open("w")
        self.lock = threading.Lock()

    def note(self, event: str, **fields: Any) -> None:
        """Into the file only."""
        with self.lock:
            at = {"at_s": round(time.monotonic() - self.began, 2), "unix_s": round(time.time(), 3)}
            print(json.dumps({**at, "event": event, **fields}, default=str), file=self.lines, flush=True)

    def say(self, event: str, **fields: Any) -> None:
        self.note(event, **fields)
        words = " ".join(f"{name}={value}" for name, value in fields.items())
        print(f"{time.monotonic() - self.began:7.1f} s  {event} {words}", file=sys.stderr, flush=True)


def free_ports(count: int) -> list[int]:
    """Ports that are free now, all different: all are held until the last is found."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def cpu_seconds(process: int) -> float:
    """User and system time of a process, 0 for one that is gone."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / 100
