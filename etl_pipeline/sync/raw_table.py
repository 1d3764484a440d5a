"""A table of ``raw`` as it stands, and whether it is the one that is to be loaded."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from etl_pipeline.errors import SchemaError
from etl_pipeline.schema.names import DELETED_AT, LOADED_AT, postgres_name, quote_postgres
from etl_pipeline.transfer.select import TableText

_TABLE_KINDS = frozenset({"r", "p"})  # pg_class.relkind
_OTHER_KINDS = {
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "i": "an index",
    "I": "an index",
    "S": "a sequence",
    "c": "a type",
}


def read_relation(analytics: psycopg.Connection, schema: str, table: str) -> dict[str, str] | None:
    """Type by name of the columns of a table; None where there is no such relation.

    Raises:
        SchemaError: The relation is no table. Rows written into a view would land in the table
            that it shows.
    """
    rows = analytics.execute(
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod), c.relkind::text "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
        "WHERE n.nspname = %s AND c.relname = %s",
        (schema, postgres_name(table)),
    ).fetchall()
    if not rows:
        return None
    kind = rows[0][2]
    if kind not in _TABLE_KINDS:
        raise SchemaError(
            f"{_OTHER_KINDS.get(kind, 'something else')} bears the table's name",
            where=f"{schema}.{table}",
            fix=f"rename it in schema {schema}, then etl run {table}",
        )
    return {name: type_ for name, type_, _ in rows}


def read_key(analytics: psycopg.Connection, schema: str, table: str) -> list[str]:
    """The columns of the primary key of a table in PostgreSQL, in the key's order."""
    rows = analytics.execute(
        "SELECT a.attname FROM pg_constraint c "
        "JOIN unnest(c.conkey) WITH ORDINALITY k (attnum, place) ON true "
        "JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum "
        "WHERE c.contype = 'p' AND c.conrelid = (SELECT t.oid FROM pg_class t "
        "JOIN pg_namespace n ON n.oid = t.relnamespace WHERE n.nspname = %s AND t.relname = %s) "
        "ORDER BY k.place",
        (schema, postgres_name(table)),
    )
    return [name for (name,) in rows]


def refuse_other_columns(
    text: TableText,
    schema: str,
    existing: dict[str, str],
    key: Sequence[str],
    *,
    marks_deletes: bool,
) -> None:
    """Raise SchemaError if a table's columns or its key are not those that *text* is carried as."""
    expected = {postgres_name(c.name): c.postgres_type for c in text.columns}
    expected[LOADED_AT] = "timestamp with time zone"
    if marks_deletes:
        expected[DELETED_AT] = "timestamp with time zone"
    elif DELETED_AT in existing:
        target, column = quote_postgres(schema, text.name), quote_postgres(DELETED_AT)
        raise SchemaError(
            "rows of it are marked as deleted, and tables.yml does not say 'deletes: mark'",
            where=f"{schema}.{text.name}",
            fix=f"DELETE FROM {target} WHERE {column} IS NOT NULL; "
            f"ALTER TABLE {target} DROP COLUMN {column};  or mark again",
        )
    expected_key = [postgres_name(name) for name in text.table.primary_key]
    if existing == expected and list(key) == expected_key:
        return
    differences = [f"{name} is missing" for name in expected.keys() - existing.keys()]
    differences += [f"{name} is not at the source" for name in existing.keys() - expected.keys()]
    differences += [
        f"{name} is {existing[name]}, expected {expected[name]}"
        for name in expected.keys() & existing.keys()
        if existing[name] != expected[name]
    ]
    if list(key) != expected_key:
        now, then = ", ".join(expected_key) or "none", ", ".join(key) or "none"
        differences.append(f"the primary key is {then}, expected {now}")
    raise SchemaError(
        "the table exists with other columns: " + "; ".join(sorted(differences)),
        where=f"{schema}.{text.name}",
        fix=f"ALTER TABLE {quote_postgres(schema, text.name)} RENAME TO "
        f"{quote_postgres(text.name + '_old')}, then etl run {text.name}",
    )
