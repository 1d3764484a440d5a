"""Renews a replica that is known: reads chunks of the source, writes what differs."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from etl_pipeline.core.workers import Worker
from etl_pipeline.replicate.apply import count_gone, write_few
from etl_pipeline.replicate.chunking import (
    ask_integer,
    grow_chunks,
    has_wide_rows,
    is_badly_cut,
    may_have_grown,
    plan_chunks,
)
from etl_pipeline.replicate.corrections import find_foreign, find_missed
from etl_pipeline.replicate.delete_guard import DeleteGuard
from etl_pipeline.replicate.difference import Difference, find_difference
from etl_pipeline.replicate.extract import (
    ColumnState,
    end_read,
    extract_chunk,
    read_columns,
    refuse_altered,
)
from etl_pipeline.replicate.job import ChunkResult, RowChanges, WriteJob, write_rows
from etl_pipeline.replicate.server_digest import ask_digest, servers_agree
from etl_pipeline.state import replicas
from etl_pipeline.state.compared_at import carry_compared, note_compared
from etl_pipeline.state.records import ChunkProof, KnownChunk, KnownReplica, Remembered, Watermark
from etl_pipeline.state.run_lease import check_replicas
from etl_pipeline.state.segments import Segment, cut_segments, find_other, lines_of, renew_segments
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.reader import read_text
from etl_pipeline.transfer.select import RenderedTable, delete_chunk, select_chunk
from etl_pipeline.transfer.spool import Spool

log = logging.getLogger(__name__)

FEW_ROWS = 2_000
"""Where more lines of a chunk differ, the chunk is written anew."""

CHECKPOINT_SECONDS = 1.0


class CannotCompareError(Exception):
    """A chunk differs in a way that only building the replica anew can mend."""


@dataclass(frozen=True, slots=True)
class _Start:
    """What is compared with what.

    Attributes:
        chunks: What is to be read.
        rest: What is remembered of the chunks before them, which are not read.
        columns: The source's columns before the first chunk; None where there is one chunk only.
        believed: Digests of what the replica holds, by chunk.
        finished: Proofs of chunks that need not be read: a run that was cut off has done it.
        checkpoint: Collects the chunks that are as they were.
        given: What the replica was given of each chunk, as far as its digests can be compared.
        committed: The watermark before this pass.
        last: The last chunk of those that are remembered.
        hashed: What is remembered of the chunks that the servers may compare by themselves.
    """

    chunks: Sequence[Chunk]
    rest: Sequence[KnownChunk]
    columns: list[ColumnState] | None
    believed: Mapping[Chunk, bytes]
    finished: Mapping[Chunk, ChunkProof]
    checkpoint: _Checkpoint
    given: Mapping[Chunk, ChunkProof]
    committed: Watermark | None
    last: Chunk
    hashed: Mapping[Chunk, ChunkProof]


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
        """What is to be remembered now that *proof* is known; empty for nothing yet."""
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
class _PutOff:
    """A chunk that has rows to delete, which waits for the guard's word."""

    chunk: Chunk


def compare_replica(
    job: WriteJob,
    known: KnownReplica,
    watermark: Watermark | None,
    *,
    tail_only: bool,
    edited: Collection[Chunk] = (),
) -> list[ChunkResult]:
    """Compare chunks with what is remembered, and bring over the rows that differ.

    Each chunk is committed by itself. Where the replica's digests cannot be believed (rows are
    missing or too many, or other versions of the servers read them otherwise) its rows are
    compared themselves. Chunks of which rows are to be deleted wait, from the hundredth row on,
    until every chunk is read, since the guard judges the table as a whole.

    Args:
        job: The table.
        known: Its replica.
        watermark: What is committed when every chunk is; asked before the first.
        tail_only: Whether only the last chunk is read, with what has grown behind it.
        edited: Chunks of which the replica was found to hold other rows than it was given.

    Returns:
        What was done with each chunk.

    Raises:
        CannotRenewError: The replica differs so that it must be built anew.
        GuardError: More rows would be deleted than the table's rules allow.
    """
    start = job.workers.call(functools.partial(_begin, job, known, edited, tail_only=tail_only))
    guard = DeleteGuard(job.text.name, job.rules, known.actual.rows)
    singly = has_wide_rows(job.text.table)
    renew = functools.partial(_renew_chunk, job, start, guard)
    done: list[ChunkResult | _PutOff] = list(job.workers.each(renew, start.chunks, singly=singly))
    guard.judge()
    again = functools.partial(_renew_chunk, job, start, None)
    put_off = [one.chunk for one in done if isinstance(one, _PutOff)]
    later = dict(zip(put_off, job.workers.each(again, put_off, singly=singly), strict=True))
    settled = [later[one.chunk] if isinstance(one, _PutOff) else one for one in done]
    # Without a guard nothing is put off.
    written = [one for one in settled if isinstance(one, ChunkResult)]

    def finish(worker: Worker) -> None:
        refuse_altered(job.text, worker.source, start.columns)
        # Of a fingerprint it is never asked when its last full pass was.
        is_due = job.rules.strategy != "fingerprint" or job.identity != known.remembered.identity
        if is_due and not tail_only:
            proven_at = min(one.proof.read_at for one in written)
            replicas.remember_table(
                worker.replication,
                job.text.name,
                job.identity,
                proven_at=proven_at,
                watermark=watermark,
            )
            worker.replication.commit()

    job.workers.call(finish)
    kept = [ChunkResult(one.proof, 0, 0, Counter(), is_kept=True) for one in start.rest]
    return [*kept, *written]


