"""The real binary as a child process, with what it has cost."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
DRAIN_S = 60


class ProcessorFailed(Exception):
    """The binary ended, or would not end."""


class Processor:
    """`bespoke run`, started, killed and started again as often as one likes."""

    def __init__(self, binary: Path, configuration: Path) -> None:
        self._binary = binary
        self._configuration = configuration
        self._log = configuration.parent / "processor.log"
        self._child: subprocess.Popen[bytes] | None = None
        self._cpu_s_before = 0.0

    def apply_topics(self) -> None:
        """Makes topics and registers schemas, as an operator would."""
        command: list[str | Path] = [self._binary, "topics", "apply", "--config", self._configuration]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ProcessorFailed(f"`topics apply` ended with {done.returncode}:\n{done.stderr[-4000:]}")

    def start(self) -> None:
        command: list[str | Path] = [self._binary, "run", "--config", self._configuration]
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def check(self) -> None:
        """Complains if the binary has ended by itself."""
        code = self._running().poll()
        if code is not None:
            raise ProcessorFailed(f"the processor ended with {code}; its log ends with:\n{self.log_end()}")

    def kill(self) -> None:
        """kill -9."""
        child = self._running()
        self._cpu_s_before = self.cpu_s()
        child.kill()
        child.wait()

    def stop(self) -> None:
        """Asks it to end and waits until it has committed and gone."""
        child = self._running()
        self._cpu_s_before = self.cpu_s()
        child.send_signal(signal.SIGTERM)
        try:
            code = child.wait(DRAIN_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            raise ProcessorFailed(f"the processor did not end within {DRAIN_S} s of SIGTERM") from None
        finally:
            self._child = None
        if code not in (0, 128 + signal.SIGTERM):
            raise ProcessorFailed(f"the processor ended with {code} after SIGTERM:\n{self.log_end()}")

    def end(self) -> None:
        """Makes sure that nothing is left running, whatever happened."""
        if self._child is not None and self._child.poll() is None:
            self._child.kill()
            self._child.wait()

    def cpu_s(self) -> float:
        """Processor time of all starts so far, user and system."""
        try:
            text = Path(f"/proc/{self._running().pid}/stat").read_text()
        except FileNotFoundError:
            return self._cpu_s_before
        # The command's name stands in brackets and may hold blanks; utime and stime are fields 14 and 15.
        fields = text.rpartition(")")[2].split()
        return self._cpu_s_before + (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def log_end(self) -> str:
        """The last lines of its log."""
        lines = self._log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-30:])

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._child is not None, "it was started"
        return self._child
