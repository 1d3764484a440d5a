"""Run dbt in this process, in one transaction, at the request of the parent.

Each request is a line of JSON on stdin, each message a line of JSON on stdout; see ``main``. When
stdin ends, the parent is gone, and what is at work is cancelled: nothing is committed then. dbt's
own output is discarded: it quotes the server's messages, and those quote values of rows.
"""

from __future__ import annotations

import gc
import json
import os
import queue
import re
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

STOPPED = 130
CANCEL_SECONDS = 10.0
"""Time limit to cancel the statements; a silent server never confirms it."""

Statement = tuple[str, Sequence[Any]]


class Child:
    """The requests that the parent may make: each method is one."""

    def __init__(self) -> None:
        self._send_line = _open_channel()
        self._lock = threading.Lock()
        self._sessions = Sessions()

    def send(self, line: dict[str, Any]) -> None:
        """Send a message to the parent, from any thread."""
        with self._lock:
            self._send_line(line)

    def cancel(self) -> None:
        """Cancel the statement that is at work, if one is."""
        if self._sessions.shared:
            self._sessions.shared.cancel()

    def begin(self, _: Sequence[Statement]) -> None:
        """Begin the transaction that everything after it is part of."""
        self._answer(self._sessions.begin)

    def execute(self, statements: Sequence[Statement]) -> None:
        """Execute *statements* in the transaction, and send the rows of the last."""
        shared = self._sessions.shared
        self._answer(lambda: [shared.query(*statement) for statement in statements][-1])

    def commit(self, _: Sequence[Statement]) -> None:
        """Commit everything."""
        self._answer(self._sessions.shared.commit)

    def dbt(self, arguments: Sequence[str]) -> None:
        """Run dbt; send its progress, the result of each node, and that it has ended."""
        from dbt.cli.main import dbtRunner

        def listen(event: Any) -> None:
            if event.info.name == "NodeStart" and not self._sessions.is_used:
                # Nothing is built yet; dbt has asked which relations there are.
                self.send({"event": "outside"})
                os._exit(STOPPED)
            if line := _read_progress(event):
                self.send(line)

        done = dbtRunner(callbacks=[listen]).invoke(list(arguments))
        if isinstance(done.exception, KeyboardInterrupt):
            os._exit(STOPPED)
        for result in getattr(done.result, "results", None) or ():
            self.send(_describe_node(result))
        if done.exception is not None:
            self.send({"event": "refused", "words": str(done.exception)})
        self.send({"event": "ended", "success": bool(done.success)})

    def _answer(self, act: Callable[[], object]) -> None:
        import psycopg2  # type: ignore[import-untyped]

        from etl_pipeline.transform.transaction import describe_error

        try:
            self.send({"event": "done", "rows": act()})
        except psycopg2.Error as error:
            self.send({"event": "refused", "words": describe_error(error)})


class Sessions:
    """Sessions of dbt: one that is shared, once a transaction was begun, else one a thread."""

    def __init__(self) -> None:
        # These import half of dbt.
        import psycopg2

        self.shared: Any = None
        self._is_lent = False
        self._connect = psycopg2.connect
        self._keepalive = json.loads(os.environ["ETL_TCP_KEEPALIVE"])
        psycopg2.connect = self._lend

    @property
    def is_used(self) -> bool:
        """False if dbt works outside of the transaction that was begun."""
        return self._is_lent or self.shared is None

    def begin(self) -> None:
        """Begin the shared transaction, by the parameters that ``profiles.yml`` gives dbt."""
        from etl_pipeline.transform.transaction import OneTransaction

        optional = {
            name: os.environ[variable]
            for name, variable in (
                ("sslrootcert", "ETL_SSL_CA"),
                ("sslcert", "ETL_SSL_CERT"),
                ("sslkey", "ETL_SSL_KEY"),
            )
            if os.environ.get(variable)
        }
        session = self._connect(
            host=os.environ["ETL_HOST"],
            port=int(os.environ["ETL_PORT"]),
            dbname=os.environ["ETL_DATABASE"],
            user=os.environ["ETL_USER"],
            password=os.environ["DBT_ENV_SECRET_ETL_PASSWORD"],
            connect_timeout=int(os.environ["ETL_CONNECT_TIMEOUT"]),
            application_name=os.environ["ETL_APPLICATION_NAME"],
            sslmode=os.environ["ETL_SSL_MODE"],
            **optional,
            **self._keepalive,
        )
        self.shared = OneTransaction(session)

    def _lend(self, *arguments: Any, **parameters: Any) -> Any:
        """Connect as dbt asks; libpq ends a connection whose other end is gone."""
        if self.shared is None:
            return self._connect(*arguments, **parameters | self._keepalive)
        from etl_pipeline.transform.transaction import Handle

        self._is_lent = True
        return Handle(self.shared)


