"""The statements that compare, apply and digest rows in ``raw``: pure text.

They are put together from quoted names and integers only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from etl_pipeline.schema.names import (
    DELETED_AT,
    LOADED_AT,
    postgres_name,
    quote_postgres,
    quote_temporary,
)
from etl_pipeline.schema.types import CarriedColumn
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.select import RenderedTable

INCOMING = "_etl_incoming"
"""The temporary table that rows are brought into, beside those that ``raw`` has."""

GONE = "_etl_gone"
"""The temporary table of the keys of rows that changed or went."""

PINNED_SETTINGS = "; ".join(
    f"SET LOCAL {setting}"
    for setting in (
        "datestyle = 'ISO, YMD'",
        "timezone = 'UTC'",
        "intervalstyle = 'postgres'",
        "extra_float_digits = 1",
        "bytea_output = 'hex'",
        # The planner takes each key for a chunk of its own, and would sort all rows on disk or
        # compile the query for longer than it runs.
        "enable_sort = off",
        "jit = off",
    )
)
"""Settings under which the text of a value, and so its digest, is always the same, and quick."""


_GONE_SINCE = quote_postgres(DELETED_AT)


def own_rows(target: str, *, is_partitioned: bool) -> str:
    """What to read and write the rows of *target*, quoted, as.

    Tables of others may inherit from it, and their rows are not ours; those of its partitions are.
    """
    return target if is_partitioned else f"ONLY {target}"


def live_rows(rows: str, *, has_marks: bool) -> str:
    """What to read a table as, so that rows which are only marked as deleted are left out.

    Args:
        rows: Its own rows (``own_rows``).
        has_marks: Whether it has the column of the marks.
    """
    return f"(SELECT * FROM {rows} WHERE {_GONE_SINCE} IS NULL)" if has_marks else rows


def add_marks(target: str) -> str:
    """DDL of the column that marks rows as deleted."""
    return f"ALTER TABLE {target} ADD COLUMN {_GONE_SINCE} timestamp with time zone"


def digest_raw(
    target: str, text: RenderedTable, chunks: Sequence[Chunk], among: Sequence[Chunk]
) -> str:
    """The query for ``(ordinal, rows, digest)`` of every chunk in *chunks* that has rows.

    The digest is a sum of the rows' hashes, in the form in which values are compared: it tells
    -0.0 from 0.0, which are equal to PostgreSQL.

    Args:
        target: The table's own or live rows; *text*'s columns are digested, ours are not.
        text: The table and its columns.
        chunks: What is digested.
        among: All chunks, in order; their bounds decide which row belongs to which.
    """
    return (
        f"SELECT {_ordinal(text, among)} AS ordinal, count(*) AS rows, {_digest(text)} AS digest "
        f"FROM {target} AS t WHERE {in_chunks(text, chunks, 't')} GROUP BY 1"
    )


def digest_gone(target: str, text: RenderedTable, among: Sequence[Chunk]) -> str:
    """The query for the same of the rows of *target* whose keys are in ``GONE``."""
    return (
        f"SELECT {_ordinal(text, among)} AS ordinal, count(*) AS rows, {_digest(text)} AS digest "
        f"FROM {target} AS t JOIN {quote_temporary(GONE)} AS g ON {equal_keys(text, 't', 'g')} "
        "GROUP BY 1"
    )


def _digest(text: RenderedTable) -> str:
    return f"sum(hash_record_extended(ROW({_values(text.columns, 't')}), 0))"


def _ordinal(text: RenderedTable, chunks: Sequence[Chunk]) -> str:
    bounds = [chunk.lower for chunk in chunks if chunk.lower is not None]
    key = text.table.integer_key
    if not bounds or key is None:
        return "0"
    (held_as,) = (column.postgres_type for column in text.columns if column.name == key)
    # Integers are compared in a fraction of the time that a numeric takes.
    number = "bigint" if held_as in ("smallint", "integer", "bigint") else "numeric"
    array = ",".join(str(bound) for bound in bounds)
    return f"width_bucket(t.{quote_postgres(key)}::{number}, ARRAY[{array}]::{number}[])"


def in_chunks(text: RenderedTable, chunks: Sequence[Chunk], alias: str) -> str:
    """The condition that a row of *alias* belongs to one of *chunks*, which are in order."""
    ranges: list[Chunk] = []
    for chunk in chunks:
        if ranges and ranges[-1].upper is not None and ranges[-1].upper == chunk.lower:
            ranges[-1] = replace(ranges[-1], upper=chunk.upper)
        else:
            ranges.append(chunk)
    conditions = [in_chunk(text, one, alias) for one in ranges]
    return " OR ".join(f"({condition})" for condition in conditions) or "false"


def in_chunk(text: RenderedTable, chunk: Chunk, alias: str) -> str:
    """The condition that a row of *alias* belongs to *chunk*."""
    key = text.table.integer_key
    conditions = []
    if key is not None:
        column = f"{alias}.{quote_postgres(key)}"
        if chunk.lower is not None:
            conditions.append(f"{column} >= {chunk.lower:d}")
        if chunk.upper is not None:
            conditions.append(f"{column} < {chunk.upper:d}")
    return " AND ".join(conditions) or "true"


def equal_keys(text: RenderedTable, one: str, other: str) -> str:
    """The condition that rows of the aliases *one* and *other* have the same key."""
    return " AND ".join(
        f"{one}.{quote_postgres(name)} = {other}.{quote_postgres(name)}"
        for name in text.table.primary_key
    )


def _values(columns: Sequence[CarriedColumn], alias: str) -> str:
    return ", ".join(c.compare.format(f"{alias}.{quote_postgres(c.name)}") for c in columns)


def unlike_rows(text: RenderedTable, one: str, other: str, *, but: Sequence[str] = ()) -> str:
    """The condition that rows of the same key, of the aliases *one* and *other*, differ.

    Columns that ``raw`` calls one of *but* are left out.
    """
    rest = [
        c
        for c in text.columns
        if c.name not in text.table.primary_key and postgres_name(c.name) not in but
    ]
    if not rest:
        return "false"
    return f"ROW({_values(rest, one)}) IS DISTINCT FROM ROW({_values(rest, other)})"


def create_gone(text: RenderedTable) -> str:
    """DDL of the temporary table of keys; it is gone when the transaction ends."""
    keys = [c for name in text.table.primary_key for c in text.columns if c.name == name]
    body = ", ".join(f"{quote_postgres(c.name)} {c.postgres_type}" for c in keys)
    return f"CREATE TEMPORARY TABLE {quote_temporary(GONE)} ({body}) ON COMMIT DROP"


def apply_differences(
    target: str,
    text: RenderedTable,
    whole: Sequence[Chunk],
    *,
    rows: str,
    has_marks: bool,
    kept: Sequence[str] = (),
    filled: Sequence[str] = (),
) -> tuple[str, str, str, str]:
    """The statements that make *target* equal to what was brought: two deletes, update, insert.

    Rows that are equal already are not touched: no dead tuple, no lock. The table has a key.

    Args:
        target: The table, quoted.
        text: The table and its columns.
        whole: Chunks that were brought as a whole: a row of theirs that was not is deleted, as
            one is whose key is in ``GONE``.
        rows: Its own rows (``own_rows``), which alone are read and written.
        has_marks: Whether rows are marked instead of deleted; one that comes again loses its mark.
        kept: Columns that the source has no more: a row that is written has NULL in them, since
            what stood there belongs to what the row was.
        filled: Columns that are new in the table, or of another type. A row of which no other
            value changed is still what it was.
    """
    names = ", ".join(quote_postgres(name) for name in text.column_names)
    theirs = ", ".join("n." + quote_postgres(name) for name in text.column_names)
    same_key = equal_keys(text, "h", "n")
    incoming = quote_temporary(INCOMING)
    not_brought = f"NOT EXISTS (SELECT FROM {incoming} AS n WHERE {same_key})"
    if has_marks:
        remove = f"UPDATE {rows} AS h SET {_GONE_SINCE} = now()"
        not_brought = f"h.{_GONE_SINCE} IS NULL AND {not_brought}"
    else:
        remove = f"DELETE FROM {rows} AS h"
    gone = f"{quote_temporary(GONE)} AS g"
    delete_gone = (
        f"{remove} {'FROM' if has_marks else 'USING'} {gone} "
        f"WHERE {equal_keys(text, 'h', 'g')} AND {not_brought}"
    )
    delete = f"{remove} WHERE ({in_chunks(text, whole, 'h')}) AND {not_brought}"
    columns = [name for name in text.column_names if name not in text.table.primary_key]
    changes = [f"{quote_postgres(name)} = n.{quote_postgres(name)}" for name in columns]
    differs, is_other = unlike_rows(text, "h", "n"), unlike_rows(text, "h", "n", but=filled)
    if has_marks:
        differs, is_other = (
            f"({one} OR h.{_GONE_SINCE} IS NOT NULL)" for one in (differs, is_other)
        )
    for name in map(quote_postgres, kept):
        stays = f"CASE WHEN NOT ({is_other}) THEN h.{name} END" if filled else "NULL"
        changes.append(f"{name} = {stays}")
    changes.append(f"{quote_postgres(LOADED_AT)} = now()")
    if has_marks:
        changes.append(f"{_GONE_SINCE} = NULL")
    update = (
        f"UPDATE {rows} AS h SET {', '.join(changes)} "
        f"FROM {incoming} AS n WHERE {same_key} AND {differs}"
    )
    insert = (
        f"INSERT INTO {target} ({names}) SELECT {theirs} FROM {incoming} AS n "
        f"WHERE NOT EXISTS (SELECT FROM {rows} AS h WHERE {same_key})"
    )
    return delete_gone, delete, update, insert


def replace_rows(target: str, text: RenderedTable, *, rows: str) -> tuple[str, str]:
    """The statements that exchange all rows of a table without a key: delete, insert.

    Args:
        target: The table, quoted.
        text: The table and its columns.
        rows: Its own rows (``own_rows``).
    """
    names = ", ".join(quote_postgres(name) for name in text.column_names)
    insert = f"INSERT INTO {target} ({names}) SELECT {names} FROM {quote_temporary(INCOMING)}"
    return f"DELETE FROM {rows}", insert
