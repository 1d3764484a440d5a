"""Runs a command and says what it took: a value."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a command took.

    Attributes:
        seconds: Wall time.
        cpu_seconds: Of the command's processes, the servers not among them.
        peak_mb: Resident memory of the largest of them at its largest.
        source_cpu_seconds: Of the source server meanwhile.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float
    source_cpu_seconds: float


class FailedError(Exception):
    """The command ended with an error, or did not end in time; its last lines."""


def measure(script: str, env: Mapping[str, str], folder: Path, source_pid: int) -> Measurement:
    """Run *script* with bash in *folder*.

    Raises:
        FailedError: It failed, or took longer than ``TIMEOUT_SECONDS`` and was ended.
    """
    log = folder / "contestant.log"
    before = cpu_seconds(source_pid)
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        end = threading.Timer(TIMEOUT_SECONDS, os.killpg, [process.pid, signal.SIGKILL])
        end.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            end.cancel()
            process.returncode = 0
    seconds = time.monotonic() - started
    if status:
        tail = log.read_text(errors="replace").strip().splitlines()[-3:]
        reason = f"ended after {seconds:.0f} s" if os.WIFSIGNALED(status) else " / ".join(tail)
        raise FailedError(reason[-300:])
    return Measurement(
        seconds,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / 1024,
        cpu_seconds(source_pid) - before,
    )


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used, its threads' included (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
