"""``etl run``: copy the tables of a plan side by side, and record what became of them."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Generator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
import pymysql
from sqlalchemy.exc import SQLAlchemyError

from etl_pipeline.config import Settings
from etl_pipeline.core.any_error import explained
from etl_pipeline.core.databases import lend_postgres
from etl_pipeline.core.driver_errors import explain
from etl_pipeline.core.encryption import warn_of_open
from etl_pipeline.core.throttle import utc_now
from etl_pipeline.core.workers import Workers
from etl_pipeline.errors import DriftError, EtlError, StoppedError
from etl_pipeline.load.drift_log import TableDrift
from etl_pipeline.load.job import LoadRequest, LoadResult
from etl_pipeline.load.raw_plan import RawPlan
from etl_pipeline.load.table import load_table
from etl_pipeline.pipeline.events import (
    ChunkDone,
    KeepTrace,
    Listener,
    TableFinished,
    TableStarted,
)
from etl_pipeline.pipeline.replication_server import open_replication
from etl_pipeline.pipeline.request import Hop, RunRequest
from etl_pipeline.pipeline.run_lock import LockedRun, open_run
from etl_pipeline.pipeline.run_plan import RefusedTable, RunPlan
from etl_pipeline.pipeline.scrub import ScrubPlan, begin_scrub, end_scrub
from etl_pipeline.pipeline.selection import record_selection
from etl_pipeline.pipeline.session import Session
from etl_pipeline.pipeline.summary import ComparisonAges, RunSummary
from etl_pipeline.pipeline.table_worker import explain_failure, retrying, work_on_tables
from etl_pipeline.replicate.corrections import describe_corrections
from etl_pipeline.replicate.scrub_budget import NO_SCRUB_SCOPE
from etl_pipeline.replicate.table import (
    ReplicateRequest,
    ReplicateResult,
    Replication,
    recall_table,
    replicate_table,
)
from etl_pipeline.schema.drift import FOLLOW
from etl_pipeline.state import origin, runs, warehouse
from etl_pipeline.state.records import TableOutcome
from etl_pipeline.state.runs import Started
from etl_pipeline.transfer.select import RenderedTable

log = logging.getLogger(__name__)


def run_once(
    settings: Settings,
    request: RunRequest,
    *,
    listen: Listener,
    keep_trace: KeepTrace | None = None,
    now: Callable[[], datetime] = utc_now,
    resumes: bool = True,
) -> RunSummary:
    """Copy the tables of *request* from the source to ``raw``, and record the run.

    A run that was interrupted a short while ago, and was asked for the same, is continued: what it
    has read within the last hour is not read again.

    Args:
        settings: Of the environment in force.
        request: What the run is asked to do.
        listen: Told of progress; called from the threads at work.
        keep_trace: Told of each error, for ``--debug``.
        now: Returns the time.
        resumes: False if nothing may be taken over from an interrupted run.

    Raises:
        SourceClosedError: The window is closed.
        ConfigurationError: The configuration is wrong, or a table is not known.
        DatabaseError: A server cannot be used, or another run is at work.
        KeyboardInterrupt: The user pressed Ctrl-C; no table is left half-loaded.
    """
    started_at, clock = datetime.now(UTC), time.monotonic()
    with open_run(settings, request, listen=listen, keep_trace=keep_trace, now=now) as opened:
        session, selected, origins = opened.session, opened.selected, opened.origins
        connection = opened.records.connection
        started = runs.start_run(connection, request.selection, session.security, resumes=resumes)
        run_id = started.lease.run_id
        origin.record_analytics(connection, origins.source)
        warehouse.record_source_clock(connection, run_id, origins.clock)
        log.debug("run %d: %s", run_id, session.parallelism)
        with runs.beating(lambda: opened.records.connection, run_id):
            result = _copy_and_record(opened, started, only=request.only)
        runs.forget_old_runs(opened.records.connection, settings.pipeline.general.history_days)
    notes = [
        *origins.notes,
        *warn_of_open(session.security),
        *selected.plan.notes,
        *result.notes,
    ]
    if started.continues:
        notes.insert(0, f"run {started.continues} was cut off, and this one went on with it")
    return RunSummary(
        started.lease.run_id,
        settings.environment,
        started_at,
        time.monotonic() - clock,
        result.outcomes,
        notes,
        request.only,
        session.throttle.usage_meter.read(),
        came_and_went=selected.events,
        continues=started.continues,
        compared=result.compared,
    )


@dataclass(frozen=True, slots=True)
class RunContext:
    """Resources and settings that all tables of a run share.

    Attributes:
        workers: Read and write chunks.
        replication: What is known of the replication server.
        started: The run, and the interrupted run that it continues.
        scrub: Parts of the copies that are compared again.
        only: The only hop that is made; None for both.
    """

    session: Session
    plan: RunPlan
    workers: Workers
    replication: Replication
    started: Started
    scrub: ScrubPlan
    only: Hop | None


@dataclass(frozen=True, slots=True)
class _RunResult:
    """The outcome of each table, notes on the run as a whole, and when copies were compared."""

    outcomes: list[TableOutcome]
    notes: tuple[str, ...]
    compared: ComparisonAges


def _copy_and_record(opened: LockedRun, started: Started, *, only: Hop | None) -> _RunResult:
    """Copy the selected tables; record each as soon as it is done, and how the run ended."""
    session, selected, records = opened.session, opened.selected, opened.records
    run_id = started.lease.run_id
    outcome = "stopped"
    outcomes: list[TableOutcome] = []
    try:
        record_selection(records.connection, run_id, selected)
        replication = open_replication(session, started.lease, opened.origins)
        with (
            ThreadPoolExecutor(session.parallelism.workers) as threads,
            ThreadPoolExecutor(session.parallelism.tables) as executor,
        ):
            scrub = begin_scrub(session, records, [text.name for text in selected.plan.tables])
            workers = Workers(session.databases, threads, session.parallelism.workers, session.stop)
            context = RunContext(session, selected.plan, workers, replication, started, scrub, only)
            with contextlib.closing(copy_tables(context, executor)) as finished:
                for table in finished:
                    warehouse.record_table(records.ensure_connected(), run_id, table)
                    outcomes.append(table)
            compared = end_scrub(session, records, scrub)
        outcome = "failed" if any(table.error for table in outcomes) else "succeeded"
        outcome = "stopped" if session.throttle.is_closed else outcome
    except EtlError:
        outcome = "failed"
        raise
    except (psycopg.Error, pymysql.err.MySQLError, SQLAlchemyError) as error:
        # Met between the tables, whose own failures are their outcomes.
        outcome = "failed"
        raise explain(error, f"run {run_id}") from error
    finally:
        usage = session.throttle.usage_meter.read()
        warehouse.record_source_usage(records.ensure_connected(), run_id, usage)
        runs.finish_run(records.ensure_connected(), run_id, outcome)
    compared = compared.of({table.table for table in outcomes if not table.error})
    return _RunResult(outcomes, replication.notes, compared)


def copy_tables(context: RunContext, executor: Executor) -> Generator[TableOutcome]:
    """Copy every table of the plan; as ``work_on_tables``."""

    def refuse(refusal: RefusedTable) -> TableOutcome:
        error = refusal.error
        return TableOutcome(refusal.table, "none", error=error.what, fix=error.fix)

    return work_on_tables(
        context.plan,
        context.session,
        executor,
        lambda text: _copy_table(text, context),
        refuse,
    )


def _copy_table(text: RenderedTable, context: RunContext) -> TableOutcome:
    """Copy a table over both hops, with retries of faults that can pass.

    Raises:
        StoppedError: The user pressed Ctrl-C. Any other error is the outcome.
    """
    session, rules = context.session, context.plan.rules[text.name]
    finished = context.started.finished.get(text.name)
    clock = time.monotonic()
    session.listen(TableStarted(text.name, text.table.rows_estimate))
    if finished and finished.strategy == rules.strategy.name:
        outcome = finished
    else:
        outcome = TableOutcome(text.name, rules.strategy.name)
        drift = TableDrift(context.plan.drift.get(text.name, FOLLOW))
        try:
            session.throttle.check_open(text.name, "not begun")
            retrying(text.name, session, lambda: _copy_once(text, context, outcome, drift))
        except StoppedError:
            raise
        except Exception as error:
            if isinstance(error, DriftError):
                _record_refused(drift, context)
                context.scrub.note_refused(text.name)
            else:
                context.scrub.note_failed(text.name)
            failure = explain_failure(error, text.name, session)
            outcome.error, outcome.fix = failure.what, failure.fix
        outcome.drift = drift.events
        outcome.seconds = time.monotonic() - clock
    seconds = time.monotonic() - clock
    session.listen(TableFinished(text.name, outcome.rows, seconds, outcome.error))
    return outcome


def _copy_once(
    text: RenderedTable, context: RunContext, outcome: TableOutcome, drift: TableDrift
) -> None:
    raw = _find_drift(text, context, drift)
    if context.only == "load":
        replicated = recall_table(text, context.workers, context.replication)
    else:
        replicated = _replicate(text, context, drift)
    if context.only == "replicate":
        _record_replicated(drift, context)
        loaded = LoadResult()
    else:
        loaded = _load(text, context, raw, replicated, drift)
    _fill_in(outcome, text, replicated, loaded)
    if context.only:
        _withdraw_proof(outcome)


def _replicate(text: RenderedTable, context: RunContext, drift: TableDrift) -> ReplicateResult:
    request = ReplicateRequest(
        text,
        context.workers,
        context.replication,
        context.plan.rules[text.name],
        context.started.lease,
        _report_chunks(text, context, "replicate"),
        drift.policy,
        context.scrub.replica.get(text.name, NO_SCRUB_SCOPE),
    )
    replicated = replicate_table(request)
    drift.note_replicated()
    context.scrub.note_replicated(text.name, replicated)
    return replicated


def _load(
    text: RenderedTable,
    context: RunContext,
    raw: RawPlan,
    replicated: ReplicateResult,
    drift: TableDrift,
) -> LoadResult:
    databases, rules = context.session.databases, context.plan.rules[text.name]
    with lend_postgres(databases.analytics, context.session.stop) as analytics:
        loaded = load_table(
            LoadRequest(
                text,
                raw,
                replicated,
                rules,
                context.started.lease,
                context.workers,
                _report_chunks(text, context, "load"),
                drift,
                context.scrub.raw.get(text.name, NO_SCRUB_SCOPE),
            ),
            analytics,
        )
    context.scrub.note_loaded(text.name, loaded, marks_deletes=rules.marks_deletes)
    return loaded


def _report_chunks(
    text: RenderedTable, context: RunContext, hop: Hop
) -> Callable[[int, int], None]:
    """Return what tells the listener of each chunk that went over *hop*: its rows and bytes."""
    listen = context.session.listen
    return lambda rows, text_bytes: listen(ChunkDone(text.name, hop, rows, text_bytes))


def _withdraw_proof(outcome: TableOutcome) -> None:
    """Take the proof out of *outcome*: one hop proves nothing of the warehouse and the source."""
    outcome.grade = outcome.read_from = outcome.read_to = None
    outcome.proven_at = outcome.watermark = None


def _fill_in(
    outcome: TableOutcome, text: RenderedTable, replicated: ReplicateResult, loaded: LoadResult
) -> None:
    """Write what both hops did into *outcome*."""
    outcome.grade = replicated.what.grade
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


def _find_drift(text: RenderedTable, context: RunContext, drift: TableDrift) -> RawPlan:
    """Compare the source's schema with those that the targets were loaded with."""
    databases = context.session.databases
    with lend_postgres(databases.analytics, context.session.stop) as analytics:
        return context.workers.call(
            lambda worker: drift.find(
                text,
                worker.replication,
                analytics,
                schema=databases.schema,
                collations=context.replication.collations,
                run_id=context.started.lease.run_id,
                marks_deletes=context.plan.rules[text.name].marks_deletes,
            )
        )


def _record_replicated(drift: TableDrift, context: RunContext) -> None:
    """Record that replication has followed the source, and ``raw`` is left to another run."""
    if drift.events:
        session = context.session
        with lend_postgres(session.databases.analytics, session.stop) as analytics:
            drift.record(analytics, context.started.lease.run_id)


def _record_refused(drift: TableDrift, context: RunContext) -> None:
    """Record that changes were refused; a failure to do so is logged, the table's error stays."""
    session = context.session
    try:
        with lend_postgres(session.databases.analytics, session.stop) as analytics:
            drift.refuse(analytics, context.started.lease.run_id)
    except (psycopg.Error, SQLAlchemyError) as error:
        log.warning("a refused change could not be recorded: %s", explained(error, "analytics"))
