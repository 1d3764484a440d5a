"""What the runner itself asks of the warehouse, and leaves there; connections in autocommit mode.

Besides the models, schema ``intermediate`` holds one table of ours, ``_etl_models``: which models
the rows were made by.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import psycopg

from etl_pipeline.errors import DatabaseError
from etl_pipeline.schema.names import quote_postgres
from etl_pipeline.state.warehouse import ensure_schema

BEFORE = "__before"
"""What is added to the name of a relation whose columns did not fit its model any more."""
_LOCK = 7_305_438_871_402_199  # an arbitrary number that is ours


def lock_transforms(connection: psycopg.Connection) -> None:
    """Hold the lock of a transformation for as long as *connection* lives.

    Raises:
        DatabaseError: Another one holds it.
    """
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,)).fetchone()
    if not (row and row[0]):
        raise DatabaseError(
            "another transformation is at work on this warehouse",
            fix="wait until it has ended, or stop it, and run again",
        )


def ensure_layers(connection: psycopg.Connection, schemas: Sequence[str]) -> None:
    """Make the schemas of the models where they are missing."""
    for schema in schemas:
        ensure_schema(connection, schema)


def read_columns(connection: psycopg.Connection, schema: str) -> dict[str, frozenset[str]]:
    """The columns of each table of *schema*, by table."""
    columns: dict[str, set[str]] = defaultdict(set)
    rows = connection.execute(
        "SELECT c.relname, a.attname FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace "
        "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
        "WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')",
        (schema,),
    )
    for table, column in rows:
        columns[table].add(column)
    return {table: frozenset(names) for table, names in columns.items()}


def read_digest(connection: psycopg.Connection, schema: str) -> str | None:
    """The digest of the models that built *schema* as a whole; None where none did."""
    table = quote_postgres(schema, "_etl_models")
    found = connection.execute("SELECT to_regclass(%s)", (table,)).fetchone()
    if not (found and found[0]):
        return None
    row = connection.execute(f"SELECT digest FROM {table}".encode()).fetchone()
    return str(row[0]) if row else None


def write_digest(connection: psycopg.Connection, schema: str, digest: str) -> None:
    """Remember that all of the models were built, by models of *digest*."""
    table = quote_postgres(schema, "_etl_models")
    with connection.transaction():
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {table} "
            "(digest text NOT NULL, built_at timestamptz NOT NULL)".encode()
        )
        connection.execute(f"DELETE FROM {table}".encode())
        connection.execute(f"INSERT INTO {table} VALUES (%s, now())".encode(), (digest,))


def drop_old(connection: psycopg.Connection, schemas: Sequence[str]) -> dict[str, list[str]]:
    """Drop relations that were set aside; those on which something stands are given back.

    Returns:
        What stands on each that had to stay, by its name: views that still read old columns.
    """
    while True:
        actual = _read_old(connection, schemas)
        free = [name for name, (_, views) in actual.items() if not views]
        for name in free:
            connection.execute(f"DROP {actual[name][0]} {name}".encode())
        if not free:
            return {name: views for name, (_, views) in actual.items()}


def _read_old(
    connection: psycopg.Connection, schemas: Sequence[str]
) -> dict[str, tuple[str, list[str]]]:
    """Kind of each relation that was set aside, and what stands on it, by its quoted name."""
    rows: list[tuple[str, str, Any]] = connection.execute(
        "SELECT format('%%I.%%I', n.nspname, c.relname), "
        "CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, "
        "array_remove(array_agg(DISTINCT format('%%I.%%I', vn.nspname, v.relname)) "
        "FILTER (WHERE v.oid <> c.oid), NULL) "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "LEFT JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid "
        "AND d.classid = 'pg_rewrite'::regclass "
        "LEFT JOIN pg_rewrite w ON w.oid = d.objid LEFT JOIN pg_class v ON v.oid = w.ev_class "
        "LEFT JOIN pg_namespace vn ON vn.oid = v.relnamespace "
        "WHERE n.nspname = ANY(%s) AND c.relkind IN ('v', 'r', 'p') "
        "AND c.relname ~ %s GROUP BY 1, 2 ORDER BY 1",
        (list(schemas), f"{BEFORE}[0-9]*$"),
    ).fetchall()
    return {name: (kind, list(views or ())) for name, kind, views in rows}


def read_rows(
    connection: psycopg.Connection, statement: str, limit: int
) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """The first rows of *statement*, a test as dbt compiled it, and the names of their columns."""
    with connection.transaction():
        connection.execute("SET TRANSACTION READ ONLY")
        # No parameters are given, so a % in the statement stays what it is.
        cursor = connection.execute(f"SELECT * FROM ({statement}) AS t LIMIT {limit:d}".encode())
        columns = tuple(column.name for column in cursor.description or ())
        return columns, cursor.fetchall()
