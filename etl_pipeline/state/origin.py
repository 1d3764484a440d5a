"""The database that the targets are a copy of, recorded in both beside what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from pymysql.connections import Connection

from etl_pipeline.errors import DatabaseError
from etl_pipeline.state.replica_tables import check_state_ownership

_SERVER = (
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN "
    "('server_uuid', 'server_uid', 'hostname', 'port', 'datadir', 'server_id')"
)
_UNKNOWN = "a database that was not recorded"


@dataclass(frozen=True, slots=True)
class Origin:
    """A database and its server, by what the server says of itself.

    So a tunnel, a port that is forwarded or another name of the host makes no difference.
    """

    server: str
    database: str

    def __str__(self) -> str:
        return f"database {self.database} on the server with {self.server}"


@dataclass(frozen=True, slots=True)
class TargetContents:
    """The recorded contents of a target.

    Attributes:
        origin: What it is a copy of; None where that was never recorded.
        tables: Tables of which it holds rows, by their names at the source.
    """

    origin: Origin | None
    tables: frozenset[str]

    def describe(self) -> str:
        """Return what it is a copy of, in words."""
        return str(self.origin) if self.origin else _UNKNOWN


def name_server(variables: Mapping[str, str]) -> str:
    """Return what tells a server from others, of its *variables*.

    MySQL has an identity of its own since 5.6, MariaDB since 10.5.26 and 10.11.9; what older ones
    say of their place comes next to it.
    """
    for name in ("server_uuid", "server_uid"):
        if variables.get(name):
            return f"{name} {variables[name]}"
    words = (f"{name} {variables[name]}" for name in sorted(variables) if variables[name])
    return ", ".join(words)


@dataclass(frozen=True, slots=True)
class SourceNow:
    """The source, and what its clock shows in the time zone of its server."""

    origin: Origin
    clock: datetime


def read_source(connection: Connection[Any]) -> SourceNow:
    """Return the database of *connection* and its clock; ends the transaction that it opens."""
    with connection.cursor() as cursor:
        cursor.execute(_SERVER)
        server = name_server({str(name): str(value) for name, value in cursor.fetchall()})
        # Sessions of ours are in UTC; people date by the zone that the server is set to.
        cursor.execute(
            "SELECT DATABASE(), CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', @@GLOBAL.time_zone)"
        )
        database, clock = cursor.fetchone()
    connection.rollback()
    # Servers on Windows keep names in lower case, and clients write them as they like.
    return SourceNow(Origin(server, str(database).casefold()), clock)


def read_replication(connection: Connection[Any]) -> TargetContents:
    """Return what the replication database holds; ends the transaction that it opens.

    Raises:
        SchemaError: A table of somebody else's bears the name of one of our state.
    """
    check_state_ownership(connection)
    with connection.cursor() as cursor:
        cursor.execute("SHOW TABLES LIKE '\\_etl\\_%'")
        ours = {name for (name,) in cursor.fetchall()}
        origin, tables = None, frozenset[str]()
        if "_etl_origin" in ours:
            cursor.execute("SELECT server, database_name FROM _etl_origin WHERE singleton = 1")
            row = cursor.fetchone()
            origin = Origin(*row) if row else None
        if "_etl_chunk" in ours:
            cursor.execute("SELECT DISTINCT table_name FROM _etl_chunk WHERE row_count > 0")
            tables = frozenset(name for (name,) in cursor.fetchall())
    connection.rollback()
    return TargetContents(origin, tables)


def read_analytics(connection: psycopg.Connection) -> TargetContents:
    """Return what the warehouse holds; ends the transaction that it opens."""
    found: Any = connection.execute(
        "SELECT to_regclass('etl.origin') IS NOT NULL, to_regclass('etl.chunk') IS NOT NULL"
    ).fetchone()
    origin, tables = None, frozenset[str]()
    if found[0]:
        row = connection.execute("SELECT server, database_name FROM etl.origin").fetchone()
        origin = Origin(*row) if row else None
    if found[1]:
        rows = connection.execute("SELECT DISTINCT table_name FROM etl.chunk WHERE rows > 0")
        tables = frozenset(name for (name,) in rows)
    connection.rollback()
    return TargetContents(origin, tables)


def record_replication(connection: Connection[Any], origin: Origin, seen: Origin | None) -> None:
    """Record that the replication database is a copy of *origin*; commits.

    Args:
        connection: Of PyMySQL; the database is the run's own by now.
        origin: The source.
        seen: What was remembered when the run looked.

    Raises:
        DatabaseError: Another run, with another warehouse, has recorded another one since.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT server, database_name FROM _etl_origin WHERE singleton = 1 FOR UPDATE"
        )
        row = cursor.fetchone()
        if (Origin(*row) if row else None) not in (seen, origin):
            raise DatabaseError(
                "another run has begun to fill the replication database from another source",
                fix="give each practice a replication database of its own",
            )
        cursor.execute(
            "REPLACE INTO _etl_origin (singleton, server, database_name, recorded_at) "
            "SELECT 1, %s, %s, UTC_TIMESTAMP(6) FROM DUAL WHERE NOT EXISTS "
            "(SELECT 1 FROM _etl_origin AS o WHERE o.server = %s AND o.database_name = %s)",
            (origin.server, origin.database) * 2,
        )
    connection.commit()


def record_analytics(connection: psycopg.Connection, origin: Origin) -> None:
    """Record that the warehouse is a copy of *origin*; the run holds its lock."""
    connection.execute(
        "INSERT INTO etl.origin (server, database_name) VALUES (%s, %s) ON CONFLICT (singleton) "
        "DO UPDATE SET server = excluded.server, database_name = excluded.database_name, "
        "recorded_at = clock_timestamp() "
        "WHERE (origin.server, origin.database_name) <> (excluded.server, excluded.database_name)",
        (origin.server, origin.database),
    )
