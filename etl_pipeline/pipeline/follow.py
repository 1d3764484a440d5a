"""``etl follow``: keep both copies equal to the source, seconds behind it, by its log.

1. What is not followed yet is handed over: the place in the log is recorded first, then the
   ordinary run compares the tables, then the log is followed from that place on.
2. Batches are copied (``follow_batch.py``) until something needs an ordinary run: a table whose
   schema changed or whose changes are not known by key, or a proof that is due.
3. The run is made, and the log is followed from where it was. To read a change again does no harm.

All that has to last is recorded in the targets, so a follower that was killed begins at 1.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from etl_pipeline.config import Settings
from etl_pipeline.config.window import parse_window
from etl_pipeline.core.any_error import explained
from etl_pipeline.core.driver_errors import is_passing
from etl_pipeline.errors import (
    LogError,
    PositionLostError,
    SourceClosedError,
)
from etl_pipeline.formatting import count_of
from etl_pipeline.pipeline.events import KeepTrace, Listener, ignore_event
from etl_pipeline.pipeline.follow_proof import ProofPass
from etl_pipeline.pipeline.follow_session import Following, open_following
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.pipeline.summary import RunSummary

log = logging.getLogger(__name__)

MOST_FAILURES = 12
"""Attempts in a row that may fail, with waits that double up to ``LONGEST_WAIT_SECONDS``: about
five minutes."""
MOST_LOG_FAILURES = 3
"""After so many attempts what the log holds there is given up: a comparison takes its place."""
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0
WHOLE_SECONDS = 60.0
"""Least time between two runs for tables whose changes are not known by key."""
FEW_TABLES = 3
"""So many tables are named that are compared for one reason."""
MOST_RUNS = 3
"""Runs for a table at most where the follower is to end by itself."""
RETRY_SECONDS = 900.0
"""After so long a table whose run failed is tried again."""


@dataclass(frozen=True, slots=True)
class FollowRequest:
    """Options of ``etl follow``.

    Attributes:
        once: End when all that was logged until the beginning is copied.
        prove_now: Compare all tables first.
    """

    once: bool = False
    prove_now: bool = False


@dataclass(slots=True)
class FollowSummary:
    """The work of a follower, when it ends.

    Attributes:
        failed: Tables that are not followed, and why.
        runs: Ordinary runs that it made.
        proofs: Comparisons of all tables that it has ended.
    """

    batches: int = 0
    transactions: int = 0
    rows_changed: int = 0
    position: str = ""
    shows_at: datetime | None = None
    failed: dict[str, str] = field(default_factory=dict)
    runs: list[RunSummary] = field(default_factory=list)
    proofs: list[ProofPass] = field(default_factory=list)

    @property
    def is_success(self) -> bool:
        """True if every table is followed."""
        return not self.failed


class Finish:
    """A request to end after the batch that is at work; safe to be made by a handler of signals."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.may_wait = False
        """True while a request is heeded soon: false while an ordinary run is at work."""

    def request(self) -> None:
        """Ask the follower to end."""
        self._event.set()

    def heed(self) -> bool:
        """Take a signal; return True if the follower ends by itself soon, at the first one."""
        is_first = not self._event.is_set()
        self.request()
        return is_first and self.may_wait

    @property
    def is_requested(self) -> bool:
        """True if somebody asked."""
        return self._event.is_set()

    def wait(self, seconds: float) -> None:
        """Wait, and no longer once somebody asked."""
        self._event.wait(seconds)


def follow(
    settings: Settings,
    request: FollowRequest,
    finish: Finish,
    *,
    listen: Listener = ignore_event,
    keep_trace: KeepTrace | None = None,
) -> FollowSummary:
    """Follow the source's log until *finish*, or until all is copied where that is asked for.

    Args:
        settings: Of the environment in force.
        request: What is asked for.
        finish: Ends it after the batch that is at work.
        listen: Told of the progress of ordinary runs.
        keep_trace: Told of each error, for ``--debug``.

    Raises:
        DatabaseError: The source has no log to follow, another run is at work, or a server could
            not be reached for minutes.
        EtlError: As ``run_once``.
        KeyboardInterrupt: The user stopped an ordinary run.
    """
    follower = _Follower(settings, request, finish, listen, keep_trace)
    while not follower.is_done:
        follower.step()
    return follower.summary


