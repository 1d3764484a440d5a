"""The load of one table: what is asked for, the state of the work, and the result."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import psycopg

from etl_pipeline.core.encryption import read_postgres_line
from etl_pipeline.core.workers import Workers
from etl_pipeline.errors import TransferError
from etl_pipeline.load.digests import read_digests
from etl_pipeline.load.drift_log import TableDrift
from etl_pipeline.load.evolve import Alteration
from etl_pipeline.load.raw_plan import RawPlan
from etl_pipeline.load.sql import live_rows
from etl_pipeline.replicate.corrections import Correction
from etl_pipeline.replicate.job import Report
from etl_pipeline.replicate.scrub_budget import NO_SCRUB_SCOPE, ScrubScope
from etl_pipeline.replicate.strategy import Rules
from etl_pipeline.replicate.table import ReplicateResult
from etl_pipeline.state.records import ChunkProof, Lease, RawDigest
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.select import RenderedTable


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """A table to load into ``raw``, and everything that its load needs.

    Attributes:
        raw: The plan of the load, which fails where the table was altered since.
        replicated: What the first hop did.
        rules: How the table is kept equal.
        lease: The run that the proofs are stored under.
        workers: Where the replica is read, ahead of what is written.
        report: Called after each chunk.
        drift: How the table follows a changed schema, and the record of it.
        scrub: Chunks of ``raw`` to digest again, though no run has written to them.
    """

    text: RenderedTable
    raw: RawPlan
    replicated: ReplicateResult
    rules: Rules
    lease: Lease
    workers: Workers
    report: Report
    drift: TableDrift = field(default_factory=TableDrift)
    scrub: ScrubScope = NO_SCRUB_SCOPE

    @property
    def proofs(self) -> Sequence[ChunkProof]:
        """Those of the replica's chunks, in order."""
        return self.replicated.proofs


@dataclass(frozen=True, slots=True)
class LoadResult:
    """Rows of ``raw`` that a load changed, and those that had been wrong there.

    Attributes:
        notes: Sentences on work beyond what was asked for.
        is_seen_whole: True if all of the table was written, or digested again.
    """

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    corrections: tuple[Correction, ...] = ()
    notes: tuple[str, ...] = ()
    is_seen_whole: bool = field(default=False, compare=False)

    @property
    def changed(self) -> int:
        """The sum of the three."""
        return self.inserted + self.updated + self.deleted


@dataclass(frozen=True, slots=True)
class RawContents:
    """The contents of a table of ``raw`` before it is merged into.

    Attributes:
        rows: Number of rows, without those that are marked as deleted.
        recorded: Its chunks, each with the digest that is recorded of it; empty for none.
    """

    rows: int
    recorded: Sequence[tuple[ChunkProof, RawDigest]]

    @property
    def is_counted_as_recorded(self) -> bool:
        """True if *rows* is the sum of those that are recorded."""
        return self.rows == sum(digest.rows for _, digest in self.recorded)


@dataclass(frozen=True, slots=True)
class LoadJob:
    """A load at work: *analytics* is in its transaction, *alteration* what is done to the table."""

    request: LoadRequest
    analytics: psycopg.Connection
    alteration: Alteration

    @property
    def raw(self) -> RawPlan:
        """The plan of the load."""
        return self.request.raw

    @property
    def text(self) -> RenderedTable:
        """The table, as its text is read."""
        return self.request.text

    @property
    def target(self) -> str:
        """The table in ``raw``, quoted."""
        return self.raw.target

    @property
    def rows(self) -> str:
        """SQL for the table's own rows, to read and to write."""
        return self.raw.rows

    @property
    def live(self) -> str:
        """SQL for those of them that are not marked as deleted, to read."""
        return live_rows(self.rows, has_marks=self.alteration.has_marks)

    @property
    def is_open(self) -> bool:
        """True if somebody could change what is sent to PostgreSQL on the way."""
        return read_postgres_line(self.analytics, "analytics").is_open

    def digests(
        self, target: str, chunks: Sequence[Chunk], proofs: Sequence[ChunkProof]
    ) -> list[RawDigest]:
        """Return PostgreSQL's digests of *chunks* of *target*; *proofs* are of all its chunks."""
        among = [proof.chunk for proof in proofs]
        return read_digests(self.analytics, target, self.text, chunks, among=among)

    def change_rows(self, statements: Collection[str]) -> list[int]:
        """Execute *statements*, and return the number of rows that each changed."""
        return [self.analytics.execute(statement.encode()).rowcount for statement in statements]


def expect_rows(table: str, held: Sequence[RawDigest], proofs: Sequence[ChunkProof]) -> None:
    """Raise TransferError if *held* counts other rows than *proofs*."""
    if [digest.rows for digest in held] != [proof.rows for proof in proofs]:
        raise TransferError("PostgreSQL holds other rows than were sent", where=table)


def expect_digests(
    table: str,
    proofs: Sequence[ChunkProof],
    sent: Sequence[RawDigest | None],
    held: Sequence[RawDigest],
) -> None:
    """Raise TransferError if a digest is not the one of the rows that were sent.

    Args:
        table: The table.
        proofs: The chunks.
        sent: What the digest of each must be, where that is known.
        held: What it is in PostgreSQL.
    """
    for proof, known, digest in zip(proofs, sent, held, strict=True):
        if known is not None and known != digest:
            raise TransferError(
                f"PostgreSQL holds other values than were sent{_show_keys(proof.chunk)}: they were "
                "changed on the way, or in the table",
                where=table,
                fix=f"etl run {table}; where it comes again, encrypt the line: ssl_mode: "
                "verify-full in pipeline.yml, under connections, analytics",
            )


def _show_keys(chunk: Chunk) -> str:
    lower, upper = chunk.lower, chunk.upper
    bounds = [f"from {lower}"] if lower is not None else []
    bounds += [f"to {upper - 1}"] if upper is not None else []
    return f", in keys {' '.join(bounds)}" if bounds else ""
