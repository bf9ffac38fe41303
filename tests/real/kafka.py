"""What the evaluation itself does with Kafka: one topic in, the decisions out."""

from __future__ import annotations

import io
import json
import time
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import fastavro
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka import Message as Record
from confluent_kafka.admin import AdminClient, NewTopic

TIMEOUT_S = 30
# What a partition answers that was made a moment ago.
NO_LEADER = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)


class KafkaFailed(Exception):
    """The broker or the registry did not do what it should."""


class Sendable(Protocol):
    """What can be sent."""

    @property
    def key(self) -> bytes: ...

    @property
    def value(self) -> bytes: ...


def create_topic(bootstrap: str, name: str, partitions: int) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 3})
    admin.create_topics([NewTopic(name, partitions, 1)])[name].result(TIMEOUT_S)


def delete_topics(bootstrap: str, application: str) -> None:
    """Deletes all topics of an application: a year of purchases is not left behind on a shared broker."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 3})
    names = [
        name for name in admin.list_topics(timeout=TIMEOUT_S).topics if name.startswith(f"{application}-")
    ]
    for deleted in admin.delete_topics(names).values() if names else ():
        deleted.result(TIMEOUT_S)


def send(bootstrap: str, topic: str, messages: Iterable[Sendable]) -> None:
    """Sends the messages in their order, each to the partition that Java's clients would choose."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "partitioner": "murmur2",
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 20,
        }
    )
    failures: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Record) -> None:
        if error is not None:
            failures.append(error)

    for message in messages:
        while True:
            try:
                producer.produce(topic, key=message.key, value=message.value, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    if producer.flush(TIMEOUT_S) or failures:
        raise KafkaFailed(f"not everything could be sent to {topic}: {failures[:1]}")


@dataclass(frozen=True)
class Decision:
    """One record of the decisions topic, as far as it is measured."""

    request_id: str
    ladder: str
    contents: tuple[str, ...]
    scores: tuple[float, ...]

    @classmethod
    def of(cls, record: Any) -> Decision:
        ranked = record["ranked"]
        return cls(
            record["request_id"],
            record["ladder"],
            tuple(piece["content_id"] for piece in ranked),
            tuple(piece["score"] for piece in ranked),
        )


class OutputReader:
    """Reads an output in committed transactions, from the beginning. Decodes by the registry's schema."""

    def __init__(self, bootstrap: str, registry: str, topic: str) -> None:
        self._registry = registry
        self._schemas: dict[int, Any] = {}
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"{topic}-reader",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
            }
        )
        partitions = self._consumer.list_topics(topic, TIMEOUT_S).topics[topic].partitions
        self._places = [TopicPartition(topic, number) for number in partitions]
        self._consumer.assign([TopicPartition(topic, number, 0) for number in partitions])

    def poll(self, timeout_s: float) -> list[Any]:
        """What has come within the time, at most 1,000 records."""
        return [self._decode(record) for record in self._records(self._consumer.consume(1000, timeout_s))]

    def rest(self) -> list[Any]:
        """Everything up to the ends of the partitions as they are now."""
        records: list[Any] = []
        ends = {place.partition: _end(self._consumer, place) for place in self._places}
        while any(place.offset < ends[place.partition] for place in self._consumer.position(self._places)):
            records += self.poll(1.0)
        return records

    def close(self) -> None:
        self._consumer.close()

    def _records(self, records: Iterable[Record]) -> Iterator[Record]:
        for record in records:
            if record.error() is not None:
                raise KafkaFailed(f"{record.topic()} cannot be read: {record.error()}")
            yield record

    def _decode(self, record: Record) -> Any:
        value = record.value() or b""
        if len(value) < 5 or value[0] != 0:
            raise KafkaFailed(f"{record.topic()} at offset {record.offset()} is in no Confluent frame")
        schema = self._schema(int.from_bytes(value[1:5], "big"))
        return fastavro.schemaless_reader(io.BytesIO(value[5:]), schema, None)

    def _schema(self, number: int) -> Any:
        if number not in self._schemas:
            with urllib.request.urlopen(
                f"{self._registry}/schemas/ids/{number}", timeout=TIMEOUT_S
            ) as answer:
                self._schemas[number] = fastavro.parse_schema(json.loads(json.load(answer)["schema"]))
        return self._schemas[number]


def _end(consumer: Consumer, place: TopicPartition) -> int:
    """Where a partition ends. One that was just made may have no leader that the broker knows itself to be."""
    until = time.monotonic() + TIMEOUT_S
    while True:
        try:
            return int(consumer.get_watermark_offsets(place, TIMEOUT_S)[1])
        except KafkaException as error:
            if error.args[0].code() not in NO_LEADER or time.monotonic() > until:
                raise
            time.sleep(0.1)


class Waiter:
    """Waits until a group has read all of its sources."""

    def __init__(self, bootstrap: str, group: str, topics: Iterable[str]) -> None:
        self._consumer = Consumer(
            {"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False}
        )
        self._places = [
            TopicPartition(topic, partition)
            for topic in topics
            for partition in self._consumer.list_topics(topic, TIMEOUT_S).topics[topic].partitions
        ]

    def wait(self, limit_s: float) -> None:
        until = time.monotonic() + limit_s
        ends = [_end(self._consumer, place) for place in self._places]
        while True:
            read = [place.offset for place in self._consumer.committed(self._places, TIMEOUT_S)]
            if all(end == 0 or offset == end for offset, end in zip(read, ends, strict=True)):
                return
            if time.monotonic() > until:
                raise KafkaFailed(f"of {ends} records, {read} are read after {limit_s:.0f} s")
            time.sleep(0.05)

    def close(self) -> None:
        self._consumer.close()
