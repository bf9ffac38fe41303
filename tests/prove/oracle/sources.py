"""What each source record must become: a command in one partition, a broadcast into all of them, or a dead
letter. Of commands only the hash of their bytes is kept, so that five million of them take 80 MB."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

import xxhash
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from . import contents, postcard, rulebook, site_shares
from .aliases import Aliases
from .configuration import Configuration
from .debezium import TableReader
from .document import ConfigurationError
from .log import Log
from .murmur2 import partition_of
from .reject import Reject, Rule
from .report import Report
from .statuses import Status, kind_of, status_of
from .wire import Reader

PERSONS_CACHED_MAX = 1_000_000


@dataclass(slots=True)
class Letter:
    """A dead letter that must be there."""

    code: str
    path: str
    digest: int  # of key, value and headers
    rule: Rule | None = None  # the demand of a schema that is not met


@dataclass(slots=True)
class Expected:
    """What the records of one source partition must become."""

    topic: str
    partition: int
    hashes: list[array[int]] = field(default_factory=list)  # by command partition, in their order
    offsets: list[array[int]] = field(default_factory=list)
    doubles: list[dict[int, list[float]]] = field(default_factory=list)  # by hash: the doubles left out of it
    letters: dict[int, Letter] = field(default_factory=dict)  # by offset
    statuses: list[Status] = field(default_factory=list)  # of changes
    next_offset: int | None = None
    events: int = 0
    broadcasts: int = 0


# The bytes of the command that a record becomes, the person's key, none for all partitions, and the
# doubles that the bytes leave out. Nothing for a record that tells nothing.
Taken = tuple[bytes, bytes | None, list[float]]
Take = Callable[[Message], Taken | None]


def take_of(configuration: Configuration, topic: str) -> Take:
    """How the records of a source topic are read."""
    if topic == configuration.catalogue_topic:
        return lambda message: (
            postcard.encode_content(contents.read(message.key(), message.value())),
            None,
            [],
        )
    if topic == configuration.definitions_topic:
        return _definitions
    if topic == configuration.site_shares_topic:
        return lambda message: (
            postcard.encode_site_shares(site_shares.read(message.key(), message.value())),
            None,
            [],
        )
    reader = reader_of(configuration, topic)

    def event(message: Message) -> Taken | None:
        event = reader.read(message.value(), record_ms(message))
        if event is None:
            return None
        doubles: list[float] = []
        return postcard.encode_event(event, doubles), event.person.encode(), doubles

    return event


def reader_of(configuration: Configuration, topic: str) -> Reader | TableReader:
    source = next(one for one in configuration.sources if one.topic == topic)
    c, aliases = configuration, Aliases(configuration)
    reader = Reader(topic, source.clock, c.ids, c.record_bytes_max, aliases, c.schemas)
    return TableReader(reader, source.table) if source.table else reader


def record_ms(message: Message) -> int:
    """The Kafka record's own time; before all time where it has none."""
    kind, at = message.timestamp()
    return -1 if kind == TIMESTAMP_NOT_AVAILABLE else int(at)


def _definitions(message: Message) -> Taken:
    try:
        text = (message.value() or b"").decode("utf-8")
        rulebook.of_text(text)
    except (UnicodeDecodeError, ConfigurationError) as error:
        raise Reject("invalid_definitions") from error
    if message.value() is None:
        raise Reject("invalid_definitions")
    return postcard.encode_definitions(text), None, []


def letter_of(message: Message, reject: Reject) -> Letter:
    """The dead letter that a record must become."""
    kept = letter_digest(message, message.headers() or [])
    return Letter(reject.code, reject.path, kept, reject.rule)


def letter_digest(message: Message, headers: list[tuple[str, bytes | None]]) -> int:
    """The hash of what a dead letter must keep byte for byte."""
    parts: list[bytes | None] = [message.key(), message.value()]
    for name, value in headers:
        parts += (name.encode(), value)
    joined = b"".join(b"-" if part is None else b"%d:%b" % (len(part), part) for part in parts)
    return int(xxhash.xxh3_64_intdigest(joined))


def read(log: Log, configuration: Configuration, topic: str, partition: int, report: Report) -> Expected:
    """Reads one source partition."""
    take = take_of(configuration, topic)
    count = log.partitions(configuration.commands)
    expected = Expected(topic, partition)
    kind = kind_of(configuration, topic) if topic in configuration.broadcast_topics else None
    expected.hashes = [array("Q") for _ in range(count)]
    expected.offsets = [array("q") for _ in range(count)]
    expected.doubles = [{} for _ in range(count)]
    homes: dict[bytes, int] = {}
    digest = xxhash.xxh3_64_intdigest
    read_count = 0
    for message in log.whole(topic, partition):
        read_count += 1
        offset = message.offset()
        expected.next_offset = offset + 1
        try:
            taken = take(message)
        except Reject as reject:
            expected.letters[offset] = letter_of(message, reject)
            if kind:
                expected.statuses.append(status_of(kind, message, record_ms(message), reject))
            continue
        if taken is None:
            continue
        command, person, doubles = taken
        hashed = digest(command)
        if person is None:
            expected.broadcasts += 1
            expected.statuses.append(status_of(kind or "", message, record_ms(message), None))
            for home in range(count):
                expected.hashes[home].append(hashed)
                expected.offsets[home].append(offset)
            continue
        expected.events += 1
        home = homes.get(person, -1)
        if home < 0:
            home = partition_of(person, count)
            if len(homes) < PERSONS_CACHED_MAX:
                homes[person] = home
        expected.hashes[home].append(hashed)
        expected.offsets[home].append(offset)
        if doubles:
            expected.doubles[home][hashed] = doubles
    report.read(topic, read_count)
    return expected
