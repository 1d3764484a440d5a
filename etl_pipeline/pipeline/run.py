"""``etl run``: copy the tables of a plan side by side, and record what became of them."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Generator, Sequence
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
from etl_pipeline.errors import (
    DriftError,
    EtlError,
    StoppedError,
)
from etl_pipeline.load.drift_log import TableDrift
from etl_pipeline.load.job import LoadResult
from etl_pipeline.load.table import load_table
from etl_pipeline.pipeline.events import (
    ChunkDone,
    Listener,
    TableFinished,
    TableStarted,
)
from etl_pipeline.pipeline.origin_check import Origins
from etl_pipeline.pipeline.replication_server import open_replication
from etl_pipeline.pipeline.run_plan import RefusedTable, RunPlan
from etl_pipeline.pipeline.run_record import Control
from etl_pipeline.pipeline.scrub import Checks, begin_checks, end_checks
from etl_pipeline.pipeline.selection import (
    Carried,
    choose_tables,
    record_carried,
)
from etl_pipeline.pipeline.session import KeepTrace, Session, check_source, open_session
from etl_pipeline.pipeline.summary import Compared, RunSummary
from etl_pipeline.pipeline.table_worker import Work, explain_failure, retrying, work_on_tables
from etl_pipeline.replicate.corrections import describe_corrections
from etl_pipeline.replicate.scrub_budget import NO_SCRUB_SCOPE
from etl_pipeline.replicate.strategy import GRADES, Rules
from etl_pipeline.replicate.table import ReplicateResult, Replication, recall_table, replicate_table
from etl_pipeline.schema.drift import FOLLOW
from etl_pipeline.state import origin, runs, warehouse
from etl_pipeline.state.records import TableOutcome
from etl_pipeline.state.runs import Selection, Started
from etl_pipeline.transfer.select import RenderedTable

log = logging.getLogger(__name__)


def run_once(
    settings: Settings,
    tables: Sequence[str],
    *,
    full: bool = False,
    allow_deletes: Sequence[str] = (),
    importance: Sequence[str] = (),
    only: str | None = None,
    outside_window: bool = False,
    accept_drift: bool = False,
    accept_source: bool = False,
    adopt: bool = False,
    listen: Listener,
    keep_trace: KeepTrace | None = None,
    now: Callable[[], datetime] = utc_now,
) -> RunSummary:
    """Bring *tables* (all that are configured, if empty) and record the run.

    A run that was cut off a short while ago, and was asked for the same, is gone on with: what it
    has read within the last hour is not read again.

    Args:
        settings: Of the environment in force.
        tables: Names.
        full: Whether both targets of every table are built anew, whatever its strategy.
        allow_deletes: Tables of which as many rows may go as will.
        importance: Only tables of one of these; empty for all.
        only: The hop that is made, ``replicate`` or ``load``; None for both.
        outside_window: Whether the source may be read outside of its window, too.
        accept_drift: Whether changes of the source's schema are followed in any case.
        accept_source: Whether the targets become a copy of this source, whatever they were of.
        adopt: Whether tables of ``raw`` that are not as we made them are taken over.
        listen: Told what goes on.
        keep_trace: Told of each error, for ``--debug``.
        now: Tells the instant.

    Raises:
        SourceClosedError: The window is not open.
        ConfigurationError: The configuration is wrong, or a table is not known.
        DatabaseError: A server cannot be used, or another run is at work.
        KeyboardInterrupt: Somebody pressed Ctrl-C; no table is left half-loaded.
    """
    started_at, clock = datetime.now(UTC), time.monotonic()
    with open_session(settings, outside_window=outside_window, now=now) as session:
        carried = choose_tables(
            session,
            tables,
            full=full,
            allow_deletes=allow_deletes,
            importance=importance,
            by_servers=settings.pipeline.source.digests_by == "servers",
            accepts=accept_drift,
            adopts=adopt,
        )
        selection = Selection(tuple(tables), full, tuple(importance), only)
        with Control(session.databases) as control:
            runs.lock_runs(control.connection)
            origins = check_source(session, accepts=accept_source)
            started = runs.start_run(control.connection, selection, session.lines)
            origin.record_analytics(control.connection, origins.source)
            log.debug("run %d: %s", started.lease.run_id, session.width)
            work = Work(session.databases, session.stop, listen, session.throttle, keep_trace)
            with runs.beating(lambda: control.connection, started.lease.run_id):
                outcomes, done = _run(session, carried, work, control, started, only, origins)
            runs.forget_old_runs(control.connection, settings.pipeline.general.history_days)
    notes = [*origins.notes, *warn_of_open(session.lines), *carried.plan.notes, *done.notes]
    if started.continues:
        notes.insert(0, f"run {started.continues} was cut off, and this one went on with it")
    seconds = time.monotonic() - clock
    run_id = started.lease.run_id
    return RunSummary(
        run_id,
        settings.environment,
        started_at,
        seconds,
        outcomes,
        notes,
        only,
        session.throttle.ledger.read(),
        came_and_went=carried.events,
        continues=started.continues,
        compared=done.compared,
    )


@dataclass(frozen=True, slots=True)
class _Done:
    """What came of a run as a whole: *notes* on it, and how old the proofs of the copies are."""

    notes: Sequence[str]
    compared: Compared


def _run(
    session: Session,
    carried: Carried,
    work: Work,
    control: Control,
    started: Started,
    only: str | None,
    origins: Origins,
) -> tuple[list[TableOutcome], _Done]:
    """What became of each table of *carried*, and of the run as a whole.

    Each table is recorded, and so is how the run ended.
    """
    run_id = started.lease.run_id
    outcome = "stopped"
    outcomes: list[TableOutcome] = []
    try:
        record_carried(control.connection, run_id, carried)
        replication = open_replication(session, started.lease, origins)
        with (
            ThreadPoolExecutor(session.width.workers) as threads,
            ThreadPoolExecutor(session.width.tables) as executor,
        ):
            workers = Workers(session.databases, threads, session.width.workers, session.stop)
            tables = [text.name for text in carried.plan.tables]
            scrub_seconds = session.settings.pipeline.verify.scrub_seconds
            checks = begin_checks(session.databases, work.stop, control, tables, scrub_seconds)
            copying = Copying(workers, replication, started, checks, only)
            with contextlib.closing(run_tables(carried.plan, work, copying, executor)) as known:
                for table in known:
                    warehouse.record_table(control.keep(), run_id, table)
                    outcomes.append(table)
            compared = end_checks(session.databases, work.stop, control, checks)
        outcome = "failed" if any(o.error for o in outcomes) else "succeeded"
        outcome = "stopped" if session.throttle.is_closed else outcome
    except EtlError:
        outcome = "failed"
        raise
    except (psycopg.Error, pymysql.err.MySQLError, SQLAlchemyError) as error:
        # Met between the tables, whose own failures are their outcomes.
        outcome = "failed"
        raise explain(error, f"run {run_id}") from error
    finally:
        warehouse.record_source_usage(control.keep(), run_id, session.throttle.ledger.read())
        runs.finish_run(control.keep(), run_id, outcome)
    compared = compared.of({o.table for o in outcomes if not o.error})
    return outcomes, _Done(replication.notes, compared)


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
