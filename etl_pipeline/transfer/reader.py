"""Read row text from a MySQL server."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

from pymysql import err
from pymysql.connections import Connection

from etl_pipeline.errors import TransferError
from etl_pipeline.schema.types import Mode
from etl_pipeline.transfer import wire
from etl_pipeline.transfer.kernel import render
from etl_pipeline.transfer.kernel_python import Rendered, ServerErrorPacket, missing_bytes
from etl_pipeline.transfer.layout import Layout

FEW_BYTES = 1 << 16
NAP_SECONDS = 0.0005
"""A server hands on 16 KB at a time, and wakes a reader who waits for it as often. One who sleeps
meanwhile finds more: a fifth of the program's work, and a tenth of the server's, are spared. A line
that fills FEW_BYTES in a nap is not held up, since then there is none."""


def read_text(
    connection: Connection[Any],
    statement: str | bytes,
    modes: Sequence[Mode],
    *,
    with_copy: bool = False,
    kinds: bytes | None = None,
) -> Iterator[Rendered]:
    """The rows of *statement* as blocks of lines, in the server's order.

    The result must be read to its end: where it is not, or where anything goes wrong in the
    middle, the connection is closed, because its unread rest would be taken for the next answer.

    Args:
        connection: A connection of PyMySQL with nothing unread on it.
        statement: A SELECT of ``len(modes)`` columns.
        modes: The kernel's mode for each column.
        with_copy: Whether the text for COPY is wanted too.
        kinds: The kinds of ``transfer/binary.py`` where tuples for COPY are wanted too.

    Raises:
        pymysql.err.MySQLError: The server refused the statement, broke it off, or was lost.
        TransferError: The server sent something else than rows of these columns.
    """
    done = False
    rows = received_bytes = 0
    try:
        result = wire.open_result(connection, statement)
    except BaseException:
        wire.end_query(connection, 0, 0)
        raise
    try:
        if len(result.forms) != len(modes):
            raise TransferError("the server's result has another number of columns")
        layout = Layout(tuple(modes), result.forms)
        rest = b""
        size = FEW_BYTES
        while not done:
            if size < FEW_BYTES:
                time.sleep(NAP_SECONDS)
            block = wire.read_more(connection, rest, missing_bytes(rest))
            size = len(block) - len(rest)
            received_bytes += size
            rest = b""  # it is in the block now, and may be nearly as large
            rendered = render(block, layout, with_copy=with_copy, kinds=kinds)
            rest = bytes(memoryview(block)[rendered.consumed :])
            del block  # it may be as large as the largest row
            if rendered.is_end and rest:
                raise TransferError("the server sent more than one result")
            done = rendered.is_end
            rows += rendered.rows
            if done:
                cut = None if rows else wire.find_cut(connection)
                wire.end_query(connection, rows, received_bytes)
                wire.close_statement(connection, result.statement)
                if cut:
                    raise cut
            if rendered.rows:
                yield rendered
            del rendered  # like the block, before the next one is made
    except ServerErrorPacket as error:
        # The error ends the result: the connection is in order and can be used again.
        done = True
        with contextlib.suppress(err.MySQLError):  # a connection that is lost forgets by itself
            wire.close_statement(connection, result.statement)
        err.raise_mysql_exception(error.payload)
    finally:
        wire.end_query(connection, rows, received_bytes)
        if not done:
            wire.close_at_once(connection)


def read_certainly(
    connection: Connection[Any],
    statement: str | bytes,
    modes: Sequence[Mode],
    *,
    with_copy: bool = False,
) -> Iterator[Rendered]:
    """The rows of *statement*, as ``read_text``; asked for again if there are none.

    For a statement of which no row means that the source has none: a server that is told to end a
    statement (KILL QUERY) while it plans it may answer with no row and no error.
    """
    is_empty = True
    for _ in range(2):
        for block in read_text(connection, statement, modes, with_copy=with_copy):
            is_empty = False
            yield block
            del block  # before the next one is made: either may be as large as the largest row
        if not is_empty:
            return
