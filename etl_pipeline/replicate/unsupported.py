"""Find what the replication server cannot hold of a source's table: name it, or leave it out.

MyISAM takes rows, columns and indexes that InnoDB does not, and MariaDB keeps a UNIQUE of any
length by a hash. A table without a column is another table, so columns are for a person to
exclude; an index changes no row.
"""

from __future__ import annotations

import re
from typing import Any, Final

from pymysql import err
from pymysql.connections import Connection

from etl_pipeline.errors import SchemaError
from etl_pipeline.replicate.ownership import drop_ours
from etl_pipeline.schema.catalog import Column, Index, Table
from etl_pipeline.schema.ddl import REPLICA_MARK, ReplicaDdl, add_indexes
from etl_pipeline.schema.names import quote_mysql, quote_mysql_text, rehearsed_name
from etl_pipeline.schema.types import choice_of
from etl_pipeline.transfer.select import RenderedTable

REFUSED_INDEX: Final = frozenset(
    {1069, 1070, 1071, 1073, 1089, 1167, 1170, 1214, 1252, 1280, 1283, 1464, 1687, 1709, 1795}
)
"""Too many indexes, parts or bytes; a prefix, a kind or a name that the server does not take."""

_FAILED = 1005
_TOO_WIDE = 1118
_TOO_MANY = 1117
_NO_NAME = 1166
_MOST_COLUMNS = 1017
_ROW_BYTES = 8000
"""Of a page of 16 kB, what InnoDB lets the parts of a row take that stay in it, and some room."""
_KEPT_BYTES = 40
"""What stays in the row of a value that is stored elsewhere."""
_INNODB_NAMES = frozenset({"db_row_id", "db_trx_id", "db_roll_ptr", "fts_doc_id"})
_SIZES: Final = {
    "tinyint": 1,
    "smallint": 2,
    "mediumint": 3,
    "int": 4,
    "bigint": 8,
    "float": 4,
    "double": 8,
    "date": 3,
    "time": 6,
    "datetime": 8,
    "timestamp": 7,
    "year": 1,
    "enum": 2,
    "set": 8,
    "bit": 8,
}
_SHOWN = 8


def refuse_unsupported(table: Table, error: err.MySQLError) -> None:
    """Raise SchemaError if *error* says that InnoDB cannot hold the columns of *table*."""
    number = error.args[0] if error.args else None
    if number in (_FAILED, _TOO_MANY) and len(table.columns) > _MOST_COLUMNS:
        what = f"it has more columns than a table of InnoDB can have, which is {_MOST_COLUMNS}"
        columns = [column.name for column in table.columns[_MOST_COLUMNS:]]
    elif number in (_FAILED, _TOO_WIDE):
        what = "its rows are wider than a row of InnoDB can be, which the replica is"
        columns = _widest(table)
    elif number == _NO_NAME:
        what = "a column of it has a name that InnoDB keeps for itself"
        columns = [c.name for c in table.columns if c.name.lower() in _INNODB_NAMES]
    else:
        return
    shown = ", ".join(columns[:_SHOWN])
    more = f" and {len(columns) - _SHOWN} more" if len(columns) > _SHOWN else ""
    named = f" {shown}{more}" if columns else " columns of it"
    raise SchemaError(
        f"{what} ({number})",
        where=table.name,
        fix=f"exclude{named} in tables.yml ({table.name}: columns: {{NAME: {{exclude: true}}}})",
    ) from error


def _widest(table: Table) -> list[str]:
    """The widest columns outside of the key without which a row would fit."""
    widths = {column.name: _width(column) for column in table.columns}
    excess = sum(widths.values()) - _ROW_BYTES
    names = [name for name in widths if name not in table.primary_key]
    found: list[str] = []
    for name in sorted(names, key=lambda name: -widths[name]):
        if found and excess <= 0:
            break
        found.append(name)
        excess -= widths[name]
    return found


def _width(column: Column) -> int:
    """About how many bytes of a value stay in its row, at most."""
    known = _SIZES.get(column.data_type)
    if known:
        return known
    length = re.search(r"\((\d+)", column.column_type)
    characters = int(length[1]) if length else 1 << 16
    is_fixed = column.data_type == "binary" or (
        column.data_type == "char" and column.charset in ("latin1", "ascii", "binary")
    )
    return characters if is_fixed else min(characters + 1, _KEPT_BYTES) + 2


def build_indexes(connection: Connection[Any], table: Table, name: str) -> list[str]:
    """Build the indexes of *table* at the table *name*; notes on those that do not fit.

    Those that a run which was cut off has built are there already.
    """
    missing = [index for index in table.indexes if index.name not in read_indexes(connection, name)]
    try:
        _run(connection, add_indexes(missing, name))
    except err.MySQLError as error:
        if not is_refused_index(error):
            raise
    else:
        return []
    held = read_indexes(connection, name)
    numbers = {
        index.name: _try_index(connection, index, name)
        for index in missing
        if index.name not in held
    }
    return [
        describe_left_out(table.name, index, number) for index, number in numbers.items() if number
    ]


def _try_index(connection: Connection[Any], index: Index, name: str) -> int | None:
    """Build *index* alone; the number by which the server refused it, None where it is there."""
    try:
        _run(connection, add_indexes([index], name))
    except err.MySQLError as error:
        if not is_refused_index(error):
            raise
        return int(error.args[0])
    return None


def find_refused(connection: Connection[Any], indexes: list[Index], name: str) -> dict[str, int]:
    """Return the *indexes* that the server does not take at the empty table *name*, by error."""
    numbers = {index.name: _try_index(connection, index, name) for index in indexes}
    return {name: number for name, number in numbers.items() if number is not None}


def is_refused_index(error: err.MySQLError) -> bool:
    """Return True if the server does not take an index as it is declared."""
    return bool(error.args) and error.args[0] in REFUSED_INDEX


def describe_left_out(table: str, index: str, number: int | None = None) -> str:
    """Return the note on an index that the replica lacks; *number* is the server's error."""
    shown = "" if number is None else f" ({number})"
    return f"{table}: index {index} does not fit the replication server{shown} and is left out"


def read_indexes(connection: Connection[Any], name: str) -> frozenset[str]:
    """Return the names of the indexes that the table *name* has."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT index_name FROM information_schema.statistics "
            "WHERE table_schema = DATABASE() AND table_name = %s",
            (name,),
        )
        return frozenset(str(row[0]) for row in cursor.fetchall())


def _run(connection: Connection[Any], statements: list[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


_OF_A_COLUMN = frozenset({1063, 1064, 1074, 1115, 1273, 1291, 1425, 1426, 1427, 1439, 1818, 4161})
"""A type, a size, a character set that the server does not know; a syntax that is none to it."""


def refuse_column(
    connection: Connection[Any], text: RenderedTable, ddl: ReplicaDdl, error: err.MySQLError
) -> None:
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


def _is_refused(connection: Connection[Any], table: str, declared: str, number: int) -> bool:
    trial, mark = quote_mysql(rehearsed_name(table)), quote_mysql_text(REPLICA_MARK)
    drop_ours(connection, rehearsed_name(table))
    with connection.cursor() as cursor:
        try:
            cursor.execute(f"CREATE TABLE {trial} ({declared}) ENGINE=InnoDB COMMENT={mark}")
        except err.MySQLError as error:
            return bool(error.args and error.args[0] == number)
        cursor.execute(f"DROP TABLE {trial}")
    return False
