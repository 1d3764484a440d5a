"""Run dbt in this process and report its progress as lines of JSON on stdout.

The request is one line of JSON on stdin: a list of dbt's arguments. When stdin ends, the parent is
gone, and dbt is stopped. dbt's own output is discarded: it quotes the server's messages, and those
quote values of rows. An error of the server is reported by its SQLSTATE, with its message only
where that can only contain names (see ``_describe_error``).
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

STOPPED = 130
CANCEL_SECONDS = 10.0
"""Time limit to cancel the statements; a silent server never confirms it."""


def main() -> int:
    """Serve the request on stdin; the exit code tells only whether dbt could be run."""
    request: list[str] = json.loads(sys.stdin.readline())
    send = _open_channel()
    threading.Thread(target=_watch_parent, daemon=True).start()
    # What dbt makes while it is imported and reads its project stays; looking through it for cycles
    # again and again was a quarter of the 3.5 s of the imports.
    gc.disable()
    # These import half of dbt.
    from dbt.adapters.postgres.connections import PostgresConnectionManager
    from dbt.cli.main import dbtRunner

    PostgresConnectionManager.exception_handler = _without_values  # type: ignore[method-assign, assignment]
    PostgresConnectionManager.release = _keep_session  # type: ignore[method-assign, assignment]
    _enable_keepalive()
    lock = threading.Lock()

    def listen(event: Any) -> None:
        line = _read_progress(event)
        if line:
            with lock:
                send(line)

    done = dbtRunner(callbacks=[listen]).invoke(request)
    if isinstance(done.exception, KeyboardInterrupt):
        return STOPPED
    for result in getattr(done.result, "results", None) or ():
        send(_describe_node(result))
    if done.exception is not None:
        send({"event": "refused", "words": str(done.exception)})
    send({"event": "ended", "success": bool(done.success)})
    return 0


def _enable_keepalive() -> None:
    """Let libpq end a connection whose other end is gone; dbt has no settings for that."""
    import psycopg2  # type: ignore[import-untyped]

    connect = psycopg2.connect
    noticing = json.loads(os.environ["ETL_TCP_KEEPALIVE"])

    def connect_noticing(*arguments: Any, **parameters: Any) -> Any:
        return connect(*arguments, **parameters | noticing)

    psycopg2.connect = connect_noticing


def _open_channel() -> Any:
    """Return a function that writes JSON lines to the real stdout; others get the null device."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)

    def send(line: dict[str, Any]) -> None:
        channel.write(json.dumps(line) + "\n")
        channel.flush()

    return send


def _watch_parent() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(CANCEL_SECONDS)
    os._exit(STOPPED)


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


@contextlib.contextmanager
def _without_values(manager: Any, sql: str) -> Iterator[None]:  # noqa: ARG001 - dbt's signature
    """Report a server's error without values; replaces the adapter's ``exception_handler``."""
    import psycopg2
    from dbt_common.exceptions import DbtDatabaseError

    try:
        yield
    except psycopg2.Error as error:
        with contextlib.suppress(psycopg2.Error):
            manager.rollback_if_open()
        raise DbtDatabaseError(_describe_error(error)) from None
    except BaseException:
        manager.rollback_if_open()
        raise


def _keep_session(manager: Any) -> None:
    """Keep the session for the next node; replaces the adapter's ``release``, which closes it.

    Logging in for each of 160 nodes took a seventh of the time of the nodes of a small practice,
    and a new server process has an empty catalog cache. A broken session is closed.
    """
    connection = manager.get_if_exists()
    if connection is None or connection.state != "open":
        return
    import psycopg2

    try:
        # A question about the catalog begins a transaction of which dbt knows nothing.
        connection.handle.rollback()
        connection.transaction_open = False
    except psycopg2.Error:
        manager.close(connection)


def _describe_error(error: Any) -> str:
    """Describe an error of the server without values of rows.

    SQLSTATE class 42 is about the statement: names, types, syntax. Class ET is ours. Any other
    message may quote a row, so only the name of its SQLSTATE is given.
    """
    code = error.pgcode or ""
    if code[:2] in ("42", "ET"):
        return f"{error.diag.message_primary} (SQLSTATE {code})"
    name = re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__).lower()
    return f"{name} (SQLSTATE {code})" if code else name


if __name__ == "__main__":
    code = main()
    # All is reported and every session closed; freeing dbt's objects one by one takes 0.7 s.
    sys.stderr.flush()
    os._exit(code)
