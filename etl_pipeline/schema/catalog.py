"""Catalog of a MySQL database: its tables, columns and indexes as frozen records.

A handful of statements reads the whole catalog, however many tables there are.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from etl_pipeline.schema.names import quote_mysql

Rows = Iterable[Any]
Execute = Callable[[str, Mapping[str, Any]], Rows]

_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_PLAIN_TEXT = re.compile(r"[^'\\\x00-\x1f]*")
_TEXT_TYPES = frozenset({"char", "varchar", "enum", "set"})
_PLAIN_VALUES = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint"), _NUMBER),
    **dict.fromkeys(("decimal", "float", "double"), _NUMBER),
    "date": re.compile(r"\d{4}-\d\d-\d\d"),
    "datetime": re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"),
    "time": re.compile(r"\d\d:\d\d:\d\d"),
}

INTEGER_TYPES = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the server declares it.

    Attributes:
        data_type: The bare type, lower case: ``bigint``.
        column_type: The full type: ``bigint(20) unsigned``.
        charset: Character set of a text column; None for every other type.
        collation: Collation of a text column; None for every other type.
        comment: Empty where there is none.
        is_json: Whether MariaDB checks the column with ``json_valid``: its way to declare JSON.
        is_stamped: Whether the server sets it on each update: ``ON UPDATE current_timestamp()``.
        default: What a row gets where nothing is said, if that is a plain number, day or text;
            None for every other default, and for none.
        stand_in: What the replica declares instead, where its server has not every value of this
            type; ``types.fit_replica`` says so. Empty where there is no need.
        loses_negative_zero: Whether the replica's server stores -0.0 as 0; said there, too.
    """

    name: str
    data_type: str
    column_type: str
    is_nullable: bool
    charset: str | None = None
    collation: str | None = None
    comment: str = ""
    is_json: bool = False
    is_stamped: bool = False
    default: str | None = None
    stand_in: str = ""
    loses_negative_zero: bool = False

    @property
    def is_unsigned(self) -> bool:
        """True if the column is unsigned."""
        return "unsigned" in self.column_type


@dataclass(frozen=True, slots=True)
class IndexPart:
    """A column of an index; *prefix_length* in characters, None for the whole column."""

    column: str
    prefix_length: int | None = None


@dataclass(frozen=True, slots=True)
class Index:
    """A secondary index; *kind* is ``BTREE``, ``HASH``, ``FULLTEXT`` or ``SPATIAL``."""

    name: str
    parts: tuple[IndexPart, ...]
    is_unique: bool = False
    kind: str = "BTREE"


@dataclass(frozen=True, slots=True)
class Flaw:
    """The reason why the catalog shows only part of a table, which is no schema to follow.

    Attributes:
        what: In one line.
        fix: One line of advice.
        hides: Whether the user may see some of the columns only; the others may be excluded.
    """

    what: str
    fix: str
    hides: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A base table.

    Attributes:
        columns: In the table's order.
        primary_key: Column names in the key's order; empty where there is no primary key.
        key_prefixes: Prefix length of each column of the key, as in ``IndexPart``; empty where
            every column is in it as a whole.
        engine: Empty where the server cannot open the table.
        rows_estimate: The server's own estimate; exact for MyISAM only.
        data_bytes: Size of the rows on the server's disk, without indexes.
        is_torn: Whether columns or indexes are missing, as the rest shows: the user may not see
            them, or the server could not read the table just then.
        flaw: What keeps the catalog from showing all of it; None for nothing.
    """

    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    indexes: tuple[Index, ...] = ()
    engine: str = "InnoDB"
    comment: str = ""
    rows_estimate: int = 0
    data_bytes: int = 0
    key_prefixes: tuple[int | None, ...] = ()
    is_torn: bool = False
    flaw: Flaw | None = None

    def column(self, name: str) -> Column:
        """The column called *name*; KeyError where there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def integer_key(self) -> str | None:
        """First column of the primary key if it is an integer; such a table is cut into chunks."""
        if self.primary_key and self.column(self.primary_key[0]).data_type in INTEGER_TYPES:
            return self.primary_key[0]
        return None


def without_columns(table: Table, names: Collection[str]) -> Table:
    """*table* without some columns, and without the indexes that need one of them."""
    if not names:
        return table
    return replace(
        table,
        columns=tuple(column for column in table.columns if column.name not in names),
        indexes=tuple(
            index for index in table.indexes if not any(p.column in names for p in index.parts)
        ),
    )


# Aliases: MySQL 8 returns the names of information_schema's columns in upper case.
# The catalog's text is converted by the server, since its character sets differ by version.
_TABLES = """
SELECT table_name AS table_name, engine AS engine, table_comment AS table_comment,
       COALESCE(table_rows, 0) AS table_rows, COALESCE(data_length, 0) AS data_length
FROM information_schema.tables
WHERE table_schema = :database AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
ORDER BY table_name"""

_COLUMNS = """
SELECT table_name AS table_name, column_name AS column_name, data_type AS data_type,
       column_type AS column_type, is_nullable AS is_nullable,
       character_set_name AS charset, collation_name AS collation,
       column_comment AS column_comment, column_default AS column_default, extra AS extra,
       column_key AS column_key, privileges AS privileges
FROM information_schema.columns
WHERE table_schema = :database
ORDER BY table_name, ordinal_position"""

_INDEXES = """
SELECT table_name AS table_name, index_name AS index_name, non_unique AS non_unique,
       column_name AS column_name, sub_part AS sub_part, index_type AS index_type
FROM information_schema.statistics
WHERE table_schema = :database
ORDER BY table_name, index_name, seq_in_index"""

_OTHERS = """
SELECT table_name AS table_name, table_type AS table_type
FROM information_schema.tables
WHERE table_schema = :database AND table_type NOT IN ('BASE TABLE', 'SYSTEM VERSIONED')"""

