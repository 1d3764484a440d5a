"""Does what the plan says: tables side by side, retries, records."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor, Future, as_completed
from dataclasses import dataclass
from typing import TypeVar

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from etl_pipeline.core.faults import is_passing, is_too_long
from etl_pipeline.core.peace import Peace
from etl_pipeline.core.stop import Stop
from etl_pipeline.errors import DriftError, EtlError, StoppedError
from etl_pipeline.pipeline.events import (
    ChunkDone,
    Listener,
    RunStarted,
    TableFinished,
    TableRetried,
    TableStarted,
)
from etl_pipeline.pipeline.explain import explained
from etl_pipeline.pipeline.plan import RunPlan
from etl_pipeline.schema.drift import FOLLOW
from etl_pipeline.sync.databases import Databases, lend_mysql, lend_postgres
from etl_pipeline.sync.drift_log import TableDrift
from etl_pipeline.sync.lanes import Lanes
from etl_pipeline.sync.load import load_table
from etl_pipeline.sync.load_job import Loaded
from etl_pipeline.sync.mended import describe_mended
from etl_pipeline.sync.proof import TableOutcome
from etl_pipeline.sync.remembered import recall_table
from etl_pipeline.sync.replicate import Replicated, Replication, replicate_table
from etl_pipeline.sync.rules import GRADES, Rules
from etl_pipeline.sync.runs import Started
from etl_pipeline.transfer.select import TableText
from etl_pipeline.verify.compare import Comparison, Scope
from etl_pipeline.verify.findings import Findings, verify_table
from etl_pipeline.verify.verdict import Verdict

log = logging.getLogger(__name__)

Result = TypeVar("Result")

ATTEMPTS = 3
FIRST_WAIT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Work:
    """What every table is worked on with.

    Attributes:
        peace: What the source is spared.
        keep_trace: Told of each error with its traceback, for ``--debug``; None for nobody.
    """

    databases: Databases
    stop: Stop
    listen: Listener
    peace: Peace
    keep_trace: Callable[[BaseException], None] | None = None


@dataclass(frozen=True, slots=True)
class Copying:
    """What tables are copied with.

    Attributes:
        lanes: Where chunks are read and written.
        replication: What is known of the replication database.
        started: The run, and what it goes on with.
        only: The hop that is made, ``replicate`` or ``load``; None for both.
    """

    lanes: Lanes
    replication: Replication
    started: Started
    only: str | None = None


def run_tables(
    plan: RunPlan, work: Work, copying: Copying, executor: Executor
) -> Generator[TableOutcome]:
    """Copy every table of *plan*, each outcome as soon as it is known; no failure stops the others.

    On Ctrl-C, or when the caller closes the iterator, the tables at work are stopped and their
    servers' statements cancelled, and no thread is at work any more when it goes on.
    """
    _announce(plan, work)
    for refusal in plan.refused:
        work.listen(TableFinished(refusal.table, 0, 0.0, refusal.error.what))
        error = refusal.error
        yield TableOutcome(refusal.table, "none", error=error.what, fix=error.fix)
    yield from _as_known(plan, work, executor, lambda text: _copy_table(text, plan, work, copying))


def verify_tables(
    plan: RunPlan, work: Work, executor: Executor, scope: Scope
) -> Generator[Findings]:
    """Compare every table of *plan* in the three databases; the rest is as for ``run_tables``."""
    _announce(plan, work)
    for refusal in plan.refused:
        work.listen(TableFinished(refusal.table, 0, 0.0, refusal.error.what))
        error = refusal.error
        yield Findings(Verdict(refusal.table, error=error.what, fix=error.fix))
    yield from _as_known(plan, work, executor, lambda text: _verify_table(text, plan, work, scope))


def _announce(plan: RunPlan, work: Work) -> None:
    estimate = sum(text.table.rows_estimate for text in plan.tables)
    work.listen(RunStarted(len(plan.tables) + len(plan.refused), estimate))


def _as_known(
    plan: RunPlan, work: Work, executor: Executor, do: Callable[[TableText], Result]
) -> Generator[Result]:
    futures: list[Future[Result]] = [executor.submit(do, text) for text in plan.tables]
    try:
        for future in as_completed(futures):
            yield future.result()
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        work.stop.request()
        executor.shutdown(wait=True)
        raise


def _copy_table(text: TableText, plan: RunPlan, work: Work, copying: Copying) -> TableOutcome:
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
            work.peace.check_open(text.name, "not begun")
            _retrying(
                text.name, work, lambda: _copy_once(text, rules, work, copying, outcome, drift)
            )
        except StoppedError:
            raise
        except Exception as error:
            if isinstance(error, DriftError):
                _record_refused(drift, work, copying)
            failure = _failure(error, text.name, work)
            outcome.error, outcome.fix = failure.what, failure.fix
        outcome.drift = drift.events
        outcome.seconds = time.monotonic() - started
    seconds = time.monotonic() - started
    work.listen(TableFinished(text.name, outcome.rows, seconds, outcome.error))
    return outcome


def _copy_once(
    text: TableText,
    rules: Rules,
    work: Work,
    copying: Copying,
    outcome: TableOutcome,
    drift: TableDrift,
) -> None:
    def report(hop: str) -> Callable[[int, int], None]:
        return lambda rows, size: work.listen(ChunkDone(text.name, hop, rows, size))

    claim = copying.started.claim
    _find_drift(text, rules, work, copying, drift)
    if copying.only == "load":
        replicated = recall_table(text, copying.lanes, copying.replication)
    else:
        replicated = replicate_table(
            text,
            copying.lanes,
            copying.replication,
            rules,
            claim,
            report=report("replicate"),
            drift=drift.policy,
        )
        drift.note_replicated()
    if copying.only == "replicate":
        _record_replicated(drift, work, copying)
        _fill_in(outcome, text, replicated, Loaded())
        _take_back_proof(outcome)
        return
    with lend_postgres(work.databases.analytics, work.stop) as analytics:
        loaded = load_table(
            text,
            work.databases.schema,
            replicated,
            copying.lanes,
            analytics,
            rules,
            claim,
            report=report("load"),
            drift=drift,
        )
    _fill_in(outcome, text, replicated, loaded)
    if copying.only:
        _take_back_proof(outcome)


def _take_back_proof(outcome: TableOutcome) -> None:
    """One hop alone proves nothing of the warehouse and the source of now."""
    outcome.grade = outcome.read_from = outcome.read_to = None
    outcome.proven_at = outcome.watermark = None


def _fill_in(
    outcome: TableOutcome, text: TableText, replicated: Replicated, loaded: Loaded
) -> None:
    """What both hops did, as the outcome of the table."""
    grade = GRADES[replicated.what]
    instants = [proof.read_at for proof in replicated.proofs]
    outcome.grade = grade
    outcome.rows = sum(proof.rows for proof in replicated.proofs)
    outcome.rows_read = replicated.rows_read
    outcome.text_bytes = replicated.text_bytes
    outcome.inserted, outcome.updated = loaded.inserted, loaded.updated
    outcome.deleted = loaded.deleted
    outcome.read_from = min(instants) if grade == "value" else replicated.began_at
    outcome.read_to = max(instants) if grade == "value" else replicated.began_at
    outcome.proven_at = replicated.proven_at
    outcome.watermark = replicated.watermark.value if replicated.watermark else None
    outcome.notes = list(replicated.notes)
    outcome.mended = describe_mended([*replicated.mended, *loaded.mended])
    for (position, kind), count in replicated.altered.items():
        outcome.altered[text.columns[position].name, kind] += count


def _find_drift(
    text: TableText, rules: Rules, work: Work, copying: Copying, drift: TableDrift
) -> None:
    """Compare the source's schema with those that the targets were loaded with."""
    with lend_postgres(work.databases.analytics, work.stop) as analytics:
        copying.lanes.call(
            lambda lane: drift.find(
                text,
                lane.replication,
                analytics,
                schema=work.databases.schema,
                collations=copying.replication.collations,
                run_id=copying.started.claim.run_id,
                marks_deletes=rules.marks_deletes,
            )
        )


