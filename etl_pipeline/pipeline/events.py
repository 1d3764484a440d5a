"""The progress events of a command: frozen records for whoever shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The run is planned. *rows_estimate* is the source's own estimate of all rows."""

    tables: int
    rows_estimate: int


@dataclass(frozen=True, slots=True)
class TableStarted:
    """Work on a table has begun."""

    table: str
    rows_estimate: int


@dataclass(frozen=True, slots=True)
class ChunkDone:
    """A chunk went over a hop: ``replicate`` or ``load``, or was compared: ``verify``."""

    table: str
    hop: str
    rows: int
    text_bytes: int


@dataclass(frozen=True, slots=True)
class TableRetried:
    """A passing fault ended the table's attempt; another begins after *wait_seconds*."""

    table: str
    reason: str
    wait_seconds: float


@dataclass(frozen=True, slots=True)
class TableFinished:
    """Work on a table has ended; *problem* says what is wrong with it, None where nothing is."""

    table: str
    rows: int
    seconds: float
    problem: str | None


Event = RunStarted | TableStarted | ChunkDone | TableRetried | TableFinished
Listener = Callable[[Event], None]
"""Called from the threads at work; what it does must be safe there and quick."""

KeepTrace = Callable[[BaseException], None]
"""Called with each error that a table met, before it is explained."""


def ignore_event(_event: Event) -> None:
    """Do nothing: the listener of a command that shows no progress."""
