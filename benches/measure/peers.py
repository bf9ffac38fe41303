"""The three strengths of Kafka Streams. The READMEs beside their sources say what each setting is worth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .broker import Broker
from .engine import Engine, Started
from .java import LARGE_HEAP, SMALL_HEAP, Java
from .process import Process
from .settings import OUTPUTS, PEER, THREADS, Load, Settings


class Peer(Engine):
    """A Kafka Streams application that is told by its command line, and tells its state in lines of JSON."""

    main = "peer.Peer"
    heap = SMALL_HEAP
    # So that the last records of a burst do not wait for the interval.
    more: tuple[object, ...] = ("--idle-commit-ms", 200)
    store = "profiles"

    def __init__(self, settings: Settings, broker: Broker, java: Java) -> None:
        super().__init__(settings, broker)
        self.java = java

    @property
    def target(self) -> Path:
        return self.java.peer

    @property
    def archive(self) -> Path:
        """Its classes, which a start need not read and verify again."""
        return self.target / f"{self.name}.jsa"

    def start(self, load: Load, commit_ms: int, heap: tuple[str, ...] = ()) -> Process:
        archived = (f"-XX:SharedArchiveFile={self.archive}",) if self.archive.exists() else ()
        return Process(
            [
                *self.java.command(self.target, self.main, (*self.heap, *(heap or archived))),
                *("--bootstrap", self.settings.bootstrap, "--app", self.group, "--state", self.state),
                *("--variant", load.variant, "--partitions", load.partitions, "--input", load.name),
                *("--threads", THREADS, *self.more, "--commit-ms", commit_ms),
            ],
            self.log,
        )

    def train(self, load: Load) -> None:
        """Writes the archive, once: the JVM does so when it ends."""
        if self.archive.exists():
            return
        self.clean(load)
        process = self.start(load, self.settings.commit_ms, (f"-XX:ArchiveClassesAtExit={self.archive}",))
        self.wait_until_drained(load, process)
        process.stop()

    def started(self, process: Process) -> Started:
        said = process.line("state", "RUNNING")
        return Started(said["at_ms"] / 1000 - process.began, said["cpu_s"], said["restored"])

    def request_id(self, value: bytes) -> str:
        return json.loads(value)["requestId"]

    def make_topics(self, load: Load) -> None:
        self.broker.create(OUTPUTS, load.partitions)

    def inner_topics(self, load: Load) -> list[str]:
        return [] if load.keyed else [f"{self.group}-by-user-repartition"]

    def dump(self, load: Load, to: Path) -> dict[str, Any]:
        arguments: list[object] = ["--to", to, "--schema", PEER / "profile.avsc"]
        if not load.keyed:
            arguments += ["--changelog", f"{self.group}-{self.store}-changelog"]
        return self.java.tool("peer.Dump", *arguments)[-1]


class Extreme(Peer):
    """Live objects written back through an internal hook. "The peer" without an adjective is this one."""

    name, group = "extreme", "bench-extreme"


class Tuned(Peer):
    """The same program on Kafka Streams' own record cache, which wants a larger heap."""

    name, group = "tuned", "bench-tuned"
    heap = LARGE_HEAP
    more = ("--idle-commit-ms", 200, "--live-profiles", 0, "--cache-bytes", 128 << 20)


class Idiomatic(Peer):
    """What a competent team writes, with the heap and collector that were best for it."""

    name, group = "idiomatic", "bench-idiomatic"
    main = "profiles.ProfileApp"
    heap = LARGE_HEAP
    more = ()

    @property
    def target(self) -> Path:
        assert self.java.idiomatic is not None, "it is built where it is asked for"
        return self.java.idiomatic

    def runs(self, load: Load) -> bool:
        return load.keyed

    def train(self, load: Load) -> None:
        """Its best settings were measured without an archive, and so it is run."""


PEERS = {peer.name: peer for peer in (Extreme, Tuned, Idiomatic)}
