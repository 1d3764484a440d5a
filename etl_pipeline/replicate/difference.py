"""Compare two row texts and return the lines that differ (no I/O).

A line is a row's whole value, so two lines of one key that differ are a row that was changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """Lines that a copy and its original do not share.

    Attributes:
        gone: Lines of the copy that the original does not have, in the copy's order.
        new: Lines of the original that the copy does not have, in the original's order.
    """

    gone: tuple[bytes, ...]
    new: tuple[bytes, ...]

    def __len__(self) -> int:
        return len(self.gone) + len(self.new)


def find_difference(original: Iterable[bytes], copy: Iterable[bytes]) -> Difference:
    """Return how *copy* differs from *original*; no line occurs twice in either, as keys do not."""
    ours = dict.fromkeys(original)
    gone = []
    for line in copy:
        if line in ours:
            del ours[line]
        else:
            gone.append(line)
    return Difference(tuple(gone), tuple(ours))
