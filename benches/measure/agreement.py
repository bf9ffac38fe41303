"""Whether what an engine has written is what the definition says: by the peers' oracle and comparison."""

from __future__ import annotations

import csv
import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from .engine import Engine
from .java import Java
from .settings import CONFIGURATION, CONTENT, PEER, Failed, Load, Settings

# What the oracle says of a load is kept, and the oldest given up.
KEPT_MAX = 4


@dataclass(frozen=True)
class Verdict:
    """Whether all agree, with the comparison's own words."""

    agrees: bool
    words: str


class Agreement:
    """Judges engines on one run's loads."""

    def __init__(self, settings: Settings, java: Java) -> None:
        self._settings = settings
        self._java = java
        check_content()

    def judge(self, engine: Engine, load: Load, sha256: str) -> Verdict:
        """Compares the committed outputs of the engine's last drain with the oracle's."""
        expected = self.expected(load, sha256)
        dump = self._settings.home / "dump" / engine.name
        shutil.rmtree(dump, ignore_errors=True)
        engine.dump(load, dump)
        mode = [] if load.keyed else ["state"]
        command = [sys.executable, PEER / "compare.py", dump, expected, *mode]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        words = (done.stdout + done.stderr).strip()
        (self._settings.home / f"agreement-{engine.name}-{load.variant}.txt").write_text(words + "\n")
        if done.returncode == 0:
            shutil.rmtree(dump)
        return Verdict(done.returncode == 0, words)

    def expected(self, load: Load, sha256: str) -> Path:
        """The oracle's outputs. They are kept: the hash of the generated stream stands for its every byte."""
        judge = (PEER / "oracle.py").read_bytes() + CONTENT.read_bytes()
        named = f"{sha256}|{load.partitions}|".encode() + judge
        kept = self._settings.cache / "oracle"
        home = kept / f"{load.variant}-{load.events}-{hashlib.sha256(named).hexdigest()[:16]}"
        if home.exists():
            home.touch()
            return home
        work = self._settings.home / "oracle"
        shutil.rmtree(work, ignore_errors=True)
        self._java.tool("peer.Dump", "--to", work, "--outputs", "no", "--input", load.name)
        mode = [] if load.keyed else ["state"]
        command = [sys.executable, PEER / "oracle.py", work / "input.tsv", CONTENT, work / "expected", *mode]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"the oracle ended with {done.returncode}:\n{done.stderr[-4000:]}")
        kept.mkdir(parents=True, exist_ok=True)
        shutil.move(work / "expected", home)
        shutil.rmtree(work)
        for old in sorted(kept.iterdir(), key=lambda path: path.stat().st_mtime)[:-KEPT_MAX]:
            shutil.rmtree(old)
        return home


def check_content() -> None:
    """The configuration's content must be the workload's, number for number."""
    declared = yaml.safe_load(CONFIGURATION.read_text())["catalogue"]["items"]
    found = [(one["content_id"], float(one["base_weight"]), one["weights"]) for one in declared]
    with CONTENT.open() as lines:
        rows = list(csv.reader(lines))[1:]
    wanted = [
        (row[0], float(row[1]), {row[at]: float(row[at + 1]) for at in range(2, len(row), 2)}) for row in rows
    ]
    if found != wanted:
        raise Failed(f"the content in {CONFIGURATION.name} is not that of {CONTENT.name}")
