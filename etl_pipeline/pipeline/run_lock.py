"""Begin a run, a backfill or a repair: open the databases, select tables, take the lock of runs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from etl_pipeline.config import Settings
from etl_pipeline.core.databases import lend_postgres
from etl_pipeline.core.driver_errors import is_passing
from etl_pipeline.core.throttle import utc_now
from etl_pipeline.errors import DatabaseError
from etl_pipeline.pipeline.events import KeepTrace, Listener
from etl_pipeline.pipeline.origin_check import Origins, refuse_other_source
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run_record import RecordConnection
from etl_pipeline.pipeline.selection import SelectedTables, select_tables
from etl_pipeline.pipeline.session import Session, open_session
from etl_pipeline.state import runs


@dataclass(frozen=True, slots=True)
class LockedRun:
    """The beginning of a run, a backfill or a repair: no other of them is at work.

    Attributes:
        records: Holds the lock of runs.
    """

    session: Session
    selected: SelectedTables
    records: RecordConnection
    origins: Origins


@contextlib.contextmanager
def open_run(
    settings: Settings,
    request: RunRequest,
    *,
    listen: Listener,
    keep_trace: KeepTrace | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Iterator[LockedRun]:
    """Open the databases, select the tables of *request*, and hold the lock of runs for the block.

    Raises: as ``open_session``, ``select_tables`` and ``refuse_other_source``; DatabaseError where
    another run is at work.
    """
    with (
        open_session(
            settings,
            listen=listen,
            keep_trace=keep_trace,
            outside_window=request.outside_window,
            is_run=True,
            now=now,
        ) as session,
        contextlib.ExitStack() as opened,
    ):
        with _naming_other_run(session):
            selected = select_tables(session, request)
            records = opened.enter_context(RecordConnection(session.databases))
            runs.lock_runs(records.connection)
        origins = refuse_other_source(session, accepts=request.accept_source)
        yield LockedRun(session, selected, records, origins)


@contextlib.contextmanager
def _naming_other_run(session: Session) -> Iterator[None]:
    """Raise DatabaseError with the run that ended the sessions of this one, if one did.

    A run that begins ends the sessions that an earlier one has left. It cannot tell them from those
    of a run that began in the same moment and does not get the lock of runs.
    """
    clock = time.monotonic()
    try:
        yield
    except (psycopg.Error, SQLAlchemyError, DatabaseError) as error:
        if is_passing(error):
            with (
                contextlib.suppress(psycopg.Error, SQLAlchemyError),
                lend_postgres(session.databases.analytics, session.stop) as connection,
            ):
                runs.refuse_other_run(connection, time.monotonic() - clock)
        raise
