"""A broker of the campaign's own, from Apache's jars, that it may kill and start again as it likes.

It has two listeners for clients: one for everybody, and one whose advertised address is the proxy's, so that
the process that is told to begin there goes through the proxy for good. Its settings are those of
`tests/broker.sh`; the campaign keeps its data to itself, since nobody else may be on a broker that dies.
"""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import time
from pathlib import Path

from .place import CampaignFailed, cpu_seconds, free_ports

START_S = 90
# The compiler that starts quickly, since the broker is started often; it is never the bottleneck here.
JVM = ["-Xmx640m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]

LOG_SETTINGS = """\
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{HH:mm:ss.SSS} %p %m (%c)%n%throwable
rootLogger.level = INFO
rootLogger.appenderRef.out.ref = out
"""


class Broker:
    """One broker, its directory and its process."""

    def __init__(self, home: Path, jars: Path, more_settings: str = "") -> None:
        self.home, self.jars, self.more_settings = home, jars, more_settings
        self.port, self.controller_port, self.behind_port, self.proxy_port = free_ports(4)
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self.cpu_s = 0.0

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def proxied_bootstrap(self) -> str:
        return f"127.0.0.1:{self.proxy_port}"

    @property
    def log(self) -> Path:
        return self.home / f"kafka-{self.starts}.log"

    def create(self) -> None:
        if not (self.jars / "libs").is_dir():
            raise CampaignFailed(
                f"there are no jars of Kafka in {self.jars}/libs: run `./dev kafka start` once"
            )
        self.home.mkdir(parents=True)
        (self.home / "server.properties").write_text(self.settings())
        (self.home / "log4j2.properties").write_text(LOG_SETTINGS)
        identity = base64.urlsafe_b64encode(b"\1" + os.urandom(15)).decode().rstrip("=")
        command = self.java("kafka.tools.StorageTool", "format", "-t", identity, "-c")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CampaignFailed(f"Kafka's directory could not be formatted:\n{done.stdout}{done.stderr}")
        self.start()

    def java(self, name: str, *arguments: str) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={self.home}/log4j2.properties"
        words = ["java", *JVM, logging, "-cp", f"{self.jars}/libs/*", name, *arguments]
        return [*words, str(self.home / "server.properties")]

    def start(self) -> None:
        """Returns when the broker says that it is there."""
        self.starts += 1
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.java("kafka.Kafka"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_S
        while b"Kafka Server started" not in self.log.read_bytes():
            if self.process.poll() is not None or time.monotonic() > deadline:
                lines = "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])
                raise CampaignFailed(f"Kafka did not start; its last lines:\n{lines}")
            time.sleep(0.1)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.cpu_s += cpu_seconds(self.process.pid)
        self.process.send_signal(number)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def settings(self) -> str:
        public = f"PLAINTEXT://127.0.0.1:{self.port}"
        behind = f"PROXIED://127.0.0.1:{self.behind_port}"
        advertised = f"PROXIED://127.0.0.1:{self.proxy_port}"
        controller = f"CONTROLLER://127.0.0.1:{self.controller_port}"
        return f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{self.controller_port}
controller.listener.names=CONTROLLER
listeners={public},{behind},{controller}
advertised.listeners={public},{advertised}
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={self.home}/data
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
offsets.retention.minutes=10080
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.backoff.ms=1000
log.retention.ms=-1
{self.more_settings}"""
