"""Collect transactions of the log into batches, as far as a snapshot of the source can show.

What was read from the log and is not in a batch yet is kept in order. What a batch has read, but
whose rows its snapshot may not have shown yet, comes again with the next one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from etl_pipeline.binlog.changes import LoggedTransaction
from etl_pipeline.binlog.keys import KeyLayout
from etl_pipeline.binlog.position import Position
from etl_pipeline.errors import DatabaseError
from etl_pipeline.replicate.batch import Batch

LOOK_SECONDS = 0.25
"""Longest wait for the log before the caller looks whether it is to end."""
DRAIN_SECONDS = 60.0
"""Longest wait for what the log is known to hold already."""


class Log(Protocol):
    """The part of ``binlog/stream.py`` that is used."""

    @property
    def position(self) -> Position:
        """The place up to which the log was read."""

    def read(self, until: float, upto: Position | None = None) -> LoggedTransaction | None:
        """Return the next transaction; None where none came until *until*, or before *upto*."""


class LogFeed:
    """The transactions of *log* after *position*, of the tables of *followed*.

    Attributes:
        pending: What the next batch has to read.
        others: Tables that are not followed and whose schema may have changed.
    """

    def __init__(
        self,
        log: Log,
        position: Position,
        followed: Mapping[str, KeyLayout],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log, self._followed, self._clock = log, followed, clock
        self._position = position
        self._later: list[LoggedTransaction] = []
        self.pending = Batch()
        self.others: set[str] = set()

    @property
    def position(self) -> Position:
        """From where to go on once all of *pending* is written."""
        return self._position

    def collect(self, until: float) -> bool:
        """Take what comes until *until*; return True if nothing more was there."""
        while (transaction := self._next(until)) is not None:
            self._take(transaction)
            if self._clock() >= until:
                return False
        self._note_progress()
        return True

    def wait(self, until: float) -> bool:
        """Wait for a change until *until*, and take it; True if nothing was logged until then."""
        transaction = self._next(until)
        if transaction is None:
            self._note_progress()
            return True
        self._take(transaction)
        return False

    def drain(self, end: Position, check: Callable[[], None]) -> None:
        """Take all that was committed before *end*; what comes after it is kept.

        Raises:
            DatabaseError: The log does not come, though the server holds it.
        """
        for transaction in self._read_to(end, check):
            self._take(transaction)
        self._note_progress()

    def read_ahead(self, end: Position, check: Callable[[], None]) -> list[LoggedTransaction]:
        """Read all that was committed before *end*, for this batch, and for the next one again.

        The caller gives it back with ``begin_batch``. Raises: as ``drain``.
        """
        ahead = list(self._read_to(end, check))
        for transaction in ahead:
            self.pending.add(transaction, self._followed)
        return ahead

    def _read_to(self, end: Position, check: Callable[[], None]) -> Iterator[LoggedTransaction]:
        deadline = self._clock() + DRAIN_SECONDS
        while self._later or self._log.position.place < end.place:
            check()
            transaction = self._next(self._clock() + LOOK_SECONDS, end)
            if transaction is None:
                if self._clock() > deadline:
                    raise _stalled()
                continue
            deadline = self._clock() + DRAIN_SECONDS
            if transaction.position.place > end.place:
                self._later.insert(0, transaction)
                return
            yield transaction

    def begin_batch(self, again: Sequence[LoggedTransaction] = ()) -> None:
        """Let go of what was pending, since it is written; *again* comes again before all else."""
        self.pending = Batch()
        self._later[:0] = again

    def _note_progress(self) -> None:
        """Note that all that was read is taken: what is between transactions is passed, too."""
        if not self._later:
            self._position = self._log.position

    def _next(self, until: float, upto: Position | None = None) -> LoggedTransaction | None:
        if self._later:
            return self._later.pop(0)
        return self._log.read(until, upto)

    def _take(self, transaction: LoggedTransaction) -> None:
        self._position = transaction.position
        self.pending.add(transaction, self._followed)
        self.others.update(
            name
            for name, change in transaction.tables.items()
            if change.ddl and name not in self._followed
        )


def _stalled() -> DatabaseError:
    return DatabaseError(
        f"the log did not come within {DRAIN_SECONDS:.0f} s, though the server holds it",
        where="source",
        fix="etl doctor; the follower goes on from where it was",
    )
