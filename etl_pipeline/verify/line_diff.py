"""Lines of row text compared with each other: pure.

A hash stands for each line, so that a chunk's rows need not be held twice.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable

from etl_pipeline.transfer.select import RenderedTable
from etl_pipeline.verify.verdict import DiscrepancyKind


def compare_lines(
    text: RenderedTable, ours: Iterable[bytes], theirs: Iterable[bytes]
) -> dict[bytes, DiscrepancyKind]:
    """What is the matter with rows of *theirs*, by their keys; the table has a primary key."""
    found: dict[bytes, DiscrepancyKind] = {}
    lines = {text.key_of(line): _mark(line) for line in ours}
    for line in theirs:
        key = text.key_of(line)
        expected = lines.pop(key, None)
        if expected is None:
            found[key] = "extra"
        elif expected != _mark(line):
            found[key] = "differs"
    found.update((key, "missing") for key in lines)
    return found


def count_lines(ours: Iterable[bytes], theirs: Iterable[bytes]) -> Counter[DiscrepancyKind]:
    """How many lines *theirs* lacks and has besides *ours*; for rows without a key."""
    left = Counter(_mark(line) for line in ours)
    left.subtract(_mark(line) for line in theirs)
    counts: Counter[DiscrepancyKind] = Counter()
    counts["missing"] = sum(count for count in left.values() if count > 0)
    counts["extra"] = -sum(count for count in left.values() if count < 0)
    return +counts


def unlike_columns(text: RenderedTable, one: bytes, other: bytes) -> tuple[str, ...]:
    """The columns of which two lines of a key have different values."""
    fields = zip(text.column_names, one.split(b"\t"), other.split(b"\t"), strict=True)
    return tuple(name for name, ours, theirs in fields if ours != theirs)


def show_line(line: bytes) -> tuple[str | None, ...]:
    """The values of a lossless line for people, as it spells them; None for NULL."""
    return tuple(
        None if field == b"\\N" else field.decode(errors="replace") for field in line.split(b"\t")
    )


def _mark(line: bytes) -> bytes:
    return hashlib.blake2b(line, digest_size=16).digest()
