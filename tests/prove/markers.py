"""`./dev prove markers`: does this release of Kafka end every transaction in every partition that it touched?

Kafka 4.3.0 to 4.4.0 do not (KAFKA-20734). A broker that is killed starts again under its old registration and
coordinates transactions at once; when that registration ends, its partitions have no leader for a moment, and
markers that are on their way to them are dropped as if the topics had been deleted. The coordinator calls the
transaction complete. Its records stand open in the log, and the next marker of the same producer decides about
them, whichever way it goes. Nothing that a client does can prevent that.

Here it is provoked with Kafka's own means alone: a transaction is open when the broker is killed, its time is
up before the restarted broker is registered, and a later transaction of the same producer commits. A reader of
what is committed must see the second transaction and not the first.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import tempfile
import time
from pathlib import Path

from campaign.broker import Broker
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

TOPIC = "outputs"
# The transaction's time is up, and noticed, long before the old registration ends, which takes nine seconds.
TRANSACTION_TIMEOUT_MS = 1_000
SETTINGS = """\
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
"""
READ_S = 30
SOUND = "sound"

# That the broker is away is meant, and the clients would say so every second.
SILENT = logging.getLogger("clients")
SILENT.disabled = True


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev prove markers", description=__doc__.split("\n\n")[0])
    parser.add_argument("--jars", type=Path, required=True, help=argparse.SUPPRESS)
    jars = parser.parse_args().jars
    home = Path(tempfile.mkdtemp(prefix="bespoke-markers."))
    broker = Broker(home / "broker", jars, SETTINGS)
    try:
        seen = committed_records(broker)
    finally:
        broker.kill()
        shutil.rmtree(home, ignore_errors=True)
    verdict = verdict_of(seen)
    print(f"prove markers: {jars.name}: {verdict}; read as committed: {', '.join(seen) or 'nothing'}")
    return 0 if verdict == SOUND else 1


def verdict_of(seen: list[str]) -> str:
    if seen == ["second"]:
        return SOUND
    if "first" in seen:
        return "NOT SOUND, an aborted transaction can be read"
    return f"NOT SOUND, a committed transaction cannot be read within {READ_S} s"


def committed_records(broker: Broker) -> list[str]:
    """What a reader sees when a transaction timed out in a restarted broker and the next one committed."""
    broker.create()
    topic = NewTopic(TOPIC, num_partitions=1, replication_factor=1)
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([topic])[TOPIC].result(30)
    first = producer(broker)
    first.begin_transaction()
    send(first, "first")
    broker.kill()
    time.sleep(TRANSACTION_TIMEOUT_MS / 1000)
    broker.start()
    second = producer(broker)
    second.begin_transaction()
    send(second, "second")
    second.commit_transaction(30)
    return read_until(broker, "second")


def producer(broker: Broker) -> Producer:
    client = Producer(
        {
            "bootstrap.servers": broker.bootstrap,
            "transactional.id": "markers",
            "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
        },
        logger=SILENT,
    )
    client.init_transactions(60)
    return client


def send(client: Producer, value: str) -> None:
    client.produce(TOPIC, value.encode())
    left = client.flush(30)
    assert left == 0, f"{value} was not delivered"


def read_until(broker: Broker, last: str) -> list[str]:
    reader = Consumer(
        {"bootstrap.servers": broker.bootstrap, "group.id": "markers", "isolation.level": "read_committed"}
    )
    reader.assign([TopicPartition(TOPIC, 0, 0)])
    seen: list[str] = []
    deadline = time.monotonic() + READ_S
    while (not seen or seen[-1] != last) and time.monotonic() < deadline:
        message = reader.poll(0.5)
        if message is None:
            continue
        if error := message.error():
            assert error.code() == KafkaError._PARTITION_EOF or error.retriable(), error
            continue
        seen.append((message.value() or b"").decode())
    reader.close()
    return seen


if __name__ == "__main__":
    sys.exit(main())
