"""The targets and the log, open to be followed: what is recorded, what is followed from where."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from etl_pipeline.binlog.keys import NO_CASCADES, make_layout
from etl_pipeline.binlog.position import Position
from etl_pipeline.binlog.server_log import read_cascades, read_name_case, read_position
from etl_pipeline.binlog.stream import choose_server_id, open_log
from etl_pipeline.config import Settings
from etl_pipeline.core import ConnectionFactory
from etl_pipeline.core.databases import lend_mysql, lend_postgres, lend_source
from etl_pipeline.core.source_connection import SourceConnection
from etl_pipeline.core.workers import Workers
from etl_pipeline.errors import LogError
from etl_pipeline.formatting import count_of
from etl_pipeline.load.batch import why_not_by_key
from etl_pipeline.load.raw_plan import plan_raw_table
from etl_pipeline.pipeline.events import KeepTrace, ignore_event
from etl_pipeline.pipeline.follow_batch import BatchResult, BatchWriter, FollowedTable
from etl_pipeline.pipeline.follow_proof import ProofPass
from etl_pipeline.pipeline.follow_start import Start, explain_unfollowed, settle_start
from etl_pipeline.pipeline.replication_server import read_replication
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run_lock import LockedRun, open_run
from etl_pipeline.pipeline.run_record import record_run
from etl_pipeline.pipeline.summary import RunSummary
from etl_pipeline.replicate.identity import design_replica
from etl_pipeline.replicate.job import WriteJob
from etl_pipeline.replicate.log_feed import LOOK_SECONDS, LogFeed
from etl_pipeline.schema import drift
from etl_pipeline.state import follower, replicas, runs
from etl_pipeline.state.follower import FollowedRecord, Minute
from etl_pipeline.state.records import Lease

log = logging.getLogger(__name__)

KEEP_SECONDS = 10.0
"""How often the position is recorded while nothing changes: what is before it may be purged."""


@contextlib.contextmanager
def open_following(
    settings: Settings,
    ran: RunSummary | None,
    *,
    lost: str | None,
    not_now: Collection[str],
    keep_trace: KeepTrace | None,
) -> Iterator[Following]:
    """Open the databases under the lock of runs, and find out what is followed from where.

    Where nothing that is recorded holds, the place in the log of now is recorded instead: the run
    that compares the tables comes after it.

    Args:
        settings: Of the environment in force.
        ran: A run that has just compared tables, which are followed from now on.
        lost: Why the recorded position cannot be followed from.
        not_now: Tables whose run has failed a short while ago.
        keep_trace: Told of each error.

    Raises: as ``open_run``; LogError where the source has no log to follow.
    """
    request = RunRequest(outside_window=True)
    with open_run(settings, request, listen=ignore_event, keep_trace=keep_trace) as opened:
        server = str(opened.origins.source)
        analytics = opened.records.connection
        start, number = settle_start(opened, server, lost)
        if ran:
            compared = {
                outcome.table: FollowedRecord(outcome.proven_at)
                for outcome in ran.outcomes
                if outcome.error is None
            }
            follower.write_followed(analytics, compared)
        followed = follower.read_followed(analytics)
        selected = [text.name for text in opened.selected.plan.tables]
        follower.forget_followed(analytics, followed.keys() - set(selected))
        reasons = {
            name: why for name in selected if (why := explain_unfollowed(followed.get(name), start))
        }
        yield Following(settings, opened, server, start, number, reasons, not_now)


class Following:
    """The targets, locked, and the source's log; ``begin`` before batches are copied.

    Attributes:
        reasons: Tables that a run has to compare first, and why.
        unfollowed: Those of them whose run did not fail a short while ago.
        waiting: Tables that need a run since, and why.
        altered: Those of *waiting* whose schema may have changed.
    """

    def __init__(
        self,
        settings: Settings,
        opened: LockedRun,
        server: str,
        start: Start,
        number: int,
        reasons: Mapping[str, str],
        not_now: Collection[str],
    ) -> None:
        self._settings, self._opened, self._server = settings, opened, server
        self._start, self._number = start, number
        self.reasons = reasons
        self.unfollowed = tuple(name for name in reasons if name not in not_now)
        self._left = contextlib.ExitStack()
        self._minute: Minute | None = None
        self._kept_at: float | None = None
        self._looked_at = datetime.now(UTC)
        self._dry_at = 0.0
        self._is_behind = False

    @property
    def waiting(self) -> Mapping[str, str]:
        """Tables that need a run since the beginning, and why."""
        return self._writer.waiting

    @property
    def altered(self) -> Collection[str]:
        """Those of *waiting* whose schema may have changed."""
        return self._writer.altered

    @property
    def has_pending(self) -> bool:
        """True if changes were read that are not copied yet."""
        return bool(self._feed.pending)

    @property
    def has_new_tables(self) -> bool:
        """True if the source may have tables that it did not have at the beginning."""
        return not self._feed.others <= self._opened.session.catalog.keys()

    @property
    def position(self) -> Position:
        """The place up to which the log was read."""
        return self._feed.position

    def read_end(self) -> tuple[int, int]:
        """Return where the source's log ends now."""
        session = self._opened.session
        with lend_source(session.databases.source, session.stop) as source:
            return read_position(source).place

    def begin(self) -> None:
        """Record a run of the follower, and open the log; ``end`` undoes it."""
        session, plan = self._opened.session, self._opened.selected.plan
        names = [text.name for text in plan.tables if text.name not in self.reasons]
        schema = session.databases.source.url.database or ""
        with contextlib.ExitStack() as opened:
            run = opened.enter_context(
                record_run(session, self._opened.records, names, runs.FOLLOW)
            )
            threads = opened.enter_context(ThreadPoolExecutor(session.parallelism.workers))
            workers = Workers(session.databases, threads, session.parallelism.workers, session.stop)
            tables, waiting = self._plan_tables(names, workers, run.lease)
            with lend_source(session.databases.source, session.stop) as source:
                cascades = read_cascades(source, schema)
                _refuse_unlike_names(source, names)
                self._clock_ahead = _ask_clock(source)
            layouts = {
                name: make_layout(session.catalog[name], cascades.get(name, NO_CASCADES))
                for name in names
            }
            position = self._start.position
            if position is None:
                raise RuntimeError("a start without a position")
            connection = ConnectionFactory.open_log_connection(self._settings, session.stop)
            opened.callback(connection.end_dump)
            stream = opened.enter_context(
                open_log(
                    connection,
                    position,
                    layouts.get,
                    schema=schema,
                    server_id=choose_server_id(
                        f"{self._server}\n{session.databases.analytics.url}".encode()
                    ),
                )
            )
            self._feed = LogFeed(stream, position, layouts)
            self._writer = BatchWriter(
                session, run.lease, self._feed, self._server, tables, waiting, self._number
            )
            days = self._settings.pipeline.general.history_days
            follower.forget_old_minutes(self._opened.records.connection, days)
            self._left = opened.pop_all()
        log.info("following %s from %s", count_of(len(names), "table"), _describe(position))

    def end(self) -> None:
        """Close the log, and record that the run of the follower has ended."""
        with self._left:
            self._write_minute()

    def _plan_tables(
        self, names: Collection[str], workers: Workers, lease: Lease
    ) -> tuple[dict[str, FollowedTable], dict[str, str]]:
        """Return what is needed to copy rows of *names*, and the tables that need a run first."""
        session, plan = self._opened.session, self._opened.selected.plan
        replication = read_replication(session)
        tables: dict[str, FollowedTable] = {}
        waiting: dict[str, str] = {}
        with lend_postgres(session.databases.analytics, session.stop) as analytics:
            for text in (text for text in plan.tables if text.name in names):
                rules = plan.rules[text.name]
                design = design_replica(text, replication.versions, replication.collations)
                raw = plan_raw_table(
                    analytics,
                    session.databases.schema,
                    text,
                    drift.FOLLOW,
                    marks_deletes=rules.marks_deletes,
                )
                because = why_not_by_key(raw)
                if because:
                    waiting[text.name] = because
                    continue
                job = WriteJob(
                    text,
                    workers,
                    replication.takes_infile,
                    design.identity,
                    lease,
                    rules,
                    _report_nothing,
                )
                tables[text.name] = FollowedTable(job, raw)
            analytics.rollback()
        return tables, waiting

    def begin_proof(self) -> ProofPass:
        """Return the comparison of all followed tables; those without a key are left to a run."""
        session, writer = self._opened.session, self._writer
        with lend_mysql(session.databases.replication, session.stop) as replication:
            counts = replicas.count_chunks(replication)
            replication.rollback()
        for name, table in writer.tables.items():
            if not table.job.text.table.primary_key:
                writer.waiting.setdefault(name, "all tables are proven, and it has no key")
        names = sorted(writer.tables.keys() - writer.waiting.keys())
        return ProofPass.of(datetime.now(UTC), {name: counts.get(name, 1) for name in names})

    def prove(self, proof: ProofPass | None) -> None:
        """Let the next batches compare chunks of *proof*."""
        self._writer.proof = proof

    def record_proof(self, proof: ProofPass) -> None:
        """Record that all tables of *proof* are proven by value."""
        proven = {name: FollowedRecord(proof.started_at) for name in proof.tables}
        follower.write_followed(self._opened.records.ensure_connected(), proven)

    def collect(self, until: float, *, waits: bool = True) -> bool:
        """Read what is logged until *until*, or for a moment; True if nothing more was there.

        While nothing is pending, it ends with the first change, whatever *until* says; and at once
        where it does not wait (*waits*).
        """
        self._looked_at, now = datetime.now(UTC), time.monotonic()
        if not waits:
            is_dry = self._feed.collect(now)
        elif self.has_pending:
            is_dry = self._feed.collect(min(max(until, now), now + LOOK_SECONDS))
        else:
            is_dry = self._feed.wait(now + LOOK_SECONDS)
        if is_dry and not self.has_pending:
            self._dry_at = self._looked_at.timestamp()
        return is_dry

    def write(self) -> BatchResult:
        """Copy what is pending; as ``BatchWriter.write``."""
        result = self._writer.write()
        self._kept_at = time.monotonic()
        if result.first_at is not None:
            # A session may set its clock, and its events bear that time. What came after the log
            # was read to its end is no older than that.
            happened_at = max(result.first_at + self._clock_ahead, self._dry_at)
            lag = max(0.0, result.committed_at - happened_at)
            self._note_lag(lag)
            self._add_to_minute(result, lag)
        return result

    def keep_position(self) -> bool:
        """Record the position now and then while nothing changes: the log was read to its end.

        Returns:
            True if it was recorded just now.
        """
        now = time.monotonic()
        is_due = self._kept_at is None or now >= self._kept_at + KEEP_SECONDS
        if self.has_pending or not is_due:
            return False
        self._writer.keep_position(self._looked_at)
        self._kept_at = now
        self._write_minute()
        return True

    def _note_lag(self, lag: float) -> None:
        most = self._settings.pipeline.follow.max_lag_seconds
        if lag > most and not self._is_behind:
            log.warning("raw is %.0f s behind the source (follow.max_lag_seconds: %g)", lag, most)
        elif lag <= most and self._is_behind:
            log.info("raw has caught up with the source")
        self._is_behind = lag > most

    def _add_to_minute(self, result: BatchResult, lag: float) -> None:
        minute = datetime.now(UTC).replace(second=0, microsecond=0)
        if self._minute is None or self._minute.minute != minute:
            self._write_minute()
            self._minute = Minute(minute)
        self._minute.add(result.transactions, result.rows_changed, lag, result.changes)

    def _write_minute(self) -> None:
        if self._minute is not None:
            follower.write_minute(self._opened.records.ensure_connected(), self._minute)
            self._minute = None


def _refuse_unlike_names(source: SourceConnection, names: Collection[str]) -> None:
    """Raise LogError if the log spells *names* otherwise than the catalog does."""
    if read_name_case(source) and any(name != name.lower() for name in names):
        raise LogError(
            "the log spells names of tables in lower case, and the catalog as they were created "
            "(lower_case_table_names = 2), so it cannot be followed",
            where="source",
            fix="etl run",
        )


def _ask_clock(source: SourceConnection) -> float:
    """Return how many seconds this machine's clock is ahead of the source's; ends the read."""
    with source.cursor() as cursor:
        cursor.execute("SELECT UNIX_TIMESTAMP(SYSDATE(6))")
        row: Any = cursor.fetchone()
    ahead = time.time() - float(row[0])
    source.rollback()
    return ahead


def _describe(position: Position) -> str:
    return f"{position.file}, {position.offset}"


def _report_nothing(_rows: int, _size: int) -> None:
    pass
