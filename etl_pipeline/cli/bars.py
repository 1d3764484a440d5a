"""What a line of live progress shows: name, bar, rows of expected rows, rows a second, time left.

A module of its own, since whoever sees no bars need not wait for their library.
"""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
from rich.table import Column
from rich.text import Text


class _Name(ProgressColumn):
    """The task's name, shortened where the line is too narrow for it."""

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True, ratio=1, min_width=8, overflow="ellipsis"))

    def render(self, task: Task) -> Text:
        return Text(task.description)


class _Rows(ProgressColumn):
    """Rows that are done of those that the source expects to have."""

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True, justify="right"))

    def render(self, task: Task) -> Text:
        return Text(f"{task.completed:,.0f} of ~{task.total or 0:,.0f} rows")


class _Rate(ProgressColumn):
    """Rows a second."""

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True, justify="right", min_width=13))

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} rows/s" if speed else "", style="dim")


class _Left(TimeRemainingColumn):
    """The time that is left at the speed of now."""

    def render(self, task: Task) -> Text:
        left = super().render(task)
        return left if task.time_remaining is None else left.append(" left")


def make_progress() -> Progress:
    """Bars on stderr that vanish at the end; what is written to stderr meanwhile goes above."""
    return Progress(
        _Name(),
        BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=8)),
        _Rows(),
        _Rate(),
        _Left(compact=True, table_column=Column(no_wrap=True, min_width=10)),
        # Colour is decided from stderr, where the bars are.
        console=Console(stderr=True),
        transient=True,
        expand=True,
        redirect_stdout=False,
    )
