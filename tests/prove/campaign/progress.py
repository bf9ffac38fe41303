"""Invariant I9 seen from outside: after a fault is healed, commits go on for every partition that has lag.

Asks the broker every second for the group's committed offsets and for the ends of the inputs, as a reader of
committed records sees them. An end may lie behind control records and aborted ones that nobody will ever
read, so before a stall is called one, a reader looks whether there is a record to read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from .place import Findings

ASK_S = 1.0
# From the end of a fault to the next commit of each partition that has lag.
CALM_STALL_MAX_S = 30.0
# Whatever happens meanwhile.
STALL_MAX_S = 180.0

Place = tuple[str, int]


class Turmoil:
    """Which faults are going on, and when the last one ended. Any thread may ask."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.active: dict[int, str] = {}
        self.ended = time.monotonic()
        self.number = 0

    def begin(self, kind: str) -> int:
        with self.lock:
            self.number += 1
            self.active[self.number] = kind
            return self.number

    def end(self, number: int) -> None:
        with self.lock:
            del self.active[number]
            self.ended = time.monotonic()

    def calm_since(self) -> float | None:
        """None while a fault goes on."""
        with self.lock:
            return None if self.active else self.ended


class Progress:
    """Committed offsets and ends, kept up to date by a thread."""

    def __init__(self, bootstrap: str, group: str, topics: list[str], findings: Findings, turmoil: Turmoil) -> None:
        self.bootstrap, self.group, self.topics = bootstrap, group, topics
        self.findings, self.turmoil = findings, turmoil
        self.admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2, "reconnect.backoff.max.ms": 1000})
        self.committed: dict[Place, int] = {}
        self.ends: dict[Place, int] = {}
        self.moved: dict[Place, float] = {}
        self.reported: set[Place] = set()
        self.stall_max_s = 0.0
        self.calm_stall_max_s = 0.0
        self.lag_max = 0
        # Ends behind which nothing can be read look like stalls: these figures count under load only.
        self.loaded = False
        self.asked = 0.0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        self.stopping.set()
        self.thread.join()

    def lag(self) -> dict[Place, int]:
        return {place: end - self.committed.get(place, 0) for place, end in self.ends.items()}

    def records_waiting(self) -> int:
        return sum(self.lag().values())

    def moved_since(self, moment: float) -> bool:
        """Whether every partition that has lag has moved since, by an answer of the broker's from after it."""
        if self.asked < moment:
            return False
        return all(self.moved.get(place, 0.0) > moment for place, lag in self.lag().items() if lag > 0)

    def is_done(self) -> bool:
        """Whether everything that can be read has been: asked anew, not remembered."""
        try:
            self._ask()
        except KafkaException:
            return False
        return not self.readable([place for place, lag in self.lag().items() if lag > 0])

    def wait_until_done(self, limit_s: float, alive: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline and alive():
            if self.is_done():
                return True
            time.sleep(0.5)
        return False

    def readable(self, places: list[Place]) -> list[Place]:
        """Those of these places at whose committed offset, or behind it, a committed record lies."""
        if not places:
            return []
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "campaign-looks",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "log_level": 2,
            }
        )
        consumer.assign([TopicPartition(topic, number, self.committed.get((topic, number), 0)) for topic, number in places])
        found: set[Place] = set()
        open_places = set(places)
        deadline = time.monotonic() + 10
        while open_places and time.monotonic() < deadline:
            for message in consumer.consume(100, 0.2):
                place = (message.topic(), message.partition())
                if message.error() is None:
                    found.add(place)
                open_places.discard(place)
        consumer.close()
        # What did not answer counts as readable: silence proves nothing.
        return sorted(found | open_places)

    def _run(self) -> None:
        while not self.stopping.wait(ASK_S):
            try:
                self._ask()
            except KafkaException:
                continue
            self._judge()

    def _ask(self) -> None:
        if not self.ends:
            known = self.admin.list_topics(timeout=10).topics
            places = [(topic, number) for topic in self.topics for number in known[topic].partitions]
        else:
            places = list(self.ends)
        group = ConsumerGroupTopicPartitions(self.group)
        answer = self.admin.list_consumer_group_offsets([group], request_timeout=5)
        wanted = {TopicPartition(topic, number): OffsetSpec.latest() for topic, number in places}
        level = IsolationLevel.READ_COMMITTED
        ends = self.admin.list_offsets(wanted, isolation_level=level, request_timeout=5)
        now = time.monotonic()
        committed = {(one.topic, one.partition): one.offset for one in answer[self.group].result().topic_partitions}
        for place, end in ((( one.topic, one.partition), found.result().offset) for one, found in ends.items()):
            before, offset = self.committed.get(place, 0), max(committed.get(place, 0), 0)
            if offset < before:
                text = f"the committed offset of {place[0]}-{place[1]} went back from {before} to {offset}"
                self.findings.violation("offsets", text)
            if offset != before or offset >= end or place not in self.moved:
                self.moved[place] = now
                self.reported.discard(place)
            self.committed[place], self.ends[place] = offset, end
        self.lag_max = max(self.lag_max, self.records_waiting())
        self.asked = now

    def _judge(self) -> None:
        now, calm = time.monotonic(), self.turmoil.calm_since()
        late: dict[Place, str] = {}
        for place, lag in self.lag().items():
            if lag <= 0 or place in self.reported:
                continue
            still_s = now - self.moved[place]
            calm_s = now - max(self.moved[place], calm) if calm is not None else 0.0
            if self.loaded:
                self.stall_max_s = max(self.stall_max_s, still_s)
                self.calm_stall_max_s = max(self.calm_stall_max_s, calm_s)
            if calm_s > CALM_STALL_MAX_S:
                late[place] = f"for {calm_s:.0f} s after the last fault was healed"
            elif still_s > STALL_MAX_S:
                late[place] = f"for {still_s:.0f} s, among faults"
        for place in self.readable(list(late)):
            self.reported.add(place)
            text = f"{place[0]}-{place[1]}: no commit {late[place]}, at {self.committed[place]} of {self.ends[place]}"
            self.findings.violation("progress", text)
