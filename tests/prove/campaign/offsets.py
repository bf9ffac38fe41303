"""Where the group and its inputs are, asked every second, a process of its own: a line of JSON each time.

`committed` and `ends` are lists of [topic, partition, offset]; an end is that of the committed records. It
may lie behind control records and aborted ones that nobody will ever read: told on its input `readable` and
such a list, it looks which of these places have a committed record there or behind it.

A client library that gives up its process when the broker dies at the wrong moment must not take the campaign
with it: this process may die, and is started again.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import sys
import time

from confluent_kafka import Consumer, KafkaException, TopicPartition

ASK_S = 1.0
TIMEOUT_S = 5.0
LOOK_S = 10.0


class Offsets:
    """A consumer that joins no group and reads nothing: it asks only."""

    def __init__(self, bootstrap: str, group: str, topics: list[str]) -> None:
        self.bootstrap = bootstrap
        self.consumer = Consumer(settings(bootstrap, group))
        known = self.consumer.list_topics(timeout=30).topics
        self.places = [
            TopicPartition(topic, number) for topic in topics for number in known[topic].partitions
        ]

    def ask(self) -> None:
        committed = self.consumer.committed(self.places, timeout=TIMEOUT_S)
        ends = [
            (place, self.consumer.get_watermark_offsets(place, timeout=TIMEOUT_S)[1]) for place in self.places
        ]
        say(
            committed=[[place.topic, place.partition, max(place.offset, 0)] for place in committed],
            ends=[[place.topic, place.partition, end] for place, end in ends],
        )

    def look(self, places: list[list[int | str]]) -> None:
        reader = Consumer({**settings(self.bootstrap, "campaign-looks"), "enable.partition.eof": True})
        reader.assign(
            [TopicPartition(str(topic), int(number), int(offset)) for topic, number, offset in places]
        )
        waiting = {(topic, number) for topic, number, _ in places}
        found = set()
        deadline = time.monotonic() + LOOK_S
        while waiting and time.monotonic() < deadline:
            for message in reader.consume(100, 0.2):
                if message.topic() is None:
                    continue
                if message.error() is None:
                    found.add((message.topic(), message.partition()))
                waiting.discard((message.topic(), message.partition()))
        reader.close()
        # What did not answer counts as readable: silence proves nothing.
        say(readable=sorted(found | waiting))


def settings(bootstrap: str, group: str) -> dict[str, object]:
    return {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "client.id": "campaign-offsets",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        "reconnect.backoff.max.ms": 1000,
        "log_level": 2,
    }


def say(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--group", required=True)
    parser.add_argument("--topics", required=True, help="names with commas between")
    arguments = parser.parse_args()
    offsets = Offsets(arguments.bootstrap, arguments.group, arguments.topics.split(","))
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    rest = ""
    while True:
        try:
            offsets.ask()
        except KafkaException:
            pass
        if not selector.select(ASK_S):
            continue
        text = os.read(sys.stdin.fileno(), 65536).decode()
        if not text:
            return
        *lines, rest = (rest + text).split("\n")
        for line in lines:
            if line.startswith("readable "):
                offsets.look(json.loads(line.removeprefix("readable ")))


if __name__ == "__main__":
    main()
