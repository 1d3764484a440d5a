"""The SELECT that asks for a chunk's row text, and the chunk: both are values."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from etl_pipeline.config.models import ColumnConfig
from etl_pipeline.errors import SchemaError
from etl_pipeline.schema.catalog import INTEGER_TYPES, Table, without_columns
from etl_pipeline.schema.names import LOADED_AT, postgres_name, quote_mysql
from etl_pipeline.schema.types import CarriedColumn, Mode, carry, choice_of

_READABLE_CHARSETS = frozenset(
    {"utf8", "utf8mb3", "utf8mb4", "ucs2", "utf16", "utf16le", "utf32", "latin1", "binary"}
)
# Every table of PostgreSQL has columns of its own names already.
TAKEN_NAMES = frozenset({LOADED_AT, "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})


@dataclass(frozen=True, slots=True)
class Chunk:
    """The key range ``[lower, upper)`` of a table, read in one statement.

    Attributes:
        ordinal: 0 for the first chunk of the table.
        lower: Smallest key in the chunk; None where the range has no lower end.
        upper: First key past the chunk; None where the range has no upper end.
    """

    ordinal: int
    lower: int | None = None
    upper: int | None = None


@dataclass(frozen=True, slots=True)
class TableText:
    """A table and how its rows are rendered as text."""

    table: Table
    columns: tuple[CarriedColumn, ...]

    @property
    def name(self) -> str:
        """The table's name, the same in all three databases."""
        return self.table.name

    @property
    def is_ordered(self) -> bool:
        """Whether the lines of a chunk have one order on every server.

        Text in the key sorts as the server and its collation have it (an ENUM by its members,
        and its error value first), and a table without a key has no order at all.
        """
        key = (self.table.column(name) for name in self.table.primary_key)
        return self.table.integer_key is not None and all(column.charset is None for column in key)

    @property
    def shortened(self) -> tuple[str, ...]:
        """Sentences on the names that are too long for PostgreSQL."""
        names = (self.name, *self.column_names)
        return tuple(
            f"{self.name}: {name} is called {postgres_name(name)} in raw"
            for name in names
            if postgres_name(name) != name
        )

    def read_key(self, line: bytes) -> str:
        """The primary key in a line of row text, for people; empty without a key."""
        fields = line.split(b"\t")
        positions = [self.column_names.index(name) for name in self.table.primary_key]
        return ", ".join(fields[i].decode(errors="replace") for i in positions)

    def copy_key(self, line: bytes) -> bytes:
        """The primary key in a *line* of lossless text, as a line for COPY of the key's columns."""
        fields = line.split(b"\t")
        places = [self.column_names.index(name) for name in self.table.primary_key]
        prefixes = (b"\\\\x" if self.columns[i].mode is Mode.BINARY else b"" for i in places)
        values = (prefix + fields[i] for prefix, i in zip(prefixes, places, strict=True))
        return b"\t".join(values) + b"\n"

    @property
    def modes(self) -> tuple[Mode, ...]:
        """The kernel's mode for each column."""
        return tuple(carried.mode for carried in self.columns)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns in the order of the text's fields."""
        return tuple(carried.name for carried in self.columns)


def render_table(table: Table, choices: Mapping[str, ColumnConfig] | None = None) -> TableText:
    """How the rows of *table* are rendered.

    Args:
        table: As the source declares it.
        choices: What tables.yml says of columns, by name.

    Raises:
        SchemaError: A column's type is not supported, a name is taken by a column of ours, or
            *choices* name a column that is not there or leave out one of the key.
    """
    choices = choices or {}
    _refuse_choices(table, choices)
    excluded = {name for name, choice in choices.items() if choice.exclude}
    kept = without_columns(table, excluded)
    return TableText(
        kept,
        tuple(
            carry(table.name, column, choices[column.name].type if column.name in choices else None)
            for column in kept.columns
        ),
    )


def _refuse_choices(table: Table, choices: Mapping[str, ColumnConfig]) -> None:
    names = [column.name for column in table.columns]
    for name, choice in choices.items():
        where = f"tables.yml: {table.name}.{name}"
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            fix = f"did you mean {near[0]}?" if near else f"take {name} out of tables.yml"
            raise SchemaError("the source has no such column", where=where, fix=fix)
        if choice.exclude and name in table.primary_key:
            raise SchemaError(
                "a column of the primary key cannot be excluded",
                where=where,
                fix=f"take 'exclude' of {name} out of tables.yml",
            )
    for taken in sorted(TAKEN_NAMES.intersection(names)):
        if taken in choices and choices[taken].exclude:
            continue
        whose = "ours" if taken == LOADED_AT else "PostgreSQL's own"
        raise SchemaError(
            f"the source has a column of a name that is {whose} in raw",
            where=f"{table.name}.{taken}",
            fix=choice_of(table.name, taken, "exclude: true"),
        )


