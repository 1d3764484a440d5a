"""The sink of the warehouse: row text into ``COPY … FROM STDIN``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import psycopg

from etl_pipeline.errors import TransferError
from etl_pipeline.schema.names import quote_postgres


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
