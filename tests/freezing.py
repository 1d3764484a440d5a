"""Servers of the tests that stand still: their processes are stopped, their sockets stay open."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import Lab


def server_processes(lab: Lab, name: str) -> list[int]:
    """The processes of the *name* server, which the tests have started."""
    if name == "analytics":
        (folder,) = lab.analytics.execute("SHOW data_directory").fetchone() or ("",)
        first = int((Path(folder) / "postmaster.pid").read_text().splitlines()[0])
        return [first, *_children(first)]
    connection = lab.source if name == "source" else lab.replication
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@datadir")
        (folder,) = cursor.fetchone() or ("",)
    return [pid for pid in _all() if f"--datadir={folder.rstrip('/')}" in _arguments(pid)]


@contextlib.contextmanager
def freezing(lab: Lab, name: str) -> Iterator[Freezer]:
    """Something that freezes the *name* server when it is called; the block's end thaws it."""
    freezer = Freezer(lab, name)
    try:
        yield freezer
    finally:
        freezer.thaw()


class Freezer:
    """Stops the processes of a server, and has them go on."""

    def __init__(self, lab: Lab, name: str) -> None:
        self._lab, self._name = lab, name
        self._root = server_processes(lab, name)[:1]
        self._stopped: list[int] = []
        self._was_frozen = False

    @property
    def was_frozen(self) -> bool:
        """Whether the server was ever made to stand still."""
        return self._was_frozen

    def freeze(self) -> None:
        """Stop the server and all that it has started; it does not matter how often."""
        self._was_frozen = True
        for pid in self._root if not self._stopped else ():
            for one in (pid, *_children(pid)):
                os.kill(one, signal.SIGSTOP)
                self._stopped.append(one)

    def thaw(self) -> None:
        """Have the server go on."""
        while self._stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._stopped.pop(), signal.SIGCONT)


def _all() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _arguments(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        return (Path("/proc") / str(pid) / "cmdline").read_text().split("\0")
    return []


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        tasks = (Path("/proc") / str(pid) / "task").iterdir()
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return []
