"""An instant of a run, counted in what its client says to the servers: the same on any machine."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.child import Run

POLL_SECONDS = 0.02


class Moment:
    """Counts requests on all lines; the chosen one waits until something has happened.

    Args:
        at: Number of the request, from 1; None only counts.
    """

    def __init__(self, at: int | None = None) -> None:
        self._at = at
        self._lock = threading.Lock()
        self._come, self._over = threading.Event(), threading.Event()
        self.count = 0

    def before_request(self) -> None:
        """Count a request; at the moment, wait for `go_on`."""
        with self._lock:
            self.count += 1
            is_it = self.count == self._at
        if is_it:
            self._come.set()
            self._over.wait()

    def wait(self, run: Run, seconds: float) -> bool:
        """Wait until the moment has come, or the run has ended; True if it has come."""
        deadline = time.monotonic() + seconds
        while not self._come.wait(POLL_SECONDS):
            if run.poll() is not None or time.monotonic() > deadline:
                return self._come.is_set()
        return True

    def go_on(self) -> None:
        """Let the request go its way."""
        self._over.set()
