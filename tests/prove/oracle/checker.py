"""The whole check of an application: sources, commands, outputs, state and offsets. `check` is what both the
command line and a campaign call."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from . import configuration, sources
from .configuration import Configuration
from .letters import Letters, Origin
from .log import CannotCheck, Log
from .partition import PartitionCheck
from .report import Report
from .sources import Expected, Letter
from .statuses import Status, Statuses
from .transactions import Transactions

QUIET_S = 2.0
T = TypeVar("T")


def check(
    bootstrap: str, registry: str, config: Path, wait_s: float | None = None, processes: int = 1
) -> Report:
    """Checks everything that the application has read and written. With `wait_s`, first waits at most that
    long until it has read everything and nothing changes any more.

    Raises `CannotCheck` and `ConfigurationError`."""
    told = configuration.load(config)
    log = Log(bootstrap, told.application)
    try:
        if wait_s is not None:
            wait_until_quiet(log, told, wait_s)
        return _Check(bootstrap, registry, config, told, log, processes).run()
    finally:
        log.close()


def wait_until_quiet(log: Log, told: Configuration, wait_s: float) -> None:
    """Waits until the group's offsets are behind the last records and no output has grown for two seconds."""
    deadline = time.monotonic() + wait_s
    topics = [*told.intake_topics, told.input]
    written = (told.commands, told.changelog, told.profile_updates, told.decisions, told.segment_changes)
    outputs = [topic for topic in (*written, told.dead_letters, told.status) if topic != told.commands or not told.keyed]
    before, since = None, time.monotonic()
    while True:
        lag = next((said for topic in topics if (said := _lag(log, topic))), None)
        ends = [log.bounds(topic, n)[1] for topic in outputs for n in range(log.partitions(topic))]
        if ends != before or lag:
            before, since = ends, time.monotonic()
        if not lag and time.monotonic() - since >= QUIET_S:
            return
        if time.monotonic() > deadline:
            raise CannotCheck(f"after {wait_s:.0f} s {lag or 'outputs still grow'}")
        time.sleep(0.25)


def _lag(log: Log, topic: str) -> str | None:
    partitions = log.partitions(topic)
    for number, committed in enumerate(log.committed(topic, partitions)):
        low, high = log.bounds(topic, number)
        if high == low or committed == high:
            continue
        first = low if committed is None else committed
        # What is left may be marks of transactions alone, which nobody reads.
        if any(True for _ in log.records(topic, number, max(first, low))):
            return f"{topic}-{number} has records from {first} on that are not committed"
    return None


class _Check:
    def __init__(
        self, bootstrap: str, registry: str, config: Path, told: Configuration, log: Log, processes: int
    ) -> None:
        self.address = (bootstrap, registry, config)
        self.told = told
        self.log = log
        self.processes = processes
        self.report = Report()
        self.transactions = Transactions()
        self.letters: dict[Origin, Letter] = {}
        self.statuses: list[Status] = []

    def run(self) -> Report:
        partitions = self.log.partitions(self.told.input)
        self._same_partitions(partitions)
        expected = self._sources()
        committed = self.log.committed(self.told.input, partitions)
        jobs = [(self.address, n, [_only(e, n) for e in expected], committed[n]) for n in range(partitions)]
        for number, (report, transactions, letters) in enumerate(self._each(_partition, jobs)):
            self.report.add(report)
            self.transactions.add(transactions, self.report)
            for offset, letter in letters.items():
                self.letters[self.told.input, number, offset] = letter
        letters_ = Letters(self.told.dead_letters, self.letters, self.report)
        letters_.read(self.log, self.transactions)
        Statuses(self.told.status, self.statuses, self.report).read(self.log, self.transactions)
        self.transactions.check(self.report)
        self.report.count("records without a transaction's header", self.transactions.without)
        self._balance(expected)
        return self.report

    def _same_partitions(self, partitions: int) -> None:
        told = self.told
        for topic in (told.changelog, told.profile_updates, told.decisions, told.segment_changes):
            if (found := self.log.partitions(topic)) != partitions:
                raise CannotCheck(f"{topic} has {found} partitions and {told.input} has {partitions}")

    def _sources(self) -> list[Expected]:
        expected: list[Expected] = []
        for topic in self.told.intake_topics:
            count = self.log.partitions(topic)
            jobs = [(self.address, topic, number) for number in range(count)]
            for report, one in self._each(_source, jobs):
                self.report.add(report)
                expected.append(one)
                self.statuses += one.statuses
            committed = self.log.committed(topic, count)
            for one in expected[-count:]:
                for offset, letter in one.letters.items():
                    self.letters[topic, one.partition, offset] = letter
                if one.next_offset is not None and committed[one.partition] != one.next_offset:
                    found = committed[one.partition]
                    said = f"expected the group's offset at {one.next_offset}, its end, found {found}"
                    self.report.violation("I6", f"{topic}-{one.partition}@{one.next_offset}", None, said)
        return expected

    def _each(self, work: Callable[[Any], T], jobs: list[Any]) -> list[T]:
        if self.processes <= 1 or len(jobs) <= 1:
            return [work(job) for job in jobs]
        with ProcessPoolExecutor(self.processes) as pool:
            return list(pool.map(work, jobs))

    def _balance(self, expected: list[Expected]) -> None:
        """I7: what came in was applied, answered, a duplicate or a dead letter."""
        compared = self.report.compared
        ends = sum(compared.get(f"commands {what}", 0) for what in ("applied", "answered", "duplicates"))
        letters = compared.get("dead letters", 0)
        if self.told.keyed:
            came = self.report.records.get(self.told.input, 0)
        else:
            came = sum(one.events + len(one.letters) for one in expected)
        self.report.count("source records", came)
        if came != ends + letters:
            found = f"{ends} applied, answered or duplicates and {letters} dead letters"
            said = f"expected {came} source records found {found}"
            self.report.violation("I7", self.told.application, None, said)


def _only(expected: Expected, number: int) -> Expected:
    """What one command partition needs to know of a source partition."""
    hashes = [part if at == number else part[:0] for at, part in enumerate(expected.hashes)]
    offsets = [part if at == number else part[:0] for at, part in enumerate(expected.offsets)]
    doubles = [part if at == number else {} for at, part in enumerate(expected.doubles)]
    return Expected(expected.topic, expected.partition, hashes, offsets, doubles)


def _source(job: tuple[tuple[str, str, Path], str, int]) -> tuple[Report, Expected]:
    (bootstrap, _, config), topic, number = job
    told = configuration.load(config)
    log, report = Log(bootstrap, told.application), Report()
    try:
        return report, sources.read(log, told, topic, number, report)
    finally:
        log.close()


def _partition(
    job: tuple[tuple[str, str, Path], int, list[Expected], int | None],
) -> tuple[Report, Transactions, dict[int, Letter]]:
    (bootstrap, registry, config), number, expected, committed = job
    told = configuration.load(config)
    log = Log(bootstrap, told.application)
    try:
        one = PartitionCheck(told, number, registry, log)
        one.run(expected, committed)
        return one.report, one.transactions, one.letters
    finally:
        log.close()
