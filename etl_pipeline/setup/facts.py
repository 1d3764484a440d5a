"""Read what the three servers say of themselves and of our sessions; ``checks.py`` judges it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from etl_pipeline.core.pooler import refuse_pooler

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_MYSQL_NAMES = (
    "binlog_expire_logs_seconds",
    "binlog_format",
    "character_set_client",
    "character_set_connection",
    "character_set_database",
    "character_set_results",
    "expire_logs_days",
    "local_infile",
    "log_bin",
    "max_allowed_packet",
    "server_id",
    "sql_mode",
    "sql_require_primary_key",
    "system_time_zone",
    "time_zone",
    "wait_timeout",
)
_VARIABLES = "VARIABLES WHERE Variable_name IN ({})".format(
    ", ".join(f"'{name}'" for name in _MYSQL_NAMES)
)
_MYSQL_IDENTITY = "SELECT VERSION(), CURRENT_USER(), UTC_TIMESTAMP(6)"
_MYSQL_TABLES = (
    "SELECT COUNT(*) FROM information_schema.tables "
    "WHERE table_schema = DATABASE() AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')"
)


@dataclass(frozen=True, slots=True)
class MysqlFacts:
    """A MySQL or MariaDB server as our session sees it.

    Attributes:
        place: ``host:port/database``.
        user: As the server lists it: ``etl_reader@%``.
        tls: Version of the protocol; None for an unencrypted connection.
        session: Variables of our session; a variable that the server lacks is absent.
        server: The same variables, as the server gives them to new sessions (global scope).
        grants: Lines of ``SHOW GRANTS``.
        tables: Tables of the database that the user may see.
        clock_seconds: Seconds that the server's clock is ahead of ours; negative if behind.
        recycle_seconds: Age at which our pool renews a connection.
    """

    place: str
    host: str
    database: str
    user: str
    version: str
    tls: str | None
    session: Mapping[str, str]
    server: Mapping[str, str]
    grants: tuple[str, ...]
    tables: int
    clock_seconds: float
    recycle_seconds: int


@dataclass(frozen=True, slots=True)
class PostgresFacts:
    """A PostgreSQL server as our session sees it.

    Attributes:
        version_number: ``server_version_num``: 150004.
        encoding: Encoding of the database.
        can_create: True if the user may make schemas in the database.
        can_make_temporary: True if the user may make temporary tables.
        schemas: Of ``etl`` and the schema that is loaded, those that exist; True if the user may
            make tables there.
        state_version: Newest version of the state in schema ``etl``; None if there is no state.
    """

    place: str
    host: str
    database: str
    user: str
    version: str
    version_number: int
    tls: str | None
    encoding: str
    time_zone: str
    can_create: bool
    can_make_temporary: bool
    schema: str
    schemas: Mapping[str, bool]
    state_version: int | None
    clock_seconds: float
    recycle_seconds: int


def read_mysql(engine: Engine) -> MysqlFacts:
    """Read the facts of *engine*'s server, with statements that only read.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: The server refused or does not answer.
    """
    with engine.connect() as connection:
        asked_at = datetime.now(UTC)
        version, user, there = connection.exec_driver_sql(_MYSQL_IDENTITY).one()
        ssl = dict(_pairs(connection, "SHOW SESSION STATUS LIKE 'Ssl_version'"))
        session = dict(_pairs(connection, f"SHOW SESSION {_VARIABLES}"))
        server = dict(_pairs(connection, f"SHOW GLOBAL {_VARIABLES}"))
        grants = tuple(str(row[0]) for row in connection.exec_driver_sql("SHOW GRANTS"))
        tables = connection.exec_driver_sql(_MYSQL_TABLES).scalar_one()
    return MysqlFacts(
        place=_place(engine),
        host=engine.url.host or "",
        database=engine.url.database or "",
        user=str(user),
        version=str(version),
        tls=ssl.get("Ssl_version") or None,
        session=session,
        server=server,
        grants=grants,
        tables=int(tables),
        clock_seconds=_ahead(there.replace(tzinfo=UTC), asked_at),
        recycle_seconds=_recycle(engine),
    )


def read_postgres(engine: Engine, schema: str) -> PostgresFacts:
    """Read the facts of *engine*'s server, with statements that only read.

    *schema* is the schema that tables are loaded into.

    Raises:
        ConfigurationError: A connection pooler is in between and gives clients no session.
        sqlalchemy.exc.SQLAlchemyError: The server refused or does not answer.
    """
    refuse_pooler(engine, f"analytics {_place(engine)}")
    with engine.connect() as connection:
        asked_at = datetime.now(UTC)
        row = connection.exec_driver_sql(
            "SELECT clock_timestamp() AS there, current_setting('server_version') AS version, "
            "current_setting('server_version_num')::int AS version_number, "
            "(SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS tls, "
            "current_setting('server_encoding') AS encoding, "
            "current_setting('TimeZone') AS time_zone, "
            "has_database_privilege(current_database(), 'CREATE') AS can_create, "
            "has_database_privilege(current_database(), 'TEMPORARY') AS can_make_temporary"
        ).one()
        schemas = connection.exec_driver_sql(
            "SELECT nspname, has_schema_privilege(oid, 'CREATE, USAGE') FROM pg_namespace "
            "WHERE nspname IN ('etl', %(schema)s)",
            {"schema": schema},
        )
        rights = {str(name): bool(right) for name, right in schemas}
        state = _read_state_version(connection)
    return PostgresFacts(
        place=_place(engine),
        host=engine.url.host or "",
        database=engine.url.database or "",
        user=engine.url.username or "",
        version=row.version,
        version_number=row.version_number,
        tls=row.tls,
        encoding=row.encoding,
        time_zone=row.time_zone,
        can_create=row.can_create,
        can_make_temporary=row.can_make_temporary,
        schema=schema,
        schemas=rights,
        state_version=state,
        clock_seconds=_ahead(row.there, asked_at),
        recycle_seconds=_recycle(engine),
    )


def _read_state_version(connection: Connection) -> int | None:
    readable = connection.exec_driver_sql(
        "SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = 'etl' AND c.relname = 'version'"
    ).scalar_one_or_none()
    if not readable:
        return None
    found: int | None = connection.exec_driver_sql(
        "SELECT max(version) FROM etl.version"
    ).scalar_one()
    return found


def _pairs(connection: Connection, statement: str) -> list[tuple[str, str]]:
    return [(str(name), str(value)) for name, value in connection.exec_driver_sql(statement)]


def _ahead(there: datetime, asked_at: datetime) -> float:
    """Return the seconds that the server's clock is ahead of ours; negative if behind.

    The clock read *there* at some instant between *asked_at* and now; a time between the two is 0.
    """
    answered_at = datetime.now(UTC)
    if there > answered_at:
        return (there - answered_at).total_seconds()
    return min((there - asked_at).total_seconds(), 0.0)


def _place(engine: Engine) -> str:
    url = engine.url
    return f"{url.host}:{url.port}/{url.database}"


def _recycle(engine: Engine) -> int:
    pool: Any = engine.pool
    return int(pool._recycle)  # noqa: SLF001 - no public name for it
