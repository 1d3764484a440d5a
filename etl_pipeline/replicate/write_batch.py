"""Write the rows of a batch to the replicas; the caller commits all tables at once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from pymysql.connections import Connection

from etl_pipeline.replicate.apply import count_gone, write_few
from etl_pipeline.replicate.changed_chunks import ChangedChunks, write_changes
from etl_pipeline.replicate.compare import FEW_ROWS, write_anew
from etl_pipeline.replicate.compare_chunk import ChunkDifference, compare_rows
from etl_pipeline.replicate.corrections import Correction, find_edited_rows, find_missed
from etl_pipeline.replicate.delete_guard import guard_deletes
from etl_pipeline.replicate.difference import find_difference
from etl_pipeline.replicate.job import RowChanges, WriteJob
from etl_pipeline.replicate.read_batch import BatchRows
from etl_pipeline.replicate.strategy import BlindSpot, Pass
from etl_pipeline.replicate.table import MOST_CHANGES, ReplicateResult
from etl_pipeline.state import replicas
from etl_pipeline.state.compared_at import note_compared
from etl_pipeline.state.records import Altered, ChunkProof, KnownChunk
from etl_pipeline.transfer.spool import Spool


@dataclass(frozen=True, slots=True)
class WrittenTable:
    """A replica that a batch was written to, for the next hop.

    Attributes:
        replicated: As a run's first hop reports it.
        proven: Ordinals of the chunks that were compared though nothing of them may have changed.
        corrections: What was wrong there.
    """

    job: WriteJob
    replicated: ReplicateResult
    proven: frozenset[int]
    corrections: tuple[Correction, ...]


def write_batch_table(rows: BatchRows, replication: Connection[Any]) -> WrittenTable:
    """Make the replica's rows of a batch those of the source.

    Raises:
        GuardError: More rows would be deleted than the table's rules allow.
        TransferError: The replica did not take the rows; the caller rolls back.
    """
    job, remembered = rows.of.job, rows.of.remembered
    progress = ChangedChunks(list(remembered.chunks))
    difference = find_difference(rows.lines, dict.fromkeys(rows.held))
    gone = count_gone(job.text, difference)
    _guard(job, gone, remembered.rows)
    write_changes(job, difference, progress, replication)
    corrections: list[Correction] = []
    for proof, spool in rows.chunks:
        given = progress.chunks[proof.chunk.ordinal].proof
        found = _write_chunk(job, proof, spool, progress, replication)
        if proof.chunk.ordinal in rows.of.proven:
            corrections += _find_corrections(job, given, found)
        gone += found.gone
        _guard(job, gone, remembered.rows)
    replicated = _sum_up(rows, progress)
    return WrittenTable(job, replicated, rows.of.proven, tuple(corrections))


def _find_corrections(job: WriteJob, given: ChunkProof, found: ChunkDifference) -> list[Correction]:
    """Return what was wrong with a chunk into which all that was logged had been written.

    A table without snapshots (MyISAM) may have changed since; that is logged, and comes again.
    """
    difference = found.difference
    if job.text.table.engine != "InnoDB" or (difference is not None and not len(difference)):
        return []
    edited = find_edited_rows(job.text, given, found.held_digest, difference)
    if edited or difference is None:
        return edited or [Correction("replication", "missed", given.chunk)]
    return find_missed(job.text, BlindSpot(None), given.chunk, difference)


def _guard(job: WriteJob, gone: int, rows: int) -> None:
    guard_deletes(job.text.name, job.rules, gone=gone, rows=rows, place="replication")


def _write_chunk(
    job: WriteJob,
    proof: ChunkProof,
    spool: Spool,
    progress: ChangedChunks,
    replication: Connection[Any],
) -> ChunkDifference:
    """Make a chunk of the replica what *spool* holds, and record its digest.

    Returns:
        How it differed.
    """
    text, ordinal = job.text, proof.chunk.ordinal
    before = progress.chunks[ordinal].proof
    found = compare_rows(job, proof.chunk, spool, spool.body(), replication)
    difference = found.difference
    change: RowChanges | None = None
    if difference is not None and len(difference) <= FEW_ROWS:
        # What raw holds of the chunk is known by the digest that was recorded with it.
        change = write_few(text, difference, before.text_digest, replication)
    else:
        write_anew(job, proof.chunk, spool, replication)
    replicas.write_segments(replication, text.name, proof.chunk, proof.text_digest, found.segments)
    note_compared(replication, text.name, {ordinal: proof.text_digest})
    replicas.remember_chunks(replication, text.name, job.lease, [proof])
    known = KnownChunk(proof, None, job.lease.token)
    if change:
        progress.note(ordinal, change, known)
    else:
        progress.chunks[ordinal] = known
        progress.changes.pop(ordinal, None)
    return found


def _sum_up(rows: BatchRows, progress: ChangedChunks) -> ReplicateResult:
    remembered = rows.of.remembered
    changes = progress.changes
    if sum(len(change.gone) + len(change.new) for change in changes.values()) > MOST_CHANGES:
        changes = {}
    altered: Altered = Counter()
    for change in progress.changes.values():
        altered.update(change.altered)
    for proof, _ in rows.chunks:
        altered.update(proof.altered)
    return ReplicateResult(
        Pass.STAMPED,
        tuple(known.proof for known in progress.chunks),
        rows.read_at,
        rows.read_at,
        remembered.proven_at,
        remembered.watermark,
        rows.rows,
        rows.text_bytes,
        altered,
        changes=changes,
    )
