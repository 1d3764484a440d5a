"""The sessions of runs in both targets: each bears a mark, by which the next run ends what is left.

A client that vanished leaves its sessions behind, with open transactions and their locks. The mark
is a named lock of MySQL, a shared advisory lock of PostgreSQL: it lives as long as the session, so
a number that the server gives to somebody else later misleads nobody.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from collections.abc import Sequence
from typing import Any

import psycopg
import pymysql
from pymysql.connections import Connection
from pymysql.constants import ER
from sqlalchemy import Engine, event

from etl_pipeline.core.lock_holders import list_own, note_own

log = logging.getLogger(__name__)

ENDING_SECONDS = 10.0
"""How long sessions may take to undo what they had begun; then their locks are waited for."""
_POLL_SECONDS = 0.1
_IS_MARKED = "etl_is_marked"
_ADVISORY = 7_305_438_871_402_196  # an arbitrary number that is ours; the lock of runs is another
# A lock's name has 64 characters at most, a database's as many.
_MARK = "CONCAT('etl_pipeline:', LEFT(SHA2(DATABASE(), 256), 24), ':', {})"
_GONE = (ER.NO_SUCH_THREAD, ER.KILL_DENIED_ERROR)
"""The session has ended, or is another user's."""


def mark_sessions(replication: Engine, analytics: Engine) -> None:
    """Have each session that the engines lend from now on bear the mark of a run.

    A command that is to hold the lock of runs does so once both servers have let it in: what it
    reads before it holds the lock is read in transactions, too, which lock tables against DDL.
    """
    for engine, statement in (
        (
            replication,
            f"SELECT CONNECTION_ID(), GET_LOCK({_MARK.format('CONNECTION_ID()')}, 0)",
        ),
        (analytics, f"SELECT pg_backend_pid(), pg_try_advisory_lock_shared({_ADVISORY})"),
    ):
        event.listen(engine, "checkout", functools.partial(_mark, statement))


def _mark(statement: str, connection: Any, record: Any, _lent: Any) -> None:
    if record.info.get(_IS_MARKED):
        return
    with connection.cursor() as cursor, _where_locks_are_known():
        cursor.execute(statement)
        # Behind a proxy or a pooler it is another number than the driver was told.
        note_own(connection, *_place(connection), cursor.fetchone()[0])
    connection.rollback()
    record.info[_IS_MARKED] = True


def _place(connection: Connection[Any] | psycopg.Connection[Any]) -> tuple[str, int]:
    at = connection.info if isinstance(connection, psycopg.Connection) else connection
    return str(at.host), int(at.port)


def end_left_loaders(connection: psycopg.Connection) -> None:
    """End the sessions in the warehouse that bear the mark, as far as the user may.

    Those of this process stay.
    """
    end_holders(connection, _ADVISORY)


def end_holders(connection: psycopg.Connection, lock: int) -> None:
    """End the sessions that hold the advisory *lock*, as far as the user may.

    Those of this process stay.
    """
    connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND pid <> ALL(%s) "
        "AND pg_has_role(usesysid, 'USAGE') AND pid IN ("
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
        "AND ((classid::bigint << 32) | objid::bigint) = %s)",
        (list(list_own(*_place(connection))), lock),
    )


def end_left_sessions(connection: Connection[Any]) -> None:
    """End the sessions in the database of *connection* that bear the mark.

    Those of this process stay. The run that calls this holds the lock of runs, so whoever the
    others were of has lost it, or does not get it.

    Args:
        connection: Of PyMySQL, with nothing under way.
    """
    with connection.cursor() as cursor, _where_locks_are_known():
        cursor.execute("SELECT CONNECTION_ID()")
        own = {*cursor.fetchone(), *list_own(*_place(connection))}
        cursor.execute("SHOW PROCESSLIST")
        there = [int(row[0]) for row in cursor.fetchall()]
        left = _find_marked(cursor, [session for session in there if session not in own])
        for session in left:
            try:
                cursor.execute(f"KILL {session:d}")
            except pymysql.err.MySQLError as error:
                if error.args[0] not in _GONE:
                    raise
        give_up = time.monotonic() + ENDING_SECONDS
        still = left
        while still and time.monotonic() < give_up:
            time.sleep(_POLL_SECONDS)
            still = _find_marked(cursor, still)
    connection.rollback()
    if left:
        log.info("replication: sessions that an earlier run had left were ended: %d", len(left))


def _find_marked(cursor: Any, sessions: Sequence[int]) -> list[int]:
    """Those of *sessions* that bear the mark."""
    if not sessions:
        return []
    asked = ", ".join(f"IS_USED_LOCK({_MARK.format(f'{session:d}')})" for session in sessions)
    cursor.execute(f"SELECT {asked}")
    return [
        session
        for session, holder in zip(sessions, cursor.fetchone(), strict=True)
        if holder == session
    ]


@contextlib.contextmanager
def _where_locks_are_known() -> Any:
    """Do without marks where the server has none: a cluster of Galera refuses them."""
    try:
        yield
    except pymysql.err.MySQLError as error:
        if error.args[0] != ER.NOT_SUPPORTED_YET:
            raise
