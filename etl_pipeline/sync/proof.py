"""Proofs and outcomes: what is known of a table after a hop, as values."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from etl_pipeline.transfer.select import Chunk


@dataclass(frozen=True, slots=True)
class ChunkProof:
    """What the source sent for a chunk.

    Attributes:
        text_digest: 32 bytes, over the lossless text.
        read_at: The instant at which the read began, UTC.
    """

    chunk: Chunk
    rows: int
    text_digest: bytes
    read_at: datetime


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
        text_bytes: Size of the row text that the source sent.
        inserted: Rows of ``raw`` that are new, with *updated* and *deleted* alike.
        altered: Values that ``raw`` cannot hold, by column and kind.
        notes: Sentences for the summary, on what was mapped or degraded.
    """

    table: str
    strategy: str
    grade: str | None = None
    rows: int = 0
    text_bytes: int = 0
    seconds: float = 0.0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    altered: Counter[tuple[str, str]] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    error: str | None = None
    fix: str | None = None
