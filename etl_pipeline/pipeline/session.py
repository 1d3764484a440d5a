"""Open the three databases of a command, check that they fit together, and close them."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
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
from etl_pipeline.errors import (
    ConfigurationError,
    FaultyConfigurationError,
)
from etl_pipeline.pipeline.origin_check import Origins, check_origins
from etl_pipeline.pipeline.source_catalog import Sight, read_fitted_source
from etl_pipeline.schema.catalog import Table
from etl_pipeline.schema.names import quote_mysql

log = logging.getLogger(__name__)

MOST_AT_ONCE = 8
"""Where the configuration says nothing of how much is done at once."""

KeepTrace = Callable[[BaseException], None]


@dataclass(frozen=True, slots=True)
class Session:
    """Three open databases, what the source holds, and what of it the user may see."""

    settings: Settings
    databases: Databases
    catalog: dict[str, Table]
    sight: Sight
    width: _Width
    stop: Cancellation
    throttle: Throttle
    lines: Sequence[ConnectionSecurity]


@contextlib.contextmanager
def open_session(
    settings: Settings, *, outside_window: bool = True, now: Callable[[], datetime] = utc_now
) -> Iterator[Session]:
    """Connect to the three databases, check that they may be used together, read the catalog.

    Unless *outside_window*, the source is read in its window only; *now* tells the time.

    Raises:
        ConfigurationError: Values are missing or wrong, or source and replication are the same.
        DatabaseError: A server refused or does not answer.
    """
    _refuse_faults(settings)
    schema = settings.get_database_config(DatabaseType.ANALYTICS)["schema"]
    stop = Cancellation()
    throttle_limits = read_throttle_limits(settings, outside_window=outside_window)
    throttle = Throttle(throttle_limits, wait=stop.wait, now=now)
    throttle.check_begin()
    databases = Databases(
        source=ConnectionFactory.get_source_connection(settings, throttle, stop),
        replication=ConnectionFactory.get_replication_connection(settings, stop),
        analytics=ConnectionFactory.get_analytics_connection(
            settings, PostgresSchema(schema), stop
        ),
        schema=schema,
    )
    try:
        lines = [_try_connection(engine, name) for engine, name in databases.named()]
        refuse_same_server_database(databases.source, databases.replication)
        refuse_encoding(databases.analytics)
        source = read_fitted_source(databases)
        _warn_of_write_privileges(databases, source.sight.writes)
        width = _find_width(settings, databases)
        _refuse_small_pools(databases, width)
        yield Session(
            settings, databases, source.tables, source.sight, width, stop, throttle, lines
        )
    finally:
        databases.dispose()


@contextlib.contextmanager
def open_warehouse(settings: Settings) -> Iterator[psycopg.Connection]:
    """A connection to the warehouse alone; what is done in it is rolled back.

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
    """Report what is wrong with all three databases at once, or that nothing is said of any."""
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


def check_source(session: Session, *, accepts: bool = False) -> Origins:
    """Refuse a source that the targets are no copy of; as ``check_origins``."""
    return check_origins(session.databases, session.stop, lambda: session.catalog, accepts=accepts)


def _try_connection(engine: Engine, name: str) -> ConnectionSecurity:
    """Say which database cannot be used, and where it is, before anything is begun."""
    try:
        line = read_line(engine, name)
        if engine.dialect.name == "postgresql":
            refuse_pooler(engine, place_of(engine, name))
    except SQLAlchemyError as error:
        note_place(error, find_place(engine))
        raise explain(error, place_of(engine, name)) from error
    log.debug("%s: connected, %s", place_of(engine, name), line.tls or "not encrypted")
    return line


@dataclass(frozen=True, slots=True)
class _Width:
    """How much is done at once: *tables*, and *workers* that read and write their chunks."""

    tables: int
    workers: int


def _find_width(settings: Settings, databases: Databases) -> _Width:
    """What is configured; else one of either for each processor, as far as the pools have room.

    And few enough for the source, which has other work to do.
    """
    pipeline = settings.pipeline
    room = min(_room(engine) for engine, _ in databases.named())
    default = max(1, min(os.cpu_count() or 1, MOST_AT_ONCE, room - 1))
    return _Width(
        pipeline.general.parallel_tables or default, pipeline.source.connections or default
    )


def _room(engine: Engine) -> int:
    """How many connections the pool of *engine* lends at a time."""
    pool: Any = engine.pool
    return int(pool.size() + pool._max_overflow)  # noqa: SLF001 - no public word for it


def _refuse_small_pools(databases: Databases, width: _Width) -> None:
    """A lane takes a connection to either MySQL server, a table one to analytics.

    One more is for the run's records, or for killing a statement that a stop finds. A comparison
    takes a connection of each for every table.
    """
    for engine, name in databases.named():
        is_mysql = engine is not databases.analytics
        needed = (max(width.workers, width.tables) if is_mysql else width.tables) + 1
        room = _room(engine)
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
