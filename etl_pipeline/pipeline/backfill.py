"""``etl run --backfill``: read a range of rows again, and record it as a run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from etl_pipeline.config import Settings
from etl_pipeline.core.encryption import warn_of_open
from etl_pipeline.errors import ConfigurationError
from etl_pipeline.formatting import count_of
from etl_pipeline.pipeline.events import KeepTrace, Listener, TableFinished, TableStarted
from etl_pipeline.pipeline.request import BackfillRange, RunRequest
from etl_pipeline.pipeline.run_lock import open_run
from etl_pipeline.pipeline.run_plan import RunPlan
from etl_pipeline.pipeline.run_record import record_run, time_table
from etl_pipeline.pipeline.session import Session
from etl_pipeline.pipeline.summary import RunSummary
from etl_pipeline.pipeline.table_worker import announce
from etl_pipeline.pipeline.verify import open_job
from etl_pipeline.state.records import Lease, TableOutcome
from etl_pipeline.transfer.select import RenderedTable
from etl_pipeline.verify.backfill import backfill_table
from etl_pipeline.verify.job import VerifyScope
from etl_pipeline.verify.key_range import RowRange, find_range

BACKFILL = "backfill"
"""What the history says of a table instead of a strategy."""


def backfill_once(
    settings: Settings,
    request: RunRequest,
    *,
    listen: Listener,
    keep_trace: KeepTrace | None = None,
) -> RunSummary:
    """Read the rows of ``request.backfill`` again, copy those that differ, and record it.

    Raises: as ``run_once``; ConfigurationError where no table is named, or the range is wrong.
    """
    if not request.tables:
        raise ConfigurationError(
            "a backfill needs a table", where="etl run --backfill", fix="name the tables"
        )
    asked = request.backfill or BackfillRange()
    started_at, clock = datetime.now(UTC), time.monotonic()
    outcomes: list[TableOutcome] = []
    with open_run(settings, request, listen=listen, keep_trace=keep_trace) as opened:
        session, records = opened.session, opened.records
        plan = opened.selected.plan_without_absent
        ranges = {
            text.name: find_range(
                text, plan.rules[text.name].incremental_column, asked.start, asked.end, asked.by
            )
            for text in plan.tables
        }
        announce(plan, session)
        with record_run(session, records, request.tables, BACKFILL) as run:
            for outcome in _backfill_tables(plan, session, run.lease, ranges):
                run.record(outcome)
                outcomes.append(outcome)
    return RunSummary(
        run.lease.run_id,
        settings.environment,
        started_at,
        time.monotonic() - clock,
        outcomes,
        warn_of_open(session.security),
        only=BACKFILL,
    )


def _backfill_tables(
    plan: RunPlan, session: Session, lease: Lease, ranges: Mapping[str, RowRange]
) -> Iterator[TableOutcome]:
    for table, error in ((refusal.table, refusal.error) for refusal in plan.refused):
        session.listen(TableFinished(table, 0, 0.0, error.what))
        yield TableOutcome(table, BACKFILL, error=error.what, fix=error.fix)
    for text in plan.tables:
        yield _backfill_table(text, plan, session, lease, ranges[text.name])


def _backfill_table(
    text: RenderedTable, plan: RunPlan, session: Session, lease: Lease, wanted: RowRange
) -> TableOutcome:
    outcome = TableOutcome(text.name, BACKFILL)
    session.listen(TableStarted(text.name, text.table.rows_estimate))
    with time_table(outcome, session):
        with open_job(text, plan, session, VerifyScope(repair=True)) as job:
            done = backfill_table(job, lease, wanted)
        outcome.rows = outcome.rows_read = done.rows
        outcome.text_bytes = done.text_bytes
        outcome.inserted, outcome.updated = done.raw_counts.inserted, done.raw_counts.updated
        outcome.deleted = done.raw_counts.deleted
        outcome.notes.append(
            f"{text.name}: {wanted.column} {wanted}; "
            f"{count_of(done.replica_rows, 'row')} of replication written anew"
        )
    session.listen(TableFinished(text.name, outcome.rows, outcome.seconds, outcome.error))
    return outcome
