"""Rows as the tuples of PostgreSQL's binary COPY, which costs the server a third less than text.

The compiled kernel makes them of the packets, and the rows' hashes beside them, as PostgreSQL
would make them. Without it, and for columns and values that are not known here, COPY gets the
text. Either way the table holds the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import IntEnum

from etl_pipeline.transfer import kernel
from etl_pipeline.transfer.kernel_python import Rendered
from etl_pipeline.transfer.select import RenderedTable

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # no flags, no extension
_TRAILER = b"\xff\xff"


class FieldKind(IntEnum):
    """Binary forms of PostgreSQL's types; the numbers are the compiled kernel's."""

    TEXT = 0
    SMALLINT = 1
    INTEGER = 2
    BIGINT = 3
    DOUBLE = 4
    NUMERIC = 5
    DATE = 6
    TIMESTAMP = 7
    INTERVAL = 8
    BYTEA = 9
    BOOLEAN = 10
    REAL = 11


_KINDS = {
    "text": FieldKind.TEXT,
    "json": FieldKind.TEXT,
    "smallint": FieldKind.SMALLINT,
    "integer": FieldKind.INTEGER,
    "bigint": FieldKind.BIGINT,
    "real": FieldKind.REAL,
    "double precision": FieldKind.DOUBLE,
    "numeric": FieldKind.NUMERIC,
    "date": FieldKind.DATE,
    "timestamp without time zone": FieldKind.TIMESTAMP,
    # The text says UTC, and so does the session that would read it.
    "timestamp with time zone": FieldKind.TIMESTAMP,
    "interval": FieldKind.INTERVAL,
    "bytea": FieldKind.BYTEA,
    "boolean": FieldKind.BOOLEAN,
}


class Encoder:
    """Asks for binary tuples of a table's rows while all values have a known form.

    Several threads may use it at a time.
    """

    def __init__(self, text: RenderedTable) -> None:
        kinds = [_KINDS.get(re.sub(r"\(.*", "", c.postgres_type)) for c in text.columns]
        is_able = kernel.IS_COMPILED and None not in kinds
        self._kinds = bytes(kind or 0 for kind in kinds) if is_able else None

    @property
    def kinds(self) -> bytes | None:
        """The kinds to ask the reader for; None once a row had a value of unknown form."""
        return self._kinds

    def take(self, block: Rendered) -> tuple[bytes, int]:
        """Take a block's tuples and hashes; after a block without them, none are made."""
        if block.tuples is None:
            self._kinds = None
            return b"", 0
        return block.tuples, block.hashes


def framed(tuples: Iterable[bytes]) -> Iterator[bytes]:
    """All that COPY is sent: the format's header, *tuples*, its trailer."""
    yield _HEADER
    yield from tuples
    yield _TRAILER
