"""Read a table of ``raw`` from PostgreSQL's catalog."""

from __future__ import annotations

from dataclasses import replace

import psycopg

from etl_pipeline.errors import SchemaError
from etl_pipeline.schema.actual_table import ActualColumn, ActualTable
from etl_pipeline.schema.names import RawNames, freed_key_name, quote_postgres

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


_ACTUAL = """
SELECT relation.relkind::text, relation.oid::bigint, obj_description(relation.oid, 'pg_class'),
       key.conname, key.conkey,
       ARRAY(SELECT format('%%I.%%I', child_namespace.nspname, child.relname)
             FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
             JOIN pg_namespace AS child_namespace ON child_namespace.oid = child.relnamespace
             WHERE inhparent = relation.oid ORDER BY 1),
       attnum, attname, format_type(atttypid, atttypmod), NOT attnotnull,
       attidentity = 'a' OR attgenerated <> '', col_description(relation.oid, attnum)
FROM pg_class AS relation
JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
LEFT JOIN pg_constraint AS key ON key.conrelid = relation.oid AND key.contype = 'p'
LEFT JOIN pg_attribute ON attrelid = relation.oid AND attnum > 0 AND NOT attisdropped
WHERE namespace.nspname = %s AND relation.relname = %s
ORDER BY attnum"""


_SAME_KEY_NAME = """
SELECT index_relation.oid::bigint, indexed_table.relname
FROM pg_class AS index_relation
JOIN pg_namespace AS namespace ON namespace.oid = index_relation.relnamespace
JOIN pg_index ON indexrelid = index_relation.oid
JOIN pg_class AS indexed_table ON indexed_table.oid = indrelid
WHERE namespace.nspname = %s AND index_relation.relname = %s AND indexed_table.relname <> %s"""


def free_key_name(analytics: psycopg.Connection, names: RawNames) -> None:
    """Rename an index of another table that has the name of the key of the table of *names*.

    That is the key of a table that was renamed: PostgreSQL does not rename a key with its table.

    Raises:
        SchemaError: The other table belongs to somebody else.
    """
    row = analytics.execute(_SAME_KEY_NAME, (names.schema, names.key, names.table)).fetchone()
    if row is None:
        return
    number, other_table = row
    rename = (
        f"ALTER INDEX {quote_postgres(names.schema, names.key)} "
        f"RENAME TO {quote_postgres(freed_key_name(number))}"
    )
    try:
        analytics.execute(rename.encode())
    except psycopg.errors.InsufficientPrivilege as error:
        raise SchemaError(
            f"an index of table {other_table}, which is somebody else's, has the name of this "
            f"table's primary key ({error.sqlstate}): {names.key}",
            where=names.place,
            fix=f"{rename}; then etl run {names.source}",
        ) from error


def read_actual_table(analytics: psycopg.Connection, names: RawNames) -> ActualTable | None:
    """Return the table of *names* as PostgreSQL has it; None where there is no such relation.

    Raises:
        SchemaError: The relation is no table. Rows written into a view would go to the table
            that it shows.
    """
    rows = analytics.execute(_ACTUAL, (names.schema, names.table)).fetchall()
    if not rows:
        return None
    kind, number, comment, key_name, key, children, *_ = rows[0]
    if kind not in _TABLE_KINDS:
        raise SchemaError(
            f"{_OTHER_KINDS.get(kind, 'something else')} bears the table's name",
            where=names.place,
            fix=f"rename it in schema {names.schema}, then etl run {names.source}",
        )
    of_columns = [row[6:] for row in rows if row[6] is not None]
    by_number = {place: name for place, name, *_ in of_columns}
    columns = {
        name: replace(ActualColumn(*facts), number=place) for place, name, *facts in of_columns
    }
    is_partitioned = kind == "p"
    return ActualTable(
        columns,
        tuple(by_number[n] for n in key or ()),
        key_name,
        comment,
        number,
        is_partitioned,
        () if is_partitioned else tuple(children),
    )
