"""The second hop, replication → ``raw``: one transaction a table.

Readers of ``raw`` see the old rows or the new ones. A table that exists keeps its identity, so
views, grants and comments of others on it survive: the rows are brought beside it and only the
differences are applied.
"""

from __future__ import annotations

import collections
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg

from etl_pipeline.core.stop import Stop
from etl_pipeline.errors import SchemaError, TransferError
from etl_pipeline.schema.ddl import add_raw_key, comment_raw, create_incoming, create_raw
from etl_pipeline.schema.names import LOADED_AT, postgres_name, quote_postgres
from etl_pipeline.schema.types import choice_of
from etl_pipeline.sync import state
from etl_pipeline.sync.proof import ChunkProof, RawDigest
from etl_pipeline.sync.raw_sql import (
    INCOMING,
    PINNED_SETTINGS,
    apply_differences,
    digest_raw,
    replace_rows,
)
from etl_pipeline.sync.replicate import Report
from etl_pipeline.transfer.copy import Refusal, copy_text, locate_refusal
from etl_pipeline.transfer.reader import read_text
from etl_pipeline.transfer.select import Chunk, TableText, select_chunk
from etl_pipeline.transfer.spool import Digest, Spool
from etl_pipeline.transfer.twin import ZERO_DATES, Rendered

