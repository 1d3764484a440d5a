"""Take over the replication server for a run, and read what it supports."""

from __future__ import annotations

import contextlib
from typing import Any

import pymysql

from etl_pipeline.core import create_connection_manager
from etl_pipeline.core.databases import Databases, lend_mysql, place_of
from etl_pipeline.core.driver_errors import explain
from etl_pipeline.errors import (
    SchemaError,
)
from etl_pipeline.pipeline.origin_check import Origins
from etl_pipeline.pipeline.session import Session
from etl_pipeline.replicate.ownership import drop_ours
from etl_pipeline.replicate.table import Replication
from etl_pipeline.schema.names import is_ours
from etl_pipeline.state import origin, replicas
from etl_pipeline.state.records import Lease
from etl_pipeline.state.replica_tables import open_replicas
from etl_pipeline.state.run_lease import take_replicas
from etl_pipeline.state.run_sessions import end_left_sessions, mark_sessions


def open_replication(session: Session, lease: Lease, origins: Origins) -> Replication:
    """Make the replication database *lease*'s own, drop what a killed run left, and look at it."""
    databases = session.databases
    mark_sessions(databases.replication, databases.analytics)
    try:
        with lend_mysql(databases.replication, session.stop) as connection:
            takes_infile, version = _prepare_replication(connection, lease, origins)
    except pymysql.err.MySQLError as error:
        raise explain(error, place_of(databases.replication, "replication")) from error
    with lend_mysql(databases.source, session.stop) as source, source.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        versions = cursor.fetchone()[0], version
    return Replication(versions, read_collations(databases), bool(takes_infile))


def _prepare_replication(connection: Any, lease: Lease, origins: Origins) -> tuple[int, str]:
    """Whether the server takes LOAD DATA LOCAL, and its version."""
    end_left_sessions(connection)
    open_replicas(connection)
    take_replicas(connection, lease)
    origin.record_replication(connection, origins.source, origins.replication)
    with connection.cursor() as cursor:
        cursor.execute("SHOW TABLES")
        for (name,) in cursor.fetchall():
            left = replicas.read_replica(connection, name) if is_ours(name) else None
            if is_ours(name) and not (left and left.finished_by(lease)):
                replicas.forget(connection, name)
                connection.commit()
                # Somebody else's stays; where it is in the way, its table says so.
                with contextlib.suppress(SchemaError):
                    drop_ours(connection, name)
        cursor.execute("SELECT @@GLOBAL.local_infile, VERSION()")
        takes_infile, version = cursor.fetchone()
    return takes_infile, version


def read_collations(databases: Databases) -> frozenset[str]:
    """Full names of the collations that the replication server knows.

    MariaDB 10.10 and newer call a collation ``uca1400_ai_ci`` for every character set, and give
    its full name in a column of its own.
    """
    with create_connection_manager(databases.replication, spacing_seconds=0) as manager:
        rows = manager.execute_with_retry(
            "SELECT * FROM information_schema.collation_character_set_applicability"
        ).mappings()
        return frozenset(
            row.get("FULL_COLLATION_NAME") or row["COLLATION_NAME"]
            for row in rows
            if row["COLLATION_NAME"]
        )
