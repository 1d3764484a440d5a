"""Choose the chunks that a run compares again though it did not write them (no I/O but the clock).

A run digests anew the part of its copies that was looked at longest ago, as far as a budget of time
goes (a *scrub*), and all of a table that others may have written to.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

CHUNKS_PER_SECOND = 10
"""About as many are digested in a second: a chunk is some megabytes. The clock decides."""


class ScrubBudget:
    """Seconds that scrubbing may take, of all tables together; used by many threads."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self._lock = threading.Lock()

    @property
    def is_spent(self) -> bool:
        """True if nothing more may begin; a budget above zero allows one chunk at least."""
        return self._left <= 0

    @property
    def chunks(self) -> int:
        """Return the number of chunks that may fit into the budget."""
        return math.ceil(self._left * CHUNKS_PER_SECOND)

    @contextlib.contextmanager
    def spending(self) -> Iterator[None]:
        """Take the time of the block off the budget."""
        started = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._left -= time.monotonic() - started


@dataclass(frozen=True, slots=True)
class ScrubScope:
    """Chunks of a table, in replication or in ``raw``, that are digested anew.

    Attributes:
        every: Whether all of them are, since somebody else may have written there.
        ordinals: Those that are while *budget* lasts.
    """

    every: bool = False
    ordinals: frozenset[int] = frozenset()
    budget: ScrubBudget | None = None

    def takes(self, ordinal: int) -> bool:
        """True if the chunk of *ordinal* must be digested now."""
        if self.every:
            return True
        return ordinal in self.ordinals and not (self.budget and self.budget.is_spent)

    def spending(self) -> contextlib.AbstractContextManager[None]:
        """Around the work on a chunk."""
        if self.every or self.budget is None:
            return contextlib.nullcontext()
        return self.budget.spending()


NO_SCRUB_SCOPE = ScrubScope()
