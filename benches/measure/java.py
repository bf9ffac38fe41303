"""What is written in Java: the peers, built once and started with the settings found best for each, and the
generator and the dump that belong to them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from .process import Process
from .settings import IDIOMATIC, PEER, Failed, Load, Settings

# The heap and the collector that lost least: see the READMEs of the peers.
SMALL_HEAP = ("-Xmx256m", "-Xms256m", "-XX:+UseSerialGC", "-XX:-UsePerfData")
LARGE_HEAP = ("-Xmx512m", "-Xms512m", "-XX:+UseSerialGC", "-XX:-UsePerfData")
TOOL_HEAP = ("-Xmx512m",)

# The load's fortnight begins on the fifth.
AFTER_LOAD = date(2026, 1, 19)


class Java:
    """The two applications as Maven builds them, in the cache: a change of their sources builds them anew."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.peer = self._built(PEER, "peer.jar")
        self.idiomatic = self._built(IDIOMATIC, "app.jar") if "idiomatic" in settings.peers else None

    def command(self, target: Path, main: str, heap: tuple[str, ...]) -> list[object]:
        jars = [*sorted(target.glob("*.jar")), *sorted((target / "lib").glob("*.jar"))]
        return ["java", *heap, "-cp", ":".join(map(str, jars)), main]

    def tool(self, main: str, *arguments: object) -> list[dict[str, Any]]:
        """Runs one of the peers' own tools to its end."""
        command = [*self.command(self.peer, main, TOOL_HEAP), *arguments]
        command += ["--bootstrap", self._settings.bootstrap]
        return Process(command, self._settings.home / "tools.log").finish()

    def preload(self, load: Load) -> dict[str, Any]:
        """Makes the topic and fills it."""
        return self.tool("peer.Generator", "--events", load.events, *_of(load))[-1]

    def send_later(self, load: Load, number: int, **how: object) -> dict[str, Any]:
        """Goes on where the load ends: the `number`th range of ids, and a day of event time of its own."""
        more = {
            "first": 100_000_000 * (number + 1),
            "start": f"{AFTER_LOAD + timedelta(days=number)}T00:00:00Z",
            "days": 1,
            "create": "no",
            **how,
        }
        arguments = [part for key, value in more.items() for part in (f"--{key}", value)]
        return self.tool("peer.Generator", *arguments, *_of(load))[-1]

    def _built(self, source: Path, jar: str) -> Path:
        target = self._settings.cache / source.name
        stamp = target / "sources"
        sources = _hash_of(source) + _hash_of(PEER)
        if not (target / jar).exists() or not stamp.exists() or stamp.read_text() != sources:
            shutil.rmtree(target, ignore_errors=True)
            command = ["mvn", "-q", "-B", "-Dstyle.color=never", "package", f"-Dout={target}"]
            done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise Failed(
                    f"Maven could not build {source.name}:\n{done.stdout[-4000:]}{done.stderr[-2000:]}"
                )
            stamp.write_text(sources)
        return target


def _of(load: Load) -> list[object]:
    values = {
        "users": load.users,
        "seed": load.seed,
        "variant": load.variant,
        "partitions": load.partitions,
        "topic": load.name,
    }
    return [part for key, value in values.items() for part in (f"--{key}", value)]


def _hash_of(source: Path) -> str:
    digest = hashlib.sha256()
    files = [source / "pom.xml", *source.glob("*.avsc"), *(source / "src").rglob("*")]
    for file in sorted(file for file in files if file.is_file()):
        digest.update(str(file.relative_to(source)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
