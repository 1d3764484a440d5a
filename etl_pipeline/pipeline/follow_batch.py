"""Copy one batch of the source's log: read at one instant, written to both targets.

Each target takes all tables of the batch in one transaction, with the position in the log. The
replicas come first; whatever is cut off between the two, or anywhere else, is read again from the
older position.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
import pymysql
from pymysql.connections import Connection

from etl_pipeline.binlog.changes import LoggedTransaction
from etl_pipeline.binlog.position import Position
from etl_pipeline.binlog.server_log import read_position, shows, snapshot_end
from etl_pipeline.core.databases import lend_mysql, lend_postgres, lend_source
from etl_pipeline.core.driver_errors import is_passing
from etl_pipeline.core.server_version import is_mariadb
from etl_pipeline.core.source_connection import SourceConnection
from etl_pipeline.errors import DatabaseError, GuardError, SchemaError, TransferError
from etl_pipeline.load.batch import load_batch
from etl_pipeline.load.job import LoadRequest
from etl_pipeline.load.raw_plan import RawPlan
from etl_pipeline.pipeline.follow_proof import ProofPass
from etl_pipeline.pipeline.session import Session
from etl_pipeline.replicate.corrections import describe_corrections
from etl_pipeline.replicate.job import WriteJob
from etl_pipeline.replicate.log_feed import LogFeed
from etl_pipeline.replicate.read_batch import (
    SHOWN_SECONDS,
    BatchRows,
    WholeTableError,
    holding_snapshot,
    plan_batch_table,
    read_batch,
)
from etl_pipeline.replicate.scrub_budget import ScrubScope
from etl_pipeline.replicate.write_batch import WrittenTable, write_batch_table
from etl_pipeline.state import follower
from etl_pipeline.state.follower import FollowedRecord, FollowerRecord, LogPlace
from etl_pipeline.state.records import Lease
from etl_pipeline.state.run_lease import check_replication_lease, check_warehouse_lease

log = logging.getLogger(__name__)

VISIBLE_SECONDS = 30.0
"""Longest wait until the source shows what its log holds; a replica that has to confirm first may
take as long."""
LOOK_AGAIN_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class FollowedTable:
    """A table that is followed by key.

    Attributes:
        job: How its replica is written.
        raw: Its table in ``raw``, which follows the source's schema.
    """

    job: WriteJob
    raw: RawPlan


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The outcome of a batch.

    Attributes:
        position: From where the log goes on.
        shows_at: The instant of the source that ``raw`` shows now.
        changes: Changes in the log, by table.
        rows_changed: Rows of ``raw`` that were written or deleted.
        committed_at: When it could be read in ``raw``, by this machine's clock.
    """

    position: Position
    shows_at: datetime
    transactions: int
    first_at: float | None
    last_at: float | None
    changes: Mapping[str, int]
    rows_changed: int
    committed_at: float


