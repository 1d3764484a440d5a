"""Progress of a run: live bars on a terminal, a line a table elsewhere. Written to stderr."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from etl_pipeline.cli.shell import ProgressStyle
from etl_pipeline.formatting import count_of
from etl_pipeline.pipeline.events import (
    ChunkDone,
    Event,
    Listener,
    RunStarted,
    TableFinished,
    TableRetried,
    TableStarted,
)

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

QUICK_SECONDS = 1.0
"""Least time of a table that gets a log line above the bars."""

log = logging.getLogger(__name__)


class Bars:
    """A bar for each table at work, and one for all of them.

    Each row is reported once for each hop and counts as a fraction of a row, so a bar is full when
    all rows have passed all hops. The source only estimates its rows: if more arrive, the bar's
    total grows. Log lines stand above the bars: problems, warnings, and tables that took longer
    than ``QUICK_SECONDS``.

    Args:
        progress: Draws the bars.
        hops: How often each row is reported.
    """

    def __init__(self, progress: Progress, hops: int) -> None:
        self._progress = progress
        self._hops = hops
        self._lock = threading.Lock()
        self._tasks: dict[str, TaskID] = {}
        self._overall: TaskID | None = None
        self._tables = self._finished = 0

    def listen(self, event: Event) -> None:
        """Show *event*; may be called from any thread."""
        with self._lock:
            self._show(event)

    def _show(self, event: Event) -> None:
        if not _is_quick(event):
            log_event(event)
        if isinstance(event, RunStarted):
            self._tables = event.tables
            self._overall = self._progress.add_task(
                self._overall_words(), total=max(event.rows_estimate, 1)
            )
        elif isinstance(event, TableStarted):
            total = max(event.rows_estimate, 1)
            self._tasks[event.table] = self._progress.add_task(event.table, total=total)
        elif isinstance(event, ChunkDone):
            for task in (self._tasks.get(event.table), self._overall):
                if task is not None:
                    self._advance(task, event.rows / self._hops)
        elif isinstance(event, TableFinished):
            self._finished += 1
            task = self._tasks.pop(event.table, None)
            if task is not None:
                self._progress.remove_task(task)
            if self._overall is not None:
                self._progress.update(self._overall, description=self._overall_words())

    def _advance(self, task: TaskID, rows: float) -> None:
        self._progress.advance(task, rows)
        shown = next(bar for bar in self._progress.tasks if bar.id == task)
        if shown.total is not None and shown.completed > shown.total:
            self._progress.update(task, total=shown.completed)

    def _overall_words(self) -> str:
        return f"{self._finished} of {count_of(self._tables, 'table')}"


def _is_quick(event: Event) -> bool:
    """True if *event* ends a table that succeeded within ``QUICK_SECONDS``."""
    return isinstance(event, TableFinished) and not event.problem and event.seconds < QUICK_SECONDS


def log_event(event: Event) -> None:
    """Log what is worth a line: a table at INFO, a retry as a WARNING, a chunk at DEBUG."""
    if isinstance(event, TableFinished):
        if event.problem:
            log.info("%s: %s", event.table, event.problem)
        else:
            log.info(
                "%-32s %17s %8.1f s",
                event.table,
                count_of(event.rows, "row ", "rows"),  # of one width: the seconds stand in a column
                event.seconds,
            )
    elif isinstance(event, TableRetried):
        log.warning("%s: %s; trying again in %g s", event.table, event.reason, event.wait_seconds)
    elif isinstance(event, ChunkDone):
        rows = count_of(event.rows, "row")
        log.debug("%s: %s: %s, %s bytes", event.table, event.hop, rows, event.text_bytes)
    elif isinstance(event, TableStarted):
        log.debug("%s: begun, about %s", event.table, count_of(event.rows_estimate, "row"))


def log_trouble(event: Event) -> None:
    """Log retries as WARNINGs, and nothing else; the summary lists the tables that failed."""
    if isinstance(event, TableRetried):
        log_event(event)


@contextlib.contextmanager
def show_progress(style: ProgressStyle, *, hops: int = 2) -> Iterator[Listener]:
    """Yield a listener that shows a run's events while the block runs.

    Args:
        style: How they are shown.
        hops: How often each row is reported: 2 for a run (one for each hop), 1 for a comparison.
    """
    if style is not ProgressStyle.BARS:
        yield log_event if style is ProgressStyle.LINES else log_trouble
        return
    from etl_pipeline.cli.screens.bars import make_progress

    with make_progress() as progress:
        yield Bars(progress, hops).listen
