"""Read and write the state of the replicas, in the replication database itself.

``replicas.sql`` documents the tables. What says which rows a replica holds is written in the
transactions that write the rows, so it is true after a kill, too. Nothing here commits.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pymysql import err
from pymysql.connections import Connection
from pymysql.constants import ER
from pymysql.cursors import Cursor

from etl_pipeline.schema.names import quote_mysql
from etl_pipeline.state.records import (
    NO_RUN,
    UNKNOWN,
    ActualReplica,
    ChunkProof,
    Identity,
    KnownChunk,
    KnownReplica,
    Lease,
    Remembered,
    Watermark,
)
from etl_pipeline.state.replica_tables import read_state
from etl_pipeline.state.run_lease import check_replication_lease
from etl_pipeline.state.segments import Segment, pack, unpack
from etl_pipeline.transfer.chunk import Chunk, is_tiling


def read_known(connection: Connection[Any], table: str) -> KnownReplica | None:
    """Return the replica of *table*, as it is recorded and as it is; None where either is not."""
    remembered = read_replica(connection, table)
    actual = read_actual(connection, table) if remembered else None
    return KnownReplica(remembered, actual) if remembered and actual else None


def read_replica(connection: Connection[Any], table: str) -> Remembered | None:
    """Return what is recorded of the replica of *table*; None where nothing is."""
    found = read_state(connection, "_etl_table", table)
    if not found:
        return None
    (row,) = found
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ordinal, lower_bound, upper_bound, row_count, text_digest, read_at, "
            "is_text_digest, text_bytes, altered, key_digest, run_token "
            "FROM _etl_chunk WHERE table_name = %s ORDER BY ordinal",
            (table,),
        )
        chunks = tuple(_known_chunk(row) for row in cursor.fetchall())
    if not is_tiling([known.proof.chunk for known in chunks]):
        return None
    column, watermark, proven_at = row["watermark_column"], row["watermark"], row["proven_at"]
    return Remembered(
        Identity(row["ddl_digest"], row["rendering_digest"]),
        row["show_create_digest"],
        chunks,
        proven_at and proven_at.replace(tzinfo=UTC),
        None if column is None or watermark is None else Watermark(column, watermark),
    )


def _known_chunk(row: Sequence[Any]) -> KnownChunk:
    ordinal, lower, upper, rows, digest, read_at, is_text, text_bytes, altered, keys, token = row
    counts = Counter({(column, kind): count for column, kind, count in json.loads(altered)})
    chunk = Chunk(ordinal, _integer(lower), _integer(upper))
    read_at = read_at.replace(tzinfo=UTC)
    proof = ChunkProof(chunk, rows, digest, read_at, bool(is_text), text_bytes, counts)
    return KnownChunk(proof, keys, token)


def count_chunks(connection: Connection[Any]) -> dict[str, int]:
    """Return how many chunks are recorded of each replica, by its name."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name, COUNT(*) FROM _etl_chunk GROUP BY table_name")
        return {name: int(count) for name, count in cursor.fetchall()}


def read_actual(connection: Connection[Any], table: str) -> ActualReplica | None:
    """Return the replica of *table* as it is now; None where there is none."""
    digest = read_show_create_digest(connection, table)
    if digest is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {quote_mysql(table)}")
        return ActualReplica(digest, int(cursor.fetchone()[0]))


def read_show_create_digest(connection: Connection[Any], table: str) -> bytes | None:
    """Return the digest of what ``show_create`` returns; None where there is no such table."""
    shown = show_create(connection, table)
    return None if shown is None else digest_show_create(shown)


def show_create(connection: Connection[Any], table: str) -> str | None:
    """Return what ``SHOW CREATE TABLE`` says of *table*, without its name; None without a table."""
    with connection.cursor() as cursor:
        try:
            return _show(cursor, table)
        except err.ProgrammingError as error:
            if error.args[0] != ER.NO_SUCH_TABLE:
                raise
            return None


def _show(cursor: Cursor, table: str) -> str:
    """Return a table's definition without its name: it is renamed when it is complete."""
    cursor.execute(f"SHOW CREATE TABLE {quote_mysql(table)}")
    (shown,) = cursor.fetchall()
    return str(shown[1]).replace(quote_mysql(table), "", 1)


def digest_show_create(shown: str) -> bytes:
    """Return the digest of what ``show_create`` returns."""
    return hashlib.sha256(shown.encode()).digest()


def retile(
    connection: Connection[Any],
    table: str,
    chunks_known: Sequence[KnownChunk],
    chunks: Sequence[Chunk],
) -> None:
    """Record *chunks* in place of *chunks_known*, before any of them is worked on.

    So what is recorded holds every key at any instant. What the replica holds of a new chunk is
    not known; the rows of chunks that are no more are counted with the first new one.
    """
    wanted = set(chunks)
    kept = {known.proof.chunk: known for known in chunks_known if known.proof.chunk in wanted}
    rest = sum(known.proof.rows for known in chunks_known if known.proof.chunk not in kept)
    remembered = []
    for chunk in chunks:
        known = kept.get(chunk)
        if known is None:
            known, rest = _unread(chunk, rest), 0
        remembered.append(known)
    _forget_chunks(connection, table)
    _write_chunks(connection, table, remembered)


def _unread(chunk: Chunk, rows: int = 0) -> KnownChunk:
    proof = ChunkProof(chunk, rows, UNKNOWN, datetime.now(UTC), is_text=False)
    return KnownChunk(proof, None, NO_RUN)


def void_chunks(
    connection: Connection[Any], table: str, chunks: Iterable[KnownChunk]
) -> tuple[KnownChunk, ...]:
    """Record of *chunks* only how many rows they have: their values may be others."""
    voided = tuple(_unread(known.proof.chunk, known.proof.rows) for known in chunks)
    _write_chunks(connection, table, voided)
    return voided


