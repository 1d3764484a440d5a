"""Kill, restart and freeze single servers of a folder."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from etl_pipeline.demo import server_processes as processes
from etl_pipeline.demo.server_record import Servers, answers, data_folder
from etl_pipeline.demo.server_start import known
from tests.freezing import continue_processes, list_children, stop_processes

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
        """Return the data directory of a MariaDB server."""
        option = "--datadir="
        words = (word for word in self._commands[role] if word.startswith(option))
        return Path(next(words).removeprefix(option))

    def pid(self, role: str) -> int:
        """Return the process of the server called *role*; 0 if it does not run."""
        return next(iter(processes.find_pids(self._known[role].marker)), 0)

    def kill(self, role: str) -> None:
        """End the server and all its processes as a power cut would."""
        pids = self._processes(role)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _wait(lambda: not any(_is_alive(pid) for pid in pids), f"{role} does not end")

    def stop(self, role: str) -> None:
        """Shut the server down cleanly, even with open sessions."""
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
        """Stop the server's processes, with its connections open, until `thaw`."""
        self._frozen[role] = stop_processes(self._processes(role))

    def thaw(self, role: str) -> None:
        """Let the server go on."""
        continue_processes(self._frozen.pop(role, []))

    def mend(self) -> None:
        """Make every server run and answer, whatever was done to it."""
        for role in self._known:
            self.thaw(role)
            self.start(role)

    def _processes(self, role: str) -> list[int]:
        """Return the server's process and those that it has started."""
        server = self.pid(role)
        return [server, *list_children(server)] if server else []


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


def _wait(is_done: Callable[[], bool], problem: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_done():
        if time.monotonic() > deadline:
            raise RuntimeError(problem)
        time.sleep(POLL_SECONDS)
