"""Read the source: a chunk completely, and what the table looks like."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pymysql.connections import Connection

from etl_pipeline.core.cancellation import Cancellation
from etl_pipeline.core.source_connection import SourceConnection
from etl_pipeline.errors import SchemaError, TransferError
from etl_pipeline.formatting import count_of
from etl_pipeline.replicate.pages import read_pages
from etl_pipeline.schema.names import quote_mysql
from etl_pipeline.schema.types import choice_of
from etl_pipeline.state.records import ChunkProof
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.page import Page, where_page
from etl_pipeline.transfer.reader import read_certainly
from etl_pipeline.transfer.select import RenderedTable, select_unreadable
from etl_pipeline.transfer.spool import Spool

ColumnState = tuple[str, str, str | None]
"""Name, type and collation of a column."""


def extract_chunk(
    text: RenderedTable,
    chunk: Chunk,
    source: SourceConnection,
    spool: Spool,
    stop: Cancellation,
    *,
    keeps_snapshot: bool = False,
) -> ChunkProof:
    """Read a chunk into *spool*, and end the read at the source unless *keeps_snapshot*.

    Raises:
        SourceClosedError: The source may not be read any more.
        TransferError: The source sent other characters than it holds.
        pymysql.err.MySQLError: The source refused or was lost.
    """
    read_at = datetime.now(UTC)

    def refuse(page: Page) -> None:
        _refuse_unreadable(text, source, where_page(text, page))

    pages = read_pages(text, chunk, source, ended=refuse, keeps_snapshot=keeps_snapshot)
    spool.fill(pages, stop.check)
    if not keeps_snapshot:
        end_read(source)
    return ChunkProof(
        chunk,
        spool.rows,
        spool.digest(),
        read_at,
        text_bytes=spool.text_bytes,
        altered=spool.altered,
    )


def extract_rows(
    text: RenderedTable,
    statement: str | bytes,
    where: bytes,
    source: SourceConnection,
    spool: Spool,
    stop: Cancellation,
    *,
    keeps_snapshot: bool = False,
) -> None:
    """Read *statement*, which selects the rows *where*, into *spool*; the rest is as above."""
    source.throttle.check_open(text.name, "stopped in the middle of the table")
    with source.reading(text.name):
        spool.fill(read_certainly(source, statement, text.modes), stop.check)
        _refuse_unreadable(text, source, where)
    if not keeps_snapshot:
        end_read(source)


def end_read(connection: Connection[Any]) -> None:
    """End the transaction that a SELECT began.

    While it is open, an ALTER of the table waits for it, with every statement behind the ALTER,
    and the server keeps old versions of rows for it. So none is open for longer than a chunk.
    """
    connection.rollback()


def _refuse_unreadable(text: RenderedTable, source: Connection[Any], where: bytes) -> None:
    """Raise TransferError if the source sent other characters than it holds."""
    for column, query in select_unreadable(text, where).items():
        with source.cursor() as cursor:
            cursor.execute(query)
            (count,) = cursor.fetchone()
        if count:
            charset = text.table.column(column).charset
            raise TransferError(
                f"{count_of(count, 'value holds', 'values hold')} bytes that {charset} has no "
                "character for; the server sends them as question marks",
                where=f"{text.name}.{column}",
                fix=f"mend them at the source, or {choice_of(text.name, column, 'exclude: true')}",
            )


def read_columns(text: RenderedTable, source: SourceConnection) -> list[ColumnState]:
    """The table's columns as they are now at the source; the read is ended."""
    with source.cursor() as cursor:
        cursor.execute(f"SHOW FULL COLUMNS FROM {quote_mysql(text.name)}")
        columns = [(name, kind, collation) for name, kind, collation, *_ in cursor.fetchall()]
    end_read(source)
    return columns


def refuse_altered(
    text: RenderedTable, source: SourceConnection, before: Sequence[ColumnState] | None
) -> None:
    """Raise SchemaError if the source's columns are not those of *before* and of *text*.

    Nothing is locked at the source between two chunks, so the first chunks may have been read
    from a table that looked otherwise, and a new column may have been left out.

    Args:
        text: The table as it was when the run began.
        source: PyMySQL connection to the source.
        before: The columns before the first chunk; None for a table that was read at one instant.
    """
    after = read_columns(text, source)
    expected = {(c.name, c.column_type, c.collation) for c in text.table.columns}
    if after != (after if before is None else before) or not expected.issubset(after):
        raise SchemaError(
            "the table was altered at the source while it was read",
            where=text.name,
            fix=f"etl run {text.name}",
        )
