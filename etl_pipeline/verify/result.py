"""The result of a verification of a table, as values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from etl_pipeline.replicate.corrections import Place

DiscrepancyKind = Literal["differs", "missing", "extra"]
"""How a row of a copy is wrong: it has another value, is not there, or should not be there."""

_WORDS: dict[DiscrepancyKind, str] = {"differs": "differ", "missing": "missing", "extra": "extra"}


@dataclass(frozen=True, slots=True)
class SideBySide:
    """The values of two rows as text, in the order of *columns*; None stands for NULL.

    Attributes:
        expected: What the place should hold; None for no row at all.
        held: What it holds; likewise.
    """

    columns: tuple[str, ...]
    expected: tuple[str | None, ...] | None
    held: tuple[str | None, ...] | None


@dataclass(frozen=True, slots=True)
class RowDifference:
    """A row of a copy that is wrong.

    Attributes:
        key: Its primary key, for people.
        columns: Those of which the value differs; empty for a row that is missing or extra.
        values: Only where somebody asked for values.
    """

    key: str
    kind: DiscrepancyKind
    columns: tuple[str, ...] = ()
    values: SideBySide | None = None


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """Rows of replication or of ``raw`` that are wrong in the same way.

    Attributes:
        what: The fault, in words without values of rows.
        rows: At most ``KEYS_NAMED`` of the rows concerned; empty in a table without a key.
        count: How many rows are concerned.
        read_at: When the source was read for the oldest of these rows' chunks, UTC.
        looked_at: When the rows were looked at, and when once more.
        fix: The command that repairs it.
    """

    place: Place
    what: str
    rows: tuple[RowDifference, ...] = ()
    count: int = 0
    read_at: datetime | None = None
    looked_at: tuple[datetime, ...] = ()
    fix: str | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of *rows*."""
        return tuple(row.key for row in self.rows)


@dataclass(frozen=True, slots=True)
class Repaired:
    """Rows of a place that were copied again; *rows* counts them by kind of discrepancy."""

    place: Place
    rows: Counter[DiscrepancyKind]


@dataclass(slots=True)
class VerifyResult:
    """The result for a table; without discrepancies and error, its copies are as loaded.

    Attributes:
        rows: Rows that were compared.
        chunks: How many key ranges were compared, of *of_chunks*.
        moved: Rows that changed at the source since they were loaded: no discrepancy, the next run
            brings them.
        moved_since: When the source was read for the oldest of them, UTC.
        notes: Sentences on what could not be judged.
        repaired: Rows that were repaired; *discrepancies* are those that were found before.
        unrepaired: Why discrepancies are left; None where none are, or nothing was to be repaired.
    """

    table: str
    rows: int = 0
    text_bytes: int = 0
    chunks: int = 0
    of_chunks: int = 0
    discrepancies: list[Discrepancy] = field(default_factory=list)
    moved: int = 0
    moved_since: datetime | None = None
    notes: list[str] = field(default_factory=list)
    repaired: list[Repaired] = field(default_factory=list)
    unrepaired: str | None = None
    error: str | None = None
    fix: str | None = None

    @property
    def is_equal(self) -> bool:
        """True if the table was compared and no discrepancy was found."""
        return not self.discrepancies and self.error is None

    @property
    def is_repaired(self) -> bool:
        """True if all discrepancies were repaired."""
        return bool(self.repaired) and self.unrepaired is None and self.error is None


def count_words(kinds: Counter[DiscrepancyKind]) -> str:
    """Return the counts in words: ``2 differ, 1 missing``."""
    return ", ".join(f"{kinds[kind]:,} {word}" for kind, word in _WORDS.items() if kinds[kind])


def name_columns(columns: Sequence[str], most: int = 8) -> str:
    """Return the names of *columns*, at most *most*: ``Balance, Note and 3 more``."""
    rest = len(columns) - most
    return ", ".join(columns[:most]) + (f" and {rest} more" if rest > 0 else "")
