"""Dead letters: exactly the records that cannot be used, each once, byte for byte, with the code and the path
of what is wrong, the demand of a schema that is not met, and where the record came from."""

from __future__ import annotations

from confluent_kafka import Message

from .log import Log
from .report import Report
from .sources import Letter, letter_digest
from .transactions import HEADER, SHAPE, Transactions

ADDED = (
    "__streams.errors.exception",
    "__streams.errors.message",
    "__streams.errors.topic",
    "__streams.errors.partition",
    "__streams.errors.offset",
    "bespoke.error.code",
    "bespoke.error.path",
    "bespoke.error.schema_id",
    "bespoke.error.schema",
    "bespoke.error.schema_version",
    "bespoke.error.rule",
    "bespoke.record.timestamp",
    HEADER,
)
Origin = tuple[str, int, int]


class Letters:
    """Takes the expected letters out one by one."""

    def __init__(self, topic: str, expected: dict[Origin, Letter], report: Report) -> None:
        self.topic = topic
        self.expected = dict(expected)
        self.seen: dict[Origin, str] = {}
        self.report = report

    def read(self, log: Log, transactions: Transactions) -> None:
        for partition in range(log.partitions(self.topic)):
            count = 0
            for message in log.whole(self.topic, partition):
                count += 1
                transactions.note(message, self.report)
                self._take(message)
            self.report.read(self.topic, count)
        for (topic, partition, offset), letter in self.expected.items():
            said = f"expected a dead letter with {letter.code} at {letter.path} found none"
            self.report.violation("I1", f"{topic}-{partition}@{offset}", None, said)

    def _take(self, message: Message) -> None:
        where = f"{message.topic()}-{message.partition()}@{message.offset()}"
        headers = list(message.headers() or [])
        # Ours are the last of each name: the original's own headers stand before them.
        ours: dict[str, str] = {}
        kept = list(headers)
        for name in ADDED:
            at = max((at for at, one in enumerate(kept) if one[0] == name), default=None)
            is_ours = name != HEADER or (at is not None and SHAPE.fullmatch(kept[at][1] or b""))
            if at is not None and is_ours:
                ours[name] = bytes(kept.pop(at)[1] or b"").decode("utf-8", "replace")
        try:
            prefix = "__streams.errors."
            origin = (ours[prefix + "topic"], int(ours[prefix + "partition"]), int(ours[prefix + "offset"]))
        except (KeyError, ValueError):
            self.report.violation(
                "I5", where, None, "expected headers that say where it came from found none"
            )
            return
        name = f"{origin[0]}-{origin[1]}@{origin[2]}"
        letter = self.expected.pop(origin, None)
        if letter is None:
            again = f"found it again, first at {self.seen[origin]}" if origin in self.seen else "found one"
            self.report.violation("I2", where, None, f"expected no further dead letter of {name} {again}")
            return
        self.seen[origin] = where
        self._compare(letter, message, kept, ours, where, name)
        self.report.count("dead letters")

    def _compare(
        self,
        letter: Letter,
        message: Message,
        kept: list[tuple[str, bytes | None]],
        ours: dict[str, str],
        where: str,
        name: str,
    ) -> None:
        code, path = ours.get("bespoke.error.code"), ours.get("bespoke.error.path")
        if (code, path) != (letter.code, letter.path):
            said = f"{name}: expected {letter.code} at {letter.path} found {code} at {path}"
            self.report.violation("I5", where, None, said)
        rule = tuple(ours.get(f"bespoke.error.{part}") for part in ("schema", "schema_version", "rule"))
        wanted = (None, None, None) if letter.rule is None else tuple(map(str, letter.rule))
        if rule != wanted:
            said = f"{name}: expected the demand {wanted} found {rule}"
            self.report.violation("I5", where, None, said)
        if ours.get("__streams.errors.exception") != code or not ours.get("__streams.errors.message"):
            self.report.violation(
                "I5", where, None, f"{name}: expected an exception and a message found none"
            )
        if letter_digest(message, kept) != letter.digest:
            said = f"{name}: expected key, value and headers byte for byte found others"
            self.report.violation("I5", where, None, said)
