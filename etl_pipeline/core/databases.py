"""The three databases of a run, and connections on loan from their pools."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

import psycopg
import pymysql
from pymysql.connections import Connection
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from etl_pipeline.core.cancellation import GRACE_SECONDS, Cancellation
from etl_pipeline.core.connections import liveness_of
from etl_pipeline.core.driver_errors import (
    find_place,
    is_passing,
    is_privilege,
    note_held,
    note_place,
)
from etl_pipeline.core.lock_holders import find_held, waited_in_vain
from etl_pipeline.core.orphans import end_orphan, kill_query
from etl_pipeline.core.source_connection import SourceConnection
from etl_pipeline.errors import DatabaseError, EtlError


@dataclass(frozen=True, slots=True)
class Databases:
    """Engines of the three databases.

    Attributes:
        schema: The schema of *analytics* that is loaded, ``raw``.
    """

    source: Engine
    replication: Engine
    analytics: Engine
    schema: str

    def check_alive(self) -> None:
        """Raise DatabaseError if one of the servers was silent just now, and still is.

        So what is left to do is not begun, instead of waiting for the server again and again.
        """
        for engine, name in self.named():
            if not liveness_of(engine).is_alive():
                raise DatabaseError(
                    "the server has fallen silent; not begun",
                    where=place_of(engine, name),
                    fix="find out what became of the server or of the network, then run again",
                )

    def named(self) -> tuple[tuple[Engine, str], ...]:
        """Each engine with the name of its database."""
        return (
            (self.source, "source"),
            (self.replication, "replication"),
            (self.analytics, "analytics"),
        )

    def dispose(self) -> None:
        """Close every connection in the pools."""
        for engine, _ in self.named():
            engine.dispose()


def place_of(engine: Engine, name: str) -> str:
    """Return the address of the database called *name*, for a message."""
    url = engine.url
    return f"{name} {url.host}:{url.port}/{url.database}"


@contextlib.contextmanager
def _noting_place(engine: Engine) -> Iterator[None]:
    """Note on a driver's error that it came from the database of *engine*, and whose session."""
    try:
        yield
    except (pymysql.err.Error, psycopg.Error, SQLAlchemyError) as error:
        note_circumstances(error, engine)
        raise


def note_circumstances(error: BaseException, engine: Engine) -> None:
    """Note on a driver's *error* that it came from the database of *engine*, and what explains it.

    That is whose session it was where it lacks a privilege, and who may hold a lock that did not
    go: asked over another connection, where one is to be had.
    """
    place = find_place(engine)
    with contextlib.suppress(SQLAlchemyError, EtlError):
        if is_privilege(error) and engine.dialect.name == "mysql":
            with engine.connect() as other:
                account = str(other.exec_driver_sql("SELECT CURRENT_USER()").scalar_one())
            place = replace(place, account=account)
    is_its = note_place(error, place)
    # Sessions of the source are not ours to end.
    if is_its and place.name != "source" and waited_in_vain(error):
        with contextlib.suppress(SQLAlchemyError, EtlError), engine.connect() as other:
            held = find_held(other, place)
            note_held(error, held.what, held.fix)


@contextlib.contextmanager
def lend_mysql(engine: Engine, stop: Cancellation) -> Iterator[Connection[Any]]:
    """Lend a connection of PyMySQL from the pool; a stop kills its statement.

    After an error the connection is closed: what is unread or uncommitted on it is nobody's. When
    it was lost, its statement is ended at the server before the error goes on, so that a retry
    does not run beside it.
    """
    with _noting_place(engine):
        lent = engine.raw_connection()
    connection: Any = lent.driver_connection
    thread_id = connection.thread_id()

    def kill() -> None:
        with engine.connect() as other:
            kill_query(other, thread_id)

    try:
        with (
            stop.cancelling(kill, _name_session(engine, thread_id)),
            _noting_place(engine),
        ):
            yield connection
    except BaseException as error:
        lent.invalidate()
        # A server that is gone or silent altogether ends nothing.
        if is_passing(error) and not (liveness_of(engine).is_silent or stop.is_requested):
            with contextlib.suppress(SQLAlchemyError), engine.connect() as other:
                end_orphan(other, thread_id, clock=time.monotonic, sleep=time.sleep)
        raise
    else:
        lent.close()


@contextlib.contextmanager
def lend_source(engine: Engine, stop: Cancellation) -> Iterator[SourceConnection]:
    """Lend a connection to the source, as ``lend_mysql`` does."""
    with lend_mysql(engine, stop) as connection:
        yield cast("SourceConnection", connection)


@contextlib.contextmanager
def lend_postgres(engine: Engine, stop: Cancellation) -> Iterator[psycopg.Connection[Any]]:
    """Lend a connection of psycopg from the pool; a stop cancels its statement."""
    with _noting_place(engine):
        lent = engine.raw_connection()
    connection: Any = lent.driver_connection

    def cancel() -> None:
        connection.cancel_safe(timeout=GRACE_SECONDS)

    try:
        what = _name_session(engine, connection.info.backend_pid)
        with stop.cancelling(cancel, what), _noting_place(engine):
            yield connection
    except BaseException:
        lent.invalidate()
        raise
    else:
        lent.close()


def _name_session(engine: Engine, number: int) -> str:
    url = engine.url
    return f"session {number} of {url.host}:{url.port}/{url.database}"
