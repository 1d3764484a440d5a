"""Runs in schema ``etl``: the lock, the warehouse's lease, the run that is continued, the history.

Every statement here is a transaction of its own, on the run's own connection in autocommit mode.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import secrets
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from etl_pipeline import __version__
from etl_pipeline.core.encryption import ConnectionSecurity
from etl_pipeline.errors import DatabaseError
from etl_pipeline.state.records import RESUME_SECONDS, Lease, Selection, TableOutcome
from etl_pipeline.state.run_sessions import end_holders, end_left_loaders

_LOCK = 7_305_438_871_402_195  # an arbitrary number that is ours
FOLLOW = "follow"
"""What the run of a follower is, in its selection."""
HEARTBEAT_SECONDS = 10.0
SILENT_SECONDS = 60.0
"""A run that gave no sign of life for so long is taken for dead."""


@dataclass(frozen=True, slots=True)
class Started:
    """A run that has begun.

    Attributes:
        continues: Number of the run that it goes on with; None for none.
        finished: By name, what that run, or one before it, did to the tables that it had finished
            and has read no longer than ``RESUME_SECONDS`` ago.
    """

    lease: Lease
    continues: int | None
    finished: Mapping[str, TableOutcome]


def lock_runs(connection: psycopg.Connection) -> None:
    """Hold the lock of a run for as long as *connection* lives.

    A run that holds it and gave no sign of life for ``SILENT_SECONDS`` is ended at the server: a
    connection whose other end is gone can hold a lock for hours. Should it be alive after all, its
    lease is gone, and it cannot write.

    Raises:
        DatabaseError: Another run holds it.
    """
    if _try_lock(connection):
        return
    _end_silent_run(connection)
    if _try_lock(connection):
        return
    other = connection.execute(
        "SELECT run_id, host, process_id, selection ->> 'what' FROM etl.run "
        "WHERE outcome IS NULL ORDER BY run_id DESC LIMIT 1"
    ).fetchone()
    raise _at_work(other)


def refuse_other_run(connection: psycopg.Connection, seconds: float) -> None:
    """Raise DatabaseError if another run is at work, or began within the last *seconds*.

    The second is a run that may have ended since.
    """
    with connection.transaction():
        other = connection.execute(
            "SELECT run_id, host, process_id, selection ->> 'what' FROM etl.run "
            "WHERE outcome IS NULL "
            "OR started_at > clock_timestamp() - make_interval(secs => %s) "
            "ORDER BY run_id DESC LIMIT 1",
            (seconds,),
        ).fetchone()
    if other or is_at_work(connection):
        raise _at_work(other)


def _at_work(other: tuple[Any, ...] | None) -> DatabaseError:
    """Return the error where run *other* is at work: number, host, process, and what it is.

    None where that is not known.
    """
    if other and other[3] == FOLLOW:
        return DatabaseError(
            f"etl follow (run {other[0]}, process {other[2]} on {other[1]}) keeps this warehouse "
            "equal to the source already",
            fix=f"to compare all tables: kill {other[2]} there, then etl follow --prove-now; "
            "etl status shows how far it is",
        )
    name = f"run {other[0]} (process {other[2]} on {other[1]})" if other else "another run"
    return DatabaseError(
        f"{name} is at work on this warehouse",
        fix="wait until it has ended, or stop it, and run again",
    )


def is_at_work(connection: psycopg.Connection) -> bool:
    """True if another connection holds the lock of a run; ends the transaction that it opens."""
    with connection.transaction():
        row = connection.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted "
            "AND pid <> pg_backend_pid() AND objsubid = 1 AND database = (SELECT oid FROM "
            "pg_database WHERE datname = current_database()) "
            "AND ((classid::bigint << 32) | objid::bigint) = %s)",
            (_LOCK,),
        ).fetchone()
    return bool(row and row[0])


def _try_lock(connection: psycopg.Connection) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,)).fetchone()
    return bool(row and row[0])


def _end_silent_run(connection: psycopg.Connection) -> None:
    """End the sessions of the run that holds the lock, if it gave no sign of life."""
    silent = connection.execute(
        "SELECT r.run_id FROM etl.run r JOIN etl.heartbeat h USING (run_id) "
        "WHERE r.outcome IS NULL AND h.seen_at < clock_timestamp() - make_interval(secs => %s) "
        "AND r.run_id = (SELECT max(run_id) FROM etl.run)",
        (SILENT_SECONDS,),
    ).fetchone()
    if silent is None:
        return
    end_left_loaders(connection)
    end_holders(connection, _LOCK)


def start_run(
    connection: psycopg.Connection,
    selection: Selection,
    lines: Iterable[ConnectionSecurity] = (),
    *,
    what: str = "run",
    resumes: bool = True,
) -> Started:
    """Record a new run and take the warehouse's lease for it.

    It continues the last run if that was cut off just now and was asked for the same, if it
    *resumes* any.

    The lock is held, so whatever else seems to be at work is not: such runs are recorded as lost.
    """
    # The lock is gone where its session ended, while another may be left with a table's locks.
    end_left_loaders(connection)
    # What a repair or a backfill left is found by what comes after it: neither is gone on with.
    last = _find_cut_off(connection, selection) if what == "run" and resumes else None
    connection.execute(
        "UPDATE etl.run SET outcome = 'lost', finished_at = clock_timestamp() WHERE outcome IS NULL"
    )
    token = secrets.token_bytes(16)
    row = connection.execute(
        "INSERT INTO etl.run (etl_version, host, process_id, os_user, token, selection, "
        "continues, encryption, backend_pid) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, pg_backend_pid()) "
        "RETURNING run_id",
        (
            __version__,
            socket.gethostname(),
            os.getpid(),
            _os_user(),
            token,
            selection.as_json(what),
            last,
            json.dumps({line.name: line.as_json() for line in lines}),
        ),
    ).fetchone()
    run_id = int(row[0]) if row else 0
    record_heartbeat(connection, run_id)
    chain = _read_chain(connection, last)
    lease = Lease(run_id, token, frozenset(chain.values()), datetime.now(UTC))
    finished = {
        name: outcome
        for name, outcome in _read_finished(connection, list(chain)).items()
        if outcome.read_from and lease.is_fresh(outcome.read_from)
    }
    return Started(lease, last, finished)


def _find_cut_off(connection: psycopg.Connection, selection: Selection) -> int | None:
    """The last run, if it was cut off a short while ago and was asked for the same."""
    row = connection.execute(
        "SELECT r.run_id FROM etl.run r JOIN etl.heartbeat h USING (run_id) "
        "WHERE r.run_id = (SELECT max(run_id) FROM etl.run) AND r.selection = %s::jsonb "
        "AND r.etl_version = %s AND (r.outcome IS NULL OR r.outcome IN ('stopped', 'lost')) "
        "AND h.seen_at > clock_timestamp() - make_interval(secs => %s)",
        (selection.as_json(), __version__, RESUME_SECONDS),
    ).fetchone()
    return int(row[0]) if row else None


def _read_chain(connection: psycopg.Connection, last: int | None) -> dict[int, bytes]:
    """Tokens of run *last* and of those that it went on with, by number."""
    rows = connection.execute(
        "WITH RECURSIVE chain AS (SELECT run_id, token, continues FROM etl.run "
        "WHERE run_id = %s UNION SELECT r.run_id, r.token, r.continues "
        "FROM etl.run r JOIN chain c ON r.run_id = c.continues) SELECT run_id, token FROM chain",
        (last,),
    )
    return {run_id: bytes(token) for run_id, token in rows}


def _read_finished(connection: psycopg.Connection, runs: list[int]) -> dict[str, TableOutcome]:
    """Return the outcomes of the tables that *runs* finished, by name."""
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            "SELECT * FROM etl.table_run WHERE run_id = ANY(%s) AND error IS NULL ORDER BY run_id",
            (runs,),
        )
        return {row["table_name"]: _outcome(row) for row in cursor.fetchall()}


def _outcome(row: Mapping[str, Any]) -> TableOutcome:
    altered = {
        (column, kind): count
        for column, kinds in row["altered"].items()
        for kind, count in kinds.items()
    }
    return TableOutcome(
        row["table_name"],
        row["strategy"],
        grade=row["grade"],
        rows=row["rows"],
        rows_read=row["rows_read"],
        text_bytes=row["text_bytes"],
        seconds=row["seconds"],
        inserted=row["inserted"],
        updated=row["updated"],
        deleted=row["deleted"],
        read_from=row["read_from"],
        read_to=row["read_to"],
        proven_at=row["proven_at"],
        watermark=row["watermark"],
        altered=Counter(altered),
        notes=list(row["notes"]),
        finished_in=row["finished_in"] or row["run_id"],
    )


def finish_run(connection: psycopg.Connection, run_id: int, outcome: str) -> None:
    """Record how a run ended: ``succeeded``, ``failed`` or ``stopped``; a lost one stays lost."""
    record_heartbeat(connection, run_id)
    connection.execute(
        "UPDATE etl.run SET finished_at = clock_timestamp(), outcome = %s "
        "WHERE run_id = %s AND outcome IS NULL",
        (outcome, run_id),
    )


def forget_old_runs(connection: psycopg.Connection, days: int) -> None:
    """Thin out the history: runs that began more than *days* ago are forgotten.

    Of each table the last run that succeeded stays, whatever its age.
    """
    connection.execute(
        "DELETE FROM etl.run WHERE started_at < clock_timestamp() - make_interval(days => %s) "
        "AND run_id NOT IN (SELECT max(run_id) FROM etl.table_run WHERE grade IS NOT NULL "
        "GROUP BY table_name)",
        (days,),
    )


def record_heartbeat(connection: psycopg.Connection, run_id: int) -> None:
    """Record that the run is alive now."""
    connection.execute(
        "INSERT INTO etl.heartbeat VALUES (%s, clock_timestamp()) "
        "ON CONFLICT (run_id) DO UPDATE SET seen_at = excluded.seen_at",
        (run_id,),
    )


@contextlib.contextmanager
def beating(connect: Callable[[], psycopg.Connection], run_id: int) -> Iterator[None]:
    """Record a heartbeat every ``HEARTBEAT_SECONDS`` while the block runs, from a thread.

    Args:
        connect: Gives the run's connection; one that was lost may be another the next time.
        run_id: The run.
    """
    done = threading.Event()

    def keep_recording() -> None:
        while not done.wait(HEARTBEAT_SECONDS):
            # Of a lost connection the run itself finds out, and makes a new one.
            with contextlib.suppress(psycopg.Error):
                record_heartbeat(connect(), run_id)

    thread = threading.Thread(target=keep_recording, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _os_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number without a name
        return str(os.getuid())
