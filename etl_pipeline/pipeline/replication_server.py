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
from etl_pipeline.state.run_lease import take_replication_lease
from etl_pipeline.state.run_sessions import end_left_sessions


def open_replication(session: Session, lease: Lease, origins: Origins) -> Replication:
    """Take over the replication database for the run of *lease*, and read what its server supports.

    Ends what an interrupted run left: its sessions, and the tables that it was making.

    Raises:
        DatabaseError: Another run has taken over, or the server refused or was lost.
    """
    databases = session.databases
    try:
        with lend_mysql(databases.replication, session.stop) as connection:
            take_over(connection, lease)
            origin.record_replication(connection, origins.source, origins.replication)
            _drop_left_tables(connection, lease)
    except pymysql.err.MySQLError as error:
        raise explain(error, place_of(databases.replication, "replication")) from error
    return read_replication(session)


def take_over(connection: pymysql.connections.Connection[Any], lease: Lease) -> None:
    """Give the replication database to the run of *lease*, and end what earlier ones left; commits.

    Those are their sessions, whose locks go with them. Tables that hold our state are made, or
    upgraded.
    """
    end_left_sessions(connection)
    open_replicas(connection)
    take_replication_lease(connection, lease)


def _drop_left_tables(connection: pymysql.connections.Connection[Any], lease: Lease) -> None:
    """Drop tables that another run was making, unless the run of *lease* continues that one."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW TABLES")
        names = [str(name) for (name,) in cursor.fetchall()]
    for name in filter(is_ours, names):
        unfinished = replicas.read_replica(connection, name)
        if unfinished and unfinished.finished_by(lease):
            continue
        replicas.forget(connection, name)
        connection.commit()
        # Somebody else's table stays; where it is in the way, the table concerned says so.
        with contextlib.suppress(SchemaError):
            drop_ours(connection, name)


def read_replication(session: Session) -> Replication:
    """Read the versions of both MySQL servers, and what the replication server supports."""
    databases = session.databases
    with lend_mysql(databases.source, session.stop) as source, source.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        (source_version,) = cursor.fetchone()
    try:
        with lend_mysql(databases.replication, session.stop) as target, target.cursor() as cursor:
            cursor.execute("SELECT @@GLOBAL.local_infile, VERSION()")
            takes_infile, version = cursor.fetchone()
    except pymysql.err.MySQLError as error:
        raise explain(error, place_of(databases.replication, "replication")) from error
    return Replication((source_version, version), read_collations(databases), bool(takes_infile))


def read_collations(databases: Databases) -> frozenset[str]:
    """Read the full names of the collations that the replication server knows.

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
