"""Work on tables side by side: announce each, retry passing faults, explain errors."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Executor, Future, as_completed
from dataclasses import dataclass
from typing import TypeVar

from etl_pipeline.core.any_error import explained
from etl_pipeline.core.cancellation import Cancellation
from etl_pipeline.core.databases import Databases
from etl_pipeline.core.driver_errors import is_passing, is_too_long
from etl_pipeline.core.throttle import Throttle
from etl_pipeline.errors import EtlError
from etl_pipeline.pipeline.events import Listener, RunStarted, TableFinished, TableRetried
from etl_pipeline.pipeline.run_plan import RefusedTable, RunPlan
from etl_pipeline.transfer.select import RenderedTable

Result = TypeVar("Result")

ATTEMPTS = 3
FIRST_WAIT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Work:
    """What every table is worked on with.

    Attributes:
        throttle: What the source is spared.
        keep_trace: Told of each error with its traceback, for ``--debug``; None for nobody.
    """

    databases: Databases
    stop: Cancellation
    listen: Listener
    throttle: Throttle
    keep_trace: Callable[[BaseException], None] | None = None


def work_on_tables(
    plan: RunPlan,
    work: Work,
    executor: Executor,
    do: Callable[[RenderedTable], Result],
    refuse: Callable[[RefusedTable], Result],
) -> Generator[Result]:
    """What *do* makes of every table of *plan*, each as soon as it is known; no order is kept.

    On Ctrl-C, or when the caller closes the iterator, the tables at work are stopped and their
    servers' statements cancelled, and no thread is at work any more when it goes on.

    Args:
        plan: The tables, and those that it refuses.
        work: What they are worked on with.
        executor: Does it; is shut down where the work is broken off.
        do: Raises for a stop alone: no table's failure stops the others.
        refuse: What a table comes to that the plan refuses.
    """
    announce(plan, work)
    for refusal in plan.refused:
        work.listen(TableFinished(refusal.table, 0, 0.0, refusal.error.what))
        yield refuse(refusal)
    futures: list[Future[Result]] = [executor.submit(do, text) for text in plan.tables]
    try:
        for future in as_completed(futures):
            yield future.result()
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        work.stop.request()
        executor.shutdown(wait=True)
        raise


def announce(plan: RunPlan, work: Work) -> None:
    """Say how many tables there are to work on, and how many rows they have, about."""
    estimate = sum(text.table.rows_estimate for text in plan.tables)
    work.listen(RunStarted(len(plan.tables) + len(plan.refused), estimate))


def explain_failure(error: Exception, table: str, work: Work) -> EtlError:
    """*error* in our words, after it was shown to whoever keeps traces."""
    if work.keep_trace:
        work.keep_trace(error)
    return explained(error, table)


def retrying(table: str, work: Work, attempt: Callable[[], Result]) -> Result:
    """Call *attempt* up to ``ATTEMPTS`` times, with doubling waits after faults that can pass.

    None is begun while a server is silent.
    """
    wait_seconds = FIRST_WAIT_SECONDS
    work.databases.check_alive()
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
            work.databases.check_alive()
    return attempt()