def _record_replicated(drift: TableDrift, work: Work, copying: Copying) -> None:
    """Record that replication has followed, and ``raw`` is left to another run."""
    if drift.events:
        with lend_postgres(work.databases.analytics, work.stop) as analytics:
            drift.record(analytics, copying.started.claim.run_id)


def _record_refused(drift: TableDrift, work: Work, copying: Copying) -> None:
    """Record that changes were not followed; the table's own error is shown in any case."""
    try:
        with lend_postgres(work.databases.analytics, work.stop) as analytics:
            drift.refuse(analytics, copying.started.claim.run_id)
    except (psycopg.Error, SQLAlchemyError) as error:
        log.warning("a refused change could not be recorded: %s", explained(error, "analytics"))


def _verify_table(text: TableText, plan: RunPlan, work: Work, scope: Scope) -> Findings:
    started = time.monotonic()
    work.listen(TableStarted(text.name, text.table.rows_estimate))

    def compare() -> Findings:
        with open_comparison(text, plan, work, scope) as job:
            return verify_table(job)

    try:
        found = _retrying(text.name, work, compare)
    except StoppedError:
        raise
    except Exception as error:
        failure = _failure(error, text.name, work)
        found = Findings(Verdict(text.name, error=failure.what, fix=failure.fix))
    verdict = found.verdict
    problem = verdict.error or "; ".join(d.what for d in verdict.discrepancies) or None
    work.listen(TableFinished(text.name, verdict.rows, time.monotonic() - started, problem))
    return found


@contextlib.contextmanager
def open_comparison(
    text: TableText, plan: RunPlan, work: Work, scope: Scope
) -> Iterator[Comparison]:
    """A table of *plan* with connections to compare it by, which are lent for the block."""
    databases, stop = work.databases, work.stop
    with (
        lend_mysql(databases.source, stop) as source,
        lend_mysql(databases.replication, stop) as replication,
        lend_postgres(databases.analytics, stop) as analytics,
    ):
        yield Comparison(
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


def _failure(error: Exception, table: str, work: Work) -> EtlError:
    """*error* in our words, after it was shown to whoever keeps traces."""
    if work.keep_trace:
        work.keep_trace(error)
    return explained(error, table)


def _retrying(table: str, work: Work, attempt: Callable[[], Result]) -> Result:
    """Call *attempt* up to ``ATTEMPTS`` times, with doubling waits after faults that can pass."""
    wait_seconds = FIRST_WAIT_SECONDS
    for _ in range(ATTEMPTS - 1):
        try:
            return attempt()
        except Exception as error:
            work.stop.check()
            # Whoever held the table locked for longer than our limit may be done with it.
            if not is_passing(error) and not is_too_long(error):
                raise
            work.listen(TableRetried(table, explained(error, table).what, wait_seconds))
            work.stop.wait(wait_seconds)
            wait_seconds *= 2
    return attempt()
