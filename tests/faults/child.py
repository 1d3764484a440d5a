"""Runs of ``etl`` as processes of their own, forked from one that has imported the program.

That takes a third of the time of starting Python anew. Chunks are small, so that little data has
many of them, and waits are short. Nothing outlives the process that the campaigns run in.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
CLONE_NEWNET = 0x40000000
POLL_SECONDS = 0.01
ROOT = Path(__file__).parents[2]


class Run:
    """A run of ``etl``, as ``subprocess.Popen`` would show it."""

    def __init__(self, starter: Starter, pid: int) -> None:
        self._starter, self.pid = starter, pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it goes on."""
        if self.returncode is None:
            self.returncode = self._starter.ask({"poll": self.pid})
        return self.returncode

    def wait(self, seconds: float) -> bool:
        """Wait for its end; True if it has come."""
        deadline = time.monotonic() + seconds
        while self.poll() is None and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return self.returncode is not None

    def show_stacks(self) -> None:
        """Have it print where each of its threads is, for who looks into why it does not end."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGUSR2)
        self.wait(0.5)

    def kill(self) -> None:
        """End it at once, where it goes on, and wait until it is gone."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.wait(POLL_SECONDS * 1000)


class Starter:
    """Starts runs; ends with its ``close``, or with this process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.child"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(
        self, arguments: Sequence[str], env: Mapping[str, str], folder: Path, namespace: str | None
    ) -> Run:
        """Start ``etl`` with *arguments* in *folder*, where ``stdout`` and ``stderr`` are written.

        Args:
            arguments: Words of the command line.
            env: All of its environment.
            folder: Its working directory.
            namespace: Of the network that it sees; None for the machine's.
        """
        words = {
            "start": list(arguments),
            "env": dict(env),
            "folder": str(folder),
            "namespace": namespace,
        }
        return Run(self, self.ask(words))

    def ask(self, request: Mapping[str, Any]) -> Any:
        """The starter's answer."""
        pipes = self._process.stdin, self._process.stdout
        assert pipes[0] is not None
        assert pipes[1] is not None
        print(json.dumps(request), file=pipes[0], flush=True)
        return json.loads(pipes[1].readline())

    def close(self) -> None:
        """End it, and the runs that still go on."""
        self._process.communicate()


def main() -> None:
    """Answer requests; in a forked process, run the command line and end as it does."""
    _die_with_parent()
    _prepare()
    for line in sys.stdin:
        request = json.loads(line)
        if "poll" in request:
            answer = _poll(request["poll"])
        else:
            answer = os.fork()
            if not answer:
                _become(request)
                return
        print(json.dumps(answer), flush=True)


def _prepare() -> None:
    from etl_pipeline.cli import main as _main  # noqa: F401
    from etl_pipeline.cli import notification  # noqa: F401
    from etl_pipeline.cli.screens import run, run_progress  # noqa: F401
    from etl_pipeline.core import liveness
    from etl_pipeline.pipeline import backfill, session, table_worker  # noqa: F401
    from etl_pipeline.pipeline import run as _run  # noqa: F401
    from etl_pipeline.replicate import chunking, compare
    from etl_pipeline.state import runs, segments
    from etl_pipeline.transfer import spool

    liveness.SILENCE_SECONDS = 3.0
    liveness.PROBE_SECONDS = 1.0
    liveness.CONFIRM_SECONDS = 0.5
    chunking.CHUNK_ROWS = 100
    spool.MEMORY_BYTES = 1 << 16
    segments.LEAST_BYTES = 512
    compare.CHECKPOINT_SECONDS = 0.0
    table_worker.FIRST_WAIT_SECONDS = 0.2
    runs.HEARTBEAT_SECONDS = 0.5
    runs.SILENT_SECONDS = 3.0


def _become(request: Mapping[str, Any]) -> None:
    from etl_pipeline.cli.main import main as etl

    _die_with_parent()
    faulthandler.register(signal.SIGUSR2, file=2, all_threads=True)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["folder"])
    for name, number in (("/dev/null", 0), ("stdout", 1), ("stderr", 2)):
        descriptor = os.open(name, os.O_RDWR | (os.O_CREAT | os.O_TRUNC if number else 0), 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    if request["namespace"]:
        descriptor = os.open(f"/run/netns/{request['namespace']}", os.O_RDONLY)
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "the network cannot be entered")
    sys.argv = ["etl", *request["start"]]
    etl()


def _poll(pid: int) -> int | None:
    gone, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if gone else None


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
