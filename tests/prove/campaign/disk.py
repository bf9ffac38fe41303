"""What happens to disks: a small one that fills up, files that lose bytes, state that is copied."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from random import Random


class SmallDisk:
    """A tmpfs of a given size, where root may mount one; `refused` says why there is none."""

    def __init__(self, place: Path, size_bytes: int) -> None:
        self.place, self.filler = place, place / "filler"
        place.mkdir(parents=True)
        options = f"size={size_bytes},mode=0700"
        command = ["mount", "-t", "tmpfs", "-o", options, "bespoke-campaign", str(place)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            self.refused = done.stderr.strip() if done.returncode else ""
        except OSError as error:
            self.refused = str(error)

    def fill(self) -> int:
        """Takes all that is free. Answers how many bytes that was."""
        space = os.statvfs(self.place)
        free = space.f_bavail * space.f_frsize
        with self.filler.open("wb") as file:
            while free > 4096:
                try:
                    os.posix_fallocate(file.fileno(), file.tell(), free)
                    break
                except OSError:
                    free //= 2
        return self.filler.stat().st_size

    def free(self) -> None:
        self.filler.unlink(missing_ok=True)

    def remove(self) -> None:
        if not self.refused:
            subprocess.run(["umount", "--lazy", str(self.place)], capture_output=True, check=False)


def flip(state: Path, random: Random) -> str:
    """Changes a few bytes of one file of one store. Says which; empty where there is none."""
    files = sorted(
        file
        for file in state.rglob("*")
        if file.is_file()
        and file.stat().st_size
        and file.name != "LOCK"
        and not file.name.startswith("LOG")
        and ".damaged-" not in str(file)
    )
    if not files:
        return ""
    # By kind first: there are many more tables than there are logs, manifests and pointers.
    kinds = sorted({kind_of(file) for file in files})
    kind = random.choice(kinds)
    file = random.choice([file for file in files if kind_of(file) == kind])
    size = file.stat().st_size
    places = sorted({random.randrange(size) for _ in range(random.choice((1, 1, 4, 64)))})
    with file.open("r+b") as bytes_of:
        for place in places:
            bytes_of.seek(place)
            old = bytes_of.read(1)[0]
            bytes_of.seek(place)
            bytes_of.write(bytes([old ^ random.randrange(1, 256)]))
    return f"{file.relative_to(state)} ({size} bytes) at {places[:8]}"


def kind_of(file: Path) -> str:
    return file.suffix or file.name.partition("-")[0]


def copy(source: Path, target: Path) -> bool:
    """A copy of a state directory that nobody writes to. False where there is nothing to copy."""
    if not source.is_dir():
        return False
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.damaged-*"))
    return True
