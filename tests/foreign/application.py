"""A tiny application of its own on the broker: its configuration, its topics and its process."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from events import CATEGORIES, KEEN_VIEWS, SLOT, Sent

PARTITIONS = 3
TIMEOUT_S = 30
WORK_MAX_S = 90


class ApplicationFailed(Exception):
    """The binary did not do what it was told."""


@dataclass(frozen=True)
class Application:
    """The application's name, where its parts are, and a directory for what it writes."""

    name: str
    bootstrap: str
    registry: str
    binary: Path
    home: Path

    def topic(self, suffix: str) -> str:
        return f"{self.name}-{suffix}"

    @property
    def configuration(self) -> Path:
        return self.home / "bespoke.yaml"

    def prepare(self) -> None:
        """Writes the configuration and makes all topics. Nothing in it changes by the passing of time."""
        document = {
            "application": self.name,
            "kafka": {"bootstrap": self.bootstrap},
            "registry": {"url": self.registry},
            "sources": [{"topic": self.topic("events"), "clock": "trust"}],
            "topics": {"partitions": PARTITIONS, "replication": 1},
            "state": {"directory": str(self.home / "state")},
            "http": {"listen": "127.0.0.1:0"},
            "threads": 1,
            "session": {"timed": False},
            "attributes": {"views": {"count": "product_viewed"}},
            "interests": {
                "category": {
                    "facet": "category",
                    "weights": {"product_viewed": 1.0, "product_added": 2.0, "order_completed": 3.0},
                    "enter": 2.0,
                    "timed": False,
                }
            },
            "segments": {"keen": {"enter": f"attributes.views >= {KEEN_VIEWS}", "leave": "false"}},
            "slots": {SLOT: {"items": 2, "interest": "category", "fallback": ["welcome"]}},
            "catalogue": {
                "items": [
                    {"content_id": f"about-{name}", "weights": {name: 1.0}, "base_weight": 1.0}
                    for name in CATEGORIES
                ]
            },
        }
        self.configuration.write_text(json.dumps(document, indent=1))
        events = NewTopic(
            self.topic("events"), PARTITIONS, 1, config={"max.message.bytes": str(8 * 1024 * 1024)}
        )
        # The client must live until the answer has come.
        admin = self._admin()
        admin.create_topics([events])[self.topic("events")].result(TIMEOUT_S)
        command: list[str | Path] = [self.binary, "topics", "apply", "--config", self.configuration]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ApplicationFailed(f"`topics apply` ended with {done.returncode}:\n{done.stderr[-4000:]}")

    def remove(self) -> None:
        admin = self._admin()
        names = [name for name in admin.list_topics(timeout=TIMEOUT_S).topics if self._owns(name)]
        for deleted in admin.delete_topics(names).values() if names else ():
            deleted.result(TIMEOUT_S)

    def send(self, sent: Iterable[Sent]) -> None:
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "partitioner": "murmur2_random",
                "message.max.bytes": 8 << 20,
            }
        )
        for one in sent:
            producer.produce(self.topic("events"), key=one.key, value=one.value, headers=list(one.headers))
        if producer.flush(TIMEOUT_S):
            raise ApplicationFailed("not all events could be sent")

    def work_until(self, done: Callable[[], str | None]) -> None:
        """Runs the binary until `done` misses nothing any more, then asks it to end."""
        deadline = time.monotonic() + WORK_MAX_S
        with self._running() as child:
            while (missing := done()) is not None:
                if child.poll() is not None:
                    raise ApplicationFailed(f"the binary ended with {child.returncode}:\n{self._log_end()}")
                if time.monotonic() > deadline:
                    raise ApplicationFailed(f"after {WORK_MAX_S} s: {missing}\n{self._log_end()}")
                time.sleep(0.2)
            child.send_signal(signal.SIGTERM)
            code = child.wait(TIMEOUT_S)
        if code not in (0, 128 + signal.SIGTERM):
            raise ApplicationFailed(f"the binary ended with {code} after SIGTERM:\n{self._log_end()}")

    @contextmanager
    def _running(self) -> Iterator[subprocess.Popen[bytes]]:
        command: list[str | Path] = [self.binary, "run", "--config", self.configuration]
        with self._log.open("wb") as log:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            yield child
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()

    @property
    def _log(self) -> Path:
        return self.home / "processor.log"

    def _log_end(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 3})

    def _owns(self, topic: str) -> bool:
        return topic.startswith(f"{self.name}-")
