"""What the servers' errors mean: the one place that reads error numbers and SQLSTATEs.

A server's own text often quotes values, so it is never read and never repeated; it stays in the
chain of causes that a traceback shows.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pymysql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from etl_pipeline.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Meaning:
    """What an error means to a user, and what it leaves behind.

    Attributes:
        what: In our words.
        fix: One line of advice.
        is_passing: Whether the same statement may succeed in a moment.
        is_connection_gone: Whether the server may still be working on what nobody waits for.
    """

    what: str
    fix: str
    is_passing: bool = False
    is_connection_gone: bool = False


_LOGIN = Meaning("the server refused the login", "check user and password in the .env_… file")
_NO_DATABASE = Meaning("there is no such database", "check the database's name in the .env_… file")
_DOWN = Meaning(
    "the server does not answer",
    "check host, port and that the server is running",
    is_passing=True,
)
_LOST = Meaning("the connection was lost", "run again", is_passing=True, is_connection_gone=True)
_FULL_HOUSE = Meaning(
    "the server takes no more connections", "lower pool_size, or wait", is_passing=True
)
_DATABASE_DENIED = Meaning(
    "the user may not use this database, or there is none of that name",
    "check the database's name in the .env_… file, and GRANT the user its privileges",
)
_PRIVILEGE = Meaning("the user lacks a privilege", "GRANT what the statement needs")
_NO_TABLE = Meaning("there is no such table", "check the name; the table may have been dropped")
_NO_COLUMN = Meaning("there is no such column", "the table may have changed: read it again")
_SYNTAX = Meaning("the server does not understand the statement", "report this as a defect")
_LOCKED = Meaning("the statement met a lock and gave way", "run again", is_passing=True)
_CHANGED = Meaning("the table changed under the statement", "run again", is_passing=True)
_FULL_DISK = Meaning("the server's disk is full", "free space on the server")
_TOO_LONG = Meaning(
    "the statement was ended at its time limit or cancelled",
    "ask who set a limit or cancelled it, then run again",
)
_OVER_LIMIT = Meaning(
    "the statement was ended at the source's time limit",
    "wait until the source is less busy, or raise source.max_seconds_per_statement in pipeline.yml",
)
_STOPPED = Meaning("somebody ended the statement at the server", "ask who, then run again")
_READ_ONLY = Meaning("the server or session is read-only", "write to a database of ours")
_NO_VARIABLE = Meaning(
    "the server does not know a setting that every session needs",
    "use MariaDB 10.1, MySQL 5.7.8 or later",
)
_KEY_REQUIRED = Meaning(
    "the server takes no table without a primary key",
    "SET GLOBAL sql_require_primary_key = OFF at the replication server, or exclude the table",
)
_NO_PREPARED = Meaning(
    "the server prepares no more statements, and rows are read by such",
    "SET GLOBAL max_prepared_stmt_count = 16382 at the server, which is its default",
)
_TLS = Meaning("the encrypted connection could not be made", "check ssl_mode and certificates")
_DOWN_OR_TLS = Meaning(
    "the server does not answer, or not with the encryption that is asked for",
    "check host, port, that the server is running, and ssl_mode with its files",
    is_passing=True,
)
_DEMANDING_SSL_MODES = (b"require", b"verify-ca", b"verify-full")
_CANNOT_CONNECT = Meaning(
    "the server answered and let nobody in",
    "check user, password and database in the .env_… file",
)
_POOL = Meaning("no connection of the pool was free in time", "raise pool_size or pool_timeout")
_VALUE = Meaning("a value does not fit the column", "compare the types of both sides")
_TWICE = Meaning("a key would stand twice", "look for rows that others wrote")
_OTHER = Meaning(
    "the server reported an error",
    "look the number up in the server's manual; --debug shows which step it was",
)

MYSQL: Final[Mapping[int, Meaning]] = {
    **dict.fromkeys((1045, 1698, 1862, 1820, 2059, 4151), _LOGIN),
    **dict.fromkeys((1049,), _NO_DATABASE),
    **dict.fromkeys((2002, 2003, 2005, 1053, 1129), _DOWN),
    **dict.fromkeys((0, 2006, 2013, 2055, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 4031), _LOST),
    **dict.fromkeys((1040, 1203), _FULL_HOUSE),
    **dict.fromkeys((1044,), _DATABASE_DENIED),
    **dict.fromkeys((1142, 1143, 1227, 1370), _PRIVILEGE),
    **dict.fromkeys((1146, 1051), _NO_TABLE),
    **dict.fromkeys((1054,), _NO_COLUMN),
    **dict.fromkeys((1064, 1149), _SYNTAX),
    **dict.fromkeys((1205, 1213, 3572), _LOCKED),
    **dict.fromkeys((1020, 1412, 1615), _CHANGED),
    **dict.fromkeys((1021, 1114, 3), _FULL_DISK),
    **dict.fromkeys((1969, 3024), _OVER_LIMIT),
    **dict.fromkeys((1317,), _STOPPED),
    **dict.fromkeys((1290, 1792, 1836), _READ_ONLY),
    **dict.fromkeys((1193,), _NO_VARIABLE),
    **dict.fromkeys((3750,), _KEY_REQUIRED),
    **dict.fromkeys((1461,), _NO_PREPARED),
    **dict.fromkeys((2026, 3159), _TLS),
    **dict.fromkeys((1062, 1586), _TWICE),
    **dict.fromkeys((1048, 1264, 1265, 1292, 1366, 1406), _VALUE),
}
POSTGRES: Final[Mapping[str, Meaning]] = {
    **dict.fromkeys(("28P01", "28000"), _LOGIN),
    **dict.fromkeys(("3D000",), _NO_DATABASE),
    **dict.fromkeys(("57P03", "08001", "08004"), _DOWN),
    **dict.fromkeys(("08000", "08003", "08006", "08007", "57P01", "57P02", "57P05"), _LOST),
    **dict.fromkeys(("53300",), _FULL_HOUSE),
    **dict.fromkeys(("42501",), _PRIVILEGE),
    **dict.fromkeys(("42P01",), _NO_TABLE),
    **dict.fromkeys(("42703",), _NO_COLUMN),
    **dict.fromkeys(("42601",), _SYNTAX),
    **dict.fromkeys(("40P01", "40001", "55P03"), _LOCKED),
    **dict.fromkeys(("53100",), _FULL_DISK),
    **dict.fromkeys(("57014", "25P04"), _TOO_LONG),
    **dict.fromkeys(("25006",), _READ_ONLY),
    **dict.fromkeys(("23505",), _TWICE),
}
_POSTGRES_CLASSES: Final[Mapping[str, Meaning]] = {"08": _LOST, "22": _VALUE}


def explain(error: BaseException, where: str) -> DatabaseError:
    """Our error for a driver's *error*, to be raised ``from`` it.

    Args:
        error: From PyMySQL, psycopg or SQLAlchemy; one of ours is given back as it is.
        where: Database, table or step concerned.
    """
    if isinstance(error, DatabaseError):
        return error
    meaning, code = read_meaning(error)
    what = f"{meaning.what} ({code})" if code else meaning.what
    return DatabaseError(what, where=where, fix=meaning.fix)


def is_passing(error: BaseException) -> bool:
    """Whether the fault may be gone in a moment; False where unsure."""
    return read_meaning(error)[0].is_passing


def is_too_long(error: BaseException) -> bool:
    """Whether a MySQL server ended the statement at the time limit of the session."""
    return read_meaning(error)[0] is _OVER_LIMIT


def read_meaning(error: BaseException) -> tuple[Meaning, str]:
    """What *error* means, and the number or SQLSTATE that says so, if there is one."""
    driver_error = _unwrap(error)
    if isinstance(driver_error, pymysql.err.Error):
        return _read_mysql(driver_error)
    if isinstance(driver_error, psycopg.Error):
        return _read_postgres(driver_error)
    if isinstance(driver_error, PoolTimeoutError):
        return _POOL, ""
    return _OTHER, type(driver_error).__name__


def _unwrap(error: BaseException) -> BaseException:
    if isinstance(error, DatabaseError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig
    return error


def _read_mysql(error: pymysql.err.Error) -> tuple[Meaning, str]:
    number = error.args[0] if error.args and isinstance(error.args[0], int) else None
    if number is None:
        return _OTHER, ""
    # PyMySQL reports a failed handshake as a server that cannot be reached.
    if isinstance(getattr(error, "original_exception", None), ssl.SSLError):
        return _TLS, str(number)
    return MYSQL.get(number, _OTHER), str(number)


def _read_postgres(error: psycopg.Error) -> tuple[Meaning, str]:
    state = error.sqlstate
    if state:
        return POSTGRES.get(state) or _POSTGRES_CLASSES.get(state[:2], _OTHER), state
    if not isinstance(error, psycopg.OperationalError):
        return _OTHER, type(error).__name__
    # libpq gives no SQLSTATE while connecting, but it knows whether a password was asked for.
    attempt: Any = error.pgconn
    if attempt is None:
        return _LOST, ""
    if attempt.used_password or attempt.needs_password:
        return _CANNOT_CONNECT, ""
    # Nor does it tell a server that is down from one whose certificate it did not like.
    modes = [option.val for option in attempt.info if option.keyword == b"sslmode"]
    return _DOWN_OR_TLS if modes[:1] and modes[0] in _DEMANDING_SSL_MODES else _DOWN, ""
