"""A request to stop, shared by all that is at work."""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from collections.abc import Callable, Iterator

from etl_pipeline.errors import StoppedError

GRACE_SECONDS = 2.0
"""Time that servers have to cancel their statements; then no one waits for them."""

_stops: weakref.WeakSet[Cancellation] = weakref.WeakSet()
_signalled_at: list[float] = []


def note_signal() -> None:
    """Note that the process was asked to stop: waits end after ``GRACE_SECONDS``.

    Takes no lock, so that a handler of signals may call it.
    """
    _signalled_at.append(time.monotonic())


class Cancellation:
    """Set once, from any thread; work looks at it between two blocks and gives up.

    What waits for a server cannot look, so a statement at work registers how it is cancelled.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._cancels: dict[Callable[[], None], str] = {}
        self._requested_at: float | None = None
        _stops.add(self)

    @property
    def is_requested(self) -> bool:
        """True if a stop was requested."""
        return self._event.is_set()

    @property
    def is_overdue(self) -> bool:
        """True if a stop was requested more than ``GRACE_SECONDS`` ago."""
        at = self._requested_at or next(iter(_signalled_at), None)
        return at is not None and time.monotonic() - at > GRACE_SECONDS

    def check(self) -> None:
        """Raise StoppedError if a stop was requested."""
        if self._event.is_set():
            raise StoppedError("stopped")

    def wait(self, seconds: float) -> None:
        """Sleep for *seconds*; a request to stop ends the sleep with StoppedError."""
        self._event.wait(seconds)
        self.check()

    def request(self) -> None:
        """Ask everybody to stop, and cancel what waits for a server, for ``GRACE_SECONDS``."""
        with self._lock:
            self._requested_at = self._requested_at or time.monotonic()
            self._event.set()
            cancels = list(self._cancels)
        threads = [threading.Thread(target=_try, args=(cancel,), daemon=True) for cancel in cancels]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + GRACE_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    @contextlib.contextmanager
    def cancelling(self, cancel: Callable[[], None], what: str = "") -> Iterator[None]:
        """While the block runs, a stop also calls *cancel*, from a thread of its own.

        *what* names the session whose statement runs, for somebody who has to end it by hand.
        """
        with self._lock:
            self.check()  # under the lock, so that a request either is seen here or sees *cancel*
            self._cancels[cancel] = what
        try:
            yield
        finally:
            with self._lock:
                del self._cancels[cancel]

    def list_active(self) -> list[str]:
        """Return the sessions whose statements have not ended yet."""
        return [what for what in list(self._cancels.values()) if what]


def list_active_sessions() -> list[str]:
    """Return the sessions of this process whose statements have not ended."""
    return sorted({what for stop in list(_stops) for what in stop.list_active()})


def _try(cancel: Callable[[], None]) -> None:
    # Each of them is a courtesy to a server; one that is gone needs none.
    with contextlib.suppress(Exception):
        cancel()
