"""Checks one partition of the input of the fold and everything that follows from it."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import xxhash
from confluent_kafka import Message

from .compare import Tolerated, difference
from .configuration import Configuration
from .emissions import Emissions
from .event import Content, Event, SiteShares
from .fold import Fold
from .interleaving import Interleaving
from .log import CannotCheck, Log
from .murmur2 import partition_of
from .postcard import Unreadable, decode_command, encode_event, has_doubles
from .reject import Reject
from .report import Report
from .schemas import Schemas
from .sources import Expected, Letter, letter_of, reader_of, record_ms
from .state import State
from .transactions import Transactions
from .updates import Updates

EXPLAINED_MAX = 20


class PartitionCheck:
    """One partition. `letters` are the dead letters that its own records must become."""

    def __init__(self, configuration: Configuration, number: int, registry: str, log: Log) -> None:
        self.configuration = configuration
        self.number = number
        self.log = log
        self.report = Report()
        self.transactions = Transactions()
        self.letters: dict[int, Letter] = {}
        schemas = Schemas(registry)
        c, report = configuration, self.report
        self.decisions = Emissions(c.decisions, number, "decision_id", schemas, report)
        self.segments = Emissions(c.segment_changes, number, "transition_id", schemas, report)
        self.updates = Updates(c.profile_updates, number, schemas, report)
        self.state = State(c.changelog, number, report)
        self.fold = Fold(c.book, c.contents, self._emit)
        self.persons: set[str] = set()
        self.explained = 0

    def run(self, expected: list[Expected], committed: int | None) -> None:
        for part in (self.decisions, self.segments, self.updates, self.state):
            part.read(self.log, self.transactions)
        topic = self.configuration.input
        next_offset = self._fold_source() if self.configuration.keyed else self._fold_commands(expected)
        self.fold.settle_all()
        for emissions in (self.decisions, self.segments):
            emissions.finish()
        self.updates.check(self.fold)
        self.state.check(self.fold, committed, topic)
        for what, count in self.fold.counts.items():
            self.report.count(f"commands {what}" if what != "due" else "due changes", count)
        if next_offset is not None and committed != next_offset:
            said = f"expected the group's offset behind the last record, {next_offset}, found {committed}"
            self.report.violation("I6", f"{topic}-{self.number}@{next_offset}", None, said)

    def _emit(self, kind: str, person: str, record: dict[str, Any]) -> None:
        (self.decisions if kind == "decision" else self.segments).expect(person, record)

    def _fold_commands(self, expected: list[Expected]) -> int | None:
        c, number = self.configuration, self.number
        sources = [(f"{e.topic}-{e.partition}", e.hashes[number], e.offsets[number]) for e in expected]
        follow = Interleaving(f"{c.commands}-{number}", sources, self.report)
        partitions = self.log.partitions(c.commands)
        digest = xxhash.xxh3_64_intdigest
        next_offset, count = None, 0
        for message in self.log.whole(c.commands, number):
            count += 1
            next_offset = message.offset() + 1
            self.transactions.note(message, self.report)
            value = message.value()
            hashed = digest(value or b"")
            try:
                command = decode_command(value)
            except Unreadable as error:
                follow.take(hashed, message.offset(), None, f"a record that is no command ({error})")
                self._letter(message, Reject("unreadable_command"))
                continue
            self._apply(command, message, partitions)
            if isinstance(command, Event):
                follow.explain = partial(self._explain, command, expected, follow)
                if has_doubles(command):
                    hashed = self._compare_doubles(command, message, expected)
                follow.take(hashed, message.offset(), command.person, f"message {command.message_id}")
            else:
                follow.take(hashed, message.offset(), None, "a change for every partition")
        follow.finish()
        self.report.read(c.commands, count)
        self.report.count("commands", count)
        return next_offset

    def _explain(self, event: Event, expected: list[Expected], follow: Interleaving) -> str:
        """Where a source says a message of this id next: what it says differently."""
        if self.explained >= EXPLAINED_MAX:
            return ""
        self.explained += 1
        for at, offset in follow.heads_at():
            source = expected[at]
            if source.topic in self.configuration.broadcast_topics:
                continue
            message = next(self.log.records(source.topic, source.partition, offset), None)
            if message is None or message.offset() != offset:
                continue
            reader = reader_of(self.configuration, source.topic)
            said = reader.read(message.value(), record_ms(message))
            if said is not None and said.message_id == event.message_id:
                names = said.differences(event)
                pairs = [f"{n}: expected {getattr(said, n)!r} found {getattr(event, n)!r}" for n in names]
                return f": {source.topic}-{source.partition}@{offset} says {'; '.join(pairs)}"
        return ""

    def _compare_doubles(self, event: Event, message: Message, expected: list[Expected]) -> int:
        """Compares properties that are doubles. Answers the hash of everything else."""
        found: list[float] = []
        hashed = int(xxhash.xxh3_64_intdigest(encode_event(event, found)))
        said = next(
            (e.doubles[self.number][hashed] for e in expected if hashed in e.doubles[self.number]), None
        )
        if said is not None and said != found:
            tolerated = Tolerated()
            if what := difference(said, found, tolerated, f"message {event.message_id}: doubles"):
                self._violation(message, event.person, what)
            self.report.count("doubles equal within the tolerance alone", tolerated.count)
        return hashed

    def _apply(self, command: Any, message: Message, partitions: int) -> None:
        if isinstance(command, Event):
            person = command.person
            if person not in self.persons:
                self._check_home(sys.intern(person), message, partitions)
            self.fold.event(command)
            return
        if message.key() is not None:
            self._violation(message, None, f"expected no key found {message.key()!r}")
        if isinstance(command, Content):
            self.fold.content(command)
        elif isinstance(command, SiteShares):
            self.fold.share(command)
        elif command[0] == "withdrawn":
            self.fold.withdraw(command[1])
        elif command[0] == "site shares withdrawn":
            self.fold.withdraw_shares(command[1])
        else:
            try:
                self.fold.define(command[1])
            except NotImplementedError as error:
                raise CannotCheck(f"the oracle does not know what happens when {error}") from error

    def _check_home(self, person: str, message: Message, partitions: int) -> None:
        self.persons.add(person)
        home = partition_of(person.encode(), partitions)
        if message.key() != person.encode():
            self._violation(message, person, f"expected the key {person!r} found {message.key()!r}")
        if home != self.number:
            self._violation(message, person, f"expected in partition {home} found in {self.number}")

    def _fold_source(self) -> int | None:
        """The fold over a source that is keyed by person and stands in for the command topic."""
        topic = self.configuration.input
        reader = reader_of(self.configuration, topic)
        next_offset, count = None, 0
        for message in self.log.whole(topic, self.number):
            count += 1
            next_offset = message.offset() + 1
            try:
                event = reader.read(message.value(), record_ms(message))
                assert event is not None, "a source that is keyed is no table"
                if message.key() != event.person.encode():
                    raise Reject("invalid_field", "$key")
            except Reject as reject:
                self._letter(message, reject)
                continue
            self.fold.event(event)
        self.report.read(topic, count)
        return next_offset

    def _letter(self, message: Message, reject: Reject) -> None:
        self.letters[message.offset()] = letter_of(message, reject)

    def _violation(self, message: Message, person: str | None, what: str) -> None:
        where = f"{message.topic()}-{message.partition()}@{message.offset()}"
        self.report.violation("I3", where, person, what)
