"""The throttle: every connection to the source waits for it before it reads rows.

``SourceConnection`` calls ``admit`` before the first SELECT of a transaction;
``replicate/pages.py`` asks how many rows one statement may read.

One ``Throttle`` serves all connections of a run, from any thread. It knows the limits, how many
rows of which table fit into them, whether the server has other work, and until when it may be read.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pymysql

from etl_pipeline.config.window import Window, parse_window
from etl_pipeline.core import server_load
from etl_pipeline.core.source_usage import UsageMeter
from etl_pipeline.errors import SourceClosedError

if TYPE_CHECKING:
    from etl_pipeline.config.settings import Settings

log = logging.getLogger(__name__)

LOAD_VALID_SECONDS = 1.0
"""Time for which the answer "not busy" is believed before the server is asked again."""
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0
PATIENCE_SECONDS = 600.0
"""Longest wait for a busy server; after it the run reads nothing more from it."""
_NOT_ALLOWED = (1227, 1142, 1044)

Show = Callable[[str], server_load.Rows]
"""Send a SHOW to the server; return its rows as mappings by column name."""


def utc_now() -> datetime:
    """Return the present time, aware."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ThrottleLimits:
    """Limits within which the source is read.

    Attributes:
        seconds_per_statement: The server ends a longer statement.
        seconds_of_tables: The same by table, where it is another.
        pause_seconds: Rest of a connection between two reads.
        window: When it may be read; None for always.
    """

    seconds_per_statement: float = 2.0
    seconds_of_tables: Mapping[str, float] = field(default_factory=dict)
    pause_seconds: float = 0.0
    load: server_load.LoadLimits = field(default_factory=server_load.LoadLimits)
    window: Window | None = None


def read_throttle_limits(settings: Settings, *, outside_window: bool = True) -> ThrottleLimits:
    """Return the limits of the two YAML files; the window only if *outside_window* is False."""
    source = settings.pipeline.source
    tables = {name: settings.get_table_config(name) for name in settings.tables()}
    return ThrottleLimits(
        source.max_seconds_per_statement,
        {
            name: table.max_seconds_per_statement
            for name, table in tables.items()
            if table.max_seconds_per_statement is not None
        },
        source.pause_ms / 1000,
        server_load.LoadLimits(source.max_threads_running, source.max_replica_lag_seconds),
        None if outside_window or source.window is None else parse_window(source.window),
    )


