"""One connection for a batch of statements: spaced out, retried where that is safe."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential, wait_random

from etl_pipeline.core.driver_errors import (
    explain,
    find_place,
    is_passing,
    note_place,
    read_meaning,
)
from etl_pipeline.core.orphans import end_orphan, read_server_id
from etl_pipeline.core.source_guard import is_reading
from etl_pipeline.errors import DatabaseError, LostWorkError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from sqlalchemy import Connection, CursorResult, Engine
    from tenacity import RetryCallState

logger = logging.getLogger("etl_pipeline.core")


@dataclass(frozen=True)
class Pace:
    """Rests and retries of a manager.

    Attributes:
        spacing_seconds: Least time between the starts of two statements; 0 turns it off.
        attempts: How often a statement is sent in all.
        first_wait_seconds: Wait before the second attempt; each further wait is twice the last.
        jitter_seconds: Up to so much is added to each wait, at random.
    """

    spacing_seconds: float = 0.1
    attempts: int = 3
    first_wait_seconds: float = 1.0
    jitter_seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError("attempts is below 1")
        if min(self.spacing_seconds, self.first_wait_seconds, self.jitter_seconds) < 0:
            raise ValueError("a time is below 0")


class ConnectionManager:
    """A context manager around one connection of *engine*, opened with the first statement.

    Statements run in a transaction that the caller ends with :meth:`commit`; leaving the ``with``
    block rolls back what was not committed. One thread at a time.

    Args:
        engine: Stays the caller's; it is not disposed of.
        pace: Spacing and retries.
        clock: Monotonic seconds.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        engine: Engine,
        pace: Pace | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._engine = engine
        self._pace = pace or Pace()
        self._clock = clock
        self._sleep = sleep
        self._connection: Connection | None = None
        self._server_id: int | None = None
        self._orphan: int | None = None
        self._last_start: float | None = None
        self._has_work = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def execute_with_retry(
        self, sql: str, params: Mapping[str, Any] | None = None
    ) -> CursorResult[Any]:
        """Run *sql*, again after a fault that can pass, on a fresh connection.

        The statement of a lost connection is known to be dead before it is sent again.

        Args:
            sql: One statement. Without *params* it is sent as it is, ``%`` and ``:`` included.
            params: Values of ``:name`` in *sql*.

        Raises:
            LostWorkError: The connection held uncommitted work, which is gone.
            DatabaseError: A lasting fault, or the last attempt failed.
        """
        retrying = Retrying(
            stop=stop_after_attempt(self._pace.attempts),
            wait=wait_exponential(multiplier=self._pace.first_wait_seconds)
            + wait_random(0, self._pace.jitter_seconds),
            retry=retry_if_exception(_may_retry),
            sleep=self._sleep,
            before_sleep=_log_retry,
            reraise=True,
        )
        try:
            return retrying(self._attempt, sql, params)
        except SQLAlchemyError as error:
            note_place(error, find_place(self._engine))
            raise explain(error, self._where()) from error

    def commit(self) -> None:
        """Commit; with no statement since the last time, do nothing.

        Raises:
            LostWorkError: The connection was lost, so nobody knows whether it was committed.
            DatabaseError: The server refused.
        """
        if self._connection is None:
            return
        try:
            self._connection.commit()
        except DBAPIError as error:
            had_work = self._has_work
            self._drop_connection(may_run_on=_is_connection_gone(error))
            if had_work and _is_passing(error):
                raise self._lost("the connection was lost while committing") from error
            note_place(error, find_place(self._engine))
            raise explain(error, self._where()) from error
        self._has_work = False

    def rollback(self) -> None:
        """Roll back what was not committed; a lost connection has done so already."""
        self._has_work = False
        if self._connection is None:
            return
        try:
            self._connection.rollback()
        except DBAPIError as error:
            self._drop_connection(may_run_on=_is_connection_gone(error))

    def close(self) -> None:
        """Roll back and give the connection back; the manager may be used again.

        A statement that was left running at the server is ended, as far as that is possible.
        """
        self.rollback()
        if self._orphan is not None:
            with suppress(SQLAlchemyError, DatabaseError):
                self._get_connection()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _attempt(self, sql: str, params: Mapping[str, Any] | None) -> CursorResult[Any]:
        self._wait_for_turn()
        reads, unprotected = is_reading(sql), False
        try:
            connection = self._get_connection()
            unprotected = not reads and _is_autocommit(connection)
            result = _send(connection, sql, params)
        except DBAPIError as error:
            if _is_passing(error):
                had_work = self._has_work
                self._drop_connection(may_run_on=_is_connection_gone(error))
                if had_work:
                    raise self._lost("a fault ended a transaction with uncommitted work") from error
                if unprotected and _is_connection_gone(error):
                    raise self._lost("the connection was lost during a statement") from error
            raise
        except BaseException as error:
            if not isinstance(error, Exception):  # Ctrl-C: the server knows nothing of it
                self._drop_connection(may_run_on=True)
            raise
        self._has_work |= not reads and not unprotected
        return result

    def _wait_for_turn(self) -> None:
        if self._last_start is not None:
            rest = self._last_start + self._pace.spacing_seconds - self._clock()
            if rest > 0:
                self._sleep(rest)
        self._last_start = self._clock()

    def _get_connection(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
            self._server_id = read_server_id(self._connection)
        if self._orphan is not None:
            end_orphan(self._connection, self._orphan, clock=self._clock, sleep=self._sleep)
            self._orphan = None
        return self._connection

    def _drop_connection(self, *, may_run_on: bool) -> None:
        """Part with a connection; with *may_run_on*, the server may still work on a statement."""
        connection, self._connection = self._connection, None
        self._has_work = False
        if connection is None:
            return
        if self._orphan is None and may_run_on:
            self._orphan = self._server_id
            if self._server_id is None:
                logger.warning(
                    "%s: the driver %s does not tell the session's number, so a statement that was "
                    "lost is not ended at the server before the next one",
                    self._where(),
                    self._engine.driver,
                )
        with suppress(SQLAlchemyError):
            connection.invalidate()
        with suppress(SQLAlchemyError):
            connection.close()

    def _lost(self, what: str) -> LostWorkError:
        return LostWorkError(
            f"{what}; it was not repeated", where=self._where(), fix="start the whole step again"
        )

    def _where(self) -> str:
        return str(find_place(self._engine))


def create_connection_manager(
    engine: Engine,
    *,
    spacing_seconds: float = Pace.spacing_seconds,
    attempts: int = Pace.attempts,
    first_wait_seconds: float = Pace.first_wait_seconds,
    jitter_seconds: float = Pace.jitter_seconds,
) -> ConnectionManager:
    """Return a manager for a batch of statements; the arguments are those of :class:`Pace`."""
    return ConnectionManager(
        engine, Pace(spacing_seconds, attempts, first_wait_seconds, jitter_seconds)
    )


def _send(connection: Connection, sql: str, params: Mapping[str, Any] | None) -> CursorResult[Any]:
    if params is None:
        return connection.exec_driver_sql(sql, execution_options={"no_parameters": True})
    return connection.execute(text(sql), dict(params))


def _is_autocommit(connection: Connection) -> bool:
    driver: Any = connection.connection.driver_connection
    if hasattr(driver, "get_autocommit"):
        return bool(driver.get_autocommit())
    return getattr(driver, "autocommit", False) is True  # of sqlite3 it may be a number, too


def _is_connection_gone(error: DBAPIError) -> bool:
    # Of drivers whose errors are not known here SQLAlchemy knows which end a connection.
    return error.connection_invalidated or read_meaning(error)[0].is_connection_gone


def _may_retry(error: BaseException) -> bool:
    return isinstance(error, DBAPIError) and _is_passing(error)


def _is_passing(error: DBAPIError) -> bool:
    return error.connection_invalidated or is_passing(error)


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    what, code = read_meaning(error) if error else (None, "")
    logger.warning(
        "retry: %s (%s), attempt %d, waiting %.1f s",
        what.what if what else "",
        code,
        state.attempt_number,
        state.upcoming_sleep,
    )
