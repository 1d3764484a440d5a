"""Read the range of keys or dates of a backfill, and build its SELECT (no I/O)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from etl_pipeline.errors import ConfigurationError
from etl_pipeline.schema.names import quote_mysql
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.select import RenderedTable, where_chunk

_DATE_TYPES = frozenset({"date", "datetime", "timestamp"})


@dataclass(frozen=True, slots=True)
class RowRange:
    """Rows whose *column* is in ``[lower, upper)``.

    Attributes:
        lower: A whole number for the key, else an instant; None where there is no lower end.
        upper: Likewise.
    """

    column: str
    lower: int | datetime | None
    upper: int | datetime | None

    def __str__(self) -> str:
        """Return the range in words: ``from 5 to below 9``."""
        lower = "" if self.lower is None else f"from {self.lower}"
        upper = "" if self.upper is None else f"to below {self.upper}"
        return f"{lower} {upper}".strip()


def find_range(
    text: RenderedTable, stamp: str | None, start: str | None, end: str | None, by: str | None
) -> RowRange:
    """Return the range of rows from *start* to *end*, both included.

    Args:
        text: The table.
        stamp: The table's ``incremental_column``; a date without *by* is of this column.
        start: A whole number or a date; None for no lower end.
        end: Likewise; a date means the day as a whole.
        by: The column; None for the key, or for the one that dates can be of.

    Raises:
        ConfigurationError: The range cannot be read, or no column is meant.
    """
    if start is None and end is None:
        raise ConfigurationError(
            "a backfill needs a range", where=text.name, fix="name --from, --to, or both"
        )
    values = [value for value in (start, end) if value is not None]
    if all(value.lstrip("-").isdigit() and len(value) != 8 for value in values):
        return _by_key(text, by, start, end)
    column = _find_date_column(text, stamp, by)
    lower = None if start is None else _read_date(text, start)[0]
    upper = None
    if end is not None:
        instant, is_day = _read_date(text, end)
        upper = instant + (timedelta(days=1) if is_day else timedelta(microseconds=1))
    if lower is not None and upper is not None and lower >= upper:
        raise _empty(text)
    return RowRange(column, lower, upper)


def _by_key(text: RenderedTable, by: str | None, start: str | None, end: str | None) -> RowRange:
    key = text.table.integer_key
    if key is None or by not in (None, key):
        raise ConfigurationError(
            "whole numbers are a range of the key, which does not begin with a whole number"
            if key is None
            else f"whole numbers are a range of the key, {key}",
            where=text.name,
            fix="name dates, and --by COLUMN" if key is None else f"leave out --by {by}",
        )
    lower = None if start is None else int(start)
    upper = None if end is None else int(end) + 1
    if lower is not None and upper is not None and lower >= upper:
        raise _empty(text)
    return RowRange(key, lower, upper)


def _find_date_column(text: RenderedTable, stamp: str | None, by: str | None) -> str:
    dates = [c.name for c in text.columns if c.column.data_type in _DATE_TYPES]
    if by is not None:
        if by not in dates:
            known = ", ".join(dates) or "it has none"
            raise ConfigurationError(
                "no such date column", where=f"{text.name}.{by}", fix=f"choose from: {known}"
            )
        return by
    if stamp is not None:
        return stamp
    if len(dates) == 1:
        return dates[0]
    raise ConfigurationError(
        "several columns are dates" if dates else "the table has no date column",
        where=text.name,
        fix=f"--by {dates[0]}    or one of: {', '.join(dates[1:])}"
        if dates
        else "name a range of the key",
    )


def _read_date(text: RenderedTable, value: str) -> tuple[datetime, bool]:
    """Return *value* as an instant, and True if it is a day."""
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is not None:
        raise ConfigurationError(
            f"cannot be read as a date or a whole number: {value}",
            where=text.name,
            fix="write 2024-01-31, 2024-01-31T12:00, or a key",
        )
    return instant, "T" not in value and " " not in value


def _empty(text: RenderedTable) -> ConfigurationError:
    return ConfigurationError(
        "the range is empty", where=text.name, fix="let --from be no later than --to"
    )


def clip_chunks(chunks: Sequence[Chunk], rows: RowRange, key: str | None) -> list[Chunk]:
    """Return those of *chunks* that can hold rows of a range."""
    if rows.column != key:
        return list(chunks)
    lower, upper = rows.lower, rows.upper
    return [
        chunk
        for chunk in chunks
        if not (
            (isinstance(lower, int) and chunk.upper is not None and chunk.upper <= lower)
            or (isinstance(upper, int) and chunk.lower is not None and chunk.lower >= upper)
        )
    ]


def where_range(text: RenderedTable, chunk: Chunk, rows: RowRange) -> bytes:
    """Return the condition that a row is in *chunk* and in a range.

    Safe to put together from parts: the name is quoted, the bounds are numbers and dates.
    """
    column = quote_mysql(rows.column)
    conditions = [where_chunk(text, chunk).decode()]
    for sign, bound in ((">=", rows.lower), ("<", rows.upper)):
        if isinstance(bound, datetime):
            conditions.append(f"{column} {sign} '{bound.isoformat(' ')}'")
        elif bound is not None:
            conditions.append(f"{column} {sign} {bound:d}")
    return " AND ".join(conditions).encode()


def select_range(text: RenderedTable, chunk: Chunk, rows: RowRange) -> bytes:
    """Return the SELECT of the rows of *chunk* that are in a range, in the order of the key."""
    names = ", ".join(c.select for c in text.columns)
    hint = " FORCE INDEX (PRIMARY)" if text.table.integer_key else ""
    order = ", ".join(quote_mysql(name) for name in text.table.primary_key)
    start = f"SELECT {names} FROM {quote_mysql(text.name)}{hint} WHERE "
    return start.encode() + where_range(text, chunk, rows) + f" ORDER BY {order}".encode()
