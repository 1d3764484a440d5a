"""Row text as the tuples of PostgreSQL's binary COPY, which costs the server a third less.

The rows' hashes are made beside them, as PostgreSQL would make them.
Compiled only; where no compiler was found, and for columns and values that are not known here,
COPY gets the text. Either way the table holds the same.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Any

from etl_pipeline.transfer.select import TableText

try:
    _compiled: Any = importlib.import_module("etl_pipeline.transfer._binary")
except ImportError:
    _compiled = None
IS_COMPILED = _compiled is not None

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # no flags, no extension
_TRAILER = b"\xff\xff"


class Kind(IntEnum):
    """How a value of a PostgreSQL type is written; the numbers are the compiled encoder's."""

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


_KINDS = {
    "text": Kind.TEXT,
    "json": Kind.TEXT,
    "smallint": Kind.SMALLINT,
    "integer": Kind.INTEGER,
    "bigint": Kind.BIGINT,
    "double precision": Kind.DOUBLE,
    "numeric": Kind.NUMERIC,
    "date": Kind.DATE,
    "timestamp without time zone": Kind.TIMESTAMP,
    # The text says UTC, and so does the session that would read it.
    "timestamp with time zone": Kind.TIMESTAMP,
    "interval": Kind.INTERVAL,
    "bytea": Kind.BYTEA,
    "boolean": Kind.BOOLEAN,
}


class Encoder:
    """Makes tuples of a table's lines, as long as all its values have a form known here."""

    def __init__(self, text: TableText) -> None:
        kinds = [_KINDS.get(re.sub(r"\(.*", "", c.postgres_type)) for c in text.columns]
        self._is_able = _compiled is not None and None not in kinds
        self._kinds = bytes(kind or 0 for kind in kinds)

    def can_encode(self) -> bool:
        """Whether every line so far had a form known here."""
        return self._is_able

    def encode(self, lines: bytes) -> tuple[bytes, int]:
        """The tuples of *lines*, complete lines for COPY; where it cannot, it says so from then on.

        Several threads may call it at a time.

        Returns:
            The tuples, and the sum of PostgreSQL's hashes of the rows as ``raw_sql.digest_raw``
            asks for them.
        """
        encoded = _compiled.encode(lines, self._kinds) if self._is_able else None
        if encoded is None:
            self._is_able = False
            return b"", 0
        tuples, high, low = encoded
        return tuples, (high << 32) + low


def framed(tuples: Iterable[bytes]) -> Iterator[bytes]:
    """All that COPY is sent: the format's header, *tuples*, its trailer."""
    yield _HEADER
    yield from tuples
    yield _TRAILER
