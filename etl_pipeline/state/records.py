"""Proofs and outcomes: what is known of a table after a hop, as values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from etl_pipeline.schema.drift_decision import DriftEvent
from etl_pipeline.transfer.chunk import Chunk

Altered = Counter[tuple[int, str]]
"""Values that PostgreSQL cannot hold, by column position and kind."""


@dataclass(frozen=True, slots=True)
class ChunkProof:
    """What the source sent for a chunk.

    Attributes:
        text_digest: 32 bytes, over the lossless text; or, where *is_text* is False, random bytes
            that no text has, because single rows were written since all of it was read.
        read_at: The instant at which the read began, UTC.
        text_bytes: Size of the text when all of it was last read.
        altered: What of it PostgreSQL cannot hold.
    """

    chunk: Chunk
    rows: int
    text_digest: bytes
    read_at: datetime
    is_text: bool = True
    text_bytes: int = 0
    altered: Altered = field(default_factory=Counter, compare=False)


@dataclass(frozen=True, slots=True)
class RawDigest:
    """PostgreSQL's own digest of a chunk's rows in ``raw``.

    Attributes:
        value: Sum of ``hashtextextended`` over the rows; 0 for none.
    """

    rows: int
    value: Decimal


@dataclass(slots=True)
class TableOutcome:
    """What a run did to a table.

    Attributes:
        rows: Rows that the table has in ``raw`` after it.
        rows_read: Rows that the source sent; of ``incremental``, its keys are not among them.
        text_bytes: Size of the row text that the source sent.
        inserted: Rows of ``raw`` that are new, with *updated* and *deleted* alike.
        read_from: The oldest instant of the source that the table shows, UTC.
        read_to: The youngest.
        proven_at: The oldest instant of the last proof of every value, UTC.
        watermark: Highest ``incremental_column`` whose rows are committed; None without one.
        altered: Values that ``raw`` cannot hold, by column and kind.
        notes: Sentences for the summary, on what was mapped or degraded.
        mended: Sentences on rows of our copies that were wrong, and are not any more.
        finished_in: The run that did all this before it was cut off; None for this one.
        drift: Changes of the source's schema, and what was done about them.
    """

    table: str
    strategy: str
    grade: str | None = None
    rows: int = 0
    rows_read: int = 0
    text_bytes: int = 0
    seconds: float = 0.0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    read_from: datetime | None = None
    read_to: datetime | None = None
    proven_at: datetime | None = None
    watermark: str | None = None
    altered: Counter[tuple[str, str]] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    corrections: list[str] = field(default_factory=list)
    drift: Sequence[DriftEvent] = ()
    error: str | None = None
    fix: str | None = None
    finished_in: int | None = None
