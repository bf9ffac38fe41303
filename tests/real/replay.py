"""One run: the records through the real binary on the real broker, and the decisions back."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import configuration
from kafka import Decision, OutputReader, create_topic, delete_topics, send
from processor import Processor
from stream import Message

PARTITIONS = 4
# When the processor is killed in a run with faults, by the share of decisions that have come.
KILL_AT = (0.25, 0.7)
# How long no decision may come before the run counts as failed.
SILENCE_MAX_S = 60


class ReplayFailed(Exception):
    """The decisions that came are not those that were asked for."""


@dataclass(frozen=True)
class Setup:
    """What the runs have in common."""

    bootstrap: str
    registry: str
    binary: Path
    half_life_hours: int
    threads: int
    catalogue: list[configuration.Content]

    @classmethod
    def of(
        cls, arguments: argparse.Namespace, half_life_hours: int, catalogue: list[configuration.Content]
    ) -> Setup:
        """What was chosen, on the broker and with the processor that the arguments name."""
        return cls(
            bootstrap=arguments.bootstrap,
            registry=arguments.registry,
            binary=arguments.binary,
            half_life_hours=half_life_hours,
            threads=arguments.threads,
            catalogue=catalogue,
        )


@dataclass(frozen=True)
class Outcome:
    """The decisions by request, and what they have cost."""

    decisions: dict[str, Decision]
    wall_s: float
    cpu_s: float
    records: int
    kills: int


def replay(
    setup: Setup,
    application: str,
    home: Path,
    messages: Sequence[Message],
    kill_at: Sequence[float],
    own: dict[str, object] | None = None,
) -> Outcome:
    """Sends everything, then lets the processor work it off. It is killed when these shares are decided.

    The clock runs from the processor's first start to the last decision.
    """
    processor = Processor(setup.binary, configured(setup, application, home, own or {}))
    try:
        source = configuration.source_topic(application)
        create_topic(setup.bootstrap, source, PARTITIONS)
        processor.apply_topics()
        send(setup.bootstrap, source, messages)
        reader = OutputReader(setup.bootstrap, setup.registry, configuration.decisions_topic(application))
        try:
            return _work_off(processor, reader, messages, kill_at)
        finally:
            reader.close()
    finally:
        processor.end()
        delete_topics(setup.bootstrap, application)


def configured(setup: Setup, application: str, home: Path, own: dict[str, object]) -> Path:
    """Where the configuration of a run is written."""
    home.mkdir()
    path = home / "bespoke.yaml"
    configuration.write(
        path,
        application=application,
        bootstrap=setup.bootstrap,
        registry=setup.registry,
        partitions=PARTITIONS,
        half_life_hours=setup.half_life_hours,
        threads=setup.threads,
        catalogue=setup.catalogue,
        own=own,
    )
    return path


def _work_off(
    processor: Processor, reader: OutputReader, messages: Sequence[Message], kill_at: Sequence[float]
) -> Outcome:
    expected = len({message.value for message in messages if message.is_request})
    kills = sorted(kill_at)
    killed = 0
    decisions: list[Decision] = []
    began = heard = time.monotonic()
    processor.start()
    while len(decisions) < expected:
        fresh = [Decision.of(record) for record in reader.poll(0.1)]
        decisions += fresh
        now = time.monotonic()
        heard = now if fresh else heard
        if killed < len(kills) and len(decisions) >= kills[killed] * expected:
            processor.kill()
            processor.start()
            killed += 1
        processor.check()
        if now - heard > SILENCE_MAX_S:
            raise ReplayFailed(
                f"no decision for {SILENCE_MAX_S} s; {len(decisions)} of {expected} have come; "
                f"the processor's log ends with:\n{processor.log_end()}"
            )
    wall_s, cpu_s = time.monotonic() - began, processor.cpu_s()
    # What comes too often may come last: look again when the processor has committed all and is gone.
    processor.stop()
    decisions += [Decision.of(record) for record in reader.rest()]
    return Outcome(by_request(decisions, expected), wall_s, cpu_s, len(messages), killed)


def by_request(decisions: Sequence[Decision], expected: int) -> dict[str, Decision]:
    """The decisions by the request that each answers: one for each, and no other."""
    found = {decision.request_id: decision for decision in decisions}
    if len(decisions) != expected or len(found) != expected:
        raise ReplayFailed(
            f"{expected} decisions were asked for, {len(decisions)} came, for {len(found)} requests"
        )
    return found
