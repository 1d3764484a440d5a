"""The practice's day: ages and due dates count from it.

It is the day on the source's clock when the last run read the source, or one that is given. The
newest entry in the books does not decide it: one entry with a wrong year would make every debt old.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import psycopg

from etl_pipeline.schema.names import quote_postgres

_TABLE = "_etl_practice_day"
_MONTH_TABLE = "_etl_practice_month"
_ENTERED = {
    "procedurelog": "DateEntryC",
    "payment": "DateEntry",
    "adjustment": "DateEntry",
    "claimproc": "DateEntry",
    "appointment": "SecDateTEntry",
}
"""Column that says when a row was entered, by table."""


@dataclass(frozen=True, slots=True)
class PracticeDay:
    """The day that models count from.

    Attributes:
        as_of: That day; None if no row was ever entered and no run has read the source's clock.
        today: The newest day that is possible; *as_of* is earlier if it was given so.
    """

    as_of: date | None
    today: date | None


def decide_day(
    given: date | None, *, clock: date | None, entered: date | None, follows_entries: bool
) -> PracticeDay:
    """Decide the practice's day.

    Args:
        given: As the user said.
        clock: Of the source's clock in the last run; None if no run recorded it.
        entered: Day of the newest entries.
        follows_entries: The practice lives by its entries, not by the clock: a demo, or a backup
            that was restored.
    """
    today = entered if follows_entries or clock is None else clock
    return PracticeDay(given or today, max((d for d in (given, today) if d), default=None))


def read_source_clock(connection: psycopg.Connection) -> date | None:
    """Return the day that the source's clock showed in the last run that recorded it."""
    found = connection.execute(
        "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass('etl.run') "
        "AND attname = 'source_clock' AND NOT attisdropped"
    ).fetchone()
    if not found:
        return None
    row = connection.execute(
        "SELECT source_clock::date FROM etl.run WHERE source_clock IS NOT NULL "
        "ORDER BY run_id DESC LIMIT 1"
    ).fetchone()
    return row[0] if row else None


def read_newest_entry(
    connection: psycopg.Connection, schema: str, columns: Mapping[str, frozenset[str]]
) -> date | None:
    """Return the newest day on which rows of two tables were entered; of one, if *schema* has one.

    A single entry with a wrong year does not count.
    """
    there = {t: c for t, c in _ENTERED.items() if c in columns.get(t, ())}
    if not there:
        return None
    entries = " UNION ALL ".join(
        f"SELECT DISTINCT {quote_postgres(column)}::date AS day "
        f"FROM {quote_postgres(schema, table)}"
        for table, column in there.items()
    )
    row = connection.execute(
        f"SELECT day FROM ({entries}) AS entry WHERE day > '1900-01-01' AND isfinite(day) "
        f"GROUP BY day HAVING count(*) >= {min(2, len(there))} ORDER BY day DESC LIMIT 1".encode()
    ).fetchone()
    return row[0] if row else None


def write_day(schema: str, day: PracticeDay) -> list[tuple[str, tuple[object, ...]]]:
    """Return the statements by which the models of *schema* count from *day*.

    They are part of the build's transaction; a day that is there already is left alone.
    """
    table = quote_postgres(schema, _TABLE)
    values = (day.as_of, day.today)
    return [
        (f"CREATE TABLE IF NOT EXISTS {table} (as_of_date date, today date)", ()),
        (f"COMMENT ON TABLE {table} IS 'The day that the models count from, and today.'", ()),
        (
            f"DELETE FROM {table} WHERE (as_of_date, today) IS DISTINCT FROM (%s::date, %s::date)",
            values,
        ),
        (
            f"INSERT INTO {table} SELECT %s::date, %s::date WHERE NOT EXISTS (SELECT FROM {table})",
            values,
        ),
        # Without it the server plans for some thousand days.
        (f"ANALYZE {table}", ()),
    ]


def write_month(schema: str, day: PracticeDay) -> list[tuple[str, tuple[object, ...]]]:
    """Return the statements that say in which month the day is, for models that count by months.

    Such models stay as they are while the month is the same.
    """
    table = quote_postgres(schema, _MONTH_TABLE)
    values = (day.as_of.replace(day=1) if day.as_of else None,)
    return [
        (f"CREATE TABLE IF NOT EXISTS {table} (month_start date)", ()),
        (f"COMMENT ON TABLE {table} IS 'The month of the day that the models count from.'", ()),
        (f"DELETE FROM {table} WHERE month_start IS DISTINCT FROM %s::date", values),
        (f"INSERT INTO {table} SELECT %s::date WHERE NOT EXISTS (SELECT FROM {table})", values),
        (f"ANALYZE {table}", ()),
    ]
