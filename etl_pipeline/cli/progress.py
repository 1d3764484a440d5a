"""Progress of a run: live bars on a terminal, a line a table elsewhere. Written to stderr."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from etl_pipeline.pipeline.events import (
    ChunkDone,
    Event,
    Listener,
    RunStarted,
    TableFinished,
    TableRetried,
    TableStarted,
)


class _Rate(ProgressColumn):
    """Rows a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} rows/s" if speed else "", style="dim")


class Bars:
    """A bar for each table at work, and one for all of them.

    A run moves each row twice (two hops), so a bar runs to twice the rows; the source's estimate
    of rows can be off, and a bar's end moves when more rows come than were expected.
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
        progress = self._progress
        if isinstance(event, RunStarted):
            self._tables = event.tables
            self._overall = progress.add_task(
                self._overall_words(), total=max(event.rows_estimate, 1) * self._hops
            )
        elif isinstance(event, TableStarted):
            total = max(event.rows_estimate, 1) * self._hops
            self._tasks[event.table] = progress.add_task(event.table, total=total)
        elif isinstance(event, ChunkDone):
            for task in (self._tasks.get(event.table), self._overall):
                if task is not None:
                    self._advance(task, event.rows)
        elif isinstance(event, TableRetried):
            progress.console.print(_retry_line(event), style="yellow", highlight=False)
        else:
            self._finished += 1
            task = self._tasks.pop(event.table, None)
            if task is not None:
                progress.remove_task(task)
            if self._overall is not None:
                progress.update(self._overall, description=self._overall_words())
            style = "red" if event.problem else ""
            progress.console.print(_finished_line(event), style=style, highlight=False)

    def _advance(self, task: TaskID, rows: int) -> None:
        self._progress.advance(task, rows)
        shown = next(t for t in self._progress.tasks if t.id == task)
        if shown.total is not None and shown.completed > shown.total:
            self._progress.update(task, total=shown.completed)

    def _overall_words(self) -> str:
        return f"{self._finished} of {self._tables} tables"


def _retry_line(event: TableRetried) -> str:
    return f"{event.table}: {event.reason}; trying again in {event.wait_seconds:g} s"


def _finished_line(event: TableFinished) -> str:
    if event.problem:
        return f"{event.table}: {event.problem}"
    return f"{event.table:<32} {event.rows:>10,} rows {event.seconds:>7.1f} s"


@contextlib.contextmanager
def show_progress(stream: TextIO | None = None, *, hops: int = 2) -> Iterator[Listener]:
    """A listener that shows a run's events while the block runs.

    Args:
        stream: Where to show them; None for stderr.
        hops: How often each row is reported: 2 for a run, 1 for a comparison.
    """
    console = Console(file=stream, stderr=stream is None)
    if not console.is_terminal:
        lock = threading.Lock()

        def print_line(event: Event) -> None:
            with lock:
                if isinstance(event, TableRetried):
                    console.print(_retry_line(event), highlight=False, soft_wrap=True, markup=False)
                elif isinstance(event, TableFinished):
                    console.print(
                        _finished_line(event), highlight=False, soft_wrap=True, markup=False
                    )

        yield print_line
        return
    progress = Progress(
        TextColumn("{task.description:<24}", markup=False),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f} %"),
        _Rate(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    with progress:
        yield Bars(progress, hops).listen
