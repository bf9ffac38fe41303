"""Calls the independent check of all that was written, a program of its own, and takes over its verdict."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from .place import CampaignFailed, Findings
from .scene import Scene
from .settings import Settings

QUIESCENCE_S = 60
LINES_SHOWN = 20


def check(settings: Settings, scene: Scene, findings: Findings, when: str) -> dict[str, Any]:
    """0: clean; 1: violations, which it names; else it could not check, and the run proves nothing."""
    if not settings.check.is_file():
        raise CampaignFailed(
            f"{settings.check} is missing: without the check of all outputs nothing is proven"
        )
    report = scene.home / f"check-{when.replace(' ', '-')}.json"
    command = [sys.executable, str(settings.check), "--bootstrap", scene.broker.bootstrap]
    command += ["--registry", scene.registry, "--config", str(scene.configuration)]
    command += ["--json", str(report), "--wait", str(QUIESCENCE_S), "--processes", str(os.cpu_count() or 1)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    (scene.logs / f"{report.stem}.log").write_text(done.stdout + done.stderr)
    lines = (done.stdout + done.stderr).strip().splitlines()
    if done.returncode == 1:
        wrong = [line for line in lines if not line.startswith(("check:", "…"))]
        for line in wrong[:LINES_SHOWN]:
            findings.violation("oracle", f"{when}: {line}")
        if not wrong:
            findings.violation("oracle", f"{when}: violations, but it does not say which")
    elif done.returncode != 0:
        last = "\n".join(lines[-LINES_SHOWN:])
        raise CampaignFailed(
            f"{when}: {settings.check.name} could not check, it ended with {done.returncode}:\n{last}"
        )
    found = json.loads(report.read_text()) if report.is_file() else {}
    return {"when": when, "exit": done.returncode, "last": lines[-1] if lines else "", "report": found}