def _begin(
    job: WriteJob,
    known: KnownReplica,
    edited: Collection[Chunk],
    worker: Worker,
    *,
    tail_only: bool,
) -> _Start:
    """What to compare."""
    text, remembered = job.text, known.remembered
    is_same = job.identity == remembered.identity
    if not is_same:
        remembered = _void(job, remembered, worker)
    cut = _cut_anew(job, remembered.chunks, worker, tail_only=tail_only)
    by_chunk = {one.proof.chunk: one for one in remembered.chunks}
    first = len(remembered.chunks) - 1 if tail_only else 0
    rest, chunks = [by_chunk[chunk] for chunk in cut[:first]], cut[first:]
    columns = read_columns(text, worker.source) if len(chunks) > 1 else None
    is_believed = is_same and known.is_complete
    believed = {
        chunk: one.proof.text_digest
        for chunk, one in by_chunk.items()
        if one.proof.is_text and chunk not in edited
    }
    finished = remembered.finished_by(job.lease) if is_believed else {}
    may_hash = job.rules.by_servers and is_believed
    hashed: Sequence[ChunkProof] = ()
    if may_hash and servers_agree(text, worker):
        hashed = remembered.proofs
    elif may_hash:
        log.warning(
            "%s: the servers do not hash its rows alike, so all of them are read", text.name
        )
    return _Start(
        chunks,
        rest,
        columns,
        believed if is_believed else {},
        {chunk: proof for chunk, proof in finished.items() if chunk in believed},
        _Checkpoint(),
        {c: k.proof for c, k in by_chunk.items()} if is_same else {},
        remembered.watermark,
        remembered.chunks[-1].proof.chunk,
        {proof.chunk: proof for proof in hashed if proof.chunk in believed},
    )


def _void(job: WriteJob, remembered: Remembered, worker: Worker) -> Remembered:
    """Believe nothing of a replica whose rows read otherwise now, and say so before any is written.

    Digests of both forms side by side could be taken for each other's, if this pass is cut off and
    the source changes back. Commits.
    """
    check_replicas(worker.replication, job.lease)
    chunks = replicas.void_chunks(worker.replication, job.text.name, remembered.chunks)
    replicas.remember_table(worker.replication, job.text.name, job.identity)
    worker.replication.commit()
    return replace(remembered, identity=job.identity, chunks=chunks)


def _cut_anew(
    job: WriteJob, known: Sequence[KnownChunk], worker: Worker, *, tail_only: bool
) -> list[Chunk]:
    """The table's chunks: as they are remembered, or as its rows want them cut now."""
    text, most = job.text, job.rules.batch_rows
    remembered = [one.proof.chunk for one in known]
    rows = [one.proof.rows for one in known]
    chunks = remembered
    if not tail_only and text.table.integer_key and is_badly_cut(text.table, rows, most):
        chunks = plan_chunks(text, ask_integer(worker.source), most)
    elif tail_only or may_have_grown(text.table, rows, most):
        chunks = grow_chunks(text, remembered, ask_integer(worker.source), most)
    end_read(worker.source)
    if chunks != remembered:
        replicas.retile(worker.replication, text.name, known, chunks)
        worker.replication.commit()
    return chunks


def _renew_chunk(
    job: WriteJob, start: _Start, guard: DeleteGuard | None, worker: Worker, chunk: Chunk
) -> ChunkResult | _PutOff:
    """Read a chunk; where it is not what the replica holds, write what differs and commit.

    Returns:
        A Written; or, where *guard* says that its rows may not go yet, a _PutOff.
    """
    if chunk in start.finished:
        return ChunkResult.finished(start.finished[chunk])
    if chunk in start.hashed and _is_as_it_was(job.text, chunk, worker):
        same = replace(start.hashed[chunk], read_at=datetime.now(UTC))
        job.report(same.rows, 0)
        return ChunkResult(same, 0, 0, same.altered)
    text = job.text
    with Spool(ordered=text.is_ordered) as sent:
        proof = extract_chunk(text, chunk, worker.source, sent, job.workers.stop)
        change = None
        differs = start.believed.get(chunk) != proof.text_digest
        if differs and not text.table.primary_key:
            if chunk in start.believed or not _is_held(job, chunk, proof, worker.replication):
                raise CannotCompareError
        elif differs:
            done = _mend_chunk(job, start, chunk, sent, guard, worker.replication)
            if isinstance(done, _PutOff):
                worker.replication.rollback()
                return done
            change = done
        finished = start.checkpoint.finish(proof, at_once=differs)
        if finished:
            replicas.remember_chunks(worker.replication, text.name, job.lease, finished)
            worker.replication.commit()
    job.report(proof.rows, proof.text_bytes)
    return ChunkResult.read(proof, change or None)


