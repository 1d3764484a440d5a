"""Cuts a table into chunks: key ranges that are each read in one bounded statement."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from etl_pipeline.schema.catalog import Table
from etl_pipeline.transfer.select import Chunk, TableText, select_bound, select_next_key

CHUNK_BYTES = 4 << 20
CHUNK_ROWS = 50_000


def chunk_rows(table: Table) -> int:
    """Rows of a chunk so that it comes to about ``CHUNK_BYTES`` by the server's estimate."""
    if not table.rows_estimate:
        return CHUNK_ROWS
    row_bytes = max(table.data_bytes / table.rows_estimate, 1)
    return max(1, min(CHUNK_ROWS, int(CHUNK_BYTES / row_bytes)))


def tile(bounds: Sequence[int]) -> list[Chunk]:
    """The chunks between *bounds*, which rise strictly; together they hold every key there is."""
    edges = [None, *bounds, None]
    return [
        Chunk(ordinal, lower, upper)
        for ordinal, (lower, upper) in enumerate(itertools.pairwise(edges))
    ]


def plan_chunks(text: TableText, ask: Callable[[str], int | None]) -> list[Chunk]:
    """Chunks of the table as it is now, by probes of its key.

    The probes count rows, not keys, so holes in the keys make neither empty nor giant chunks.
    Rows that share the first column of a composite key stay in one chunk.

    Args:
        text: The table; one without an integer key is a single chunk.
        ask: Sends a statement to the source and returns the integer it answers, or None.
    """
    if text.table.integer_key is None:
        return [Chunk(0)]
    rows = chunk_rows(text.table)
    bounds: list[int] = []
    # Only rows of a composite key can share its first column with the very first row.
    is_composite = len(text.table.primary_key) > 1
    lower = ask(select_next_key(text, None)) if is_composite else None
    while (bound := ask(select_bound(text, lower, rows))) is not None:
        if bound == lower:
            bound = ask(select_next_key(text, lower))
            if bound is None:
                break
        bounds.append(bound)
        lower = bound
    return tile(bounds)


def ask_integer(connection: Any) -> Callable[[str], int | None]:
    """A function for ``plan_chunks`` that asks *connection*, a connection of PyMySQL."""

    def ask(statement: str) -> int | None:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            row = cursor.fetchone()
        return None if row is None or row[0] is None else int(row[0])

    return ask
