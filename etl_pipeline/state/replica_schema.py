"""The schema that a replica was made for, and how far an alteration of it has come.

``replicas.sql`` documents the two tables. MySQL commits with every statement of DDL, so what is to
be done is written down before it is begun, with what the table will look like after each
statement: a run that finds it half done goes on from there. Nothing here commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymysql.connections import Connection

from etl_pipeline.schema.catalog import Table
from etl_pipeline.schema.loaded import read_table_json, table_json
from etl_pipeline.state.records import PendingAlteration
from etl_pipeline.state.replica_tables import read_state


def read_ddl_digest(connection: Connection[Any], table: str) -> bytes | None:
    """Return the digest of the statements that made the replica of *table*; None without one."""
    found = read_state(connection, "_etl_table", table)
    return found[0]["ddl_digest"] if found else None


def note_schema(connection: Connection[Any], table: Table, ddl_digest: bytes) -> None:
    """Record the source's table of *ddl_digest*, before a replica is made for it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM _etl_schema WHERE table_name = %s AND ddl_digest = %s",
            (table.name, ddl_digest),
        )
        if cursor.fetchone() is None:
            cursor.execute(
                "REPLACE INTO _etl_schema (table_name, ddl_digest, source) VALUES (%s, %s, %s)",
                (table.name, ddl_digest, table_json(table)),
            )


def read_schema(connection: Connection[Any], table: str, ddl_digest: bytes) -> Table | None:
    """Return the source's table that a replica was made for; None where it is not known."""
    found = read_state(connection, "_etl_schema", table)
    sources = [row["source"] for row in found if row["ddl_digest"] == ddl_digest]
    return read_table_json(sources[0]) if sources else None


def forget_other_schemas(
    connection: Connection[Any], table: str, ddl_digests: Sequence[bytes]
) -> None:
    """Delete the schemas of *table* but those of *ddl_digests*."""
    places = ", ".join(["%s"] * len(ddl_digests))
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM _etl_schema WHERE table_name = %s AND ddl_digest NOT IN ({places})",
            (table, *ddl_digests),
        )


def write_begun(
    connection: Connection[Any], table: str, ddl_digest_before: bytes, begun: PendingAlteration
) -> None:
    """Record an alteration of the replica of *table* before it is begun."""
    forget_begun(connection, table)
    steps = zip(begun.statements, begun.show_create_digests, strict=True)
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO _etl_alter (table_name, ordinal, ddl_digest_before, ddl_digest, "
            "statement, show_create_digest) VALUES (%s, %s, %s, %s, %s, %s)",
            [
                (table, ordinal, ddl_digest_before, begun.ddl_digest, statement, after)
                for ordinal, (statement, after) in enumerate(steps)
            ],
        )


def read_begun(
    connection: Connection[Any], table: str, ddl_digest_before: bytes
) -> PendingAlteration | None:
    """Return the alteration that was begun of the replica of *table*; None without one.

    One that began at another definition than *ddl_digest_before* is of a replica that is gone.
    """
    begun = read_state(connection, "_etl_alter", table)
    rows = sorted(
        (row for row in begun if row["ddl_digest_before"] == ddl_digest_before),
        key=lambda row: int(row["ordinal"]),
    )
    if not rows:
        return None
    return PendingAlteration(
        rows[0]["ddl_digest"],
        tuple(row["statement"] for row in rows),
        tuple(row["show_create_digest"] for row in rows),
    )


def forget_begun(connection: Connection[Any], table: str) -> None:
    """Delete what is recorded of an alteration of *table*."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM _etl_alter WHERE table_name = %s", (table,))
