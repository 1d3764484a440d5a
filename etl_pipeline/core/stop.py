"""A request to stop, shared by all that is at work."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from etl_pipeline.errors import StoppedError


class Stop:
    """Set once, from any thread; work looks at it between two blocks and gives up.

    What waits for a server cannot look, so a statement at work registers how it is cancelled.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._cancels: list[Callable[[], None]] = []

    def check(self) -> None:
        """Raise StoppedError if a stop was requested."""
        if self._event.is_set():
            raise StoppedError("stopped")

    def wait(self, seconds: float) -> None:
        """Sleep for *seconds*; a request to stop ends the sleep with StoppedError."""
        self._event.wait(seconds)
        self.check()

    def request(self) -> None:
        """Ask everybody to stop, and cancel what waits for a server."""
        with self._lock:
            self._event.set()
            cancels = list(self._cancels)
        for cancel in cancels:
            # Each of them is a courtesy to a server; one that is gone needs none.
            with contextlib.suppress(Exception):
                cancel()

    @contextlib.contextmanager
    def cancelling(self, cancel: Callable[[], None]) -> Iterator[None]:
        """While the block runs, a stop also calls *cancel*, from the thread that requests it."""
        with self._lock:
            self.check()  # under the lock, so that a request either is seen here or sees *cancel*
            self._cancels.append(cancel)
        try:
            yield
        finally:
            with self._lock:
                self._cancels.remove(cancel)
