"""Explanation of drivers' errors by number or SQLSTATE, never by the server's text.

That text often quotes values, so it is never read and never repeated; it stays in the chain of
causes that a traceback shows. What the number does not tell is noted on the error where it is
known: the database that it came from (``note_place``), and what was found out about a connection
that could not be made (``note_finding``).
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psycopg
import pymysql
from pymysql.constants import CR
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from etl_pipeline.core.error_meaning import (
    CLEARTEXT,
    CONNECTION_LOST,
    INSUFFICIENT_PRIVILEGE,
    POOL_EXHAUSTED,
    SERVER_DOWN,
    SERVER_SILENT,
    TLS,
    UNKNOWN_ERROR,
    ErrorMeaning,
)
from etl_pipeline.core.grant_statements import (
    grant_on_schema,
    grant_replication,
    grant_source,
    mysql_account,
)
from etl_pipeline.core.liveness import SilentError
from etl_pipeline.core.mysql_errors import (
    BROKEN_OFF,
    MEANING_OF_ERROR_NUMBER,
    OVER_LIMIT,
    TARGET_LIMIT,
)
from etl_pipeline.core.postgres_errors import MEANING_OF_SQLSTATE, MEANING_OF_SQLSTATE_CLASS
from etl_pipeline.core.reachability import (
    PortAnswer,
    classify_connect_error,
    explain_answer,
    read_tls_fault,
)
from etl_pipeline.errors import DatabaseError
from etl_pipeline.schema.names import quote_mysql, quote_postgres

if TYPE_CHECKING:
    from sqlalchemy import Engine

_DATABASES = ("source", "replication", "analytics")


@dataclass(frozen=True)
class ErrorPlace:
    """The connection that an error came from.

    Attributes:
        name: ``source``, ``replication`` or ``analytics``.
        account: The user as its server lists it (``etl_reader@%``), or as we log in.
        schema: Of analytics, the one that is loaded.
    """

    name: str
    host: str
    port: int
    database: str
    account: str
    schema: str = "raw"

    def __str__(self) -> str:
        return f"{self.name} {self.host}:{self.port}/{self.database}"


@dataclass(frozen=True)
class LoginFinding:
    """The cause of a failed login, as far as it was found out.

    Attributes:
        answer: What answers there; None where it was not asked.
        sqlstate: PostgreSQL's reason; None where it gave none.
        tls_fault: Why TLS failed; None where it did not.
        kept_password: Whether the server asked for the password itself, and did not get it.
    """

    answer: PortAnswer | None = None
    sqlstate: str | None = None
    tls_fault: str | None = None
    kept_password: bool = False


PLACE_OPTION: Final = "etl_place"
"""The execution option of an engine that holds its Place."""


def find_place(engine: Engine) -> ErrorPlace:
    """Return where *engine* connects to, and which database that is if we made it."""
    known: ErrorPlace | None = engine.get_execution_options().get(PLACE_OPTION)
    url = engine.url
    return known or ErrorPlace(
        "server", url.host or "", url.port or 0, url.database or "", url.username or ""
    )


def note_place(error: BaseException, place: ErrorPlace) -> bool:
    """Note on a driver's *error* that it came from *place*, unless it is known to be another's.

    Two databases are at work at once, and an error of one is met where the other is lent.

    Returns:
        Whether it was noted now.
    """
    cause = _unwrap(error)
    is_drivers = isinstance(cause, (pymysql.err.Error, psycopg.Error))
    if not is_drivers or getattr(cause, "etl_place", None) is not None:
        return False
    likely = _DATABASES[2:] if isinstance(cause, psycopg.Error) else _DATABASES[:2]
    whose = getattr(cause, "etl_database", place.name if place.name in likely else "")
    is_its = whose == place.name or place.name not in _DATABASES
    if is_its:
        vars(cause)["etl_place"] = place
    return is_its


def note_database(error: BaseException, name: str) -> None:
    """Note on a driver's *error* that it came over a connection to the database called *name*."""
    vars(error)["etl_database"] = name


def note_finding(error: BaseException, finding: LoginFinding) -> None:
    """Note on a driver's *error* what was found out about the connection."""
    vars(error)["etl_finding"] = finding


def note_held(error: BaseException, what: str, fix: str) -> None:
    """Note on a driver's *error* who may hold the lock that did not go, and how that is ended."""
    vars(_unwrap(error))["etl_held"] = what, fix


def explain(error: BaseException, where: str) -> DatabaseError:
    """Our error for a driver's *error*, to be raised ``from`` it.

    Args:
        error: From PyMySQL, psycopg or SQLAlchemy; one of ours is given back as it is.
        where: Database, table or step concerned.
    """
    if isinstance(error, DatabaseError):
        return error
    meaning, code = read_meaning(error)
    place = getattr(_unwrap(error), "etl_place", None)
    what = f"{meaning.what} ({code})" if code else meaning.what
    if place is None:
        return DatabaseError(what, where=where, fix=_fill_in(meaning.fix, None, where))
    if str(place) not in where:
        what = f"{place}: {what}"
    fix = _fill_in(meaning.fix_at.get(place.name, meaning.fix), place, where)
    held = getattr(_unwrap(error), "etl_held", None)
    if held:
        what, fix = f"{what}; {held[0]}", f"at {place.name}: {held[1]}"
    return DatabaseError(what, where=where, fix=fix)


