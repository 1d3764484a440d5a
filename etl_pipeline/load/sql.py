"""Build the statements that merge and digest rows of ``raw`` (no I/O).

They are put together from quoted names and integers only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from etl_pipeline.schema.ddl import add_key, create_incoming
from etl_pipeline.schema.names import (
    DELETED_AT,
    LOADED_AT,
    quote_postgres,
    quote_temporary,
)
from etl_pipeline.schema.types import CarriedColumn
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.select import RenderedTable

INCOMING = "_etl_incoming"
"""The temporary table that rows are copied into before they are merged into ``raw``."""

GONE = "_etl_gone"
"""The temporary table of the keys of rows that changed or were deleted."""

PINNED_SETTINGS = "; ".join(
    f"SET LOCAL {setting}"
    for setting in (
        "datestyle = 'ISO, YMD'",
        "timezone = 'UTC'",
        "intervalstyle = 'postgres'",
        "extra_float_digits = 1",
        "bytea_output = 'hex'",
        # The planner expects a group per key, and would sort all rows on disk, or compile the
        # query for longer than it runs.
        "enable_sort = off",
        "jit = off",
    )
)
"""Settings under which the text of a value, and so its digest, is always the same, and fast."""

_GONE_SINCE = quote_postgres(DELETED_AT)
_SOURCE = f"{quote_temporary(INCOMING)} AS source_row"


def own_rows(target: str, *, is_partitioned: bool) -> str:
    """Return the SQL for the table's own rows, to read and to write; *target* is quoted.

    Other tables may inherit from it, and their rows are not ours; those of its partitions are.
    """
    return target if is_partitioned else f"ONLY {target}"


def live_rows(rows: str, *, has_marks: bool) -> str:
    """Return the SQL for a table's rows without those that are marked as deleted, to read.

    Args:
        rows: Its own rows (``own_rows``).
        has_marks: True if it has the column that marks rows as deleted.
    """
    return f"(SELECT * FROM {rows} WHERE {_GONE_SINCE} IS NULL)" if has_marks else rows


def add_marks(target: str) -> str:
    """Return the DDL of the column that marks rows as deleted."""
    return f"ALTER TABLE {target} ADD COLUMN {_GONE_SINCE} timestamp with time zone"


def digest_raw(
    target: str, text: RenderedTable, chunks: Sequence[Chunk], among: Sequence[Chunk]
) -> str:
    """Return the query for ``(ordinal, rows, digest)`` of every chunk in *chunks* with rows.

    The digest is the sum of the rows' hashes. Values are hashed in the form in which they are
    compared, so -0.0 and 0.0 differ, which are equal to PostgreSQL.

    Args:
        target: The table's own or live rows; *text*'s columns are digested, ours are not.
        text: The table and its columns.
        chunks: What is digested.
        among: All chunks, in order; their bounds decide which row belongs to which.
    """
    return (
        f"SELECT {_ordinal(text, among)} AS ordinal, count(*) AS rows, {_digest(text)} AS digest "
        f"FROM {target} AS raw_row WHERE {in_chunks(text, chunks, 'raw_row')} GROUP BY 1"
    )


def digest_gone(target: str, text: RenderedTable, among: Sequence[Chunk]) -> str:
    """Return the query for the same of the rows of *target* whose keys are in ``GONE``."""
    return (
        f"SELECT {_ordinal(text, among)} AS ordinal, count(*) AS rows, {_digest(text)} AS digest "
        f"FROM {target} AS raw_row JOIN {quote_temporary(GONE)} AS gone_key "
        f"ON {equal_keys(text, 'raw_row', 'gone_key')} GROUP BY 1"
    )


def _digest(text: RenderedTable) -> str:
    return f"sum(hash_record_extended(ROW({_values(text.columns, 'raw_row')}), 0))"


def _ordinal(text: RenderedTable, chunks: Sequence[Chunk]) -> str:
    bounds = [chunk.lower for chunk in chunks if chunk.lower is not None]
    if not bounds or text.table.integer_key is None:
        return "0"
    first = text.key_columns[0]
    # Integers are compared in a fraction of the time that a numeric takes.
    number = "bigint" if first.postgres_type in ("smallint", "integer", "bigint") else "numeric"
    array = ",".join(str(bound) for bound in bounds)
    return f"width_bucket(raw_row.{first.quoted}::{number}, ARRAY[{array}]::{number}[])"


def in_chunks(text: RenderedTable, chunks: Sequence[Chunk], alias: str) -> str:
    """Return the condition that a row of *alias* is in one of *chunks*, which are in order."""
    ranges: list[Chunk] = []
    for chunk in chunks:
        if ranges and ranges[-1].upper is not None and ranges[-1].upper == chunk.lower:
            ranges[-1] = replace(ranges[-1], upper=chunk.upper)
        else:
            ranges.append(chunk)
    conditions = [in_chunk(text, chunk, alias) for chunk in ranges]
    return " OR ".join(f"({condition})" for condition in conditions) or "false"


def in_chunk(text: RenderedTable, chunk: Chunk, alias: str) -> str:
    """Return the condition that a row of *alias* is in *chunk*."""
    conditions = []
    if text.table.integer_key is not None:
        column = f"{alias}.{text.key_columns[0].quoted}"
        if chunk.lower is not None:
            conditions.append(f"{column} >= {chunk.lower:d}")
        if chunk.upper is not None:
            conditions.append(f"{column} < {chunk.upper:d}")
    return " AND ".join(conditions) or "true"


def equal_keys(text: RenderedTable, left: str, right: str) -> str:
    """Return the condition that rows of the aliases *left* and *right* have the same key."""
    return " AND ".join(
        f"{left}.{carried.quoted} = {right}.{carried.quoted}" for carried in text.key_columns
    )


def _values(columns: Sequence[CarriedColumn], alias: str) -> str:
    return ", ".join(c.compare.format(f"{alias}.{c.quoted}") for c in columns)


def rows_differ(text: RenderedTable, left: str, right: str, *, but: Sequence[str] = ()) -> str:
    """Return the condition that rows of one key, of the aliases *left* and *right*, differ.

    Columns whose names in ``raw`` are in *but* are left out.
    """
    rest = [
        c for c in text.columns if c.name not in text.table.primary_key and c.raw_name not in but
    ]
    if not rest:
        return "false"
    return f"ROW({_values(rest, left)}) IS DISTINCT FROM ROW({_values(rest, right)})"


@dataclass(frozen=True, slots=True)
class MergeStatements:
    """The statements of a merge, in their order; rows are copied between them.

    Attributes:
        create_incoming: Makes ``INCOMING``.
        create_gone: Makes ``GONE``; None for a table without a key.
        add_key: Makes the primary key of ``INCOMING``, once it is filled; likewise.
        changes: Those of ``apply_differences``, or of ``replace_rows`` for a table without a key.
        mark_gone: That of *changes* which marks rows that the source no longer has; None where
            they are deleted.
    """

    create_incoming: str
    create_gone: str | None
    add_key: str | None
    changes: tuple[str, ...]
    mark_gone: str | None


def plan_merge(
    target: str,
    text: RenderedTable,
    whole: Sequence[Chunk],
    *,
    rows: str,
    has_marks: bool,
    kept: Sequence[str] = (),
    filled: Sequence[str] = (),
) -> MergeStatements:
    """Return the statements that merge rows into *target*; parameters as ``apply_differences``."""
    if not text.table.primary_key:
        replacing = replace_rows(target, text, rows=rows)
        return MergeStatements(create_incoming(INCOMING, text.columns), None, None, replacing, None)
    gone = create_gone(text)
    changes = apply_differences(
        target, text, whole, rows=rows, has_marks=has_marks, kept=kept, filled=filled
    )
    return MergeStatements(
        create_incoming(INCOMING, text.columns),
        gone,
        add_key(quote_temporary(INCOMING), text.name, text.table.primary_key),
        changes,
        changes[1] if has_marks else None,
    )


def create_gone(text: RenderedTable) -> str:
    """Return the DDL of the temporary table of keys; it is gone when the transaction ends."""
    body = ", ".join(f"{carried.quoted} {carried.postgres_type}" for carried in text.key_columns)
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
    """Return the statements that merge ``INCOMING`` into *target*: two deletes, update, insert.

    Rows that are equal already are not touched: no dead tuple, no lock. The table has a key.

    Args:
        target: The table, quoted.
        text: The table and its columns.
        whole: Chunks that are complete in ``INCOMING``: their other rows are deleted, as are
            rows whose key is in ``GONE`` and not in ``INCOMING``.
        rows: Its own rows (``own_rows``), which alone are read and written.
        has_marks: Mark rows instead of deleting them; a row that comes again loses its mark.
        kept: Columns that the source has no more: NULL in a row that is written, since the old
            value belongs to the old row.
        filled: Columns that are new in the table, or of another type. A row in which nothing
            else changed keeps its values of *kept*.
    """
    same_key = equal_keys(text, "raw_row", "source_row")
    delete_gone, delete = _delete(text, whole, same_key, rows=rows, has_marks=has_marks)
    changes = [
        f"{carried.quoted} = source_row.{carried.quoted}"
        for carried in text.columns
        if carried.name not in text.table.primary_key
    ]
    changes += _set_kept(text, kept, filled, has_marks=has_marks)
    changes.append(f"{quote_postgres(LOADED_AT)} = now()")
    if has_marks:
        changes.append(f"{_GONE_SINCE} = NULL")
    update = (
        f"UPDATE {rows} AS raw_row SET {', '.join(changes)} "
        f"FROM {_SOURCE} WHERE {same_key} AND {_is_other(text, has_marks=has_marks)}"
    )
    names = ", ".join(carried.quoted for carried in text.columns)
    values = ", ".join(f"source_row.{carried.quoted}" for carried in text.columns)
    # A table that ANALYZE found empty costs nothing to read, so the planner would read it for each
    # new row, and it grows meanwhile: 20,000 rows took 5 s. It is not read if it is empty.
    is_filled = f"EXISTS (SELECT FROM {rows} AS raw_row)"
    insert = (
        f"INSERT INTO {target} ({names}) "
        f"SELECT {values} FROM {_SOURCE} WHERE NOT {is_filled} "
        f"UNION ALL SELECT {values} FROM {_SOURCE} WHERE {is_filled} "
        f"AND NOT EXISTS (SELECT FROM {rows} AS raw_row WHERE {same_key})"
    )
    return delete_gone, delete, update, insert


def _delete(
    text: RenderedTable, whole: Sequence[Chunk], same_key: str, *, rows: str, has_marks: bool
) -> tuple[str, str]:
    """Return the statements that delete or mark rows of ``GONE``, and those of *whole* chunks."""
    is_gone = f"NOT EXISTS (SELECT FROM {_SOURCE} WHERE {same_key})"
    if has_marks:
        remove = f"UPDATE {rows} AS raw_row SET {_GONE_SINCE} = now()"
        is_gone = f"raw_row.{_GONE_SINCE} IS NULL AND {is_gone}"
    else:
        remove = f"DELETE FROM {rows} AS raw_row"
    delete_gone = (
        f"{remove} {'FROM' if has_marks else 'USING'} {quote_temporary(GONE)} AS gone_key "
        f"WHERE {equal_keys(text, 'raw_row', 'gone_key')} AND {is_gone}"
    )
    return delete_gone, f"{remove} WHERE ({in_chunks(text, whole, 'raw_row')}) AND {is_gone}"


def _set_kept(
    text: RenderedTable, kept: Sequence[str], filled: Sequence[str], *, has_marks: bool
) -> list[str]:
    """Return what an UPDATE sets in the columns of *kept*; as ``apply_differences``."""
    names = [quote_postgres(name) for name in kept]
    if not filled:
        return [f"{name} = NULL" for name in names]
    is_other = _is_other(text, has_marks=has_marks, but=filled)
    return [f"{name} = CASE WHEN NOT ({is_other}) THEN raw_row.{name} END" for name in names]


def _is_other(text: RenderedTable, *, has_marks: bool, but: Sequence[str] = ()) -> str:
    """Return the condition that a row of ``raw`` is not the source's, or is marked as deleted."""
    differs = rows_differ(text, "raw_row", "source_row", but=but)
    return f"({differs} OR raw_row.{_GONE_SINCE} IS NOT NULL)" if has_marks else differs


def replace_rows(target: str, text: RenderedTable, *, rows: str) -> tuple[str, str]:
    """Return the statements that replace all rows of a table without a key: delete, insert.

    Args:
        target: The table, quoted.
        text: The table and its columns.
        rows: Its own rows (``own_rows``).
    """
    names = ", ".join(carried.quoted for carried in text.columns)
    insert = f"INSERT INTO {target} ({names}) SELECT {names} FROM {quote_temporary(INCOMING)}"
    return f"DELETE FROM {rows}", insert
