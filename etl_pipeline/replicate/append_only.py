"""The pass of ``append_only``: read the last chunk of the source, and what has grown behind it."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from etl_pipeline.core.workers import Worker
from etl_pipeline.replicate.chunking import ask_integer, grow_chunks
from etl_pipeline.replicate.compare import compare_chunks, plan_comparison
from etl_pipeline.replicate.job import ChunkResult, PassStart, WriteJob
from etl_pipeline.state.records import KnownChunk, KnownReplica
from etl_pipeline.transfer.chunk import Chunk


def compare_tail(job: WriteJob, start: PassStart, known: KnownReplica) -> list[ChunkResult]:
    """Compare the last chunk with what the replica holds, and bring over what comes after it.

    Raises: as ``compare_chunks``.
    """
    plan = job.workers.call(
        functools.partial(
            plan_comparison,
            job,
            known,
            start.edited,
            cut=_grow_chunks,
            skip=len(known.remembered.chunks) - 1,
        )
    )
    return compare_chunks(job, known, plan)


def _grow_chunks(job: WriteJob, known: Sequence[KnownChunk], worker: Worker) -> list[Chunk]:
    """Return the chunks that are recorded, the last of them cut as its rows want it now."""
    recorded = [chunk.proof.chunk for chunk in known]
    return grow_chunks(job.text, recorded, ask_integer(worker.source), job.rules.batch_rows)
