"""Record how far both targets have followed the source's log; nothing here commits.

The position is written in the transactions that write a batch's rows, in either target. A follower
that starts goes on from the older of the two: to read a change again does no harm.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
from pymysql.connections import Connection

from etl_pipeline.state.runs import FOLLOW, SILENT_SECONDS


@dataclass(frozen=True, slots=True)
class LogPlace:
    """A place in the log of a server, as text."""

    server: str
    position: str


@dataclass(frozen=True, slots=True)
class FollowerRecord:
    """The follower, as it is recorded in the warehouse.

    Attributes:
        batch: Number of the last batch.
        source_at: When the last transaction that was followed was committed, by the source's clock.
        shows_at: The instant at which ``raw`` shows the source; None while that is not known.
        written_at: When this was written, by PostgreSQL's clock.
        run_id: The run of the follower that wrote it; None for a run that was about to hand over.
    """

    place: LogPlace
    batch: int = 0
    source_at: datetime | None = None
    shows_at: datetime | None = None
    written_at: datetime | None = None
    run_id: int | None = None


@dataclass(frozen=True, slots=True)
class FollowedRecord:
    """A followed table.

    Attributes:
        proven_at: The oldest instant of the last proof of every value.
        waits_for: Why a run has to compare it first; None where nothing does.
    """

    proven_at: datetime | None = None
    waits_for: str | None = None


@dataclass(slots=True)
class Minute:
    """Batches of a minute.

    Attributes:
        lag_seconds: The longest.
        changes: Changed rows in the log, by table.
    """

    minute: datetime
    batches: int = 0
    transactions: int = 0
    rows_changed: int = 0
    lag_seconds: float = 0.0
    changes: dict[str, int] = field(default_factory=dict)

    def add(
        self, transactions: int, rows_changed: int, lag_seconds: float, changes: Mapping[str, int]
    ) -> None:
        """Add a batch."""
        self.batches += 1
        self.transactions += transactions
        self.rows_changed += rows_changed
        self.lag_seconds = max(self.lag_seconds, lag_seconds)
        for name, count in changes.items():
            self.changes[name] = self.changes.get(name, 0) + count


def read_follower(analytics: psycopg.Connection) -> FollowerRecord | None:
    """Return what is recorded in the warehouse; None where nothing was ever followed."""
    found = analytics.execute("SELECT to_regclass('etl.follower')").fetchone()
    if found is None or found[0] is None:
        return None
    row = analytics.execute(
        "SELECT server, position, batch, source_at, shows_at, written_at, run_id FROM etl.follower"
    ).fetchone()
    return FollowerRecord(LogPlace(row[0], row[1]), *row[2:]) if row else None


def write_follower(analytics: psycopg.Connection, record: FollowerRecord) -> None:
    """Replace what is recorded in the warehouse."""
    analytics.execute(
        "INSERT INTO etl.follower (server, position, batch, source_at, shows_at, run_id, "
        "written_at) VALUES (%s, %s, %s, %s, %s, %s, clock_timestamp()) "
        "ON CONFLICT (singleton) DO UPDATE SET server = excluded.server, "
        "position = excluded.position, batch = excluded.batch, source_at = "
        "coalesce(excluded.source_at, follower.source_at), shows_at = excluded.shows_at, "
        "run_id = excluded.run_id, written_at = excluded.written_at",
        (
            record.place.server,
            record.place.position,
            record.batch,
            record.source_at,
            record.shows_at,
            record.run_id,
        ),
    )


def read_replication_place(replication: Connection[Any]) -> LogPlace | None:
    """Return how far the replicas have followed; None where that is not recorded."""
    with replication.cursor() as cursor:
        cursor.execute("SHOW TABLES LIKE '\\_etl\\_follower'")
        if cursor.fetchone() is None:
            return None
        cursor.execute("SELECT server, position FROM _etl_follower WHERE singleton = 1")
        row = cursor.fetchone()
    return LogPlace(*row) if row else None


def write_replication_place(replication: Connection[Any], place: LogPlace) -> None:
    """Replace how far the replicas have followed."""
    now = datetime.now(UTC).replace(tzinfo=None)
    with replication.cursor() as cursor:
        cursor.execute(
            "REPLACE INTO _etl_follower (singleton, server, position, written_at) "
            "VALUES (1, %s, %s, %s)",
            (place.server, place.position, now),
        )


def read_followed(analytics: psycopg.Connection) -> dict[str, FollowedRecord]:
    """Return the followed tables by name; empty where there is no state."""
    found = analytics.execute("SELECT to_regclass('etl.follower_table')").fetchone()
    if found is None or found[0] is None:
        return {}
    rows = analytics.execute("SELECT table_name, proven_at, waits_for FROM etl.follower_table")
    return {name: FollowedRecord(proven_at, waits_for) for name, proven_at, waits_for in rows}


def write_followed(analytics: psycopg.Connection, tables: Mapping[str, FollowedRecord]) -> None:
    """Record *tables*, or replace what is recorded of them."""
    with analytics.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO etl.follower_table (table_name, proven_at, waits_for) VALUES (%s, %s, %s) "
            "ON CONFLICT (table_name) DO UPDATE SET "
            "proven_at = coalesce(excluded.proven_at, follower_table.proven_at), "
            "waits_for = excluded.waits_for",
            [(name, table.proven_at, table.waits_for) for name, table in tables.items()],
        )


def forget_followed(analytics: psycopg.Connection, tables: Iterable[str] | None = None) -> None:
    """Delete what is recorded of *tables*; of all where it is None."""
    if tables is None:
        analytics.execute("DELETE FROM etl.follower_table")
    else:
        analytics.execute(
            "DELETE FROM etl.follower_table WHERE table_name = ANY(%s)", (list(tables),)
        )


def read_last_minute(analytics: psycopg.Connection) -> Minute | None:
    """Return the last minute in which there were batches; None where none is recorded."""
    found = analytics.execute("SELECT to_regclass('etl.follower_minute')").fetchone()
    if found is None or found[0] is None:
        return None
    row = analytics.execute(
        "SELECT minute, batches, transactions, rows_changed, lag_seconds, changes "
        "FROM etl.follower_minute ORDER BY minute DESC LIMIT 1"
    ).fetchone()
    return Minute(*row) if row else None


def is_following(analytics: psycopg.Connection) -> bool:
    """True if a follower is at work, by its signs of life; there is a state."""
    row = analytics.execute(
        "SELECT EXISTS (SELECT FROM etl.run JOIN etl.heartbeat USING (run_id) "
        "WHERE outcome IS NULL AND selection ->> 'what' = %s "
        "AND seen_at > clock_timestamp() - make_interval(secs => %s))",
        (FOLLOW, SILENT_SECONDS),
    ).fetchone()
    return bool(row and row[0])


def write_minute(analytics: psycopg.Connection, minute: Minute) -> None:
    """Add *minute* to what is recorded of it."""
    analytics.execute(
        "INSERT INTO etl.follower_minute (minute, batches, transactions, rows_changed, "
        "lag_seconds, changes) VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (minute) DO UPDATE SET "
        "batches = follower_minute.batches + excluded.batches, "
        "transactions = follower_minute.transactions + excluded.transactions, "
        "rows_changed = follower_minute.rows_changed + excluded.rows_changed, "
        "lag_seconds = greatest(follower_minute.lag_seconds, excluded.lag_seconds), "
        "changes = follower_minute.changes || excluded.changes",
        (
            minute.minute,
            minute.batches,
            minute.transactions,
            minute.rows_changed,
            minute.lag_seconds,
            json.dumps(minute.changes),
        ),
    )


def forget_old_minutes(analytics: psycopg.Connection, days: int) -> None:
    """Delete the minutes that are more than *days* ago."""
    analytics.execute(
        "DELETE FROM etl.follower_minute WHERE minute < clock_timestamp() "
        "- make_interval(days => %s)",
        (days,),
    )
