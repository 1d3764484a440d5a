"""Digest chunks of ``raw`` again that no run wrote to, to find edits by others."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from etl_pipeline.load.job import LoadJob
from etl_pipeline.state import warehouse
from etl_pipeline.state.records import ChunkProof, RawDigest


def find_edited_chunks(
    job: LoadJob, recorded: Sequence[tuple[ChunkProof, RawDigest]], whole: Collection[int]
) -> frozenset[int]:
    """Return the ordinals of the chunks of ``scrub`` that are not as they were loaded.

    Those that are get the instant of the transaction as ``etl.chunk.compared_at``.

    Args:
        job: The table, in the load's transaction, with the columns that were digested.
        recorded: Its chunks, each with the digest that is recorded of it.
        whole: Ordinals of the chunks that are compared by value anyway.
    """
    scrub = job.request.scrub
    if not (scrub.every or scrub.ordinals):
        return frozenset()
    others = {proof.chunk for proof in job.request.proofs if proof.chunk.ordinal not in whole}
    among = [proof for proof, _ in recorded]
    candidates = [(proof, digest) for proof, digest in recorded if proof.chunk in others]
    if scrub.every:
        return frozenset(_digest_again(job, candidates, among))
    edited: set[int] = set()
    for proof, digest in candidates:
        if scrub.takes(proof.chunk.ordinal):
            with scrub.spending():
                edited |= _digest_again(job, [(proof, digest)], among)
    return frozenset(edited)


def _digest_again(
    job: LoadJob, chunks: Sequence[tuple[ChunkProof, RawDigest]], among: Sequence[ChunkProof]
) -> set[int]:
    """Return the ordinals of *chunks* whose digest has changed; record the others as compared."""
    held = job.digests(job.live, [proof.chunk for proof, _ in chunks], among)
    same: list[int] = []
    edited: set[int] = set()
    for (proof, recorded), now in zip(chunks, held, strict=True):
        (edited.add if now != recorded else same.append)(proof.chunk.ordinal)
    warehouse.note_compared(job.analytics, job.text.name, same)
    return edited
