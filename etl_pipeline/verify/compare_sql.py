"""Build the statements that compare rows that were sent with those in ``raw`` (no I/O).

They are put together from quoted names and integers only.
"""

from __future__ import annotations

from etl_pipeline.load.sql import INCOMING, equal_keys, in_chunk, rows_differ
from etl_pipeline.schema.ddl import create_incoming
from etl_pipeline.schema.names import quote_postgres, quote_temporary
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.select import RenderedTable

KEYS = "_etl_keys"
"""The temporary table of the keys that are compared."""


def _free_name(name: str, text: RenderedTable) -> str:
    """Return *name* quoted, lengthened until no column of the table has it."""
    while name in text.column_names:
        name += "_"
    return quote_postgres(name)


def create_compared(text: RenderedTable) -> list[str]:
    """Return the DDL of the temporary tables for rows that are sent, and for keys.

    Both number what comes from 0, and end with the transaction.
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
    """Return the query for the rows of *chunk* that differ: number of the line sent, key as text.

    The number is NULL where ``raw`` alone has the row.

    Args:
        live: The rows of the table in ``raw``.
        text: The table, which has a primary key.
        chunk: What was sent as a whole.
    """
    keys = ", ".join(
        f"COALESCE(raw_row.{quote_postgres(name)}, sent_row.{quote_postgres(name)})::text"
        for name in text.table.primary_key
    )
    held = f"(SELECT * FROM {live} AS raw_row WHERE {in_chunk(text, chunk, 'raw_row')})"
    return (
        f"SELECT sent_row.{_free_name('_etl_line', text)}, {keys} "
        f"FROM {held} AS raw_row FULL JOIN {quote_temporary(INCOMING)} AS sent_row "
        f"ON {equal_keys(text, 'raw_row', 'sent_row')} WHERE {_rows_differ(text)}"
    )


def compare_keys(live: str, text: RenderedTable) -> str:
    """Return the query for the keys in ``KEYS`` whose rows differ.

    Its columns are the key's number, whether ``raw`` has the row, whether it was sent, and the
    positions of the columns that differ.
    """
    first = quote_postgres(text.table.primary_key[0])
    columns = ", ".join(
        f"CASE WHEN {carried.compare.format('raw_row.' + quote_postgres(carried.name))} "
        f"IS DISTINCT FROM {carried.compare.format('sent_row.' + quote_postgres(carried.name))} "
        f"THEN {position} END"
        for position, carried in enumerate(text.columns)
    )
    return (
        f"SELECT key.{_free_name('_etl_ordinal', text)}, raw_row.{first} IS NOT NULL, "
        f"sent_row.{first} IS NOT NULL, array_remove(ARRAY[{columns}]::int[], NULL) "
        f"{_from_keys(live, text)} WHERE {_rows_differ(text)} ORDER BY 1"
    )


def show_rows(live: str, text: RenderedTable, number: int) -> str:
    """Return the query for the values of a key's rows as text: that sent, and that in ``raw``."""
    ordinal = _free_name("_etl_ordinal", text)
    sent, held = (
        "ARRAY[" + ", ".join(f"{alias}.{quote_postgres(n)}::text" for n in text.column_names) + "]"
        for alias in ("sent_row", "raw_row")
    )
    return f"SELECT {sent}, {held} {_from_keys(live, text)} WHERE key.{ordinal} = {number:d}"


def drop_repeated_keys(text: RenderedTable) -> str:
    """Return the statement that leaves the first of several equal keys in ``KEYS``."""
    keys, ordinal = quote_temporary(KEYS), _free_name("_etl_ordinal", text)
    return (
        f"DELETE FROM {keys} AS repeated USING {keys} AS earlier "
        f"WHERE {equal_keys(text, 'repeated', 'earlier')} "
        f"AND earlier.{ordinal} < repeated.{ordinal}"
    )


def count_differing(live: str, text: RenderedTable) -> str:
    """Return the query for how many rows of a table without a key are missing, how many extra."""
    names = ", ".join(
        carried.compare.format(quote_postgres(carried.name)) for carried in text.columns
    )
    held = f"SELECT ROW({names})::text AS line FROM {live} AS raw_row"
    sent = f"SELECT ROW({names})::text AS line FROM {quote_temporary(INCOMING)} AS sent_row"
    missing = f"SELECT count(*) FROM ({sent} EXCEPT ALL {held}) AS missing"
    extra = f"SELECT count(*) FROM ({held} EXCEPT ALL {sent}) AS extra"
    return f"SELECT ({missing}), ({extra})"


def _from_keys(live: str, text: RenderedTable) -> str:
    return (
        f"FROM {quote_temporary(KEYS)} AS key "
        f"LEFT JOIN {live} AS raw_row ON {equal_keys(text, 'raw_row', 'key')} "
        f"LEFT JOIN {quote_temporary(INCOMING)} AS sent_row "
        f"ON {equal_keys(text, 'sent_row', 'key')}"
    )


def _rows_differ(text: RenderedTable) -> str:
    first = quote_postgres(text.table.primary_key[0])
    values_differ = rows_differ(text, "raw_row", "sent_row")
    return f"((raw_row.{first} IS NULL) <> (sent_row.{first} IS NULL) OR {values_differ})"
