"""Read a chunk of the replica, as far as it may differ from the source's, and find how it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pymysql.connections import Connection

from etl_pipeline.core.workers import Worker
from etl_pipeline.replicate.apply import count_gone
from etl_pipeline.replicate.difference import Difference, find_difference
from etl_pipeline.replicate.job import WriteJob
from etl_pipeline.replicate.server_digest import ask_digest
from etl_pipeline.state import replicas
from etl_pipeline.state.records import ChunkProof
from etl_pipeline.state.segments import Segment, cut_segments, find_other, lines_of, update_segments
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.reader import read_text
from etl_pipeline.transfer.select import RenderedTable, select_chunk
from etl_pipeline.transfer.spool import Spool


@dataclass(frozen=True, slots=True)
class ChunkDifference:
    """The difference between a chunk of the replica and the source's.

    Attributes:
        held_digest: Of the text that the replica has.
        difference: None where it is too much to be held in memory.
        gone: Rows that the source does not have any more.
        segments: Of the source's rows.
    """

    held_digest: bytes
    difference: Difference | None
    gone: int
    segments: Sequence[Segment]


def compare_segments(
    job: WriteJob, given: ChunkProof, body: bytes, replication: Connection[Any]
) -> ChunkDifference | None:
    """Read of the replica only the segments in which rows changed.

    Args:
        job: The table.
        given: What the replica holds of the chunk.
        body: The chunk's text at the source.
        replication: The replication server.

    Returns:
        None where segments are not recorded, or too many differ to be worth it, or where the
        replica's are not what it was given: then nothing else of the chunk need be, either.
    """
    text, chunk = job.text, given.chunk
    segments = replicas.read_segments(replication, text.name, chunk, given.text_digest)
    other = find_other(text, segments, body)
    if not 0 < len(other) <= len(segments) // 2:
        return None
    statement = select_chunk(text, *(segment.keys for segment in other))
    with Spool(ordered=text.is_ordered) as held:
        held.fill(read_text(replication, statement, text.modes), job.workers.stop.check)
        held_body = held.body()
    if held_body is None or find_other(text, other, held_body):
        return None
    difference = find_difference(lines_of(text, other, body), held_body.split(b"\n")[:-1])
    updated = update_segments(text, chunk, segments, other, body)
    return ChunkDifference(given.text_digest, difference, count_gone(text, difference), updated)


def compare_rows(
    job: WriteJob, chunk: Chunk, sent: Spool, body: bytes | None, replication: Connection[Any]
) -> ChunkDifference:
    """Read all of the replica's rows of *chunk*.

    Args:
        job: The table.
        chunk: The chunk.
        sent: Its rows at the source.
        body: The text of *sent*; None where it is too large to be held in memory.
        replication: The replication server.
    """
    text = job.text
    segments = cut_segments(text, chunk, body) if body else []
    with Spool(ordered=text.is_ordered) as held:
        blocks = read_text(replication, select_chunk(text, chunk), text.modes)
        held.fill(blocks, job.workers.stop.check)
        if not (sent.is_small and held.is_small):
            return ChunkDifference(held.digest(), None, max(0, held.rows - sent.rows), segments)
        difference = find_difference(sent.lines(), held.lines())
        return ChunkDifference(held.digest(), difference, count_gone(text, difference), segments)


def servers_hold_the_same(text: RenderedTable, chunk: Chunk, worker: Worker) -> bool:
    """Return True if both servers hold the same rows of *chunk*, by digests of their own."""
    here = ask_digest(text, chunk, worker.source)
    return here is not None and here == ask_digest(text, chunk, worker.replication)


def holds_text(job: WriteJob, proof: ChunkProof, replication: Connection[Any]) -> bool:
    """Return True if the replica's rows of the chunk have the text of *proof*."""
    text = job.text
    with Spool(ordered=text.is_ordered) as held:
        held.fill(
            read_text(replication, select_chunk(text, proof.chunk), text.modes),
            job.workers.stop.check,
        )
        return held.digest() == proof.text_digest
