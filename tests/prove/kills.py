"""`./dev prove kills`: processes are killed under load on a real broker, and much else befalls them.

Three processes, a broker of the campaign's own, a registry and a load generator run; every few seconds a
fault is drawn. Then everything is healed and drained, and an independent check compares all that was written
with what the inputs say. Ends with 0 when both targets were reached and nothing was found wrong, else with 1,
and keeps the run's directory where something was.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from campaign.course import Course
from campaign.harms import KILLS, OTHERS
from campaign.place import CampaignFailed, Findings, Journal
from campaign.report import add_to_tally, line_of, written
from campaign.scene import Scene
from campaign.settings import ROOT, Settings


def main() -> int:
    signal.signal(signal.SIGTERM, interrupted)
    settings = parse()
    journal = Journal(settings.home / "journal.jsonl")
    journal.say(
        "campaign", seed=settings.seed, kills=settings.kills, events=settings.events, home=settings.home
    )
    findings = Findings(journal)
    scene = Scene(settings, journal)
    course = Course(settings, scene, journal, findings)
    thrown_away = None
    try:
        course.run()
    except CampaignFailed as error:
        thrown_away = str(error)
        journal.say("failed", why=thrown_away)
    except BaseException as error:
        journal.say("failed", why=repr(error))
        raise
    finally:
        scene.close(keep=settings.keep or findings.any)
    report = written(settings, course, thrown_away)
    settings.report.write_text(json.dumps(report, indent=1) + "\n")
    if settings.tally is not None:
        add_to_tally(settings.tally, report)
    clean = report["complete"] and not findings.any
    if clean and not settings.keep:
        shutil.rmtree(settings.home, ignore_errors=True)
    else:
        print(f"kept: {settings.home}", file=sys.stderr)
    print(f"report: {settings.report}", file=sys.stderr)
    print(line_of(report, course.recoveries.done))
    return 0 if clean else 1


def parse() -> Settings:
    parser = argparse.ArgumentParser(prog="./dev prove kills", description=__doc__.split("\n\n")[0])
    parser.add_argument("--kills", type=int, default=10, help="kill -9 of processes, at least [10]")
    parser.add_argument("--events", type=int, default=100_000, help="events that are sent meanwhile [100000]")
    parser.add_argument("--seed", type=int, help="draws load and faults [random]")
    parser.add_argument(
        "--profiles", type=int, default=0, help="profiles that exist before the faults begin [0]"
    )
    parser.add_argument(
        "--report", type=Path, help="where the report goes [kills-SEED.json in the run's directory's parent]"
    )
    parser.add_argument("--tally", action="store_true", help="add this run to tests/prove/tally.json")
    parser.add_argument("--keep", action="store_true", help="keep the run's directory also when all is well")
    names = ", ".join(kind.name for kind in [*KILLS, *OTHERS])
    parser.add_argument(
        "--only", default="", help=f"only faults of these kinds, with commas between: {names}"
    )
    parser.add_argument("--binary", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--jars", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--check", type=Path, default=ROOT / "tests/prove/check.py", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    only = frozenset(arguments.only.split(",")) - {""}
    if unknown := only - {kind.name for kind in [*KILLS, *OTHERS]}:
        parser.error(f"--only: no such kind of fault: {', '.join(sorted(unknown))}")
    if only and not any(kind.name in only for kind in KILLS):
        parser.error("--only: one of the kinds must kill processes, or no kills can be reached")
    seed = arguments.seed if arguments.seed is not None else int.from_bytes(os.urandom(3), "big")
    home = Path(tempfile.mkdtemp(prefix=f"bespoke-kills-{seed}."))
    return Settings(
        kills=arguments.kills,
        events=arguments.events,
        seed=seed,
        profiles=arguments.profiles,
        binary=arguments.binary.resolve(),
        jars=arguments.jars,
        check=arguments.check,
        home=home,
        report=(arguments.report or home.parent / f"kills-{seed}.json").resolve(),
        tally=ROOT / "tests/prove/tally.json" if arguments.tally else None,
        keep=arguments.keep,
        only=only,
    )


def interrupted(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
