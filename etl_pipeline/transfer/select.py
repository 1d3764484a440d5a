"""The SELECTs that ask for the row text of a chunk or of keys: values, nothing is sent."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from etl_pipeline.config.tables_file import ColumnConfig
from etl_pipeline.errors import SchemaError
from etl_pipeline.schema.catalog import INTEGER_TYPES, Table, without_columns
from etl_pipeline.schema.names import (
    DELETED_AT,
    LOADED_AT,
    PREFIX,
    is_reserved,
    postgres_name,
    quote_mysql,
)
from etl_pipeline.schema.types import CarriedColumn, Mode, choice_of, map_column, stand_for_unlisted
from etl_pipeline.transfer.chunk import Chunk

READABLE_CHARSETS = frozenset(
    {"utf8", "utf8mb3", "utf8mb4", "ucs2", "utf16", "utf16le", "utf32", "latin1", "binary"}
)
# Every table of PostgreSQL has columns of its own names already.
TAKEN_NAMES = frozenset({LOADED_AT, DELETED_AT, "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
HIDDEN = "…"
"""What stands for text in a key that nobody asked to see."""


@dataclass(frozen=True, slots=True)
class RenderedTable:
    """A table and how its rows are rendered as text."""

    table: Table
    columns: tuple[CarriedColumn, ...]
    _key_places: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Find the key's fields once: they are taken out of millions of lines."""
        names = self.column_names
        key = self.table.primary_key
        places = tuple(names.index(name) for name in key) if set(key) <= set(names) else ()
        object.__setattr__(self, "_key_places", places)

    @property
    def name(self) -> str:
        """The table's name, the same in all three databases."""
        return self.table.name

    @property
    def is_ordered(self) -> bool:
        """True if the lines of a chunk have one order on every server.

        Text in the key sorts as the server and its collation have it (an ENUM by its members,
        and its error value first), what stands in for a type sorts by its text, and a table
        without a key has no order at all.
        """
        key = (self.table.column(name) for name in self.table.primary_key)
        has_one_order = (column.charset is None and not column.stand_in for column in key)
        return self.table.integer_key is not None and all(has_one_order)

    @property
    def shortened(self) -> tuple[str, ...]:
        """Sentences on the names that are too long for PostgreSQL."""
        names = [(self.name, postgres_name(self.name))]
        names += [(carried.name, carried.raw_name) for carried in self.columns]
        return tuple(
            f"{self.name}: {name} is called {raw_name} in raw"
            for name, raw_name in names
            if raw_name != name
        )

    @property
    def keys(self) -> RenderedTable:
        """The same table, of which only the primary key is read, in the key's order."""
        return replace(self, columns=self.key_columns)

    @property
    def key_columns(self) -> tuple[CarriedColumn, ...]:
        """The columns of the primary key, in its order."""
        by_name = {carried.name: carried for carried in self.columns}
        return tuple(by_name[name] for name in self.table.primary_key)

    def key_of(self, line: bytes) -> bytes:
        """The primary key in a *line* of lossless text: a line of the text of ``keys``."""
        places = self._key_places
        if len(places) == 1:
            return line.split(b"\t", places[0] + 1)[places[0]]
        fields = line.split(b"\t")
        return b"\t".join([fields[i] for i in places])

    def read_key(self, line: bytes, *, shows_text: bool = False) -> str:
        """The primary key in a line of row text, as ``show_key``; empty without a key."""
        values = self.key_of(line).decode(errors="replace").split("\t")
        return self.show_key(values, shows_text=shows_text)

    def show_key(self, values: Sequence[str], *, shows_text: bool = False) -> str:
        """The *values* of the primary key for people.

        What is no integer may be somebody's name: it is ``HIDDEN`` unless *shows_text*.
        """
        pairs = zip(self.table.primary_key, values, strict=False)
        return ", ".join(
            value if shows_text or self._is_integer(name) else HIDDEN for name, value in pairs
        )

    @property
    def has_plain_key(self) -> bool:
        """True if the primary key is of integers alone, which name nobody."""
        return all(map(self._is_integer, self.table.primary_key))

    def _is_integer(self, column: str) -> bool:
        return self.table.column(column).data_type in INTEGER_TYPES

    def copy_key(self, key: bytes) -> bytes:
        """A line of the text of ``keys`` as a line for COPY of the key's columns."""
        prefixes = (b"\\\\x" if c.mode is Mode.BINARY else b"" for c in self.keys.columns)
        values = (prefix + field for prefix, field in zip(prefixes, key.split(b"\t"), strict=True))
        return b"\t".join(values) + b"\n"

    @property
    def modes(self) -> tuple[Mode, ...]:
        """The kernel's mode for each column."""
        return tuple(carried.mode for carried in self.columns)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns in the order of the text's fields."""
        return tuple(carried.name for carried in self.columns)


