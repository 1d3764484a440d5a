"""Read a chunk of the source in as many statements as the limit of a statement asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pymysql

from etl_pipeline.core.driver_errors import is_too_long
from etl_pipeline.core.page_size import next_page_rows, rows_after_timeout
from etl_pipeline.core.source_connection import SourceConnection
from etl_pipeline.core.throttle import Throttle
from etl_pipeline.errors import TransferError
from etl_pipeline.replicate.chunking import chunk_rows
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.kernel_python import Rendered
from etl_pipeline.transfer.page import Key, Page, has_pages, last_key, select_page
from etl_pipeline.transfer.reader import read_certainly
from etl_pipeline.transfer.select import RenderedTable, select_chunk

FIRST_PART = 8
"""The first statement of a table asks for this part of a chunk: nobody knows yet how fast it is."""
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0
MOST_EMPTY = 8
"""So many statements in a row may exceed the limit without a row: a minute and a half."""


def read_pages(
    text: RenderedTable,
    chunk: Chunk,
    source: SourceConnection,
    *,
    with_copy: bool = False,
    ended: Callable[[Page], None] | None = None,
    keeps_snapshot: bool = False,
) -> Iterator[Rendered]:
    """The rows of *chunk* as blocks of lines, in the order of the key where there is one.

    One statement, where it stays within the source's limit; else one after the other, each from
    the last key that has come, with rests between them in which nothing is open at the source. So
    a chunk of several pages does not show one instant. A table whose key cannot be read in pages
    is one statement.

    Args:
        text: The table.
        chunk: What of it is read.
        source: A connection to the source; the caller ends the last read.
        with_copy: Whether the text for COPY is wanted too.
        ended: Called after each page, before its read is ended.
        keeps_snapshot: Whether the transaction that is open stays so between two pages.

    Raises:
        SourceClosedError: The source may not be read any more.
        TransferError: A statement exceeded the limit and cannot be cut, or nothing came of many.
        pymysql.err.MySQLError: The source refused a statement, or was lost.
    """
    throttle: Throttle = source.throttle
    throttle.check_open(text.name, f"stopped {_before(chunk)}")
    with source.reading(text.name):
        if has_pages(text):
            pager = _Pager(text, chunk, source, throttle, with_copy, ended, keeps_snapshot)
            yield from pager.read()
            return
        try:
            statement = select_chunk(text, chunk)
            yield from read_certainly(source, statement, text.modes, with_copy=with_copy)
        except pymysql.err.MySQLError as error:
            if is_too_long(error):
                raise _cannot_cut(text, throttle) from error
            raise
        if ended:
            ended(Page(chunk))


class _Pager:
    """One chunk on its way, page by page."""

    def __init__(
        self,
        text: RenderedTable,
        chunk: Chunk,
        source: SourceConnection,
        throttle: Throttle,
        with_copy: bool,
        ended: Callable[[Page], None] | None,
        keeps_snapshot: bool,
    ) -> None:
        self._text, self._chunk, self._source, self._throttle = text, chunk, source, throttle
        self._with_copy, self._ended, self._keeps_snapshot = with_copy, ended, keeps_snapshot
        self._key: Key | None = None
        self._got = 0
        self._empty = 0

    def read(self) -> Iterator[Rendered]:
        text, throttle = self._text, self._throttle
        what = text.name, text.column_names
        first = max(1, chunk_rows(text.table) // FIRST_PART)
        while True:
            asked = throttle.rows_of(what, first)
            began, after = throttle.clock(), self._key
            try:
                yield from self._read_page(asked)
            except pymysql.err.MySQLError as error:
                if not is_too_long(error):
                    raise
                throttle.learn_rows(what, rows_after_timeout(asked, self._got))
                self._count_empty(error)
            else:
                seconds = throttle.clock() - began
                throttle.learn_rows(what, next_page_rows(asked, self._got, seconds, self._limit))
                if self._got < asked:
                    self._end(Page(self._chunk, after))
                    return
            if self._got:
                self._end(Page(self._chunk, after, self._key))
            if not self._keeps_snapshot:
                self._source.rollback()
            self._rest()

    def _read_page(self, rows: int) -> Iterator[Rendered]:
        text = self._text
        self._got = 0
        statement = select_page(text, Page(self._chunk, self._key), rows)
        for block in read_certainly(self._source, statement, text.modes, with_copy=self._with_copy):
            self._got += block.rows
            self._key = last_key(text, block.text)
            yield block
            del block  # before the next one is made: either may be as large as the largest row

    def _end(self, page: Page) -> None:
        if self._ended:
            self._ended(page)

    def _count_empty(self, error: Exception) -> None:
        """Count a statement that exceeded the limit and of which nothing came; give up at last."""
        self._empty = 0 if self._got else self._empty + 1
        if self._empty == MOST_EMPTY:
            raise TransferError(
                f"{MOST_EMPTY} times in a row, no row came within {self._limit:g} s of the source",
                where=self._text.name,
                fix="find out who holds the table locked, or raise "
                "source.max_seconds_per_statement in pipeline.yml",
            ) from error

    @property
    def _limit(self) -> float:
        return self._throttle.limit_of(self._text.name)

    def _rest(self) -> None:
        """Before the next page: whether it may be read, and a rest if nothing came of the last.

        Whoever holds the table locked for longer than our limit may be done after it.
        """
        if self._empty:
            self._throttle.wait(
                min(FIRST_WAIT_SECONDS * 2 ** (self._empty - 1), LONGEST_WAIT_SECONDS)
            )
        if self._text.table.integer_key is None:
            self._throttle.check_open(self._text.name, "stopped in the middle of the table")


def _before(chunk: Chunk) -> str:
    return "before its first row" if chunk.lower is None else f"before key {chunk.lower}"


def _cannot_cut(text: RenderedTable, throttle: Throttle) -> TransferError:
    limit = throttle.limit_of(text.name)
    has_key = bool(text.table.primary_key)
    why = "its primary key is of a type that pages cannot follow" if has_key else "it has no key"
    return TransferError(
        f"reading it takes longer than {limit:g} s at the source, and it cannot be read in "
        f"pieces: {why}",
        where=text.name,
        fix=f"under 'tables:' in tables.yml, {text.name}: {{max_seconds_per_statement: 60}}    "
        "lets one statement take so long",
    )
