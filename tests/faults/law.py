"""What holds after a fault, reckoned with plain drivers and by nothing of the program's."""

from __future__ import annotations

import time
from typing import Any

from tests.conftest import Lab
from tests.faults import practice
from tests.faults.ground import PREFIXES, READER
from tests.rows import Rows, read_mysql, read_postgres

SESSION_SECONDS = 10.0
"""How long a server may take to notice that a client is gone."""
POLL_SECONDS = 0.05


def read_source(lab: Lab) -> dict[str, Rows]:
    """The rows of every table at the source."""
    return {name: read_mysql(lab.source, name) for name in practice.TABLES}


def count_wrong(lab: Lab, expected: dict[str, Rows]) -> dict[str, int]:
    """Of each table whose copies are not *expected*: rows lost, doubled or other, in both."""
    wrong = {}
    for name, rows in expected.items():
        count = 0
        for copy in (read_replica(lab, name), read_raw(lab, name)):
            count += sum((rows - copy).values()) + sum((copy - rows).values())
        if count:
            wrong[name] = count
    return wrong


def read_replica(lab: Lab, name: str) -> Rows:
    """The replica's rows; none where it does not stand."""
    with lab.replication.cursor() as cursor:
        cursor.execute("SHOW TABLES LIKE %s", [name])
        return read_mysql(lab.replication, name) if cursor.fetchone() else Rows()


def read_raw(lab: Lab, name: str) -> Rows:
    """The rows in ``raw``; none where there is no table."""
    found = lab.analytics.execute("SELECT to_regclass(%s)", [f"raw.{name}"]).fetchone()
    return read_postgres(lab.analytics, name) if found and found[0] else Rows()


def find_claims(lab: Lab, since: int) -> set[str]:
    """The tables that runs after run *since* have recorded as proven."""
    if not _is_there(lab, "etl.table_run"):
        return set()
    rows = lab.analytics.execute(
        "SELECT table_name FROM etl.table_run WHERE run_id > %s AND error IS NULL "
        "AND grade IS NOT NULL",
        [since],
    )
    return {str(name) for (name,) in rows.fetchall()}


def last_run(lab: Lab) -> int:
    """Number of the last run; 0 for none."""
    if not _is_there(lab, "etl.run"):
        return 0
    row = lab.analytics.execute("SELECT coalesce(max(run_id), 0) FROM etl.run").fetchone()
    return int(row[0]) if row else 0


def find_left_behind(lab: Lab) -> list[str]:
    """Sessions, locks and tables of ours that still stand some seconds after the last run."""
    deadline = time.monotonic() + SESSION_SECONDS
    while (left := _find_sessions(lab)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    with lab.replication.cursor() as cursor:
        cursor.execute("SHOW TABLES")
        for (name,) in cursor.fetchall():
            if name not in practice.TABLES and name.startswith(("_etl_incoming", "_etl_replaced")):
                left.append(f"replication: table {name}")
    names = lab.analytics.execute(
        "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace "
        "WHERE nspname = 'raw' AND relkind = 'r'"
    ).fetchall()
    left += [f"raw: table {name}" for (name,) in names if name not in practice.TABLES]
    return left


def find_lost_views(lab: Lab) -> list[str]:
    """Views that do not show their table any more, or may not be read by whom they were given."""
    lost = []
    for name in practice.TABLES:
        row = lab.analytics.execute(
            "SELECT to_regclass(%s) IS NOT NULL AND has_table_privilege(%s, %s, 'SELECT') "
            "AND has_table_privilege(%s, %s, 'SELECT')",
            [f"report.{name}", READER, f"raw.{name}", READER, f"report.{name}"],
        ).fetchone()
        if not row or not row[0] or _count(lab, f"report.{name}") != _count(lab, f"raw.{name}"):
            lost.append(name)
    return lost


def _find_sessions(lab: Lab) -> list[str]:
    """Sessions that are at work, in a transaction, or hold a lock.

    A client that vanished while it logged in, or at the source, leaves one that is idle and holds
    nothing, not even the mark of a run: it harms nobody, and its server ends it in time.
    """
    left = []
    for role, connection in (("source", lab.source), ("replication", lab.replication)):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT p.id, p.command, p.time, t.trx_id, IS_USED_LOCK(CONCAT('etl_pipeline:', "
                "LEFT(SHA2(%s, 256), 24), ':', p.id)) FROM information_schema.processlist p "
                "LEFT JOIN information_schema.innodb_trx t ON t.trx_mysql_thread_id = p.id "
                "WHERE p.user = %s",
                [lab.env[f"{PREFIXES[role]}_{name}"] for name in ("DB", "USER")],
            )
            left += [
                f"{role}: session {row}"
                for row in cursor.fetchall()
                if row[1] != "Sleep" or row[3] is not None or row[4] is not None
            ]
    rows: list[Any] = lab.analytics.execute(
        "SELECT pid, state, wait_event FROM pg_stat_activity WHERE usename = %s "
        "AND (state <> 'idle' OR pid IN (SELECT pid FROM pg_locks))",
        [lab.env[f"{PREFIXES['analytics']}_USER"]],
    ).fetchall()
    return left + [f"analytics: session {row}" for row in rows]


def _is_there(lab: Lab, name: str) -> bool:
    row = lab.analytics.execute("SELECT to_regclass(%s)", [name]).fetchone()
    return bool(row and row[0])


def _count(lab: Lab, relation: str) -> int:
    row = lab.analytics.execute(f"SELECT count(*) FROM {relation}".encode()).fetchone()
    return int(row[0]) if row else -1
