"""The tables in the replication database in which replicas are remembered: made, and told apart."""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

from etl_pipeline.errors import SchemaError
from etl_pipeline.schema.names import quote_mysql


def open_replicas(connection: Any) -> None:
    """Make the tables of the state where they are missing.

    Tables of an older version are made anew: what they remembered is found out again by the next
    run, which builds the replicas.

    Raises:
        SchemaError: A table of somebody else's bears the name of one of them.
    """
    refuse_foreign_state(connection)
    script = _script()
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_notes = 0")  # that they are there already is no news
        if _is_of_older_version(cursor):
            cursor.execute("DROP TABLE IF EXISTS _etl_table, _etl_chunk")
        for statement in script.split(";\n"):
            if "CREATE" in statement:
                cursor.execute(statement)
        cursor.execute("SET SESSION sql_notes = 1")


def _script() -> str:
    return resources.files(__package__).joinpath("replicas.sql").read_text(encoding="utf-8")


def refuse_foreign_state(connection: Any) -> None:
    """Refuse tables of our names that have not our comments, by which they are told.

    Raises:
        SchemaError: A table of somebody else's bears the name of one of our state.
    """
    pattern = r"EXISTS (\w+) .*?\) ENGINE.*? COMMENT '(.*?)';"
    ours = dict(re.findall(pattern, _script(), re.DOTALL))
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


def _is_of_older_version(cursor: Any) -> bool:
    cursor.execute("SHOW TABLES LIKE '\\_etl\\_chunk'")
    if cursor.fetchone() is None:
        return False
    cursor.execute("SHOW COLUMNS FROM _etl_chunk LIKE 'run_token'")
    return cursor.fetchone() is None
