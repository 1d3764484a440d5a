"""Run dbt as a child process, in one transaction, and receive its messages."""

from __future__ import annotations

import contextlib
import importlib.metadata
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

from etl_pipeline.errors import ConfigurationError, DatabaseError, EtlError
from etl_pipeline.transform.child import Statement
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


class DbtProcess:
    """dbt in a process of its own; it ends with the ``with`` block of ``start_dbt``.

    What is not committed by ``commit`` is undone when it ends, however it ends.
    """

    def __init__(
        self, process: subprocess.Popen[str], folder: Path, check: Callable[[], object]
    ) -> None:
        self._process = process
        self._folder = folder
        assert process.stdout is not None
        self._lines = _read_lines(process.stdout, check)

    def begin(self) -> None:
        """Begin the transaction, in which each statement sees the warehouse at one instant.

        Raises:
            DatabaseError: The warehouse refused.
            EtlError: The process has ended.
        """
        self._ask("begin")

    def execute(self, statements: Sequence[Statement]) -> list[tuple[Any, ...]]:
        """Execute *statements* in it, and return the rows of the last; raises as ``begin``."""
        return [tuple(row) for row in self._ask("execute", statements)]

    def commit(self) -> None:
        """Commit everything; raises as ``begin``."""
        self._ask("commit")

    def run(self, arguments: Sequence[str], listen: Listener) -> Outcome:
        """Run dbt with *arguments*, within the transaction if one was begun.

        Args:
            arguments: Arguments for dbt.
            listen: Called with each event.

        Raises:
            ConfigurationError: This version of dbt goes around the transaction.
            EtlError: The process has ended without a result.
        """
        outcome = Outcome()
        self._send("dbt", list(arguments))
        for message in self._messages():
            if message["event"] == "ended":
                return outcome
            if message["event"] == "outside":
                raise ConfigurationError(
                    "this version of dbt does not connect by psycopg2.connect, so it cannot build "
                    "in one transaction",
                    where=f"dbt {importlib.metadata.version('dbt-core')}",
                    fix="install a version that etl_pipeline[transform] names",
                )
            _handle(message, outcome, listen)
        raise self._lost()

    def _ask(self, what: str, statements: Sequence[Statement] = ()) -> list[list[Any]]:
        self._send(what, [[text, list(values)] for text, values in statements])
        for message in self._messages():
            if message["event"] == "refused":
                raise DatabaseError(f"the models cannot be built: {message['words']}")
            if message["event"] == "done":
                return message["rows"] or []
        raise self._lost()

    def _send(self, what: str, request: object) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({"do": what, "with": request}, default=str) + "\n")
            self._process.stdin.flush()

    def _messages(self) -> Iterator[dict[str, Any]]:
        for line in self._lines:
            yield json.loads(line)

    def _lost(self) -> EtlError:
        return EtlError(
            f"dbt ended without a result (exit code {self._process.wait()})",
            where=str(self._folder),
            fix="see the last lines of dbt.err there, then run again",
        )


@contextlib.contextmanager
def start_dbt(
    environment: Mapping[str, str], folder: Path, check: Callable[[], object]
) -> Iterator[DbtProcess]:
    """Yield dbt's process, in a session of its own, so that only we receive Ctrl-C.

    On Ctrl-C it is asked to cancel its statements; it has ended when this raises.

    Args:
        environment: Environment of its process.
        folder: Its working folder.
        check: Called when dbt has been silent for ``SILENCE_SECONDS``; raises if the warehouse
            does not answer.
    """
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
        yield DbtProcess(process, folder, check)
    finally:
        _stop(process)
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                assert pipe is not None
                pipe.close()


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
                id=message["id"],
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
