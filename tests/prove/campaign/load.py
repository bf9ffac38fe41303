"""The load generator, a process of its own: sends the story to the sources as fast as it is told to.

Lines on standard input command it, lines of JSON on standard output say what it has done:

  prefill N    one old page view of each of N persons, then one event a partition that moves time on
  contents     all content of the catalogue
  rate R       from now on R events a second; 0 is none
  catalogue    one change of the catalogue
  definitions  one change of the definitions
  small N      N events at once, which the answer counts by kind
  finish       whatever is left of the events, then one change of the catalogue, flush, and end

What the site's visitors like is told again each time a fortieth of the events is sent, whatever the lines say.

The producer is idempotent and waits for the broker for as long as it takes, so what is counted is in the log
once, whatever happens to the broker.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import sys
import time
from collections import Counter
from random import Random

from confluent_kafka import KafkaError, Message, Producer

from .definitions import CHANGES, definitions
from .sent import iso
from .shop import changed_content, changed_shares, contents
from .story import HOUR_MS, START_MS, Story

STEP_S = 0.05
REPORT_S = 0.5
CHUNK = 2_000
# How often a run changes the site's shares, so that faults of all kinds fall around some of the changes.
SHARES_TOLD = 40
# Older than every window, so that a prefilled person costs nothing later.
PREFILL_AGE_MS = 40 * 24 * HOUR_MS
# As the campaign's configuration has it.
RETENTION_MS = 90 * 24 * HOUR_MS


class Generator:
    """What is to be sent, and the producer that sends it."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.events = arguments.events
        self.seed = arguments.seed
        self.story = Story(arguments.seed, arguments.persons)
        self.random = Random(f"catalogue {arguments.seed}")
        self.rate = 0.0
        self.due = 0.0
        self.changes = 0
        # Runs begin with different changes, so that a few short ones see them all; none with the last, which is none.
        self.redefinitions = Random(f"definitions {arguments.seed}").randrange(len(CHANGES) - 1)
        self.likings = Random(f"site shares {arguments.seed}")
        self.shares_told = 0
        self.smalls = 0
        self.producer = Producer(
            {
                "bootstrap.servers": arguments.bootstrap,
                "client.id": "campaign-load",
                "enable.idempotence": True,
                "message.timeout.ms": 0,
                "linger.ms": 20,
                "compression.type": "lz4",
                "partitioner": "murmur2_random",
                "delivery.report.only.error": True,
                "on_delivery": stop_on_error,
                "reconnect.backoff.max.ms": 1000,
                "log_level": 2,
            }
        )

    @property
    def sent(self) -> int:
        return self.story.made

    def send(self, source: str, key: bytes, value: bytes | None, at_ms: int) -> None:
        while True:
            try:
                return self.producer.produce(source, value, key, timestamp=at_ms)
            except BufferError:
                self.producer.poll(0.05)

    def tell(self, events: int) -> None:
        """Sends the next events of the story."""
        for _ in range(min(events, self.events - self.sent)):
            sent = self.story.next()
            self.send(sent.source, sent.key, sent.value, sent.at_ms)
            if self.sent * SHARES_TOLD // self.events > self.shares_told:
                self.change_shares()
        self.producer.poll(0)

    def step(self, passed_s: float) -> None:
        """Sends what has become due."""
        self.due = min(self.due + self.rate * passed_s, max(self.rate, 1.0))
        events = min(int(self.due), CHUNK)
        self.due -= events
        self.tell(events)

    def command(self, line: str) -> bool:
        """Does what a line says. False at the end."""
        word, _, number = line.strip().partition(" ")
        if word == "rate":
            self.rate = float(number)
        elif word == "contents":
            for key, value in contents(self.random):
                self.send("content", key, value, self.story.at_ms)
            self.flush()
            report(done="contents")
        elif word == "catalogue":
            self.change_catalogue()
            report(done="catalogue")
        elif word == "definitions":
            self.change_definitions()
            report(done="definitions")
        elif word == "prefill":
            self.prefill(int(number))
        elif word == "small":
            self.small(int(number))
        elif word == "finish":
            self.finish()
            return False
        else:
            raise SystemExit(f"load: `{line.strip()}` is no command of the load generator")
        return True

    def change_catalogue(self) -> None:
        key, value = changed_content(self.random, self.changes)
        self.changes += 1
        self.send("content", key, value, self.story.at_ms)

    def change_definitions(self) -> None:
        self.send("definitions", b"shop", definitions(self.redefinitions), self.story.at_ms)
        self.redefinitions += 1

    def change_shares(self) -> None:
        key, value = changed_shares(self.likings, self.shares_told, iso(self.story.at_ms))
        self.shares_told += 1
        self.send("site-shares", key, value, self.story.at_ms)

    def prefill(self, persons: int) -> None:
        # Of the first twentieth nothing is heard for longer than the retention: they are forgotten, and come again.
        began_ms, forgotten = START_MS - PREFILL_AGE_MS, persons // 20
        for person in range(persons):
            before_ms = RETENTION_MS + HOUR_MS if person < forgotten else 0
            at = iso(began_ms + person - before_ms)
            value = f'{{"event":"page_view","userId":"u{person}","timestamp":"{at}","path":"/before"}}'
            self.send("clickstream", b"u%d" % person, value.encode(), began_ms + person - before_ms)
            if person % CHUNK == 0:
                self.producer.poll(0)
        for mover in range(200):
            value = (
                f'{{"event":"page_view","userId":"mover{mover}","timestamp":"{iso(START_MS)}","path":"/now"}}'
            )
            self.send("clickstream", b"mover%d" % mover, value.encode(), START_MS)
        self.flush()
        report(done="prefill", prefilled=persons + 200)

    def small(self, events: int) -> None:
        """A load of its own: later than everything before it, with ids of its own."""
        self.smalls += 1
        story = Story(f"{self.seed}-small-{self.smalls}", 200, self.story.at_ms + HOUR_MS)
        counts: Counter[str] = Counter()
        for _ in range(events):
            sent = story.next()
            counts[sent.source] += 1
            self.send(sent.source, sent.key, sent.value, sent.at_ms)
        self.story.at_ms = story.at_ms
        self.flush()
        report(
            done="small",
            small={**counts, **{kind: story.counts[kind] for kind in ("duplicate", "malformed", "silent")}},
        )

    def finish(self) -> None:
        while self.sent < self.events:
            self.tell(CHUNK)
            report(sent=self.sent)
        # Content is changed only where nothing is due any more: once this is read, all that time has brought
        # with it is done too.
        self.flush()
        self.change_catalogue()
        self.flush()
        changes = {"changes": self.changes, "redefinitions": self.redefinitions, "shares_told": self.shares_told}
        report(done="finish", sent=self.sent, kinds=dict(self.story.counts), **changes)

    def flush(self) -> None:
        while self.producer.flush(1.0):
            pass


def stop_on_error(error: KafkaError | None, message: Message) -> None:
    if error is not None:
        report(failed=f"a record for {message.topic()} could not be sent: {error}")
        os._exit(1)


def report(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--persons", type=int, required=True)
    generator = Generator(parser.parse_args())
    selector = selectors.DefaultSelector()
    os.set_blocking(sys.stdin.fileno(), False)
    selector.register(sys.stdin, selectors.EVENT_READ)
    last = reported = time.monotonic()
    ended = False
    rest = ""
    while True:
        if selector.select(STEP_S):
            text = os.read(sys.stdin.fileno(), 65536).decode()
            if not text:
                return
            *lines, rest = (rest + text).split("\n")
            for line in lines:
                if not ended or line.startswith(("small", "catalogue")):
                    ended = not generator.command(line) or ended
            last = time.monotonic()
            continue
        now = time.monotonic()
        generator.step(now - last)
        last = now
        if now - reported > REPORT_S:
            reported = now
            report(sent=generator.sent, waiting=len(generator.producer))


if __name__ == "__main__":
    main()
