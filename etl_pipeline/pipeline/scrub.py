"""Choose which parts of our copies a run compares again, and record what it wrote itself.

At its beginning and at its end a run asks either server, in one query each, what it has seen of
writes. A table with writes that ours do not explain is digested anew. Besides, the chunks that were
compared longest ago are compared again, within a time budget.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
import pymysql
from sqlalchemy.exc import SQLAlchemyError

from etl_pipeline.core.cancellation import Cancellation
from etl_pipeline.core.databases import Databases, lend_mysql
from etl_pipeline.core.driver_errors import explain
from etl_pipeline.load import write_counters
from etl_pipeline.load.job import LoadResult
from etl_pipeline.load.write_counters import Counters, OurWrites
from etl_pipeline.pipeline.run_record import Control
from etl_pipeline.pipeline.summary import Compared
from etl_pipeline.replicate import update_times
from etl_pipeline.replicate.scrub_budget import ScrubBudget, ScrubScope
from etl_pipeline.replicate.table import ReplicateResult
from etl_pipeline.replicate.update_times import UpdateTime
from etl_pipeline.schema.names import postgres_name
from etl_pipeline.state import compared_at, warehouse

log = logging.getLogger(__name__)

RUN_PART = 0.1
"""The part of a run's time that is for scrubbing, where nothing else is configured."""

NONE = OurWrites()
LATE_SECONDS, LATE_ATTEMPTS = 0.2, 5
"""How long is waited for PostgreSQL to have counted what was written just now."""


@dataclass(slots=True)
class Checks:
    """What is looked at again of each table, and what the run itself has written.

    Attributes:
        tables: The tables of the run, by the source's name.
        raw: What of each table in ``raw`` is digested anew.
        replica: What of each replica is read again.
    """

    schema: str
    tables: Sequence[str]
    raw: Mapping[str, ScrubScope]
    replica: Mapping[str, ScrubScope]
    _counters: Mapping[str, Counters]
    _times: Mapping[str, UpdateTime]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _written: dict[str, OurWrites] = field(default_factory=dict)
    _raw_seen: set[str] = field(default_factory=set)
    _replica_seen: set[str] = field(default_factory=set)
    _written_until: dict[str, datetime] = field(default_factory=dict)
    _failed: set[str] = field(default_factory=set)
    _refused: set[str] = field(default_factory=set)

    def note_replicated(self, table: str, done: ReplicateResult) -> None:
        """The first hop of *table* was made."""
        with self._lock:
            if done.is_seen_whole:
                self._replica_seen.add(table)
            if done.written_until:
                self._written_until[table] = done.written_until

    def note_loaded(self, table: str, done: LoadResult, *, marks_deletes: bool) -> None:
        """The second hop of *table* was made, and committed."""
        marked, deleted = (done.deleted, 0) if marks_deletes else (0, done.deleted)
        with self._lock:
            if done.is_seen_whole:
                self._raw_seen.add(table)
            self._written[table] = OurWrites(done.inserted, done.updated + marked, deleted)

    def note_failed(self, table: str) -> None:
        """*table* failed; a copy that is wrong may be why, so the next run looks at all of it."""
        with self._lock:
            self._failed.add(table)

    def note_refused(self, table: str) -> None:
        """*table* was not followed, which says nothing of its copies: what is left of it stays."""
        with self._lock:
            self._refused.add(table)

    @property
    def _settled(self) -> list[str]:
        """The tables of which something is to be left."""
        return [table for table in self.tables if table not in self._refused]

    def settle_raw(self, analytics: psycopg.Connection) -> None:
        """Leave what PostgreSQL has counted, where nothing but our writes explains it."""
        for attempt in range(LATE_ATTEMPTS):
            now = write_counters.read_counters(analytics, self.schema)
            known, unknown = self._find_expected(now)
            late = [table for table in unknown if self._written.get(table, NONE) != NONE]
            if not late:
                break
            if attempt < LATE_ATTEMPTS - 1:
                time.sleep(LATE_SECONDS)
        write_counters.write_expected(
            analytics,
            {postgres_name(table): counters for table, counters in known.items()},
            map(postgres_name, unknown),
        )

    def _find_expected(self, now: Mapping[str, Counters]) -> tuple[dict[str, Counters], list[str]]:
        known, unknown = {}, []
        for table in self._settled:
            name = postgres_name(table)
            expected = write_counters.expect_counters(
                self._counters.get(name), now.get(name), self._written.get(table, NONE)
            )
            is_seen = table in self._raw_seen or not self.raw[table].every
            if expected and is_seen and table not in self._failed:
                known[table] = expected
            else:
                unknown.append(table)
        return known, unknown

    def settle_replicas(self, replication: Any) -> None:
        """Leave when each replica was last written to, where nobody but us has; commits."""
        clock = update_times.read_now(replication)
        now = update_times.read_update_times(replication)
        known, unknown = {}, []
        for table in self._settled:
            settled = update_times.settle(
                self._times.get(table),
                now.get(table),
                written_until=self._written_until.get(table),
                clock=clock,
            )
            is_seen = table in self._replica_seen or not self.replica[table].every
            if settled and is_seen and table not in self._failed:
                known[table] = settled
            else:
                unknown.append(table)
        update_times.write_expected(replication, known, unknown)
        replication.commit()


