"""The pass of ``incremental``: rows past the watermark, and all keys.

A row that was edited without its stamp moving stays as it is until the next full pass; a row that
came or went is found by its key. What is written voids the digests of the chunks it touches.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pymysql
from pymysql.connections import Connection

from etl_pipeline.core.driver_errors import is_too_long
from etl_pipeline.core.workers import Worker
from etl_pipeline.replicate.apply import batches
from etl_pipeline.replicate.changed_chunks import ChangedChunks, write_changes
from etl_pipeline.replicate.chunking import chunk_rows
from etl_pipeline.replicate.delete_guard import DeleteGuard
from etl_pipeline.replicate.difference import Difference, find_difference
from etl_pipeline.replicate.extract import end_read, extract_rows, read_columns, refuse_altered
from etl_pipeline.replicate.job import ChunkResult, LargerPassError, PassStart, WriteJob
from etl_pipeline.replicate.pages import read_pages
from etl_pipeline.replicate.strategy import Pass
from etl_pipeline.replicate.watermark import Instant, find_doubt, first_stamp, next_watermark
from etl_pipeline.state import replicas
from etl_pipeline.state.records import KnownChunk, KnownReplica, Watermark
from etl_pipeline.transfer.reader import read_text
from etl_pipeline.transfer.select import (
    StampRange,
    select_chunk,
    select_next_stamp,
    select_rows,
    select_stamp_bound,
    select_stamped,
    where_keys,
    where_stamped,
)
from etl_pipeline.transfer.spool import Spool

MOST_SHARE = 4
"""Where one row in so many is past the watermark, or missing, everything is read instead."""


_TOO_MANY = "so many rows are new that it takes less time"


@dataclass(frozen=True, slots=True)
class _Keys:
    """A chunk's keys at the source, beside the replica's.

    Attributes:
        digest: Of the text of the source's.
        missing: Keys that the replica does not have.
        gone: Keys that the source does not have any more.
    """

    ordinal: int
    digest: bytes
    missing: Sequence[bytes] = ()
    gone: Sequence[bytes] = ()


def follow_watermark(job: WriteJob, start: PassStart, known: KnownReplica) -> list[ChunkResult]:
    """Bring over the rows past the watermark, and those whose keys came or went.

    Every transaction writes rows and what is recorded of their chunks; that of the stamped rows
    moves the watermark.

    Args:
        job: The table.
        start: What the source's clock said.
        known: Its replica, complete and of this rendering, with a watermark.

    Returns:
        What was done with each chunk.

    Raises:
        LargerPassError: A full pass is cheaper, or the source does not find the rows within its
            limit, or the watermark says nothing of the source as it is.
        GuardError: More rows would be deleted than the table's rules allow.
    """
    watermark, instant = known.remembered.watermark, start.instant
    if watermark is None or instant is None:
        raise LargerPassError(Pass.COMPARE)
    doubt = find_doubt(watermark, instant)
    if doubt:
        raise LargerPassError(Pass.COMPARE, doubt)
    progress = ChangedChunks(list(known.remembered.chunks))
    columns = job.workers.call(lambda worker: read_columns(job.text, worker.source))
    try:
        job.workers.call(functools.partial(_follow, job, known, watermark, instant, progress))
    except pymysql.err.MySQLError as error:
        if is_too_long(error):
            # A full pass reads in statements as short as they must be.
            because = "the source did not find the new rows within its limit"
            raise LargerPassError(Pass.COMPARE, because) from error
        raise
    compare = functools.partial(_compare_keys, job)
    compared = list(job.workers.each(compare, list(progress.chunks), singly=False))
    _judge(job, known, compared)
    job.workers.call(functools.partial(_apply_keys, job, compared, progress))
    job.workers.call(lambda worker: refuse_altered(job.text, worker.source, columns))
    return [
        ChunkResult(
            chunk.proof,
            progress.rows_read if ordinal == 0 else 0,
            progress.bytes_read if ordinal == 0 else 0,
            change.altered if (change := progress.changes.get(ordinal)) else Counter(),
            change or None,
        )
        for ordinal, chunk in enumerate(progress.chunks)
    ]


def _judge(job: WriteJob, known: KnownReplica, compared: Sequence[_Keys]) -> None:
    rows = known.actual.rows
    if sum(len(keys.missing) for keys in compared) > max(chunk_rows(job.text.table), rows) // 2:
        raise LargerPassError(Pass.COMPARE, _TOO_MANY)
    guard = DeleteGuard(job.text.name, job.rules, rows)
    for keys in compared:
        guard.may_go(len(keys.gone))
    guard.judge()


def _follow(
    job: WriteJob,
    known: KnownReplica,
    watermark: Watermark,
    instant: Instant,
    progress: ChangedChunks,
    worker: Worker,
) -> None:
    """Bring over what is past the watermark, a range of stamps after the other."""
    ranges = _plan_ranges(job, known, watermark, instant, worker)
    for stamps in ranges:
        text = job.text
        with Spool(ordered=False) as sent:
            where = where_stamped(text, stamps)
            extract_rows(
                text, select_stamped(text, stamps), where, worker.source, sent, worker.stop
            )
            lines = list(sent.lines())
            progress.rows_read += sent.rows
            progress.bytes_read += sent.text_bytes
        keys = [text.key_of(line) for line in lines]
        held = _read_rows(job, keys, worker.replication)
        write_changes(job, find_difference(lines, held), progress, worker.replication)
        moved = next_watermark(watermark.column, instant)
        if stamps.upper is not None:
            reached = max(watermark.value, stamps.upper)
            moved = Watermark(watermark.column, min(reached, moved.value)) if moved else None
        replicas.move_watermark(worker.replication, text.name, moved)
        worker.replication.commit()
        job.report(len(lines), sent.text_bytes)


def _plan_ranges(
    job: WriteJob, known: KnownReplica, watermark: Watermark, instant: Instant, worker: Worker
) -> list[StampRange]:
    """Cut the rows past the watermark into ranges, each about as large as a chunk."""
    text, column = job.text, watermark.column
    lower = first_stamp(watermark, job.rules.overlap, instant)
    rows = chunk_rows(text.table, job.rules.batch_rows)
    ranges: list[StampRange] = []
    if any(index.parts[0].column == column for index in text.table.indexes):
        while (
            bound := _ask_stamp(select_stamp_bound(text, column, lower, rows), worker)
        ) is not None:
            if bound == lower:
                bound = _ask_stamp(select_next_stamp(text, column, lower), worker)
                if bound is None:
                    break
            ranges.append(StampRange(column, lower, bound))
            lower = bound
            if len(ranges) * rows * MOST_SHARE > known.actual.rows:
                end_read(worker.source)
                raise LargerPassError(Pass.COMPARE, _TOO_MANY)
    end_read(worker.source)
    return [*ranges, StampRange(column, lower)]


def _ask_stamp(statement: str, worker: Worker) -> str | None:
    source: Connection[Any] = worker.source
    with source.cursor() as cursor:
        cursor.execute(f"SELECT CAST(({statement}) AS CHAR)")
        (stamp,) = cursor.fetchone()
    return None if stamp is None else str(stamp)


def _read_rows(job: WriteJob, keys: Sequence[bytes], connection: Connection[Any]) -> list[bytes]:
    """Return the lines of the rows of *keys*, as *connection*'s server has them."""
    text = job.text
    lines: list[bytes] = []
    for some in batches(text, keys):
        for block in read_text(connection, select_rows(text, some), text.modes):
            lines += block.text.split(b"\n")[:-1]
    return lines


