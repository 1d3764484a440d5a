"""Start server processes as an unprivileged user, find them, and end them.

The process table is the only record of what runs. A server is ours when one of its arguments
names our data (see `Known.marker`), so a pid that the system gave to somebody else since is
never signalled, and a server whose starter was killed is found all the same.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etl_pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

CHILD = Path(__file__).with_name("server_child.py")
UNPRIVILEGED_USERS = ("postgres", "nobody")
STOP_SECONDS = 60.0
POLL_SECONDS = 0.02
EXEC_POLLS = 50


@dataclass(frozen=True)
class Known:
    """The mark of a server's process, and the signals that end it.

    Attributes:
        marker: The argument that no other process has.
        stop_signal: Asks for a clean and quick shutdown.
        death_signal: Ends it at once; the kernel sends it when the parent of a server that must
            not outlive it dies.
    """

    marker: str
    stop_signal: signal.Signals
    death_signal: signal.Signals


@dataclass(frozen=True)
class Account:
    """The user that servers run as: the caller, or an unprivileged user if the caller is root."""

    uid: int
    gid: int
    is_other: bool


def server_account() -> Account:
    """Return the account for the servers; MariaDB and PostgreSQL refuse to run as root."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), is_other=False)
    for name in UNPRIVILEGED_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid, is_other=True)
    return Account(65534, 65534, is_other=True)


def spawn(
    command: list[str],
    account: Account,
    *,
    log: Path,
    folder: Path,
    death_signal: int = 0,
) -> subprocess.Popen[bytes]:
    """Start *command* in a session of its own, so that Ctrl-C does not reach it.

    The session is a process group too, so it can be ended with what it has started.

    Args:
        command: Absolute path of the program and its arguments.
        account: Who runs it.
        log: Appended to with what it prints.
        folder: Its working directory.
        death_signal: Sent to it when the calling *thread* ends (Linux); 0 lets it outlive us.
    """
    uid, gid = (account.uid, account.gid) if account.is_other else (-1, -1)
    words = [uid, gid, death_signal, os.getpid()]
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-IS", str(CHILD), *map(str, words), "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": str(folder)},
            start_new_session=True,
        )


def release(process: subprocess.Popen[bytes]) -> None:
    """Detach *process* from Python: from here on it is found by its marker alone."""
    process.returncode = 0


def find_pids(marker: str) -> list[int]:
    """Return the processes that have *marker* among their arguments; zombies have none."""
    if _has_proc():
        return [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and marker.encode() in _arguments(entry)
        ]
    table = subprocess.run(
        ["/bin/ps", "-axww", "-o", "pid=,command="],
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=True,
    ).stdout
    rows = (line.split(maxsplit=1) for line in table.splitlines())
    return [int(row[0]) for row in rows if len(row) == 2 and f" {marker} " in f"{row[1]} "]


def stop(servers: Iterable[Known], *, at_once: bool = False) -> int:
    """End the processes of *servers* at the same time; return how many there were.

    A process that has not ended after a minute is killed: the servers recover from that at their
    next start, as from a power cut.

    Args:
        servers: The servers to end.
        at_once: End them by their death signal. It is the only safe way while they start: a
            SIGTERM in its first 50 ms makes MariaDB 10.11 wait forever and ignore further ones.
    """
    running = [(server, pid) for server in servers for pid in find_pids(server.marker)]
    for server, pid in running:
        _signal(pid, server.death_signal if at_once else server.stop_signal)
    left = _wait_until_gone(running, STOP_SECONDS)
    for _, pid in left:
        _signal(pid, signal.SIGKILL)
    _wait_until_gone(left, STOP_SECONDS)
    return len(running)


def _wait_until_gone(
    running: list[tuple[Known, int]], timeout_seconds: float
) -> list[tuple[Known, int]]:
    """Wait until the processes have ended; return those that have not."""
    deadline = time.monotonic() + timeout_seconds
    left = running
    while True:
        left = [(server, pid) for server, pid in left if not _is_gone(server, pid)]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(POLL_SECONDS)


def _is_gone(server: Known, pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # a child of ours stays a zombie until it is waited for
    if _has_proc():
        return server.marker.encode() not in _arguments(Path(f"/proc/{pid}"))
    return pid not in find_pids(server.marker)


def _has_proc() -> bool:
    return Path("/proc/self/cmdline").exists()


def _arguments(entry: Path) -> list[bytes]:
    """Return the arguments of the process at *entry* of ``/proc``; none when it has ended.

    For an instant within exec the arguments of a live process read as empty (seen in one start
    of five on Linux 6). It has an executable then, which kernel threads and zombies have not.
    """
    with contextlib.suppress(OSError):  # it has just ended, or is somebody else's
        for _ in range(EXEC_POLLS):
            line = (entry / "cmdline").read_bytes()
            if line:
                return line.split(b"\0")
            (entry / "exe").readlink()
            time.sleep(0.001)
    return []


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass  # it has just ended
    except PermissionError:
        raise ConfigurationError(
            "the private server was started by another user",
            where=f"process {pid}",
            fix="stop it as that user, or as root",
        ) from None
