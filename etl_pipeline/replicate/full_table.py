"""The pass of ``full_table``: build a replica beside the old one, and swap it in.

It is the first pass of every table, too.

What is done is recorded under the incoming table's name, so an interrupted run is continued:
finished chunks are not read again. Every step may be the last one before a kill.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymysql import err
from pymysql.connections import Connection

from etl_pipeline.core.workers import Worker
from etl_pipeline.replicate.chunking import ask_integer, has_wide_rows, plan_chunks
from etl_pipeline.replicate.delete_guard import guard_deletes
from etl_pipeline.replicate.extract import (
    ColumnState,
    end_read,
    extract_chunk,
    read_columns,
    refuse_altered,
)
from etl_pipeline.replicate.job import ChunkResult, PassStart, WriteJob, write_rows
from etl_pipeline.replicate.ownership import check_ownership, drop_ours, mark_replica
from etl_pipeline.replicate.unsupported import build_indexes, refuse_column, refuse_unsupported
from etl_pipeline.schema.ddl import ReplicaDdl, replica_comment, swap_replica
from etl_pipeline.schema.names import incoming_name, replaced_name
from etl_pipeline.state import replicas
from etl_pipeline.state.compared_at import note_compared
from etl_pipeline.state.records import ChunkProof, KnownReplica, Watermark
from etl_pipeline.state.segments import cut_segments
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.select import delete_chunk
from etl_pipeline.transfer.spool import Spool


@dataclass(frozen=True, slots=True)
class _BuildPlan:
    """The chunks that are to be copied.

    Attributes:
        chunks: The table.
        finished: Proofs of the chunks that are there already.
        held: Proofs of those that are there, and were read so long ago that they are read again.
        columns: The source's columns before the first chunk; None where there is one chunk only.
    """

    chunks: Sequence[Chunk]
    finished: Mapping[Chunk, ChunkProof]
    held: Mapping[Chunk, ChunkProof]
    columns: list[ColumnState] | None


def build_replica(job: WriteJob, start: PassStart, known: KnownReplica | None) -> list[ChunkResult]:
    """Build the replica from the source, and record it.

    Its readers see the old table until the new one is complete; both change places in one step.
    On an error the old one stands.

    Args:
        job: The table.
        start: How the replica is made, and what is committed when it is.
        known: The replica that stands there, whose rows the guard counts; None without one.

    Raises:
        SchemaError: A table that is not ours bears the replica's name.
        GuardError: The new replica has so many rows less than the table's rules do not allow.
    """
    plan = job.workers.call(functools.partial(_begin, job, start.ddl, known))
    copy = functools.partial(_copy_chunk, job, plan)
    singly = has_wide_rows(job.text.table)
    written = list(job.workers.each(copy, plan.chunks, singly=singly))
    before = known.actual.rows if known else 0
    gone = before - sum(chunk.proof.rows for chunk in written)
    guard_deletes(job.text.name, job.rules, gone=gone, rows=before, place="replication")

    def finish(worker: Worker) -> None:
        refuse_altered(job.text, worker.source, plan.columns)
        proofs = [chunk.proof for chunk in written]
        _complete(job, known, start.watermark, proofs, worker.replication)

    job.workers.call(finish)
    return written


def _begin(
    job: WriteJob, ddl: ReplicaDdl, known: KnownReplica | None, worker: Worker
) -> _BuildPlan:
    """Continue the incoming table of an interrupted run, or make an empty one."""
    text, incoming = job.text, incoming_name(job.text.name)
    check_ownership(worker.replication, text.name, known)
    columns = read_columns(text, worker.source)
    left = replicas.read_replica(worker.replication, incoming)
    finished = left.finished_by(job.lease) if left else {}
    if left and finished and left.identity == job.identity:
        end_read(worker.replication)
        held = {chunk: proof for chunk, proof in left.written.items() if chunk not in finished}
        return _BuildPlan([known.proof.chunk for known in left.chunks], finished, held, columns)
    chunks = plan_chunks(text, ask_integer(worker.source), job.rules.batch_rows)
    end_read(worker.source)
    replicas.forget(worker.replication, incoming)
    worker.replication.commit()
    drop_ours(worker.replication, incoming, replaced_name(text.name))
    try:
        _run(worker.replication, [ddl.create])
    except err.MySQLError as error:
        refuse_unsupported(text.table, error)
        refuse_column(worker.replication, text, ddl, error)
        raise
    replicas.remember_empty(worker.replication, incoming, job.identity, chunks)
    worker.replication.commit()
    return _BuildPlan(chunks, {}, {}, columns if len(chunks) > 1 else None)


def _copy_chunk(job: WriteJob, plan: _BuildPlan, worker: Worker, chunk: Chunk) -> ChunkResult:
    """Read a chunk, write it, commit it with its proof."""
    if chunk in plan.finished:
        return ChunkResult.finished(plan.finished[chunk])
    incoming = incoming_name(job.text.name)
    with Spool(ordered=job.text.is_ordered) as spool:
        proof = extract_chunk(job.text, chunk, worker.source, spool, job.workers.stop)
        held = plan.held.get(chunk)
        if held and held.text_digest != proof.text_digest:
            _run(worker.replication, [delete_chunk(job.text, chunk, incoming)])
        if held is None or held.text_digest != proof.text_digest:
            write_rows(job, worker.replication, incoming, spool)
        replicas.remember_chunks(worker.replication, incoming, job.lease, [proof])
        if held is None or held.text_digest != proof.text_digest:
            note_compared(worker.replication, incoming, {chunk.ordinal: proof.text_digest})
        if body := spool.body():
            segments = cut_segments(job.text, chunk, body)
            replicas.write_segments(
                worker.replication, incoming, chunk, proof.text_digest, segments
            )
        worker.replication.commit()
    job.report(proof.rows, proof.text_bytes)
    return ChunkResult.read(proof)


def _complete(
    job: WriteJob,
    known: KnownReplica | None,
    watermark: Watermark | None,
    proofs: Sequence[ChunkProof],
    replication: Connection[Any],
) -> None:
    """Index the incoming table, and let it take the replica's place in one RENAME."""
    table, incoming = job.text.name, incoming_name(job.text.name)
    job.notes.extend(build_indexes(replication, job.text.table, incoming))
    proven_at = min(proof.read_at for proof in proofs)
    replicas.remember_table(
        replication, incoming, job.identity, proven_at=proven_at, watermark=watermark
    )
    replication.commit()
    check_ownership(replication, table, known)  # made meanwhile
    mark_replica(replication, table, replica_comment(job.text.table))
    _run(replication, [swap_replica(table, exists=_exists(replication, table))])
    settle_swap(replication, table)


def settle_swap(replication: Connection[Any], table: str) -> None:
    """Record of *table* what is recorded of its incoming table, if that took its place.

    A kill may fall between the RENAME, which MySQL commits by itself, and this. Whether it did
    is told by the incoming table: it is gone, and what stands under the table's name is it.
    """
    incoming = incoming_name(table)
    left = replicas.read_replica(replication, incoming)
    if left is None or _exists(replication, incoming):
        replication.rollback()
        return
    actual = replicas.read_actual(replication, table)
    if actual and actual.show_create_digest == left.show_create_digest and actual.rows == left.rows:
        replicas.move(replication, incoming, to=table)
    else:
        replicas.forget(replication, incoming)
    replication.commit()
    drop_ours(replication, replaced_name(table))


def _exists(replication: Connection[Any], table: str) -> bool:
    with replication.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM information_schema.tables "
            "WHERE table_schema = DATABASE() AND table_name = %s",
            (table,),
        )
        return cursor.fetchone() is not None


def _run(connection: Connection[Any], statements: Sequence[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
