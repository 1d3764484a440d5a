"""Read PostgreSQL's digests of what ``raw`` holds."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import psycopg

from etl_pipeline.load.sql import digest_raw
from etl_pipeline.state.records import RawDigest
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.select import RenderedTable

EMPTY = RawDigest(0, Decimal(0))

_KNOWN_ROW = (
    "SELECT hash_record_extended(ROW('a'::text, 1::smallint, 2::integer, 3::bigint, "
    "1.50::numeric, '2000-01-02'::date, '2000-01-02 03:04:05.000006'::timestamp, "
    "'2000-01-02 03:04:05+00'::timestamptz, '-26:00:00.000001'::interval, '\\x00ff'::bytea, true, "
    "float4send(0.1), float8send(-0.0), NULL::text), 0)"
)
_KNOWN_HASH = -5255953016841492572


def read_digests(
    analytics: psycopg.Connection,
    target: str,
    text: RenderedTable,
    chunks: Sequence[Chunk],
    *,
    among: Sequence[Chunk] | None = None,
) -> list[RawDigest]:
    """Return PostgreSQL's digest of each of *chunks* of *target*, in their order.

    The settings of ``PINNED_SETTINGS`` must be in force, that is, a transaction is open.

    Args:
        analytics: In a transaction.
        target: The table, quoted.
        text: The table and its columns.
        chunks: The chunks to digest.
        among: All chunks of the table; None where *chunks* are all.
    """
    if not chunks:
        return []
    found = read_sums(analytics, digest_raw(target, text, chunks, among or chunks))
    return [found.get(chunk.ordinal, EMPTY) for chunk in chunks]


def read_sums(analytics: psycopg.Connection, query: str) -> dict[int, RawDigest]:
    """Return the digests of *query*, of ``load/sql.py``, of chunks with rows, by ordinal."""
    return {
        ordinal: RawDigest(rows, value)
        for ordinal, rows, value in analytics.execute(query.encode())
    }


def hashes_like_kernel(analytics: psycopg.Connection) -> bool:
    """Return True if the server's hash of a row is the kernel's.

    It is another one where the server's byte order is.
    """
    row = analytics.execute(_KNOWN_ROW.encode()).fetchone()
    return row is not None and row[0] == _KNOWN_HASH
