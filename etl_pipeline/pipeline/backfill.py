"""``etl run --backfill``: read a range of rows again, and record it as a run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from etl_pipeline.config import Settings
from etl_pipeline.core.encryption import warn_of_open
from etl_pipeline.errors import ConfigurationError
from etl_pipeline.pipeline.events import Listener, TableFinished, TableStarted
from etl_pipeline.pipeline.run_plan import RunPlan
from etl_pipeline.pipeline.run_record import Control, attempted, recorded_run
from etl_pipeline.pipeline.selection import choose_tables, refuse_absent
from etl_pipeline.pipeline.session import KeepTrace, check_source, open_session
from etl_pipeline.pipeline.summary import RunSummary
from etl_pipeline.pipeline.table_worker import Work, announce
from etl_pipeline.pipeline.verify import open_job
from etl_pipeline.state import runs
from etl_pipeline.state.records import Lease, TableOutcome
from etl_pipeline.transfer.select import RenderedTable
from etl_pipeline.verify.backfill import backfill_table
from etl_pipeline.verify.job import Scope
from etl_pipeline.verify.key_range import RowRange, find_range

BACKFILL = "backfill"
"""What the history says of a table instead of a strategy."""


@dataclass(frozen=True, slots=True)
class AskedRange:
    """A range of rows as somebody writes it; None for what was not said."""

    start: str | None = None
    end: str | None = None
    by: str | None = None


def backfill_once(
    settings: Settings,
    tables: Sequence[str],
    asked: AskedRange,
    *,
    allow_deletes: Sequence[str] = (),
    outside_window: bool = False,
    listen: Listener,
    keep_trace: KeepTrace | None = None,
) -> RunSummary:
    """Read the rows of a range of *tables* again, copy those that differ, and record it.

    Raises: as ``run_once``; ConfigurationError where no table is named, or the range is wrong.
    """
    if not tables:
        raise ConfigurationError(
            "a backfill needs a table", where="etl run --backfill", fix="name the tables"
        )
    started_at, clock = datetime.now(UTC), time.monotonic()
    outcomes: list[TableOutcome] = []
    with open_session(settings, outside_window=outside_window) as session:
        plan = refuse_absent(choose_tables(session, tables, allow_deletes=allow_deletes))
        ranges = {
            text.name: find_range(
                text, plan.rules[text.name].stamp, asked.start, asked.end, asked.by
            )
            for text in plan.tables
        }
        work = Work(session.databases, session.stop, listen, session.throttle, keep_trace)
        announce(plan, work)
        with Control(session.databases) as control:
            runs.lock_runs(control.connection)
            check_source(session)
            with recorded_run(session, control, tables, BACKFILL) as record:
                for done in _backfill_each(plan, work, record.lease, ranges):
                    record.add(done)
                    outcomes.append(done)
    seconds = time.monotonic() - clock
    return RunSummary(
        record.lease.run_id,
        settings.environment,
        started_at,
        seconds,
        outcomes,
        warn_of_open(session.lines),
        only=BACKFILL,
    )


def _backfill_each(
    plan: RunPlan, work: Work, lease: Lease, ranges: Mapping[str, RowRange]
) -> Iterator[TableOutcome]:
    for table, error in ((refusal.table, refusal.error) for refusal in plan.refused):
        work.listen(TableFinished(table, 0, 0.0, error.what))
        yield TableOutcome(table, BACKFILL, error=error.what, fix=error.fix)
    for text in plan.tables:
        yield _backfill(text, plan, work, lease, ranges[text.name])


def _backfill(
    text: RenderedTable, plan: RunPlan, work: Work, lease: Lease, wanted: RowRange
) -> TableOutcome:
    outcome = TableOutcome(text.name, BACKFILL)
    work.listen(TableStarted(text.name, text.table.rows_estimate))
    with attempted(outcome, work):
        with open_job(text, plan, work, Scope(repair=True)) as job:
            done = backfill_table(job, lease, wanted)
        outcome.rows = outcome.rows_read = done.rows
        outcome.text_bytes = done.text_bytes
        outcome.inserted, outcome.updated = done.raw_counts.inserted, done.raw_counts.updated
        outcome.deleted = done.raw_counts.deleted
        outcome.notes.append(
            f"{text.name}: {wanted.column} {wanted}; {done.replica_rows:,} rows of replication "
            "were written anew"
        )
    work.listen(TableFinished(text.name, outcome.rows, outcome.seconds, outcome.error))
    return outcome
