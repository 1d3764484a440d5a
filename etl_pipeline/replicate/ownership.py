"""Tables of the replication database that bear names of ours and are not ours.

Any may be all that there is of somebody's work, so nothing takes its place, and nothing drops it.
"""

from __future__ import annotations

from typing import Any

from pymysql.connections import Connection

from etl_pipeline.errors import SchemaError
from etl_pipeline.schema.ddl import REPLICA_MARK
from etl_pipeline.schema.names import quote_mysql, quote_mysql_text
from etl_pipeline.state import replicas
from etl_pipeline.state.records import KnownReplica


def check_ownership(connection: Connection[Any], table: str, known: KnownReplica | None) -> None:
    """Raise SchemaError if a table or view that is not ours bears the name of *table*'s replica.

    A replica is ours if it is defined as it is recorded. Where nothing is recorded, the mark in
    its comment tells: the state may have been lost, and the replica is built anew all the same.

    Args:
        connection: Of PyMySQL, to the replication database.
        table: Its name.
        known: The replica as it is recorded; None where nothing is.
    """
    shown = replicas.show_create(connection, table)
    if shown is None or is_marked(shown):
        return
    if known and known.remembered.show_create_digest == replicas.digest_show_create(shown):
        return
    raise SchemaError(
        "the replication database has a table or view of this name that etl_pipeline did not make",
        where=table,
        fix=f"there, RENAME TABLE {quote_mysql(table)} TO …, or drop it; then etl run {table}",
    )


def drop_ours(connection: Connection[Any], *names: str) -> None:
    """Drop those of our temporary tables *names* that are there; MySQL commits.

    Raises:
        SchemaError: One of them is a table or view without our mark.
    """
    for name in names:
        shown = replicas.show_create(connection, name)
        if shown is None:
            continue
        if not is_marked(shown):
            raise SchemaError(
                "the replication database has a table or view of a name that the pipeline needs "
                f"for a while, and did not make it: {name}",
                fix=f"there, RENAME TABLE {quote_mysql(name)} TO …; then run again",
            )
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE {quote_mysql(name)}")


def mark_replica(connection: Connection[Any], table: str, comment: str) -> None:
    """Give the replica of *table* our mark, if it has none: older versions did without.

    Put aside without it, it would be taken for somebody else's.
    """
    shown = replicas.show_create(connection, table)
    if shown is not None and not is_marked(shown):
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {quote_mysql(table)} COMMENT={quote_mysql_text(comment)}")


def is_marked(shown: str) -> bool:
    """Return True if a table's definition, as ``show_create`` returns it, has our mark."""
    # The options of the table follow its columns, in whose comments anything may stand.
    return f"{REPLICA_MARK}'" in shown.rpartition("\n) ")[2]