@dataclass(frozen=True, slots=True)
class Needs:
    """Work to do before the log is followed on.

    Attributes:
        tables: Names.
        because: Why, by name.
        is_reopening: True if the tables are only to be selected anew.
    """

    tables: tuple[str, ...]
    because: Mapping[str, str]
    is_reopening: bool = False


class _Follower:
    """One ``etl follow`` from its beginning to its end."""

    def __init__(
        self,
        settings: Settings,
        request: FollowRequest,
        finish: Finish,
        listen: Listener,
        keep_trace: KeepTrace | None,
    ) -> None:
        self._settings, self._request, self._finish = settings, request, finish
        self._listen, self._keep_trace = listen, keep_trace
        self._failures = 0
        self._lost: str | None = None
        self._target: tuple[int, int] | None = None
        self._ran: RunSummary | None = None
        self._retry_at: dict[str, float] = {}
        self._whole_at = -WHOLE_SECONDS
        self._runs: Counter[str] = Counter()
        self._prove_at = next_time(settings.pipeline.follow.prove_at, datetime.now().astimezone())
        self._proof_due = request.prove_now
        self._proof: ProofPass | None = None
        self.summary = FollowSummary()
        self.is_done = False

    def step(self) -> None:
        """Follow the log until something else is to be done, and do that."""
        try:
            needs = self._follow_log()
            if needs and not self._finish.is_requested:
                self._run(needs)
            elif needs:
                self.is_done = True
        except PositionLostError as error:
            log.warning("%s; all tables are compared, and followed from now on", error.what)
            self._lost = error.what
            self._count_failure(error)
        except Exception as error:
            if not _may_pass(error):
                raise
            self._count_failure(error)
            if isinstance(error, LogError) and self._failures == MOST_LOG_FAILURES:
                log.warning("all tables are compared, and followed from now on")
                self._lost = error.what

    def _count_failure(self, error: Exception) -> None:
        """Wait after an error that can pass; raise it where it has not passed for too long."""
        self._failures += 1
        if self._failures > MOST_FAILURES:
            raise error
        if self._keep_trace:
            self._keep_trace(error)
        seconds = min(FIRST_WAIT_SECONDS * 2 ** (self._failures - 1), LONGEST_WAIT_SECONDS)
        if not isinstance(error, PositionLostError):
            failure = explained(error, "etl follow")
            place = f"{failure.where}: " if failure.where else ""
            log.warning("%s%s; again in %.0f s", place, failure.what, seconds)
        self._finish.wait(seconds)
        self.is_done = self._finish.is_requested

    def _follow_log(self) -> Needs | None:
        """Follow the log; return what an ordinary run has to do, None where the follower ends."""
        now = time.monotonic()
        self._retry_at = {name: at for name, at in self._retry_at.items() if at > now}
        with open_following(
            self._settings,
            self._ran,
            lost=self._lost,
            not_now=self._retry_at.keys(),
            keep_trace=self._keep_trace,
        ) as following:
            self._ran, self._lost = None, None
            if following.unfollowed:
                return Needs(following.unfollowed, following.reasons)
            if self._target is None:
                self._target = following.read_end()
            following.begin()
            self._finish.may_wait = True
            try:
                return self._copy_batches(following)
            finally:
                self._finish.may_wait = False
                following.end()

    def _copy_batches(self, following: Following) -> Needs | None:
        """Copy batches until an ordinary run is needed, or the follower ends."""
        batch_seconds = self._settings.pipeline.follow.batch_seconds
        begun_at = -batch_seconds
        following.prove(self._proof)
        while True:
            if self._finish.is_requested:
                self.is_done = True
                return None
            self._advance_proof(following)
            due_at = begun_at + batch_seconds
            is_dry = following.collect(until=due_at, waits=self._proof is None)
            is_due = self._request.once or time.monotonic() >= due_at
            if self._proof or (following.has_pending and is_due):
                begun_at = time.monotonic()
                result = following.write()
                self._failures = 0
                self.summary.batches += 1
                self.summary.transactions += result.transactions
                self.summary.rows_changed += result.rows_changed
                self.summary.shows_at = result.shows_at
            elif is_dry and following.keep_position():
                self._failures = 0
            self.summary.position = str(following.position)
            needs = self._find_needs(following)
            if needs:
                return needs
            if self._request.once and self._has_caught_up(following):
                self.is_done = True
                return None

    def _advance_proof(self, following: Following) -> None:
        """Begin the proof of all tables where it is due, and end the one that is done."""
        now = datetime.now().astimezone()
        if self._prove_at is not None and now >= self._prove_at:
            self._proof_due = True
            self._prove_at = next_time(self._settings.pipeline.follow.prove_at, now)
        if self._proof is None and self._proof_due and self._is_open(now):
            self._proof, self._proof_due = following.begin_proof(), False
            log.info("all tables are compared while they are followed")
        if self._proof is not None and self._proof.is_done:
            following.record_proof(self._proof)
            log.info("%s", describe_proof(self._proof))
            self.summary.proofs.append(self._proof)
            self._proof = None
        following.prove(self._proof)

    def _is_open(self, now: datetime) -> bool:
        """True if the source's window lets all tables be read."""
        window = self._settings.pipeline.source.window
        return window is None or parse_window(window).is_open(now)

    def _has_caught_up(self, following: Following) -> bool:
        target = self._target
        is_there = target is None or following.position.place >= target
        is_proven = self._proof is None and not self._proof_due
        return is_there and is_proven and not following.has_pending

    def _find_needs(self, following: Following) -> Needs | None:
        """Return the run that is due now."""
        now = time.monotonic()
        if following.has_new_tables or any(at <= now for at in self._retry_at.values()):
            return Needs((), {}, is_reopening=True)
        waiting = following.waiting
        if self._request.once:
            # It has to end: a table that comes again and again is left to the next follower.
            left = {name: why for name, why in waiting.items() if self._runs[name] >= MOST_RUNS}
            self.summary.failed |= left
            waiting = {name: why for name, why in waiting.items() if name not in left}
        if not waiting:
            return None
        is_due = (
            bool(following.altered)
            or self._request.once
            or time.monotonic() >= self._whole_at + WHOLE_SECONDS
        )
        return Needs(tuple(sorted(waiting)), dict(waiting)) if is_due else None

    def _run(self, needs: Needs) -> None:
        """Make the ordinary run of *needs*, and remember what it did."""
        if needs.is_reopening:
            return
        for sentence in describe_needs(needs.because):
            log.info("%s", sentence)
        if self._proof:
            self._proof.leave_out(needs.tables)
        self._whole_at = time.monotonic()
        self._runs.update(needs.tables)
        summary = run_once(
            self._settings,
            RunRequest(needs.tables, compares_all=True, outside_window=True),
            listen=self._listen,
            keep_trace=self._keep_trace,
            resumes=False,
        )
        self.summary.runs.append(summary)
        self._ran = summary
        for outcome in summary.outcomes:
            if outcome.error is None:
                self.summary.failed.pop(outcome.table, None)
                self._retry_at.pop(outcome.table, None)
            else:
                log.warning("%s: not followed: %s", outcome.table, outcome.error)
                self.summary.failed[outcome.table] = outcome.error
                self._retry_at[outcome.table] = time.monotonic() + RETRY_SECONDS


