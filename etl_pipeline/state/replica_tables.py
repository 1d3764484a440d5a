"""The tables of the state in the replication database: made, renamed, told from others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

from pymysql.connections import Connection
from pymysql.cursors import Cursor, DictCursor

from etl_pipeline.errors import SchemaError
from etl_pipeline.schema.names import quote_mysql

RENAMED_TABLES: Mapping[str, str] = {"_etl_owner": "_etl_lease", "_etl_strip": "_etl_segment"}
"""Tables that had another name in an older version: the name then, and now."""

RENAMED_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "_etl_table": {
        "definition": "ddl_digest",
        "stands_as": "show_create_digest",
        "rendering": "rendering_digest",
    },
    "_etl_segment": {"strips": "segments"},
    "_etl_schema": {"definition": "ddl_digest"},
    "_etl_alter": {
        "made_from": "ddl_digest_before",
        "definition": "ddl_digest",
        "stands_as": "show_create_digest",
    },
}
"""By table, columns that had another name in an older version: the name then, and now."""

_TABLE = re.compile(
    r"CREATE TABLE IF NOT EXISTS (\w+) \((.*?)\n\) ENGINE.*? COMMENT '(.*?)';", re.DOTALL
)


def open_replicas(connection: Connection[Any]) -> None:
    """Make the tables of the state where they are missing; MySQL commits.

    Tables of an older version keep their rows, and get the names that they have now. Those of the
    first version, which did not record who wrote a chunk, are made anew: the next run builds the
    replicas.

    Raises:
        SchemaError: A table of somebody else's bears the name of one of them.
    """
    check_state_ownership(connection)
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_notes = 0")  # that they are there already is no news
        if _is_of_first_version(cursor):
            cursor.execute("DROP TABLE IF EXISTS _etl_table, _etl_chunk")
        for statement in _plan_renames(cursor):
            cursor.execute(statement)
        for statement in _script().split(";\n"):
            if "CREATE" in statement:
                cursor.execute(statement)
        cursor.execute("SET SESSION sql_notes = 1")


def read_state(connection: Connection[Any], state: str, table: str) -> list[dict[str, Any]]:
    """Return the rows of the table *state* that are about *table*, by the columns' names of now.

    So a command that only reads can read what an older version has recorded.
    """
    renamed = RENAMED_COLUMNS[state]
    with connection.cursor(DictCursor) as cursor:
        cursor.execute(f"SELECT * FROM {state} WHERE table_name = %s", (table,))
        rows = cursor.fetchall()
    return [{renamed.get(name, name): value for name, value in row.items()} for row in rows]


def _script() -> str:
    return resources.files(__package__).joinpath("replicas.sql").read_text(encoding="utf-8")


def _plan_renames(cursor: Cursor) -> list[str]:
    """Return the statements that rename what an older version made.

    MySQL commits each of them, and a kill may fall between any two: what is done is not done
    again. Tables come first, since their columns are asked for under the name of now.
    """
    declared = {name: (body, comment) for name, body, comment in _TABLE.findall(_script())}
    cursor.execute(
        "SELECT table_name, table_comment FROM information_schema.tables "
        "WHERE table_schema = DATABASE() AND table_name LIKE '\\_etl\\_%'"
    )
    comments = dict(cursor.fetchall())
    statements, now_named = [], {}
    for before, now in RENAMED_TABLES.items():
        # A table of somebody else's has not our comment, and stays.
        if now not in comments and comments.get(before) == declared[now][1]:
            statements.append(f"RENAME TABLE {before} TO {now}")
            now_named[before] = now
    cursor.execute(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = DATABASE() AND table_name LIKE '\\_etl\\_%'"
    )
    columns = {(now_named.get(table, table), column) for table, column in cursor.fetchall()}
    for table, renamed in RENAMED_COLUMNS.items():
        changes = [
            f"CHANGE {before} {_declaration(declared[table][0], now)}"
            for before, now in renamed.items()
            if (table, before) in columns
        ]
        if changes:
            statements.append(f"ALTER TABLE {table} {', '.join(changes)}")
    return statements


def _declaration(body: str, column: str) -> str:
    """Return the line that declares *column* in the statement that makes its table."""
    lines = (line.strip().removesuffix(",") for line in body.splitlines())
    return next(line for line in lines if line.split()[:1] == [column])


def check_state_ownership(connection: Connection[Any]) -> None:
    """Refuse tables of our names that have not our comments, by which they are told.

    Raises:
        SchemaError: A table of somebody else's bears the name of one of our state.
    """
    ours = {name: comment for name, _, comment in _TABLE.findall(_script())}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, table_comment FROM information_schema.tables "
            "WHERE table_schema = DATABASE()"
        )
        found = cursor.fetchall()
    for name, comment in found:
        if name.lower() in ours and comment != ours[name.lower()]:
            raise SchemaError(
                "the replication database has a table or view of a name that the pipeline keeps "
                f"its state under, and did not make it: {name}",
                fix=f"there, RENAME TABLE {quote_mysql(name)} TO …; then run again",
            )


def _is_of_first_version(cursor: Cursor) -> bool:
    cursor.execute("SHOW TABLES LIKE '\\_etl\\_chunk'")
    if cursor.fetchone() is None:
        return False
    cursor.execute("SHOW COLUMNS FROM _etl_chunk LIKE 'run_token'")
    return cursor.fetchone() is None
