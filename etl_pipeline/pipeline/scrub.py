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
from pymysql.connections import Connection
from sqlalchemy.exc import SQLAlchemyError

from etl_pipeline.core.databases import lend_mysql
from etl_pipeline.core.driver_errors import explain
from etl_pipeline.load import write_counters
from etl_pipeline.load.job import LoadResult
from etl_pipeline.load.write_counters import Counters, OurWrites
from etl_pipeline.pipeline.run_record import RecordConnection
from etl_pipeline.pipeline.session import Session
from etl_pipeline.pipeline.summary import ComparisonAges
from etl_pipeline.replicate import update_times
from etl_pipeline.replicate.scrub_budget import ScrubBudget, ScrubScope
from etl_pipeline.replicate.table import ReplicateResult
from etl_pipeline.replicate.update_times import UpdateTime
from etl_pipeline.schema.names import postgres_name
from etl_pipeline.state import compared_at, warehouse

log = logging.getLogger(__name__)

RUN_PART = 0.1
"""Part of a run's time for scrubbing, where nothing else is configured."""

NO_WRITES = OurWrites()
LATE_SECONDS, LATE_ATTEMPTS = 0.2, 5
"""How long to wait until PostgreSQL has counted what was written just now."""


@dataclass(slots=True)
class ScrubPlan:
    """The parts of the copies that a run compares again, and what the run itself has written.

    Attributes:
        tables: The tables of the run, by the source's name.
        raw: The chunks of each table in ``raw`` that are digested anew.
        replica: The chunks of each replica that are read again.
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
        """Note what the first hop of *table* has read and written."""
        with self._lock:
            if done.is_seen_whole:
                self._replica_seen.add(table)
            if done.written_until:
                self._written_until[table] = done.written_until

    def note_loaded(self, table: str, done: LoadResult, *, marks_deletes: bool) -> None:
        """Note what the second hop of *table* has committed."""
        marked, deleted = (done.deleted, 0) if marks_deletes else (0, done.deleted)
        with self._lock:
            if done.is_seen_whole:
                self._raw_seen.add(table)
            self._written[table] = OurWrites(done.inserted, done.updated + marked, deleted)

    def note_failed(self, table: str) -> None:
        """Note that *table* failed: a wrong copy may be why, so the next run compares all of it."""
        with self._lock:
            self._failed.add(table)

    def note_refused(self, table: str) -> None:
        """Note that drift of *table* was refused: what is expected of its copies stays."""
        with self._lock:
            self._refused.add(table)

    @property
    def _settled(self) -> list[str]:
        """The tables whose expectations are renewed."""
        return [table for table in self.tables if table not in self._refused]

    def settle_raw(self, analytics: psycopg.Connection) -> None:
        """Record what PostgreSQL has counted, where our writes explain all of it."""
        for attempt in range(LATE_ATTEMPTS):
            now = write_counters.read_counters(analytics, self.schema)
            known, unknown = self._find_expected(now)
            late = [table for table in unknown if self._written.get(table, NO_WRITES) != NO_WRITES]
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
                self._counters.get(name), now.get(name), self._written.get(table, NO_WRITES)
            )
            is_seen = table in self._raw_seen or not self.raw[table].every
            if expected and is_seen and table not in self._failed:
                known[table] = expected
            else:
                unknown.append(table)
        return known, unknown

    def settle_replicas(self, replication: Connection[Any]) -> None:
        """Record when each replica was last written to, where nobody but us has; commits."""
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


def read_comparison_ages(
    analytics: psycopg.Connection, replication: Connection[Any]
) -> ComparisonAges:
    """Return how old the proofs of the copies are; ends *replication*'s transaction."""
    ages = ComparisonAges(warehouse.read_oldest(analytics), compared_at.read_oldest(replication))
    replication.rollback()
    return ages


def begin_scrub(session: Session, records: RecordConnection, tables: Sequence[str]) -> ScrubPlan:
    """Choose the parts of *tables* that this run compares again, before anything is written."""
    with lend_mysql(session.databases.replication, session.stop) as replication:
        analytics, schema = records.connection, session.databases.schema
        scrub_seconds = session.settings.pipeline.verify.scrub_seconds
        if scrub_seconds is None:
            scrub_seconds = warehouse.read_last_seconds(analytics) * RUN_PART
        of_raw, of_replicas = ScrubBudget(scrub_seconds / 2), ScrubBudget(scrub_seconds / 2)
        counters = write_counters.read_counters(analytics, schema)
        left = write_counters.read_expected(analytics)
        written = {
            table
            for table in tables
            if left.get(postgres_name(table)) != counters.get(postgres_name(table))
            or postgres_name(table) not in counters
        }
        due = warehouse.read_due(analytics, tables, of_raw.chunks)
        raw = _choose_scopes(tables, written, due, of_raw)
        times = update_times.read_update_times(replication)
        expected = update_times.read_expected(replication)
        written = {
            table
            for table in tables
            if table not in times or not times[table].is_still(expected.get(table))
        }
        due = compared_at.read_due(replication, tables, of_replicas.chunks)
        replica = _choose_scopes(tables, written, due, of_replicas)
        replication.rollback()
        return ScrubPlan(schema, tables, raw, replica, counters, times)


def _choose_scopes(
    tables: Iterable[str], written: set[str], due: Iterable[tuple[str, int]], budget: ScrubBudget
) -> dict[str, ScrubScope]:
    ordinals: dict[str, set[int]] = defaultdict(set)
    for table, ordinal in due:
        ordinals[table].add(ordinal)
    return {
        table: ScrubScope(every=True)
        if table in written
        else ScrubScope(False, frozenset(ordinals[table]), budget)
        for table in tables
    }


def end_scrub(session: Session, records: RecordConnection, scrub: ScrubPlan) -> ComparisonAges:
    """Record what the next run may expect; without it, that run digests every table anew.

    Returns:
        How old the proofs of the copies are; nothing where a server failed.
    """
    try:
        scrub.settle_raw(records.ensure_connected())
        with lend_mysql(session.databases.replication, session.stop) as replication:
            scrub.settle_replicas(replication)
            return read_comparison_ages(records.connection, replication)
    except (psycopg.Error, pymysql.err.MySQLError, SQLAlchemyError) as error:
        reason = explain(error, "the record of our writes").what
        log.warning("%s: the next run compares more of the copies than it would have to", reason)
        return ComparisonAges()
