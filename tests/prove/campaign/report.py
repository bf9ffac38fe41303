"""The report of a run in JSON, its one line, and the tally of all runs that were to be remembered."""

from __future__ import annotations

import json
import platform
import re
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .course import Course
from .recovery import Recovery, at, figures
from .settings import ROOT, Settings


def written(settings: Settings, course: Course, thrown_away: str | None) -> dict[str, Any]:
    """Everything that is known about the run."""
    storm, progress, supervisor = course.storm, course.progress, course.supervisor
    faults = storm.faults if storm else None
    exits = supervisor.exits if supervisor else []
    by_code: dict[str, int] = {}
    for exit in exits:
        name = f"{exit.code} {'asked' if exit.asked else 'by itself'}"
        by_code[name] = by_code.get(name, 0) + 1
    kills = faults.kills if faults else 0
    return {
        "seed": settings.seed,
        "commit": commit(),
        "versions": versions(settings),
        "wanted": {"kills": settings.kills, "events": settings.events, "profiles": settings.profiles},
        "kills": kills,
        "zombies": faults.counts["zombie"] if faults else 0,
        "broker_kills": faults.counts["broker_killed"] if faults else 0,
        "faults": dict(sorted(faults.counts.items())) if faults else {},
        "skipped": {"disk_full": course.scene.small_disk.refused} if course.scene.small_disk.refused else {},
        "events": course.sent,
        "events_by_kind": course.kinds,
        "watched": course.watched,
        "records_checked": records_checked(course.checks),
        "checks": course.checks,
        "metrics_compared": course.metrics_checked,
        "violations": course.findings.violations,
        "thrown_away": [thrown_away] if thrown_away else [],
        "complete": thrown_away is None and kills >= settings.kills and course.sent >= settings.events,
        "recovery": figures(course.recoveries.done),
        "recoveries_superseded": course.recoveries.superseded,
        "recoveries": [asdict(one) for one in course.recoveries.done],
        "progress": {
            "stall_max_s": round(progress.stall_max_s, 1) if progress else None,
            "stall_without_fault_max_s": round(progress.calm_stall_max_s, 1) if progress else None,
            "moved_after_healing_s": storm.calms if storm else [],
            "lag_max_records": progress.lag_max if progress else None,
            "asking_process_died": progress.deaths if progress else 0,
        },
        "exits": by_code,
        "exits_by_themselves": [asdict(exit) for exit in exits if not exit.asked],
        "cpu_seconds": course.cpu,
    }


def records_checked(checks: list[dict[str, Any]]) -> int:
    """How many records of all topics the last check read, by its own count."""
    records = checks[-1]["report"].get("records", {}) if checks else {}
    return sum(records.values())


def line_of(report: dict[str, Any], recoveries: list[Recovery]) -> str:
    """The last line: what was reached, and what was found."""
    warm = [one for one in recoveries if one.state == "warm"]
    first, working = (
        p95([value for one in warm if not one.disturbed and (value := getattr(one, end)) is not None])
        for end in ("first_commit_s", "working_s")
    )
    text = (
        f"prove kills: {report['kills']} kills, {report['events']:,} events,"
        f" {len(report['violations'])} violations, first commit p95 {first}, with all state {working}"
    )
    if report["thrown_away"]:
        return f"{text}; FAILED: {report['thrown_away'][0].splitlines()[0]}"
    if report["violations"]:
        return f"{text}; FAILED"
    if not report["complete"]:
        wanted = report["wanted"]
        return f"{text}; FAILED: {wanted['kills']} kills and {wanted['events']:,} events were wanted"
    return f"{text}, seed {report['seed']}"


def p95(values: list[float]) -> str:
    """Of restarts on warm state while no other fault was going on; the report has those as well."""
    return f"{at(sorted(values), 0.95):.1f} s" if values else "not measured"


def add_to_tally(tally: Path, report: dict[str, Any]) -> None:
    """Totals and a line for each run: also for those that found something or were thrown away."""
    empty: dict[str, Any] = {"totals": {}, "runs": []}
    document = json.loads(tally.read_text()) if tally.is_file() else empty
    run = {name: report[name] for name in ("seed", "commit", "kills", "zombies", "broker_kills", "events")}
    run |= {"violations": len(report["violations"]), "thrown_away": report["thrown_away"]}
    run["profiles"] = report["wanted"]["profiles"]
    document["runs"].append(run)
    counted = [one for one in document["runs"] if not one["thrown_away"]]
    document["totals"] = {
        "runs": len(counted),
        "thrown_away": len(document["runs"]) - len(counted),
        **{
            name: sum(one[name] for one in counted)
            for name in ("kills", "zombies", "broker_kills", "events", "violations")
        },
    }
    tally.write_text(json.dumps(document, indent=1) + "\n")


def commit() -> str:
    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no")
    return f"{git('rev-parse', 'HEAD') or 'unknown'}{' with changes' if changed else ''}"


def versions(settings: Settings) -> dict[str, str]:
    lock = (ROOT / "Cargo.lock").read_text()
    said = subprocess.run([settings.binary, "--version"], capture_output=True, text=True, check=False)
    return {
        "bespoke": said.stdout.strip(),
        "kafka": settings.jars.name.removeprefix("kafka-"),
        "librdkafka": locked(lock, "rdkafka-sys"),
        "rocksdb": locked(lock, "librocksdb-sys"),
        "os": platform.platform(),
        "python": platform.python_version(),
    }


def locked(lock: str, package: str) -> str:
    """The version of the C library, which follows the plus sign in that of its package."""
    found = re.search(rf'name = "{package}"\nversion = "[^"+]*\+?([^"]*)"', lock)
    return found.group(1) if found else "unknown"
