"""A helper process of the campaign, spoken to in lines: told on its input, heard on its output."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .place import CampaignFailed, cpu_seconds

Hear = Callable[[str], None]

HERE = Path(__file__).resolve().parent


class Child:
    """A module of this package as a process. What it says goes to `hear`, line by line, from a thread."""

    def __init__(
        self, module: str, arguments: dict[str, object], log: Path, hear: Hear | None = None
    ) -> None:
        self.name, self.log = module, log
        self.hear = hear
        self.said: queue.Queue[str] = queue.Queue()
        self.cpu_s = 0.0
        words = [word for name, value in arguments.items() for word in (f"--{name}", str(value))]
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"campaign.{module}", *words],
                cwd=HERE.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        threading.Thread(target=self._listen, name=f"{module}-lines", daemon=True).start()

    def tell(self, line: str) -> None:
        try:
            assert self.process.stdin is not None, "the input was made a pipe above"
            self.process.stdin.write(f"{line}\n")
            self.process.stdin.flush()
        except OSError as error:
            raise CampaignFailed(self.last_words()) from error

    def wait_for(self, done: Callable[[str], bool], limit_s: float) -> str:
        """The first line for which `done` holds; lines before it are passed over."""
        deadline = time.monotonic() + limit_s
        while (left := deadline - time.monotonic()) > 0:
            try:
                line = self.said.get(timeout=min(left, 0.5))
            except queue.Empty:
                if self.process.poll() is not None:
                    break
                continue
            if done(line):
                return line
        raise CampaignFailed(f"it did not answer within {limit_s:.0f} s. {self.last_words()}")

    def answer(self, word: str, limit_s: float) -> dict[str, Any]:
        """The line that says that `word` is done."""
        line = self.wait_for(lambda line: json.loads(line).get("done") == word, limit_s)
        return dict(json.loads(line))

    def check(self) -> None:
        if self.process.poll() is not None:
            raise CampaignFailed(self.last_words())

    def stop(self) -> None:
        self.cpu_s = max(self.cpu_s, cpu_seconds(self.process.pid))
        if self.process.stdin is not None and not self.process.stdin.closed:
            try:
                self.process.stdin.close()
            except OSError:
                pass
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def last_words(self) -> str:
        lines = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
        return f"`{self.name}` of the campaign (exit code {self.process.poll()}): {lines or 'no errors said'}"

    def _listen(self) -> None:
        assert self.process.stdout is not None, "the output was made a pipe above"
        for line in self.process.stdout:
            if self.hear is not None:
                self.hear(line)
            self.said.put(line)
