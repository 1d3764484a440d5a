"""Open the three databases of a command, check that they fit together, and close them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from etl_pipeline.config import DatabaseType, PostgresSchema, Settings
from etl_pipeline.config.databases import REQUIRED_KEYS
from etl_pipeline.config.loading import find_taken_schema
from etl_pipeline.core import ConnectionFactory
from etl_pipeline.core.cancellation import Cancellation
from etl_pipeline.core.databases import Databases, lend_postgres, place_of
from etl_pipeline.core.driver_errors import explain, find_place, note_place
from etl_pipeline.core.encoding import refuse_encoding
from etl_pipeline.core.encryption import ConnectionSecurity, read_line
from etl_pipeline.core.pooler import refuse_pooler
from etl_pipeline.core.same_server import refuse_same_server_database
from etl_pipeline.core.throttle import Throttle, read_throttle_limits, utc_now
from etl_pipeline.core.workers import default_parallelism
from etl_pipeline.errors import (
    ConfigurationError,
    FaultyConfigurationError,
)
from etl_pipeline.pipeline.events import KeepTrace, Listener, ignore_event
from etl_pipeline.pipeline.source_catalog import read_fitted_source
from etl_pipeline.pipeline.source_privileges import SourcePrivileges
from etl_pipeline.schema.catalog import Table
from etl_pipeline.schema.names import quote_mysql
from etl_pipeline.state.run_sessions import mark_sessions

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parallelism:
    """The number of tables worked on at once, and of workers that read and write chunks."""

    tables: int
    workers: int


@dataclass(frozen=True, slots=True)
class Session:
    """Three open databases, and what a command works on them with.

    Attributes:
        catalog: The source's tables by name, with the types that replication has for them.
        privileges: What the user of the source may see and write.
        security: How each connection is encrypted.
        stop: Set when the user presses Ctrl-C.
        throttle: Spares the source.
        listen: Told of progress; called from the threads at work.
        keep_trace: Told of each error with its traceback, for ``--debug``; None for nobody.
    """

    settings: Settings
    databases: Databases
    catalog: Mapping[str, Table]
    privileges: SourcePrivileges
    security: Sequence[ConnectionSecurity]
    parallelism: Parallelism
    stop: Cancellation
    throttle: Throttle
    listen: Listener
    keep_trace: KeepTrace | None


@contextlib.contextmanager
def open_session(
    settings: Settings,
    *,
    listen: Listener = ignore_event,
    keep_trace: KeepTrace | None = None,
    outside_window: bool = True,
    is_run: bool = False,
    now: Callable[[], datetime] = utc_now,
) -> Iterator[Session]:
    """Connect to the three databases, check that they fit together, and read the catalog.

    Args:
        settings: Of the environment in force.
        listen: Told of progress.
        keep_trace: Told of each error, for ``--debug``.
        outside_window: Read the source outside of ``source.window`` too.
        is_run: Mark the sessions as those of a run; the caller takes the lock of runs.
        now: Returns the time.

    Raises:
        ConfigurationError: Values are missing or wrong, or source and replication are the same.
        SourceClosedError: The window is closed.
        DatabaseError: A server refused or does not answer.
    """
    _refuse_faults(settings)
    stop = Cancellation()
    throttle_limits = read_throttle_limits(settings, outside_window=outside_window)
    throttle = Throttle(throttle_limits, wait=stop.wait, now=now)
    throttle.check_begin()
    databases = _make_engines(settings, throttle, stop)
    try:
        security = [_try_connection(engine, name) for engine, name in databases.named()]
        if is_run:
            mark_sessions(databases.replication, databases.analytics)
        refuse_same_server_database(databases.source, databases.replication)
        refuse_encoding(databases.analytics)
        source = read_fitted_source(databases)
        _warn_of_write_privileges(databases, source.privileges.writes)
        parallelism = _find_parallelism(settings, databases)
        _refuse_small_pools(databases, parallelism)
        yield Session(
            settings,
            databases,
            source.tables,
            source.privileges,
            security,
            parallelism,
            stop,
            throttle,
            listen,
            keep_trace,
        )
    finally:
        databases.dispose()


def _make_engines(settings: Settings, throttle: Throttle, stop: Cancellation) -> Databases:
    schema = settings.get_database_config(DatabaseType.ANALYTICS)["schema"]
    return Databases(
        source=ConnectionFactory.get_source_connection(settings, throttle, stop),
        replication=ConnectionFactory.get_replication_connection(settings, stop),
        analytics=ConnectionFactory.get_analytics_connection(
            settings, PostgresSchema(schema), stop
        ),
        schema=schema,
    )


@contextlib.contextmanager
def open_warehouse(settings: Settings) -> Iterator[psycopg.Connection]:
    """Connect to the warehouse alone; what is done in the block is rolled back.

    Raises: as ``open_session``.
    """
    _refuse_faults(settings)
    engine = ConnectionFactory.get_analytics_raw_connection(settings)
    try:
        _try_connection(engine, "analytics")
        with lend_postgres(engine, Cancellation()) as connection:
            yield connection
            connection.rollback()
    finally:
        engine.dispose()


def _refuse_faults(settings: Settings) -> None:
    """Raise one error with all that is wrong with the configuration of the databases."""
    faults = settings.find_faults()
    if not faults and (taken := find_taken_schema(settings)):
        faults = (taken,)
    if not faults:
        return
    missing = sum(len(REQUIRED_KEYS) for _ in DatabaseType)
    if len(faults) == missing and all(fault.what.endswith(" is missing") for fault in faults):
        raise ConfigurationError(
            "nothing says where the databases are",
            where=settings.provider.locate("env"),
            fix=f"fill in .env_{settings.environment} (etl init writes one), or name its folder: "
            "export ETL_CONFIG_DIR=…; to try without: etl demo",
        )
    raise FaultyConfigurationError(faults)


def _try_connection(engine: Engine, name: str) -> ConnectionSecurity:
    """Connect once; an error says which database cannot be used, and where it is."""
    try:
        security = read_line(engine, name)
        if engine.dialect.name == "postgresql":
            refuse_pooler(engine, place_of(engine, name))
    except SQLAlchemyError as error:
        note_place(error, find_place(engine))
        raise explain(error, place_of(engine, name)) from error
    log.debug("%s: connected, %s", place_of(engine, name), security.tls or "not encrypted")
    return security


def _find_parallelism(settings: Settings, databases: Databases) -> Parallelism:
    """Return what is configured; else one of either for each processor.

    The default is no more than the pools have room for.
    """
    pipeline = settings.pipeline
    room = min(_pool_room(engine) for engine, _ in databases.named())
    default = default_parallelism(room - 1)
    return Parallelism(
        pipeline.general.parallel_tables or default, pipeline.source.connections or default
    )


def _pool_room(engine: Engine) -> int:
    """Return how many connections the pool of *engine* lends at a time."""
    pool: Any = engine.pool
    return int(pool.size() + pool._max_overflow)  # noqa: SLF001 - no public word for it


def _refuse_small_pools(databases: Databases, parallelism: Parallelism) -> None:
    """Raise ConfigurationError where a pool lends fewer connections than are needed at once.

    A worker takes a connection to either MySQL server, a table one to analytics. One more is for
    the run's records, or for killing a statement on Ctrl-C. A comparison takes one of each for
    every table.
    """
    for engine, name in databases.named():
        is_mysql = engine is not databases.analytics
        needed = (
            max(parallelism.workers, parallelism.tables) if is_mysql else parallelism.tables
        ) + 1
        room = _pool_room(engine)
        if room < needed:
            lower = "source.connections and general.parallel_tables"
            raise ConfigurationError(
                f"{needed} connections are needed, the pool has {room}",
                where=f"pipeline.yml: connections.{name}",
                fix=f"lower {lower if is_mysql else 'general.parallel_tables'}, "
                f"or set pool_size: {needed} there",
            )


def _warn_of_write_privileges(databases: Databases, privileges: Sequence[str]) -> None:
    if privileges:
        log.warning(
            "%s: the user can write (%s); the pipeline never does, and a user that only "
            "reads is safer\n  fix: give the pipeline a user with no more than "
            "GRANT SELECT ON %s.*",
            place_of(databases.source, "source"),
            _shortened(privileges),
            quote_mysql(databases.source.url.database or ""),
        )


def _shortened(privileges: Sequence[str]) -> str:
    shown = ", ".join(privileges[:3])
    rest = len(privileges) - 3
    return f"{shown} and {rest} more" if rest > 0 else shown
