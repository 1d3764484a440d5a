"""What the pipeline remembers, in schema ``etl`` of the analytics database.

``state.sql`` documents the tables. No statement here commits but those of ``open_state``,
``start_run`` and ``finish_run``, whose connection is in autocommit mode.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from importlib import resources

import psycopg

from etl_pipeline import __version__
from etl_pipeline.errors import DatabaseError
from etl_pipeline.schema.names import quote_postgres
from etl_pipeline.sync.proof import ChunkProof, RawDigest, TableOutcome
from etl_pipeline.transfer.select import Chunk

VERSION = 2
# What brings the state of each older version to the next one. Digests that are gone are made again
# by the next run.
_MIGRATIONS = {1: "DELETE FROM etl.chunk"}
_LOCK = 7_305_438_871_402_195  # an arbitrary number that is ours


def open_state(connection: psycopg.Connection) -> None:
    """Make the state's tables where they are missing; the connection is in autocommit mode.

    Raises:
        DatabaseError: The state was written by a newer version.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK + 1,))
        ensure_schema(connection, "etl")
        connection.execute(resources.files(__package__).joinpath("state.sql").read_bytes())
        row = connection.execute("SELECT max(version) FROM etl.version").fetchone()
        found = row[0] if row and row[0] is not None else VERSION
        if found > VERSION:
            raise DatabaseError(
                f"the state in schema etl is of version {found}, this program knows {VERSION}",
                fix="install the newer etl_pipeline that wrote it",
            )
        for older in range(found, VERSION):
            connection.execute(_MIGRATIONS[older].encode())
        connection.execute("DELETE FROM etl.version WHERE version <> %s", (VERSION,))
        connection.execute("INSERT INTO etl.version VALUES (%s) ON CONFLICT DO NOTHING", (VERSION,))


def ensure_schema(connection: psycopg.Connection, schema: str) -> None:
    """Make *schema* if it is missing.

    PostgreSQL asks for the privilege to create before it looks whether there is anything to do,
    and a user that only loads need not have it.
    """
    found = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,))
    if found.fetchone() is None:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_postgres(schema)}".encode())


def lock_runs(connection: psycopg.Connection) -> None:
    """Hold the lock of a run for as long as *connection* lives.

    Raises:
        DatabaseError: Another run holds it.
    """
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,)).fetchone()
    if row and row[0]:
        return
    other = connection.execute(
        "SELECT run_id, host, process_id, started_at FROM etl.run "
        "WHERE finished_at IS NULL ORDER BY run_id DESC LIMIT 1"
    ).fetchone()
    name = f"run {other[0]} (process {other[2]} on {other[1]})" if other else "another run"
    raise DatabaseError(
        f"{name} is at work on this warehouse",
        fix="wait until it has ended, or stop it, and run again",
    )


def start_run(connection: psycopg.Connection) -> int:
    """Record a new run and return its id."""
    row = connection.execute(
        "INSERT INTO etl.run (etl_version, host, process_id) VALUES (%s, %s, %s) RETURNING run_id",
        (__version__, socket.gethostname(), os.getpid()),
    ).fetchone()
    return int(row[0]) if row else 0


def finish_run(connection: psycopg.Connection, run_id: int, outcome: str) -> None:
    """Record how a run ended: ``succeeded``, ``failed`` or ``stopped``."""
    connection.execute(
        "UPDATE etl.run SET finished_at = clock_timestamp(), outcome = %s WHERE run_id = %s",
        (outcome, run_id),
    )


def record_table(connection: psycopg.Connection, run_id: int, outcome: TableOutcome) -> None:
    """Record what a run did to a table, failed or not."""
    altered: dict[str, dict[str, int]] = {}
    for (column, kind), count in outcome.altered.items():
        altered.setdefault(column, {})[kind] = count
    connection.execute(
        "INSERT INTO etl.table_run (run_id, table_name, strategy, grade, rows, text_bytes, "
        "seconds, inserted, updated, deleted, altered, error) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            run_id,
            outcome.table,
            outcome.strategy,
            outcome.grade,
            outcome.rows,
            outcome.text_bytes,
            outcome.seconds,
            outcome.inserted,
            outcome.updated,
            outcome.deleted,
            json.dumps(altered),
            outcome.error,
        ),
    )


def record_chunks(
    connection: psycopg.Connection,
    run_id: int,
    table: str,
    proofs: Sequence[ChunkProof],
    digests: Sequence[RawDigest],
    *,
    of: int,
) -> None:
    """Replace *proofs* of *table*, which has *of* chunks, in the transaction of their rows."""
    connection.execute(
        "DELETE FROM etl.chunk WHERE table_name = %s AND (ordinal >= %s OR ordinal = ANY(%s))",
        (table, of, [proof.chunk.ordinal for proof in proofs]),
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO etl.chunk (table_name, ordinal, lower_bound, upper_bound, rows, "
            "text_digest, raw_digest, read_at, run_id) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    table,
                    proof.chunk.ordinal,
                    proof.chunk.lower,
                    proof.chunk.upper,
                    proof.rows,
                    proof.text_digest,
                    digest.value,
                    proof.read_at,
                    run_id,
                )
                for proof, digest in zip(proofs, digests, strict=True)
            ],
        )


def read_chunks(connection: psycopg.Connection, table: str) -> list[tuple[Chunk, bytes, RawDigest]]:
    """The recorded chunks of *table* in order: range, digest of the text, digest of ``raw``.

    Empty where the table was never loaded, or where there is no state at all.
    """
    row = connection.execute("SELECT to_regclass('etl.chunk')").fetchone()
    if row is None or row[0] is None:
        return []
    rows = connection.execute(
        "SELECT ordinal, lower_bound, upper_bound, text_digest, rows, raw_digest "
        "FROM etl.chunk WHERE table_name = %s ORDER BY ordinal",
        (table,),
    )
    return [
        (
            Chunk(
                ordinal,
                None if lower is None else int(lower),
                None if upper is None else int(upper),
            ),
            bytes(text_digest),
            RawDigest(count, raw_digest),
        )
        for ordinal, lower, upper, text_digest, count, raw_digest in rows
    ]
