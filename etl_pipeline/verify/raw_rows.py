"""Compare rows of ``raw`` by value with rows that are sent again."""

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
    count_differing,
    create_compared,
    drop_repeated_keys,
    show_rows,
)

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})

RawKey = tuple[str, ...]
"""A primary key as PostgreSQL's text of its columns."""


@dataclass(frozen=True, slots=True)
class DifferingLine:
    """A row of a chunk that differs.

    Attributes:
        line: Number of the line that was sent, from 0; None where ``raw`` alone has the row.
    """

    line: int | None
    key: RawKey


@dataclass(frozen=True, slots=True)
class DifferingRow:
    """A row of a chosen key that differs.

    Attributes:
        in_raw: True if ``raw`` has it.
        was_sent: True if it was sent.
        positions: Of the columns that differ, where both have it.
    """

    in_raw: bool
    was_sent: bool
    positions: tuple[int, ...]


class RawRows:
    """Compares rows of a table in ``raw``, by temporary tables that end with the transaction.

    Args:
        analytics: In an open transaction, with ``PINNED_SETTINGS`` in force.
        text: The table.
        live: Its rows in ``raw``: a quoted name, or a subquery.
    """

    def __init__(self, analytics: psycopg.Connection, text: RenderedTable, live: str) -> None:
        self._analytics, self._text, self._live = analytics, text, live
        for statement in create_compared(text):
            analytics.execute(statement.encode())

    def compare_chunk(self, chunk: Chunk, blocks: Iterable[bytes]) -> list[DifferingLine]:
        """Return the rows of *chunk* that differ from *blocks*, lines for COPY of all its rows."""
        self._send(blocks)
        query = compare_chunk(self._live, self._text, chunk)
        return [DifferingLine(line, tuple(key)) for line, *key in self._ask(query)]

    def count_differing(self, blocks: Iterable[bytes]) -> tuple[int, int]:
        """Return how many rows of *blocks* ``raw`` lacks, and how many it has besides them."""
        self._send(blocks)
        ((missing, extra),) = self._ask(count_differing(self._live, self._text))
        return missing, extra

    def choose_keys(self, keys: Sequence[bytes], raw_only_keys: Sequence[RawKey]) -> None:
        """Choose the keys that ``compare_keys`` compares; it numbers them from 0, in this order.

        Args:
            keys: Lines of the lossless text of the table's keys.
            raw_only_keys: Others, as PostgreSQL has them; one that is also in *keys* is left out.
        """
        text = self._text
        lines = [text.copy_key(key) for key in keys]
        lines += ["\t".join(key).encode() for key in map(_escape, raw_only_keys)]
        self._fill(KEYS, text.keys.column_names, [line.rstrip(b"\n") + b"\n" for line in lines])
        self._analytics.execute(drop_repeated_keys(text).encode())
        self._analyze(KEYS)

    def compare_keys(self, lines: Iterable[bytes]) -> dict[int, DifferingRow]:
        """Return the chosen keys, by number, whose rows differ from *lines*, which are for COPY."""
        self._send(line + b"\n" for line in lines)
        self._analyze(INCOMING)
        return {
            ordinal: DifferingRow(in_raw, was_sent, tuple(positions) if in_raw and was_sent else ())
            for ordinal, in_raw, was_sent, positions in self._ask(
                compare_keys(self._live, self._text)
            )
        }

    def show(self, ordinal: int) -> tuple[tuple[str | None, ...], tuple[str | None, ...]]:
        """Return the values of a key's row as it was sent last, and as ``raw`` has it."""
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
