"""Digests that the two MySQL servers compute themselves, for a slow line to the source.

A chunk then costs one row on the line instead of all of them, and the source a hash of each row.
It is a sum of 60 bits of SHA-256 a row: it finds accidents, not somebody who wants to deceive.
Two servers may print one value differently, so a table is tested first.
"""

from __future__ import annotations

from typing import Any

from pymysql.connections import Connection

from etl_pipeline.core.workers import Worker
from etl_pipeline.replicate.chunking import ask_integer
from etl_pipeline.replicate.extract import end_read
from etl_pipeline.schema.names import quote_mysql
from etl_pipeline.schema.types import CarriedColumn, Mode
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.reader import read_text
from etl_pipeline.transfer.select import RenderedTable, select_bound, select_chunk, where_chunk
from etl_pipeline.transfer.spool import Spool

TESTED_ROWS = 1000


def select_digest(text: RenderedTable, chunk: Chunk) -> str:
    """Return the SELECT of one row for *chunk*: rows, rows that could be hashed, and the sum.

    A row that does not fit into ``max_allowed_packet`` as one string has no hash.
    """
    number = "CAST(CONV(SUBSTRING(row_hash, 1, 15), 16, 10) AS UNSIGNED)"
    return (
        f"SELECT COUNT(*), COUNT(row_hash), COALESCE(SUM({number}), 0) "
        f"FROM (SELECT {_row_hash(text)} AS row_hash FROM {_rows(text, chunk)}) AS hashes"
    )


def select_hashes(text: RenderedTable, chunk: Chunk) -> str:
    """Return the SELECT of the hash of each row of *chunk*, in the order of ``select_chunk``."""
    statement = f"SELECT {_row_hash(text)} FROM {_rows(text, chunk)}"
    if text.table.integer_key is None:
        return statement
    order = ", ".join(quote_mysql(name) for name in text.table.primary_key)
    return f"{statement} ORDER BY {order}"


def _rows(text: RenderedTable, chunk: Chunk) -> str:
    hint = "" if text.table.integer_key is None else " FORCE INDEX (PRIMARY)"
    return f"{quote_mysql(text.name)}{hint} WHERE {where_chunk(text, chunk).decode()}"


def _row_hash(text: RenderedTable) -> str:
    return f"SHA2(CONCAT({', '.join(map(_field, text.columns))}), 256)"


def _field(carried: CarriedColumn) -> str:
    """A value with its length before it, so that no two rows read alike; NULL is a letter."""
    if carried.mode in (Mode.BINARY, Mode.GEOMETRY):
        value = f"HEX({carried.select})"
    else:
        # Added to a zero, a negative one is a zero; every other number stays what it is.
        number = f"({carried.select} + 0e0)" if carried.mode is Mode.REAL else carried.select
        value = f"CONVERT({number} USING utf8mb4)"
    return f"COALESCE(CONCAT(CHAR_LENGTH({value}), ':', {value}), 'N')"


def ask_digest(
    text: RenderedTable, chunk: Chunk, connection: Connection[Any]
) -> tuple[int, int] | None:
    """Return the rows of *chunk* and the sum of their hashes; None where a row has none."""
    with connection.cursor() as cursor:
        cursor.execute(select_digest(text, chunk))
        rows, hashed, digest = cursor.fetchone()
    end_read(connection)
    return (int(rows), int(digest)) if rows == hashed else None


def servers_agree(text: RenderedTable, worker: Worker) -> bool:
    """Return True if both servers give equal rows of *text* equal hashes, and others other ones.

    Up to ``TESTED_ROWS`` rows are read from both. Where no two rows are alike, nothing is shown,
    and the answer is no.
    """
    upper = None
    if text.table.integer_key is not None:
        upper = ask_integer(worker.source)(select_bound(text, None, TESTED_ROWS))
        end_read(worker.source)
    chunk = Chunk(0, None, upper)
    here = _lines_and_hashes(text, chunk, worker.source, worker)
    there = _lines_and_hashes(text, chunk, worker.replication, worker)
    same = here.keys() & there.keys()
    others = {here[line] for line in here.keys() - same} & {
        there[line] for line in there.keys() - same
    }
    return bool(same) and all(here[line] == there[line] for line in same) and not others


def _lines_and_hashes(
    text: RenderedTable, chunk: Chunk, connection: Connection[Any], worker: Worker
) -> dict[bytes, bytes | None]:
    """Return the hash of each row of *chunk* by its line."""
    hash_mode = (Mode.PLAIN,)
    with Spool(ordered=True) as lines, Spool(ordered=True) as hashes:
        lines.fill(read_text(connection, select_chunk(text, chunk), text.modes), worker.stop.check)
        statement = select_hashes(text, chunk)
        hashes.fill(read_text(connection, statement, hash_mode), worker.stop.check)
        end_read(connection)
        return dict(zip(lines.lines(), hashes.lines(), strict=False))
