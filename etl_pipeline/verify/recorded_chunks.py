"""Read what is recorded of the chunks of a table: as written to the replica, as loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import psycopg
from pymysql import err
from pymysql.connections import Connection
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


def read_loaded_chunks(analytics: psycopg.Connection, table: str) -> list[LoadedChunk]:
    """Return the chunks of *table* in order; none where it was never loaded, or no state is there.

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
class ReplicaState:
    """The recorded state of a replica as a whole.

    Attributes:
        is_known: True if anything is.
        watermark: Of the ``incremental_column``; None without one.
    """

    is_known: bool
    watermark: Watermark | None = None


@dataclass(frozen=True, slots=True)
class ReplicaChunk:
    """The recorded state of a chunk of a replica; the fields are those of ``LoadedChunk``."""

    text_digest: bytes
    is_text: bool


def read_replica_state(replication: Connection[Any], table: str) -> ReplicaState:
    """Return what is recorded of the replica of *table*."""
    rows = _ask(
        replication,
        "SELECT watermark_column, watermark FROM _etl_table WHERE table_name = %s",
        (table,),
    )
    if not rows:
        return ReplicaState(is_known=False)
    column, watermark = rows[0]
    is_marked = column is not None and watermark is not None
    return ReplicaState(True, Watermark(column, watermark) if is_marked else None)


def read_replica_chunk(
    replication: Connection[Any], table: str, chunk: Chunk
) -> ReplicaChunk | None:
    """Return what is recorded of *chunk* in the replica of *table*; None where nothing is."""
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


def _ask(replication: Connection[Any], query: str, values: tuple[Any, ...]) -> Sequence[Any]:
    try:
        with replication.cursor() as cursor:
            cursor.execute(query, values)
            return cast("Sequence[Any]", cursor.fetchall())
    except (err.ProgrammingError, err.OperationalError) as error:
        # There is no state, or it is of an older version, which the next run renews.
        if error.args[0] not in (ER.NO_SUCH_TABLE, ER.BAD_FIELD_ERROR):
            raise
        return ()


def is_behind(loaded: LoadedChunk, replica: ReplicaState, chunk: ReplicaChunk | None) -> bool:
    """Return True if the replica holds another state of a chunk than was loaded into ``raw``.

    Where nothing is recorded of the replica, the answer is False.
    """
    return replica.is_known and (chunk is None or chunk.text_digest != loaded.text_digest)


def _integer(value: Any) -> int | None:
    return None if value is None else int(value)
