"""Name rows that PostgreSQL cannot hold, by their key."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from etl_pipeline.errors import TransferError
from etl_pipeline.schema.types import choice_of
from etl_pipeline.transfer.copy import RefusedRow
from etl_pipeline.transfer.kernel_python import NEGATIVE_ZEROS, ZERO_DATES
from etl_pipeline.transfer.select import RenderedTable


def refuse_altered_key(text: RenderedTable, altered: Iterable[tuple[int, str]]) -> None:
    """Raise TransferError if a column of the key had to be altered: it may be another row's now."""
    for position, kind in altered:
        carried = text.columns[position]
        # A negative zero is the same key as 0, for every server.
        if carried.name not in text.table.primary_key or kind == NEGATIVE_ZEROS:
            continue
        way_out = choice_of(text.name, carried.name, "type: text")
        raise TransferError(
            f"the primary key holds {kind}, which PostgreSQL has no {carried.postgres_type} for",
            where=f"{text.name}.{carried.name}",
            fix=way_out if kind == ZERO_DATES else f"take {text.name} out of tables.yml",
        )


def explain_refused_row(
    text: RenderedTable, lines: Iterable[bytes], refusal: RefusedRow
) -> TransferError:
    """Return the error for the row of *lines*, the row text that was sent, that was refused."""
    line = next(itertools.islice(lines, refusal.line - 1, None), b"")
    key = text.read_key(line)
    row = f"in the row of key {key}" if key else "in a row whose key is not known"
    if not text.table.primary_key:
        row = "in a table without a key"
    if refusal.column is None:
        return TransferError(
            f"a row is larger than PostgreSQL takes, {row}: it may fill a page of 8 kB, long "
            "values put elsewhere, and a gigabyte in all",
            where=text.name,
            fix=f"exclude columns of {text.name} in tables.yml",
        )
    carried = next(c for c in text.columns if c.name == refusal.column)
    choice = "exclude: true" if carried.postgres_type == "text" else "type: text"
    return TransferError(
        f"column {carried.name} cannot hold its value as {carried.postgres_type}, {row}",
        where=text.name,
        fix=choice_of(text.name, carried.name, choice),
    )