def describe_needs(because: Mapping[str, str]) -> list[str]:
    """Return sentences on which tables are compared as a whole, and why, by reason.

    Args:
        because: The reason, by table.
    """
    by_reason: dict[str, list[str]] = {}
    for name, why in sorted(because.items()):
        by_reason.setdefault(why, []).append(name)
    return [
        f"{', '.join(names) if len(names) <= FEW_TABLES else count_of(len(names), 'table')}: "
        f"compared as a whole, since {why}"
        for why, names in by_reason.items()
    ]


def describe_proof(proof: ProofPass) -> str:
    """Return what a comparison of all tables has found, as a sentence."""
    chunks = count_of(proof.chunks, "chunk")
    words = f"{count_of(len(proof.tables), 'table')} proven by value, in {chunks}"
    wrong = sum(map(len, proof.corrections.values()))
    if not wrong:
        return f"{words}; nothing was missed"
    named = ", ".join(sorted(proof.corrections))
    return (
        f"{words}; rows of {named} were wrong and are mended: a session may have written past the "
        "log (sql_log_bin = 0), or somebody else to a copy"
    )


def next_time(hour: str | None, now: datetime) -> datetime | None:
    """Return when the clock shows *hour* (``02:30``) next after *now*; None without one."""
    if hour is None:
        return None
    hours, minutes = map(int, hour.split(":"))
    found = now.replace(hour=hours, minute=minutes, second=0, microsecond=0)
    return found if found > now else found + timedelta(days=1)


def _may_pass(error: Exception) -> bool:
    """True if the follower may go on after *error*, from what is recorded."""
    return is_passing(error) or isinstance(error, LogError | SourceClosedError)
