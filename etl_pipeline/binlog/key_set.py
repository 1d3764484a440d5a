"""Sets of changed keys that stay small, however many keys there are (no I/O).

Keys that are one integer are kept as ranges: a row of neighbours costs what one key costs. Other
keys are kept as lines of row text; too many of them become ranges of their first column, or, where
that is no integer, the whole table.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import merge

from etl_pipeline.binlog.keys import KeyLayout

MOST_RANGES = 1 << 17
"""Ranges of a set: 2 MB. Beyond it those with the smallest gaps between them are joined."""
MOST_LINES_BYTES = 64 << 20
"""Bytes of keys of a set that are kept as lines."""
LINE_OVERHEAD = 100
"""Bytes that a line in a set takes beside its text, about."""
PENDING_KEYS = 1 << 16
"""Integers that are collected before they are made ranges."""

Range = tuple[int, int]
"""The first and the last integer, both included."""


@dataclass(frozen=True, slots=True)
class ChangedKeys:
    """Keys of a table, each once.

    Attributes:
        layout: Of the table's key.
        bounds: Of ranges of the first column: first, last, first, last and so on; empty where
            *known_lines* holds the keys.
        known_lines: Keys as row text; None where only ranges are known.
        is_exact: Whether *bounds* hold changed keys alone; if not, others as well.
        is_lost: Whether there were too many to keep: any row of the table may have changed.
    """

    layout: KeyLayout
    bounds: array[int]
    known_lines: frozenset[bytes] | None = None
    is_exact: bool = True
    is_lost: bool = False

    def __bool__(self) -> bool:
        return bool(self.bounds or self.known_lines or self.is_lost)

    @property
    def count(self) -> int:
        """Number of keys; of ranges that are not exact, of the integers that they span."""
        if self.known_lines is not None:
            return len(self.known_lines)
        bounds = self.bounds
        return sum(bounds[1::2]) - sum(bounds[::2]) + len(bounds) // 2

    @property
    def has_lines(self) -> bool:
        """True if ``lines`` gives each changed key; if not, only ``ranges`` tell where they are."""
        return not self.is_lost and (self.known_lines is not None or self.layout.is_integer)

    def lines(self) -> Iterator[bytes]:
        """Yield the keys as lines of row text; of a key of one integer in its order."""
        if self.known_lines is not None:
            yield from self.known_lines
        elif self.layout.is_integer:
            width = self.layout.columns[0].width
            for first, last in self.ranges:
                for value in range(first, last + 1):
                    yield b"%0*d" % (width, value) if width else b"%d" % value

    @property
    def ranges(self) -> Iterator[Range]:
        """Yield ranges of the first column that hold the keys, in order, none touching the next.

        Nothing where the first column is no integer.
        """
        if self.known_lines is None:
            yield from zip(self.bounds[::2], self.bounds[1::2], strict=True)
        elif self.layout.begins_with_integer:
            bounds = _make_ranges(_first_values(self.known_lines))
            yield from zip(bounds[::2], bounds[1::2], strict=True)


class KeyCollector:
    """Collects changed keys of one table, in bounded memory.

    Args:
        layout: Of the table's key.
    """

    def __init__(self, layout: KeyLayout) -> None:
        self.layout = layout
        self._keeps_lines = not layout.is_integer
        self._code = layout.array_code if layout.begins_with_integer else "q"
        self._pending = array(self._code)
        self._bounds = array(self._code)
        self._lines: set[bytes] = set()
        self._line_bytes = 0
        self._is_exact, self._is_lost = True, False

    def add_integers(self, values: array[int]) -> None:
        """Add keys that are one integer, or the first columns of keys that were too many."""
        self._pending.extend(values)
        if len(self._pending) >= PENDING_KEYS:
            self._make_ranges()

    def add_lines(self, lines: Iterable[bytes]) -> None:
        """Add keys as row text."""
        if self._is_lost:
            return
        if not self._keeps_lines:
            self.add_integers(_to_array(self._code, _first_values(lines)))
            return
        before = len(self._lines)
        for line in lines:
            self._lines.add(line)
            if len(self._lines) > before:
                before += 1
                self._line_bytes += len(line) + LINE_OVERHEAD
        if self._line_bytes > MOST_LINES_BYTES:
            self._drop_lines()

    def add(self, keys: ChangedKeys) -> None:
        """Add the keys of another set of the same table."""
        self._is_lost |= keys.is_lost
        if keys.known_lines is not None:
            self.add_lines(keys.known_lines)
            return
        if keys.bounds:
            if self._keeps_lines:
                self._drop_lines()
            self._make_ranges()
            self._is_exact &= keys.is_exact
            self._take_ranges(keys.bounds)

    def take(self) -> ChangedKeys:
        """Return the keys that were collected; the collector may be used on."""
        if self._keeps_lines:
            return ChangedKeys(
                self.layout, array(self._code), frozenset(self._lines), is_lost=self._is_lost
            )
        self._make_ranges()
        return ChangedKeys(
            self.layout, self._bounds, is_exact=self._is_exact, is_lost=self._is_lost
        )

    def _drop_lines(self) -> None:
        """Go on with ranges of the first column, or without any knowledge of the keys."""
        self._keeps_lines = False
        self._is_exact = False
        if self.layout.begins_with_integer:
            self.add_integers(_to_array(self._code, _first_values(self._lines)))
        else:
            self._is_lost = True
        self._lines.clear()
        self._line_bytes = 0

    def _make_ranges(self) -> None:
        if self._pending:
            made = _make_ranges(self._pending)
            self._pending = array(self._code)
            self._take_ranges(made)

    def _take_ranges(self, bounds: array[int]) -> None:
        self._bounds = _join(self._code, self._bounds, bounds) if self._bounds else bounds
        if len(self._bounds) > 2 * MOST_RANGES:
            self._bounds = _coarsen(self._bounds, MOST_RANGES // 2)
            self._is_exact = False


def _first_values(lines: Iterable[bytes]) -> Iterator[int]:
    return (int(line.split(b"\t", 1)[0]) for line in lines)


def _to_array(code: str, values: Iterable[int]) -> array[int]:
    return array(code, values)


def _make_ranges(values: Iterable[int]) -> array[int]:
    """Return the bounds of the ranges that hold *values* and nothing else."""
    ordered = sorted(set(values))
    code = "Q" if ordered and ordered[-1] >= 1 << 63 else "q"
    bounds = array(code)
    if not ordered:
        return bounds
    first = last = ordered[0]
    for value in ordered:
        if value > last + 1:
            bounds.extend((first, last))
            first = value
        last = value
    bounds.extend((first, last))
    return bounds


def _join(code: str, left: array[int], right: array[int]) -> array[int]:
    """Return the bounds of what is in *left* or in *right*."""
    pairs = merge(
        zip(left[::2], left[1::2], strict=True), zip(right[::2], right[1::2], strict=True)
    )
    bounds = array(code)
    first, last = next(pairs)
    for start, end in pairs:
        if start > last + 1:
            bounds.extend((first, last))
            first, last = start, end
        elif end > last:
            last = end
    bounds.extend((first, last))
    return bounds


def _coarsen(bounds: array[int], most: int) -> array[int]:
    """Return at most *most* ranges that hold those of *bounds*, joined over the smallest gaps."""
    gaps = sorted(b - a for a, b in zip(bounds[1::2], bounds[2::2], strict=False))
    widest = gaps[len(gaps) - most] if len(gaps) > most else 0
    kept = array(bounds.typecode, bounds[:1])
    for last, first in zip(bounds[1::2], bounds[2::2], strict=False):
        if first - last > widest:
            kept.extend((last, first))
    kept.append(bounds[-1])
    return kept
