"""The first hop, source → replication: a table is rebuilt beside the old one and swapped in."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from etl_pipeline.core.stop import Stop
from etl_pipeline.errors import SchemaError, TransferError
from etl_pipeline.schema.ddl import ReplicaDdl, create_replica
from etl_pipeline.schema.names import incoming_name, quote_mysql, replaced_name
from etl_pipeline.schema.types import choice_of
from etl_pipeline.sync.chunks import ask_integer, plan_chunks
from etl_pipeline.sync.proof import ChunkProof
from etl_pipeline.transfer.load_data import insert_rows, load_data
from etl_pipeline.transfer.reader import read_text
from etl_pipeline.transfer.select import Chunk, TableText, select_chunk, select_unreadable
from etl_pipeline.transfer.spool import Spool

Report = Callable[[int, int], None]
"""Called after each chunk with its rows and its bytes."""

_NO_INFILE = (
    "local_infile is off at the replication server, so rows are sent by INSERT, which is slower; "
    "SET GLOBAL local_infile = 1 there changes it"
)


@dataclass(frozen=True, slots=True)
class Replicated:
    """What the first hop did: the proofs of its chunks in order, and what it had to replace."""

    proofs: tuple[ChunkProof, ...]
    text_bytes: int
    altered: Counter[tuple[int, str]]
    notes: tuple[str, ...]


def replicate_table(
    text: TableText,
    source: Any,
    replication: Any,
    *,
    collations: Collection[str],
    stop: Stop,
    report: Report,
) -> Replicated:
    """Rebuild the replica of a table from the source.

    Each chunk is read completely before it is written, so a slow target never holds a lock at
    the source, and is committed by itself. Readers of the replica see the old table until the
    new one is complete; both change places in one step.

    Args:
        text: The table.
        source: PyMySQL connection to the source, read-only.
        replication: PyMySQL connection to the replication database.
        collations: Names that the replication server knows.
        stop: Looked at between blocks.
        report: Told of each chunk.

    Raises:
        TransferError: The replication server did not take every row as it was sent.
        SchemaError: The source's table was altered meanwhile; the old replica stands.
        pymysql.err.MySQLError: A server refused or was lost; the old replica stands.
    """
    incoming = incoming_name(text.name)
    ddl = create_replica(text.table, name=incoming, collations=collations)
    columns = _read_columns(text, source)
    chunks = plan_chunks(text, ask_integer(source))
    end_read(source)
    _start_over(replication, text.name, ddl)
    notes = list(ddl.mapped)
    by_infile = _takes_infile(replication)
    if not by_infile:
        notes.append(_NO_INFILE)
    copy = functools.partial(_copy_chunk, text, source, replication, incoming, stop, by_infile)
    proofs: list[ChunkProof] = []
    text_bytes = 0
    altered: Counter[tuple[int, str]] = Counter()
    for chunk in chunks:
        proof, chunk_bytes, chunk_altered = copy(chunk)
        proofs.append(proof)
        text_bytes += chunk_bytes
        altered.update(chunk_altered)
        report(proof.rows, chunk_bytes)
    stop.check()
    _refuse_altered(text, source, columns)
    _swap_in(replication, text.name, ddl)
    return Replicated(tuple(proofs), text_bytes, altered, tuple(notes))


def _copy_chunk(
    text: TableText,
    source: Any,
    replication: Any,
    incoming: str,
    stop: Stop,
    by_infile: bool,
    chunk: Chunk,
) -> tuple[ChunkProof, int, Counter[tuple[int, str]]]:
    """Read a chunk, write it, commit it."""
    with Spool(ordered=text.is_ordered) as spool:
        read_at = datetime.now(UTC)
        spool.fill(read_text(source, select_chunk(text, chunk), text.modes), stop.check)
        _refuse_unreadable(text, source, chunk)
        end_read(source)
        if spool.rows:
            if by_infile:
                taken = load_data(replication, incoming, text, spool.blocks())
            else:
                taken = insert_rows(replication, incoming, text, spool.lines())
            if taken != spool.rows:
                replication.rollback()
                raise TransferError(
                    f"sent {spool.rows} rows, the replication server took {taken}",
                    where=text.name,
                )
            replication.commit()
        proof = ChunkProof(chunk, spool.rows, spool.digest(), read_at)
        return proof, spool.text_bytes, spool.altered


def end_read(connection: Any) -> None:
    """End the transaction that a SELECT began.

    While it is open, an ALTER of the table waits for it, with every statement behind the ALTER,
    and the server keeps old versions of rows for it. So none is open for longer than a chunk.
    """
    connection.rollback()


def _takes_infile(replication: Any) -> bool:
    """Whether the server takes rows by LOAD DATA LOCAL; MySQL 8 does not unless told to."""
    with replication.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.local_infile")
        return bool(cursor.fetchone()[0])


def _refuse_unreadable(text: TableText, source: Any, chunk: Chunk) -> None:
    """Raise TransferError if the source sent other characters than it holds."""
    ask = ask_integer(source)
    for column, query in select_unreadable(text, chunk).items():
        count = ask(query)
        if count:
            charset = text.table.column(column).charset
            raise TransferError(
                f"{count} values hold bytes that {charset} has no character for; "
                "the server sends them as question marks",
                where=f"{text.name}.{column}",
                fix=f"mend them at the source, or {choice_of(text.name, column, 'exclude: true')}",
            )


def _read_columns(text: TableText, source: Any) -> list[tuple[str, str, str | None]]:
    """Name, type and collation of the table's columns as they are now at the source."""
    with source.cursor() as cursor:
        cursor.execute(f"SHOW FULL COLUMNS FROM {quote_mysql(text.name)}")
        return [(name, kind, collation) for name, kind, collation, *_ in cursor.fetchall()]


def _refuse_altered(text: TableText, source: Any, before: Sequence[tuple[Any, ...]]) -> None:
    """Raise SchemaError if the source's columns are not those of *before* and of *text*.

    Nothing is locked at the source between two chunks, so the first chunks may have been read
    from a table that looked otherwise, and a new column may have been left out.
    """
    after = _read_columns(text, source)
    end_read(source)
    expected = {(c.name, c.column_type, c.collation) for c in text.table.columns}
    if after != before or not expected.issubset(after):
        raise SchemaError(
            "the table was altered at the source while it was read",
            where=text.name,
            fix=f"etl run {text.name}",
        )


def _start_over(replication: Any, table: str, ddl: ReplicaDdl) -> None:
    """An empty incoming table; what a killed run left of it is dropped."""
    leftovers = quote_mysql(incoming_name(table)), quote_mysql(replaced_name(table))
    _run(replication, [f"DROP TABLE IF EXISTS {', '.join(leftovers)}", ddl.create])


def _swap_in(replication: Any, table: str, ddl: ReplicaDdl) -> None:
    """Index the incoming table and let it take the replica's place in one atomic RENAME."""
    target, incoming, replaced = (
        quote_mysql(name) for name in (table, incoming_name(table), replaced_name(table))
    )
    statements = list(ddl.indexes)
    if _exists(replication, table):
        statements += [
            f"RENAME TABLE {target} TO {replaced}, {incoming} TO {target}",
            f"DROP TABLE {replaced}",
        ]
    else:
        statements.append(f"RENAME TABLE {incoming} TO {target}")
    _run(replication, statements)


def _exists(replication: Any, table: str) -> bool:
    with replication.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM information_schema.tables "
            "WHERE table_schema = DATABASE() AND table_name = %s",
            (table,),
        )
        return cursor.fetchone() is not None


def _run(connection: Any, statements: Sequence[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
