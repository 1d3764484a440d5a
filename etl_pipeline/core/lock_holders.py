"""Sessions that may hold a lock we waited for in vain, as far as the user may see them.

When a wait for a lock has ended, no server tells any more whom it was for. What was open for all of
that time, and is not ours, is named: its session, its user and host, and how it is ended.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from sqlalchemy.exc import DBAPIError

from etl_pipeline.core.driver_errors import read_meaning

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from etl_pipeline.core.driver_errors import ErrorPlace

SHOWN = 3
_WAITED_IN_VAIN = ("1205", "55P03")
_TRANSACTIONS = (
    # InnoDB tells when it began by the clock of the system, whatever the session's time zone.
    "SELECT trx_mysql_thread_id, TIMESTAMPDIFF(SECOND, trx_started, "
    "CONVERT_TZ(NOW(), @@SESSION.time_zone, 'SYSTEM')) FROM information_schema.innodb_trx"
)
_HOLDERS = """
SELECT a.pid, a.usename, a.client_addr::text,
    extract(epoch FROM clock_timestamp() - a.xact_start)::int
FROM pg_stat_activity a
WHERE a.datname = current_database()
AND a.pid IN (SELECT l.pid FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE l.granted AND n.nspname IN ('etl', %(schema)s)
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
AND coalesce(clock_timestamp() - a.xact_start >= current_setting('lock_timeout')::interval, true)
ORDER BY a.xact_start NULLS LAST, a.pid"""


@dataclass(frozen=True, slots=True)
class LockHolder:
    """A session that may hold the lock.

    Attributes:
        session: Its number at the server.
        account: Whose it is, and from where.
        seconds: How long its transaction has been open, or else it has been idle; None where the
            user may not see that.
        is_in_transaction: Whether a transaction is known to be open.
    """

    session: int
    account: str
    seconds: int | None
    is_in_transaction: bool

    def __str__(self) -> str:
        doing = "has had a transaction open" if self.is_in_transaction else "has been idle"
        since = f"{doing} for {self.seconds:,} s" if self.seconds is not None else "holds locks"
        return f"session {self.session} of {self.account} {since}"


@dataclass(frozen=True, slots=True)
class HeldLock:
    """Of a lock that did not go: who may hold it, and how that is ended."""

    what: str
    fix: str


_own: WeakKeyDictionary[object, tuple[str, int, int]] = WeakKeyDictionary()
_own_lock = threading.Lock()


def note_own(connection: object, host: str, port: int, session: int) -> None:
    """Remember, as long as *connection* is used, that it is *session* of the server there."""
    with _own_lock:
        _own[connection] = host, port, session


def list_own(host: str, port: int) -> frozenset[int]:
    """Return the ids of this process's sessions at the server."""
    with _own_lock:
        return frozenset(session for *server, session in _own.values() if server == [host, port])


def waited_in_vain(error: BaseException) -> bool:
    """True if *error* says that a lock of others was held for longer than we wait."""
    return read_meaning(error)[1] in _WAITED_IN_VAIN


def find_held(connection: Connection, place: ErrorPlace) -> HeldLock:
    """Return the sessions that may hold a lock in the database at *place*.

    *connection* is another session there, with the settings of the one that waited.
    """
    own = list_own(place.host, place.port)
    if connection.dialect.name == "postgresql":
        rows = connection.exec_driver_sql(_HOLDERS, {"schema": place.schema})
        found = [
            LockHolder(pid, f"{user}@{host or 'unknown'}", seconds, is_in_transaction=True)
            for pid, user, host, seconds in rows
            if pid not in own
        ]
        return _describe(found, "SELECT pg_terminate_backend({})", "SELECT * FROM pg_stat_activity")
    return _describe(_find_mysql(connection, own), "KILL {}", "SHOW FULL PROCESSLIST")


def _find_mysql(connection: Connection, own: Collection[int]) -> list[LockHolder]:
    """Transactions that have been open for as long as was waited; else sessions that were idle.

    Other users' are seen by who has PROCESS alone.
    """
    waited, database = connection.exec_driver_sql(
        "SELECT @@SESSION.innodb_lock_wait_timeout, DATABASE()"
    ).one()
    ages: dict[int, int] = {}
    try:
        rows = connection.exec_driver_sql(_TRANSACTIONS)
        ages = {int(session): int(age or 0) for session, age in rows}
    except DBAPIError as error:
        if read_meaning(error)[1] != "1227":
            raise
    others = [
        row
        for row in connection.exec_driver_sql("SHOW PROCESSLIST").mappings()
        if row["Id"] not in own
    ]
    in_transaction = [
        LockHolder(
            row["Id"], f"{row['User']}@{row['Host']}", ages[row["Id"]], is_in_transaction=True
        )
        for row in others
        if ages.get(row["Id"], -1) >= waited
    ]
    idle = [
        LockHolder(row["Id"], f"{row['User']}@{row['Host']}", row["Time"], is_in_transaction=False)
        for row in others
        if row["Command"] == "Sleep" and row["db"] == database and (row["Time"] or 0) >= waited
    ]
    return _longest_first(in_transaction) or _longest_first(idle)


def _longest_first(holders: Iterable[LockHolder]) -> list[LockHolder]:
    return sorted(holders, key=lambda holder: -(holder.seconds or 0))


def _describe(holders: Sequence[LockHolder], end: str, query: str) -> HeldLock:
    if not holders:
        return HeldLock(
            "the user sees no session that was open for so long",
            f"let the server's administrator find who holds it ({query}) and end that session: "
            f"{end.format('n')}; then run again",
        )
    shown = holders[:SHOWN]
    more = f"; and {len(holders) - SHOWN} more" if len(holders) > SHOWN else ""
    ends = "; ".join(end.format(holder.session) for holder in shown)
    return HeldLock(
        f"{'; '.join(map(str, shown))}{more}",
        f"let who that is commit, or end it there: {ends}; then run again",
    )
