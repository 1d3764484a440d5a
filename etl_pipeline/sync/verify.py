"""Compares a table in the three databases and names what differs; writes nothing that stays."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import psycopg

from etl_pipeline.core.stop import Stop
from etl_pipeline.schema.ddl import create_incoming
from etl_pipeline.schema.names import DELETED_AT, quote_postgres
from etl_pipeline.sync import state
from etl_pipeline.sync.extract import end_read
from etl_pipeline.sync.load import read_digests
from etl_pipeline.sync.proof import ChunkProof, RawDigest
from etl_pipeline.sync.raw_sql import INCOMING, PINNED_SETTINGS, find_differences, live_rows
from etl_pipeline.sync.raw_table import read_relation
from etl_pipeline.sync.written import Report
from etl_pipeline.transfer.copy import copy_text
from etl_pipeline.transfer.reader import read_text
from etl_pipeline.transfer.select import Chunk, TableText, select_chunk
from etl_pipeline.transfer.spool import Spool, for_copy, lossless

KEYS_NAMED = 10
"""Keys that a discrepancy names at most."""

Place = Literal["source", "replication", "raw"]


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """Something that is not as it should be.

    Attributes:
        place: The database whose rows are not what they should be; ``source`` where the source
            moved on since the last run read it.
        what: What is the matter, in words without values of rows.
        keys: Primary keys concerned, at most ``KEYS_NAMED``; empty where they are not known.
    """

    place: Place
    what: str
    keys: tuple[str, ...] = ()


@dataclass(slots=True)
class Verdict:
    """What was found about a table; no discrepancy and no error: it is equal everywhere."""

    table: str
    rows: int = 0
    text_bytes: int = 0
    discrepancies: list[Discrepancy] = field(default_factory=list)
    error: str | None = None
    fix: str | None = None

    @property
    def is_equal(self) -> bool:
        """Whether the table was compared and found equal."""
        return not self.discrepancies and self.error is None


def verify_table(
    text: TableText,
    schema: str,
    source: Any,
    replication: Any,
    analytics: psycopg.Connection,
    *,
    deep: bool,
    stop: Stop,
    report: Report,
) -> Verdict:
    """Compare source, replica and ``raw``, chunk by chunk.

    Source and replica are compared by the digests of what both send now, and ``raw`` by
    PostgreSQL's digest against the one recorded when it was loaded. With *deep* the source's rows
    are also sent into a temporary table of ``raw``'s types and compared by value. The analytics
    transaction is rolled back at the end.

    Raises:
        pymysql.err.MySQLError, psycopg.Error: A server refused or was lost.
    """
    verdict = Verdict(text.name)
    with analytics.transaction(force_rollback=True):
        # The recorded digests and the rows must be of one moment: a run may commit in between.
        analytics.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        analytics.execute(PINNED_SETTINGS.encode())
        recorded = state.read_chunks(analytics, text.name)
        columns = read_relation(analytics, schema, text.name)
        if not recorded or columns is None:
            verdict.discrepancies.append(
                Discrepancy("raw", "the table was never loaded, or is gone")
            )
            return verdict
        live = live_rows(quote_postgres(schema, text.name), has_marks=DELETED_AT in columns)
        _verify_raw(verdict, text, live, analytics, recorded)
        if deep:
            # One table for all chunks: each that is made and dropped keeps its locks to the end.
            analytics.execute(create_incoming(INCOMING, text.columns).encode())
        deep_keys: list[tuple[str, str]] = []
        for known, _ in recorded:
            chunk, text_digest = known.chunk, known.text_digest
            with Spool(ordered=text.is_ordered) as spool:
                blocks = read_text(source, select_chunk(text, chunk), text.modes, with_copy=deep)
                spool.fill(blocks, stop.check, for_copy if deep else lossless)
                end_read(source)
                _verify_replica(verdict, text, chunk, spool, text_digest, source, replication, stop)
                if deep:
                    deep_keys += _compare_by_value(text, live, chunk, spool, analytics)
                verdict.rows += spool.rows
                verdict.text_bytes += spool.text_bytes
                report(spool.rows, spool.text_bytes)
    if deep_keys:
        _replace_raw_discrepancy(verdict, deep_keys, text)
    return verdict


def _verify_raw(
    verdict: Verdict,
    text: TableText,
    live: str,
    analytics: psycopg.Connection,
    recorded: Sequence[tuple[ChunkProof, RawDigest]],
) -> None:
    chunks = [proof.chunk for proof, _ in recorded]
    held = read_digests(analytics, live, text, chunks)
    differing = [(then, now) for (_, then), now in zip(recorded, held, strict=True) if then != now]
    if differing:
        then = sum(one.rows for one, _ in differing)
        now = sum(other.rows for _, other in differing)
        what = f"{_chunks(len(differing))} not as loaded"
        if then != now:
            what += f" ({now:,} rows, loaded {then:,})"
        verdict.discrepancies.append(Discrepancy("raw", what))


def _verify_replica(
    verdict: Verdict,
    text: TableText,
    chunk: Chunk,
    sent: Spool,
    recorded: bytes,
    source: Any,
    replication: Any,
    stop: Stop,
) -> None:
    with Spool(ordered=text.is_ordered) as held:
        statement = select_chunk(text, chunk)
        held.fill(read_text(replication, statement, text.modes), stop.check)
        end_read(replication)
        if held.digest() == sent.digest():
            return
        place: Place = "replication" if held.digest() != recorded else "source"
        with Spool(ordered=text.is_ordered) as again:
            again.fill(read_text(source, statement, text.modes), stop.check)
            end_read(source)
            read_key = text.read_key if text.table.primary_key else None
            keys = compare_lines(again.lines(), held.lines(), read_key)
    if not keys:
        return  # a row changed and changed back, or came and went, between the two reads
    words = (
        "the replica's rows are not the source's"
        if place == "replication"
        else "the source has changed since the last run"
    )
    verdict.discrepancies.append(Discrepancy(place, f"{words}: {_count(keys)}", _named(keys)))


def _compare_by_value(
    text: TableText, live: str, chunk: Chunk, spool: Spool, analytics: psycopg.Connection
) -> list[tuple[str, str]]:
    """``(kind, key)`` of the rows of ``raw`` that are not what the source sent."""
    incoming = quote_postgres(INCOMING)
    analytics.execute(f"TRUNCATE {incoming}".encode())
    copy_text(analytics, incoming, text.column_names, spool.blocks())
    query = find_differences(live, text, chunk)
    return [(kind, ", ".join(key)) for kind, *key in analytics.execute(query.encode())]


def _replace_raw_discrepancy(
    verdict: Verdict, found: Sequence[tuple[str, str]], text: TableText
) -> None:
    """Say of ``raw`` what the comparison by value found, which is more than the digest's word."""
    verdict.discrepancies = [d for d in verdict.discrepancies if d.place != "raw"]
    counts = Counter(kind for kind, _ in found)
    if not text.table.primary_key:
        counts = Counter({kind: int(count) for kind, count in found})
        found = []
    verdict.discrepancies.append(
        Discrepancy("raw", f"rows are not the source's: {_kinds(counts)}", _named(found))
    )


