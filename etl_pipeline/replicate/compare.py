"""Compare chunks of a replica with the source, and write the rows that differ.

What ``fingerprint`` does with every chunk, and ``append_only`` with the last ones.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from pymysql.connections import Connection

from etl_pipeline.core.workers import Worker
from etl_pipeline.replicate.apply import write_few
from etl_pipeline.replicate.chunking import has_wide_rows
from etl_pipeline.replicate.compare_chunk import (
    ChunkDifference,
    compare_rows,
    compare_segments,
    holds_text,
    servers_hold_the_same,
)
from etl_pipeline.replicate.corrections import Correction, find_edited_rows, find_missed
from etl_pipeline.replicate.delete_guard import DeleteGuard
from etl_pipeline.replicate.extract import (
    ColumnState,
    end_read,
    extract_chunk,
    read_columns,
    refuse_altered,
)
from etl_pipeline.replicate.job import (
    ChunkResult,
    LargerPassError,
    RowChanges,
    WriteJob,
    write_rows,
)
from etl_pipeline.replicate.server_digest import servers_agree
from etl_pipeline.replicate.strategy import Pass
from etl_pipeline.state import replicas
from etl_pipeline.state.compared_at import carry_compared, note_compared
from etl_pipeline.state.records import ChunkProof, KnownChunk, KnownReplica, Remembered, Watermark
from etl_pipeline.state.run_lease import check_replication_lease
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.select import delete_chunk
from etl_pipeline.transfer.spool import Spool

log = logging.getLogger(__name__)

FEW_ROWS = 2_000
"""Where more lines of a chunk differ, the chunk is written anew."""

CHECKPOINT_SECONDS = 1.0

Cut = Callable[[WriteJob, Sequence[KnownChunk], Worker], list[Chunk]]
"""Returns the chunks of a table that has some by now, and may ask the source for it."""


class _Checkpoint:
    """Says when chunks that are as they were are remembered as finished: a few at a time.

    To do it for each would cost a commit where nothing else is written. A run that is killed
    reads again what the last ``CHECKPOINT_SECONDS`` read.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[ChunkProof] = []
        self._last = time.monotonic()

    def finish(self, proof: ChunkProof, *, at_once: bool) -> list[ChunkProof]:
        """Return the proofs to store now that *proof* is known; empty for nothing yet."""
        with self._lock:
            if at_once:
                return [proof]
            self._waiting.append(proof)
            if time.monotonic() - self._last < CHECKPOINT_SECONDS:
                return []
            self._last = time.monotonic()
            finished, self._waiting = self._waiting, []
            return finished


@dataclass(frozen=True, slots=True)
class Baseline:
    """The recorded contents of a replica before a comparison.

    Attributes:
        given: What it was given of each chunk, as far as digests of then and now mean the same.
        believed: Chunks of which it holds what it was given, as far as is known.
        finished: Chunks that need not be read: a run that was cut off has done it.
        by_servers: True if the servers compare believed chunks by themselves first.
        committed: The watermark before this pass.
        last: The last of the recorded chunks.
    """

    given: Mapping[Chunk, ChunkProof]
    believed: frozenset[Chunk]
    finished: frozenset[Chunk]
    by_servers: bool
    committed: Watermark | None
    last: Chunk

    def believed_digest(self, chunk: Chunk) -> bytes | None:
        """Return the digest of what the replica holds of *chunk*; None where it is not known."""
        return self.given[chunk].text_digest if chunk in self.believed else None


@dataclass(frozen=True, slots=True)
class ComparePlan:
    """Chunks to compare, and those that are kept unread.

    Attributes:
        chunks: What is to be read.
        kept: What is recorded of the chunks before them, which are not read.
        columns: The source's columns before the first chunk; None where there is one chunk only.
    """

    chunks: Sequence[Chunk]
    kept: Sequence[KnownChunk]
    columns: list[ColumnState] | None
    baseline: Baseline
    checkpoint: _Checkpoint = field(default_factory=_Checkpoint)


@dataclass(frozen=True, slots=True)
class _PutOff:
    """A chunk that has rows to delete, which waits for the guard's word."""

    chunk: Chunk


