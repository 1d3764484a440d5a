"""One session and one transaction for everything that dbt sends, in dbt's process.

dbt opens a session for each of its threads and commits after each model, so each model would see
``raw`` at another instant, and a row that changes between two statements of a model could be lost.
Here ``psycopg2.connect`` gives dbt the same session again and again, in a transaction of isolation
level REPEATABLE READ: every model sees ``raw`` at one instant, and readers see all of a build or
nothing of it. What dbt commits is a savepoint that is released; what it rolls back is one to which
the transaction returns, so a model that fails takes nothing along.

An error is raised without the server's words where those could quote a row.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any

import psycopg2  # type: ignore[import-untyped]
import psycopg2.extensions  # type: ignore[import-untyped]

SAVEPOINT = "etl_node"


class OneTransaction:
    """A transaction that is shared by everybody who connects; made by ``begin``."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._lock = threading.RLock()
        self._is_in_node = False
        session.set_session(isolation_level="REPEATABLE READ")

    def cursor(self) -> Any:
        """Return a cursor for dbt."""
        cursor = self._session.cursor(cursor_factory=_Cursor)
        cursor.shared = self
        return cursor

    def execute(self, cursor: Any, send: Callable[[str], None], statement: str) -> None:
        """Send *statement* within a savepoint; COMMIT releases it."""
        with self._lock:
            if statement.strip().rstrip(";").upper() == "COMMIT":
                self._release(cursor)
                return
            if not self._is_in_node:
                self._send(f"SAVEPOINT {SAVEPOINT}")
                self._is_in_node = True
            try:
                send(statement)
            except psycopg2.Error as error:
                with contextlib.suppress(psycopg2.Error):
                    self.rollback()
                raise type(error)(describe_error(error)) from None

    def query(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Execute a statement of ours, outside of any node; return its rows."""
        with self._lock, self._session.cursor() as cursor:
            cursor.execute(statement, tuple(values) or None)
            return list(cursor.fetchall()) if cursor.description else []

    def rollback(self) -> None:
        """Undo what was sent since the last COMMIT of dbt."""
        with self._lock:
            if self._is_in_node:
                self._is_in_node = False
                self._send(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}; RELEASE SAVEPOINT {SAVEPOINT}")

    def commit(self) -> None:
        """End the transaction; everybody sees all of it."""
        self.rollback()
        self._session.commit()

    def cancel(self) -> None:
        """Cancel the statement that is at work; the transaction cannot be committed then."""
        self._session.cancel()

    def _release(self, cursor: Any) -> None:
        if self._is_in_node:
            self._is_in_node = False
            psycopg2.extensions.cursor.execute(cursor, f"RELEASE SAVEPOINT {SAVEPOINT}")

    def _send(self, statement: str) -> None:
        with self._session.cursor() as cursor:
            cursor.execute(statement)


class _Cursor(psycopg2.extensions.cursor):  # type: ignore[misc]
    """A cursor whose statements go through the shared transaction."""

    shared: OneTransaction

    def execute(self, statement: str, values: Any = None) -> None:
        """Send *statement*, as ``OneTransaction.execute`` does."""

        def send(text: str) -> None:
            psycopg2.extensions.cursor.execute(self, text, values)

        self.shared.execute(self, send, statement)


class Handle:
    """A connection for dbt that is none of its own: closing it ends nothing but its node."""

    def __init__(self, shared: OneTransaction) -> None:
        self._shared = shared
        self.closed = 0

    def cursor(self, *_: Any, **__: Any) -> Any:
        """Return a cursor."""
        return self._shared.cursor()

    def rollback(self) -> None:
        """Undo what the node has sent."""
        self._shared.rollback()

    def close(self) -> None:
        """Undo what the node has sent and not committed; the session stays."""
        self._shared.rollback()
        self.closed = 1


def describe_error(error: Any) -> str:
    """Describe an error of the server without values of rows.

    SQLSTATE class 42 is about the statement: names, types, syntax. Class ET is ours. Any other
    message may quote a row, so only the name of its SQLSTATE is given.
    """
    code = error.pgcode or ""
    if code[:2] in ("42", "ET"):
        return f"{error.diag.message_primary} (SQLSTATE {code})"
    name = re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__).lower()
    return f"{name} (SQLSTATE {code})" if code else name
