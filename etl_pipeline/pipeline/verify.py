"""``etl verify``: compare tables in the three databases, and copy again what is wrong."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import UTC, datetime

from etl_pipeline.config import Settings
from etl_pipeline.core.databases import lend_mysql, lend_postgres, lend_source
from etl_pipeline.errors import StoppedError
from etl_pipeline.pipeline.events import (
    ChunkDone,
    KeepTrace,
    Listener,
    TableFinished,
    TableStarted,
)
from etl_pipeline.pipeline.origin_check import refuse_other_source
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run_lock import open_run
from etl_pipeline.pipeline.run_plan import RefusedTable, RunPlan
from etl_pipeline.pipeline.run_record import RecordConnection, record_run, time_table
from etl_pipeline.pipeline.selection import select_tables
from etl_pipeline.pipeline.session import Session, open_session
from etl_pipeline.pipeline.summary import VerifySummary
from etl_pipeline.pipeline.table_worker import explain_failure, retrying, work_on_tables
from etl_pipeline.schema.drift import FOLLOW
from etl_pipeline.state.records import Lease, TableOutcome
from etl_pipeline.transfer.select import RenderedTable
from etl_pipeline.verify.job import VerifyJob, VerifyScope
from etl_pipeline.verify.repair import RepairCounts, repair_table
from etl_pipeline.verify.repair_keyless import repair_keyless
from etl_pipeline.verify.result import VerifyResult, count_words
from etl_pipeline.verify.table import TableFindings, verify_table

REPAIR = "repair"
"""What the history says of a table instead of a strategy."""


def verify_once(
    settings: Settings,
    tables: Sequence[str],
    scope: VerifyScope,
    *,
    listen: Listener,
    keep_trace: KeepTrace | None = None,
) -> VerifySummary:
    """Compare *tables* (all that are configured, if empty) in the three databases.

    With ``scope.repair`` the rows that are wrong are copied again when all is compared; no run
    can be at work meanwhile.

    Raises: as ``run_once``.
    """
    started_at, clock = datetime.now(UTC), time.monotonic()
    request = RunRequest(tables, outside_window=True)
    with contextlib.ExitStack() as opened:
        records = None
        if scope.repair:
            run = opened.enter_context(
                open_run(settings, request, listen=listen, keep_trace=keep_trace)
            )
            session, selected, records = run.session, run.selected, run.records
        else:
            session = opened.enter_context(
                open_session(settings, listen=listen, keep_trace=keep_trace)
            )
            selected = select_tables(session, request)
            refuse_other_source(session)
        plan = selected.plan_without_absent
        # Each table takes a connection to the source for as long as it is compared.
        at_once = min(session.parallelism.tables, session.parallelism.workers)
        with ThreadPoolExecutor(at_once) as executor:
            findings = list(compare_tables(plan, session, executor, scope))
        if records:
            _repair_tables(findings, plan, session, records, request, scope)
    seconds = time.monotonic() - clock
    results = [found.result for found in findings]
    return VerifySummary(settings.environment, started_at, seconds, scope, results)


def _repair_tables(
    findings: Sequence[TableFindings],
    plan: RunPlan,
    session: Session,
    records: RecordConnection,
    request: RunRequest,
    scope: VerifyScope,
) -> None:
    """Copy again what *findings* say is wrong, as a run of its own where anything is."""
    for found in findings:
        if found.result.discrepancies:
            found.result.unrepaired = found.cannot_repair
    repairable = [found for found in findings if found.wrong or found.whole]
    if repairable:
        with record_run(session, records, request.tables, REPAIR) as run:
            for found in repairable:
                run.record(_repair_table(plan, session, scope, run.lease, found))


def _repair_table(
    plan: RunPlan, session: Session, scope: VerifyScope, lease: Lease, found: TableFindings
) -> TableOutcome:
    result = found.result
    outcome = TableOutcome(result.table, REPAIR, rows=result.rows)
    text = next(text for text in plan.tables if text.name == result.table)
    with time_table(outcome, session):
        with open_job(text, plan, session, scope) as job:
            if found.whole:
                result.repaired, change = repair_keyless(job, lease, *found.whole)
            else:
                result.repaired, change = repair_table(job, lease, found.wrong)
        # What the user asked to see is not recorded for others.
        names_keys = text.has_plain_key or not scope.show_values
        is_whole = found.whole is not None
        _fill_in(outcome, result, change, names_keys=names_keys, is_whole=is_whole)
    if outcome.error:
        result.error, result.fix = outcome.error, outcome.fix
    return outcome


def _fill_in(
    outcome: TableOutcome,
    result: VerifyResult,
    change: RepairCounts,
    *,
    names_keys: bool,
    is_whole: bool,
) -> None:
    outcome.inserted, outcome.updated = change.inserted, change.updated
    outcome.deleted = change.deleted
    outcome.rows_read = sum(sum(repair.rows.values()) for repair in result.repaired)
    for repair in result.repaired:
        keys = [key for d in result.discrepancies if d.place == repair.place for key in d.keys]
        more = " and others" if sum(repair.rows.values()) > len(keys) else ""
        named = f"; keys {', '.join(keys)}{more}" if names_keys else ""
        if is_whole:
            named = "; the whole table, which has no key"
        outcome.notes.append(
            f"copied again in {repair.place}: {count_words(Counter(repair.rows))}{named}"
        )


def compare_tables(
    plan: RunPlan, session: Session, executor: Executor, scope: VerifyScope
) -> Generator[TableFindings]:
    """Compare every table of *plan* in the three databases; as ``work_on_tables``."""

    def refuse(refusal: RefusedTable) -> TableFindings:
        error = refusal.error
        return TableFindings(VerifyResult(refusal.table, error=error.what, fix=error.fix))

    return work_on_tables(
        plan, session, executor, lambda text: _compare_table(text, plan, session, scope), refuse
    )


def _compare_table(
    text: RenderedTable, plan: RunPlan, session: Session, scope: VerifyScope
) -> TableFindings:
    started = time.monotonic()
    session.listen(TableStarted(text.name, text.table.rows_estimate))

    def compare() -> TableFindings:
        with open_job(text, plan, session, scope) as job:
            return verify_table(job)

    try:
        found = retrying(text.name, session, compare)
    except StoppedError:
        raise
    except Exception as error:
        failure = explain_failure(error, text.name, session)
        found = TableFindings(VerifyResult(text.name, error=failure.what, fix=failure.fix))
    result = found.result
    problem = result.error or "; ".join(d.what for d in result.discrepancies) or None
    session.listen(TableFinished(text.name, result.rows, time.monotonic() - started, problem))
    return found


@contextlib.contextmanager
def open_job(
    text: RenderedTable, plan: RunPlan, session: Session, scope: VerifyScope
) -> Iterator[VerifyJob]:
    """Lend connections to all three databases for the block, to compare a table of *plan*."""
    databases, stop = session.databases, session.stop
    with (
        lend_source(databases.source, stop) as source,
        lend_mysql(databases.replication, stop) as replication,
        lend_postgres(databases.analytics, stop) as analytics,
    ):
        yield VerifyJob(
            text,
            databases.schema,
            source,
            replication,
            analytics,
            plan.rules[text.name],
            scope,
            stop,
            lambda rows, size: session.listen(ChunkDone(text.name, "verify", rows, size)),
            plan.drift.get(text.name, FOLLOW),
        )
