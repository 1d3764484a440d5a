"""Numbers, spans of time and tables as people read them."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType


def count_of(number: int, noun: str, plural: str | None = None) -> str:
    """Return *number* with its noun: ``1 table``, ``2,000 tables``.

    Args:
        number: How many.
        noun: The words after 1; they may hold a verb (``row is``).
        plural: The words after any other number; None for *noun* and an ``s``.
    """
    words = noun if number == 1 else plural or f"{noun}s"
    return f"{number:,} {words}"


def age_of(span: timedelta) -> str:
    """Return *span* in its largest whole unit: ``40 s``, ``12 min``, ``5 h``, ``3 days``."""
    seconds = max(0, int(span.total_seconds()))
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit if count > 1 or unit != 'days' else 'day'}"
    return f"{seconds} s"


def align(
    rows: Sequence[Sequence[str]],
    right: Collection[int] = (),
    widest: Mapping[int, int] = MappingProxyType({}),
) -> list[str]:
    """Return one line per row, with its cells in columns.

    Args:
        rows: The cells; each row has as many.
        right: Columns that are flush right.
        widest: Columns with the width up to which they grow; a longer cell moves what follows.
    """
    widths = [
        min(widest.get(i, sys.maxsize), max(map(len, column)))
        for i, column in enumerate(zip(*rows, strict=True))
    ]
    return [
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def align_within(
    width: int | None, rows: Sequence[Sequence[str]], right: Collection[int], spare: Sequence[int]
) -> list[str]:
    """Return ``align``'s lines without those columns of *spare* for which *width* has no room.

    Args:
        width: Columns of the terminal; None for no limit.
        rows: The head first.
        right: Columns that are flush right.
        spare: Columns that the reader can do without; the first is left out first.
    """
    left_out: set[int] = set()
    for column in [*spare, None]:
        kept = [i for i in range(len(rows[0])) if i not in left_out]
        shown = align(
            [[row[i] for i in kept] for row in rows],
            [kept.index(i) for i in right if i in kept],
        )
        if column is None or width is None or max(map(len, shown)) <= width:
            break
        left_out.add(column)
    return shown