_VERSION = "SELECT VERSION() AS version"

# MySQL has the type JSON; MariaDB has a LONGTEXT whose check bears the column's name.
_JSON_CHECKS = """
SELECT table_name AS table_name, constraint_name AS constraint_name, check_clause AS check_clause
FROM information_schema.check_constraints
WHERE constraint_schema = :database AND level = 'Column'"""


def read_catalog(execute: Execute, database: str) -> dict[str, Table]:
    """Every base table of *database* by name, in the order of their names; views are left out.

    Args:
        execute: Sends a statement with its named values and returns rows with attributes.
        database: The MySQL database (schema).
    """
    values = {"database": database}
    tables = list(execute(_TABLES, values))
    columns: dict[str, list[Column]] = defaultdict(list)
    json_columns = _read_json_columns(execute, values)
    torn: set[str] = set()
    keyed: set[tuple[str, str]] = set()
    for row in execute(_COLUMNS, values):
        if "select" not in _text(row.privileges).lower().split(","):
            torn.add(row.table_name)
            continue
        if row.column_key:
            keyed.add((row.table_name, row.column_name))
        columns[row.table_name].append(_column(row, json_columns))
    parts = list(execute(_INDEXES, values))
    torn |= {table for table, _ in keyed.difference((p.table_name, p.column_name) for p in parts)}
    indexes = _group_indexes(parts)
    return {
        row.table_name: _table(
            row,
            tuple(columns[row.table_name]),
            indexes[row.table_name],
            is_torn=row.table_name in torn,
        )
        for row in tables
    }


def read_others(execute: Execute, database: str) -> dict[str, str]:
    """Return the other names in *database* with their kinds: ``{"patients": "view"}``."""
    return {
        row.table_name: row.table_type.lower() for row in execute(_OTHERS, {"database": database})
    }


def _column(row: Any, json_columns: Collection[tuple[str, str]]) -> Column:
    return Column(
        name=row.column_name,
        data_type=_text(row.data_type).lower(),
        column_type=_text(row.column_type),
        is_nullable=row.is_nullable == "YES",
        charset=row.charset,
        collation=row.collation,
        comment=_text(row.column_comment),
        is_json=(row.table_name, row.column_name) in json_columns,
        is_stamped="on update current_timestamp" in _text(row.extra).lower(),
        default=_plain_default(row),
    )


def _table(row: Any, columns: tuple[Column, ...], indexes: list[Index], *, is_torn: bool) -> Table:
    """A table. MySQL shows an index whole, though the user may not see a column; MariaDB hides it.

    *is_torn* says of a table that some of its columns are missing, or that one is said to be in an
    index, and there is none.
    """
    names = {column.name for column in columns}
    shown = [index for index in indexes if all(part.column in names for part in index.parts)]
    key = next((index.parts for index in shown if index.name == "PRIMARY"), ())
    return Table(
        name=row.table_name,
        columns=columns,
        primary_key=tuple(part.column for part in key),
        key_prefixes=tuple(part.prefix_length for part in key),
        indexes=tuple(i for i in shown if i.name != "PRIMARY"),
        engine=row.engine or "",
        comment=_text(row.table_comment),
        rows_estimate=int(row.table_rows),
        data_bytes=int(row.data_length),
        is_torn=is_torn or not columns or shown != indexes,
    )


def _read_json_columns(execute: Execute, values: Mapping[str, Any]) -> set[tuple[str, str]]:
    """``(table, column)`` of the columns that MariaDB was told are JSON; empty for MySQL."""
    (version,) = (row.version for row in execute(_VERSION, {}))
    if "mariadb" not in version.lower():
        return set()
    return {
        (row.table_name, row.constraint_name)
        for row in execute(_JSON_CHECKS, values)
        if row.check_clause == f"json_valid({quote_mysql(row.constraint_name)})"
    }


def _plain_default(row: Any) -> str | None:
    """The default of a column as its plain text; None where it is none of the plain kinds.

    MariaDB quotes a text and writes an expression bare; MySQL writes a text bare, and says in
    *extra* that it is an expression.
    """
    default, kind = row.column_default, _text(row.data_type).lower()
    if default is None or "DEFAULT_GENERATED" in _text(row.extra or ""):
        return None
    plain = _text(default)
    if len(plain) > 1 and plain[0] == plain[-1] == "'":
        plain = plain[1:-1]
    elif kind in _TEXT_TYPES and plain == "NULL":
        return None
    pattern = _PLAIN_TEXT if kind in _TEXT_TYPES else _PLAIN_VALUES.get(kind)
    return plain if pattern and pattern.fullmatch(plain) else None


def _group_indexes(rows: Rows) -> dict[str, list[Index]]:
    """Indexes by table; one over an expression has no column name and is left out."""
    parts: dict[tuple[str, str], list[IndexPart]] = defaultdict(list)
    facts: dict[tuple[str, str], tuple[bool, str]] = {}
    expressions: set[tuple[str, str]] = set()
    for row in rows:
        key = (row.table_name, row.index_name)
        if row.column_name is None:
            expressions.add(key)
            continue
        prefix = None if row.sub_part is None else int(row.sub_part)
        parts[key].append(IndexPart(row.column_name, prefix))
        facts[key] = (not int(row.non_unique), row.index_type)
    grouped: dict[str, list[Index]] = defaultdict(list)
    for key, (is_unique, kind) in facts.items():
        if key not in expressions:
            table, name = key
            grouped[table].append(Index(name, tuple(parts[key]), is_unique, kind))
    return grouped


def _text(value: str | bytes) -> str:
    """MySQL 8 declares some catalog columns as binary."""
    return value.decode() if isinstance(value, bytes) else value
