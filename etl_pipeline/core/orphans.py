"""Ending a statement at the server whose client has lost it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from etl_pipeline.core.driver_errors import read_meaning
from etl_pipeline.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection

PATIENCE_SECONDS = 10.0
POLL_SECONDS = 0.1
# "No such thread" and "not the owner of the thread": the number belongs to nobody or to others.
_GONE_CODES = ("1094", "1095")


def read_server_id(connection: Connection) -> int | None:
    """The number by which the server knows *connection*, without asking it.

    None where the driver does not tell, or there is no server.
    """
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "postgresql":
        number = getattr(getattr(driver, "info", None), "backend_pid", None)
    else:
        number = getattr(driver, "thread_id", None)
    number = number() if callable(number) else number
    return number if isinstance(number, int) else None


def end_orphan(
    connection: Connection,
    server_id: int,
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    """Return once session *server_id* no longer executes anything, ending it if it does.

    Rolls back on *connection*, which is another session of the same user.

    Raises:
        DatabaseError: It still runs after ``PATIENCE_SECONDS``.
    """
    is_postgres = connection.dialect.name == "postgresql"
    end, is_running = (
        (_end_postgres, _is_running_postgres) if is_postgres else (kill_query, _is_running_mysql)
    )
    give_up = clock() + PATIENCE_SECONDS
    end(connection, server_id)
    while is_running(connection, server_id):
        connection.rollback()
        if clock() >= give_up:
            raise DatabaseError(
                "a statement of a lost connection still runs, so it was not sent again",
                where=f"session {server_id}",
                fix="end that session at the server, then run again",
            )
        sleep(POLL_SECONDS)
    connection.rollback()


def kill_query(connection: Connection, server_id: int) -> None:
    """End the statement of MySQL session *server_id*; one that is gone needs no ending."""
    try:
        connection.exec_driver_sql(f"KILL QUERY {server_id:d}")
    except DBAPIError as error:
        if read_meaning(error)[1] not in _GONE_CODES:
            raise


def _is_running_mysql(connection: Connection, server_id: int) -> bool:
    rows = connection.exec_driver_sql("SHOW PROCESSLIST").mappings()
    return any(row["Id"] == server_id and is_at_work(row) for row in rows)


def is_at_work(row: Mapping[Any, Any]) -> bool:
    """True if the session of this row of ``SHOW PROCESSLIST`` executes a statement.

    MariaDB shows one that was killed as ``Killed`` until it has noticed, with its statement, and
    then as ``Query`` while it rolls back.
    """
    is_ending = row["Command"] == "Killed" and row["Info"] is not None
    return is_ending or row["Command"] in ("Query", "Prepare", "Execute")


_END_POSTGRES = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE pid = :pid AND usename = current_user"
)
_RUNNING_POSTGRES = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE pid = :pid AND usename = current_user AND state <> 'idle'"
)


def _end_postgres(connection: Connection, server_id: int) -> None:
    connection.execute(_END_POSTGRES, {"pid": server_id})
    # What pg_stat_activity shows is fixed for a transaction.
    connection.rollback()


def _is_running_postgres(connection: Connection, server_id: int) -> bool:
    return bool(connection.execute(_RUNNING_POSTGRES, {"pid": server_id}).scalar_one())
