"""Bespoke itself, from configuration alone, and the bare copy that is the limit of what its client allows."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

from .broker import Broker
from .engine import Engine, Started
from .process import Process, cpu_s
from .proofs import Schemas
from .settings import CONFIGURATION, OUTPUTS, THREADS, Failed, Load, Settings
from .translation import write_outputs, write_state

READY_MAX_S = 600
POLL_S = 0.02


class Bespoke(Engine):
    """The release build, with what this run varies set on its command line."""

    name, group = "bespoke", "bench-bespoke"

    def __init__(self, settings: Settings, broker: Broker) -> None:
        super().__init__(settings, broker)
        self.schemas = Schemas(settings.registry)
        self._ports: dict[int, int] = {}

    def forget_offsets(self) -> None:
        """By another name: a member that has ended is expected back for a while, and so its group stays."""
        self.group = f"bench-bespoke-{time.time_ns() // 1_000_000}"

    def start(self, load: Load, commit_ms: int) -> Process:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = [
            *(self.settings.binary, "run", "--state-dir", self.state, "--listen", f"127.0.0.1:{port}"),
            *("--threads", THREADS, *self._configuration(load), "--set", f"commit.age_max={commit_ms}ms"),
        ]
        process = Process(command, self.log, self._environment())
        self._ports[process.pid] = port
        return process

    def started(self, process: Process) -> Started:
        """By its own probe, which says ready when every partition is restored."""
        address = f"http://127.0.0.1:{self._ports[process.pid]}"
        deadline = time.monotonic() + READY_MAX_S
        while not _answers(f"{address}/readyz"):
            process.check()
            if time.monotonic() > deadline:
                raise Failed(f"bespoke is not ready after {READY_MAX_S} s")
            time.sleep(POLL_S)
        seconds, used = time.time() - process.began, cpu_s(process.pid)
        return Started(seconds, used, _counted(f"{address}/metrics", "bespoke_restored_records_total"))

    def request_id(self, value: bytes) -> str:
        return self.schemas.decode(value)["request_id"] or ""

    def make_topics(self, load: Load) -> None:
        # The outputs are set up as the peers' are; the rest, and the schemas, are its own affair.
        self.broker.create(OUTPUTS, load.partitions)
        command = [self.settings.binary, "topics", "apply", *self._configuration(load)]
        words = list(map(str, command))
        environment = {**os.environ, **self._environment()}
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"`topics apply` ended with {done.returncode}:\n{done.stderr[-4000:]}")

    def inner_topics(self, load: Load) -> list[str]:
        return [] if load.keyed else [f"{self.group}-commands"]

    def dump(self, load: Load, to: Path) -> dict[str, Any]:
        told = write_outputs(self.broker, self.schemas, to)
        if not load.keyed:
            write_state(self.broker, f"{self.group}-profile-changelog", to)
        return told

    def _configuration(self, load: Load) -> list[object]:
        keyed = str(load.keyed).lower()
        source = f"topic: {load.name}, format: json, clock: trust, keyed: {keyed}, start: earliest"
        sets = (
            f"application={self.group}",
            f"sources=[{{{source}}}]",
            f"topics.partitions={load.partitions}",
            *self.settings.sets,
        )
        return ["--config", CONFIGURATION, *(part for one in sets for part in ("--set", one))]

    def _environment(self) -> dict[str, str]:
        return {
            "BESPOKE__KAFKA__BOOTSTRAP": self.settings.bootstrap,
            "BESPOKE__REGISTRY__URL": self.settings.registry,
        }


class Copy(Engine):
    """The same bytes through the same client in transactions: no parse, no state."""

    name, group = "copy", "bench-copy"
    topic = "bench-copy-output"
    outputs = (topic,)

    def __init__(self, settings: Settings, broker: Broker, executable: Path) -> None:
        super().__init__(settings, broker)
        self._executable = executable

    def start(self, load: Load, commit_ms: int) -> Process:
        return Process(
            [
                *(self._executable, "--bootstrap", self.settings.bootstrap, "--group", self.group),
                *("--input", load.name, "--output", self.topic, "--partitions", load.partitions),
                *("--threads", THREADS, "--commit-ms", commit_ms),
            ],
            self.log,
        )

    def started(self, process: Process) -> Started:
        said = process.line("started_at_ms")
        return Started(said["started_at_ms"] / 1000 - process.began, 0.0, 0)

    def request_id(self, value: bytes) -> str:
        raise Failed("a copy decides nothing")

    def make_topics(self, load: Load) -> None:
        self.broker.create([self.topic], load.partitions)

    def dump(self, load: Load, to: Path) -> dict[str, Any]:
        raise Failed("a copy has nothing to dump")


def bench_executable(name: str) -> Path:
    """Builds one of the benchmarks."""
    command = ["cargo", "bench", "--locked", "--no-run", "--bench", name, "--message-format", "json"]
    root = CONFIGURATION.parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{name} does not build:\n{done.stderr[-4000:]}")
    for line in done.stdout.splitlines():
        said = json.loads(line)
        if said.get("executable") and said["target"]["name"] == name:
            return Path(said["executable"])
    raise Failed(f"cargo did not say where {name} is")


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def _counted(address: str, name: str) -> int:
    """The sum of a counter, 0 where it has not counted yet."""
    with urllib.request.urlopen(address, timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return sum(int(float(line.rsplit(" ", 1)[1])) for line in lines if line.startswith(name))