_TABLE_KINDS = frozenset({"r", "p"})  # pg_class.relkind
_OTHER_KINDS = {
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "i": "an index",
    "I": "an index",
    "S": "a sequence",
    "c": "a type",
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many rows of ``raw`` the second hop changed."""

    inserted: int
    updated: int
    deleted: int


def load_table(
    text: TableText,
    schema: str,
    proofs: Sequence[ChunkProof],
    replication: Any,
    analytics: psycopg.Connection,
    *,
    run_id: int,
    stop: Stop,
    report: Report,
) -> Loaded:
    """Make the table in *schema* equal to the replica, prove it, and commit.

    What is read from the replica is digested: it must give the digest of what the source sent,
    so the read of this hop proves the first. The digests of what PostgreSQL then holds are
    stored in the same transaction. On any error the transaction is rolled back.

    Args:
        text: The table.
        schema: The schema of the analytics database, ``raw``.
        proofs: What the source sent, a proof a chunk.
        replication: PyMySQL connection to the replication database.
        analytics: psycopg connection without an open transaction.
        run_id: The run in ``etl.run`` that the proofs are stored under.
        stop: Looked at between blocks.
        report: Told of each chunk.

    Raises:
        TransferError: The replica does not hold what the source sent, or PostgreSQL does not
            hold what it was sent.
        SchemaError: The target exists with other columns.
        psycopg.Error: PostgreSQL refused or was lost.
    """
    target = quote_postgres(schema, text.name)
    chunks = [proof.chunk for proof in proofs]
    with analytics.transaction():
        for setting in PINNED_SETTINGS:
            analytics.execute(setting.encode())
        is_new = _prepare(analytics, text, schema)
        relation = postgres_name(text.name) if is_new else INCOMING
        destination = target if is_new else quote_postgres(INCOMING)
        for proof in proofs:
            blocks = _proven_blocks(text, proof, replication, stop)
            try:
                copied = copy_text(analytics, destination, text.column_names, blocks)
            except psycopg.Error as error:
                refusal = locate_refusal(error, text, relation)
                if refusal is None:
                    raise
                # What is unread of the chunk would be taken for the next answer.
                collections.deque(blocks, maxlen=0)
                raise _explain_refusal(text, proof.chunk, replication, refusal) from error
            if copied != proof.rows:
                raise TransferError(
                    f"sent {proof.rows} rows, PostgreSQL took {copied}", where=text.name
                )
            report(proof.rows, 0)
        stop.check()
        sent = read_digests(analytics, destination, text, chunks)
        if [digest.rows for digest in sent] != [proof.rows for proof in proofs]:
            raise TransferError("PostgreSQL holds other rows than were sent", where=text.name)
        if is_new:
            _finish(analytics, text, schema)
            loaded = Loaded(sum(proof.rows for proof in proofs), 0, 0)
        else:
            loaded = _apply(analytics, target, text, sent)
            held = read_digests(analytics, target, text, chunks)
            if held != sent:
                raise TransferError("raw does not hold the rows that were sent", where=text.name)
        if is_new or loaded != Loaded(0, 0, 0):
            analytics.execute(f"ANALYZE {target}".encode())
        state.record_chunks(analytics, run_id, text.name, proofs, sent)
    return loaded


def _prepare(analytics: psycopg.Connection, text: TableText, schema: str) -> bool:
    """Make the table that rows are copied into; True when that is the target itself, new."""
    columns = read_relation(analytics, schema, text.name)
    if columns is None:
        analytics.execute(create_raw(schema, text.table, text.columns).encode())
        return True
    _refuse_other_columns(text, schema, columns, _read_key_columns(analytics, schema, text.name))
    analytics.execute(create_incoming(INCOMING, text.columns).encode())
    return False


def read_relation(analytics: psycopg.Connection, schema: str, table: str) -> dict[str, str] | None:
    """Type by name of the columns of a table; None where there is no such relation.

    Raises:
        SchemaError: The relation is no table. Rows written into a view would land in the table
            that it shows.
    """
    rows = analytics.execute(
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod), c.relkind::text "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
        "WHERE n.nspname = %s AND c.relname = %s",
        (schema, postgres_name(table)),
    ).fetchall()
    if not rows:
        return None
    kind = rows[0][2]
    if kind not in _TABLE_KINDS:
        raise SchemaError(
            f"{_OTHER_KINDS.get(kind, 'something else')} bears the table's name",
            where=f"{schema}.{table}",
            fix=f"rename it in schema {schema}, then etl run {table}",
        )
    return {name: type_ for name, type_, _ in rows}


def _read_key_columns(analytics: psycopg.Connection, schema: str, table: str) -> list[str]:
    """The columns of the primary key of a table in PostgreSQL, in the key's order."""
    rows = analytics.execute(
        "SELECT a.attname FROM pg_constraint c "
        "JOIN unnest(c.conkey) WITH ORDINALITY k (attnum, place) ON true "
        "JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum "
        "WHERE c.contype = 'p' AND c.conrelid = (SELECT t.oid FROM pg_class t "
        "JOIN pg_namespace n ON n.oid = t.relnamespace WHERE n.nspname = %s AND t.relname = %s) "
        "ORDER BY k.place",
        (schema, postgres_name(table)),
    )
    return [name for (name,) in rows]


def _refuse_other_columns(
    text: TableText, schema: str, existing: dict[str, str], key: Sequence[str]
) -> None:
    expected = {postgres_name(c.name): c.postgres_type for c in text.columns}
    expected[LOADED_AT] = "timestamp with time zone"
    expected_key = [postgres_name(name) for name in text.table.primary_key]
    if existing == expected and list(key) == expected_key:
        return
    differences = [f"{name} is missing" for name in expected.keys() - existing.keys()]
    differences += [f"{name} is not at the source" for name in existing.keys() - expected.keys()]
    differences += [
        f"{name} is {existing[name]}, expected {expected[name]}"
        for name in expected.keys() & existing.keys()
        if existing[name] != expected[name]
    ]
    if list(key) != expected_key:
        now, then = ", ".join(expected_key) or "none", ", ".join(key) or "none"
        differences.append(f"the primary key is {then}, expected {now}")
    raise SchemaError(
        "the table exists with other columns: " + "; ".join(sorted(differences)),
        where=f"{schema}.{text.name}",
        fix=f"ALTER TABLE {quote_postgres(schema, text.name)} RENAME TO "
        f"{quote_postgres(text.name + '_old')}, then etl run {text.name}",
    )


def _proven_blocks(
    text: TableText, proof: ChunkProof, replication: Any, stop: Stop
) -> Iterator[bytes]:
    """The replica's rows of a chunk for COPY; raises at their end if they are not the source's."""
    digest = Digest(ordered=text.is_ordered)
    block: Rendered
    statement = select_chunk(text, proof.chunk)
    for block in read_text(replication, statement, text.modes, with_copy=True):
        stop.check()
        _refuse_altered_key(text, block)
        digest.update(block.text)
        block.text = b""  # a large row is held in as few forms as possible
        yield block.copy_text
        del block
    if digest.value() != proof.text_digest:
        raise TransferError(
            "the replica does not hold what the source sent",
            where=text.name,
            fix=f"etl run {text.name}",
        )


def _refuse_altered_key(text: TableText, block: Rendered) -> None:
    """A key that had to be altered is no key: it may be NULL, or another row's."""
    for position, kind in block.altered:
        carried = text.columns[position]
        if carried.name not in text.table.primary_key:
            continue
        way_out = choice_of(text.name, carried.name, "type: text")
        raise TransferError(
            f"the primary key holds {kind}, which PostgreSQL has no {carried.postgres_type} for",
            where=f"{text.name}.{carried.name}",
            fix=way_out if kind == ZERO_DATES else f"take {text.name} out of tables.yml",
        )


def _explain_refusal(
    text: TableText, chunk: Chunk, replication: Any, refusal: Refusal
) -> TransferError:
    """The error for a row that PostgreSQL did not take, with its key read from the replica."""
    key = _read_key(text, chunk, replication, refusal.line)
    row = f"in the row of key {key}" if key else "in a table without a key"
    if refusal.column is None:
        return TransferError(f"a row is larger than PostgreSQL takes, {row}", where=text.name)
    carried = next(c for c in text.columns if c.name == refusal.column)
    choice = "exclude: true" if carried.postgres_type == "text" else "type: text"
    return TransferError(
        f"column {carried.name} cannot hold its value as {carried.postgres_type}, {row}",
        where=text.name,
        fix=choice_of(text.name, carried.name, choice),
    )


def _read_key(text: TableText, chunk: Chunk, replication: Any, line: int) -> str:
    """The primary key of the row in *line* (from 1) of a chunk's text; empty without a key."""
    with Spool(ordered=text.is_ordered) as spool:
        spool.fill(read_text(replication, select_chunk(text, chunk), text.modes), lambda: None)
        found = next(itertools.islice(spool.lines(), line - 1, None), b"")
    return text.read_key(found)


def read_digests(
    analytics: psycopg.Connection, target: str, text: TableText, chunks: Sequence[Chunk]
) -> list[RawDigest]:
    """PostgreSQL's digest of every chunk of *target*, in their order.

    The settings of ``PINNED_SETTINGS`` must be in force, that is, a transaction is open.
    """
    found = {
        ordinal: RawDigest(rows, value)
        for ordinal, rows, value in analytics.execute(digest_raw(target, text, chunks).encode())
    }
    return [found.get(chunk.ordinal, RawDigest(0, Decimal(0))) for chunk in chunks]


def _finish(analytics: psycopg.Connection, text: TableText, schema: str) -> None:
    """Key and comments of a new table; a key is built over the rows in half the time."""
    key = add_raw_key(schema, text.table)
    statements = ([key] if key else []) + comment_raw(schema, text.table, text.columns)
    for statement in statements:
        analytics.execute(statement.encode())


def _apply(
    analytics: psycopg.Connection, target: str, text: TableText, sent: Sequence[RawDigest]
) -> Loaded:
    """Make *target* equal to the incoming rows, whose digests are *sent*."""
    incoming = quote_postgres(INCOMING)
    if text.table.primary_key:
        keys = ", ".join(quote_postgres(name) for name in text.table.primary_key)
        analytics.execute(f"ALTER TABLE {incoming} ADD PRIMARY KEY ({keys})".encode())
        analytics.execute(f"ANALYZE {incoming}".encode())
        deleted, updated, inserted = (
            analytics.execute(statement.encode()).rowcount
            for statement in apply_differences(target, text)
        )
        return Loaded(inserted, updated, deleted)
    if read_digests(analytics, target, text, [Chunk(0)]) == sent:
        return Loaded(0, 0, 0)
    deleted, inserted = (
        analytics.execute(statement.encode()).rowcount for statement in replace_rows(target, text)
    )
    return Loaded(inserted, 0, deleted)
