"""A table on its way into ``raw``, and what came of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import psycopg

from etl_pipeline.core.encryption import read_postgres_line
from etl_pipeline.core.workers import Workers
from etl_pipeline.errors import TransferError
from etl_pipeline.load.digests import read_digests
from etl_pipeline.load.evolve import EvolvingRaw
from etl_pipeline.load.sql import live_rows
from etl_pipeline.replicate.corrections import Correction
from etl_pipeline.replicate.job import Report
from etl_pipeline.replicate.scrub_budget import NO_SCRUB_SCOPE, ScrubScope
from etl_pipeline.replicate.strategy import Rules
from etl_pipeline.state.records import ChunkProof, Lease, RawDigest
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.select import RenderedTable


@dataclass(frozen=True, slots=True)
class LoadResult:
    """How many rows of ``raw`` the second hop changed, and what had been wrong there.

    Attributes:
        notes: Sentences on what took more than was asked for.
        is_seen_whole: Whether all of the table was written, or digested anew.
    """

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    corrections: tuple[Correction, ...] = ()
    notes: tuple[str, ...] = ()
    is_seen_whole: bool = field(default=False, compare=False)

    @property
    def changed(self) -> int:
        """All of them."""
        return self.inserted + self.updated + self.deleted


@dataclass(frozen=True, slots=True)
class LoadJob:
    """A table on its way into *target*, quoted; *analytics* is in its transaction.

    Attributes:
        look: Chunks that are digested anew, though nothing may have changed in them.
    """

    text: RenderedTable
    target: str
    workers: Workers
    analytics: psycopg.Connection
    rules: Rules
    lease: Lease
    report: Report
    raw: EvolvingRaw
    look: ScrubScope = NO_SCRUB_SCOPE

    @property
    def rows(self) -> str:
        """What the target's rows are read and written as."""
        return self.raw.rows

    @property
    def live(self) -> str:
        """What those of them are read as that are not marked as deleted."""
        return live_rows(self.rows, has_marks=self.raw.has_marks)

    @property
    def is_open(self) -> bool:
        """Whether what is sent to PostgreSQL can be changed on the way."""
        return read_postgres_line(self.analytics, "analytics").is_open

    def digests(
        self, target: str, chunks: Sequence[Chunk], proofs: Sequence[ChunkProof]
    ) -> list[RawDigest]:
        """PostgreSQL's digests of *chunks* of *target*, in their order; *proofs* are of all."""
        among = [proof.chunk for proof in proofs]
        return read_digests(self.analytics, target, self.text, chunks, among=among)

    def execute(self, statements: Collection[str]) -> list[int]:
        """The number of rows that each of *statements* changed."""
        return [self.analytics.execute(statement.encode()).rowcount for statement in statements]


def expect_rows(table: str, held: Sequence[RawDigest], proofs: Sequence[ChunkProof]) -> None:
    """Refuse digests of other numbers of rows than were proven."""
    if [digest.rows for digest in held] != [proof.rows for proof in proofs]:
        raise TransferError("PostgreSQL holds other rows than were sent", where=table)


def expect_digests(
    table: str,
    proofs: Sequence[ChunkProof],
    sent: Sequence[RawDigest | None],
    held: Sequence[RawDigest],
) -> None:
    """Refuse digests of rows that are not those that were sent.

    Args:
        table: The table.
        proofs: The chunks.
        sent: What the digest of each must be, where that is known.
        held: What it is.
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
