"""Which schema a replica was made for, and how far an alteration of it has come.

``replicas.sql`` documents the two tables. MySQL commits with every statement of DDL, so what is to
be done is written down before it is begun, with what the table will look like after each
statement: a run that finds it half done goes on from there. Nothing here commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from etl_pipeline.schema.catalog import Table
from etl_pipeline.schema.loaded import read_table_json, table_json
from etl_pipeline.state.records import PendingAlteration


def read_definition(connection: Any, table: str) -> bytes | None:
    """The definition that the replica of *table* is remembered to have; None where none is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT definition FROM _etl_table WHERE table_name = %s", (table,))
        row = cursor.fetchone()
    return row[0] if row else None


def note_schema(connection: Any, table: Table, definition: bytes) -> None:
    """Keep what *definition* stands for, before a replica of it is made."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM _etl_schema WHERE table_name = %s AND definition = %s",
            (table.name, definition),
        )
        if cursor.fetchone() is None:
            cursor.execute(
                "REPLACE INTO _etl_schema (table_name, definition, source) VALUES (%s, %s, %s)",
                (table.name, definition, table_json(table)),
            )


def read_schema(connection: Any, table: str, definition: bytes) -> Table | None:
    """The source's table that a replica of *definition* was made for; None where not known."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT source FROM _etl_schema WHERE table_name = %s AND definition = %s",
            (table, definition),
        )
        row = cursor.fetchone()
    return read_table_json(row[0]) if row else None


def forget_other_schemas(connection: Any, table: str, definitions: Sequence[bytes]) -> None:
    """Keep of *table* no other definitions than *definitions*."""
    places = ", ".join(["%s"] * len(definitions))
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM _etl_schema WHERE table_name = %s AND definition NOT IN ({places})",
            (table, *definitions),
        )


def write_begun(
    connection: Any,
    table: str,
    made_from: bytes,
    definition: bytes,
    statements: Sequence[str],
    stands_as: Sequence[bytes],
) -> None:
    """Write down an alteration before it is begun."""
    forget_begun(connection, table)
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO _etl_alter "
            "(table_name, ordinal, made_from, definition, statement, stands_as) "
            "VALUES (%s, %s, %s, %s, %s, %s)",
            [
                (table, ordinal, made_from, definition, statement, after)
                for ordinal, (statement, after) in enumerate(
                    zip(statements, stands_as, strict=True)
                )
            ],
        )


def read_begun(connection: Any, table: str, made_from: bytes) -> PendingAlteration | None:
    """The alteration of a replica of definition *made_from* that was begun; None for none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT definition, statement, stands_as FROM _etl_alter "
            "WHERE table_name = %s AND made_from = %s ORDER BY ordinal",
            (table, made_from),
        )
        rows = cursor.fetchall()
    if not rows:
        return None
    return PendingAlteration(
        rows[0][0], tuple(row[1] for row in rows), tuple(row[2] for row in rows)
    )


def forget_begun(connection: Any, table: str) -> None:
    """No alteration of *table* is under way any more."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM _etl_alter WHERE table_name = %s", (table,))