def main() -> None:
    """Serve requests until stdin ends: ``{"do": NAME, "with": [...]}``, a method of ``Child``."""
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    # What dbt makes while it is imported and reads its project stays; looking through it for cycles
    # again and again was a quarter of the 3.5 s of the imports.
    gc.disable()
    child: list[Child] = []
    threading.Thread(target=_read_requests, args=(requests, child), daemon=True).start()
    child.append(Child())
    import dbt.cli.main  # noqa: F401 - the longest of the imports, before anything is asked for

    while True:
        request = json.loads(requests.get())
        getattr(child[0], request["do"])(request["with"])


def _read_requests(requests: queue.SimpleQueue[str], child: Sequence[Child]) -> None:
    """Hand requests on; when the parent is gone, cancel what is at work and end."""
    for line in sys.stdin:
        requests.put(line)
    threading.Timer(CANCEL_SECONDS, os._exit, (STOPPED,)).start()
    for one in child:
        one.cancel()
    # All is reported, and what is not committed is undone; freeing dbt's objects takes 0.7 s.
    os._exit(STOPPED)


def _open_channel() -> Any:
    """Return a function that writes JSON lines to the real stdout; others get the null device."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)

    def send(line: dict[str, Any]) -> None:
        channel.write(json.dumps(line, default=str) + "\n")
        channel.flush()

    return send


def _read_progress(event: Any) -> dict[str, Any] | None:
    """Return the message for an event of dbt; None for an event that nobody needs."""
    name = event.info.name
    if name == "ConcurrencyLine":
        return {"event": "planned", "nodes": event.data.node_count}
    if name in ("NodeStart", "NodeFinished"):
        node = event.data.node_info
        line = {"name": node.node_name, "kind": node.resource_type}
        if name == "NodeStart":
            return {"event": "started", **line}
        result = event.data.run_result
        return {
            "event": "finished",
            **line,
            "status": result.status,
            "seconds": result.execution_time,
        }
    return None


def _describe_node(result: Any) -> dict[str, Any]:
    node = result.node
    return {
        "event": "result",
        "id": node.unique_id,
        "name": node.name,
        "kind": str(node.resource_type.value),
        "status": str(result.status.value),
        "seconds": result.execution_time,
        "failures": result.failures,
        "words": _describe_result(result),
        "file": node.original_file_path,
        "compiled": getattr(node, "compiled_path", None),
        "schema": node.schema,
        "tested": sorted(
            unique_id.split(".")[2]
            for unique_id in getattr(getattr(node, "depends_on", None), "nodes", ())
            if unique_id.startswith(("model.", "seed."))
        ),
    }


def _describe_result(result: Any) -> str | None:
    """Return dbt's message on a node as one line; of a unit test all lines.

    A unit test's example is written in the project, so it contains no row of raw.
    """
    lines = [line.rstrip() for line in (result.message or "").splitlines() if line.strip()]
    if result.node.resource_type.value == "unit_test":
        return "\n".join(lines) or None
    return next((line.strip() for line in lines if not re.match(r"\w+ Error in ", line)), None)


if __name__ == "__main__":
    main()
