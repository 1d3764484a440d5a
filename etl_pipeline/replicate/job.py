"""A chunk on its way into a replica: what is written, how, and what is known afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from pymysql.connections import Connection

from etl_pipeline.core.workers import Workers
from etl_pipeline.errors import TransferError
from etl_pipeline.formatting import count_of
from etl_pipeline.replicate.corrections import Correction
from etl_pipeline.replicate.strategy import Pass, Rules
from etl_pipeline.replicate.watermark import Instant
from etl_pipeline.schema.ddl import ReplicaDdl
from etl_pipeline.state.records import Altered, ChunkProof, Identity, Lease, Watermark
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.load_data import insert_rows, load_data
from etl_pipeline.transfer.select import RenderedTable
from etl_pipeline.transfer.spool import Spool

Report = Callable[[int, int], None]
"""Called after each chunk with its rows and its bytes, from the thread that did it."""


@dataclass(frozen=True, slots=True)
class WriteJob:
    """A table whose replica is written, and with what.

    Attributes:
        by_infile: True if rows go by LOAD DATA LOCAL; by INSERT otherwise.
        identity: What the replica is to be remembered as.
        lease: The run that writes.
        rules: How the table is kept equal.
        corrections: Collects what was wrong with the replica, as the workers find it.
        notes: Collects sentences on what the replica lacks.
    """

    text: RenderedTable
    workers: Workers
    by_infile: bool
    identity: Identity
    lease: Lease
    rules: Rules
    report: Report
    corrections: list[Correction] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PassStart:
    """State at the start of a pass over a table.

    Attributes:
        ddl: Makes a new replica, under its incoming name.
        instant: What the source's clock said before anything was read; None without an
            ``incremental_column``.
        watermark: What is committed when all that was there at *instant* is; None without one.
        edited: Chunks of which the replica was found to hold other rows than it was given.
    """

    ddl: ReplicaDdl
    instant: Instant | None
    watermark: Watermark | None
    edited: Collection[Chunk]


class LargerPassError(Exception):
    """A pass found out that it is not enough, or costs more than *larger*; what it wrote is right.

    Attributes:
        larger: The pass to make instead.
        because: Why, for a note; None where nothing is to be said.
    """

    def __init__(self, larger: Pass, because: str | None = None) -> None:
        super().__init__(because or larger)
        self.larger, self.because = larger, because


@dataclass(frozen=True, slots=True)
class RowChanges:
    """Few rows of a chunk that were brought over one by one.

    Attributes:
        before: The digest that the chunk was remembered with, or that its text had.
        gone: Lossless lines of the rows that the replica does not have any more.
        new: The lines for COPY of the rows that it has instead, by their lossless lines.
        altered: Values of theirs that PostgreSQL cannot hold.
    """

    before: bytes
    gone: tuple[bytes, ...]
    new: Mapping[bytes, bytes]
    altered: Altered

    def __bool__(self) -> bool:
        return bool(self.gone or self.new)

    def then(self, later: RowChanges) -> RowChanges:
        """Both changes as one; a row that came and went again is in neither list."""
        new = dict(self.new)
        gone = [line for line in later.gone if new.pop(line, None) is None]
        gone_before = [line for line in self.gone if line not in later.new]
        back = set(self.gone).difference(gone_before)
        new.update((line, copy) for line, copy in later.new.items() if line not in back)
        return RowChanges(self.before, (*gone_before, *gone), new, self.altered + later.altered)


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """The work that was done on a chunk.

    Attributes:
        rows_read: Rows that the source sent in this run.
        bytes_read: Size of their text.
        altered: Values that PostgreSQL cannot hold, of all rows that were compared.
        change: What was written, where few rows differed; None where none did, or many.
        is_kept: True if neither this pass nor the interrupted one before it has read the chunk.
    """

    proof: ChunkProof
    rows_read: int
    bytes_read: int
    altered: Altered
    change: RowChanges | None = None
    is_kept: bool = False

    @classmethod
    def read(cls, proof: ChunkProof, change: RowChanges | None = None) -> ChunkResult:
        """A chunk that was read as a whole."""
        return cls(proof, proof.rows, proof.text_bytes, proof.altered, change)

    @classmethod
    def kept(cls, proof: ChunkProof) -> ChunkResult:
        """A chunk that the pass did not look at."""
        return cls(proof, 0, 0, Counter(), is_kept=True)

    @classmethod
    def finished(cls, proof: ChunkProof) -> ChunkResult:
        """A chunk that a run which was cut off had finished."""
        return cls(proof, 0, 0, proof.altered)


def write_rows(job: WriteJob, replication: Connection[Any], table: str, spool: Spool) -> None:
    """Send the rows of *spool* into *table*; the caller commits.

    Raises:
        TransferError: The server did not take every row; the caller rolls back.
    """
    if not spool.rows:
        return
    if job.by_infile:
        taken = load_data(replication, table, job.text, spool.blocks())
    else:
        taken = insert_rows(replication, table, job.text, spool.lines())
    if taken != spool.rows:
        raise TransferError(
            f"sent {count_of(spool.rows, 'row')}, the replication server took {taken}",
            where=job.text.name,
        )
