"""Cut a table into chunks: key ranges that are each read in one bounded statement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from etl_pipeline.schema.catalog import Table
from etl_pipeline.transfer.chunk import Chunk, tile
from etl_pipeline.transfer.select import (
    RenderedTable,
    select_bound,
    select_last_key,
    select_next_key,
)

AskInteger = Callable[[str], int | None]

CHUNK_BYTES = 4 << 20
CHUNK_ROWS = 50_000
FEW_ROWS = 16
DENSE_KEYS = 1.5
"""Up to so many keys for each row, chunks are cut by keys and not by rows."""


def chunk_rows(table: Table, most: int | None = None) -> int:
    """Return the rows of a chunk of about ``CHUNK_BYTES``, by the server's estimate.

    Args:
        table: As the source's catalog has it.
        most: Rows that it has at most; None for ``CHUNK_ROWS``.
    """
    most = most or CHUNK_ROWS
    if not table.rows_estimate:
        return most
    row_bytes = max(table.data_bytes / table.rows_estimate, 1)
    return max(1, min(most, int(CHUNK_BYTES / row_bytes)))


def has_wide_rows(table: Table) -> bool:
    """Return True if few rows make a chunk, and two at a time are felt in memory."""
    return chunk_rows(table) < FEW_ROWS


def plan_chunks(text: RenderedTable, ask: AskInteger, most: int | None = None) -> list[Chunk]:
    """Cut the table as it is now into chunks of at most ``chunk_rows`` rows.

    Where nearly every key is there, so many keys make a chunk. Else probes find the bounds, which
    walk along the key and count rows, so holes make neither empty nor giant chunks. Rows that
    share the first column of a composite key stay in one chunk.

    Args:
        text: The table; one without an integer key is a single chunk.
        ask: Sends a statement to the source and returns the integer it answers, or None.
        most: Rows of a chunk at most; None for the default.
    """
    return _cut_dense(text, ask, most) or grow_chunks(text, [Chunk(0)], ask, most)


def _cut_dense(text: RenderedTable, ask: AskInteger, most: int | None) -> list[Chunk]:
    """Return chunks of equally many keys; none where there are too many holes in between."""
    table = text.table
    if table.integer_key is None or len(table.primary_key) > 1 or not table.rows_estimate:
        return []
    first, last = ask(select_next_key(text, None)), ask(select_last_key(text))
    if first is None or last is None or last - first >= DENSE_KEYS * table.rows_estimate:
        return []
    size = chunk_rows(table, most)
    return tile(range(first + size, last + 1, size))


def grow_chunks(
    text: RenderedTable, chunks: Sequence[Chunk], ask: AskInteger, most: int | None = None
) -> list[Chunk]:
    """Return *chunks*, the last of them cut as ``plan_chunks`` would cut its rows now."""
    if text.table.integer_key is None:
        return list(chunks)
    last = chunks[-1]
    bounds = _find_bounds(text, last.lower, ask, chunk_rows(text.table, most))
    cut = tile(bounds)
    first = replace(cut[0], lower=last.lower)
    grown = [replace(c, ordinal=c.ordinal + last.ordinal) for c in (first, *cut[1:])]
    return [*chunks[:-1], *grown]


def may_have_grown(table: Table, rows: Sequence[int], most: int | None = None) -> bool:
    """Return True if probes for the table's end are worth a statement.

    Args:
        table: The table as the source's catalog has it now.
        rows: What its chunks held when they were last read.
        most: Rows of a chunk at most; None for the default.
    """
    size = chunk_rows(table, most)
    return rows[-1] > size // 2 or table.rows_estimate > 2 * sum(rows) + size // 2


def is_badly_cut(table: Table, rows: Sequence[int], most: int | None = None) -> bool:
    """Return True if chunks of *rows* have become so large, or so small, that a new cut pays."""
    size = chunk_rows(table, most)
    return max(rows) > 4 * size or (len(rows) > 8 and sum(rows) < len(rows) * size // 8)


def _find_bounds(text: RenderedTable, lower: int | None, ask: AskInteger, rows: int) -> list[int]:
    """Return where chunks of *rows* begin above *lower*, rising."""
    bounds: list[int] = []
    # Only rows of a composite key can share its first column with the very first row.
    if lower is None and len(text.table.primary_key) > 1:
        lower = ask(select_next_key(text, None))
    while (bound := ask(select_bound(text, lower, rows))) is not None:
        if bound == lower:
            bound = ask(select_next_key(text, lower))
            if bound is None:
                break
        bounds.append(bound)
        lower = bound
    return bounds


def ask_integer(connection: Any) -> AskInteger:
    """Return a function that asks *connection*."""

    def ask(statement: str) -> int | None:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            row = cursor.fetchone()
        return None if row is None or row[0] is None else int(row[0])

    return ask
