"""What a target cannot hold: a row of PostgreSQL's by its key, a column of the replica's."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from pymysql import err

from etl_pipeline.errors import SchemaError, TransferError
from etl_pipeline.schema.ddl import REPLICA_MARK, ReplicaDdl
from etl_pipeline.schema.names import quote_mysql, quote_mysql_text, rehearsed_name
from etl_pipeline.schema.types import choice_of
from etl_pipeline.sync.foreign import drop_ours
from etl_pipeline.transfer.copy import Refusal
from etl_pipeline.transfer.select import TableText
from etl_pipeline.transfer.twin import NEGATIVE_ZEROS, ZERO_DATES


def refuse_altered_key(text: TableText, altered: Iterable[tuple[int, str]]) -> None:
    """A key that had to be altered is no key: it may be NULL, or another row's."""
    for position, kind in altered:
        carried = text.columns[position]
        # A negative zero is the same key as 0, for every server.
        if carried.name not in text.table.primary_key or kind == NEGATIVE_ZEROS:
            continue
        way_out = choice_of(text.name, carried.name, "type: text")
        raise TransferError(
            f"the primary key holds {kind}, which PostgreSQL has no {carried.postgres_type} for",
            where=f"{text.name}.{carried.name}",
            fix=way_out if kind == ZERO_DATES else f"take {text.name} out of tables.yml",
        )


def explain_refusal(text: TableText, lines: Iterable[bytes], refusal: Refusal) -> TransferError:
    """The error for the row of *lines*, row text that was sent, that PostgreSQL did not take."""
    line = next(itertools.islice(lines, refusal.line - 1, None), b"")
    key = text.read_key(line)
    row = f"in the row of key {key}" if key else "in a row whose key is not known"
    if not text.table.primary_key:
        row = "in a table without a key"
    if refusal.column is None:
        return TransferError(
            f"a row is larger than PostgreSQL takes, {row}: it may fill a page of 8 kB, long "
            "values put elsewhere, and a gigabyte in all",
            where=text.name,
            fix=f"exclude columns of {text.name} in tables.yml",
        )
    carried = next(c for c in text.columns if c.name == refusal.column)
    choice = "exclude: true" if carried.postgres_type == "text" else "type: text"
    return TransferError(
        f"column {carried.name} cannot hold its value as {carried.postgres_type}, {row}",
        where=text.name,
        fix=choice_of(text.name, carried.name, choice),
    )


_OF_A_COLUMN = frozenset({1063, 1064, 1074, 1115, 1273, 1291, 1425, 1426, 1427, 1439, 1818, 4161})
"""A type, a size, a character set that the server does not know; a syntax that is none to it."""


def refuse_column(connection: Any, text: TableText, ddl: ReplicaDdl, error: err.MySQLError) -> None:
    """Name the column for which the replication server did not make a replica, if it is one.

    Which it is, is found out by making a table of each.

    Raises:
        SchemaError: It is one.
    """
    if not error.args or error.args[0] not in _OF_A_COLUMN:
        return
    for column in text.table.columns:
        if not _is_refused(connection, text.name, ddl.columns[column.name], error.args[0]):
            continue
        is_key = column.name in text.table.primary_key
        exclude = choice_of(text.name, column.name, "exclude: true")
        raise SchemaError(
            f"column {column.name}: the replication server has no type "
            f"{column.column_type} ({error.args[0]})",
            where=text.name,
            fix=f"{f'take {text.name} out of tables.yml' if is_key else exclude}; or use a "
            "replication server of the source's kind and version",
        ) from error


def _is_refused(connection: Any, table: str, declared: str, number: int) -> bool:
    trial, mark = quote_mysql(rehearsed_name(table)), quote_mysql_text(REPLICA_MARK)
    drop_ours(connection, rehearsed_name(table))
    with connection.cursor() as cursor:
        try:
            cursor.execute(f"CREATE TABLE {trial} ({declared}) ENGINE=InnoDB COMMENT={mark}")
        except err.MySQLError as error:
            return bool(error.args and error.args[0] == number)
        cursor.execute(f"DROP TABLE {trial}")
    return False
