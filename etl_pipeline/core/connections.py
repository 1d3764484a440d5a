"""Engines for the three databases, made from ``Settings``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import URL, create_engine, event

from etl_pipeline.config.databases import DatabaseType, PostgresSchema
from etl_pipeline.config.resolve import (
    DEFAULT_MAX_OVERFLOW,
    DEFAULT_POOL_RECYCLE,
    DEFAULT_POOL_SIZE,
    DEFAULT_POOL_TIMEOUT,
)
from etl_pipeline.core import liveness
from etl_pipeline.core.connect_args import (
    make_postgres_args,
    make_replication_args,
    make_source_args,
    refuse_service,
)
from etl_pipeline.core.driver_errors import PLACE_OPTION, ErrorPlace, note_finding, note_place
from etl_pipeline.core.liveness import Liveness, SessionReport
from etl_pipeline.core.log_connection import LogConnection
from etl_pipeline.core.manager import ConnectionManager, create_connection_manager
from etl_pipeline.core.mysql_connection import MysqlConnection, probe_mysql
from etl_pipeline.core.postgres_connection import (
    PostgresConnection,
    connect_postgres,
    probe_postgres,
)
from etl_pipeline.core.postgres_logins import examine_refusal
from etl_pipeline.core.source_connection import (
    PINNED_SETTINGS,
    SourceConnection,
    time_limit_variable,
)
from etl_pipeline.core.throttle import Throttle, read_throttle_limits
from etl_pipeline.errors import FaultyConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Engine
    from sqlalchemy.engine import ExceptionContext
    from sqlalchemy.pool import ConnectionPoolEntry

    from etl_pipeline.config.settings import Settings
    from etl_pipeline.core.cancellation import Cancellation

__all__ = [
    "DEFAULT_MAX_OVERFLOW",
    "DEFAULT_POOL_RECYCLE",
    "DEFAULT_POOL_SIZE",
    "DEFAULT_POOL_TIMEOUT",
    "ConnectionFactory",
    "ConnectionManager",
    "create_connection_manager",
]

FIRST_TO_LIMIT_TRANSACTIONS = 170000
"""The version of PostgreSQL that has ``transaction_timeout`` first."""
_WATCH = "etl_liveness"
"""The execution option of an engine that holds its ``Liveness``."""

LOCK_SECONDS = 50
"""The longest wait of a statement for a lock of others in replication."""
REPLICATION_SESSION = (
    # Key 0 stays 0 and zero dates stay as they are; everything else that does not fit is an error.
    "SET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO,STRICT_ALL_TABLES,ALLOW_INVALID_DATES',"
    " time_zone='+00:00', foreign_key_checks=0,"
    # What the server says of a LOAD DATA is read, so it must be in English.
    f" lc_messages='en_US', {PINNED_SETTINGS}, sql_safe_updates=0,"
    # Its rows go straight into the warehouse, which may stall for longer than the usual minute.
    f" net_write_timeout=600, net_read_timeout=600, lock_wait_timeout={LOCK_SECONDS},"
    f" innodb_lock_wait_timeout={LOCK_SECONDS}"
)


class ConnectionFactory:
    """Makes engines; each call makes a new one, which the caller disposes of.

    Making an engine touches no network. All methods raise ``FaultyConfigurationError`` when the
    settings lack something for the database, or when source and replication are the same.
    """

    @staticmethod
    def get_source_connection(
        settings: Settings,
        throttle: Throttle | None = None,
        stop: Cancellation | None = None,
        *,
        connect_seconds: int | None = None,
    ) -> Engine:
        """Return an engine for the source, read-only by construction.

        Every connection of it is a :class:`SourceConnection`, whoever asks the pool for it.

        Args:
            settings: The source's address, and the limits that it is read within.
            throttle: Shared by all its connections; None makes one for this engine.
            stop: When it was requested, no connection waits for the server any more.
            connect_seconds: Upper bound of the configured ``connect_timeout``.
        """
        config = _get_config(settings, DatabaseType.SOURCE, connect_seconds=connect_seconds)
        throttle_limits = read_throttle_limits(settings)
        args = make_source_args(config, throttle_limits)
        engine = _make_engine(
            DatabaseType.SOURCE, config, args | {"throttle": throttle or Throttle(throttle_limits)}
        )
        _watch_mysql(engine, SourceConnection, stop)
        return engine

    @staticmethod
    def open_source(settings: Settings) -> SourceConnection:
        """Open one connection to the source, which the caller closes.

        It is as guarded as those of an engine, which asks the server several questions of its own.

        Raises:
            pymysql.err.MySQLError: The server refused or does not answer.
        """
        return SourceConnection(**_source_parameters(settings))

    @staticmethod
    def open_log_connection(settings: Settings, stop: Cancellation | None = None) -> LogConnection:
        """Open a connection on which the source's log can be asked for; the caller closes it.

        Raises:
            pymysql.err.MySQLError: The server refused or does not answer.
        """
        return LogConnection(watch=Liveness(stop=stop), **_source_parameters(settings))

    @staticmethod
    def get_replication_connection(
        settings: Settings, stop: Cancellation | None = None, *, connect_seconds: int | None = None
    ) -> Engine:
        """Return an engine for replication: strict, but with zero dates and without foreign keys.

        When *stop* was requested, no connection waits for the server any more.
        """
        config = _get_config(settings, DatabaseType.REPLICATION, connect_seconds=connect_seconds)
        engine = _make_engine(DatabaseType.REPLICATION, config, make_replication_args(config))
        _watch_mysql(engine, MysqlConnection, stop)

        @event.listens_for(engine, "connect")
        def prepare_session(connection: MysqlConnection, _record: ConnectionPoolEntry) -> None:
            cursor = connection.cursor()
            cursor.execute(REPLICATION_SESSION)
            # Chunks are written side by side; under the default level a DELETE would lock the gaps
            # around its rows, and two of them each other out.
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE")
            # The server's own time limit for all statements is lifted: building the index of a
            # large table may take long.
            cursor.execute(f"SET SESSION {time_limit_variable(connection.server_version)}=0")
            cursor.close()

        return engine

    @staticmethod
    def get_analytics_connection(
        settings: Settings,
        schema: PostgresSchema | None = None,
        stop: Cancellation | None = None,
        *,
        connect_seconds: int | None = None,
    ) -> Engine:
        """Return an engine for analytics that finds names in *schema*; None is the configured one.

        When *stop* was requested, no connection waits for the server any more.
        """
        config = _get_config(
            settings, DatabaseType.ANALYTICS, schema, connect_seconds=connect_seconds
        )
        refuse_service()
        engine = _make_engine(DatabaseType.ANALYTICS, config, make_postgres_args(config))
        _watch_postgres(engine, stop)

        @event.listens_for(engine, "connect")
        def prepare_session(connection: PostgresConnection, _record: ConnectionPoolEntry) -> None:
            # libpq sends PGTZ and PGDATESTYLE of the process last, so that they would hold; the
            # server tells by itself what does.
            if connection.info.server_version >= FIRST_TO_LIMIT_TRANSACTIONS:
                connection.execute("SET transaction_timeout = 0")  # older ones do not know it
                connection.commit()
            status = connection.info.parameter_status
            if (status("TimeZone"), status("DateStyle")) != ("UTC", "ISO, MDY"):
                connection.execute("SET TimeZone = 'UTC'; SET DateStyle = 'ISO, MDY'")
                connection.commit()

        return engine

    @staticmethod
    def get_analytics_raw_connection(settings: Settings) -> Engine:
        """Return an engine for analytics, schema ``raw``."""
        return ConnectionFactory.get_analytics_connection(settings, PostgresSchema.RAW)

    @staticmethod
    def get_analytics_staging_connection(settings: Settings) -> Engine:
        """Return an engine for analytics, schema ``staging``."""
        return ConnectionFactory.get_analytics_connection(settings, PostgresSchema.STAGING)

    @staticmethod
    def get_analytics_intermediate_connection(settings: Settings) -> Engine:
        """Return an engine for analytics, schema ``intermediate``."""
        return ConnectionFactory.get_analytics_connection(settings, PostgresSchema.INTERMEDIATE)

    @staticmethod
    def get_analytics_marts_connection(settings: Settings) -> Engine:
        """Return an engine for analytics, schema ``marts``."""
        return ConnectionFactory.get_analytics_connection(settings, PostgresSchema.MARTS)


def _source_parameters(settings: Settings) -> dict[str, Any]:
    """Return what one connection to the source is opened with, without a pool."""
    config = _get_config(settings, DatabaseType.SOURCE)
    throttle_limits = read_throttle_limits(settings)
    place = {key: config[key] for key in ("host", "port", "user", "database")}
    throttle = Throttle(throttle_limits, watches_load=False)
    return {**place, **make_source_args(config, throttle_limits), "throttle": throttle}


def _get_config(
    settings: Settings,
    db_type: DatabaseType,
    schema: PostgresSchema | None = None,
    *,
    connect_seconds: int | None = None,
) -> dict[str, Any]:
    faults = settings.find_faults(db_type)
    if faults:
        raise FaultyConfigurationError(faults)
    config = settings.get_database_config(db_type, schema)
    if connect_seconds is not None:
        config["connect_timeout"] = min(config["connect_timeout"], connect_seconds)
    return config


def liveness_of(engine: Engine) -> Liveness:
    """Return the watch on the server of an engine that was made here."""
    watch: Liveness = engine.get_execution_options()[_WATCH]
    return watch


def _watch_mysql(
    engine: Engine, connection_class: type[MysqlConnection], stop: Cancellation | None
) -> None:
    """Make each connection of *engine* a *connection_class* that notices a silent server."""

    def probe(parameters: dict[str, Any]) -> SessionReport | None:
        limits = dict.fromkeys(("read_timeout", "write_timeout"), liveness.PROBE_SECONDS)
        return probe_mysql(lambda: connection_class(**parameters | limits))

    def connect(watch: Liveness, parameters: dict[str, Any]) -> MysqlConnection:
        return connection_class(watch=watch, **parameters)

    _watch_connections(engine, connect, probe, stop)


def _watch_postgres(engine: Engine, stop: Cancellation | None) -> None:
    """Make each connection of *engine* one that notices a silent server."""

    def probe(parameters: dict[str, Any]) -> SessionReport | None:
        return probe_postgres(lambda: connect_postgres(Liveness(), **parameters))

    def connect(watch: Liveness, parameters: dict[str, Any]) -> PostgresConnection:
        try:
            return connect_postgres(watch, **parameters)
        except psycopg.OperationalError as error:
            note_finding(error, examine_refusal(error, parameters))
            raise

    _watch_connections(engine, connect, probe, stop)


def _watch_connections(
    engine: Engine,
    connect: Callable[[Liveness, dict[str, Any]], MysqlConnection | PostgresConnection],
    probe: Callable[[dict[str, Any]], SessionReport | None],
    stop: Cancellation | None,
) -> None:
    """Let one ``Liveness`` watch all connections of *engine*.

    Args:
        engine: Makes a connection with *connect*, given the watch and the driver's parameters.
        connect: Logs in.
        probe: Asks the server whether it is alive, given parameters with a short time limit.
        stop: When it was requested, no connection waits for the server any more.
    """
    known: dict[str, Any] = {}

    def ask() -> SessionReport | None:
        limit = {"connect_timeout": liveness.PROBE_SECONDS}
        return probe(known | limit) if known else SessionReport()

    watch = Liveness(ask, stop)
    engine.update_execution_options(**{_WATCH: watch})

    @event.listens_for(engine, "do_connect")
    def connect_watched(
        _dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]
    ) -> MysqlConnection | PostgresConnection:
        known.update(parameters)
        return connect(watch, parameters)


def _make_engine(db_type: DatabaseType, config: Mapping[str, Any], args: dict[str, Any]) -> Engine:
    is_postgres = db_type is DatabaseType.ANALYTICS
    place = ErrorPlace(
        db_type.value,
        config["host"],
        config["port"],
        config["database"],
        config["user"],
        config.get("schema") or "",
    )
    url = URL.create(
        "postgresql+psycopg" if is_postgres else "mysql+pymysql",
        username=config["user"],
        password=config["password"],
        host=config["host"],
        port=config["port"],
        database=config["database"],
    )
    engine = create_engine(
        url,
        connect_args=args,
        pool_size=config["pool_size"],
        max_overflow=config["max_overflow"],
        pool_timeout=config["pool_timeout"],
        pool_recycle=config["pool_recycle"],
        pool_pre_ping=True,
        hide_parameters=True,
        execution_options={PLACE_OPTION: place},
    )

    @event.listens_for(engine, "handle_error")
    def note(context: ExceptionContext) -> None:
        note_place(context.original_exception, place)

    return engine
