"""Sets the scene of a run: the broker, the registry, the proxy, topics, configuration and processes."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from .broker import Broker
from .children import Child, Hear
from .definitions import configuration
from .disk import SmallDisk
from .member import Member
from .place import CampaignFailed, Journal, cpu_seconds, free_ports
from .settings import APPLICATION, MEMBERS, SESSION_S, SOURCES, Settings
from .versions import lay

START_S = 30


class Scene:
    """Everything that runs, and how to end it. `close` may be called at any time."""

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self.settings, self.journal = settings, journal
        self.home = settings.home
        self.logs = self.home / "logs"
        self.logs.mkdir()
        registry_port, *self.ports = free_ports(MEMBERS + 2)
        self.registry = f"http://127.0.0.1:{registry_port}"
        self.registry_process: subprocess.Popen[bytes] | None = None
        self.broker = Broker(self.home / "broker", settings.jars)
        self.proxied = settings.seed % MEMBERS
        self.small = (settings.seed + 1) % MEMBERS
        self.children: list[Child] = []
        self.helpers: list[Child] = []
        self.members: list[Member] = []
        self.small_disk = SmallDisk(self.home / "small-disk", settings.small_disk_bytes)
        if self.small_disk.refused:
            journal.say(
                "skipped", what="disk full", why=f"no tmpfs could be mounted: {self.small_disk.refused}"
            )

    @property
    def configuration(self) -> Path:
        return self.home / "shop.yaml"

    def open(self) -> None:
        self.broker.create()
        self._start_registry()
        self.proxy = self.child(
            "proxy", {"listen": self.broker.proxy_port, "target": self.broker.behind_port}
        )
        self.proxy.wait_for(lambda line: line.startswith("listening"), START_S)
        self._configure()
        self._make_topics()
        self.members = [self._member(ordinal) for ordinal in range(MEMBERS + 1)]

    def child(self, module: str, arguments: dict[str, object], hear: Hear | None = None) -> Child:
        """A process that has to live as long as the run."""
        self.children.append(Child(module, arguments, self.logs / f"{module}.log", hear))
        return self.children[-1]

    def helper(self, module: str, arguments: dict[str, object], hear: Hear) -> Child:
        """A process that may die and be started again."""
        self.helpers.append(Child(module, arguments, self.logs / f"{module}.log", hear))
        return self.helpers[-1]

    def close(self, keep: bool) -> None:
        for member in self.members:
            member.kill()
        for child in [*self.children, *self.helpers]:
            child.stop()
        self.broker.stop()
        if self.registry_process is not None:
            self.registry_process.kill()
            self.registry_process.wait()
        if keep and not self.small_disk.refused:
            # What is on the small disk goes with it, and a kept run is to be looked into.
            shutil.copytree(self.small_disk.place, self.home / "small-disk-kept", dirs_exist_ok=True)
        self.small_disk.remove()

    def cpu(self) -> dict[str, float]:
        """Seconds of processor time of the campaign's helpers so far."""
        return {
            child.name: round(cpu_seconds(child.process.pid), 1)
            for child in [*self.children, *self.helpers[-1:]]
        }

    def _start_registry(self) -> None:
        log = self.logs / "registry.log"
        listen = self.registry.removeprefix("http://")
        with log.open("wb") as output:
            self.registry_process = subprocess.Popen(
                [self.settings.binary, "registry", "--listen", listen],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_S
        while b"listening on" not in log.read_bytes():
            if self.registry_process.poll() is not None or time.monotonic() > deadline:
                raise CampaignFailed(f"the registry did not start:\n{log.read_text(errors='replace')}")
            time.sleep(0.05)

    def _configure(self) -> None:
        """The shop's configuration, with where this run's broker and registry are."""
        session = f"{SESSION_S:.0f}s"
        lay(self.home)
        self.configuration.write_text(
            configuration()
            + f"\nkafka: {{bootstrap: '{self.broker.bootstrap}', session_timeout: {session}, transaction_tags: on}}\n"
            + f"registry: {{url: '{self.registry}'}}\n"
        )

    def _make_topics(self) -> None:
        admin = AdminClient({"bootstrap.servers": self.broker.bootstrap, "log_level": 2})
        topics = [
            NewTopic(name, partitions, 1, config={"retention.ms": "-1"})
            for name, partitions in SOURCES.items()
        ]
        for made in admin.create_topics(topics).values():
            made.result(START_S)
        command: list[str | Path] = [self.settings.binary, "topics", "apply", "--config", self.configuration]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CampaignFailed(f"`topics apply` ended with {done.returncode}:\n{done.stderr[-4000:]}")

    def _member(self, ordinal: int) -> Member:
        place = self.small_disk.place if ordinal == self.small and not self.small_disk.refused else self.home
        state, port = place / f"state-{ordinal}", self.ports[ordinal]
        command = [str(self.settings.binary), "run", "--config", str(self.configuration)]
        command += ["--ordinal", str(ordinal), "--state-dir", str(state), "--listen", f"127.0.0.1:{port}"]
        if ordinal == self.proxied:
            command += ["--set", f"kafka.bootstrap={self.broker.proxied_bootstrap}"]
        return Member(ordinal, command, port, state, self.logs)


OUTPUTS = f"{APPLICATION}-"
