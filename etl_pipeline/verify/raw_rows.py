"""Rows of ``raw`` compared by value with rows that are sent again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from etl_pipeline.load.sql import INCOMING
from etl_pipeline.schema.names import quote_temporary
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.copy import copy_text
from etl_pipeline.transfer.select import RenderedTable
from etl_pipeline.verify.compare_sql import (
    KEYS,
    compare_chunk,
    compare_keys,
    count_unlike,
    create_compared,
    drop_repeated_keys,
    show_rows,
)

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})

RawKey = tuple[str, ...]
"""A primary key as PostgreSQL's text of its columns."""


@dataclass(frozen=True, slots=True)
class UnlikeLine:
    """A row of a chunk that differs.

    Attributes:
        line: Number of the line that was sent, from 0; None where ``raw`` alone has the row.
    """

    line: int | None
    key: RawKey


@dataclass(frozen=True, slots=True)
class UnlikeKey:
    """A row that was looked at and differs.

    Attributes:
        is_held: Whether ``raw`` has it.
        is_sent: Whether it was sent.
        positions: Of the columns that differ, where both have it.
    """

    is_held: bool
    is_sent: bool
    positions: tuple[int, ...]


class RawRows:
    """Compares rows of a table in ``raw``; made in an open transaction, and gone with it.

    Args:
        analytics: psycopg connection; the settings of ``PINNED_SETTINGS`` are in force.
        text: The table.
        live: Its rows in ``raw``: a quoted name, or a subquery.
    """

    def __init__(self, analytics: psycopg.Connection, text: RenderedTable, live: str) -> None:
        self._analytics, self._text, self._live = analytics, text, live
        for statement in create_compared(text):
            analytics.execute(statement.encode())

    def compare_chunk(self, chunk: Chunk, blocks: Iterable[bytes]) -> list[UnlikeLine]:
        """The rows of *chunk* that are not those of *blocks*, lines for COPY of all its rows."""
        self._send(blocks)
        query = compare_chunk(self._live, self._text, chunk)
        return [UnlikeLine(line, tuple(key)) for line, *key in self._ask(query)]

    def count_unlike(self, blocks: Iterable[bytes]) -> tuple[int, int]:
        """How many rows of *blocks* ``raw`` does not have, and how many it has besides them."""
        self._send(blocks)
        ((missing, extra),) = self._ask(count_unlike(self._live, self._text))
        return missing, extra

    def compare_rows_at(self, keys: Sequence[bytes], raw_keys: Sequence[RawKey]) -> None:
        """Let ``compare_keys`` look at these keys, which it numbers in this order.

        Args:
            keys: Lines of the lossless text of the table's keys.
            raw_keys: Others, as PostgreSQL has them; one that is among *keys* already is left out.
        """
        text = self._text
        lines = [text.copy_key(key) for key in keys]
        lines += ["\t".join(key).encode() for key in map(_escape, raw_keys)]
        self._fill(KEYS, text.keys.column_names, [line.rstrip(b"\n") + b"\n" for line in lines])
        self._analytics.execute(drop_repeated_keys(text).encode())
        self._analyze(KEYS)

    def compare_keys(self, lines: Iterable[bytes]) -> dict[int, UnlikeKey]:
        """The keys, by number, whose rows are not those of *lines*, which are for COPY."""
        self._send(line + b"\n" for line in lines)
        self._analyze(INCOMING)
        return {
            ordinal: UnlikeKey(is_held, is_sent, tuple(positions) if is_held and is_sent else ())
            for ordinal, is_held, is_sent, positions in self._ask(
                compare_keys(self._live, self._text)
            )
        }

    def show(self, ordinal: int) -> tuple[tuple[str | None, ...], tuple[str | None, ...]]:
        """The values of a key's row as it was sent last, and as it is held."""
        ((sent, held),) = self._ask(show_rows(self._live, self._text, ordinal))
        return tuple(sent), tuple(held)

    def _send(self, blocks: Iterable[bytes]) -> None:
        self._fill(INCOMING, self._text.column_names, blocks)

    def _fill(self, table: str, columns: Sequence[str], blocks: Iterable[bytes]) -> None:
        target = quote_temporary(table)
        self._analytics.execute(f"TRUNCATE {target} RESTART IDENTITY".encode())
        copy_text(self._analytics, target, columns, blocks)

    def _analyze(self, table: str) -> None:
        # Few rows meet a large table: by its key, if PostgreSQL knows that they are few.
        self._analytics.execute(f"ANALYZE {quote_temporary(table)}".encode())

    def _ask(self, query: str) -> list[tuple[Any, ...]]:
        return self._analytics.execute(query.encode()).fetchall()


def _escape(key: RawKey) -> list[str]:
    return [value.translate(_ESCAPES) for value in key]
