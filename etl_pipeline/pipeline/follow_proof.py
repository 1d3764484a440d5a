"""The proof of all tables while they are followed: which chunks the next batches compare (no I/O).

A batch reads these chunks in its own snapshot of the source, after the changes that were logged
before it are written. So a row that differs then was changed past the log, however busy the source
is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

PROOF_SECONDS = 0.5
"""About so long a batch is longer for the proof."""
MOST_CHUNKS = 64
"""Chunks that a batch compares at most: each may be a temporary file."""


@dataclass(slots=True)
class ProofPass:
    """One comparison of all tables, chunk by chunk.

    Attributes:
        started_at: Nothing that is proven was read earlier.
        left: Table and ordinal of the chunks that are not compared yet, in their order.
        tables: Tables of which all chunks are compared in the end.
        chunks: Chunks compared so far.
        corrections: Sentences on rows that were wrong, by table.
    """

    started_at: datetime
    left: deque[tuple[str, int]]
    tables: set[str]
    chunks: int = 0
    corrections: dict[str, list[str]] = field(default_factory=dict)
    _at_once: int = 1

    @classmethod
    def of(cls, started_at: datetime, chunks: Mapping[str, int]) -> ProofPass:
        """Return the proof of tables that have so many *chunks*."""
        left = ((name, ordinal) for name, count in chunks.items() for ordinal in range(count))
        return cls(started_at, deque(left), set(chunks))

    @property
    def is_done(self) -> bool:
        """True if nothing is left to be compared."""
        return not self.left

    def next_chunks(self) -> dict[str, frozenset[int]]:
        """Return the ordinals of the chunks that the next batch compares, by table."""
        chosen: dict[str, set[int]] = {}
        for name, ordinal in list(self.left)[: self._at_once]:
            chosen.setdefault(name, set()).add(ordinal)
        return {name: frozenset(ordinals) for name, ordinals in chosen.items()}

    def note_compared(self, seconds: float) -> None:
        """Note that a batch has compared ``next_chunks``, and was *seconds* at work in all."""
        compared = min(self._at_once, len(self.left))
        for _ in range(compared):
            self.left.popleft()
        self.chunks += compared
        fitting = int(compared * PROOF_SECONDS / max(seconds, 0.001))
        self._at_once = max(1, min(fitting, 2 * self._at_once, MOST_CHUNKS))

    def note_correction(self, table: str, sentences: Iterable[str]) -> None:
        """Note what was wrong with *table*."""
        self.corrections.setdefault(table, []).extend(sentences)

    def leave_out(self, tables: Iterable[str]) -> None:
        """Take *tables* out: a run compares them."""
        gone = set(tables)
        self.tables -= gone
        self.left = deque(each for each in self.left if each[0] not in gone)
