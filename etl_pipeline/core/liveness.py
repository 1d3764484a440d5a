"""Tells a server that is silent from one at work, for whoever waits for an answer.

A long statement and a server that is frozen look alike from here: nothing comes. So whoever has
heard nothing for ``SILENCE_SECONDS`` has the server asked over a second connection what the
session is doing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from etl_pipeline.core.cancellation import Cancellation

SILENCE_SECONDS = 30.0
"""Nothing has come for so long: the server is asked whether it is at work."""
PROBE_SECONDS = 10.0
"""Time limit for an answer to a probe."""
TICK_SECONDS = 1.0
"""Interval at which a wait is checked."""
CONFIRM_SECONDS = 5.0
"""Time in which an answer that was sent before the probe arrives."""
KEEPALIVE_IDLE_SECONDS = 15
KEEPALIVE_INTERVAL_SECONDS = 5
KEEPALIVE_COUNT = 3
"""Together half a minute after which TCP itself notices that nobody is at the other end."""


class SilentError(OSError):
    """Nobody answers any more, or nobody waits for the answer."""


@dataclass(frozen=True, slots=True)
class SessionReport:
    """A server's answer about its user's sessions.

    Attributes:
        working: Numbers of the user's sessions that are at work, and wait for no client.
        knows_itself: Whether the session that asked is among them; where it is not, a proxy is
            between, and the numbers are not those that our connections know.
    """

    working: frozenset[int] = frozenset()
    knows_itself: bool = False

    def has_lost(self, session: int | None) -> bool:
        """True if *session* executes nothing, so that the answer we wait for was lost."""
        return self.knows_itself and session is not None and session not in self.working


Probe = Callable[[], SessionReport | None]
"""Asks a server over a new connection; None where it does not answer in time."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    began: float
    answer: SessionReport | None


class Liveness:
    """Watch on one server; shared by all connections to it, from any thread.

    Args:
        probe: Asks the server; None where nobody shall.
        stop: When it was requested, nobody waits on; None for one of its own.
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
        self._lock, self._turn = threading.Lock(), threading.Lock()
        self._is_asking = False
        self._verdict: _Verdict | None = None

    @property
    def is_silent(self) -> bool:
        """True if the server did not answer when it was last asked, just now."""
        verdict = self._verdict
        return (
            verdict is not None
            and verdict.answer is None
            and self.clock() - verdict.began < SILENCE_SECONDS + PROBE_SECONDS
        )

    def note_silence(self) -> None:
        """Somebody has tried to connect, and had no answer in time."""
        self._verdict = _Verdict(self.clock(), None)

    def note_life(self) -> None:
        """The server has answered somebody."""
        self._verdict = _Verdict(self.clock(), SessionReport())

    def is_alive(self) -> bool:
        """True if the server answers; a silent one is asked every ``PROBE_SECONDS``."""
        if self._probe is None:
            return True
        with self._turn:
            verdict, now = self._verdict, self.clock()
            if verdict is None or verdict.answer is not None:
                return True
            if now - verdict.began > PROBE_SECONDS:
                answer = self._probe()
                self._verdict = verdict = _Verdict(self.clock(), answer)
        return verdict.answer is not None

    def ask(self, since: float) -> _Verdict | None:
        """Return the server's answer to a probe at *since* or later; None while there is none."""
        if self._probe is None:
            return None
        with self._lock:
            if self._verdict is not None and self._verdict.began >= since:
                return self._verdict
            if not self._is_asking:
                self._is_asking = True
                threading.Thread(target=self._ask, name="liveness", daemon=True).start()
        return None

    def _ask(self) -> None:
        began, answer = self.clock(), None
        try:
            answer = self._probe() if self._probe else None
        finally:
            with self._lock:
                self._verdict, self._is_asking = _Verdict(began, answer), False


class Wait:
    """One wait for a server, whose ``tick`` raises when there is nothing more to wait for.

    Args:
        liveness: Of the server.
        session: The number by which it knows the connection; None where there is none yet.
        limit: Seconds after which the wait ends, whatever the server says; None for no limit.
    """

    def __init__(self, liveness: Liveness, session: int | None, limit: float | None) -> None:
        self._liveness, self._session, self._limit = liveness, session, limit
        self._began = self._asks_at = liveness.clock()
        self._asks_at += SILENCE_SECONDS
        self._lost_at: float | None = None

    def tick(self, waited: float = 0.0) -> None:
        """Look up, when nothing has come for a moment.

        Args:
            waited: Seconds that had gone by before this was made.

        Raises:
            SilentError: The server is silent, the answer was lost on its way, or a stop was
                requested a while ago.
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
        if now >= self._asks_at and self._lost_at is None:
            self._judge(now)

    def _judge(self, now: float) -> None:
        verdict = self._liveness.ask(self._asks_at)
        if verdict is None:
            return
        if verdict.answer is None:
            raise SilentError(f"nothing came for {now - self._began:.0f} s, nor did an answer")
        if verdict.answer.has_lost(self._session):
            self._lost_at = now
        self._asks_at = now + SILENCE_SECONDS