def render_table(table: Table, choices: Mapping[str, ColumnConfig] | None = None) -> RenderedTable:
    """Return the rendering of *table*: its columns, and how each becomes text.

    Args:
        table: As the source declares it.
        choices: What tables.yml says of columns, by name.

    Raises:
        SchemaError: A column's type is not supported, a name is one of ours, or *choices* name a
            column that is not there or leave out one of the key.
    """
    choices = choices or {}
    if is_reserved(table.name):
        raise SchemaError(
            f"the pipeline's own tables in replication have names that begin with {PREFIX}",
            where=table.name,
            fix="rename it at the source, or name in tables.yml the tables to copy, and not this "
            "one",
        )
    _refuse_choices(table, choices)
    excluded = {name for name, choice in choices.items() if choice.exclude}
    types = {name: choice.type for name, choice in choices.items()}
    kept = without_columns(table, excluded)
    columns = (stand_for_unlisted(column, types.get(column.name)) for column in kept.columns)
    kept = replace(kept, columns=tuple(columns))
    return RenderedTable(
        kept,
        tuple(map_column(table.name, column, types.get(column.name)) for column in kept.columns),
    )


def _refuse_choices(table: Table, choices: Mapping[str, ColumnConfig]) -> None:
    names = [column.name for column in table.columns]
    for name, choice in choices.items():
        where = f"tables.yml: {table.name}.{name}"
        if name not in names and choice.exclude and table.flaw and table.flaw.hides:
            continue
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
        whose = "ours" if taken in (LOADED_AT, DELETED_AT) else "PostgreSQL's own"
        raise SchemaError(
            f"the source has a column of a name that is {whose} in raw",
            where=f"{table.name}.{taken}",
            fix=choice_of(table.name, taken, "exclude: true"),
        )


def select_chunk(text: RenderedTable, *chunks: Chunk) -> str:
    """The SELECT of *chunks*: the plain list of columns, in the order of the key if there is one.

    Safe to put together from parts: names are quoted and bounds are integers.
    """
    names = ", ".join(c.select for c in text.columns)
    source = quote_mysql(text.name)
    key = text.table.integer_key
    if key is None:
        return f"SELECT {names} FROM {source}"
    # Without the hint MyISAM prefers to read the table through and sort it.
    statement = f"SELECT {names} FROM {source} FORCE INDEX (PRIMARY)"
    ranges = [" AND ".join(_range_conditions(quote_mysql(key), chunk)) for chunk in chunks]
    where = ranges[0] if len(ranges) == 1 else " OR ".join(f"({range_})" for range_ in ranges)
    if where:
        statement += f" WHERE {where}"
    order = ", ".join(quote_mysql(name) for name in text.table.primary_key)
    return f"{statement} ORDER BY {order}"


def select_rows(text: RenderedTable, keys: Sequence[bytes]) -> bytes:
    """The SELECT of the rows that have *keys*, lines of the text of the table's keys."""
    names = ", ".join(c.select for c in text.columns)
    return f"SELECT {names} FROM {quote_mysql(text.name)} WHERE ".encode() + where_keys(text, keys)


def delete_rows(text: RenderedTable, keys: Sequence[bytes]) -> bytes:
    """The DELETE of the rows that have *keys*, lines of the text of the table's keys."""
    return f"DELETE FROM {quote_mysql(text.name)} WHERE ".encode() + where_keys(text, keys)


def delete_chunk(text: RenderedTable, chunk: Chunk, table: str | None = None) -> str:
    """The DELETE of the rows of *chunk*, from *table* if it bears another name than *text*'s."""
    where = where_chunk(text, chunk).decode()
    return f"DELETE FROM {quote_mysql(table or text.name)} WHERE {where}"


_INDEXED = 31
"""Columns of a key that a server may look up in its index by equations."""


def where_keys(text: RenderedTable, keys: Sequence[bytes]) -> bytes:
    """The condition that a row has one of *keys*, lines of the text of the table's keys.

    Of a key of several columns it is an OR of equations: no server of ours uses an index for rows
    of values in IN. MariaDB 10.11 crashes where one of 32 columns, the most that it takes, is
    looked up by all of them; the last is compared without the index then.
    """
    columns = text.keys.columns
    names = [quote_mysql(column.name).encode() for column in columns]
    if len(columns) == 1 and columns[0].column.data_type in INTEGER_TYPES:
        return names[0] + b" IN (" + b", ".join(keys) + b")"
    conditions = []
    for key in keys:
        values = map(mysql_literal, columns, key.split(b"\t"))
        equations = [name + b" = " + value for name, value in zip(names, values, strict=True)]
        equations[_INDEXED:] = [b"(" + equation + b") IS TRUE" for equation in equations[_INDEXED:]]
        conditions.append(b"(" + b" AND ".join(equations) + b")")
    return b" OR ".join(conditions)


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


