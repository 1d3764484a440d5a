"""The sink of the warehouse: row text into ``COPY … FROM STDIN``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psycopg

from etl_pipeline.errors import TransferError
from etl_pipeline.schema.names import quote_postgres
from etl_pipeline.transfer.select import RenderedTable


def copy_statement(target: str, columns: Sequence[str], options: Sequence[str] = ()) -> str:
    """The COPY that reads rows of *columns* into *target*, a name that is quoted already."""
    names = ", ".join(quote_postgres(name) for name in columns)
    chosen = f" ({', '.join(options)})" if options else ""
    return f"COPY {target} ({names}) FROM STDIN{chosen}"


def copy_text(
    connection: psycopg.Connection,
    target: str,
    columns: Sequence[str],
    blocks: Iterable[bytes],
    options: Sequence[str] = (),
) -> int:
    """Send *blocks* into *target* and return how many rows PostgreSQL took; the caller commits.

    When the producer raises, psycopg fails the COPY, and the transaction is broken.

    Args:
        connection: psycopg connection.
        target: The table, quoted.
        columns: Their names, in the order of the fields.
        blocks: Row text, cut anywhere, unless *options* say another format.
        options: Of COPY. With ``FREEZE`` rows are written as old ones, so that nothing writes
            their pages again for it later; the table was made in this transaction.

    Raises:
        psycopg.Error: PostgreSQL refused a row, or was lost.
    """
    with connection.cursor() as cursor:
        with cursor.copy(copy_statement(target, columns, options).encode()) as copy:
            for block in blocks:
                copy.write(memoryview(block))  # it is sent in pieces, which would be copies
        if cursor.rowcount < 0:
            raise TransferError("PostgreSQL did not report the rows of COPY", where=target)
        return cursor.rowcount


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """The place of a value that PostgreSQL refused in a COPY.

    Attributes:
        line: The line of the COPY, from 1.
        column: The column; None where the row as a whole was refused, for its size.
    """

    line: int
    column: str | None


_OF_JSON = ("22P02", "22P05")
"""SQLSTATEs for a text that is no JSON, and for JSON with a character that PostgreSQL lacks."""

# What stands around the column in the context of PostgreSQL's message: a comma and one word before
# it in most languages (", column c: "), a space before the colon in French, a word after the name
# in Korean. Taken from the message catalogs of PostgreSQL 15.
_COLUMN = "[,、] ?\\S+ {name} ?: |(?:번째 줄|행), {name} 열: "
# A row of binary COPY is not shown, so the context ends with the column.
_BINARY_COLUMN = r"(?:[,、] ?\S+ {name}|(?:번째 줄|행), {name} 열)\Z"


def locate_refusal(
    error: psycopg.Error, text: RenderedTable, relation: str, *, is_binary: bool = False
) -> RefusedRow | None:
    """Return where a row of *text* was refused; None if *error* is not about a value.

    PostgreSQL says the place only in the context of its message, ``COPY t, line 2, column c: …``,
    in the language of the server. So the number and the column are looked for, not the words, and
    nothing of what follows, which is the value.

    Args:
        error: What COPY raised.
        text: The table whose rows were sent.
        relation: The name of the table that COPY wrote to, without quotes; it may hold anything.
        is_binary: Whether the rows were sent in the binary form.
    """
    kind = (error.sqlstate or "")[:2]
    context = error.diag.context or ""
    if error.sqlstate in _OF_JSON and error.diag.message_detail:
        context = context.partition("\n")[
            2
        ]  # the first line shows the JSON, which may say anything
    after_name = context.partition(relation)[2]
    number = re.search(r"\d+", after_name)
    if number is None or kind not in ("22", "54"):
        return None
    place = after_name[number.end() :]
    # The longest first: a column may be called "c", and another "b: c".
    form = _BINARY_COLUMN if is_binary else _COLUMN
    for carried in sorted(text.columns, key=lambda carried: len(carried.name), reverse=True):
        if re.match(form.format(name=re.escape(carried.raw_name)), place):
            return RefusedRow(int(number[0]), carried.name)
    return RefusedRow(int(number[0]), None) if kind == "54" else None
