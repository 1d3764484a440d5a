"""A working day in a practice that is already there."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl_pipeline.demo.practice.build import DEFAULT_SEED
from etl_pipeline.demo.practice.script import execute_file
from etl_pipeline.demo.practice.session import practice_session
from etl_pipeline.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from etl_pipeline.demo.practice.script import Write
    from etl_pipeline.demo.server_databases import MySqlConnection


@dataclass(frozen=True)
class TableChange:
    """Rows of one table that a day wrote; a row counts once for each statement that wrote it."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0


@dataclass(frozen=True)
class ChangedPractice:
    """The result of `change_practice`.

    Attributes:
        day: The working day that it played.
        tables: Changes by table name; tables that nothing touched are absent.
    """

    day: dt.date
    tables: Mapping[str, TableChange]


def change_practice(connection: MySqlConnection, *, seed: int = DEFAULT_SEED) -> ChangedPractice:
    """Play the practice's next working day, the first weekday after the last entry of its log.

    Patients come, pay and book; carriers answer; the desk edits rows with and without moving their
    stamps, a program writes the same edit to 64 consecutive rows, rows are deleted for good and one
    changes its key; ``sql/change*.sql`` has them in order. The day follows from *seed* and the rows
    that are there, and is committed as a whole (if the engine has transactions).

    Args:
        connection: An administrator's; the default database was filled by `build_practice`.
        seed: Any integer; need not be the one that built the practice.

    Raises:
        SchemaError: The audit trail is empty, so no day can follow.
    """
    day = _next_day(connection)
    with practice_session(connection, seed=seed, now=f"{day} 08:00:00"):
        with connection.cursor() as cursor:
            cursor.execute("SET @day = DATE %s, @today = DATE %s", (day, day))
        writes = execute_file(connection, "change.sql")
        writes += execute_file(connection, "change_settlement.sql")
        writes += execute_file(connection, "change_plans.sql")
        writes += execute_file(connection, "change_desk.sql")
        writes += execute_file(connection, "data", "09_balances.sql")
    return ChangedPractice(day=day, tables=_sum_by_table(writes))


def _next_day(connection: MySqlConnection) -> dt.date:
    with connection.cursor() as cursor:
        cursor.execute("SELECT DATE(MAX(LogDateTime)) FROM securitylog")
        row = cursor.fetchone()
    last: dt.date | None = row[0] if row else None
    if last is None:
        raise SchemaError("there is no practice here to change", where="securitylog")
    day = last + dt.timedelta(days=1)
    while day.weekday() >= 5:
        day += dt.timedelta(days=1)
    return day


def _sum_by_table(writes: Iterable[Write]) -> dict[str, TableChange]:
    rows: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for write in writes:
        if write.rows:
            rows[write.table][write.verb] += write.rows
    return {
        table: TableChange(verbs["INSERT"], verbs["UPDATE"], verbs["DELETE"])
        for table, verbs in sorted(rows.items())
    }