@dataclass(frozen=True, slots=True)
class StampRange:
    """The rows of a table whose *column* is in ``[lower, upper)``, as row text.

    Attributes:
        upper: None where the range has no upper end.
    """

    column: str
    lower: str
    upper: str | None = None


def select_stamped(text: RenderedTable, stamps: StampRange) -> bytes:
    """The SELECT of the rows of *stamps*, in no order."""
    names = ", ".join(c.select for c in text.columns)
    where = where_stamped(text, stamps)
    return f"SELECT {names} FROM {quote_mysql(text.name)} WHERE ".encode() + where


def where_stamped(text: RenderedTable, stamps: StampRange) -> bytes:
    """The condition that a row is one of *stamps*."""
    return " AND ".join(_stamp_conditions(text, stamps)).encode()


def select_stamp_bound(text: RenderedTable, column: str, lower: str, rows: int) -> str:
    """The probe for where a range of *rows* rows, beginning at the stamp *lower*, ends.

    No row means that it is the last one. Rows of one stamp stay together, so the answer may be
    *lower* itself.
    """
    stamp = quote_mysql(column)
    (where,) = _stamp_conditions(text, StampRange(column, lower))
    return (
        f"SELECT {stamp} FROM {quote_mysql(text.name)} WHERE {where} "
        f"ORDER BY {stamp} LIMIT 1 OFFSET {rows:d}"
    )


def select_next_stamp(text: RenderedTable, column: str, lower: str | None) -> str:
    """The probe for the smallest stamp above *lower*; for the highest of all where it is None."""
    stamp = quote_mysql(column)
    if lower is None:
        return f"SELECT MAX({stamp}) FROM {quote_mysql(text.name)}"
    value = mysql_literal(_carried(text, column), lower.encode()).decode()
    return f"SELECT MIN({stamp}) FROM {quote_mysql(text.name)} WHERE {stamp} > {value}"


def _stamp_conditions(text: RenderedTable, stamps: StampRange) -> list[str]:
    stamp, carried = quote_mysql(stamps.column), _carried(text, stamps.column)
    bounds = ((">=", stamps.lower), ("<", stamps.upper))
    return [
        f"{stamp} {sign} {mysql_literal(carried, bound.encode()).decode()}"
        for sign, bound in bounds
        if bound is not None
    ]


def _carried(text: RenderedTable, column: str) -> CarriedColumn:
    return next(carried for carried in text.columns if carried.name == column)


def select_unreadable(text: RenderedTable, where: bytes) -> dict[str, bytes]:
    """Queries for how many values do not survive the way to Unicode, by column.

    A server sends a byte that has no Unicode character in the column's character set as ``?``,
    without a word. Empty for a table whose character sets are Unicode or latin1, which has a
    character for every byte.

    Args:
        text: The table.
        where: Which rows: what ``where_page``, ``where_stamped`` or ``where_keys`` gives.
    """
    queries = {}
    for carried in text.columns:
        charset = carried.column.charset
        if charset is None or charset in READABLE_CHARSETS:
            continue
        name = quote_mysql(carried.name)
        back = f"CONVERT(CONVERT({name} USING utf8mb4) USING {charset})"
        lost = f"NOT (CAST({back} AS BINARY) <=> CAST({name} AS BINARY))"
        query = f"SELECT COUNT(*) FROM {quote_mysql(text.name)} WHERE {lost} AND ("
        queries[carried.name] = query.encode() + where + b")"
    return queries


def where_chunk(text: RenderedTable, chunk: Chunk) -> bytes:
    """The condition that a row belongs to *chunk*."""
    conditions = _range_conditions(quote_mysql(text.table.integer_key or ""), chunk)
    return (" AND ".join(conditions) or "TRUE").encode()


def _range_conditions(column: str, chunk: Chunk) -> Sequence[str]:
    conditions = []
    if chunk.lower is not None:
        conditions.append(f"{column} >= {chunk.lower:d}")
    if chunk.upper is not None:
        conditions.append(f"{column} < {chunk.upper:d}")
    return conditions


def select_bound(text: RenderedTable, lower: int | None, rows: int) -> str:
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


def select_next_key(text: RenderedTable, lower: int | None) -> str:
    """The probe for the smallest key above *lower* (of all, for None); NULL where there is none."""
    key = quote_mysql(text.table.integer_key or "")
    where = "" if lower is None else f" WHERE {key} > {lower:d}"
    return f"SELECT MIN({key}) FROM {quote_mysql(text.name)} FORCE INDEX (PRIMARY){where}"


def select_last_key(text: RenderedTable) -> str:
    """The probe for the largest key; NULL where there is none."""
    key = quote_mysql(text.table.integer_key or "")
    return f"SELECT MAX({key}) FROM {quote_mysql(text.name)} FORCE INDEX (PRIMARY)"
