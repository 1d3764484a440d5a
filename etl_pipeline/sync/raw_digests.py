"""PostgreSQL's digests of what ``raw`` holds."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import psycopg

from etl_pipeline.sync.proof import RawDigest
from etl_pipeline.sync.raw_sql import digest_raw
from etl_pipeline.transfer.select import Chunk, TableText

NOTHING = RawDigest(0, Decimal(0))


def read_digests(
    analytics: psycopg.Connection,
    target: str,
    text: TableText,
    chunks: Sequence[Chunk],
    *,
    among: Sequence[Chunk] | None = None,
) -> list[RawDigest]:
    """PostgreSQL's digest of every chunk of *target* that is in *chunks*, in their order.

    The settings of ``PINNED_SETTINGS`` must be in force, that is, a transaction is open.

    Args:
        analytics: psycopg connection.
        target: The table, quoted.
        text: The table and its columns.
        chunks: What is digested.
        among: All chunks of the table; None where *chunks* are all.
    """
    if not chunks:
        return []
    found = read_sums(analytics, digest_raw(target, text, chunks, among or chunks))
    return [found.get(chunk.ordinal, NOTHING) for chunk in chunks]


def read_sums(analytics: psycopg.Connection, query: str) -> dict[int, RawDigest]:
    """What *query*, one of ``raw_sql``, says of each chunk that has rows, by its ordinal."""
    return {
        ordinal: RawDigest(rows, value)
        for ordinal, rows, value in analytics.execute(query.encode())
    }
