"""Load that a run put on the source, counted where every statement passes."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class SourceUsage:
    """Statements, seconds, rows and bytes that all connections of a run asked of a server.

    Attributes:
        statements: Sent, those that begin and end a session or a transaction included.
        seconds: From each statement's sending to the end of its answer, summed up.
        rows: Received.
        bytes: Received, as they came over the line.
        longest_seconds: Of the longest statement.
        longest_of: The table that it read; empty where it read none.
        waited_seconds: How long reads were put off because the server was busy.
    """

    statements: int = 0
    seconds: float = 0.0
    rows: int = 0
    bytes: int = 0
    longest_seconds: float = 0.0
    longest_of: str = ""
    waited_seconds: float = 0.0


class UsageMeter:
    """Counts the usage of the source, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._source_usage = SourceUsage()

    def add(self, seconds: float, *, rows: int, size: int, table: str) -> None:
        """Count a statement that has ended."""
        with self._lock:
            sum_ = self._source_usage
            is_longest = seconds > sum_.longest_seconds
            self._source_usage = replace(
                sum_,
                statements=sum_.statements + 1,
                seconds=sum_.seconds + seconds,
                rows=sum_.rows + rows,
                bytes=sum_.bytes + size,
                longest_seconds=seconds if is_longest else sum_.longest_seconds,
                longest_of=table if is_longest else sum_.longest_of,
            )

    def add_wait(self, seconds: float) -> None:
        """Count a time in which nothing was begun."""
        with self._lock:
            waited = self._source_usage.waited_seconds + seconds
            self._source_usage = replace(self._source_usage, waited_seconds=waited)

    def read(self) -> SourceUsage:
        """Return the usage so far."""
        with self._lock:
            return self._source_usage
