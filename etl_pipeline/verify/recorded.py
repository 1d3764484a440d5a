"""What both targets are recorded to hold of a table, chunk by chunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import psycopg
from pymysql import err
from pymysql.constants import ER

from etl_pipeline.errors import DatabaseError
from etl_pipeline.state import warehouse
from etl_pipeline.state.records import RawDigest, Watermark
from etl_pipeline.transfer.chunk import Chunk


@dataclass(frozen=True, slots=True)
class LoadedChunk:
    """A chunk as it was loaded into ``raw``.

    Attributes:
        text_digest: Of the text of the replica that was loaded; where *is_text* is False, bytes
            that only tell this state from others.
        digest: PostgreSQL's, of its rows then.
        read_at: When the source was read for it, UTC.
    """

    chunk: Chunk
    text_digest: bytes
    is_text: bool
    digest: RawDigest
    read_at: datetime


def read_loaded(analytics: psycopg.Connection, table: str) -> list[LoadedChunk]:
    """The chunks of *table* in order; empty where it was never loaded, or there is no state.

    Raises:
        DatabaseError: The state is of an older version.
    """
    try:
        recorded = warehouse.read_chunks(analytics, table)
    except psycopg.errors.UndefinedColumn as error:
        raise DatabaseError(
            "the state in schema etl was written by an older version",
            where=table,
            fix="etl run    brings it to this one",
        ) from error
    return [
        LoadedChunk(proof.chunk, proof.text_digest, proof.is_text, digest, proof.read_at)
        for proof, digest in recorded
    ]


@dataclass(frozen=True, slots=True)
class ReplicaRecord:
    """What is remembered of a replica as a whole.

    Attributes:
        is_known: Whether anything is.
        watermark: Of the ``incremental_column``; None without one.
    """

    is_known: bool
    watermark: Watermark | None = None


@dataclass(frozen=True, slots=True)
class ReplicaChunk:
    """What a replica is remembered to hold of a chunk; as for ``LoadedChunk``."""

    text_digest: bytes
    is_text: bool


def read_written(replication: Any, table: str) -> ReplicaRecord:
    """What is remembered of the replica of *table*."""
    rows = _ask(
        replication,
        "SELECT watermark_column, watermark FROM _etl_table WHERE table_name = %s",
        (table,),
    )
    if not rows:
        return ReplicaRecord(is_known=False)
    column, watermark = rows[0]
    is_marked = column is not None and watermark is not None
    return ReplicaRecord(True, Watermark(column, watermark) if is_marked else None)


def read_written_chunk(replication: Any, table: str, chunk: Chunk) -> ReplicaChunk | None:
    """What the replica of *table* is remembered to hold of *chunk*; None where it is not known."""
    rows = _ask(
        replication,
        "SELECT lower_bound, upper_bound, text_digest, is_text_digest FROM _etl_chunk "
        "WHERE table_name = %s AND ordinal = %s",
        (table, chunk.ordinal),
    )
    if not rows:
        return None
    lower, upper, text_digest, is_text = rows[0]
    if Chunk(chunk.ordinal, _integer(lower), _integer(upper)) != chunk:
        return None
    return ReplicaChunk(text_digest, bool(is_text))


def _ask(replication: Any, query: str, values: tuple[Any, ...]) -> Sequence[Any]:
    try:
        with replication.cursor() as cursor:
            cursor.execute(query, values)
            return cast("Sequence[Any]", cursor.fetchall())
    except (err.ProgrammingError, err.OperationalError) as error:
        # There is no state, or it is of an older version, which the next run renews.
        if error.args[0] not in (ER.NO_SUCH_TABLE, ER.BAD_FIELD_ERROR):
            raise
        return ()


def is_behind(loaded: LoadedChunk, written: ReplicaRecord, chunk: ReplicaChunk | None) -> bool:
    """Whether the replica holds a chunk in another state than was loaded into ``raw``.

    Where nothing is remembered of the replica, it is not known to.
    """
    return written.is_known and (chunk is None or chunk.text_digest != loaded.text_digest)


def _integer(value: Any) -> int | None:
    return None if value is None else int(value)
