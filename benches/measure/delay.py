"""How long a decision takes: from the moment its request was sent, which a header of the request says, to the
moment a read_committed consumer has it. One reader for all engines, so none is measured by its own habits."""

from __future__ import annotations

import json
import math
import threading
import time
from dataclasses import dataclass

from confluent_kafka import TopicPartition

from .broker import Broker
from .engine import Engine
from .settings import DECISIONS, Failed

SENT = "sent_ns"


@dataclass(frozen=True)
class Delays:
    """Milliseconds by quantile, over so many decisions; requests that were never answered."""

    decisions: int
    unanswered: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float


class Reader:
    """Reads decisions as they become visible, from the end that the topic has when it is made."""

    def __init__(self, broker: Broker) -> None:
        self._consumer = broker.consumer()
        starts = broker.ends(DECISIONS)
        self._consumer.assign([TopicPartition(DECISIONS, number, end) for number, end in starts.items()])
        self._seen: list[tuple[bytes, int]] = []
        self._last = time.monotonic()
        self._first = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def first_ns(self, wait_s: float) -> int:
        """When the first decision was there."""
        if not self._first.wait(wait_s):
            raise Failed(f"no decision within {wait_s} s")
        return self._seen[0][1]

    def stop_when_idle(self, idle_s: float) -> list[tuple[bytes, int]]:
        """Everything that was read, once nothing has come for a while."""
        while time.monotonic() - self._last < idle_s:
            time.sleep(0.1)
        return self.stop()

    def stop(self) -> list[tuple[bytes, int]]:
        self._stopped = True
        self._thread.join()
        self._consumer.close()
        return self._seen

    def _read(self) -> None:
        # One record at a time: a batch would be waited for.
        while not self._stopped:
            record = self._consumer.poll(0.1)
            if record is None or record.error() is not None:
                continue
            self._seen.append((record.value(), time.time_ns()))
            self._last = time.monotonic()
            self._first.set()


def delays(
    broker: Broker,
    engine: Engine,
    topic: str,
    starts: dict[int, int],
    seen: list[tuple[bytes, int]],
    skip_s: float,
    but: str | None = None,
) -> Delays:
    """Joins requests from these offsets on with the decisions that were seen, the warm-up left out, and whoever
    is not to count."""
    sent = _requests(broker, topic, starts, but)
    if not sent:
        raise Failed(f"no requests in {topic}")
    counted_from = min(sent.values()) + int(skip_s * 1e9)
    wanted = {request: at for request, at in sent.items() if at >= counted_from}
    answered = {engine.request_id(value): at for value, at in seen}
    took = sorted((answered[request] - at) / 1e6 for request, at in wanted.items() if request in answered)
    quantiles = [_quantile(took, part) for part in (0.5, 0.9, 0.99, 0.999, 1.0)]
    return Delays(len(took), len(wanted) - len(took), *quantiles)


def _requests(broker: Broker, topic: str, starts: dict[int, int], but: str | None) -> dict[str, int]:
    """When each request was sent; a repeat of one is answered by nobody."""
    sent: dict[str, int] = {}
    for record in broker.records(topic, starts):
        value = record.value() or b""
        if b'"decision_request"' not in value or (but is not None and record.key() == but.encode()):
            continue
        try:
            request = json.loads(value)["properties"]["requestId"]
        except (ValueError, KeyError):
            continue  # one of the malformed
        at = next(
            (int.from_bytes(said, "big") for name, said in record.headers() or () if name == SENT), None
        )
        if at is not None:
            sent[request] = min(at, sent.get(request, at))
    return sent


def _quantile(rising: list[float], part: float) -> float:
    return rising[max(0, math.ceil(part * len(rising)) - 1)] if rising else math.nan
