"""The broker, asked and told by a client that is no engine's: topics, groups, and what has been committed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from .process import cpu_s, size_bytes
from .settings import PROFILES, Failed, Settings

TIMEOUT_S = 60
# How far behind the end the last record of a topic is looked for first: behind it lie commit markers alone.
TAIL_RECORDS = 64
# What a broker says of a group that a member has just left, and of one that it is only beginning to look after.
PASSING = (
    KafkaError.NON_EMPTY_GROUP,
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
)


class Broker:
    """One broker."""

    def __init__(self, settings: Settings) -> None:
        self._bootstrap = settings.bootstrap
        self._home = settings.broker_home
        self._admin = AdminClient({"bootstrap.servers": settings.bootstrap})

    def cpu_s(self) -> float:
        """What its process has used; 0 where it is not one of ours."""
        pid = self._home / "pid" if self._home else None
        return cpu_s(int(pid.read_text())) if pid and pid.exists() else 0.0

    def size_bytes(self, topic: str) -> int:
        """What a topic takes on its disk; 0 where that cannot be seen."""
        if self._home is None:
            return 0
        return size_bytes([path for path in (self._home / "data").glob(f"{topic}-*") if path.is_dir()])

    # ---- Topics and groups ----

    def topics(self) -> set[str]:
        return set(self._admin.list_topics(timeout=TIMEOUT_S).topics)

    def partitions(self, topic: str) -> list[int]:
        return sorted(self._admin.list_topics(topic, timeout=TIMEOUT_S).topics[topic].partitions)

    def delete(self, topics: Iterable[str]) -> None:
        """Deletes those that exist, and waits until they are gone."""
        there = sorted(self.topics() & set(topics))
        for deleted in self._admin.delete_topics(there).values() if there else ():
            deleted.result(TIMEOUT_S)
        deadline = time.monotonic() + TIMEOUT_S
        while left := self.topics() & set(there):
            if time.monotonic() > deadline:
                raise Failed(f"not deleted: {sorted(left)}")
            time.sleep(0.1)

    def create(self, topics: Sequence[str], partitions: int) -> None:
        """Makes topics that are kept for ever; that of profiles is compacted."""
        new = [
            NewTopic(
                topic,
                partitions,
                1,
                config={"cleanup.policy": "compact"} if topic == PROFILES else {"retention.ms": "-1"},
            )
            for topic in topics
        ]
        for created in self._admin.create_topics(new).values():
            created.result(TIMEOUT_S)

    def forget(self, group: str) -> None:
        """Deletes what a group has committed. A member that has just gone may hold the group for a moment."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                self._admin.delete_consumer_groups([group])[group].result(TIMEOUT_S)
                return
            except KafkaException as error:
                code = error.args[0].code()
                if code == KafkaError.GROUP_ID_NOT_FOUND:
                    return
                if code not in PASSING or time.monotonic() > deadline:
                    raise
            time.sleep(0.2)

    # ---- Offsets ----

    def ends(self, topic: str) -> dict[int, int]:
        """The next offset of each partition."""
        wanted = {TopicPartition(topic, number): OffsetSpec.latest() for number in self.partitions(topic)}
        asked = self._admin.list_offsets(wanted)
        return {place.partition: told.result(TIMEOUT_S).offset for place, told in asked.items()}

    def committed(self, group: str, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        """What the group would go on with; 0 where it has committed nothing."""
        places = [TopicPartition(topic, number) for number in partitions]
        asked = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group, places)])
        told = asked[group].result(TIMEOUT_S).topic_partitions
        return {place.partition: max(place.offset, 0) for place in told}

    def left(self, group: str, topic: str, ends: dict[int, int]) -> int:
        """How many records before these ends the group has not committed."""
        committed = self.committed(group, topic, ends)
        return sum(max(0, end - committed.get(number, 0)) for number, end in ends.items())

    def after_last_records(self, topic: str) -> dict[int, int]:
        """As `ends`, without the markers at the end of a topic that is written in transactions."""
        ends = self.ends(topic)
        found: dict[int, int] = {}
        for back in (TAIL_RECORDS, 64 * TAIL_RECORDS, 1 << 40):
            starts = {number: max(0, end - back) for number, end in ends.items() if number not in found}
            for record in self.records(topic, starts):
                found[record.partition()] = record.offset() + 1
        return {number: found.get(number, 0) for number in ends}

    def wait_until_quiet(self, topics: Sequence[str], quiet_s: float = 1.5) -> None:
        """Until nothing is written any more: what falls due at the end of the input is out, too."""
        before, since = None, time.monotonic()
        while time.monotonic() - since < quiet_s:
            now = [self.ends(topic) for topic in topics]
            if now != before:
                before, since = now, time.monotonic()
            time.sleep(0.2)

    # ---- Records ----

    def records(self, topic: str, starts: dict[int, int] | None = None) -> Iterator[Message]:
        """All committed records of a topic from some offsets or its beginning on, to its present end."""
        consumer = self.consumer()
        try:
            if starts is None:
                starts = {number: 0 for number in self.partitions(topic)}
            consumer.assign([TopicPartition(topic, number, start) for number, start in starts.items()])
            open_ = set(starts)
            deadline = time.monotonic() + TIMEOUT_S
            while open_:
                # A batch that is not full waits for the whole time, so that is short.
                batch = consumer.consume(10_000, 0.2)
                if batch:
                    deadline = time.monotonic() + TIMEOUT_S
                elif time.monotonic() > deadline:
                    raise Failed(f"{topic} cannot be read to its end")
                for record in batch:
                    error = record.error()
                    if error is None:
                        yield record
                    elif error.code() == KafkaError._PARTITION_EOF:
                        open_.discard(record.partition())
                    else:
                        raise Failed(f"{topic}: {error}")
        finally:
            consumer.close()

    def consumer(self) -> Consumer:
        """A reader of what is committed. Where an offset is gone it begins with what there is."""
        return Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": "bench-reader",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
            }
        )
