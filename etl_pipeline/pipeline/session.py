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
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from etl_pipeline.config import DatabaseType, PostgresSchema, Settings
from etl_pipeline.config.databases import REQUIRED_KEYS
from etl_pipeline.core import ConnectionFactory, create_connection_manager
from etl_pipeline.core.faults import explain
from etl_pipeline.core.grants import read_write_privileges
from etl_pipeline.core.same_server import refuse_same_server_database
from etl_pipeline.core.stop import Stop
from etl_pipeline.errors import ConfigurationError, DatabaseError, FaultyConfigurationError
from etl_pipeline.pipeline.databases import Databases, lend_mysql
from etl_pipeline.pipeline.events import Listener
from etl_pipeline.pipeline.plan import RunPlan, plan_run
from etl_pipeline.pipeline.runner import Work, run_tables, verify_tables
from etl_pipeline.pipeline.summary import RunSummary, VerifySummary
from etl_pipeline.schema.catalog import Table, read_catalog
from etl_pipeline.schema.names import is_ours, quote_mysql, quote_postgres
from etl_pipeline.sync import state
from etl_pipeline.sync.proof import TableOutcome

log = logging.getLogger(__name__)

MOST_TABLES_AT_ONCE = 8
"""Where ``general.parallel_tables`` says nothing: the source has other work to do."""

KeepTrace = Callable[[BaseException], None]


@dataclass(frozen=True, slots=True)
class Session:
    """Three open databases and what the source holds."""

    settings: Settings
    databases: Databases
    catalog: dict[str, Table]
    parallel: int
    stop: Stop


@contextlib.contextmanager
def open_session(settings: Settings) -> Iterator[Session]:
    """Connect to the three databases, check that they may be used together, read the catalog.

    Raises:
        ConfigurationError: Values are missing or wrong, or source and replication are the same.
        DatabaseError: A server refused or does not answer.
    """
    _refuse_faults(settings)
    schema = settings.get_database_config(DatabaseType.ANALYTICS)["schema"]
    databases = Databases(
        source=ConnectionFactory.get_source_connection(settings),
        replication=ConnectionFactory.get_replication_connection(settings),
        analytics=ConnectionFactory.get_analytics_connection(settings, PostgresSchema(schema)),
        schema=schema,
    )
    stop = Stop()
    try:
        for engine, name in _named(databases):
            _try_connection(engine, name)
        refuse_same_server_database(databases.source, databases.replication)
        _warn_of_write_privileges(databases)
        parallel = settings.pipeline.general.parallel_tables or _default_parallel(databases)
        _refuse_small_pools(databases, parallel)
        yield Session(settings, databases, _read_source(databases), parallel, stop)
    finally:
        databases.dispose()


def _refuse_faults(settings: Settings) -> None:
    """Report what is wrong with all three databases at once, or that nothing is said of any."""
    faults = settings.find_faults()
    if not faults:
        return
    missing = sum(len(REQUIRED_KEYS) for _ in DatabaseType)
    if len(faults) == missing and all(fault.what.endswith(" is missing") for fault in faults):
        raise ConfigurationError(
            "nothing says where the databases are",
            where=settings.provider.locate("env"),
            fix=f"write .env_{settings.environment}, or name its folder: "
            "export ETL_CONFIG_DIR=…; to try without: etl demo",
        )
    raise FaultyConfigurationError(faults)


