"""Reads topics to their ends, read_committed, and asks the broker what it knows of them."""

from __future__ import annotations

import time
from collections.abc import Iterator

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, Message, TopicPartition

BATCH = 1_000
PATIENCE_S = 0.1
TIMEOUT_S = 30.0
STALLED_S = 60.0


class CannotCheck(Exception):
    """Something that is needed for a check is not there."""


class Log:
    """One cluster, seen as a reader that belongs to no group; `group` is only asked about."""

    def __init__(self, bootstrap: str, group: str) -> None:
        self.bootstrap = bootstrap
        self.group = group
        self._consumer = self._client()

    def close(self) -> None:
        self._consumer.close()

    def partitions(self, topic: str) -> int:
        metadata = self._consumer.list_topics(topic, timeout=TIMEOUT_S).topics.get(topic)
        if metadata is None or metadata.error is not None or not metadata.partitions:
            raise CannotCheck(f"the topic {topic} does not exist")
        return len(metadata.partitions)

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        low, high = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=TIMEOUT_S)
        return int(low), int(high)

    def committed(self, topic: str, partitions: int) -> list[int | None]:
        """What the group has committed, by partition; none where it has not."""
        asked = [TopicPartition(topic, number) for number in range(partitions)]
        found = self._consumer.committed(asked, timeout=TIMEOUT_S)
        by_number = {one.partition: None if one.offset == OFFSET_INVALID else one.offset for one in found}
        return [by_number[number] for number in range(partitions)]

    def whole(self, topic: str, partition: int) -> Iterator[Message]:
        """All records of a partition; stops the check where its oldest are gone."""
        low, _ = self.bounds(topic, partition)
        if low > 0:
            raise CannotCheck(f"{topic}-{partition} begins at offset {low}: its oldest records are gone")
        yield from self.records(topic, partition)

    def records(self, topic: str, partition: int, first: int | None = None) -> Iterator[Message]:
        """The committed records of a partition up to its end."""
        low, high = self.bounds(topic, partition)
        first = low if first is None else first
        if first >= high:
            return
        consumer = self._client()
        try:
            consumer.assign([TopicPartition(topic, partition, first)])
            heard = time.monotonic()
            while True:
                messages = consumer.consume(BATCH, timeout=PATIENCE_S)
                if messages:
                    heard = time.monotonic()
                for message in messages:
                    error = message.error()
                    if error is None:
                        yield message
                    elif error.code() == KafkaError._PARTITION_EOF:
                        return
                    else:
                        raise KafkaException(error)
                if time.monotonic() - heard > STALLED_S:
                    raise CannotCheck(
                        f"{topic}-{partition} gives no records and no end for {STALLED_S:.0f} s"
                    )
        finally:
            consumer.close()

    def _client(self) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": self.group,
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "allow.auto.create.topics": False,
                "check.crcs": True,
                "queued.max.messages.kbytes": 32_768,
                "fetch.max.bytes": 67_108_864,
                "fetch.wait.max.ms": 50,
                "log_level": 3,
            }
        )