def forget(connection: Connection[Any], table: str) -> None:
    """Delete everything that is recorded of *table*."""
    _forget_chunks(connection, table)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM _etl_table WHERE table_name = %s", (table,))


def _forget_chunks(connection: Connection[Any], table: str) -> None:
    with connection.cursor() as cursor:
        for state in ("_etl_chunk", "_etl_segment", "_etl_compared"):
            cursor.execute(f"DELETE FROM {state} WHERE table_name = %s", (table,))


def remember_empty(
    connection: Connection[Any], table: str, identity: Identity, chunks: Iterable[Chunk]
) -> None:
    """Record a replica that was made just now and is empty; nothing is recorded of it yet."""
    _write_chunks(connection, table, [_unread(chunk) for chunk in chunks])
    remember_table(connection, table, identity)


def remember_table(
    connection: Connection[Any],
    table: str,
    identity: Identity,
    *,
    proven_at: datetime | None = None,
    watermark: Watermark | None = None,
) -> None:
    """Replace what is recorded of the replica of *table* as a whole, as it is defined now."""
    with connection.cursor() as cursor:
        show_create_digest = digest_show_create(_show(cursor, table))
        cursor.execute(
            "REPLACE INTO _etl_table (table_name, ddl_digest, show_create_digest, "
            "rendering_digest, proven_at, watermark_column, watermark) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (
                table,
                identity.ddl_digest,
                show_create_digest,
                identity.rendering_digest,
                proven_at and _naive(proven_at),
                watermark and watermark.column,
                watermark and watermark.value,
            ),
        )


def move_watermark(connection: Connection[Any], table: str, watermark: Watermark | None) -> None:
    """Replace the watermark of *table*; None deletes it, and the next pass is a full one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "REPLACE INTO _etl_table (table_name, ddl_digest, show_create_digest, "
            "rendering_digest, proven_at, watermark_column, watermark) SELECT table_name, "
            "ddl_digest, show_create_digest, rendering_digest, proven_at, %s, %s "
            "FROM _etl_table WHERE table_name = %s",
            (watermark and watermark.column, watermark and watermark.value, table),
        )


def move(connection: Connection[Any], table: str, to: str) -> None:
    """Record of *to* what is recorded of *table*, and delete what was recorded of either."""
    forget(connection, to)
    with connection.cursor() as cursor:
        for state in ("_etl_table", "_etl_chunk", "_etl_segment", "_etl_compared"):
            cursor.execute(f"SHOW COLUMNS FROM {state}")
            names = [quote_mysql(name) for name, *_ in cursor.fetchall()]
            rest = ", ".join(name for name in names if name != "`table_name`")
            cursor.execute(
                f"INSERT INTO {state} (`table_name`, {rest}) "
                f"SELECT %s, {rest} FROM {state} WHERE table_name = %s",
                (to, table),
            )
    forget(connection, table)


def remember_chunks(
    connection: Connection[Any],
    table: str,
    lease: Lease,
    proofs: Iterable[ChunkProof],
    key_digests: Mapping[int, bytes | None] | None = None,
) -> None:
    """Replace what is recorded of the chunks of *proofs*, which *lease*'s run has finished.

    Args:
        connection: PyMySQL connection; the caller commits.
        table: The table.
        lease: The run.
        proofs: Of the chunks.
        key_digests: By ordinal, the digest of a chunk's keys where it is known.

    Raises:
        DatabaseError: Another run has taken over.
    """
    check_replication_lease(connection, lease)
    keys = key_digests or {}
    known = [KnownChunk(proof, keys.get(proof.chunk.ordinal), lease.token) for proof in proofs]
    _write_chunks(connection, table, known)


def _write_chunks(connection: Connection[Any], table: str, chunks: Iterable[KnownChunk]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "REPLACE INTO _etl_chunk (table_name, ordinal, lower_bound, upper_bound, row_count, "
            "text_digest, read_at, is_text_digest, text_bytes, altered, key_digest, run_token) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    table,
                    known.proof.chunk.ordinal,
                    known.proof.chunk.lower,
                    known.proof.chunk.upper,
                    known.proof.rows,
                    known.proof.text_digest,
                    _naive(known.proof.read_at),
                    known.proof.is_text,
                    known.proof.text_bytes,
                    json.dumps([[*key, count] for key, count in known.proof.altered.items()]),
                    known.key_digest,
                    known.run_token,
                )
                for known in chunks
            ],
        )


def write_segments(
    connection: Connection[Any],
    table: str,
    chunk: Chunk,
    text_digest: bytes,
    segments: Sequence[Segment],
) -> None:
    """Replace what is recorded of the segments of *chunk*, if it has any.

    They hold as long as the chunk is recorded with *text_digest*.
    """
    if not segments:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "REPLACE INTO _etl_segment (table_name, ordinal, text_digest, segments) "
            "VALUES (%s, %s, %s, %s)",
            (table, chunk.ordinal, text_digest, pack(segments)),
        )


def read_segments(
    connection: Connection[Any], table: str, chunk: Chunk, text_digest: bytes
) -> list[Segment]:
    """Return the segments of *chunk*, whose rows have *text_digest*; empty where not known."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT segments FROM _etl_segment "
            "WHERE table_name = %s AND ordinal = %s AND text_digest = %s",
            (table, chunk.ordinal, text_digest),
        )
        row = cursor.fetchone()
    return unpack(row[0], chunk) if row else []


def _naive(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)


def _integer(value: Any) -> int | None:
    return None if value is None else int(value)
