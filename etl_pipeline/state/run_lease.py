"""The lease: a run's right to write to both targets, taken once and checked by each transaction.

A run takes it in three steps: the advisory lock (``runs.lock_runs``), the lease of the warehouse
(``runs.start_run``: the token of its row in ``etl.run``), and the lease of the replication database
(``take_replication_lease``).

The lock keeps two runs apart as long as its connection lives. A run whose connection is gone may
still be at work, so each transaction that writes checks the lease. The row that it reads is locked
until the transaction ends, and a run that takes over waits for that.
"""

from __future__ import annotations

from typing import Any

import psycopg
from pymysql.connections import Connection

from etl_pipeline.errors import DatabaseError
from etl_pipeline.state.records import Lease


def take_replication_lease(connection: Connection[Any], lease: Lease) -> None:
    """Give the replication database to *lease*; wait for transactions of the run that had it.

    Args:
        connection: Of PyMySQL; committed here.
        lease: The run that holds the lock.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "REPLACE INTO _etl_lease (singleton, run_token) VALUES (1, %s)", (lease.token,)
        )
    connection.commit()


def check_replication_lease(connection: Connection[Any], lease: Lease) -> None:
    """Raise DatabaseError if the replication database is another run's, until the next commit."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT run_token FROM _etl_lease WHERE singleton = 1 LOCK IN SHARE MODE")
        row = cursor.fetchone()
    if row is None or row[0] != lease.token:
        raise _lost(lease)


def check_warehouse_lease(connection: psycopg.Connection, lease: Lease) -> None:
    """Raise DatabaseError if the warehouse is another run's, until the transaction ends."""
    row = connection.execute(
        "SELECT 1 FROM etl.run WHERE run_id = %s AND token = %s AND outcome IS NULL FOR SHARE",
        (lease.run_id, lease.token),
    ).fetchone()
    if row is None:
        raise _lost(lease)


def _lost(lease: Lease) -> DatabaseError:
    return DatabaseError(
        f"another run has taken over from run {lease.run_id}, which was silent for too long",
        fix="etl history    shows which; let it end, then run again",
    )
