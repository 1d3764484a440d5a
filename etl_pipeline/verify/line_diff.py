"""Compare lines of row text (no I/O).

Each line is replaced by a hash, so that a chunk's rows are not held in memory twice.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable

from etl_pipeline.transfer.select import RenderedTable
from etl_pipeline.verify.result import DiscrepancyKind


def compare_lines(
    text: RenderedTable, source: Iterable[bytes], replica: Iterable[bytes]
) -> dict[bytes, DiscrepancyKind]:
    """Return how the replica's rows differ from the source's, by key."""
    found: dict[bytes, DiscrepancyKind] = {}
    hashes = {text.key_of(line): _hash(line) for line in source}
    for line in replica:
        key = text.key_of(line)
        expected = hashes.pop(key, None)
        if expected is None:
            found[key] = "extra"
        elif expected != _hash(line):
            found[key] = "differs"
    found.update((key, "missing") for key in hashes)
    return found


def count_lines(source: Iterable[bytes], replica: Iterable[bytes]) -> Counter[DiscrepancyKind]:
    """Return how many lines the replica lacks, and how many it has besides the source's."""
    left = Counter(_hash(line) for line in source)
    left.subtract(_hash(line) for line in replica)
    counts: Counter[DiscrepancyKind] = Counter()
    counts["missing"] = sum(count for count in left.values() if count > 0)
    counts["extra"] = -sum(count for count in left.values() if count < 0)
    return +counts


def differing_columns(text: RenderedTable, source: bytes, replica: bytes) -> tuple[str, ...]:
    """Return the columns whose values differ between two lines of one key."""
    fields = zip(text.column_names, source.split(b"\t"), replica.split(b"\t"), strict=True)
    return tuple(name for name, expected, held in fields if expected != held)


def show_line(line: bytes) -> tuple[str | None, ...]:
    """Return the values of a lossless line as it spells them; None for NULL."""
    return tuple(
        None if field == b"\\N" else field.decode(errors="replace") for field in line.split(b"\t")
    )


def _hash(line: bytes) -> bytes:
    return hashlib.blake2b(line, digest_size=16).digest()
