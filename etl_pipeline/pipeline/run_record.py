"""The record of a run in the warehouse, and the connection that holds the lock of runs."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from etl_pipeline.core.databases import Databases, lend_mysql, note_circumstances, place_of
from etl_pipeline.core.driver_errors import explain
from etl_pipeline.errors import DatabaseError, StoppedError
from etl_pipeline.pipeline.replication_server import take_over
from etl_pipeline.pipeline.session import Session
from etl_pipeline.pipeline.table_worker import explain_failure
from etl_pipeline.schema.names import quote_postgres
from etl_pipeline.state import runs, warehouse
from etl_pipeline.state.records import Lease, Selection, TableOutcome

log = logging.getLogger(__name__)


class RecordConnection:
    """A connection to the warehouse, in autocommit mode, that is replaced when it was lost.

    It writes the records of a run and holds the lock of runs. Use it in a ``with`` block. The
    connection is closed at its end, not given back to the pool: the lock of a run must not outlive
    the run. A driver's error that leaves the block becomes a DatabaseError of the warehouse.
    """

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        self._lent = contextlib.ExitStack()
        self._connection: psycopg.Connection | None = None

    def __enter__(self) -> RecordConnection:
        """Connect, and create the schemas where they are missing."""
        try:
            self._connect()
        except BaseException:
            self._lent.close()
            raise
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._lent.close()
        if isinstance(error, psycopg.Error | SQLAlchemyError):
            note_circumstances(error, self._databases.analytics)
            raise explain(error, place_of(self._databases.analytics, "analytics")) from error

    @property
    def connection(self) -> psycopg.Connection:
        """The connection as it is, alive or not."""
        if self._connection is None:
            raise RuntimeError("used outside its block")
        return self._connection

    def ensure_connected(self) -> psycopg.Connection:
        """Return the connection; where it was lost, a new one that holds the lock of runs again.

        Raises:
            DatabaseError: Another run has taken the lock meanwhile, or the server is away.
        """
        try:
            self.connection.execute("SELECT 1")
        except psycopg.OperationalError:
            log.warning("analytics: the connection that held the run's lock was lost; made again")
            try:
                runs.lock_runs(self._connect())
            except (psycopg.Error, SQLAlchemyError) as error:
                raise explain(error, place_of(self._databases.analytics, "analytics")) from error
        return self.connection

    def _connect(self) -> psycopg.Connection:
        self._connection = self._lent.enter_context(_lend(self._databases))
        _create_schemas(self._databases, self._connection)
        return self._connection


@contextlib.contextmanager
def _lend(databases: Databases) -> Iterator[psycopg.Connection]:
    lent = databases.analytics.raw_connection()
    connection: Any = lent.driver_connection
    try:
        connection.rollback()
        connection.autocommit = True
        yield connection
    finally:
        lent.invalidate()


def _create_schemas(databases: Databases, connection: psycopg.Connection) -> None:
    url, place = databases.analytics.url, place_of(databases.analytics, "analytics")
    try:
        warehouse.open_state(connection)
        warehouse.ensure_schema(connection, databases.schema)
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseError(
            f"the user may not create the schemas etl and {databases.schema}, or not write there",
            where=place,
            fix=f"GRANT CREATE ON DATABASE {quote_postgres(url.database or '')} "
            f"TO {quote_postgres(url.username or '')}",
        ) from error
    except psycopg.Error as error:
        note_circumstances(error, databases.analytics)
        raise explain(error, place) from error


@dataclass(slots=True)
class RecordedRun:
    """A run in progress, whose tables are recorded one after the other.

    Attributes:
        has_failed: True once a table has failed.
    """

    records: RecordConnection
    lease: Lease
    has_failed: bool = False

    def record(self, outcome: TableOutcome) -> None:
        """Record what became of a table, and commit."""
        warehouse.record_table(self.records.ensure_connected(), self.lease.run_id, outcome)
        self.has_failed = self.has_failed or outcome.error is not None


@contextlib.contextmanager
def record_run(
    session: Session, records: RecordConnection, tables: Sequence[str], what: str
) -> Iterator[RecordedRun]:
    """Record the block as a run that owns the replicas until it ends, and how it ended.

    Args:
        session: The databases.
        records: Holds the lock of runs.
        tables: What was asked for.
        what: What the history says instead of a strategy: a repair, a backfill.

    Raises:
        DatabaseError: Another run has taken over.
    """
    lease = runs.start_run(
        records.connection, Selection(tuple(tables)), session.security, what=what
    ).lease
    run = RecordedRun(records, lease)
    outcome = "stopped"
    try:
        with lend_mysql(session.databases.replication, session.stop) as replication:
            take_over(replication, lease)
        with runs.beating(lambda: records.connection, lease.run_id):
            yield run
        outcome = "failed" if run.has_failed else "succeeded"
    finally:
        runs.finish_run(records.ensure_connected(), lease.run_id, outcome)


@contextlib.contextmanager
def time_table(outcome: TableOutcome, session: Session) -> Iterator[None]:
    """Time what is done to a table; an error ends the block, and *outcome* explains it.

    Raises:
        StoppedError: The user pressed Ctrl-C.
    """
    started = time.monotonic()
    try:
        yield
    except StoppedError:
        raise
    except Exception as error:
        failure = explain_failure(error, outcome.table, session)
        outcome.error, outcome.fix = failure.what, failure.fix
    outcome.seconds = time.monotonic() - started
