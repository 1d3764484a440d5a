"""The results of a run and of a comparison, as values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etl_pipeline.core.source_usage import SourceUsage
from etl_pipeline.schema.drift_decision import DriftEvent
from etl_pipeline.state.records import TableOutcome

if TYPE_CHECKING:  # a run needs nothing of what compares, and starts sooner without it
    from etl_pipeline.verify.job import VerifyScope
    from etl_pipeline.verify.result import VerifyResult


@dataclass(frozen=True, slots=True)
class ComparisonAges:
    """When the oldest part of each table's copies was last written or compared, by table.

    Attributes:
        raw: UTC; None where that is not known of a part.
        replication: Likewise.
    """

    raw: Mapping[str, datetime | None] = field(default_factory=dict)
    replication: Mapping[str, datetime | None] = field(default_factory=dict)

    def of(self, tables: Collection[str]) -> ComparisonAges:
        """Return the ages of *tables* alone."""
        return ComparisonAges(
            {table: at for table, at in self.raw.items() if table in tables},
            {table: at for table, at in self.replication.items() if table in tables},
        )


def find_oldest(compared: Mapping[str, datetime | None]) -> tuple[str, datetime | None] | None:
    """Return the table that was compared longest ago, and when; None where there is none."""
    beginning = datetime.min.replace(tzinfo=UTC)
    return min(compared.items(), key=lambda item: (item[1] or beginning, item[0]), default=None)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """The result of ``etl run``.

    Attributes:
        seconds: Wall time of the whole run.
        notes: Sentences about the run as a whole.
        only: The hop that was made, ``replicate`` or ``load``; None for both.
        source_usage: What the run has cost the source.
        came_and_went: Tables that the source has gained and lost since the last run.
        continues: The interrupted run that it continued; None for none.
        compared: How old the proofs of the copies are, of tables that did not fail.
    """

    run_id: int
    environment: str
    started_at: datetime
    seconds: float
    outcomes: Sequence[TableOutcome]
    notes: Sequence[str] = ()
    only: str | None = None
    source_usage: SourceUsage = field(default_factory=SourceUsage)
    came_and_went: Sequence[DriftEvent] = ()
    continues: int | None = None
    compared: ComparisonAges = field(default_factory=ComparisonAges)

    @property
    def failed(self) -> list[TableOutcome]:
        """Tables that did not reach their grade, by name."""
        return sorted((o for o in self.outcomes if o.error), key=lambda o: o.table)

    @property
    def is_success(self) -> bool:
        """True if every table reached the grade that was asked for."""
        return not self.failed

    @property
    def drift(self) -> list[DriftEvent]:
        """Changes of the source's schema, by table."""
        of_tables = (event for outcome in self.outcomes for event in outcome.drift)
        return sorted([*self.came_and_went, *of_tables], key=lambda event: event.table)

    @property
    def grades(self) -> Counter[str]:
        """The number of tables that reached each grade by what this run itself has read."""
        taken = {outcome.table for outcome in self.taken_over}
        return Counter(o.grade for o in self.outcomes if o.grade and o.table not in taken)

    @property
    def taken_over(self) -> list[TableOutcome]:
        """Tables of which an interrupted run had read all or part, which was not read again."""
        if self.continues is None:
            return []
        return [o for o in self.outcomes if o.read_from and o.read_from < self.started_at]

    def total(self, field: str) -> int:
        """Return the sum of an integer *field* over all tables."""
        return sum(getattr(outcome, field) for outcome in self.outcomes)

    @property
    def altered(self) -> Counter[tuple[str, str, str]]:
        """Values that ``raw`` cannot hold, by table, column and kind."""
        return Counter(
            {
                (outcome.table, column, kind): count
                for outcome in self.outcomes
                for (column, kind), count in outcome.altered.items()
            }
        )


@dataclass(frozen=True, slots=True)
class VerifySummary:
    """The result of ``etl verify``."""

    environment: str
    started_at: datetime
    seconds: float
    scope: VerifyScope
    results: Sequence[VerifyResult]

    @property
    def different(self) -> list[VerifyResult]:
        """Tables that differ or could not be compared, by name."""
        return sorted((v for v in self.results if not v.is_equal), key=lambda v: v.table)

    @property
    def is_success(self) -> bool:
        """True if every table is as it was loaded, or was repaired."""
        return all(result.is_equal or result.is_repaired for result in self.results)
