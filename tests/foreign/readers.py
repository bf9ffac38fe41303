"""Three clients that know nothing of us read a topic from its beginning to its end.

Each gives the same shape of record, so that what they read can be compared. kcat gives bytes: as Debian
builds it, it knows no Avro.
"""

from __future__ import annotations

import io
import json
import subprocess
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import fastavro
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

TIMEOUT_S = 30
# Whatever stands between kcat's fields stands in no key and no header of ours.
SEPARATOR = b"\x1e"


class Unreadable(Exception):
    """A client could not read a topic."""


@dataclass(frozen=True)
class Read:
    """A record as a client gives it."""

    partition: int
    offset: int
    key: bytes | None
    value: Any
    headers: bytes = b""


Decode = Callable[[bytes], Any]


class Schemas:
    """Schemas from the registry by id, asked for by plain HTTP."""

    def __init__(self, registry: str) -> None:
        self._registry = registry
        self._parsed: dict[int, Any] = {}

    def of(self, value: bytes) -> Any:
        """The schema of a value in a Confluent frame: a zero byte and the id in four."""
        if len(value) < 5 or value[0] != 0:
            raise Unreadable(f"no Confluent frame: {value[:8]!r}")
        number = int.from_bytes(value[1:5], "big")
        if number not in self._parsed:
            with urllib.request.urlopen(
                f"{self._registry}/schemas/ids/{number}", timeout=TIMEOUT_S
            ) as answer:
                self._parsed[number] = fastavro.parse_schema(json.loads(json.load(answer)["schema"]))
        return self._parsed[number]

    def decode(self, value: bytes) -> Any:
        """The value as fastavro reads it."""
        return fastavro.schemaless_reader(io.BytesIO(value[5:]), self.of(value), None)


def raw(bootstrap: str, topic: str) -> list[Read]:
    """Keys, values and headers as bytes, read with confluent-kafka."""
    return [
        Read(record.partition(), record.offset(), record.key(), record.value(), headers_of(record))
        for record in records(bootstrap, topic)
    ]


def by_confluent(bootstrap: str, registry: str, topic: str) -> list[Read]:
    """Values decoded by Confluent's own deserializer, with the registry's client."""
    with SchemaRegistryClient({"url": registry}) as client:
        deserialize = AvroDeserializer(client)
        context = SerializationContext(topic, MessageField.VALUE)
        return [
            Read(record.partition(), record.offset(), record.key(), deserialize(record.value(), context))
            for record in records(bootstrap, topic)
        ]


def raw_by_kcat(bootstrap: str, topic: str) -> list[Read]:
    """Keys, values and headers as bytes, as kcat prints them. Lengths come before bytes that hold anything."""
    fields = ["%p", "%o", "%K", "%k", "%h", "%R%s"]
    text = kcat(bootstrap, topic, ["-f", SEPARATOR.decode().join(fields)])
    read = []
    while text:
        *head, rest = text.split(SEPARATOR, len(fields) - 1)
        partition, offset, key_length, key, headers = head
        # A null key has the length -1.
        own_key = None if int(key_length) < 0 else key
        length = int.from_bytes(rest[:4], "big", signed=True)
        value = None if length < 0 else rest[4 : 4 + length]
        read.append(Read(int(partition), int(offset), own_key, value, headers))
        text = rest[4 + max(length, 0) :]
    return sorted(read, key=place)


def kcat(bootstrap: str, topic: str, arguments: list[str]) -> bytes:
    command = ["kcat", "-C", "-b", bootstrap, "-t", topic, "-o", "beginning", "-e", "-q", *arguments]
    done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise Unreadable(f"kcat ended with {done.returncode} on {topic}: {done.stderr.decode()[-2000:]}")
    return done.stdout


def records(bootstrap: str, topic: str) -> list[Message]:
    """All committed records of a topic, by partition and offset."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"{topic}-foreign",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    try:
        open_ = set(consumer.list_topics(topic, TIMEOUT_S).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in open_])
        read = []
        while open_:
            record = consumer.poll(TIMEOUT_S)
            if record is None:
                raise Unreadable(f"{topic} cannot be read to its end")
            error = record.error()
            if error is None:
                read.append(record)
            elif error.code() == KafkaError._PARTITION_EOF:
                open_.discard(record.partition())
            else:
                raise Unreadable(f"{topic}: {error}")
        return sorted(read, key=lambda record: (record.partition(), record.offset()))
    finally:
        consumer.close()


def headers_of(record: Message) -> bytes:
    """Headers as kcat prints them: name=value, separated by commas."""
    return b",".join(name.encode() + b"=" + value for name, value in record.headers() or [])


def place(read: Read) -> tuple[int, int]:
    return read.partition, read.offset
