"""Read the history of tables and runs; nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg.rows import class_row, namedtuple_row
from pymysql.connections import Connection

from etl_pipeline.errors import EtlError
from etl_pipeline.schema.drift_decision import DriftEvent


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as it is recorded.

    Attributes:
        outcome: ``succeeded``, ``failed``, ``stopped`` or ``lost``; None while it is at work,
            and after a kill until the next run begins.
        seen_at: Its last sign of life.
        continues: The run that it went on with; None for none.
        drift_events: Changes of the source's schema that it met.
        tables: Tables that it has finished, failed ones included.
        proven_value: Tables that reached the grade ``value`` by what the run itself has read; the
            next fields likewise.
        taken_over: Tables of which all or part was read by a run that it went on with.
    """

    run_id: int
    started_at: datetime
    finished_at: datetime | None
    seen_at: datetime | None
    outcome: str | None
    drift_events: int
    etl_version: str
    host: str
    process_id: int
    os_user: str
    continues: int | None
    tables: int
    failed: int
    rows: int
    text_bytes: int
    inserted: int
    updated: int
    deleted: int
    proven_value: int
    proven_keys_stamp: int
    proven_append: int
    taken_over: int


@dataclass(frozen=True, slots=True)
class TableRecord:
    """A row of ``etl.table_run``: the outcome of a table in a run."""

    run_id: int
    table_name: str
    strategy: str
    grade: str | None
    rows: int
    rows_read: int
    text_bytes: int
    seconds: float
    inserted: int
    updated: int
    deleted: int
    finished_at: datetime
    read_from: datetime | None
    read_to: datetime | None
    proven_at: datetime | None
    watermark: str | None
    altered: dict[str, dict[str, int]]
    notes: list[str]
    error: str | None
    finished_in: int | None


@dataclass(frozen=True, slots=True)
class DriftRecord:
    """A change of the source's schema that a run met.

    Attributes:
        replicated_at: When replication had followed; None where it has not, or nothing was to do.
        done_at: When ``raw`` had; None where it has not.
    """

    event: DriftEvent
    replicated_at: datetime | None
    done_at: datetime | None


_RUNS = """
SELECT r.run_id, r.started_at, r.finished_at, h.seen_at, r.outcome, r.etl_version, r.host,
       (SELECT count(*) FROM etl.drift_event d WHERE d.run_id = r.run_id) AS drift_events,
       r.process_id, r.os_user, r.continues, count(t.table_name) AS tables,
       count(t.error) AS failed, coalesce(sum(t.rows), 0)::bigint AS rows,
       coalesce(sum(t.text_bytes), 0)::bigint AS text_bytes,
       coalesce(sum(t.inserted), 0)::bigint AS inserted,
       coalesce(sum(t.updated), 0)::bigint AS updated,
       coalesce(sum(t.deleted), 0)::bigint AS deleted,
       count(*) FILTER (WHERE t.grade = 'value' AND NOT is_taken) AS proven_value,
       count(*) FILTER (WHERE t.grade = 'keys+stamp' AND NOT is_taken) AS proven_keys_stamp,
       count(*) FILTER (WHERE t.grade = 'append' AND NOT is_taken) AS proven_append,
       count(*) FILTER (WHERE is_taken) AS taken_over
FROM etl.run r
LEFT JOIN etl.heartbeat h USING (run_id)
LEFT JOIN etl.table_run t USING (run_id)
CROSS JOIN LATERAL (SELECT r.continues IS NOT NULL AND t.read_from < r.started_at AS is_taken) x
WHERE %(run_id)s::bigint IS NULL OR r.run_id = %(run_id)s
GROUP BY r.run_id, h.seen_at
ORDER BY r.run_id DESC
LIMIT %(limit)s"""

_FIELDS = ", ".join(f"t.{name}" for name in TableRecord.__slots__)  # names of ours

_TABLES = f"SELECT {_FIELDS} FROM etl.table_run t WHERE run_id = %s ORDER BY table_name"

_DRIFT = """
SELECT table_name, kind, subject, detail, verdict, replication_ddl, raw_ddl, dependents,
       replicated_at, done_at
FROM etl.drift_event WHERE run_id = %s ORDER BY table_name, kind, subject"""

_LAST = f"""
SELECT DISTINCT ON (t.table_name) {_FIELDS} FROM etl.table_run t
WHERE (%s OR t.grade IS NOT NULL) AND t.strategy NOT IN ('repair', 'backfill')
ORDER BY t.table_name, t.run_id DESC"""