def plan_comparison(
    job: WriteJob,
    known: KnownReplica,
    edited: Collection[Chunk],
    worker: Worker,
    *,
    cut: Cut,
    skip: int = 0,
) -> ComparePlan:
    """Cut the table into chunks, and find out what of the replica is believed.

    Where other versions of the servers read its rows otherwise, nothing is, and that is committed.

    Args:
        job: The table.
        known: Its replica.
        edited: Chunks of which the replica was found to hold other rows than it was given.
        worker: Does it.
        cut: Returns the chunks.
        skip: So many of them, from the first on, are not read.
    """
    text, remembered = job.text, known.remembered
    is_same = job.identity == remembered.identity
    if not is_same:
        remembered = _void(job, remembered, worker)
    by_chunk = {recorded.proof.chunk: recorded for recorded in remembered.chunks}
    chunks = cut(job, remembered.chunks, worker)
    end_read(worker.source)
    if chunks != list(by_chunk):
        replicas.retile(worker.replication, text.name, remembered.chunks, chunks)
        worker.replication.commit()
    kept, chunks = [by_chunk[chunk] for chunk in chunks[:skip]], chunks[skip:]
    columns = read_columns(text, worker.source) if len(chunks) > 1 else None
    is_believed = is_same and known.is_complete
    believed = frozenset(
        chunk
        for chunk, recorded in by_chunk.items()
        if is_believed and recorded.proof.is_text and chunk not in edited
    )
    baseline = Baseline(
        {chunk: recorded.proof for chunk, recorded in by_chunk.items()} if is_same else {},
        believed,
        believed.intersection(remembered.finished_by(job.lease)),
        job.rules.by_servers and is_believed and _may_hash(job, worker),
        remembered.watermark,
        remembered.chunks[-1].proof.chunk,
    )
    return ComparePlan(chunks, kept, columns, baseline)


def _may_hash(job: WriteJob, worker: Worker) -> bool:
    if servers_agree(job.text, worker):
        return True
    name = job.text.name
    log.warning("%s: the servers do not hash its rows alike, so all of them are read", name)
    return False


def _void(job: WriteJob, remembered: Remembered, worker: Worker) -> Remembered:
    """Believe nothing of a replica whose rows read otherwise now, and record that first.

    Digests of both forms side by side could be taken for each other's, if this pass is cut off and
    the source changes back. Commits.
    """
    check_replication_lease(worker.replication, job.lease)
    chunks = replicas.void_chunks(worker.replication, job.text.name, remembered.chunks)
    replicas.remember_table(worker.replication, job.text.name, job.identity)
    worker.replication.commit()
    return replace(remembered, identity=job.identity, chunks=chunks)


def compare_chunks(job: WriteJob, known: KnownReplica, plan: ComparePlan) -> list[ChunkResult]:
    """Compare the chunks of *plan* with what the replica holds, and write the rows that differ.

    Each chunk is committed by itself. Where the replica's digests cannot be believed (rows are
    missing or too many, or other versions of the servers read them otherwise) its rows are
    compared themselves. Chunks of which rows are to be deleted wait, from the hundredth row on,
    until every chunk is read, since the guard judges the table as a whole.

    Returns:
        What was done with each chunk, with those that *plan* keeps.

    Raises:
        LargerPassError: The replica differs so that it must be built anew.
        GuardError: More rows would be deleted than the table's rules allow.
        SchemaError: The source's table was altered meanwhile.
    """
    guard = DeleteGuard(job.text.name, job.rules, known.actual.rows)
    singly = has_wide_rows(job.text.table)
    compare = functools.partial(_compare_chunk, job, plan, guard)
    first: list[ChunkResult | _PutOff] = list(job.workers.each(compare, plan.chunks, singly=singly))
    guard.judge()
    again = functools.partial(_compare_chunk, job, plan, None)
    put_off = [result.chunk for result in first if isinstance(result, _PutOff)]
    later = dict(zip(put_off, job.workers.each(again, put_off, singly=singly), strict=True))
    settled = [later[done.chunk] if isinstance(done, _PutOff) else done for done in first]
    # Without a guard nothing is put off.
    written = [result for result in settled if isinstance(result, ChunkResult)]
    job.workers.call(lambda worker: refuse_altered(job.text, worker.source, plan.columns))
    return [*(ChunkResult.kept(recorded.proof) for recorded in plan.kept), *written]


