"""Opens the three databases, has a command done, records it, closes them."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
import pymysql
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from etl_pipeline.config import DatabaseType, PostgresSchema, Settings
from etl_pipeline.config.databases import REQUIRED_KEYS
from etl_pipeline.config.loading import find_taken_schema
from etl_pipeline.config.models import TableConfig
from etl_pipeline.core import ConnectionFactory, create_connection_manager
from etl_pipeline.core.cancellation import Cancellation
from etl_pipeline.core.databases import Databases, lend_mysql, lend_postgres, place_of
from etl_pipeline.core.driver_errors import explain, find_place, note_place
from etl_pipeline.core.encoding import refuse_encoding
from etl_pipeline.core.encryption import ConnectionSecurity, read_line, warn_of_open
from etl_pipeline.core.pooler import refuse_pooler
from etl_pipeline.core.same_server import refuse_same_server_database
from etl_pipeline.core.throttle import Throttle, read_throttle_limits, utc_now
from etl_pipeline.core.workers import Workers
from etl_pipeline.errors import (
    ConfigurationError,
    EtlError,
    FaultyConfigurationError,
    SchemaError,
)
from etl_pipeline.pipeline.checks import begin_checks, end_checks
from etl_pipeline.pipeline.control import Control
from etl_pipeline.pipeline.events import Listener
from etl_pipeline.pipeline.origin import Origins, check_origins
from etl_pipeline.pipeline.plan import expand_names
from etl_pipeline.pipeline.runner import Copying, run_tables
from etl_pipeline.pipeline.selection import (
    Carried,
    Wishes,
    carry_tables,
    record_carried,
    with_dependents,
)
from etl_pipeline.pipeline.source import Sight, Source, read_source_of
from etl_pipeline.pipeline.summary import Compared, RunSummary
from etl_pipeline.pipeline.table_worker import Work
from etl_pipeline.replicate.ownership import drop_ours
from etl_pipeline.replicate.table import Replication
from etl_pipeline.schema.catalog import Table
from etl_pipeline.schema.names import is_ours, quote_mysql
from etl_pipeline.schema.types import fit_replica
from etl_pipeline.state import origin, replicas, runs, warehouse
from etl_pipeline.state.records import TableOutcome
from etl_pipeline.state.replica_tables import open_replicas
from etl_pipeline.state.run_lease import Lease, take_replicas
from etl_pipeline.state.run_sessions import end_left_sessions, mark_sessions
from etl_pipeline.state.runs import Selection, Started
from etl_pipeline.state.source_tables import read_known_tables

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
        source = read_source(databases)
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


def run_once(
    settings: Settings,
    tables: Sequence[str],
    *,
    full: bool = False,
    allow_deletes: Sequence[str] = (),
    importance: Sequence[str] = (),
    only: str | None = None,
    outside_window: bool = False,
    accept_drift: bool = False,
    accept_source: bool = False,
    adopt: bool = False,
    listen: Listener,
    keep_trace: KeepTrace | None = None,
    now: Callable[[], datetime] = utc_now,
) -> RunSummary:
    """Bring *tables* (all that are configured, if empty) and record the run.

    A run that was cut off a short while ago, and was asked for the same, is gone on with: what it
    has read within the last hour is not read again.

    Args:
        settings: Of the environment in force.
        tables: Names.
        full: Whether both targets of every table are built anew, whatever its strategy.
        allow_deletes: Tables of which as many rows may go as will.
        importance: Only tables of one of these; empty for all.
        only: The hop that is made, ``replicate`` or ``load``; None for both.
        outside_window: Whether the source may be read outside of its window, too.
        accept_drift: Whether changes of the source's schema are followed in any case.
        accept_source: Whether the targets become a copy of this source, whatever they were of.
        adopt: Whether tables of ``raw`` that are not as we made them are taken over.
        listen: Told what goes on.
        keep_trace: Told of each error, for ``--debug``.
        now: Tells the instant.

    Raises:
        SourceClosedError: The window is not open.
        ConfigurationError: The configuration is wrong, or a table is not known.
        DatabaseError: A server cannot be used, or another run is at work.
        KeyboardInterrupt: Somebody pressed Ctrl-C; no table is left half-loaded.
    """
    started_at, clock = datetime.now(UTC), time.monotonic()
    with open_session(settings, outside_window=outside_window, now=now) as session:
        carried = choose_tables(
            session,
            tables,
            full=full,
            allow_deletes=allow_deletes,
            importance=importance,
            by_servers=settings.pipeline.source.digests_by == "servers",
            accepts=accept_drift,
            adopts=adopt,
        )
        selection = Selection(tuple(tables), full, tuple(importance), only)
        with Control(session.databases) as control:
            runs.lock_runs(control.connection)
            origins = check_source(session, accepts=accept_source)
            started = runs.start_run(control.connection, selection, session.lines)
            origin.record_analytics(control.connection, origins.source)
            log.debug("run %d: %s", started.lease.run_id, session.width)
            work = Work(session.databases, session.stop, listen, session.throttle, keep_trace)
            with runs.beating(lambda: control.connection, started.lease.run_id):
                outcomes, done = _run(session, carried, work, control, started, only, origins)
            runs.forget_old_runs(control.connection, settings.pipeline.general.history_days)
    notes = [*origins.notes, *warn_of_open(session.lines), *carried.plan.notes, *done.notes]
    if started.continues:
        notes.insert(0, f"run {started.continues} was cut off, and this one went on with it")
    seconds = time.monotonic() - clock
    run_id = started.lease.run_id
    return RunSummary(
        run_id,
        settings.environment,
        started_at,
        seconds,
        outcomes,
        notes,
        only,
        session.throttle.ledger.read(),
        came_and_went=carried.events,
        continues=started.continues,
        compared=done.compared,
    )


@dataclass(frozen=True, slots=True)
class _Done:
    """What came of a run as a whole: *notes* on it, and how old the proofs of the copies are."""

    notes: Sequence[str]
    compared: Compared


def _run(
    session: Session,
    carried: Carried,
    work: Work,
    control: Control,
    started: Started,
    only: str | None,
    origins: Origins,
) -> tuple[list[TableOutcome], _Done]:
    """What became of each table of *carried*, and of the run as a whole.

    Each table is recorded, and so is how the run ended.
    """
    run_id = started.lease.run_id
    outcome = "stopped"
    outcomes: list[TableOutcome] = []
    try:
        record_carried(control.connection, run_id, carried)
        replication = open_replication(session, started.lease, origins)
        with (
            ThreadPoolExecutor(session.width.workers) as threads,
            ThreadPoolExecutor(session.width.tables) as executor,
        ):
            workers = Workers(session.databases, threads, session.width.workers, session.stop)
            tables = [text.name for text in carried.plan.tables]
            scrub_seconds = session.settings.pipeline.verify.scrub_seconds
            checks = begin_checks(session.databases, work.stop, control, tables, scrub_seconds)
            copying = Copying(workers, replication, started, checks, only)
            with contextlib.closing(run_tables(carried.plan, work, copying, executor)) as known:
                for table in known:
                    warehouse.record_table(control.keep(), run_id, table)
                    outcomes.append(table)
            compared = end_checks(session.databases, work.stop, control, checks)
        outcome = "failed" if any(o.error for o in outcomes) else "succeeded"
        outcome = "stopped" if session.throttle.is_closed else outcome
    except EtlError:
        outcome = "failed"
        raise
    except (psycopg.Error, pymysql.err.MySQLError, SQLAlchemyError) as error:
        # Met between the tables, whose own failures are their outcomes.
        outcome = "failed"
        raise explain(error, f"run {run_id}") from error
    finally:
        warehouse.record_source_usage(control.keep(), run_id, session.throttle.ledger.read())
        runs.finish_run(control.keep(), run_id, outcome)
    compared = compared.of({o.table for o in outcomes if not o.error})
    return outcomes, _Done(replication.notes, compared)


def choose_tables(
    session: Session,
    requested: Sequence[str],
    *,
    allow_deletes: Sequence[str] = (),
    **wishes: Any,
) -> Carried:
    """What is carried, as far as configuration, source and what is remembered of it say.

    Raises:
        ConfigurationError: A name or a pattern fits no table.
    """
    settings, databases = session.settings, session.databases
    configured = configured_tables(settings)
    with lend_postgres(databases.analytics, session.stop) as analytics:
        known = read_known_tables(analytics)
        names = dict.fromkeys([*(configured or session.catalog), *known.first_runs])
        wanted = Wishes(
            configured,
            settings.pipeline.drift,
            settings.includes_new_tables,
            expand_names(requested, names),
            allow_deletes=expand_names(allow_deletes, names),
            schema=databases.schema,
            **wishes,
        )
        carried = carry_tables(session.catalog, session.sight, known, wanted)
        return with_dependents(carried, analytics, databases.schema)


def check_source(session: Session, *, accepts: bool = False) -> Origins:
    """Refuse a source that the targets are no copy of; as ``check_origins``."""
    return check_origins(session.databases, session.stop, lambda: session.catalog, accepts=accepts)


def configured_tables(settings: Settings) -> dict[str, TableConfig]:
    """What tables.yml says of each table that it names."""
    return {name: settings.get_table_config(name) for name in settings.tables()}


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


def read_source(databases: Databases) -> Source:
    """What the source has, with the types that the replication server has for it."""
    found = read_source_of(databases.source)
    source, replication = _is_mariadb(databases.source), _is_mariadb(databases.replication)
    fitted = {
        name: fit_replica(table, source_is_mariadb=source, replica_is_mariadb=replication)
        for name, table in found.tables.items()
    }
    return Source(fitted, found.sight)


def _is_mariadb(engine: Engine) -> bool:
    """Whether the server is MariaDB; Oracle's MySQL else. The engine was connected before."""
    dialect: Any = engine.dialect
    return bool(dialect.is_mariadb)


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
