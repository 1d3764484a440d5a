"""Liveness of a server: tell a silent server from a busy one while a connection waits.

A long statement and a frozen server look alike to the client: no bytes arrive. So a wait in which
nothing has come for ``SILENCE_SECONDS`` starts a *probe*: a second connection asks the server which
of its sessions are at work. A wait ends with an error

- when the probe gets no answer (the server is frozen, or the network is dark), or
- when the server says that our session is idle (its answer to us was lost on the way).

``Liveness`` is one server, shared by the connections to it. ``Wait`` is one wait of one connection.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from etl_pipeline.core.cancellation import Cancellation

SILENCE_SECONDS = 30.0
"""Time without a byte after which a wait has the server probed."""
PROBE_SECONDS = 10.0
"""Time limit for an answer to a probe."""
TICK_SECONDS = 1.0
"""Longest time between two calls of ``Wait.tick`` while nothing comes."""
CONFIRM_SECONDS = 5.0
"""Time allowed to an answer that the server sent before the probe, and that is still under way."""
# TCP's own keepalive: 15 + 3 * 5 s, so the system ends a connection to a host that is gone in 30 s.
KEEPALIVE_IDLE_SECONDS = 15
KEEPALIVE_INTERVAL_SECONDS = 5
KEEPALIVE_COUNT = 3


class SilentError(OSError):
    """A wait was given up: the server is silent, its answer was lost, or a stop was requested."""


@dataclass(frozen=True, slots=True)
class SessionReport:
    """A server's answer to a probe: which sessions of our user are at work.

    Without arguments: the server is alive, and nothing is known of its sessions.

    Attributes:
        working: Ids of the sessions that execute something and wait for no client.
        lists_prober: Whether the session that asked is in the server's list. If it is not, there is
            a proxy between, and the ids in the list are not those that our connections know.
    """

    working: frozenset[int] = frozenset()
    lists_prober: bool = False

    def has_lost(self, session: int | None) -> bool:
        """True if *session* executes nothing, so that the answer we wait for was lost."""
        return self.lists_prober and session is not None and session not in self.working


Probe = Callable[[], SessionReport | None]
"""Ask a server over a new connection; the result is None if it does not answer in time."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """An answer, or None for silence, and the clock's time when the question was sent."""

    began: float
    answer: SessionReport | None


class Liveness:
    """Knowledge of one server's liveness, shared by all connections to it, from any thread.

    Args:
        probe: Asks the server; None switches probes off, and the server counts as alive.
        stop: Ends waits ``GRACE_SECONDS`` after it was requested; None: only a signal does.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        probe: Probe | None = None,
        stop: Cancellation | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._probe, self.stop, self.clock = probe, stop or Cancellation(), clock
        self._lock = threading.Lock()  # request_probe starts no second thread
        self._is_probing = False
        self._last: ProbeResult | None = None
        self._probe_lock = threading.Lock()  # is_alive: one thread probes, the others wait

    @property
    def is_silent(self) -> bool:
        """True if the last probe or login got no answer, and is recent enough to be believed."""
        result = self._last
        return (
            result is not None
            and result.answer is None
            and self.clock() - result.began < SILENCE_SECONDS + PROBE_SECONDS
        )

    def note_silence(self) -> None:
        """Record that a login got no answer in time."""
        self._last = ProbeResult(self.clock(), None)

    def note_answer(self) -> None:
        """Record that the server answered a login."""
        self._last = ProbeResult(self.clock(), SessionReport())

    def is_alive(self) -> bool:
        """True unless the server is known to be silent; then it is probed, and this waits for it.

        A silent server is probed again no sooner than ``PROBE_SECONDS`` after the last time.
        """
        if self._probe is None:
            return True
        with self._probe_lock:
            result, now = self._last, self.clock()
            if result is None or result.answer is not None:
                return True
            if now - result.began > PROBE_SECONDS:
                answer = self._probe()
                self._last = result = ProbeResult(self.clock(), answer)
        return result.answer is not None

    def request_probe(self, since: float) -> ProbeResult | None:
        """Return the result of a probe that was sent at *since* or later; None while there is none.

        Does not wait: it starts a probe in a thread, unless one is under way.
        """
        if self._probe is None:
            return None
        with self._lock:
            if self._last is not None and self._last.began >= since:
                return self._last
            if not self._is_probing:
                self._is_probing = True
                threading.Thread(target=self._run_probe, name="liveness", daemon=True).start()
        return None

    def _run_probe(self) -> None:
        began, answer = self.clock(), None
        try:
            answer = self._probe() if self._probe else None
        finally:
            with self._lock:
                self._last, self._is_probing = ProbeResult(began, answer), False


class Wait:
    """One wait of one connection: ``tick`` raises when there is no more point in waiting.

    Args:
        liveness: Of the server.
        session: The server's id of the connection's session; None before the login.
        limit: Seconds after which the wait ends, whatever the server says; None for no limit.
    """

    def __init__(self, liveness: Liveness, session: int | None, limit: float | None) -> None:
        self._liveness, self._session, self._limit = liveness, session, limit
        self._began = liveness.clock()
        self._next_probe_at = self._began + SILENCE_SECONDS
        self._lost_at: float | None = None

    def tick(self, waited: float = 0.0) -> None:
        """Check whether to wait on; called each time that nothing has come for a moment.

        Args:
            waited: Seconds that had gone by before this wait was created.

        Raises:
            SilentError: The server is silent, the answer was lost on its way, or a stop was
                requested more than ``GRACE_SECONDS`` ago.
            TimeoutError: The limit is reached.
        """
        now = self._liveness.clock()
        waited += now - self._began
        if self._liveness.stop.is_overdue:
            raise SilentError("stopped while waiting for the server")
        if self._limit is not None and waited >= self._limit:
            raise TimeoutError(f"nothing came for {self._limit:g} s")
        if waited >= CONFIRM_SECONDS and self._liveness.is_silent:
            raise SilentError("the server does not answer others either")
        if self._lost_at is not None and now - self._lost_at >= CONFIRM_SECONDS:
            raise SilentError("the server has done its work, and its answer did not come")
        if now >= self._next_probe_at and self._lost_at is None:
            self._probe_server(now)

    def _probe_server(self, now: float) -> None:
        result = self._liveness.request_probe(self._next_probe_at)
        if result is None:
            return
        if result.answer is None:
            raise SilentError(f"nothing came for {now - self._began:.0f} s, nor did an answer")
        if result.answer.has_lost(self._session):
            self._lost_at = now
        self._next_probe_at = now + SILENCE_SECONDS