def select_chunk(text: TableText, chunk: Chunk) -> str:
    """The SELECT of *chunk*: the plain list of columns, in the order of the key where there is one.

    Safe to put together from parts: names are quoted and bounds are integers.
    """
    names = ", ".join(c.select for c in text.columns)
    source = quote_mysql(text.name)
    key = text.table.integer_key
    if key is None:
        return f"SELECT {names} FROM {source}"
    # Without the hint MyISAM prefers to read the table through and sort it.
    statement = f"SELECT {names} FROM {source} FORCE INDEX (PRIMARY)"
    conditions = _range_conditions(quote_mysql(key), chunk)
    if conditions:
        statement += " WHERE " + " AND ".join(conditions)
    order = ", ".join(quote_mysql(name) for name in text.table.primary_key)
    return f"{statement} ORDER BY {order}"


def select_rows(text: TableText, lines: Sequence[bytes]) -> bytes:
    """The SELECT of the rows that have the keys of *lines*, lossless row text of the table."""
    names = ", ".join(c.select for c in text.columns)
    return f"SELECT {names} FROM {quote_mysql(text.name)} WHERE ".encode() + _keys(text, lines)


def delete_rows(text: TableText, lines: Sequence[bytes]) -> bytes:
    """The DELETE of the rows that have the keys of *lines*, lossless row text of the table."""
    return f"DELETE FROM {quote_mysql(text.name)} WHERE ".encode() + _keys(text, lines)


def delete_chunk(text: TableText, chunk: Chunk) -> str:
    """The DELETE of the rows of *chunk*; the table has an integer key."""
    conditions = _range_conditions(quote_mysql(text.table.integer_key or ""), chunk)
    return f"DELETE FROM {quote_mysql(text.name)} WHERE {' AND '.join(conditions) or 'TRUE'}"


def _keys(text: TableText, lines: Sequence[bytes]) -> bytes:
    """The condition that a row has the key of one of *lines*.

    An OR of equations: no server of ours uses an index for rows of values in IN.
    """
    places = [text.column_names.index(name) for name in text.table.primary_key]
    names = [quote_mysql(name).encode() for name in text.table.primary_key]
    keys = []
    for line in lines:
        fields = line.split(b"\t")
        values = (mysql_literal(text.columns[place], fields[place]) for place in places)
        equations = (name + b" = " + value for name, value in zip(names, values, strict=True))
        keys.append(b"(" + b" AND ".join(equations) + b")")
    return b" OR ".join(keys)


def mysql_literal(carried: CarriedColumn, field: bytes) -> bytes:
    """A *field* of lossless row text as a literal of MySQL: its escapes are those of strings too.

    The session is without ``NO_BACKSLASH_ESCAPES``.
    """
    if field == b"\\N":
        return b"NULL"
    if carried.column.data_type in INTEGER_TYPES:
        return field  # as a string it would be compared as a floating-point number
    value = b"'" + field.replace(b"'", b"\\'") + b"'"
    return value if carried.load is None else carried.load.encode().replace(b"{}", value)


def select_unreadable(text: TableText, chunk: Chunk) -> dict[str, str]:
    """Queries for how many values of a chunk do not survive the way to Unicode, by column.

    A server sends a byte that has no Unicode character in the column's character set as ``?``,
    without a word. Empty for a table whose character sets are Unicode or latin1, which has a
    character for every byte.
    """
    key = text.table.integer_key
    conditions = list(_range_conditions(quote_mysql(key), chunk)) if key else []
    queries = {}
    for carried in text.columns:
        charset = carried.column.charset
        if charset is None or charset in _READABLE_CHARSETS:
            continue
        name = quote_mysql(carried.name)
        back = f"CONVERT(CONVERT({name} USING utf8mb4) USING {charset})"
        lost = f"NOT (CAST({back} AS BINARY) <=> CAST({name} AS BINARY))"
        where = " AND ".join([*conditions, lost])
        queries[carried.name] = f"SELECT COUNT(*) FROM {quote_mysql(text.name)} WHERE {where}"
    return queries


def _range_conditions(column: str, chunk: Chunk) -> Sequence[str]:
    conditions = []
    if chunk.lower is not None:
        conditions.append(f"{column} >= {chunk.lower:d}")
    if chunk.upper is not None:
        conditions.append(f"{column} < {chunk.upper:d}")
    return conditions


def select_bound(text: TableText, lower: int | None, rows: int) -> str:
    """The probe that finds where a chunk of *rows* rows, beginning at *lower*, ends.

    Its answer is the first key of the next chunk; no row means that the chunk is the last.
    """
    key = quote_mysql(text.table.integer_key or "")
    conditions = _range_conditions(key, Chunk(0, lower))
    where = f" WHERE {conditions[0]}" if conditions else ""
    return (
        f"SELECT {key} FROM {quote_mysql(text.name)} FORCE INDEX (PRIMARY){where} "
        f"ORDER BY {key} LIMIT 1 OFFSET {rows:d}"
    )


def select_next_key(text: TableText, lower: int | None) -> str:
    """The probe for the smallest key above *lower* (of all, for None); NULL where there is none."""
    key = quote_mysql(text.table.integer_key or "")
    where = "" if lower is None else f" WHERE {key} > {lower:d}"
    return f"SELECT MIN({key}) FROM {quote_mysql(text.name)} FORCE INDEX (PRIMARY){where}"
