"""The statements that compare rows that were sent with those in ``raw``: pure text.

They are put together from quoted names and integers only.
"""

from __future__ import annotations

from etl_pipeline.load.sql import INCOMING, equal_keys, in_chunk, unlike_rows
from etl_pipeline.schema.ddl import create_incoming
from etl_pipeline.schema.names import quote_postgres, quote_temporary
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.select import RenderedTable

KEYS = "_etl_keys"
"""The temporary table of the keys that are looked at."""


def _free_name(name: str, text: RenderedTable) -> str:
    """*name*, or one that no column of the table has."""
    while name in text.column_names:
        name += "_"
    return quote_postgres(name)


def create_compared(text: RenderedTable) -> list[str]:
    """DDL of the temporary tables: rows that are sent, and keys, each numbered from 0 as it comes.

    They are gone when the transaction ends.
    """
    identity = "bigint GENERATED ALWAYS AS IDENTITY (START WITH 0 MINVALUE 0)"
    incoming = quote_temporary(INCOMING)
    statements = [
        create_incoming(INCOMING, text.columns),
        f"ALTER TABLE {incoming} ADD COLUMN {_free_name('_etl_line', text)} {identity}",
    ]
    if text.table.primary_key:
        keys = quote_temporary(KEYS)
        statements += [
            create_incoming(KEYS, text.keys.columns),
            f"ALTER TABLE {keys} ADD COLUMN {_free_name('_etl_ordinal', text)} {identity}",
        ]
    return statements


def compare_chunk(live: str, text: RenderedTable, chunk: Chunk) -> str:
    """The query for the rows of *chunk* that differ: number of the line sent, the key as text.

    The number is NULL where a row is in ``raw`` only.

    Args:
        live: The rows of the table in ``raw``.
        text: The table, which has a primary key.
        chunk: What was sent as a whole.
    """
    keys = ", ".join(
        f"COALESCE(h.{quote_postgres(name)}, n.{quote_postgres(name)})::text"
        for name in text.table.primary_key
    )
    held = f"(SELECT * FROM {live} AS h WHERE {in_chunk(text, chunk, 'h')})"
    return (
        f"SELECT n.{_free_name('_etl_line', text)}, {keys} "
        f"FROM {held} AS h FULL JOIN {quote_temporary(INCOMING)} AS n "
        f"ON {equal_keys(text, 'h', 'n')} WHERE {_is_unlike(text)}"
    )


def compare_keys(live: str, text: RenderedTable) -> str:
    """The query for the keys in ``KEYS`` whose rows differ.

    It gives the key's number, whether ``raw`` has the row, whether it was sent, and the positions
    of the columns that differ.
    """
    first = quote_postgres(text.table.primary_key[0])
    columns = ", ".join(
        f"CASE WHEN {carried.compare.format('h.' + quote_postgres(carried.name))} IS DISTINCT FROM "
        f"{carried.compare.format('n.' + quote_postgres(carried.name))} THEN {position} END"
        for position, carried in enumerate(text.columns)
    )
    return (
        f"SELECT k.{_free_name('_etl_ordinal', text)}, h.{first} IS NOT NULL, "
        f"n.{first} IS NOT NULL, array_remove(ARRAY[{columns}]::int[], NULL) "
        f"{_from_keys(live, text)} WHERE {_is_unlike(text)} ORDER BY 1"
    )


def show_rows(live: str, text: RenderedTable, number: int) -> str:
    """The query for the values of a key's rows as text: of that sent, and of that held."""
    ordinal = _free_name("_etl_ordinal", text)
    sent, held = (
        "ARRAY[" + ", ".join(f"{alias}.{quote_postgres(n)}::text" for n in text.column_names) + "]"
        for alias in ("n", "h")
    )
    return f"SELECT {sent}, {held} {_from_keys(live, text)} WHERE k.{ordinal} = {number:d}"


def drop_repeated_keys(text: RenderedTable) -> str:
    """The statement that leaves the first of several equal keys in ``KEYS``."""
    keys, ordinal = quote_temporary(KEYS), _free_name("_etl_ordinal", text)
    return (
        f"DELETE FROM {keys} AS h USING {keys} AS n "
        f"WHERE {equal_keys(text, 'h', 'n')} AND n.{ordinal} < h.{ordinal}"
    )


def count_unlike(live: str, text: RenderedTable) -> str:
    """The query for how many rows of a table without a key are missing, and how many extra."""
    names = ", ".join(
        carried.compare.format(quote_postgres(carried.name)) for carried in text.columns
    )
    here = f"SELECT ROW({names})::text AS line FROM {live} AS h"
    there = f"SELECT ROW({names})::text AS line FROM {quote_temporary(INCOMING)} AS n"
    missing = f"SELECT count(*) FROM ({there} EXCEPT ALL {here}) AS d"
    extra = f"SELECT count(*) FROM ({here} EXCEPT ALL {there}) AS d"
    return f"SELECT ({missing}), ({extra})"


def _from_keys(live: str, text: RenderedTable) -> str:
    return (
        f"FROM {quote_temporary(KEYS)} AS k "
        f"LEFT JOIN {live} AS h ON {equal_keys(text, 'h', 'k')} "
        f"LEFT JOIN {quote_temporary(INCOMING)} AS n ON {equal_keys(text, 'n', 'k')}"
    )


def _is_unlike(text: RenderedTable) -> str:
    first = quote_postgres(text.table.primary_key[0])
    return f"((h.{first} IS NULL) <> (n.{first} IS NULL) OR {unlike_rows(text, 'h', 'n')})"