def run_once(
    settings: Settings,
    tables: Sequence[str],
    *,
    listen: Listener,
    keep_trace: KeepTrace | None = None,
) -> RunSummary:
    """Copy *tables* (all that are configured, if empty) and record the run.

    Raises:
        ConfigurationError: The configuration is wrong, or a table is not known.
        DatabaseError: A server cannot be used, or another run is at work.
        KeyboardInterrupt: Somebody pressed Ctrl-C; no table is left half-loaded.
    """
    started_at, started = datetime.now(UTC), time.monotonic()
    with open_session(settings) as session:
        plan = plan_run(session.catalog, _configured(settings), tables)
        with contextlib.ExitStack() as controls:
            control = controls.enter_context(_control(session))
            state.lock_runs(control)
            _drop_leftovers(session)
            run_id = state.start_run(control)
            log.debug("run %d: %d tables at once", run_id, session.parallel)
            work = _work(session, listen, keep_trace, run_id)
            outcome = "stopped"
            outcomes: list[TableOutcome] = []
            try:
                with (
                    ThreadPoolExecutor(session.parallel) as executor,
                    contextlib.closing(run_tables(plan, work, executor)) as known,
                ):
                    for table in known:
                        control = _keep_control(session, control, controls)
                        state.record_table(control, run_id, table)
                        outcomes.append(table)
                outcome = "failed" if any(o.error for o in outcomes) else "succeeded"
            finally:
                control = _keep_control(session, control, controls)
                state.finish_run(control, run_id, outcome)
    seconds = time.monotonic() - started
    return RunSummary(run_id, settings.environment, started_at, seconds, outcomes, plan.notes)


def verify_once(
    settings: Settings,
    tables: Sequence[str],
    *,
    deep: bool,
    listen: Listener,
    keep_trace: KeepTrace | None = None,
) -> VerifySummary:
    """Compare *tables* (all that are configured, if empty) in the three databases.

    Raises: as ``run_once``.
    """
    started_at, started = datetime.now(UTC), time.monotonic()
    with open_session(settings) as session:
        plan: RunPlan = plan_run(session.catalog, _configured(settings), tables)
        with ThreadPoolExecutor(session.parallel) as executor:
            work = _work(session, listen, keep_trace, run_id=0)
            verdicts = list(verify_tables(plan, work, executor, deep=deep))
    seconds = time.monotonic() - started
    return VerifySummary(settings.environment, started_at, seconds, deep, verdicts)


def _configured(settings: Settings) -> dict[str, Any]:
    return {name: settings.get_table_config(name) for name in settings.tables()}


def _work(session: Session, listen: Listener, keep_trace: KeepTrace | None, run_id: int) -> Work:
    return Work(
        databases=session.databases,
        stop=session.stop,
        listen=listen,
        collations=_read_collations(session.databases),
        run_id=run_id,
        keep_trace=keep_trace,
    )


@contextlib.contextmanager
def _control(session: Session) -> Iterator[psycopg.Connection]:
    """The run's own connection, in autocommit mode; it holds the lock and writes the records."""
    lent = session.databases.analytics.raw_connection()
    connection: Any = lent.driver_connection
    try:
        connection.rollback()
        connection.autocommit = True
        _create_schemas(session, connection)
        yield connection
    finally:
        # Closed, not given back: the lock of a run must not outlive the run in a pool.
        lent.invalidate()


def _keep_control(
    session: Session, control: psycopg.Connection, controls: contextlib.ExitStack
) -> psycopg.Connection:
    """*control*, or where it was lost a new connection that holds the run's lock again.

    Raises:
        DatabaseError: Another run has taken the lock meanwhile, or the server is away.
    """
    try:
        control.execute("SELECT 1")
    except psycopg.OperationalError:
        log.warning("analytics: the connection that held the run's lock was lost; made again")
        again = controls.enter_context(_control(session))
        state.lock_runs(again)
        return again
    return control


def _create_schemas(session: Session, connection: psycopg.Connection) -> None:
    databases = session.databases
    url = databases.analytics.url
    try:
        state.open_state(connection)
        state.ensure_schema(connection, databases.schema)
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseError(
            f"the user may not create the schemas etl and {databases.schema}, or not write there",
            where=_place(databases.analytics, "analytics"),
            fix=f"GRANT CREATE ON DATABASE {quote_postgres(url.database or '')} "
            f"TO {quote_postgres(url.username or '')}",
        ) from error
    except psycopg.Error as error:
        raise explain(error, _place(databases.analytics, "analytics")) from error


