"""Runs dbt in a process of its own and hears what it tells."""

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

PATIENCE_SECONDS = 3.0
"""How long dbt may take to cancel its statements when it is asked to stop."""
QUIET_SECONDS = 30.0
"""dbt has told nothing for so long: the warehouse is asked whether it still answers."""


@dataclass(slots=True)
class Outcome:
    """What dbt told: what became of the nodes, and why it refused to begin, if it did."""

    nodes: list[Node] = field(default_factory=list)
    refusal: str | None = None


def run_dbt(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    listen: Listener,
    check: Callable[[], object],
) -> Outcome:
    """Have dbt do *arguments* in *folder*, and return what became of each node.

    On Ctrl-C dbt is asked to cancel what the server is doing, and has ended when this raises.

    Args:
        arguments: Of dbt.
        environment: Of its process.
        folder: Where it works.
        listen: Told what goes on.
        check: Raises if the warehouse is silent; called when dbt has been so for a while.

    Raises:
        EtlError: It ended without a result.
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
            told = json.loads(line)
            has_ended = has_ended or told["event"] == "ended"
            _hear(told, outcome, listen)
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
    """The lines of *stream* to its end; while none come, *check* is called."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        with contextlib.suppress(ValueError, OSError):  # closed by whoever gave up on it
            for line in stream:
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, name="dbt", daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=QUIET_SECONDS)
        except queue.Empty:
            check()
            continue
        if line is None:
            return
        yield line


@contextlib.contextmanager
def _start(environment: Mapping[str, str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The process, in a session of its own: Ctrl-C is for us to pass on."""
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
    """Close its stdin, which it takes for a request to stop; kill it where it does not."""
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _hear(told: Mapping[str, Any], outcome: Outcome, listen: Listener) -> None:
    event = told["event"]
    if event == "planned":
        listen(Planned(told["nodes"]))
    elif event == "started":
        listen(NodeStarted(told["name"], told["kind"]))
    elif event == "finished":
        listen(NodeFinished(told["name"], told["kind"], told["status"], told["seconds"]))
    elif event == "refused":
        outcome.refusal = told["words"]
    elif event == "result":
        outcome.nodes.append(
            Node(
                name=told["name"],
                kind=told["kind"],
                status=told["status"],
                seconds=told["seconds"],
                failures=told["failures"],
                words=told["words"],
                file=told["file"],
                compiled=told["compiled"] and os.path.normpath(told["compiled"]),
                schema=told["schema"],
                tested=tuple(told["tested"]),
            )
        )
