"""A line of live progress: name, bar, rows of expected rows, rows a second, time left.

A module of its own, since whoever sees no bars need not wait for their library.
"""

from __future__ import annotations

import math

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task
from rich.table import Column
from rich.text import Text

FIRST_RATE_SECONDS = 0.5
WIDE = 80
"""Columns from which on there is room for the rate as well."""


class _Name(ProgressColumn):
    """The task's name, shortened where the line is too narrow for it."""

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True, ratio=1, min_width=16, overflow="ellipsis"))

    def render(self, task: Task) -> Text:
        return Text(task.description)


class _Rows(ProgressColumn):
    """Rows that are done of those that the source expects to have."""

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True, justify="right"))

    def render(self, task: Task) -> Text:
        return Text(f"{task.completed:,.0f} of ~{task.total or 0:,.0f} rows")


class _Rate(ProgressColumn):
    """Rows a second since the task began."""

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True, justify="right", min_width=13))

    def render(self, task: Task) -> Text:
        rate = _rate(task)
        return Text(f"{rate:,.0f} rows/s" if rate else "", style="dim")


class _Left(ProgressColumn):
    """The time that is left at that rate."""

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True, justify="right", min_width=9))

    def render(self, task: Task) -> Text:
        rate, rows = _rate(task), task.remaining
        if not rate or rows is None:
            return Text("")
        minutes, seconds = divmod(math.ceil(rows / rate), 60)
        hours, minutes = divmod(minutes, 60)
        return Text(
            f"{hours}:{minutes:02}:{seconds:02} left" if hours else f"{minutes}:{seconds:02} left"
        )


def _rate(task: Task) -> float:
    """Rows a second; 0 while it is too early to say."""
    elapsed = task.elapsed or 0.0
    return task.completed / elapsed if elapsed >= FIRST_RATE_SECONDS else 0.0


def make_progress() -> Progress:
    """Bars on stderr that vanish at the end; what is written to stderr meanwhile goes above."""
    console = Console(stderr=True)
    return Progress(
        _Name(),
        BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=6)),
        _Rows(),
        *([_Rate()] if console.width >= WIDE else []),
        _Left(),
        console=console,
        transient=True,
        expand=True,
        redirect_stdout=False,
    )