def compare_lines(
    ours: Iterable[bytes], theirs: Iterable[bytes], read_key: Callable[[bytes], str] | None
) -> list[tuple[str, str]]:
    """``(kind, key)`` of the lines that differ: ``missing`` or ``extra`` in *theirs*, ``differs``.

    Without *read_key* the lines themselves are counted, and the key is empty. A hash stands for
    each line, so that a chunk's rows need not be held twice.
    """
    if read_key is None:
        left = Counter(_mark(line) for line in ours)
        left.subtract(_mark(line) for line in theirs)
        missing = sum(count for count in left.values() if count > 0)
        extra = -sum(count for count in left.values() if count < 0)
        return [("missing", "")] * missing + [("extra", "")] * extra
    found: list[tuple[str, str]] = []
    lines = {read_key(line): _mark(line) for line in ours}
    for line in theirs:
        name = read_key(line)
        expected = lines.pop(name, None)
        if expected is None:
            found.append(("extra", name))
        elif expected != _mark(line):
            found.append(("differs", name))
    found += [("missing", name) for name in lines]
    return found


def _mark(line: bytes) -> bytes:
    return hashlib.blake2b(line, digest_size=16).digest()


def _named(found: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(key for _, key in list(found)[:KEYS_NAMED] if key)


def _count(found: Sequence[tuple[str, str]]) -> str:
    return _kinds(Counter(kind for kind, _ in found))


def _kinds(counts: Counter[str]) -> str:
    words = {"differs": "differ", "missing": "missing", "extra": "extra"}
    return ", ".join(f"{counts[kind]:,} {word}" for kind, word in words.items() if counts[kind])


def _chunks(count: int) -> str:
    return "1 chunk is" if count == 1 else f"{count} chunks are"
