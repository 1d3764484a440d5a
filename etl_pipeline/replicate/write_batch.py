"""Write the rows of a batch to the replicas; the caller commits all tables at once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from pymysql.connections import Connection

from etl_pipeline.replicate.apply import count_gone, write_few
from etl_pipeline.replicate.changed_chunks import ChangedChunks, write_changes
from etl_pipeline.replicate.compare import FEW_ROWS, write_anew
from etl_pipeline.replicate.compare_chunk import compare_rows
from etl_pipeline.replicate.delete_guard import guard_deletes
from etl_pipeline.replicate.difference import find_difference
from etl_pipeline.replicate.job import RowChanges, WriteJob
from etl_pipeline.replicate.read_batch import BatchRows
from etl_pipeline.replicate.strategy import Pass
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
        changed: Rows that were written or deleted.
    """

    job: WriteJob
    replicated: ReplicateResult
    changed: int


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
    changed = len(difference)
    for proof, spool in rows.chunks:
        lines, more_gone = _write_chunk(job, proof, spool, progress, replication)
        changed += lines
        gone += more_gone
        _guard(job, gone, remembered.rows)
    return WrittenTable(job, _sum_up(rows, progress), changed)


def _guard(job: WriteJob, gone: int, rows: int) -> None:
    guard_deletes(job.text.name, job.rules, gone=gone, rows=rows, place="replication")


def _write_chunk(
    job: WriteJob,
    proof: ChunkProof,
    spool: Spool,
    progress: ChangedChunks,
    replication: Connection[Any],
) -> tuple[int, int]:
    """Make a chunk of the replica what *spool* holds, and record its digest.

    Returns:
        How many lines differ, about, and how many rows are gone for good.
    """
    text, ordinal = job.text, proof.chunk.ordinal
    before = progress.chunks[ordinal].proof
    found = compare_rows(job, proof.chunk, spool, spool.body(), replication)
    difference = found.difference
    change: RowChanges | None = None
    if difference is not None and len(difference) <= FEW_ROWS:
        # What raw holds of the chunk is known by the digest that was recorded with it.
        change = write_few(text, difference, before.text_digest, replication)
        lines = len(difference)
    else:
        write_anew(job, proof.chunk, spool, replication)
        lines = proof.rows
    replicas.write_segments(replication, text.name, proof.chunk, proof.text_digest, found.segments)
    note_compared(replication, text.name, {ordinal: proof.text_digest})
    replicas.remember_chunks(replication, text.name, job.lease, [proof])
    known = KnownChunk(proof, None, job.lease.token)
    if change:
        progress.note(ordinal, change, known)
    else:
        progress.chunks[ordinal] = known
        progress.changes.pop(ordinal, None)
    return lines, found.gone


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