def read_compared(analytics: psycopg.Connection, replication: Any) -> Compared:
    """How old the proofs of the copies are, by table; *replication*'s transaction is ended."""
    found = Compared(warehouse.read_oldest(analytics), compared_at.read_oldest(replication))
    replication.rollback()
    return found


def plan_checks(
    analytics: psycopg.Connection,
    replication: Any,
    schema: str,
    tables: Sequence[str],
    scrub_seconds: float | None,
) -> Checks:
    """What this run looks at again of *tables*, before anything is written.

    Args:
        analytics: In autocommit mode.
        replication: Connection of PyMySQL; its transaction is ended.
        schema: The schema that is loaded, ``raw``.
        tables: The tables of the run.
        scrub_seconds: How long it may scrub; None for ``RUN_PART`` of the last run.
    """
    if scrub_seconds is None:
        scrub_seconds = warehouse.read_last_seconds(analytics) * RUN_PART
    of_raw, of_replicas = ScrubBudget(scrub_seconds / 2), ScrubBudget(scrub_seconds / 2)
    counters = write_counters.read_counters(analytics, schema)
    left = write_counters.read_expected(analytics)
    moved = {
        table
        for table in tables
        if left.get(postgres_name(table)) != counters.get(postgres_name(table))
        or postgres_name(table) not in counters
    }
    due = warehouse.read_due(analytics, tables, of_raw.chunks)
    raw = _choose(tables, moved, due, of_raw)
    times = update_times.read_update_times(replication)
    seen = update_times.read_expected(replication)
    moved = {
        table
        for table in tables
        if table not in times or not times[table].is_still(seen.get(table))
    }
    due = compared_at.read_due(replication, tables, of_replicas.chunks)
    replica = _choose(tables, moved, due, of_replicas)
    replication.rollback()
    return Checks(schema, tables, raw, replica, counters, times)


def _choose(
    tables: Iterable[str], moved: set[str], due: Iterable[tuple[str, int]], budget: ScrubBudget
) -> dict[str, ScrubScope]:
    ordinals: dict[str, set[int]] = defaultdict(set)
    for table, ordinal in due:
        ordinals[table].add(ordinal)
    return {
        table: ScrubScope(every=True)
        if table in moved
        else ScrubScope(False, frozenset(ordinals[table]), budget)
        for table in tables
    }


def begin_checks(
    databases: Databases,
    stop: Cancellation,
    control: Control,
    tables: Sequence[str],
    scrub_seconds: float | None,
) -> Checks:
    """What a run looks at again of *tables*; as ``plan_checks``."""
    with lend_mysql(databases.replication, stop) as replication:
        analytics, schema = control.connection, databases.schema
        return plan_checks(analytics, replication, schema, tables, scrub_seconds)


def end_checks(
    databases: Databases, stop: Cancellation, control: Control, checks: Checks
) -> Compared:
    """Leave for the next run what to go by; without it, that run digests every table anew.

    Returns:
        How old the proofs of the copies are.
    """
    try:
        checks.settle_raw(control.keep())
        with lend_mysql(databases.replication, stop) as replication:
            checks.settle_replicas(replication)
            return read_compared(control.connection, replication)
    except (psycopg.Error, pymysql.err.MySQLError, SQLAlchemyError) as error:
        reason = explain(error, "the record of our writes").what
        log.warning("%s: the next run compares more of the copies than it would have to", reason)
        return Compared()