@dataclass(slots=True)
class BatchWriter:
    """Copies batches of *feed*, one after the other, under the lease of a follower.

    Attributes:
        server: Whose log it is.
        tables: The tables that are followed by key, by name.
        waiting: By name, why a table has to be compared as a whole first; its changes are not
            copied meanwhile.
        number: Of the last batch.
        altered: Those of *waiting* whose schema may have changed.
        proof: The comparison of all tables that goes on; None for none.
    """

    session: Session
    lease: Lease
    feed: LogFeed
    server: str
    tables: Mapping[str, FollowedTable]
    waiting: dict[str, str]
    number: int
    altered: set[str] = field(default_factory=set)
    proof: ProofPass | None = None
    _again: list[LoggedTransaction] = field(default_factory=list)

    def write(self) -> BatchResult:
        """Copy what is pending, and all that a snapshot of the source shows by now.

        A table that turns out to need a comparison as a whole is left to wait for it.

        Raises:
            pymysql.err.MySQLError, psycopg.Error: A server refused or was lost; what is recorded is
                what was written.
            DatabaseError: Another run has taken over, or the source does not show what it logged.
        """
        while True:
            try:
                return self._write()
            except WholeTableError as error:
                log.info("%s: to be compared as a whole, since %s", error.table, error.because)
                self.feed.pending.give_up(error.table, error.because)

    def keep_position(self, shows_at: datetime) -> None:
        """Record how far the log was read, where nothing of it is pending.

        Args:
            shows_at: Nothing had been logged then that is not copied.

        Raises: as ``write``.
        """
        databases, stop = self.session.databases, self.session.stop
        place = LogPlace(self.server, str(self.feed.position))
        record = FollowerRecord(place, self.number, shows_at=shows_at, run_id=self.lease.run_id)
        with lend_mysql(databases.replication, stop) as replication:
            check_replication_lease(replication, self.lease)
            follower.write_replication_place(replication, place)
            replication.commit()
        with lend_postgres(databases.analytics, stop) as analytics, analytics.transaction():
            check_warehouse_lease(analytics, self.lease)
            follower.write_follower(analytics, record)

    def _write(self) -> BatchResult:
        databases, stop, feed = self.session.databases, self.session.stop, self.feed
        began = time.monotonic()
        with contextlib.ExitStack() as opened:
            replication = opened.enter_context(lend_mysql(databases.replication, stop))
            with lend_source(databases.source, stop) as source:
                rows, shows_at = self._read(source, replication, opened)
            place = LogPlace(self.server, str(feed.position))
            check_replication_lease(replication, self.lease)
            written = [self._write_replica(table, replication) for table in rows]
            follower.write_replication_place(replication, place)
            replication.commit()
        batch = feed.pending
        self.waiting |= {name: why for name, why in batch.whole.items() if name not in self.waiting}
        self.altered |= batch.altered
        rows_changed = self._load(written, place, shows_at, batch.last_at)
        result = BatchResult(
            feed.position,
            shows_at,
            batch.transactions,
            batch.first_at,
            batch.last_at,
            batch.changes,
            rows_changed,
            time.time(),
        )
        if self.proof:
            self._note_proof(self.proof, written, time.monotonic() - began)
        feed.begin_batch(self._again)
        self._again = []
        return result

    def _note_proof(
        self, proof: ProofPass, written: Sequence[WrittenTable], seconds: float
    ) -> None:
        """Note what a batch has compared for *proof*, and say what was wrong."""
        proof.note_compared(seconds)
        proof.leave_out(self.waiting)
        for table in written:
            sentences = describe_corrections(table.corrections)
            if sentences:
                proof.note_correction(table.job.text.name, sentences)
                log.warning("%s: %s", table.job.text.name, "; ".join(sentences))

    def _read(
        self, source: SourceConnection, replication: Connection[Any], opened: contextlib.ExitStack
    ) -> tuple[list[BatchRows], datetime]:
        """Read the rows of the batch in one snapshot; return them, and the instant."""
        feed, check = self.feed, self.session.stop.check
        is_exact = is_mariadb(source.server_version)
        if not is_exact:
            # What is read after this comes again with the next batch, so it is to be little.
            feed.drain(read_position(source), check)
            self._wait_until_shown(source)
        with holding_snapshot(source):
            shows_at = datetime.now(UTC)
            end = snapshot_end(source)
            if is_exact:
                feed.drain(end, check)
            else:
                self._again += feed.read_ahead(end, check)
            proven = self.proof.next_chunks() if self.proof else {}
            changed = feed.pending.tables
            plans = [
                plan_batch_table(
                    self.tables[name].job,
                    changed[name].keys.take() if name in changed else None,
                    proven.get(name, frozenset()),
                    replication,
                )
                for name in sorted(changed.keys() | proven.keys())
                if name in self.tables and name not in {**self.waiting, **feed.pending.whole}
            ]
            rows = read_batch(plans, source, replication, self.session.stop, opened)
        return rows, shows_at

    def _wait_until_shown(self, source: SourceConnection) -> None:
        """Wait until the engine shows what is pending: the log has it before.

        Raises:
            DatabaseError: It does not for too long.
        """
        deadline = time.monotonic() + VISIBLE_SECONDS
        while not (is_shown := shows(source, self.feed.position)):
            source.rollback()
            if is_shown is None:
                self.session.stop.wait(SHOWN_SECONDS)
                break
            if time.monotonic() > deadline:
                raise DatabaseError(
                    f"transactions are in the log for {VISIBLE_SECONDS:.0f} s, and the server does "
                    "not show their rows",
                    where="source",
                    fix="find out whether it waits for a semi-synchronous replica",
                )
            self.session.stop.wait(LOOK_AGAIN_SECONDS)
        source.rollback()

    def _write_replica(self, rows: BatchRows, replication: Connection[Any]) -> WrittenTable:
        try:
            return write_batch_table(rows, replication)
        except (GuardError, TransferError, SchemaError) as error:
            raise WholeTableError(rows.of.text.name, error.what) from error
        except pymysql.err.MySQLError as error:
            if is_passing(error):
                raise
            because = "the replication server refused its rows"
            raise WholeTableError(rows.of.text.name, because) from error

    def _load(
        self,
        written: Sequence[WrittenTable],
        place: LogPlace,
        shows_at: datetime,
        last_at: float | None,
    ) -> int:
        """Load the tables into ``raw``; return how many rows changed there."""
        source_at = None if last_at is None else datetime.fromtimestamp(last_at, UTC)
        waiting = {name: FollowedRecord(waits_for=why) for name, why in self.waiting.items()}
        number = self.number + 1

        def record(analytics: psycopg.Connection) -> None:
            follower.write_follower(
                analytics,
                FollowerRecord(place, number, source_at, shows_at, run_id=self.lease.run_id),
            )
            if waiting:
                follower.write_followed(analytics, waiting)

        databases = self.session.databases
        requests = [
            LoadRequest(
                table.job.text,
                self.tables[table.job.text.name].raw,
                table.replicated,
                table.job.rules,
                self.lease,
                table.job.workers,
                table.job.report,
                scrub=ScrubScope(ordinals=table.proven),
            )
            for table in written
        ]
        with lend_postgres(databases.analytics, self.session.stop) as analytics:
            results = load_batch(requests, self.lease, analytics, record)
        self.number = number
        return sum(result.changed for result in results.values())
