"""Work on tables side by side: announce each, retry passing faults, explain errors."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Executor, Future, as_completed
from typing import TypeVar

from etl_pipeline.core.any_error import explained
from etl_pipeline.core.driver_errors import is_passing, is_too_long
from etl_pipeline.errors import AlteredError, EtlError
from etl_pipeline.pipeline.events import RunStarted, TableFinished, TableRetried
from etl_pipeline.pipeline.run_plan import RefusedTable, RunPlan
from etl_pipeline.pipeline.session import Session
from etl_pipeline.transfer.select import RenderedTable

Result = TypeVar("Result")

ATTEMPTS = 3
FIRST_WAIT_SECONDS = 1.0


def work_on_tables(
    plan: RunPlan,
    session: Session,
    executor: Executor,
    work: Callable[[RenderedTable], Result],
    refuse: Callable[[RefusedTable], Result],
) -> Generator[Result]:
    """Yield what *work* returns for each table of *plan*, as soon as it is known, in no order.

    On Ctrl-C, or when the caller closes the iterator, the tables in progress are stopped, their
    servers' statements are cancelled, and no thread is at work any more when it returns.

    Args:
        plan: The tables, and those that it refuses.
        session: Told of progress.
        executor: Runs *work*; is shut down where the work is broken off.
        work: Raises for a stop alone: no table's failure stops the others.
        refuse: Returns the result of a table that the plan refuses.
    """
    announce(plan, session)
    for refusal in plan.refused:
        session.listen(TableFinished(refusal.table, 0, 0.0, refusal.error.what))
        yield refuse(refusal)
    futures: list[Future[Result]] = [executor.submit(work, text) for text in plan.tables]
    try:
        for future in as_completed(futures):
            yield future.result()
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        session.stop.request()
        executor.shutdown(wait=True)
        raise


def announce(plan: RunPlan, session: Session) -> None:
    """Tell the listener how many tables there are, and about how many rows they have."""
    estimate = sum(text.table.rows_estimate for text in plan.tables)
    session.listen(RunStarted(len(plan.tables) + len(plan.refused), estimate))


def explain_failure(error: Exception, table: str, session: Session) -> EtlError:
    """Return *error* in our words, after it was shown to whoever keeps traces."""
    if session.keep_trace:
        session.keep_trace(error)
    return explained(error, table)


def retrying(table: str, session: Session, attempt: Callable[[], Result]) -> Result:
    """Call *attempt* up to ``ATTEMPTS`` times, with doubling waits after faults that can pass.

    None is begun while a server is silent.
    """
    wait_seconds = FIRST_WAIT_SECONDS
    session.databases.check_alive()
    for _ in range(ATTEMPTS - 1):
        try:
            return attempt()
        except Exception as error:
            session.stop.check()
            # Whoever held the table locked for longer than our limit may be done with it.
            is_altered = isinstance(error, AlteredError)
            if not (is_altered or is_passing(error) or is_too_long(error)):
                raise
            session.listen(TableRetried(table, explained(error, table).what, wait_seconds))
            session.stop.wait(wait_seconds)
            wait_seconds *= 2
            session.databases.check_alive()
    return attempt()
