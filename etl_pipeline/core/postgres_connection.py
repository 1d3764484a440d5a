"""``PostgresConnection``: psycopg's connection, whose waits end when the server is silent.

Every call that waits (connect excepted) passes ``PostgresConnection.wait``. See
:mod:`etl_pipeline.core.liveness` for when a wait is given up.
"""

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
"""Time limit to send the cancel request after Ctrl-C."""
_SESSIONS = (
    "SELECT pid, wait_event IS NULL OR wait_event NOT IN ('ClientRead', 'ClientWrite') "
    "FROM pg_stat_activity WHERE usename = current_user"
)


class PostgresConnection(psycopg.Connection[Any]):
    """A connection of psycopg that checks for a silent server and a stop while it waits.

    Attributes:
        watch: Liveness of the server; shared by the connections to it.
        limit: Seconds after which a wait ends, whatever the server says; None for no limit.
    """

    watch: Liveness = Liveness()
    limit: float | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Override psycopg's wait for the generator *gen*; give up when the server is silent.

        Ctrl-C sends a cancel request and closes the connection. It does not wait for the server to
        confirm, as psycopg does: a silent server never confirms.

        Raises:
            psycopg.OperationalError: The server is silent, or a stop was requested a while ago.
        """
        try:
            watched: Any = _tick_while_waiting(gen, self._begin_wait)
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
    """Connect and tell *watch* if the server answered; *parameters* as for ``psycopg.connect``.

    Raises:
        psycopg.OperationalError: As ``psycopg.connect``; ``connect_timeout`` bounds this wait.
    """
    try:
        connection = PostgresConnection.connect(**parameters)
    except psycopg.errors.ConnectionTimeout:
        watch.note_silence()
        raise
    watch.note_answer()
    connection.watch = watch
    info = connection.info
    note_own(connection, str(parameters.get("host")), info.port, info.backend_pid)
    return connection


def probe_postgres(connect: Callable[[], PostgresConnection]) -> SessionReport | None:
    """Ask a server which of its user's sessions are at work; return None if it does not answer.

    Args:
        connect: Logs in, with a short time limit.
    """
    try:
        with contextlib.closing(connect()) as connection:
            connection.limit = liveness.PROBE_SECONDS
            own = connection.info.backend_pid
            rows = connection.execute(_SESSIONS).fetchall()
    except psycopg.errors.ConnectionTimeout:
        return None
    except psycopg.Error as error:
        # A wait that was given up has an OSError as its cause: silence. Any other error is an
        # answer, or comes from TCP, which then ends the waiting connection as well.
        return None if isinstance(error.__cause__, OSError) else SessionReport()
    working = frozenset(session for session, is_at_work in rows if is_at_work)
    return SessionReport(working, own in {session for session, _ in rows})


def _tick_while_waiting(
    gen: Generator[int, int, Result], begin: Callable[[], Wait]
) -> Generator[int, int, Result]:
    """Wrap psycopg's generator *gen*: call ``Wait.tick`` each time that nothing was ready.

    psycopg sends 0 into the generator after each interval without an event on the socket.
    """
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