class Throttle:
    """Keeps all connections of a run within the limits.

    Args:
        limits: Bounds on statements, rests and the server's load.
        clock: Monotonic seconds.
        wait: Waits for so many seconds; may raise to end the run.
        now: The instant, aware.
        watches_load: Whether the server is asked how busy it is; not worth it for a handful of
            statements.
    """

    def __init__(
        self,
        limits: ThrottleLimits | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = utc_now,
        watches_load: bool = True,
    ) -> None:
        self._watches_load = watches_load
        self.limits = limits or ThrottleLimits()
        self.usage_meter = UsageMeter()
        self.clock, self.wait, self._now = clock, wait, now
        self._lock, self._turn = threading.Lock(), threading.Lock()
        self._rows: dict[Hashable, int] = {}
        self._calm_until: float | None = None
        self._watches_lag = True
        self._closed: SourceClosedError | None = None

    def limit_of(self, table: str) -> float:
        """Return the seconds that a statement that reads *table* may take."""
        return self.limits.seconds_of_tables.get(table, self.limits.seconds_per_statement)

    def rows_of(self, what: Hashable, first: int) -> int:
        """Return how many rows a statement may show of *what*: a table, or columns of it.

        *first* while nothing is known of it.
        """
        with self._lock:
            return self._rows.get(what, first)

    def learn_rows(self, what: Hashable, rows: int) -> None:
        """Remember how many rows a statement may show for that reads *what*."""
        with self._lock:
            self._rows[what] = rows

    def check_open(self, table: str, consequence: str) -> None:
        """Raise SourceClosedError if the source may not be read any more.

        Args:
            table: The table that would be read.
            consequence: What becomes of it then, for the message: ``not begun``.
        """
        window = self.limits.window
        with self._lock:
            if self._closed is None and window and not window.is_open(self._now()):
                self._closed = SourceClosedError(
                    f"the source's window ({window}) has ended",
                    fix="etl run {}    within it, or with --outside-window",
                )
            closed = self._closed
        if closed is not None:
            fix = (closed.fix or "").format(table)
            raise SourceClosedError(f"{closed.what}; {consequence}", where=table, fix=fix)

    def check_begin(self) -> None:
        """Raise SourceClosedError if the window is not open; nothing was asked of the source."""
        window = self.limits.window
        if window and not window.is_open(self._now()):
            raise SourceClosedError(
                f"outside of the source's window ({window}) nothing is read of it",
                where="pipeline.yml: source.window",
                fix="etl run within the window, or etl run --outside-window",
            )

    @property
    def is_closed(self) -> bool:
        """True if something was left unread because the source may not be read any more."""
        return self._closed is not None

    def admit(self, show: Show, server_version: str, read_at: float | None) -> None:
        """Wait until a connection may begin to read: the pause, then a server that is not busy.

        Args:
            show: Sends a SHOW on that connection, which has no open transaction.
            server_version: As in the server's greeting.
            read_at: When the connection's last read ended, by the clock; None for never.

        Raises:
            SourceClosedError: The server was busy for too long.
        """
        if self.limits.pause_seconds and read_at is not None:
            rest = read_at + self.limits.pause_seconds - self.clock()
            if rest > 0:
                self.wait(rest)
        if not self._watches_load:
            return
        # One connection asks, and the others wait for its answer.
        with self._turn:
            if self._calm_until is None or self.clock() >= self._calm_until:
                self._wait_for_calm(show, server_version)
                self._calm_until = self.clock() + LOAD_VALID_SECONDS

    def _wait_for_calm(self, show: Show, server_version: str) -> None:
        began, wait = self.clock(), FIRST_WAIT_SECONDS
        why = first = self._find_load(show, server_version)
        try:
            while why is not None:
                if wait == FIRST_WAIT_SECONDS:
                    log.warning("source: busy (%s); reading waits", why)
                if self.clock() - began >= PATIENCE_SECONDS:
                    raise self._close_source(why)
                self.wait(wait)
                wait = min(2 * wait, LONGEST_WAIT_SECONDS)
                why = self._find_load(show, server_version)
        finally:
            if first is not None:
                waited = self.clock() - began
                self.usage_meter.add_wait(waited)
                log.info("source: reading has waited for %.1f s", waited)

    def _close_source(self, why: str) -> SourceClosedError:
        closed = SourceClosedError(
            f"the source was too busy for {PATIENCE_SECONDS / 60:.0f} minutes ({why})",
            fix="etl run {}    later, or raise source.max_threads_running or "
            "source.max_replica_lag_seconds in pipeline.yml",
        )
        with self._lock:
            self._closed = self._closed or closed
        return SourceClosedError(closed.what, fix=(closed.fix or "").replace("{} ", ""))

    def _find_load(self, show: Show, server_version: str) -> str | None:
        threads = server_load.read_threads(show(server_load.THREADS_RUNNING))
        lag = self._find_lag(show, server_version) if self._watches_lag else None
        return server_load.judge_load(threads, lag, self.limits.load)

    def _find_lag(self, show: Show, server_version: str) -> float | None:
        """Return the replica lag in seconds; None if it is no replica or does not show it."""
        statement = server_load.replica_status(server_version)
        try:
            rows = show(statement)
        except pymysql.err.MySQLError as error:
            if error.args[0] not in _NOT_ALLOWED:
                raise
            self._watches_lag = False
            self._log_unknown_lag(show, server_version)
            return None
        self._watches_lag = bool(rows)  # what is no replica now does not become one meanwhile
        return server_load.read_lag(rows)

    def _log_unknown_lag(self, show: Show, server_version: str) -> None:
        """Log that the lag is not watched; as a WARNING if the server seems to be a replica."""
        if server_load.seems_replica(show, server_version):
            log.warning(
                "source: it seems to be a replica, and the user may not see how far it is behind; "
                "no limit of that is kept\n  fix: at the source, GRANT %s ON *.* to the user",
                server_load.replica_privilege(server_version),
            )
        else:
            log.debug("source: the user may not see whether it is a replica that is behind")
