"""Has single servers of a folder killed, restarted and frozen."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from etl_pipeline.demo import server_processes as processes
from etl_pipeline.demo.server_record import Servers, answers, data_folder
from etl_pipeline.demo.server_start import known

SECONDS = 60.0
POLL_SECONDS = 0.02


class Power:
    """The servers of *folder*, each with its own switch; used in the main thread."""

    def __init__(self, folder: Path, servers: Servers) -> None:
        self._folder, self._servers = folder.resolve(), servers
        self._known = known(self._folder)
        self._commands = {role: _command(self.pid(role)) for role in self._known}
        self._frozen: dict[str, list[int]] = {}

    def datadir(self, role: str) -> Path:
        """Where a server of MariaDB has its data."""
        option = "--datadir="
        words = (word for word in self._commands[role] if word.startswith(option))
        return Path(next(words).removeprefix(option))

    def pid(self, role: str) -> int:
        """The process of the server called *role*; 0 for none."""
        return next(iter(processes.find_pids(self._known[role].marker)), 0)

    def kill(self, role: str) -> None:
        """End the server and all its processes as a power cut would."""
        pids = self._processes(role)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _wait(lambda: not any(_is_alive(pid) for pid in pids), f"{role} does not end")

    def stop(self, role: str) -> None:
        """Have the server shut down cleanly, its sessions notwithstanding."""
        processes.stop([self._known[role]])

    def start(self, role: str) -> None:
        """Start the server anew, where it is not running, and wait until it answers."""
        if not self.pid(role):
            if role == "analytics":
                datadir = Path(self._commands[role][2])
                (datadir / "postmaster.pid").unlink(missing_ok=True)
            process = processes.spawn(
                self._commands[role],
                processes.server_account(),
                log=self._folder / f"{role}.log",
                folder=data_folder(self._folder),
                death_signal=self._known[role].death_signal,
            )
            processes.release(process)
        _wait(lambda: answers(self._servers, role), f"{role} does not start")

    def freeze(self, role: str) -> None:
        """Let the server do nothing, its connections open, until `thaw`."""
        self._frozen[role] = self._processes(role)
        for pid in self._frozen[role]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def thaw(self, role: str) -> None:
        """Let it go on."""
        for pid in reversed(self._frozen.pop(role, [])):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def mend(self) -> None:
        """Have every server run and answer, whatever was done to it."""
        for role in self._known:
            self.thaw(role)
            self.start(role)

    def _processes(self, role: str) -> list[int]:
        """The server, and those that it has started: PostgreSQL has one a session."""
        server = self.pid(role)
        return [server, *_children(server)] if server else []


def _children(parent: int) -> list[int]:
    children = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(word) for word in children.read_text().split()]


def _command(pid: int) -> list[str]:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    # The statements that set the first passwords are gone, and are not needed any more.
    return [os.fsdecode(word) for word in words if not word.startswith(b"--init-file=")]


def _is_alive(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def _wait(lease, problem: str) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + SECONDS
    while not lease():
        if time.monotonic() > deadline:
            raise RuntimeError(problem)
        time.sleep(POLL_SECONDS)
