"""Checks what an application has written against what an independent oracle says that it must be.

    python tests/prove/check.py --bootstrap HOST:PORT --registry URL --config FILE [--json REPORT] [--wait S]

Prints a line for each violation, naming the invariant, the topic, partition and offset, the person and what
is wrong; at most 50, then how many more. Ends with 0 when there is none, 1 with violations, 2 when it could
not check. The invariants are: I1 none lost, I2 none doubled, I3 order kept, I4 transactions whole, I5 state
and outputs as the oracle says, I6 offsets and state agree, I7 in = applied + answered + duplicates + dead
letters. Doubles may differ by 1e-9 of their size; the summary says how often that was needed. What no record
tells it, it does not check: the local store of a process, and the metrics.

It reads whole topics from offset 0: sources and the command topic must keep their records (retention.ms=-1),
and while I4 is checked the changelog and the profile updates must not have been compacted yet.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from confluent_kafka import KafkaException

from oracle.checker import check
from oracle.document import ConfigurationError
from oracle.log import CannotCheck
from oracle.report import Report

CLEAN, VIOLATED, UNCHECKED = 0, 1, 2


def main() -> int:
    arguments = _arguments()
    started = time.monotonic()
    try:
        report = check(
            arguments.bootstrap, arguments.registry, arguments.config, arguments.wait, arguments.processes
        )
    except (CannotCheck, ConfigurationError, KafkaException, OSError) as error:
        print(f"check: could not check: {error}", file=sys.stderr)
        return UNCHECKED
    seconds = time.monotonic() - started
    if arguments.json:
        arguments.json.write_text(json.dumps(report.as_json(seconds), indent=1, ensure_ascii=False) + "\n")
    for line in report.first:
        print(line)
    if report.total > len(report.first):
        print(f"… and {report.total - len(report.first):,} more")
    print(summary(report))
    return VIOLATED if report.total else CLEAN


def summary(report: Report) -> str:
    """What was compared, in one line."""
    compared = report.compared.get
    parts = [
        f"{compared('source records', 0):,} source records",
        f"{compared('commands', 0):,} commands",
        f"{compared('decision_id', 0):,} decisions",
        f"{compared('transition_id', 0):,} segment changes",
        f"{compared('dead letters', 0):,} dead letters",
        f"{compared('profiles', 0):,} profiles compared",
        f"{compared('state rows', 0):,} state rows",
        f"{compared('transactions', 0):,} transactions",
        f"{compared('doubles equal within the tolerance alone', 0):,} doubles within 1e-9",
        f"{report.total:,} violations",
    ]
    return f"check: {', '.join(parts)}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Checks an application's outputs against the oracle.")
    parser.add_argument("--bootstrap", required=True, metavar="HOST:PORT")
    parser.add_argument("--registry", required=True, metavar="URL")
    parser.add_argument("--config", required=True, type=Path, metavar="FILE")
    parser.add_argument("--json", type=Path, metavar="REPORT", help="where a machine-readable report goes")
    parser.add_argument(
        "--wait",
        type=float,
        metavar="SECONDS",
        help="wait at most this long until everything is read and quiet",
    )
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="how many processes check")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
