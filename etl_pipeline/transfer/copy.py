"""The sink of the warehouse: row text into ``COPY … FROM STDIN``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psycopg

from etl_pipeline.errors import TransferError
from etl_pipeline.schema.names import postgres_name, quote_postgres
from etl_pipeline.transfer.select import TableText


def copy_statement(target: str, columns: Sequence[str]) -> str:
    """The COPY that reads row text of *columns* into *target*, a name that is quoted already."""
    names = ", ".join(quote_postgres(name) for name in columns)
    return f"COPY {target} ({names}) FROM STDIN"


def copy_text(
    connection: psycopg.Connection, target: str, columns: Sequence[str], blocks: Iterable[bytes]
) -> int:
    """Send *blocks* into *target* and return how many rows PostgreSQL took; the caller commits.

    When the producer raises, psycopg fails the COPY, and the transaction is broken.

    Raises:
        psycopg.Error: PostgreSQL refused a row, or was lost.
    """
    with connection.cursor() as cursor:
        with cursor.copy(copy_statement(target, columns).encode()) as copy:
            for block in blocks:
                copy.write(block)
        if cursor.rowcount < 0:
            raise TransferError("PostgreSQL did not report the rows of COPY", where=target)
        return cursor.rowcount


@dataclass(frozen=True, slots=True)
class Refusal:
    """Where PostgreSQL refused a value of a COPY.

    Attributes:
        line: The line of the COPY, from 1.
        column: The column; None where the row as a whole was refused, for its size.
    """

    line: int
    column: str | None


def locate_refusal(error: psycopg.Error, text: TableText) -> Refusal | None:
    """Where a row of *text* was refused; None where *error* is not about a value.

    PostgreSQL says the place only in the context of its message, ``COPY t, line 2, column c: …``,
    in the language of the server. So the number and the column are looked for, not the words, and
    nothing of what follows, which is the value.
    """
    state = error.sqlstate or ""
    context = error.diag.context or ""
    number = re.search(r", \D*?(\d+)", context)
    if number is None or state[:2] not in ("22", "54"):
        return None
    after = context[number.end() :]
    places = {
        after.find(f" {postgres_name(name)}: "): name
        for name in sorted(text.column_names, key=len)
        if f" {postgres_name(name)}: " in after
    }
    return Refusal(int(number[1]), places[min(places)] if places else None)
