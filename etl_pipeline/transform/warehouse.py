"""Queries around a transformation: its lock, the columns of ``raw``, replaced relations.

Connections are in autocommit mode.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import psycopg

from etl_pipeline.errors import DatabaseError
from etl_pipeline.state.warehouse import ensure_schema

BEFORE = "__before"
"""Suffix of a relation that was renamed, since its columns no longer fitted its model."""
_LOCK = 7_305_438_871_402_199  # an arbitrary number that is ours


def lock_transforms(connection: psycopg.Connection) -> None:
    """Take the advisory lock of transformations; it lasts as long as *connection*.

    Raises:
        DatabaseError: Another transformation holds it.
    """
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,)).fetchone()
    if not (row and row[0]):
        raise DatabaseError(
            "another transformation is at work on this warehouse",
            fix="wait until it has ended, or stop it, and run again",
        )


def ensure_layers(connection: psycopg.Connection, schemas: Sequence[str]) -> None:
    """Create the schemas of the models that do not exist."""
    for schema in schemas:
        ensure_schema(connection, schema)


def read_columns(connection: psycopg.Connection, schema: str) -> dict[str, frozenset[str]]:
    """Return the columns of each table of *schema*, by table."""
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


def drop_replaced(connection: psycopg.Connection, schemas: Sequence[str]) -> dict[str, list[str]]:
    """Drop relations that were renamed when their model changed, unless a view still reads them.

    Returns:
        For each relation that had to stay, the views that read it.
    """
    while True:
        actual = _read_replaced(connection, schemas)
        free = [name for name, (_, views) in actual.items() if not views]
        for name in free:
            connection.execute(f"DROP {actual[name][0]} {name}".encode())
        if not free:
            return {name: views for name, (_, views) in actual.items()}


def _read_replaced(
    connection: psycopg.Connection, schemas: Sequence[str]
) -> dict[str, tuple[str, list[str]]]:
    """Return the kind of each renamed relation and the views that read it, by quoted name."""
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
    """Return the column names and the first rows of *statement*, a test as dbt compiled it."""
    with connection.transaction():
        connection.execute("SET TRANSACTION READ ONLY")
        # No parameters are given, so a % in the statement stays what it is.
        cursor = connection.execute(f"SELECT * FROM ({statement}) AS t LIMIT {limit:d}".encode())
        columns = tuple(column.name for column in cursor.description or ())
        return columns, cursor.fetchall()
