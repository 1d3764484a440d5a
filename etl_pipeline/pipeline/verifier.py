"""Compares tables in the three databases, side by side."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator
from concurrent.futures import Executor

from etl_pipeline.core.databases import lend_mysql, lend_postgres
from etl_pipeline.errors import StoppedError
from etl_pipeline.pipeline.events import ChunkDone, TableFinished, TableStarted
from etl_pipeline.pipeline.plan import RefusedTable, RunPlan
from etl_pipeline.pipeline.table_worker import Work, explain_failure, retrying, work_on_tables
from etl_pipeline.schema.drift import FOLLOW
from etl_pipeline.transfer.select import RenderedTable
from etl_pipeline.verify.compare import Comparison, Scope
from etl_pipeline.verify.findings import Findings, verify_table
from etl_pipeline.verify.verdict import Verdict


def verify_tables(
    plan: RunPlan, work: Work, executor: Executor, scope: Scope
) -> Generator[Findings]:
    """Compare every table of *plan* in the three databases; as ``work_on_tables``."""

    def refuse(refusal: RefusedTable) -> Findings:
        error = refusal.error
        return Findings(Verdict(refusal.table, error=error.what, fix=error.fix))

    return work_on_tables(
        plan, work, executor, lambda text: _verify_table(text, plan, work, scope), refuse
    )


def _verify_table(text: RenderedTable, plan: RunPlan, work: Work, scope: Scope) -> Findings:
    started = time.monotonic()
    work.listen(TableStarted(text.name, text.table.rows_estimate))

    def compare() -> Findings:
        with open_comparison(text, plan, work, scope) as job:
            return verify_table(job)

    try:
        found = retrying(text.name, work, compare)
    except StoppedError:
        raise
    except Exception as error:
        failure = explain_failure(error, text.name, work)
        found = Findings(Verdict(text.name, error=failure.what, fix=failure.fix))
    verdict = found.verdict
    problem = verdict.error or "; ".join(d.what for d in verdict.discrepancies) or None
    work.listen(TableFinished(text.name, verdict.rows, time.monotonic() - started, problem))
    return found


@contextlib.contextmanager
def open_comparison(
    text: RenderedTable, plan: RunPlan, work: Work, scope: Scope
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