def _place(engine: Engine, name: str) -> str:
    url = engine.url
    return f"{name} {url.host}:{url.port}/{url.database}"


def _named(databases: Databases) -> tuple[tuple[Engine, str], ...]:
    return (
        (databases.source, "source"),
        (databases.replication, "replication"),
        (databases.analytics, "analytics"),
    )


def _try_connection(engine: Engine, name: str) -> None:
    """Say which database cannot be used, and where it is, before anything is begun."""
    try:
        engine.connect().close()
    except SQLAlchemyError as error:
        raise explain(error, _place(engine, name)) from error
    log.debug("%s: connected", _place(engine, name))


def _read_source(databases: Databases) -> dict[str, Table]:
    database = databases.source.url.database or ""
    with create_connection_manager(databases.source) as manager:
        catalog = read_catalog(manager.execute_with_retry, database)
    log.debug("%s: %d tables", _place(databases.source, "source"), len(catalog))
    return catalog


def _read_collations(databases: Databases) -> frozenset[str]:
    """Full names of the collations that the replication server knows.

    MariaDB 10.10 and newer call a collation ``uca1400_ai_ci`` for every character set, and give
    its full name in a column of its own.
    """
    with create_connection_manager(databases.replication) as manager:
        rows = manager.execute_with_retry(
            "SELECT * FROM information_schema.collation_character_set_applicability"
        ).mappings()
        return frozenset(
            row.get("FULL_COLLATION_NAME") or row["COLLATION_NAME"]
            for row in rows
            if row["COLLATION_NAME"]
        )


def _drop_leftovers(session: Session) -> None:
    """Drop the tables of ours that a killed run left in the replication database."""
    with (
        lend_mysql(session.databases.replication, session.stop) as replication,
        replication.cursor() as cursor,
    ):
        cursor.execute("SHOW TABLES")
        for (name,) in cursor.fetchall():
            if is_ours(name):
                cursor.execute(f"DROP TABLE IF EXISTS {quote_mysql(name)}")


def _default_parallel(databases: Databases) -> int:
    """A table for each processor, as far as the pools have room, and few enough for the source."""
    room = min(_room(engine) for engine, _ in _named(databases))
    return max(1, min(os.cpu_count() or 1, MOST_TABLES_AT_ONCE, room - 1))


def _room(engine: Engine) -> int:
    """How many connections the pool of *engine* lends at a time."""
    pool: Any = engine.pool
    return int(pool.size() + pool._max_overflow)  # noqa: SLF001 - no public word for it


def _refuse_small_pools(databases: Databases, parallel: int) -> None:
    """Each table at work takes one connection of each pool, and the run one more.

    In analytics that is for its records, elsewhere for killing a statement that a stop finds.
    """
    needed = parallel + 1
    for engine, name in _named(databases):
        room = _room(engine)
        if room < needed:
            raise ConfigurationError(
                f"{parallel} tables at once need {needed} connections, the pool has {room}",
                where=f"pipeline.yml: connections.{name}",
                fix=f"lower general.parallel_tables, or set pool_size: {needed} there",
            )


def _warn_of_write_privileges(databases: Databases) -> None:
    privileges = read_write_privileges(databases.source)
    if privileges:
        log.warning(
            "%s: the user can write (%s); the pipeline never does, and a user that only "
            "reads is safer\n  fix: give the pipeline a user with no more than "
            "GRANT SELECT ON %s.*",
            _place(databases.source, "source"),
            _shortened(privileges),
            quote_mysql(databases.source.url.database or ""),
        )


def _shortened(privileges: Sequence[str]) -> str:
    shown = ", ".join(privileges[:3])
    rest = len(privileges) - 3
    return f"{shown} and {rest} more" if rest > 0 else shown