_LOADED = "SELECT table_name, sum(rows)::bigint FROM etl.chunk GROUP BY table_name"


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """The last build of the models.

    Attributes:
        shows_at: The instant at which it saw ``raw``.
        run_id: The last run that had ended then; None for none.
        failed: Models and tests that failed when they were last built.
    """

    build_id: int
    shows_at: datetime
    run_id: int | None
    as_of: date | None
    failed: int


def read_last_build(connection: psycopg.Connection) -> BuildRecord | None:
    """Return the last build of the models; None if there was none."""
    row = connection.execute("SELECT to_regclass('etl.build')").fetchone()
    if row is None or row[0] is None:
        return None
    with connection.cursor(row_factory=class_row(BuildRecord)) as cursor:
        return cursor.execute(
            "SELECT build_id, shows_at, run_id, as_of, (SELECT count(*) FROM etl.build_node "
            "WHERE status NOT IN ('success', 'pass', 'warn')) AS failed "
            "FROM etl.build ORDER BY build_id DESC LIMIT 1"
        ).fetchone()


def read_runs(connection: psycopg.Connection, limit: int) -> list[RunRecord]:
    """The last *limit* runs, the newest first."""
    return _read_runs(connection, None, limit)


def read_run(
    connection: psycopg.Connection, run_id: int
) -> tuple[RunRecord, list[TableRecord], list[DriftRecord]]:
    """A run, its tables by name, and the changes of their schemas that it met.

    Raises:
        EtlError: There is no such run, or it was taken out of the history.
    """
    runs = _read_runs(connection, run_id, 1)
    if not runs:
        raise EtlError("no such run", where=f"run {run_id}", fix="etl history    names them")
    with connection.cursor(row_factory=class_row(TableRecord)) as cursor:
        tables = cursor.execute(_TABLES.encode(), (run_id,)).fetchall()
    return runs[0], tables, _read_drift(connection, run_id)


def _read_drift(connection: psycopg.Connection, run_id: int) -> list[DriftRecord]:
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        rows: list[Any] = list(cursor.execute(_DRIFT, (run_id,)).fetchall())
    return [DriftRecord(_event(row), row.replicated_at, row.done_at) for row in rows]


def _event(row: Any) -> DriftEvent:
    return DriftEvent(
        row.table_name,
        row.kind,
        row.subject,
        row.detail,
        row.verdict,
        tuple(row.replication_ddl),
        tuple(row.raw_ddl),
        tuple(row.dependents),
        is_replicated=row.replicated_at is not None,
    )


def _read_runs(connection: psycopg.Connection, run_id: int | None, limit: int) -> list[RunRecord]:
    refuse_no_state(connection)
    with connection.cursor(row_factory=class_row(RunRecord)) as cursor:
        return cursor.execute(_RUNS, {"run_id": run_id, "limit": limit}).fetchall()


def read_last(connection: psycopg.Connection, *, with_failures: bool) -> dict[str, TableRecord]:
    """Return the last outcome of each table, by name; without failures, the last success."""
    refuse_no_state(connection)
    with connection.cursor(row_factory=class_row(TableRecord)) as cursor:
        found = cursor.execute(_LAST.encode(), (with_failures,)).fetchall()
    return {record.table_name: record for record in found}


def read_loaded_rows(connection: psycopg.Connection) -> dict[str, int]:
    """Rows that were last loaded into ``raw``, by table."""
    return dict(connection.execute(_LOADED).fetchall())


def read_replica_rows(connection: Connection[Any]) -> dict[str, int]:
    """Rows that the replicas were last given, by table; *connection* is PyMySQL's."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW TABLES LIKE '\\_etl\\_chunk'")
        if cursor.fetchone() is None:
            return {}
        cursor.execute("SELECT table_name, SUM(row_count) FROM _etl_chunk GROUP BY table_name")
        return {name: int(rows) for name, rows in cursor.fetchall()}


def refuse_no_state(connection: psycopg.Connection) -> None:
    """Raise EtlError if nothing was ever recorded, or by an older version."""
    row: Sequence[Any] | None = connection.execute(
        "SELECT to_regclass('etl.heartbeat') IS NOT NULL, EXISTS (SELECT FROM pg_attribute "
        "WHERE attrelid = to_regclass('etl.drift_event') AND attname = 'replicated_at')"
    ).fetchone()
    if row is None or not row[0]:
        raise EtlError("nothing was run yet", where="schema etl", fix="etl run")
    if not row[1]:
        raise EtlError(
            "the state was written by an older version",
            where="schema etl",
            fix="etl run    brings it to this one",
        )
