"""A table on its way into ``raw``, and what came of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import psycopg

from etl_pipeline.errors import TransferError
from etl_pipeline.sync.claim import Claim
from etl_pipeline.sync.evolve_raw import EvolvingRaw
from etl_pipeline.sync.lanes import Lanes
from etl_pipeline.sync.look import NO_LOOK, Look
from etl_pipeline.sync.mended import Mended
from etl_pipeline.sync.proof import ChunkProof, RawDigest
from etl_pipeline.sync.raw_digests import read_digests
from etl_pipeline.sync.raw_sql import live_rows
from etl_pipeline.sync.rules import Rules
from etl_pipeline.sync.written import Report
from etl_pipeline.transfer.select import Chunk, TableText


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many rows of ``raw`` the second hop changed, and what had been wrong there.

    Attributes:
        notes: Sentences on what took more than was asked for.
        is_seen_whole: Whether all of the table was written, or digested anew.
    """

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    mended: tuple[Mended, ...] = ()
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

    text: TableText
    target: str
    lanes: Lanes
    analytics: psycopg.Connection
    rules: Rules
    claim: Claim
    report: Report
    raw: EvolvingRaw
    look: Look = NO_LOOK

    @property
    def rows(self) -> str:
        """What the target's rows are read and written as."""
        return self.raw.rows

    @property
    def live(self) -> str:
        """What those of them are read as that are not marked as deleted."""
        return live_rows(self.rows, has_marks=self.raw.has_marks)

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
