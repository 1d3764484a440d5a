"""Requests to ``etl run`` and the commands beside it, as the command line builds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from etl_pipeline.state.records import Selection

Hop = Literal["replicate", "load"]


@dataclass(frozen=True, slots=True)
class BackfillRange:
    """A range of rows as a user writes it; *start* and *end* are in it, None is an open end.

    Attributes:
        by: The column of dates; None for the key, or the column that the dates can be of.
    """

    start: str | None = None
    end: str | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class RunRequest:
    """Options of a run. ``etl plan``, ``verify`` and ``status`` select tables by it, too.

    Attributes:
        tables: Names and patterns; empty for the tables of tables.yml, or all of the source.
        importance: Only tables of one of these levels; empty for all.
        only: The only hop to make; None for both.
        full: Build both targets of every table anew: ``choose_rules`` takes FULL_TABLE for all.
        backfill: Read this range again, and nothing else; None for a run.
        allow_deletes: Names and patterns of tables that may lose any number of rows.
        outside_window: Read the source outside of ``source.window`` too.
        accept_drift: Follow the changed schema of *tables*, whatever the drift policy says.
        accept_source: Make the targets a copy of this source, whatever they were a copy of.
        adopt: Take over tables of ``raw`` that another tool made.
        compares_all: Compare every row, also of tables whose strategy reads less.
    """

    tables: Sequence[str] = ()
    importance: Sequence[str] = ()
    only: Hop | None = None
    full: bool = False
    backfill: BackfillRange | None = None
    allow_deletes: Sequence[str] = ()
    outside_window: bool = False
    accept_drift: bool = False
    accept_source: bool = False
    adopt: bool = False
    compares_all: bool = False

    @property
    def selection(self) -> Selection:
        """The part that is recorded: an interrupted run with the same is continued."""
        return Selection(tuple(self.tables), self.full, tuple(self.importance), self.only)
