"""The pass of ``fingerprint``: read every chunk of the source, write the rows that differ.

It is the full pass of ``incremental`` and ``append_only``, too.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from etl_pipeline.core.workers import Worker
from etl_pipeline.replicate.chunking import (
    ask_integer,
    grow_chunks,
    is_badly_cut,
    may_have_grown,
    plan_chunks,
)
from etl_pipeline.replicate.compare import compare_chunks, plan_comparison
from etl_pipeline.replicate.job import ChunkResult, PassStart, WriteJob
from etl_pipeline.state import replicas
from etl_pipeline.state.records import KnownChunk, KnownReplica
from etl_pipeline.transfer.chunk import Chunk


def compare_table(job: WriteJob, start: PassStart, known: KnownReplica) -> list[ChunkResult]:
    """Compare every chunk with what the replica holds, and bring over the rows that differ.

    Raises: as ``compare_chunks``.
    """
    plan = job.workers.call(
        functools.partial(plan_comparison, job, known, start.edited, cut=_cut_chunks)
    )
    written = compare_chunks(job, known, plan)
    # Where each run makes a full pass, nobody asks when the last one was.
    is_dated = not job.rules.strategy.usual_pass.is_full
    if is_dated or job.identity != known.remembered.identity:
        job.workers.call(functools.partial(_record_pass, job, start, written))
    return written


def _record_pass(
    job: WriteJob, start: PassStart, written: Sequence[ChunkResult], worker: Worker
) -> None:
    replicas.remember_table(
        worker.replication,
        job.text.name,
        job.identity,
        proven_at=min(result.proof.read_at for result in written),
        watermark=start.watermark,
    )
    worker.replication.commit()


def _cut_chunks(job: WriteJob, known: Sequence[KnownChunk], worker: Worker) -> list[Chunk]:
    """Return the table's chunks: as they are recorded, or as its rows want them cut now."""
    text, most = job.text, job.rules.batch_rows
    recorded = [chunk.proof.chunk for chunk in known]
    rows = [chunk.proof.rows for chunk in known]
    if text.table.integer_key and is_badly_cut(text.table, rows, most):
        return plan_chunks(text, ask_integer(worker.source), most)
    if may_have_grown(text.table, rows, most):
        return grow_chunks(text, recorded, ask_integer(worker.source), most)
    return recorded
