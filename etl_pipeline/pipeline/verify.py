"""``etl verify``: compare tables in the three databases, and copy again what is wrong."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import UTC, datetime

from etl_pipeline.config import Settings
from etl_pipeline.core.databases import lend_mysql, lend_postgres
from etl_pipeline.errors import StoppedError
from etl_pipeline.pipeline.events import ChunkDone, Listener, TableFinished, TableStarted
from etl_pipeline.pipeline.run_plan import RefusedTable, RunPlan
from etl_pipeline.pipeline.run_record import Control, attempted, recorded_run
from etl_pipeline.pipeline.selection import choose_tables, refuse_absent
from etl_pipeline.pipeline.session import KeepTrace, Session, check_source, open_session
from etl_pipeline.pipeline.summary import VerifySummary
from etl_pipeline.pipeline.table_worker import Work, explain_failure, retrying, work_on_tables
from etl_pipeline.schema.drift import FOLLOW
from etl_pipeline.state import runs
from etl_pipeline.state.records import Lease, TableOutcome
from etl_pipeline.transfer.select import RenderedTable
from etl_pipeline.verify.job import Scope, VerifyJob
from etl_pipeline.verify.repair import RepairCounts, repair_table
from etl_pipeline.verify.repair_keyless import repair_keyless
from etl_pipeline.verify.result import VerifyResult, count_words
from etl_pipeline.verify.table import TableFindings, verify_table

REPAIR = "repair"
"""What the history says of a table instead of a strategy."""


def verify_once(
    settings: Settings,
    tables: Sequence[str],
    scope: Scope,
    *,
    listen: Listener,
    keep_trace: KeepTrace | None = None,
) -> VerifySummary:
    """Compare *tables* (all that are configured, if empty) in the three databases.

    With ``scope.repair`` the rows that are wrong are copied again when all is compared; no run
    can be at work meanwhile.

    Raises: as ``run_once``.
    """
    started_at, started = datetime.now(UTC), time.monotonic()
    with open_session(settings) as session, contextlib.ExitStack() as controls:
        plan = refuse_absent(choose_tables(session, tables))
        work = Work(session.databases, session.stop, listen, session.throttle, keep_trace)
        control = None
        if scope.repair:
            control = controls.enter_context(Control(session.databases))
            runs.lock_runs(control.connection)
        check_source(session)
        # Each table takes a connection to the source for as long as it is compared.
        at_once = min(session.width.tables, session.width.workers)
        with ThreadPoolExecutor(at_once) as executor:
            findings = list(verify_tables(plan, work, executor, scope))
        if control:
            _repair(session, plan, work, control, scope, findings, tables)
    seconds = time.monotonic() - started
    results = [one.result for one in findings]
    return VerifySummary(settings.environment, started_at, seconds, scope, results)


def _repair(
    session: Session,
    plan: RunPlan,
    work: Work,
    control: Control,
    scope: Scope,
    findings: Sequence[TableFindings],
    tables: Sequence[str],
) -> None:
    """Mend what was found, table by table; each is recorded, and so is how the repair ended."""
    for one in findings:
        if one.result.discrepancies:
            one.result.unrepaired = one.cannot_repair
    mendable = [one for one in findings if one.wrong or one.whole]
    if not mendable:
        return
    with recorded_run(session, control, tables, REPAIR) as record:
        for one in mendable:
            record.add(_repair_table(plan, work, scope, record.lease, one))


def _repair_table(
    plan: RunPlan, work: Work, scope: Scope, lease: Lease, found: TableFindings
) -> TableOutcome:
    result = found.result
    outcome = TableOutcome(result.table, REPAIR, rows=result.rows)
    text = next(text for text in plan.tables if text.name == result.table)
    with attempted(outcome, work):
        with open_job(text, plan, work, scope) as job:
            if found.whole:
                result.repaired, change = repair_keyless(job, lease, *found.whole)
            else:
                result.repaired, change = repair_table(job, lease, found.wrong)
        # What somebody asked to see is not recorded for others.
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
    outcome.rows_read = sum(sum(one.rows.values()) for one in result.repaired)
    for one in result.repaired:
        keys = [key for d in result.discrepancies if d.place == one.place for key in d.keys]
        more = " and others" if sum(one.rows.values()) > len(keys) else ""
        named = f"; keys {', '.join(keys)}{more}" if names_keys else ""
        if is_whole:
            named = "; the whole table, which has no key"
        outcome.notes.append(
            f"copied again in {one.place}: {count_words(Counter(one.rows))}{named}"
        )


def verify_tables(
    plan: RunPlan, work: Work, executor: Executor, scope: Scope
) -> Generator[TableFindings]:
    """Compare every table of *plan* in the three databases; as ``work_on_tables``."""

    def refuse(refusal: RefusedTable) -> TableFindings:
        error = refusal.error
        return TableFindings(VerifyResult(refusal.table, error=error.what, fix=error.fix))

    return work_on_tables(
        plan, work, executor, lambda text: _verify_table(text, plan, work, scope), refuse
    )


def _verify_table(text: RenderedTable, plan: RunPlan, work: Work, scope: Scope) -> TableFindings:
    started = time.monotonic()
    work.listen(TableStarted(text.name, text.table.rows_estimate))

    def compare() -> TableFindings:
        with open_job(text, plan, work, scope) as job:
            return verify_table(job)

    try:
        found = retrying(text.name, work, compare)
    except StoppedError:
        raise
    except Exception as error:
        failure = explain_failure(error, text.name, work)
        found = TableFindings(VerifyResult(text.name, error=failure.what, fix=failure.fix))
    result = found.result
    problem = result.error or "; ".join(d.what for d in result.discrepancies) or None
    work.listen(TableFinished(text.name, result.rows, time.monotonic() - started, problem))
    return found


@contextlib.contextmanager
def open_job(text: RenderedTable, plan: RunPlan, work: Work, scope: Scope) -> Iterator[VerifyJob]:
    """A table of *plan* with connections to compare it by, which are lent for the block."""
    databases, stop = work.databases, work.stop
    with (
        lend_mysql(databases.source, stop) as source,
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
            lambda rows, size: work.listen(ChunkDone(text.name, "verify", rows, size)),
            plan.drift.get(text.name, FOLLOW),
        )
