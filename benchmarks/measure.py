"""Runs a command and says what it took: a value."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_SECONDS = 600
DISTURBED = 0.05
"""From this share of the processors for others on, a measurement is taken again."""
_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a command took.

    Attributes:
        seconds: Wall time.
        cpu_seconds: Of the command's processes, the servers not among them.
        peak_mb: Resident memory of the largest of them at its largest.
        source_cpu_seconds: Of the source server meanwhile.
        elsewhere: Share of the processors that others had meanwhile, neither the command nor
            the servers; they disturb the measurement.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float
    source_cpu_seconds: float
    elsewhere: float = 0.0


class FailedError(Exception):
    """The command ended with an error, or did not end in time; its last lines."""


@dataclass(frozen=True, slots=True)
class _Clocks:
    """CPU seconds so far: of the source server, of the three servers, and of everybody."""

    source: float
    servers: float
    everybody: float


def least_disturbed(take: Callable[[], Measurement]) -> Measurement:
    """The first measurement of *take* that nobody disturbs; else the less disturbed of two."""
    taken: list[Measurement] = []
    while len(taken) < _ATTEMPTS:
        taken.append(take())
        if taken[-1].elsewhere < DISTURBED:
            break
    return min(taken, key=lambda attempt: attempt.elsewhere)


def _read_clocks(server_pids: Sequence[int]) -> _Clocks:
    source, *_ = server_pids
    return _Clocks(cpu_seconds(source), sum(map(_family_seconds, server_pids)), _busy_seconds())


def measure(
    script: str, env: Mapping[str, str], folder: Path, server_pids: Sequence[int]
) -> Measurement:
    """Run *script* with bash in *folder*.

    Args:
        script: Lines of shell.
        env: Added to the environment.
        folder: Its current directory; its output is kept there.
        server_pids: The source server's process, and those of the other servers.

    Raises:
        FailedError: It failed, or took longer than ``TIMEOUT_SECONDS`` and was ended.
    """
    log = folder / "contestant.log"
    before = _read_clocks(server_pids)
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
    after = _read_clocks(server_pids)
    own = usage.ru_utime + usage.ru_stime
    others = after.everybody - before.everybody - own - (after.servers - before.servers)
    return Measurement(
        seconds,
        own,
        usage.ru_maxrss / 1024,
        after.source - before.source,
        max(others, 0.0) / (seconds * (os.cpu_count() or 1)),
    )


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used, its threads' included (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _family_seconds(pid: int) -> float:
    """CPU time of a server: of its process, and of its children, those that ended included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(_seconds_if_there(int(child)) for child in children)


def _seconds_if_there(pid: int) -> float:
    try:
        return cpu_seconds(pid)
    except (FileNotFoundError, ProcessLookupError):
        return 0.0  # it ended meanwhile, and its parent has its time


def _busy_seconds() -> float:
    """CPU time that processes have had on this machine since it was started."""
    user, nice, system = Path("/proc/stat").read_text().split()[1:4]
    return (int(user) + int(nice) + int(system)) / os.sysconf("SC_CLK_TCK")
