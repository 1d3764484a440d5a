"""The driver's connection to PostgreSQL, whose waits end when the server is silent."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import psycopg
from psycopg import waiting

from etl_pipeline.core import liveness
from etl_pipeline.core.liveness import Liveness, SessionReport, SilentError, Wait
from etl_pipeline.core.lock_holders import note_own

Result = TypeVar("Result")

CANCEL_SECONDS = 1.0
"""Time limit for the server to take a request to cancel, after Ctrl-C."""
_SESSIONS = (
    "SELECT pid, wait_event IS NULL OR wait_event NOT IN ('ClientRead', 'ClientWrite') "
    "FROM pg_stat_activity WHERE usename = current_user"
)


class PostgresConnection(psycopg.Connection[Any]):
    """A connection of psycopg that checks for a silent server and a stop while it waits.

    Attributes:
        watch: Tells whether the server is alive; shared by the connections to it.
        limit: Seconds after which a wait ends, whatever the server says; None for no limit.
    """

    watch: Liveness = Liveness()
    limit: float | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Have *gen* done, as psycopg does; it ends when the server is silent.

        Ctrl-C cancels what the server does and closes the connection, without waiting for the
        server to say that it has understood: one that is silent never says it.

        Raises:
            psycopg.OperationalError: The server is silent, or a stop was requested a while ago.
        """
        try:
            watched: Any = _watch(gen, self._begin_wait)
            return waiting.wait(watched, self.pgconn.socket, interval=interval, timeout=timeout)
        except (SilentError, TimeoutError) as error:
            self.close()
            raise psycopg.OperationalError("connection lost") from error
        except KeyboardInterrupt:
            with contextlib.suppress(Exception):
                self.cancel_safe(timeout=CANCEL_SECONDS)
            self.close()
            raise

    def _begin_wait(self) -> Wait:
        return Wait(self.watch, self.pgconn.backend_pid, self.limit)


def connect_postgres(watch: Liveness, **parameters: Any) -> PostgresConnection:
    """Connect with *watch* over each wait; *parameters* as for ``psycopg.connect``."""
    try:
        connection = PostgresConnection.connect(**parameters)
    except psycopg.errors.ConnectionTimeout:
        watch.note_silence()
        raise
    watch.note_life()
    connection.watch = watch
    info = connection.info
    note_own(connection, str(parameters.get("host")), info.port, info.backend_pid)
    return connection


def ask_postgres(connect: Callable[[], PostgresConnection]) -> SessionReport | None:
    """Ask a server for its user's sessions; None if it does not answer.

    Args:
        connect: Makes a connection that does not wait long.
    """
    try:
        with contextlib.closing(connect()) as connection:
            connection.limit = liveness.PROBE_SECONDS
            own = connection.info.backend_pid
            rows = connection.execute(_SESSIONS).fetchall()
    except psycopg.errors.ConnectionTimeout:
        return None
    except psycopg.Error as error:
        # Else it has answered, or TCP tells those who wait that nobody is there.
        return None if isinstance(error.__cause__, OSError) else SessionReport()
    working = frozenset(session for session, is_at_work in rows if is_at_work)
    return SessionReport(working, own in {session for session, _ in rows})


def _watch(
    gen: Generator[int, int, Result], begin: Callable[[], Wait]
) -> Generator[int, int, Result]:
    """*gen*, with a tick of a wait for each time that it is told that nothing has come."""
    wait: Wait | None = None
    try:
        state = next(gen)
        while True:
            ready = yield state
            if ready:
                wait = None
            else:
                wait = wait or begin()
                wait.tick()
            state = gen.send(ready)
    except StopIteration as end:
        result: Result = end.value
        return result
