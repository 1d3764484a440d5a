"""``etl status``, ``history`` and ``show``: read how tables stand and what runs did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psycopg

from etl_pipeline.config import Settings
from etl_pipeline.core.databases import lend_mysql, lend_postgres
from etl_pipeline.pipeline.origin_check import refuse_other_source
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run_plan import RunPlan
from etl_pipeline.pipeline.scrub import read_comparison_ages
from etl_pipeline.pipeline.selection import select_tables
from etl_pipeline.pipeline.session import open_session, open_warehouse
from etl_pipeline.pipeline.summary import ComparisonAges
from etl_pipeline.state import follower, history
from etl_pipeline.state.follower import FollowedRecord, Minute
from etl_pipeline.state.history import BuildRecord, DriftRecord, RunRecord, TableRecord


@dataclass(frozen=True, slots=True)
class TableStatus:
    """The state of a table.

    Attributes:
        source_rows: The source's own estimate; exact for MyISAM only.
        replica_rows: What the replica was last given; None where there is none.
        raw_rows: What was last loaded; None where it was never loaded.
        last: What was last done to it; None for nothing.
        good: What last succeeded; None for nothing.
        next_full_pass: When a full pass is due; None where each run makes one.
        problem: Why the table cannot be copied; None where it can.
        raw_compared_at: When the oldest part of ``raw`` was last written or compared; None where
            that is not known.
        replica_compared_at: Likewise of the replica.
        followed_to: The instant of the source that ``raw`` shows by its log; None where the last
            run is younger, or the table is not followed.
    """

    table: str
    strategy: str
    source_rows: int
    replica_rows: int | None
    raw_rows: int | None
    last: TableRecord | None
    good: TableRecord | None
    next_full_pass: datetime | None
    problem: str | None = None
    raw_compared_at: datetime | None = None
    replica_compared_at: datetime | None = None
    followed_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class FollowerStatus:
    """The place up to which the source's log was followed, and when.

    Attributes:
        is_at_work: True if a follower is at work now.
        position: Place in the log of the source.
        batch: Number of the last batch.
        source_at: When the last transaction that was followed was committed at the source.
        shows_at: The instant of the source that ``raw`` shows; None while that is not known.
        tables: How many are followed.
        waiting: Of them, those that a run has to compare first, and why.
        minute: The last minute in which there were batches; None for none.
    """

    is_at_work: bool
    position: str
    batch: int
    source_at: datetime | None
    shows_at: datetime | None
    tables: int
    waiting: Mapping[str, str]
    minute: Minute | None


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the tables at *now*, UTC.

    Attributes:
        build: The last build of the models; None if there was none.
        follower: How far the source's log has been followed; None if it never was.
    """

    environment: str
    now: datetime
    tables: Sequence[TableStatus]
    compared: ComparisonAges = field(default_factory=ComparisonAges)
    build: BuildRecord | None = None
    follower: FollowerStatus | None = None


def read_status(settings: Settings, tables: Sequence[str]) -> Status:
    """Read the state of *tables*; of all that are configured, if empty.

    Raises: as ``run_once``; EtlError where nothing was run yet.
    """
    with open_session(settings) as session:
        refuse_other_source(session)
        plan = select_tables(session, RunRequest(tables)).plan
        with lend_postgres(session.databases.analytics, session.stop) as analytics:
            last = history.read_last(analytics, with_failures=True)
            good = history.read_last(analytics, with_failures=False)
            loaded = history.read_loaded_rows(analytics)
            build = history.read_last_build(analytics)
            followed = follower.read_followed(analytics)
            following = _read_follower(analytics, followed)
            with lend_mysql(session.databases.replication, session.stop) as replication:
                replicas = history.read_replica_rows(replication)
                compared = read_comparison_ages(analytics, replication)
            analytics.rollback()
        estimates = {name: table.rows_estimate for name, table in session.catalog.items()}
    now = datetime.now(UTC)
    problems = {refusal.table: refusal.error.what for refusal in plan.refused}
    names = sorted([*(text.name for text in plan.tables), *problems])
    found = [
        TableStatus(
            name,
            plan.rules[name].strategy.name if name in plan.rules else "none",
            estimates.get(name, 0),
            replicas.get(name),
            loaded.get(name),
            last.get(name),
            good.get(name),
            _next_full_pass(plan, name, good.get(name), now),
            problems.get(name),
            compared.raw.get(name),
            compared.replication.get(name),
            _followed_to(followed.get(name), following, good.get(name)),
        )
        for name in names
    ]
    return Status(settings.environment, now, found, compared.of(names), build, following)


def _read_follower(
    analytics: psycopg.Connection, followed: Mapping[str, FollowedRecord]
) -> FollowerStatus | None:
    record = follower.read_follower(analytics)
    if record is None:
        return None
    return FollowerStatus(
        follower.is_following(analytics),
        record.place.position,
        record.batch,
        record.source_at,
        record.shows_at,
        len(followed),
        {name: table.waits_for for name, table in followed.items() if table.waits_for},
        follower.read_last_minute(analytics),
    )


def _followed_to(
    table: FollowedRecord | None, following: FollowerStatus | None, good: TableRecord | None
) -> datetime | None:
    """Return the instant of the source to which a table was followed, if no run is younger."""
    if table is None or table.waits_for or table.proven_at is None or following is None:
        return None
    read_from = good.read_from if good else None
    shows_at = following.shows_at
    is_younger = shows_at is not None and (read_from is None or shows_at > read_from)
    return shows_at if is_younger else None


def _next_full_pass(
    plan: RunPlan, table: str, good: TableRecord | None, now: datetime
) -> datetime | None:
    """Return when a run makes a full pass next; *now* where the next run does."""
    rules = plan.rules.get(table)
    return rules.next_full_pass(good.proven_at if good else None, now) if rules else None


def read_history(settings: Settings, limit: int) -> list[RunRecord]:
    """Read the last *limit* runs, the newest first; raises EtlError where nothing was run yet."""
    with open_warehouse(settings) as connection:
        return history.read_runs(connection, limit)


def read_run(
    settings: Settings, run_id: int
) -> tuple[RunRecord, list[TableRecord], list[DriftRecord]]:
    """Read a run, its tables, and the changes of schemas that it met.

    Raises:
        EtlError: There is no such run.
    """
    with open_warehouse(settings) as connection:
        return history.read_run(connection, run_id)
