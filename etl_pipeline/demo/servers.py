"""Private database servers: two MariaDB (source, replication) and one PostgreSQL (analytics).

One launcher serves the demo and the tests. The servers listen on free ports of 127.0.0.1 and on
sockets, and belong to a *folder* of the caller's, which holds their logs and ``servers.json``
(ports and passwords, mode 600). Their data lies in ``/var/tmp/etl_pipeline-<hash of the folder>``:
an unprivileged user can always reach it, it is on a local disk, and it keeps the paths of the
sockets short. `remove_servers` deletes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import threading
from typing import TYPE_CHECKING

from etl_pipeline.demo import server_processes as processes
from etl_pipeline.demo.server_record import (
    RECORD,
    ROLES,
    Endpoint,
    Servers,
    answers,
    data_folder,
    read_record,
)
from etl_pipeline.demo.server_start import known, start

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "Endpoint",
    "Servers",
    "data_folder",
    "find_servers",
    "remove_servers",
    "running_servers",
    "start_servers",
    "stop_servers",
]


def start_servers(folder: Path, *, stay: bool) -> Servers:
    """Start the servers of *folder*, or return them when they run already.

    Data of an earlier start is used again, also after a crash. When something fails, or Ctrl-C
    is pressed meanwhile, whatever was started is stopped.

    Args:
        folder: Made when it is not there.
        stay: True leaves the servers running when this process ends, until `stop_servers`.
            False ties them to this process: on Linux they end even when it is killed, elsewhere
            the next start finds and ends them. Servers that run already keep what they have.

    Raises:
        ConfigurationError: The server programs are not installed, or the data is not ours.
        DatabaseError: A server did not start; names its log.
        RuntimeError: *stay* is False outside the main thread (they would end with the thread).
    """
    if not stay and threading.current_thread() is not threading.main_thread():
        raise RuntimeError("servers that end with their process are started by its main thread")
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    with _alone(folder):
        running = find_servers(folder)
        if running:
            return running
        try:
            processes.stop(known(folder).values())  # those that others did not survive
            return start(folder, stay=stay)
        except BaseException:
            processes.stop(known(folder).values(), at_once=True)
            raise


def find_servers(folder: Path) -> Servers | None:
    """Return the servers of *folder* when all three run and let us in, else None."""
    servers = read_record(folder)
    if servers is None or not all(processes.find_pids(p.marker) for p in known(folder).values()):
        return None
    return servers if all(answers(servers, role) for role in ROLES) else None


def stop_servers(folder: Path) -> int:
    """Stop the servers of *folder* cleanly; their data stays. Return how many were running."""
    return processes.stop(known(folder).values())


def remove_servers(folder: Path) -> None:
    """Stop the servers of *folder*, and delete their data, logs and record; *folder* stays."""
    stop_servers(folder)
    shutil.rmtree(data_folder(folder), ignore_errors=True)
    for name in [RECORD, *(f"{role}.log" for role in ROLES)]:
        (folder / name).unlink(missing_ok=True)


@contextlib.contextmanager
def running_servers(folder: Path, *, stay: bool = False) -> Iterator[Servers]:
    """Run the servers of *folder* for a ``with`` block.

    With *stay* they outlive the block, unless it ends with an exception or Ctrl-C. Servers that
    ran before the block go on running in every case.
    """
    ran_before = find_servers(folder)
    servers = ran_before or start_servers(folder, stay=stay)
    completed = False
    try:
        yield servers
        completed = True
    finally:
        if ran_before is None and not (stay and completed):
            stop_servers(folder)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock of *folder*: only one process at a time starts its servers."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # ends with the process, however that ends
        yield
    finally:
        os.close(descriptor)
