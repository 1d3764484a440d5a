"""The SELECT that asks for a part of a chunk, from one row's key on (no I/O).

A page is what one statement reads. It goes on after the last key that has come, in the order that
the server itself gives the key, so it needs no probe, and any key will do that sorts as it
compares.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from etl_pipeline.schema.catalog import INTEGER_TYPES
from etl_pipeline.schema.names import quote_mysql
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.select import (
    READABLE_CHARSETS,
    RenderedTable,
    mysql_literal,
    where_chunk,
)

_NUMBERS = INTEGER_TYPES | {"decimal"}
# An ENUM sorts by its members and compares by its text; a FLOAT is not what it prints as.
_SORTED_AS_COMPARED = _NUMBERS | {
    "char",
    "varchar",
    "binary",
    "varbinary",
    "date",
    "datetime",
    "timestamp",
}

Key = tuple[bytes, ...]
"""Fields of lossless row text, in the order of the primary key."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of *chunk* behind *after*, up to *upto*; None for its beginning, and for its end."""

    chunk: Chunk
    after: Key | None = None
    upto: Key | None = None


def has_pages(text: RenderedTable) -> bool:
    """True if the rows can be read in pages: by a key that sorts as its text compares."""
    table = text.table
    if not table.primary_key or any(table.key_prefixes):
        return False
    columns = [table.column(name) for name in table.primary_key]
    return all(
        column.data_type in _SORTED_AS_COMPARED
        and not column.stand_in
        and (column.charset is None or column.charset in READABLE_CHARSETS)
        for column in columns
    )


def select_page(text: RenderedTable, page: Page, rows: int) -> bytes:
    """Return the SELECT of the first *rows* rows of *page*, in the order of the primary key.

    Safe to put together from parts: names are quoted, and values are literals as
    ``mysql_literal`` makes them.
    """
    names = ", ".join(carried.select for carried in text.columns)
    order = ", ".join(quote_mysql(name) for name in text.table.primary_key)
    where = b" WHERE " + where_page(text, page)
    # Without the hint MyISAM prefers to read the table through and sort it.
    head = f"SELECT {names} FROM {quote_mysql(text.name)} FORCE INDEX (PRIMARY)"
    return head.encode() + where + f" ORDER BY {order} LIMIT {rows:d}".encode()


def where_page(text: RenderedTable, page: Page) -> bytes:
    """Return the condition that a row belongs to *page*."""
    # What is after a key of the chunk is past its lower end.
    chunk = page.chunk if page.after is None else replace(page.chunk, lower=None)
    conditions = [where_chunk(text, chunk)]
    if page.after is not None:
        conditions.append(_beyond(text, page.after))
    if page.upto is not None:
        conditions.append(b"NOT " + _beyond(text, page.upto))
    return b" AND ".join(condition for condition in conditions if condition != b"TRUE") or b"TRUE"


def _beyond(text: RenderedTable, key: Key) -> bytes:
    """Return the condition that a row comes after *key*.

    Equations and one inequality, joined by OR: measured on MariaDB 10.11, this makes
    ranges of the index, and comparing rows of values does not.
    """
    key_names = text.table.primary_key
    names = [quote_mysql(name).encode() for name in key_names]
    values = [_literal(text, name, field) for name, field in zip(key_names, key, strict=True)]
    alternatives = []
    for place, (name, value) in enumerate(zip(names, values, strict=True)):
        equations = [b"%s = %s" % pair for pair in zip(names[:place], values[:place], strict=True)]
        alternatives.append(b"(" + b" AND ".join([*equations, b"%s > %s" % (name, value)]) + b")")
    return b"(" + b" OR ".join(alternatives) + b")"


def _literal(text: RenderedTable, name: str, field: bytes) -> bytes:
    # As a string, a decimal would be compared as a floating-point number.
    carried = text.columns[text.column_names.index(name)]
    return field if carried.column.data_type in _NUMBERS else mysql_literal(carried, field)


def last_key(text: RenderedTable, lines: bytes) -> Key:
    """Return the key of the last of *lines*, complete lines of lossless text."""
    start = lines.rfind(b"\n", 0, len(lines) - 1) + 1
    places = {text.column_names.index(name): name for name in text.table.primary_key}
    found: dict[str, bytes] = {}
    for place in range(max(places) + 1):
        end = lines.find(b"\t", start)
        end = len(lines) - 1 if end < 0 else end
        if place in places:
            found[places[place]] = bytes(lines[start:end])
        start = end + 1
    return tuple(found[name] for name in text.table.primary_key)
