"""Layout of a table's primary key: what is to be known of it to find keys in the log (no I/O).

A key of the log becomes a line of the row text of the table's key, as it is read at the source: so
what asks for rows by key, and what deletes them, takes it as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from etl_pipeline.schema.catalog import INTEGER_TYPES, Column, Table

LARGEST_SIGNED = 2**63 - 1

_MEMBER = re.compile(r"'((?:[^']|'')*)'")
_ESCAPED = re.compile(r"\\.", re.DOTALL)
_ESCAPES = {r"\0": "\0", r"\n": "\n", r"\r": "\r"}
_WIDTH = re.compile(r"\((\d+)(?:,(\d+))?\)")
_UNKNOWN_MEMBER = "?"
"""A server shows a character beyond U+FFFF of a member so: which one it is, no catalog tells."""


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """A column of a primary key.

    Attributes:
        place: Its number among all columns of the table, from 0.
        data_type: As in the catalog.
        charset: Of text; None for other types.
        members: Of an ENUM or SET.
        width: Digits of a number with ZEROFILL, bits of a BIT, bytes of a BINARY; else 0.
        fraction: Decimals of seconds.
    """

    name: str
    place: int
    data_type: str
    is_unsigned: bool = False
    charset: str | None = None
    members: tuple[str, ...] = ()
    width: int = 0
    fraction: int = 0

    @property
    def is_integer(self) -> bool:
        """True for an integer, of whatever width."""
        return self.data_type in INTEGER_TYPES


@dataclass(frozen=True, slots=True)
class Cascades:
    """Tables whose rows change with those of another, by a foreign key, past the log.

    Attributes:
        on_delete: Tables that lose rows, or values, when rows of the other are deleted.
        on_update: Likewise, when rows are updated.
    """

    on_delete: tuple[str, ...] = ()
    on_update: tuple[str, ...] = ()


NO_CASCADES = Cascades()


@dataclass(frozen=True, slots=True)
class KeyLayout:
    """The primary key of a table that is followed.

    Attributes:
        columns: In the key's order.
        column_count: Columns that the table has in all.
        unreadable: Why no key can be taken from the log; empty if keys can.
        cascades: Tables that change with this one without a word in the log.
    """

    table: str
    columns: tuple[KeyColumn, ...]
    column_count: int
    unreadable: str = ""
    cascades: Cascades = NO_CASCADES

    @property
    def begins_with_integer(self) -> bool:
        """True if many keys can be told as ranges of their first column."""
        return bool(self.columns) and self.columns[0].is_integer

    @property
    def is_integer(self) -> bool:
        """True if the key is one integer."""
        return len(self.columns) == 1 and self.columns[0].is_integer

    @property
    def array_code(self) -> str:
        """The code of an ``array`` that holds every value of the first column, an integer."""
        first = self.columns[0]
        return "Q" if first.is_unsigned and first.data_type == "bigint" else "q"


def make_layout(table: Table, cascades: Cascades = NO_CASCADES) -> KeyLayout:
    """Return the layout of *table*'s primary key.

    Args:
        table: As the source declares it, with all of its columns.
        cascades: What changes with it.
    """
    places = {column.name: place for place, column in enumerate(table.columns)}
    known = [name for name in table.primary_key if name in places]
    columns = tuple(_make_column(table.column(name), places[name]) for name in known)
    return KeyLayout(
        table.name, columns, len(table.columns), _find_reason(table, columns), cascades
    )


def _find_reason(table: Table, columns: tuple[KeyColumn, ...]) -> str:
    """Return why keys of *table* cannot be taken from the log; empty if they can."""
    if not table.primary_key:
        return "it has no primary key"
    if table.is_torn or table.flaw is not None:
        return "the catalog does not show all of it"
    for column in columns:
        if any(_UNKNOWN_MEMBER in member for member in column.members):
            return f"the catalog does not tell the members of {column.name}"
    return ""


def _make_column(column: Column, place: int) -> KeyColumn:
    brackets = _WIDTH.search(column.column_type) if "'" not in column.column_type else None
    first = int(brackets[1]) if brackets else 0
    decimals = int(brackets[2] or 0) if brackets else 0
    is_padded = "zerofill" in column.column_type
    width = 0
    if column.data_type in ("bit", "binary"):
        width = first or 1
    elif is_padded:
        # Of a decimal the point counts, too.
        width = first + (column.data_type == "decimal" and decimals > 0)
    is_time = column.data_type in ("time", "datetime", "timestamp")
    return KeyColumn(
        column.name,
        place,
        column.data_type,
        column.is_unsigned,
        column.charset,
        _read_members(column),
        width,
        first if is_time else 0,
    )


def _read_members(column: Column) -> tuple[str, ...]:
    if column.data_type not in ("enum", "set"):
        return ()
    return tuple(_unescape(text) for text in _MEMBER.findall(column.column_type))


def _unescape(member: str) -> str:
    return _ESCAPED.sub(
        lambda found: _ESCAPES.get(found[0], found[0][-1]), member.replace("''", "'")
    )


def find_changing(
    table: str, cascades_of: Callable[[str], Cascades], *, is_delete: bool
) -> frozenset[str]:
    """Return the tables that may change when rows of *table* are deleted or updated.

    Directly or by way of others; *table* itself is among them only if a foreign key leads back.
    """
    found: set[str] = set()
    first = cascades_of(table)
    waiting = list(first.on_delete if is_delete else first.on_update)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            beyond = cascades_of(name)
            waiting += (*beyond.on_delete, *beyond.on_update)
    return frozenset(found)