def _is_held(job: WriteJob, chunk: Chunk, proof: ChunkProof, replication: Any) -> bool:
    """Whether the replica's rows of *chunk* have the text that the source sent."""
    text = job.text
    with Spool(ordered=text.is_ordered) as held:
        held.fill(
            read_text(replication, select_chunk(text, chunk), text.modes), job.workers.stop.check
        )
        return held.digest() == proof.text_digest


def _is_as_it_was(text: RenderedTable, chunk: Chunk, worker: Worker) -> bool:
    """Whether both servers hold the same rows of *chunk*, by digests of their own."""
    here = ask_digest(text, chunk, worker.source)
    return here is not None and here == ask_digest(text, chunk, worker.replication)


def _mend_chunk(
    job: WriteJob,
    start: _Start,
    chunk: Chunk,
    sent: Spool,
    guard: DeleteGuard | None,
    replication: Any,
) -> RowChanges | _PutOff | None:
    """Make the replica's rows of *chunk* those of *sent*; what was changed, if it is little."""
    text = job.text
    body = sent.body()
    in_part = _compare_segments(job, start, chunk, body, replication) if body else None
    found = in_part or _compare_rows(job, chunk, sent, body, replication)
    if guard and not guard.may_go(found.gone):
        return _PutOff(chunk)
    difference = found.difference
    wrong = find_foreign(text, start.given.get(chunk), found.held, difference)
    if not wrong and chunk in start.given and chunk != start.last:
        wrong = find_missed(text, job.rules, start.committed, chunk, difference)
    job.corrections.extend(wrong)
    replicas.write_segments(replication, text.name, chunk, sent.digest(), found.segments)
    if in_part:
        carry_compared(replication, text.name, chunk.ordinal, found.held, sent.digest())
    else:
        note_compared(replication, text.name, {chunk.ordinal: sent.digest()})
    if difference is not None and len(difference) <= FEW_ROWS:
        return write_few(text, difference, found.held, replication)
    if text.table.integer_key is None:
        raise CannotCompareError
    _write_anew(job, chunk, sent, replication)
    return None


@dataclass(frozen=True, slots=True)
class _Compared:
    """A chunk of the replica beside the source's.

    Attributes:
        held: The digest of the text that the replica has.
        difference: None where it is too much to be held in memory.
        gone: Rows that the source does not have any more.
        segments: Of the source's rows.
    """

    held: bytes
    difference: Difference | None
    gone: int
    segments: Sequence[Segment]


def _compare_segments(
    job: WriteJob, start: _Start, chunk: Chunk, body: bytes, replication: Any
) -> _Compared | None:
    """Read of the replica the strips alone in which rows changed.

    None where they are not known, or too many to be worth it, or where the replica's are not what
    it was given: then nothing else of the chunk need be, either.
    """
    text, believed = job.text, start.believed.get(chunk)
    if believed is None:
        return None
    segments = replicas.read_segments(replication, text.name, chunk, believed)
    other = find_other(text, segments, body)
    if not 0 < len(other) <= len(segments) // 2:
        return None
    statement = select_chunk(text, *(one.keys for one in other))
    with Spool(ordered=text.is_ordered) as held:
        held.fill(read_text(replication, statement, text.modes), job.workers.stop.check)
        held_body = held.body()
    if held_body is None or find_other(text, other, held_body):
        return None
    difference = find_difference(lines_of(text, other, body), held_body.split(b"\n")[:-1])
    renewed = renew_segments(text, chunk, segments, other, body)
    return _Compared(believed, difference, count_gone(text, difference), renewed)


def _compare_rows(
    job: WriteJob, chunk: Chunk, sent: Spool, body: bytes | None, replication: Any
) -> _Compared:
    """Read all of the replica's rows; *body* is that of *sent*, None where it is too large."""
    text = job.text
    segments = cut_segments(text, chunk, body) if body else []
    with Spool(ordered=text.is_ordered) as held:
        blocks = read_text(replication, select_chunk(text, chunk), text.modes)
        held.fill(blocks, job.workers.stop.check)
        if not (sent.is_small and held.is_small):
            return _Compared(held.digest(), None, max(0, held.rows - sent.rows), segments)
        difference = find_difference(sent.lines(), held.lines())
        return _Compared(held.digest(), difference, count_gone(text, difference), segments)


def _write_anew(job: WriteJob, chunk: Chunk, sent: Spool, replication: Any) -> None:
    """Delete the rows of *chunk* and write those of *sent*; the next hop's read proves them."""
    with replication.cursor() as cursor:
        cursor.execute(delete_chunk(job.text, chunk))
    write_rows(job, replication, job.text.name, sent)
