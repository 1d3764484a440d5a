"""Copies the tables of a plan, side by side, and records what became of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator
from concurrent.futures import Executor
from dataclasses import dataclass

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from etl_pipeline.core.databases import lend_postgres
from etl_pipeline.core.workers import Workers
from etl_pipeline.errors import DriftError, StoppedError
from etl_pipeline.load.drift_log import TableDrift
from etl_pipeline.load.job import LoadResult
from etl_pipeline.load.table import load_table
from etl_pipeline.pipeline.checks import Checks
from etl_pipeline.pipeline.events import (
    ChunkDone,
    TableFinished,
    TableStarted,
)
from etl_pipeline.pipeline.explain import explained
from etl_pipeline.pipeline.plan import RefusedTable, RunPlan
from etl_pipeline.pipeline.table_worker import Work, explain_failure, retrying, work_on_tables
from etl_pipeline.replicate.corrections import describe_corrections
from etl_pipeline.replicate.recall import recall_table
from etl_pipeline.replicate.scrub_budget import NO_SCRUB_SCOPE
from etl_pipeline.replicate.strategy import GRADES, Rules
from etl_pipeline.replicate.table import ReplicateResult, Replication, replicate_table
from etl_pipeline.schema.drift import FOLLOW
from etl_pipeline.state.records import TableOutcome
from etl_pipeline.state.runs import Started
from etl_pipeline.transfer.select import RenderedTable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Copying:
    """What tables are copied with.

    Attributes:
        workers: Where chunks are read and written.
        replication: What is known of the replication database.
        started: The run, and what it goes on with.
        checks: What of the copies is looked at again.
        only: The hop that is made, ``replicate`` or ``load``; None for both.
    """

    workers: Workers
    replication: Replication
    started: Started
    checks: Checks
    only: str | None = None


def run_tables(
    plan: RunPlan, work: Work, copying: Copying, executor: Executor
) -> Generator[TableOutcome]:
    """Copy every table of *plan*; as ``work_on_tables``."""

    def refuse(refusal: RefusedTable) -> TableOutcome:
        error = refusal.error
        return TableOutcome(refusal.table, "none", error=error.what, fix=error.fix)

    return work_on_tables(
        plan, work, executor, lambda text: _copy_table(text, plan, work, copying), refuse
    )


def _copy_table(text: RenderedTable, plan: RunPlan, work: Work, copying: Copying) -> TableOutcome:
    """Both hops of a table, with retries of faults that can pass; never raises but to stop."""
    rules = plan.rules[text.name]
    before = copying.started.finished.get(text.name)
    started = time.monotonic()
    work.listen(TableStarted(text.name, text.table.rows_estimate))
    if before and before.strategy == rules.strategy:
        outcome = before
    else:
        outcome = TableOutcome(text.name, rules.strategy)
        drift = TableDrift(plan.drift.get(text.name, FOLLOW))
        try:
            work.throttle.check_open(text.name, "not begun")
            retrying(
                text.name, work, lambda: _copy_once(text, rules, work, copying, outcome, drift)
            )
        except StoppedError:
            raise
        except Exception as error:
            if isinstance(error, DriftError):
                _record_refused(drift, work, copying)
                copying.checks.note_refused(text.name)
            else:
                copying.checks.note_failed(text.name)
            failure = explain_failure(error, text.name, work)
            outcome.error, outcome.fix = failure.what, failure.fix
        outcome.drift = drift.events
        outcome.seconds = time.monotonic() - started
    seconds = time.monotonic() - started
    work.listen(TableFinished(text.name, outcome.rows, seconds, outcome.error))
    return outcome


def _copy_once(
    text: RenderedTable,
    rules: Rules,
    work: Work,
    copying: Copying,
    outcome: TableOutcome,
    drift: TableDrift,
) -> None:
    def report(hop: str) -> Callable[[int, int], None]:
        return lambda rows, size: work.listen(ChunkDone(text.name, hop, rows, size))

    lease = copying.started.lease
    _find_drift(text, rules, work, copying, drift)
    if copying.only == "load":
        replicated = recall_table(text, copying.workers, copying.replication)
    else:
        replicated = replicate_table(
            text,
            copying.workers,
            copying.replication,
            rules,
            lease,
            report=report("replicate"),
            drift=drift.policy,
            look=copying.checks.replica.get(text.name, NO_SCRUB_SCOPE),
        )
        drift.note_replicated()
        copying.checks.note_replicated(text.name, replicated)
    if copying.only == "replicate":
        _record_replicated(drift, work, copying)
        _fill_in(outcome, text, replicated, LoadResult())
        _take_back_proof(outcome)
        return
    with lend_postgres(work.databases.analytics, work.stop) as analytics:
        loaded = load_table(
            text,
            work.databases.schema,
            replicated,
            copying.workers,
            analytics,
            rules,
            lease,
            report=report("load"),
            drift=drift,
            look=copying.checks.raw.get(text.name, NO_SCRUB_SCOPE),
        )
    copying.checks.note_loaded(text.name, loaded, marks_deletes=rules.marks_deletes)
    _fill_in(outcome, text, replicated, loaded)
    if copying.only:
        _take_back_proof(outcome)


def _take_back_proof(outcome: TableOutcome) -> None:
    """One hop alone proves nothing of the warehouse and the source of now."""
    outcome.grade = outcome.read_from = outcome.read_to = None
    outcome.proven_at = outcome.watermark = None


def _fill_in(
    outcome: TableOutcome, text: RenderedTable, replicated: ReplicateResult, loaded: LoadResult
) -> None:
    """What both hops did, as the outcome of the table."""
    outcome.grade = GRADES[replicated.what]
    outcome.rows = sum(proof.rows for proof in replicated.proofs)
    outcome.rows_read = replicated.rows_read
    outcome.text_bytes = replicated.text_bytes
    outcome.inserted, outcome.updated = loaded.inserted, loaded.updated
    outcome.deleted = loaded.deleted
    outcome.read_from, outcome.read_to = replicated.read_from, replicated.read_to
    outcome.proven_at = replicated.proven_at
    outcome.watermark = replicated.watermark.value if replicated.watermark else None
    outcome.notes = [*replicated.notes, *loaded.notes]
    outcome.corrections = describe_corrections([*replicated.corrections, *loaded.corrections])
    for (position, kind), count in replicated.altered.items():
        outcome.altered[text.columns[position].name, kind] += count


def _find_drift(
    text: RenderedTable, rules: Rules, work: Work, copying: Copying, drift: TableDrift
) -> None:
    """Compare the source's schema with those that the targets were loaded with."""
    with lend_postgres(work.databases.analytics, work.stop) as analytics:
        copying.workers.call(
            lambda worker: drift.find(
                text,
                worker.replication,
                analytics,
                schema=work.databases.schema,
                collations=copying.replication.collations,
                run_id=copying.started.lease.run_id,
                marks_deletes=rules.marks_deletes,
            )
        )


def _record_replicated(drift: TableDrift, work: Work, copying: Copying) -> None:
    """Record that replication has followed, and ``raw`` is left to another run."""
    if drift.events:
        with lend_postgres(work.databases.analytics, work.stop) as analytics:
            drift.record(analytics, copying.started.lease.run_id)


def _record_refused(drift: TableDrift, work: Work, copying: Copying) -> None:
    """Record that changes were not followed; the table's own error is shown in any case."""
    try:
        with lend_postgres(work.databases.analytics, work.stop) as analytics:
            drift.refuse(analytics, copying.started.lease.run_id)
    except (psycopg.Error, SQLAlchemyError) as error:
        log.warning("a refused change could not be recorded: %s", explained(error, "analytics"))
