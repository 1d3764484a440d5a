"""A repair or a backfill as a run in the history: one table after the other, each recorded."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from etl_pipeline.core.databases import lend_mysql
from etl_pipeline.errors import StoppedError
from etl_pipeline.pipeline.control import Control
from etl_pipeline.pipeline.session import Session
from etl_pipeline.pipeline.table_worker import Work, explain_failure
from etl_pipeline.state import runs, warehouse
from etl_pipeline.state.records import TableOutcome
from etl_pipeline.state.run_lease import Lease, take_replicas
from etl_pipeline.state.run_sessions import end_left_sessions, mark_sessions
from etl_pipeline.state.runs import Selection


@dataclass(slots=True)
class Record:
    """The tables of a run that is under way.

    Attributes:
        has_failed: Whether one of them has.
    """

    control: Control
    lease: Lease
    has_failed: bool = False

    def add(self, outcome: TableOutcome) -> None:
        """Record what became of a table, and commit."""
        warehouse.record_table(self.control.keep(), self.lease.run_id, outcome)
        self.has_failed = self.has_failed or outcome.error is not None


@contextlib.contextmanager
def recorded_run(
    session: Session, control: Control, tables: Sequence[str], what: str
) -> Iterator[Record]:
    """A run of *what* that owns the replicas until it ends; how it ended is recorded, too.

    Args:
        session: The databases.
        control: The connection of the run's records, which holds the lock of runs.
        tables: What was asked for.
        what: What the history says instead of a strategy.

    Raises:
        DatabaseError: Another run has taken over.
    """
    lease = runs.start_run(
        control.connection, Selection(tuple(tables)), session.lines, what=what
    ).lease
    record = Record(control, lease)
    outcome = "stopped"
    try:
        mark_sessions(session.databases.replication, session.databases.analytics)
        with lend_mysql(session.databases.replication, session.stop) as replication:
            end_left_sessions(replication)
            take_replicas(replication, lease)
        with runs.beating(lambda: control.connection, lease.run_id):
            yield record
        outcome = "failed" if record.has_failed else "succeeded"
    finally:
        runs.finish_run(control.keep(), lease.run_id, outcome)


@contextlib.contextmanager
def attempted(outcome: TableOutcome, work: Work) -> Iterator[None]:
    """Time what is done to a table; an error ends it, and *outcome* explains it.

    Raises:
        StoppedError: Somebody pressed Ctrl-C.
    """
    started = time.monotonic()
    try:
        yield
    except StoppedError:
        raise
    except Exception as error:
        failure = explain_failure(error, outcome.table, work)
        outcome.error, outcome.fix = failure.what, failure.fix
    outcome.seconds = time.monotonic() - started
