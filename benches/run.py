"""The benchmark: Bespoke beside Kafka Streams on the reference workload, called by `./dev bench`.

The workload is in reference/README.md, the peers in peers/. Every measure starts its engines in turn on one
broker, prints a table with minimum, median and maximum, and ends with its figure; lines of JSON say each run.
Ends with 0 when all outputs agree and no target was missed, else with 1.

  drain      start to the last commit, from nothing; outputs judged record by record
  unkeyed    the same with records keyed by message
  limit      against a bare transactional copy of the same bytes
  memory     peak resident memory with 200,000 and 2,000,000 users
  growth     CPU per event with more users and more partitions
  restore    state directory lost: until ready
  restart    state kept: until the first decision
  latency    from a request's sending to its decision, paced
  pressure   a backlog that unpacks to 10 GB, a person who is half of the traffic, one who is all of it
  all        all of these
  profile    where the product's CPU goes during a drain, by perf
  stages     what the work on an event costs stage by stage, and what a drain takes beside it
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import confluent_kafka

from measure import drains, live, pressure, profile, stages
from measure.bench import Bench
from measure.peers import PEERS
from measure.process import Process
from measure.proofs import CannotCheck, Undecodable, Unreadable
from measure.report import Figure, Report, progress
from measure.settings import BENCHES, PEER, Failed, Settings

MEASURES = ("drain", "unkeyed", "limit", "memory", "growth", "restore", "restart", "latency", "pressure")


@dataclass(frozen=True)
class Asked:
    """What the command line says."""

    measures: tuple[str, ...]
    settings: Settings
    json: Path


def main() -> int:
    asked = parse()
    settings = asked.settings
    report = Report(asked.json, versions(settings))
    for name, version in report.versions.items():
        progress(f"{name}: {version}")
    figures: list[Figure] = []
    try:
        bench = Bench(settings, report)
        measures = measures_of(bench)
        for name in asked.measures:
            figures.append(measures[name]())
            if len(asked.measures) > 1:
                report.figure(figures[-1])
        bench.close()
    finally:
        Process.kill_all()
    progress(f"\nlines of JSON: {report.path}")
    good = all(figure.good for figure in figures)
    if len(figures) > 1:
        outputs = "OUTPUTS DISAGREE" if bench.disagreed else "outputs agree"
        reached = sum(figure.good for figure in figures)
        report.figure(
            Figure(f"all: {reached} of {len(figures)} measures reach their targets; {outputs}", good)
        )
    else:
        report.figure(figures[0])
    return 0 if good else 1


def measures_of(bench: Bench) -> dict[str, Callable[[], Figure]]:
    following = live.Live(bench)
    return {
        "drain": lambda: drains.drain(bench),
        "unkeyed": lambda: drains.unkeyed(bench),
        "limit": lambda: drains.limit(bench),
        "memory": lambda: drains.memory(bench),
        "growth": lambda: drains.growth(bench),
        "restore": lambda: live.restore(bench, following),
        "restart": lambda: live.restart(bench, following),
        "latency": lambda: live.latency(bench, following),
        "pressure": lambda: pressure.pressure(bench, following),
        "profile": lambda: profile.profile(bench),
        "stages": lambda: stages.stages(bench),
    }


def versions(settings: Settings) -> dict[str, str]:
    """Everything that a figure depends on and that has a name."""
    lock = (BENCHES.parent / "Cargo.lock").read_text()
    librdkafka = re.search(r'name = "rdkafka-sys"\nversion = "[^"+]*\+([^"]*)"', lock)
    streams = re.search(r"<kafka>(.*)</kafka>", (PEER / "pom.xml").read_text())
    cpus = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "bespoke": said_by(settings.binary, "--version"),
        "commit": said_by("git", "-C", BENCHES, "describe", "--always", "--dirty", "--abbrev=12"),
        "librdkafka": librdkafka.group(1) if librdkafka else "unknown",
        "broker": settings.broker,
        "kafka streams": streams.group(1) if streams else "unknown",
        "java": said_by("java", "-version").splitlines()[0],
        "reader": f"librdkafka {confluent_kafka.libversion()[0]}",
        "machine": f"{os.cpu_count()} x {cpus[0] if cpus else 'unknown'}, {os.uname().release}",
    }


def said_by(*command: object) -> str:
    try:
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return (done.stdout + done.stderr).strip() or "unknown"


def parse() -> Asked:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        prog="./dev bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("measure", nargs="?", default="drain", choices=[*MEASURES, "all", "profile", "stages"])
    parser.add_argument("--events", type=number, default=2_000_000, help="records in the topic [2,000,000]")
    parser.add_argument(
        "--users", type=number, default=200_000, help="users among whom they are drawn [200,000]"
    )
    parser.add_argument("--seed", type=int, default=1, help="draws the records [1]")
    parser.add_argument(
        "--repeats", type=int, help="runs of each engine [5 for drains and the limit, else 1 to 3]"
    )
    parser.add_argument(
        "--peers", default="extreme", help=f"of {', '.join(PEERS)}, with commas; none [extreme]"
    )
    parser.add_argument(
        "--commits", default="100", help="commit intervals of latency in ms, with commas [100]"
    )
    parser.add_argument("--rates", default="5000,20000", help="events per second of latency [5000,20000]")
    parser.add_argument("--seconds", type=int, default=30, help="how long a paced run counts [30]")
    parser.add_argument("--warm-up", type=int, default=15, help="and how long it does not [15]")
    parser.add_argument(
        "--set", action="append", default=[], help="a key of Bespoke's configuration, KEY=VALUE"
    )
    parser.add_argument(
        "--json", type=Path, help="where lines of JSON go [the run's directory, which is kept]"
    )
    places = parser.add_argument_group("given by ./dev bench")
    places.add_argument("--bootstrap", required=True, help=argparse.SUPPRESS)
    places.add_argument("--registry", required=True, help=argparse.SUPPRESS)
    places.add_argument("--binary", required=True, type=Path, help=argparse.SUPPRESS)
    places.add_argument("--cache", required=True, type=Path, help=argparse.SUPPRESS)
    places.add_argument("--broker-home", type=Path, help=argparse.SUPPRESS)
    places.add_argument("--broker", default="given by BOOTSTRAP", help=argparse.SUPPRESS)
    told = parser.parse_args()
    peers = tuple(name for name in told.peers.split(",") if name and name != "none")
    if unknown := set(peers) - set(PEERS):
        parser.error(f"there is no peer {', '.join(sorted(unknown))}")
    home = told.cache / "runs" / time.strftime("%Y%m%d-%H%M%S")
    home.mkdir(parents=True)
    settings = Settings(
        bootstrap=told.bootstrap,
        registry=told.registry,
        binary=told.binary,
        cache=told.cache,
        home=home,
        broker_home=told.broker_home,
        broker=told.broker,
        events=told.events,
        users=told.users,
        seed=told.seed,
        repeats=told.repeats,
        peers=peers,
        commits_ms=tuple(map(int, told.commits.split(","))),
        rates=tuple(map(int, told.rates.split(","))),
        seconds=told.seconds,
        warm_up_s=told.warm_up,
        sets=tuple(told.set),
    )
    measures = MEASURES if told.measure == "all" else (told.measure,)
    return Asked(measures, settings, told.json or home / "runs.jsonl")


def number(text: str) -> int:
    return int(text.replace(",", "").replace("_", ""))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failed, CannotCheck, Undecodable, Unreadable, confluent_kafka.KafkaException, OSError) as failure:
        sys.exit(f"bench: failed: {failure}")