def _compare_chunk(
    job: WriteJob, plan: ComparePlan, guard: DeleteGuard | None, worker: Worker, chunk: Chunk
) -> ChunkResult | _PutOff:
    """Read a chunk; where it is not what the replica holds, write what differs and commit.

    Returns:
        A _PutOff where *guard* says that the chunk's rows may not go yet.
    """
    text, baseline = job.text, plan.baseline
    if chunk in baseline.finished:
        return ChunkResult.finished(baseline.given[chunk])
    may_hash = baseline.by_servers and chunk in baseline.believed
    if may_hash and servers_hold_the_same(text, chunk, worker):
        same = replace(baseline.given[chunk], read_at=datetime.now(UTC))
        job.report(same.rows, 0)
        return ChunkResult(same, 0, 0, same.altered)
    with Spool(ordered=text.is_ordered) as sent:
        proof = extract_chunk(text, chunk, worker.source, sent, job.workers.stop)
        change = None
        differs = baseline.believed_digest(chunk) != proof.text_digest
        if differs and not text.table.primary_key:
            if chunk in baseline.believed or not holds_text(job, proof, worker.replication):
                raise LargerPassError(Pass.BUILD)
        elif differs:
            done = _write_difference(job, baseline, chunk, sent, guard, worker.replication)
            if isinstance(done, _PutOff):
                worker.replication.rollback()
                return done
            change = done
        finished = plan.checkpoint.finish(proof, at_once=differs)
        if finished:
            replicas.remember_chunks(worker.replication, text.name, job.lease, finished)
            worker.replication.commit()
    job.report(proof.rows, proof.text_bytes)
    return ChunkResult.read(proof, change or None)


def _write_difference(
    job: WriteJob,
    baseline: Baseline,
    chunk: Chunk,
    sent: Spool,
    guard: DeleteGuard | None,
    replication: Connection[Any],
) -> RowChanges | _PutOff | None:
    """Make the replica's rows of *chunk* those of *sent*; return what changed, if it is little."""
    text = job.text
    body = sent.body()
    is_believed = body is not None and chunk in baseline.believed
    in_part = (
        compare_segments(job, baseline.given[chunk], body, replication)
        if body and is_believed
        else None
    )
    found = in_part or compare_rows(job, chunk, sent, body, replication)
    if guard and not guard.may_go(found.gone):
        return _PutOff(chunk)
    job.corrections.extend(_find_corrections(job, baseline, chunk, found))
    replicas.write_segments(replication, text.name, chunk, sent.digest(), found.segments)
    if in_part:
        carry_compared(replication, text.name, chunk.ordinal, found.held_digest, sent.digest())
    else:
        note_compared(replication, text.name, {chunk.ordinal: sent.digest()})
    difference = found.difference
    if difference is not None and len(difference) <= FEW_ROWS:
        return write_few(text, difference, found.held_digest, replication)
    if text.table.integer_key is None:
        raise LargerPassError(Pass.BUILD)
    write_anew(job, chunk, sent, replication)
    return None


def _find_corrections(
    job: WriteJob, baseline: Baseline, chunk: Chunk, found: ChunkDifference
) -> list[Correction]:
    """Return what was wrong with the replica's rows of *chunk*, other than that time has passed."""
    given, text = baseline.given.get(chunk), job.text
    edited = find_edited_rows(text, given, found.held_digest, found.difference)
    if edited or given is None or chunk == baseline.last:
        return edited
    blind = job.rules.find_blind_spot(
        text, baseline.committed, is_last=False, now=datetime.now(UTC)
    )
    return find_missed(text, blind, chunk, found.difference)


def write_anew(job: WriteJob, chunk: Chunk, sent: Spool, replication: Connection[Any]) -> None:
    """Delete the rows of *chunk* and write those of *sent*; the next hop's read proves them."""
    with replication.cursor() as cursor:
        cursor.execute(delete_chunk(job.text, chunk))
    write_rows(job, replication, job.text.name, sent)