def is_passing(error: BaseException) -> bool:
    """True if a retry may succeed; False if unsure."""
    return read_meaning(error)[0].is_passing


def is_too_long(error: BaseException) -> bool:
    """True if a MySQL server ended the statement at the session's time limit."""
    return read_meaning(error)[0] is OVER_LIMIT


def is_privilege(error: BaseException) -> bool:
    """True if the user lacks a privilege, which the message names."""
    return read_meaning(error)[0] is INSUFFICIENT_PRIVILEGE


def read_meaning(error: BaseException) -> tuple[ErrorMeaning, str]:
    """Return the meaning of *error*, with its number or SQLSTATE if there is one."""
    driver_error = _unwrap(error)
    finding = getattr(driver_error, "etl_finding", None) or LoginFinding()
    if _is_silence(driver_error):
        return SERVER_SILENT, ""
    if isinstance(driver_error, pymysql.err.Error):
        meaning, code = _read_mysql(driver_error, finding)
        place = getattr(driver_error, "etl_place", None)
        is_targets = meaning is OVER_LIMIT and place is not None and place.name == "replication"
        return TARGET_LIMIT if is_targets else meaning, code
    if isinstance(driver_error, psycopg.Error):
        return _read_postgres(driver_error, finding)
    if isinstance(driver_error, PoolTimeoutError):
        return POOL_EXHAUSTED, ""
    return UNKNOWN_ERROR, type(driver_error).__name__


def _fill_in(text: str, place: ErrorPlace | None, where: str) -> str:
    """*text* with what is known of *place* and of the table *where* in the place of its names."""
    table = where if place and not where.startswith(_DATABASES) else None
    database = place.database if place else "…"
    account = place.account if place else "…"
    schema = place.schema if place else "raw"
    return text.format(
        grant=_grant(place, table) if place else "",
        account=mysql_account(account),
        role=quote_postgres(account),
        name=quote_postgres(database),
        table=quote_mysql(database, table) if table else "TABLE",
        target=quote_postgres(schema, table) if table else "TABLE",
    )


def _grant(place: ErrorPlace, table: str | None) -> str:
    """Return the GRANT that gives the user of *place* what a run needs there."""
    if place.name == "source":
        return grant_source(place.database, place.account, table)
    if place.name == "replication":
        return grant_replication(place.database, place.account)
    return grant_on_schema(place.schema, place.account, table)


def _unwrap(error: BaseException) -> BaseException:
    if isinstance(error, DatabaseError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig
    return error


def _is_silence(error: BaseException) -> bool:
    """True if a driver's error says that a wait ended without the server's answer."""
    return any(
        isinstance(cause, SilentError) for cause in (error, error.__cause__, error.__context__)
    )


def _read_mysql(error: pymysql.err.Error, finding: LoginFinding) -> tuple[ErrorMeaning, str]:
    number = error.args[0] if error.args and isinstance(error.args[0], int) else None
    if finding.answer is not None:
        return explain_answer(finding.answer, wanted=PortAnswer.MYSQL), ""
    if number is None:
        return BROKEN_OFF, ""
    # PyMySQL reports whatever ends an attempt to connect as a server that cannot be reached.
    cause = getattr(error, "original_exception", None)
    if isinstance(cause, ssl.SSLError):
        return _tls(read_tls_fault(cause)), str(number)
    if number == CR.CR_SSL_CONNECTION_ERROR:
        return _tls("the server offers none"), str(number)
    if isinstance(cause, OSError) and number == CR.CR_CONN_HOST_ERROR:
        return explain_answer(classify_connect_error(cause), wanted=PortAnswer.MYSQL), str(number)
    return MEANING_OF_ERROR_NUMBER.get(number, UNKNOWN_ERROR), str(number)


def _read_postgres(error: psycopg.Error, finding: LoginFinding) -> tuple[ErrorMeaning, str]:
    state = error.sqlstate or finding.sqlstate
    if state:
        return MEANING_OF_SQLSTATE.get(state) or MEANING_OF_SQLSTATE_CLASS.get(
            state[:2], UNKNOWN_ERROR
        ), state
    if finding.kept_password:
        return CLEARTEXT, ""
    if finding.tls_fault:
        return _tls(finding.tls_fault), ""
    if finding.answer is not None:
        return explain_answer(finding.answer, wanted=PortAnswer.POSTGRES), ""
    if isinstance(error, psycopg.errors.ConnectionTimeout):
        return SERVER_DOWN, ""
    if isinstance(error, psycopg.OperationalError):
        return (CONNECTION_LOST if error.pgconn is None else SERVER_DOWN), ""
    return UNKNOWN_ERROR, type(error).__name__


def _tls(fault: str) -> ErrorMeaning:
    return ErrorMeaning(f"{TLS.what}: {fault}", TLS.fix)
