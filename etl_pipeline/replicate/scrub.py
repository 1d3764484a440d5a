"""Read chunks of a replica again, to find those that somebody else has written to."""

from __future__ import annotations

import functools

from etl_pipeline.core.workers import Worker
from etl_pipeline.replicate.chunking import has_wide_rows
from etl_pipeline.replicate.corrections import Correction
from etl_pipeline.replicate.extract import end_read
from etl_pipeline.replicate.job import WriteJob
from etl_pipeline.replicate.scrub_budget import ScrubScope
from etl_pipeline.state.compared_at import note_compared
from etl_pipeline.state.records import ChunkProof, KnownReplica
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.reader import read_text
from etl_pipeline.transfer.select import select_chunk
from etl_pipeline.transfer.spool import Spool


def find_edited(job: WriteJob, known: KnownReplica, scope: ScrubScope) -> frozenset[Chunk]:
    """Return the chunks that *scope* takes and whose text is not what is recorded of them.

    Of those whose text is, the instant is noted, and committed.
    """
    if job.identity != known.remembered.identity or not known.is_complete:
        return frozenset()
    proofs = [proof for proof in known.remembered.proofs if proof.is_text]
    chosen = [proof for proof in proofs if scope.every or proof.chunk.ordinal in scope.ordinals]
    read_again = functools.partial(_holds_text, job, scope)
    singly = has_wide_rows(job.text.table)
    seen = zip(chosen, job.workers.each(read_again, chosen, singly=singly), strict=True)
    edited = frozenset(proof.chunk for proof, is_same in seen if not is_same)
    if not job.text.table.primary_key:  # it is built anew, which names no row
        job.corrections.extend(Correction("replication", "edited", chunk) for chunk in edited)
    return edited


def _holds_text(job: WriteJob, scope: ScrubScope, worker: Worker, proof: ChunkProof) -> bool:
    """True if the replica holds the text of *proof*, or if the chunk is left for later."""
    if not scope.takes(proof.chunk.ordinal):
        return True
    text = job.text
    with scope.spending(), Spool(ordered=text.is_ordered) as held:
        blocks = read_text(worker.replication, select_chunk(text, proof.chunk), text.modes)
        held.fill(blocks, job.workers.stop.check)
        end_read(worker.replication)
        is_same = held.digest() == proof.text_digest
        if is_same:
            note_compared(worker.replication, text.name, {proof.chunk.ordinal: proof.text_digest})
            worker.replication.commit()
    return is_same
