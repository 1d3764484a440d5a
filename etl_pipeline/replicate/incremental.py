"""The pass of ``incremental``: rows past the watermark, and all keys.

A row that was edited without its stamp moving stays as it is until the next full pass; a row that
came or went is found by its key. What is written voids the digests of the chunks it touches.
"""

from __future__ import annotations

import bisect
import functools
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pymysql
from pymysql.connections import Connection

from etl_pipeline.core.driver_errors import is_too_long
from etl_pipeline.core.workers import Worker
from etl_pipeline.replicate.apply import batches, write_few
from etl_pipeline.replicate.chunking import chunk_rows
from etl_pipeline.replicate.delete_guard import DeleteGuard
from etl_pipeline.replicate.difference import Difference, find_difference
from etl_pipeline.replicate.extract import end_read, extract_rows, read_columns, refuse_altered
from etl_pipeline.replicate.job import ChunkResult, LargerPassError, PassStart, RowChanges, WriteJob
from etl_pipeline.replicate.pages import read_pages
from etl_pipeline.replicate.strategy import Pass
from etl_pipeline.replicate.watermark import Instant, find_doubt, first_stamp, next_watermark
from etl_pipeline.state import replicas
from etl_pipeline.state.compared_at import carry_compared
from etl_pipeline.state.records import KnownChunk, KnownReplica, Watermark
from etl_pipeline.transfer.reader import read_text
from etl_pipeline.transfer.select import (
    RenderedTable,
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


@dataclass(slots=True)
class _Progress:
    """The chunks in their order, as the pass changes them.

    Attributes:
        changes: What was written, by ordinal.
        rows_read: Rows that the source sent.
        bytes_read: Size of their text.
    """

    chunks: list[KnownChunk]
    changes: dict[int, RowChanges] = field(default_factory=dict)
    rows_read: int = 0
    bytes_read: int = 0

    def find(self, key: bytes) -> int:
        """Return the ordinal of the chunk that holds the row of *key*, a line of the keys' text."""
        if len(self.chunks) == 1:
            return 0
        lowers = [known.proof.chunk.lower or 0 for known in self.chunks[1:]]
        return bisect.bisect_right(lowers, int(key.split(b"\t")[0]))

    def note(self, ordinal: int, change: RowChanges, known: KnownChunk) -> None:
        """Take over *change*, which was written, and *known*, what is recorded of the chunk now."""
        before = self.changes.get(ordinal)
        self.changes[ordinal] = before.then(change) if before else change
        self.chunks[ordinal] = known


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
    progress = _Progress(list(known.remembered.chunks))
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
    progress: _Progress,
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
        _write(job, find_difference(lines, held), progress, worker.replication)
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


def _write(
    job: WriteJob,
    difference: Difference,
    progress: _Progress,
    replication: Connection[Any],
    keys: Mapping[int, bytes | None] | None = None,
) -> None:
    """Write *difference*, and record of each chunk that some of its rows were written.

    Args:
        job: The table.
        difference: Rows of any chunks.
        progress: Is told of the change.
        replication: PyMySQL connection; the caller commits.
        keys: By ordinal, digests of the keys that chunks have now; others keep theirs where only
            rows of the same keys came and went.
    """
    if not len(difference):
        return
    change = write_few(job.text, difference, b"", replication)
    parts = _split(job.text, change, progress)
    now = []
    for ordinal, part in parts.items():
        known = progress.chunks[ordinal]
        proof = replace(
            known.proof,
            rows=known.proof.rows - len(part.gone) + len(part.new),
            text_digest=os.urandom(32),
            is_text=False,
            read_at=datetime.now(UTC),
        )
        digest = (keys or {}).get(ordinal)
        if keys is None and _has_same_keys(job.text, part):
            digest = known.key_digest
        now.append(KnownChunk(proof, digest, job.lease.token))
        before = known.proof.text_digest
        carry_compared(replication, job.text.name, ordinal, before, proof.text_digest)
        progress.note(ordinal, part, now[-1])
    replicas.remember_chunks(
        replication,
        job.text.name,
        job.lease,
        [chunk.proof for chunk in now],
        {chunk.proof.chunk.ordinal: chunk.key_digest for chunk in now},
    )


def _split(text: RenderedTable, change: RowChanges, progress: _Progress) -> dict[int, RowChanges]:
    """Return the parts of *change*, by the chunks that their rows belong to."""
    gone: dict[int, list[bytes]] = defaultdict(list)
    new: dict[int, dict[bytes, bytes]] = defaultdict(dict)
    for line in change.gone:
        gone[progress.find(text.key_of(line))].append(line)
    for line, copy in change.new.items():
        new[progress.find(text.key_of(line))][line] = copy
    # Altered values are only ever summed up over the table.
    altered = iter([change.altered])
    return {
        ordinal: RowChanges(
            progress.chunks[ordinal].proof.text_digest,
            tuple(gone[ordinal]),
            new[ordinal],
            next(altered, Counter()),
        )
        for ordinal in sorted(gone.keys() | new.keys())
    }


def _has_same_keys(text: RenderedTable, change: RowChanges) -> bool:
    return {*map(text.key_of, change.gone)} == {*map(text.key_of, change.new)}


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
    job: WriteJob, compared: Sequence[_Keys], progress: _Progress, worker: Worker
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
            _write(job, difference, progress, worker.replication, {keys.ordinal: digest})
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
