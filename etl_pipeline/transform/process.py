"""Run dbt as a child process and receive its messages."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from etl_pipeline.errors import EtlError
from etl_pipeline.transform.child import STOPPED
from etl_pipeline.transform.events import Listener, NodeFinished, NodeStarted, Planned
from etl_pipeline.transform.summary import Node

CANCEL_WAIT_SECONDS = 3.0
"""Time limit for dbt to cancel its statements when it is asked to stop."""
SILENCE_SECONDS = 30.0
"""After so long without a message from dbt, the warehouse is asked for a sign of life."""


@dataclass(slots=True)
class Outcome:
    """The result of each node; *refusal* says why dbt did not begin, None if it did."""

    nodes: list[Node] = field(default_factory=list)
    refusal: str | None = None


def run_dbt(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    listen: Listener,
    check: Callable[[], object],
) -> Outcome:
    """Run dbt with *arguments* in *folder*, and return the result of each node.

    On Ctrl-C dbt is asked to cancel its statements; its process has ended when this raises.

    Args:
        arguments: Arguments for dbt.
        environment: Environment of its process.
        folder: Its working folder.
        listen: Called with each event.
        check: Called when dbt has been silent for ``SILENCE_SECONDS``; raises if the warehouse
            does not answer.

    Raises:
        EtlError: dbt ended without a result.
        KeyboardInterrupt: Somebody pressed Ctrl-C.
    """
    outcome, has_ended = Outcome(), False
    with _start(environment, folder) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(list(arguments)) + "\n")
            process.stdin.flush()
        for line in _read_lines(process.stdout, check):
            message = json.loads(line)
            has_ended = has_ended or message["event"] == "ended"
            _handle(message, outcome, listen)
    if process.returncode == STOPPED:
        raise KeyboardInterrupt
    if not has_ended:
        raise EtlError(
            f"dbt ended without a result (exit code {process.returncode})",
            where=str(folder),
            fix="see the last lines of dbt.err there, then run again",
        )
    return outcome


def _read_lines(stream: IO[str], check: Callable[[], object]) -> Iterator[str]:
    """Yield the lines of *stream*; call *check* whenever none came for ``SILENCE_SECONDS``."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        with contextlib.suppress(ValueError, OSError):  # closed after a failure elsewhere
            for line in stream:
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, name="dbt", daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=SILENCE_SECONDS)
        except queue.Empty:
            check()
            continue
        if line is None:
            return
        yield line


@contextlib.contextmanager
def _start(environment: Mapping[str, str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start the process in a session of its own, so that only we receive Ctrl-C."""
    with (folder / "dbt.err").open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "etl_pipeline.transform.child"],
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
            start_new_session=True,
            umask=0o077,
        )
    try:
        yield process
        process.wait()
    except BaseException:
        _stop(process)
        raise
    finally:
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                assert pipe is not None
                pipe.close()


def _stop(process: subprocess.Popen[str]) -> None:
    """Close the child's stdin, which asks it to stop, and kill it if it does not."""
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        process.wait(CANCEL_WAIT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _handle(message: Mapping[str, Any], outcome: Outcome, listen: Listener) -> None:
    event = message["event"]
    if event == "planned":
        listen(Planned(message["nodes"]))
    elif event == "started":
        listen(NodeStarted(message["name"], message["kind"]))
    elif event == "finished":
        listen(
            NodeFinished(message["name"], message["kind"], message["status"], message["seconds"])
        )
    elif event == "refused":
        outcome.refusal = message["words"]
    elif event == "result":
        outcome.nodes.append(
            Node(
                name=message["name"],
                kind=message["kind"],
                status=message["status"],
                seconds=message["seconds"],
                failures=message["failures"],
                words=message["words"],
                file=message["file"],
                compiled=message["compiled"] and os.path.normpath(message["compiled"]),
                schema=message["schema"],
                tested=tuple(message["tested"]),
            )
        )
