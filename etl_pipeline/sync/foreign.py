"""A table of the replication database that bears a replica's name and is not ours.

It may be all that there is of somebody's work, so no replica takes its place.
"""

from __future__ import annotations

from typing import Any

from etl_pipeline.errors import SchemaError
from etl_pipeline.schema.ddl import REPLICA_MARK
from etl_pipeline.schema.names import quote_mysql
from etl_pipeline.sync import replica
from etl_pipeline.sync.rules import Known


def refuse_foreign(connection: Any, table: str, known: Known | None) -> None:
    """Raise SchemaError if a table or view that is not ours bears the name of *table*'s replica.

    A replica is ours if it stands as it is remembered. Where nothing is remembered, the mark in
    its comment tells: the state may have been lost, and the replica is built anew all the same.

    Args:
        connection: Of PyMySQL, to the replication database.
        table: Its name.
        known: The replica as it is remembered; None where nothing is.
    """
    shown = replica.show_definition(connection, table)
    if shown is None or is_marked(shown):
        return
    if known and known.remembered.stands_as == replica.digest_definition(shown):
        return
    raise SchemaError(
        "the replication database has a table or view of this name that etl_pipeline did not make",
        where=table,
        fix=f"there, RENAME TABLE {quote_mysql(table)} TO …, or drop it; then etl run {table}",
    )


def is_marked(shown: str) -> bool:
    """Whether a table's definition, as the server shows it, has our mark in the table's comment."""
    # The options of the table follow its columns, in whose comments anything may stand.
    return f"{REPLICA_MARK}'" in shown.rpartition("\n) ")[2]