def _compare_keys(job: WriteJob, worker: Worker, known: KnownChunk) -> _Keys:
    """Compare a chunk's keys with what is recorded of the replica's, or with the replica's."""
    keys, chunk = job.text.keys, known.proof.chunk
    statement = select_chunk(keys, chunk)
    with Spool(ordered=keys.is_ordered) as here, Spool(ordered=keys.is_ordered) as there:
        here.fill(read_pages(keys, chunk, worker.source), worker.stop.check)
        end_read(worker.source)
        found = _Keys(chunk.ordinal, here.digest())
        if known.key_digest == found.digest:
            return found
        there.fill(read_text(worker.replication, statement, keys.modes), worker.stop.check)
        end_read(worker.replication)
        if there.digest() == found.digest:
            return found
        difference = find_difference(here.lines(), there.lines())
    return _Keys(chunk.ordinal, found.digest, difference.new, difference.gone)


def _apply_keys(
    job: WriteJob, compared: Sequence[_Keys], progress: ChangedChunks, worker: Worker
) -> None:
    """Bring over rows that came, delete those that went; a transaction a chunk."""
    text = job.text
    unchanged: dict[int, bytes | None] = {}
    for keys in compared:
        known = progress.chunks[keys.ordinal]
        if known.key_digest == keys.digest:
            continue
        new = _fetch(job, keys.missing, worker) if keys.missing else []
        gone = _read_rows(job, keys.gone, worker.replication)
        # A row that went between its key and itself: the next run finds out again.
        digest = keys.digest if len(new) == len(keys.missing) else None
        if new or gone:
            difference = Difference(tuple(gone), tuple(new))
            write_changes(job, difference, progress, worker.replication, {keys.ordinal: digest})
            worker.replication.commit()
            progress.rows_read += len(new)
            progress.bytes_read += sum(map(len, new)) + len(new)
        else:
            unchanged[keys.ordinal] = digest
            progress.chunks[keys.ordinal] = replace(known, key_digest=digest)
    if unchanged:
        proofs = [progress.chunks[ordinal].proof for ordinal in unchanged]
        replicas.remember_chunks(worker.replication, text.name, job.lease, proofs, unchanged)
        worker.replication.commit()


def _fetch(job: WriteJob, keys: Sequence[bytes], worker: Worker) -> list[bytes]:
    """Return the rows of *keys* as the source has them now; some may be gone."""
    text = job.text
    with Spool(ordered=False) as sent:
        for some in batches(text, keys):
            where = where_keys(text, some)
            extract_rows(text, select_rows(text, some), where, worker.source, sent, worker.stop)
        return list(sent.lines())
