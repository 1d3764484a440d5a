"""The times at which the server last saw writes to each replica: they tell writes of others.

InnoDB knows it to the second, and until it restarts or puts a table out of its cache. So it never
accuses; where it is not what we left, the replica is digested anew. Nothing here commits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pymysql import err
from pymysql.connections import Connection
from pymysql.constants import ER

SAME_START_SECONDS = 3
"""The server's start is its clock less its uptime, which it gives in whole seconds."""


@dataclass(frozen=True, slots=True)
class UpdateTime:
    """Times of a table by its server's clock, in UTC without a zone.

    Attributes:
        created_at: When the table was made, or rewritten.
        updated_at: When a transaction that wrote to it was last committed; None where that is not
            known: not since the server started, or not since the table was put out of its cache.
        server_started: When the server was.
    """

    created_at: datetime | None
    updated_at: datetime | None
    server_started: datetime

    def is_still(self, before: UpdateTime | None) -> bool:
        """Return True if nothing was written since *before*."""
        if before is None:
            return False
        apart = abs(self.server_started - before.server_started)
        return (
            apart <= timedelta(seconds=SAME_START_SECONDS)
            and self.created_at == before.created_at
            and self.updated_at == before.updated_at
        )


def read_now(connection: Connection[Any]) -> datetime:
    """Return the server's clock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT NOW()")
        (now,) = cursor.fetchone()
    return now  # type: ignore[no-any-return]


def read_update_times(connection: Connection[Any]) -> dict[str, UpdateTime]:
    """Return what the server says of each table of the database, in one query."""
    with connection.cursor() as cursor:
        _ask_for_todays(cursor)
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Uptime'")
        started = read_now(connection) - timedelta(seconds=int(cursor.fetchone()[1]))
        cursor.execute(
            "SELECT table_name, create_time, update_time FROM information_schema.tables "
            "WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'"
        )
        return {
            name: UpdateTime(created, updated, started)
            for name, created, updated in cursor.fetchall()
        }


def _ask_for_todays(cursor: Any) -> None:
    """MySQL 8 and later would give what it looked up up to a day ago; MariaDB knows no other."""
    try:
        cursor.execute("SET SESSION information_schema_stats_expiry = 0")
    except err.MySQLError as error:
        if error.args[0] != ER.UNKNOWN_SYSTEM_VARIABLE:
            raise


def settle(
    before: UpdateTime | None,
    now: UpdateTime | None,
    *,
    written_until: datetime | None,
    clock: datetime,
) -> UpdateTime | None:
    """Return *now* if only we have written since *before*; None where that cannot be known.

    Args:
        before: When the run began.
        now: At its end.
        written_until: The server's clock after the run's last transaction; None where it has not
            written.
        clock: The server's clock before *now* was asked for. What is written in the very second
            that is remembered would go unseen.
    """
    if now is None or (now.updated_at and now.updated_at >= clock.replace(microsecond=0)):
        return None
    if written_until is None:
        return now if before and now.is_still(before) else None
    is_ours = now.updated_at is None or now.updated_at <= written_until
    return now if is_ours else None


def read_expected(connection: Connection[Any]) -> dict[str, UpdateTime]:
    """Return the update times that the last run left, by replica."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, created_at, updated_at, server_started FROM _etl_update_time"
        )
        return {name: UpdateTime(*times) for name, *times in cursor.fetchall()}


def write_expected(
    connection: Connection[Any], known: Mapping[str, UpdateTime], unknown: Iterable[str]
) -> None:
    """Replace what is expected of the replicas of *known*; of those of *unknown* nothing is."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "DELETE FROM _etl_update_time WHERE table_name = %s", [(name,) for name in unknown]
        )
        cursor.executemany(
            "REPLACE INTO _etl_update_time (table_name, created_at, updated_at, server_started) "
            "VALUES (%s, %s, %s, %s)",
            [
                (name, time.created_at, time.updated_at, time.server_started)
                for name, time in known.items()
            ],
        )
