"""A table of ``raw`` as it stands."""

from __future__ import annotations

from dataclasses import replace

import psycopg

from etl_pipeline.errors import SchemaError
from etl_pipeline.schema.actual_table import ActualColumn, ActualTable
from etl_pipeline.schema.names import (
    freed_key_name,
    postgres_name,
    quote_postgres,
    raw_key_name,
)

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


_STANDING = """
SELECT c.relkind::text, c.oid::bigint, obj_description(c.oid, 'pg_class'), k.conname, k.conkey,
       ARRAY(SELECT format('%%I.%%I', cn.nspname, ch.relname)
             FROM pg_inherits AS i JOIN pg_class AS ch ON ch.oid = i.inhrelid
             JOIN pg_namespace AS cn ON cn.oid = ch.relnamespace
             WHERE i.inhparent = c.oid ORDER BY 1),
       a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
       a.attidentity = 'a' OR a.attgenerated <> '', col_description(c.oid, a.attnum)
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_constraint AS k ON k.conrelid = c.oid AND k.contype = 'p'
LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname = %s AND c.relname = %s
ORDER BY a.attnum"""


_SAME_KEY_NAME = """
SELECT c.oid::bigint, ic.relname
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_index AS i ON i.indexrelid = c.oid
JOIN pg_class AS ic ON ic.oid = i.indrelid
WHERE n.nspname = %s AND c.relname = %s AND ic.relname <> %s"""


def free_key_name(analytics: psycopg.Connection, schema: str, table: str) -> None:
    """Let the key of *table* have its name, where another table bears it: one that was renamed.

    PostgreSQL renames no key along with its table.

    Raises:
        SchemaError: The other table belongs to somebody else.
    """
    name = raw_key_name(table)
    row = analytics.execute(_SAME_KEY_NAME, (schema, name, postgres_name(table))).fetchone()
    if row is None:
        return
    number, bearer = row
    rename = (
        f"ALTER INDEX {quote_postgres(schema, name)} "
        f"RENAME TO {quote_postgres(freed_key_name(number))}"
    )
    try:
        analytics.execute(rename.encode())
    except psycopg.errors.InsufficientPrivilege as error:
        raise SchemaError(
            f"an index of table {bearer}, which is somebody else's, has the name of this table's "
            f"primary key ({error.sqlstate}): {name}",
            where=f"{schema}.{table}",
            fix=f"{rename}; then etl run {table}",
        ) from error


def read_actual_table(analytics: psycopg.Connection, schema: str, table: str) -> ActualTable | None:
    """A table of *schema* as it stands; None where there is no such relation.

    Raises:
        SchemaError: The relation is no table. Rows written into a view would land in the table
            that it shows.
    """
    rows = analytics.execute(_STANDING, (schema, postgres_name(table))).fetchall()
    if not rows:
        return None
    kind, number, comment, key_name, key, children, *_ = rows[0]
    if kind not in _TABLE_KINDS:
        raise SchemaError(
            f"{_OTHER_KINDS.get(kind, 'something else')} bears the table's name",
            where=f"{schema}.{table}",
            fix=f"rename it in schema {schema}, then etl run {table}",
        )
    of_columns = [row[6:] for row in rows if row[6] is not None]
    names = {place: name for place, name, *_ in of_columns}
    columns = {
        name: replace(ActualColumn(*facts), number=place) for place, name, *facts in of_columns
    }
    is_partitioned = kind == "p"
    return ActualTable(
        columns,
        tuple(names[n] for n in key or ()),
        key_name,
        comment,
        number,
        is_partitioned,
        () if is_partitioned else tuple(children),
    )
