"""Freeze servers: their processes are stopped, their sockets stay open."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tests.conftest import Lab


def server_processes(lab: Lab, name: str) -> list[int]:
    """Return the processes of the *name* server, which the tests have started."""
    if name == "analytics":
        (folder,) = lab.analytics.execute("SHOW data_directory").fetchone() or ("",)
        first = int((Path(folder) / "postmaster.pid").read_text().splitlines()[0])
        return [first, *list_children(first)]
    connection = lab.source if name == "source" else lab.replication
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@datadir")
        (folder,) = cursor.fetchone() or ("",)
    return [pid for pid in _all() if f"--datadir={folder.rstrip('/')}" in _arguments(pid)]


@contextlib.contextmanager
def freezing(lab: Lab, name: str) -> Iterator[Freezer]:
    """Yield the freezer of the *name* server; the end of the block thaws it."""
    freezer = Freezer(lab, name)
    try:
        yield freezer
    finally:
        freezer.thaw()


class Freezer:
    """Stops the processes of a server, and lets them go on."""

    def __init__(self, lab: Lab, name: str) -> None:
        self._lab, self._name = lab, name
        self._root = server_processes(lab, name)[:1]
        self._stopped: list[int] = []
        self._was_frozen = False

    @property
    def was_frozen(self) -> bool:
        """True if the server was ever frozen."""
        return self._was_frozen

    def freeze(self) -> None:
        """Stop the server and its children; a second call does nothing."""
        self._was_frozen = True
        for pid in self._root if not self._stopped else ():
            self._stopped += stop_processes([pid, *list_children(pid)])

    def thaw(self) -> None:
        """Let the server go on."""
        continue_processes(self._stopped)
        self._stopped.clear()


def stop_processes(pids: Iterable[int]) -> list[int]:
    """Stop the processes, those that still exist; return them."""
    stopped = []
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            stopped.append(pid)
    return stopped


def continue_processes(pids: Sequence[int]) -> None:
    """Let stopped processes go on, the last first."""
    for pid in reversed(pids):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _all() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _arguments(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        return (Path("/proc") / str(pid) / "cmdline").read_text().split("\0")
    return []


def list_children(pid: int) -> list[int]:
    """Return the processes that *pid* has started: PostgreSQL has one for each session."""
    with contextlib.suppress(OSError):
        tasks = (Path("/proc") / str(pid) / "task").iterdir()
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return []
