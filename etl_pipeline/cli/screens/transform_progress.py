"""Progress of a transformation: a bar on a terminal, a line a model elsewhere; on stderr."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from etl_pipeline.cli.shell import ProgressStyle
from etl_pipeline.transform.events import (
    Event,
    Listener,
    NodeFinished,
    NodeStarted,
    Planned,
)
from etl_pipeline.transform.summary import MODEL_KINDS

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

log = logging.getLogger(__name__)


class Bar:
    """One bar for all models and tests, with the name of the one that began last."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._started = self._total = 0

    def listen(self, event: Event) -> None:
        """Show *event*."""
        if isinstance(event, Planned):
            self._total = event.nodes
            self._task = self._progress.add_task("models and tests", total=event.nodes)
        elif self._task is not None and isinstance(event, NodeStarted):
            # dbt reports the number of nodes before it adds the unit tests.
            self._started += 1
            total = max(self._total, self._started)
            self._progress.update(self._task, description=event.name, total=total)
        elif self._task is not None and isinstance(event, NodeFinished):
            self._progress.advance(self._task)
        if not (isinstance(event, NodeFinished) and event.status in ("success", "pass")):
            log_event(event)


def log_event(event: Event) -> None:
    """Log a model that was built and a node that failed at INFO, all else at DEBUG."""
    if not isinstance(event, NodeFinished):
        return
    if event.status in ("error", "fail"):
        log.info("%s: %s", event.name, "failed" if event.status == "fail" else "could not be built")
    elif event.kind in MODEL_KINDS and event.status == "success":
        log.info("%-48s %8.1f s", event.name, event.seconds)
    else:
        log.debug("%s: %s after %.1f s", event.name, event.status, event.seconds)


@contextlib.contextmanager
def show_progress(style: ProgressStyle) -> Iterator[Listener]:
    """Yield a listener that shows dbt's events in *style* while the block runs."""
    if style is not ProgressStyle.BARS:
        yield log_event if style is ProgressStyle.LINES else lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.table import Column

    name = TextColumn(
        "{task.description}",
        markup=False,
        table_column=Column(no_wrap=True, ratio=2, min_width=16, overflow="ellipsis"),
    )
    bar = BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=6))
    with Progress(
        name,
        bar,
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        expand=True,
        redirect_stdout=False,
    ) as progress:
        yield Bar(progress).listen
