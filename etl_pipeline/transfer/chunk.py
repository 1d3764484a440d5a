"""The key range of a table that is written in one transaction, and how ranges tile a table."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chunk:
    """The key range ``[lower, upper)`` of a table, written in one transaction.

    Attributes:
        ordinal: 0 for the first chunk of the table.
        lower: Smallest key in the chunk; None where the range has no lower end.
        upper: First key past the chunk; None where the range has no upper end.
    """

    ordinal: int
    lower: int | None = None
    upper: int | None = None


def tile(bounds: Sequence[int], within: Chunk | None = None) -> list[Chunk]:
    """The chunks between *bounds*, which rise strictly; together they hold every key of *within*.

    None stands for every key there is.
    """
    within = within or Chunk(0)
    edges = [within.lower, *bounds, within.upper]
    return [
        Chunk(ordinal, lower, upper)
        for ordinal, (lower, upper) in enumerate(itertools.pairwise(edges))
    ]


def is_tiling(chunks: Sequence[Chunk]) -> bool:
    """True if *chunks* are in order and together hold every possible key, each once."""
    if not chunks or chunks[0].lower is not None or chunks[-1].upper is not None:
        return False
    return [chunk.ordinal for chunk in chunks] == list(range(len(chunks))) and all(
        chunk.upper is not None and chunk.upper == following.lower
        for chunk, following in itertools.pairwise(chunks)
    )
