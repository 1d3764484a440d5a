"""Digests chunks of ``raw`` anew that no run wrote to, to see whether somebody else has."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from etl_pipeline.load.job import LoadJob
from etl_pipeline.state import warehouse
from etl_pipeline.state.records import ChunkProof, RawDigest


def find_edited(
    job: LoadJob, proofs: Sequence[ChunkProof], stale: Collection[int]
) -> frozenset[int]:
    """The ordinals of the chunks that ``job.look`` takes and that are not as they were loaded.

    Those that are get the instant of the transaction as ``etl.chunk.compared_at``.

    Args:
        job: The table, in the load's transaction, with the columns that were digested.
        proofs: Of the replica's chunks; one that ``raw`` was not loaded with is stale.
        stale: Ordinals of those that are compared by value anyway.
    """
    if not (job.look.every or job.look.ordinals):
        return frozenset()
    recorded = warehouse.read_chunks(job.analytics, job.text.name)
    there = {proof.chunk for proof in proofs if proof.chunk.ordinal not in stale}
    among = [proof for proof, _ in recorded]
    candidates = [(proof, digest) for proof, digest in recorded if proof.chunk in there]
    edited: set[int] = set()
    if job.look.every:
        edited |= _look(job, candidates, among)
    else:
        for one in candidates:
            if job.look.takes(one[0].chunk.ordinal):
                with job.look.spending():
                    edited |= _look(job, [one], among)
    return frozenset(edited)


def _look(
    job: LoadJob, chunks: Sequence[tuple[ChunkProof, RawDigest]], among: Sequence[ChunkProof]
) -> set[int]:
    held = job.digests(job.live, [proof.chunk for proof, _ in chunks], among)
    same: list[int] = []
    other: set[int] = set()
    for (proof, then), now in zip(chunks, held, strict=True):
        if now == then:
            same.append(proof.chunk.ordinal)
        else:
            other.add(proof.chunk.ordinal)
    warehouse.note_compared(job.analytics, job.text.name, same)
    return other
