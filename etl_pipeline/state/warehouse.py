"""Read and write the state in schema ``etl`` of the analytics database.

``warehouse.sql`` documents the tables. No statement here commits but those of ``open_state``, whose
connection is in autocommit mode.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from importlib import resources

import psycopg

from etl_pipeline.core.source_usage import SourceUsage
from etl_pipeline.errors import DatabaseError
from etl_pipeline.schema.names import quote_postgres
from etl_pipeline.state.records import ChunkProof, RawDigest, TableOutcome
from etl_pipeline.transfer.chunk import Chunk

VERSION = 9
# What brings the state of each older version to the next one, besides what warehouse.sql does.
# Digests that are gone are made again by the next run.
_MIGRATIONS = {
    1: "DELETE FROM etl.chunk",
    2: "SELECT",
    3: "SELECT",
    4: "SELECT",
    5: "SELECT",
    6: "SELECT",
    7: "SELECT",
    8: "SELECT",
}
# Columns that had another name in an older version: table, name then, name now.
_RENAMED = (
    ("table_schema", "types", "column_types"),
    ("table_schema", "kept", "kept_columns"),
    ("table_schema", "meaning", "meaning_digest"),
)
_MAKING = 7_305_438_871_402_198  # ours, and neither that of runs nor the mark of sessions


def open_state(connection: psycopg.Connection) -> None:
    """Make the state's tables where they are missing; the connection is in autocommit mode.

    Raises:
        DatabaseError: The state was written by a newer version.
    """
    if is_current(connection):
        return
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MAKING,))
        ensure_schema(connection, "etl")
        script = resources.files(__package__).joinpath("warehouse.sql").read_bytes()
        found = _read_version(connection)
        if found is None:
            _check_ownership(connection, script.decode())
            found = VERSION
        if found > VERSION:
            raise DatabaseError(
                f"the state in schema etl is of version {found}, this program knows {VERSION}",
                fix="install the newer etl_pipeline that wrote it",
            )
        _rename_columns(connection)
        connection.execute(script)
        for older in range(found, VERSION):
            connection.execute(_MIGRATIONS[older].encode())
        connection.execute("DELETE FROM etl.version WHERE version <> %s", (VERSION,))
        connection.execute("INSERT INTO etl.version VALUES (%s) ON CONFLICT DO NOTHING", (VERSION,))


def is_current(connection: psycopg.Connection) -> bool:
    """True if the state is there and of the version of this program."""
    return _read_version(connection) == VERSION


def _rename_columns(connection: psycopg.Connection) -> None:
    """Give columns of an older version the names that they have now."""
    for table, before, now in _RENAMED:
        found = connection.execute(
            "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = %s "
            "AND NOT attisdropped",
            (f"etl.{table}", before),
        ).fetchone()
        if found:
            statement = f"ALTER TABLE etl.{table} RENAME COLUMN {before} TO {now}"  # names of ours
            connection.execute(statement.encode())


def _check_ownership(connection: psycopg.Connection, script: str) -> None:
    """Refuse tables of our names where none says of which version the state is: we made none."""
    names = re.findall(r"CREATE TABLE IF NOT EXISTS etl\.(\w+)", script)
    found = connection.execute(
        "SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        "WHERE n.nspname = 'etl' AND c.relname = ANY(%s) ORDER BY 1",
        (names,),
    ).fetchall()
    if found:
        raise DatabaseError(
            "schema etl has tables of names that the pipeline keeps its state under, and no "
            f"etl.version, so it did not make them: {', '.join(name for (name,) in found)}",
            where="analytics",
            fix="ALTER SCHEMA etl RENAME TO …; then run again",
        )


def _read_version(connection: psycopg.Connection) -> int | None:
    """The version of the state that is there; None where there is none."""
    row = connection.execute("SELECT to_regclass('etl.version')").fetchone()
    if row is None or row[0] is None:
        return None
    row = connection.execute("SELECT max(version) FROM etl.version").fetchone()
    return row[0] if row else None


def ensure_schema(connection: psycopg.Connection, schema: str) -> None:
    """Make *schema* if it is missing.

    PostgreSQL asks for the privilege to create before it looks whether there is anything to do,
    and a user that only loads need not have it.
    """
    found = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,))
    if found.fetchone() is None:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_postgres(schema)}".encode())


def record_source_clock(connection: psycopg.Connection, run_id: int, clock: datetime) -> None:
    """Record what the source's clock showed when the run began, in its server's time zone."""
    connection.execute("UPDATE etl.run SET source_clock = %s WHERE run_id = %s", (clock, run_id))


def record_source_usage(
    connection: psycopg.Connection, run_id: int, source_usage: SourceUsage
) -> None:
    """Record what the source had to bear of a run."""
    connection.execute(
        "UPDATE etl.run SET source_statements = %s, source_seconds = %s, source_rows = %s, "
        "source_bytes = %s, source_longest_seconds = %s, source_longest_of = %s, "
        "source_waited_seconds = %s WHERE run_id = %s",
        (
            source_usage.statements,
            source_usage.seconds,
            source_usage.rows,
            source_usage.bytes,
            source_usage.longest_seconds,
            source_usage.longest_of or None,
            source_usage.waited_seconds,
            run_id,
        ),
    )


def record_table(connection: psycopg.Connection, run_id: int, outcome: TableOutcome) -> None:
    """Record what a run did to a table, failed or not."""
    altered: dict[str, dict[str, int]] = {}
    for (column, kind), count in outcome.altered.items():
        altered.setdefault(column, {})[kind] = count
    values = {
        "run_id": run_id,
        "table_name": outcome.table,
        "strategy": outcome.strategy,
        "grade": outcome.grade,
        "rows": outcome.rows,
        "rows_read": outcome.rows_read,
        "text_bytes": outcome.text_bytes,
        "seconds": outcome.seconds,
        "inserted": outcome.inserted,
        "updated": outcome.updated,
        "deleted": outcome.deleted,
        "read_from": outcome.read_from,
        "read_to": outcome.read_to,
        "proven_at": outcome.proven_at,
        "watermark": outcome.watermark,
        "altered": json.dumps(altered),
        "notes": json.dumps([*outcome.notes, *outcome.corrections]),
        "error": outcome.error,
        "finished_in": outcome.finished_in,
    }
    places = ", ".join(f"%({name})s" for name in values)
    # Its own name for each column; all of them are in the dictionary above.
    statement = f"INSERT INTO etl.table_run ({', '.join(values)}) VALUES ({places})"
    connection.execute(statement.encode(), values)


def record_chunks(
    connection: psycopg.Connection,
    run_id: int,
    table: str,
    proofs: Sequence[ChunkProof],
    digests: Sequence[RawDigest],
    *,
    of: int,
    unseen: Collection[int] = (),
) -> None:
    """Replace *proofs* of *table*, which has *of* chunks, in the transaction of their rows.

    Of the chunks of *unseen*, by ordinal, rows were written and the others not looked at: they
    keep the instant at which all of them last were.
    """
    before = connection.execute(
        "DELETE FROM etl.chunk WHERE table_name = %s AND (ordinal >= %s OR ordinal = ANY(%s)) "
        "RETURNING ordinal, compared_at",
        (table, of, [proof.chunk.ordinal for proof in proofs]),
    ).fetchall()
    compared = {ordinal: compared_at for ordinal, compared_at in before if ordinal in unseen}
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO etl.chunk (table_name, ordinal, lower_bound, upper_bound, rows, "
            "text_digest, is_text_digest, raw_digest, read_at, run_id, compared_at) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, CASE WHEN %s THEN %s ELSE now() END)",
            [
                (
                    table,
                    proof.chunk.ordinal,
                    proof.chunk.lower,
                    proof.chunk.upper,
                    proof.rows,
                    proof.text_digest,
                    proof.is_text,
                    digest.value,
                    proof.read_at,
                    run_id,
                    proof.chunk.ordinal in unseen,
                    compared.get(proof.chunk.ordinal),
                )
                for proof, digest in zip(proofs, digests, strict=True)
            ],
        )


def note_compared(connection: psycopg.Connection, table: str, ordinals: Sequence[int]) -> None:
    """Note that chunks of ``raw`` were digested just now and have the digest that is recorded."""
    connection.execute(
        "UPDATE etl.chunk SET compared_at = now() WHERE table_name = %s AND ordinal = ANY(%s)",
        (table, list(ordinals)),
    )


def read_due(
    connection: psycopg.Connection, tables: Sequence[str], most: int
) -> list[tuple[str, int]]:
    """The *most* chunks of *tables* that were compared longest ago: table and ordinal."""
    return connection.execute(
        "SELECT table_name, ordinal FROM etl.chunk WHERE table_name = ANY(%s) "
        "ORDER BY compared_at NULLS FIRST, table_name, ordinal LIMIT %s",
        (list(tables), most),
    ).fetchall()


def read_oldest(connection: psycopg.Connection) -> dict[str, datetime | None]:
    """By table, when the chunk of ``raw`` was compared that was so longest ago, by our own clock.

    None where one never was, by what is known; empty where the state is of an older version.
    """
    row = connection.execute(
        "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass('etl.chunk') "
        "AND attname = 'compared_at'"
    ).fetchone()
    if row is None:
        return {}
    ages = connection.execute(
        "SELECT table_name, CASE WHEN bool_and(compared_at IS NOT NULL) "
        "THEN clock_timestamp() - min(compared_at) END FROM etl.chunk GROUP BY table_name"
    ).fetchall()
    now = datetime.now(UTC)
    return {table: None if age is None else now - age for table, age in ages}


def read_last_seconds(connection: psycopg.Connection) -> float:
    """Return the duration of the last run that ended; 0 where none has."""
    row = connection.execute(
        "SELECT extract(epoch FROM finished_at - started_at) FROM etl.run "
        "WHERE outcome IN ('succeeded', 'failed') AND NOT selection ? 'what' "
        "ORDER BY run_id DESC LIMIT 1"
    ).fetchone()
    return float(row[0]) if row else 0.0


def read_chunks(connection: psycopg.Connection, table: str) -> list[tuple[ChunkProof, RawDigest]]:
    """The recorded chunks of *table* in order, with the digest of what ``raw`` holds of each.

    Empty where the table was never loaded, or where there is no state at all.
    """
    row = connection.execute("SELECT to_regclass('etl.chunk')").fetchone()
    if row is None or row[0] is None:
        return []
    rows = connection.execute(
        "SELECT ordinal, lower_bound, upper_bound, text_digest, is_text_digest, read_at, rows, "
        "raw_digest FROM etl.chunk WHERE table_name = %s ORDER BY ordinal",
        (table,),
    )
    return [
        (
            ChunkProof(
                Chunk(ordinal, _integer(lower), _integer(upper)),
                count,
                bytes(text_digest),
                read_at,
                is_text,
            ),
            RawDigest(count, raw_digest),
        )
        for ordinal, lower, upper, text_digest, is_text, read_at, count, raw_digest in rows
    ]


def _integer(value: object) -> int | None:
    return None if value is None else int(str(value))
