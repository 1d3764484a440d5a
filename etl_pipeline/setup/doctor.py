"""Check everything that a run needs; change nothing."""

from __future__ import annotations

import contextlib
import logging
import shlex
from collections.abc import Callable, Generator, Iterator

import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from etl_pipeline.config import ConfigProvider, DatabaseType, FileConfigProvider, Settings
from etl_pipeline.config.databases import ENVIRONMENT_VARIABLE, ENVIRONMENTS
from etl_pipeline.config.loading import find_taken_schema
from etl_pipeline.config.providers import read_environment
from etl_pipeline.config.resolve import is_this_machine
from etl_pipeline.core import ConnectionFactory
from etl_pipeline.core.cancellation import Cancellation
from etl_pipeline.core.databases import Databases, lend_postgres
from etl_pipeline.core.driver_errors import explain
from etl_pipeline.core.same_server import refuse_same_server_database
from etl_pipeline.errors import (
    ConfigurationError,
    EnvironmentNotSetError,
    EtlError,
    Fault,
    FaultyConfigurationError,
)
from etl_pipeline.formatting import count_of
from etl_pipeline.pipeline.origin_check import check_origins
from etl_pipeline.pipeline.selection import decide_selection, read_table_settings
from etl_pipeline.pipeline.source_catalog import read_fitted_source, read_source_of
from etl_pipeline.pipeline.table_changes import SelectionInput
from etl_pipeline.setup.background import Addresses
from etl_pipeline.setup.checks import (
    Places,
    judge_analytics,
    judge_replication,
    judge_separation,
    judge_source,
    judge_tables,
)
from etl_pipeline.setup.facts import read_mysql, read_postgres
from etl_pipeline.setup.finding import Finding
from etl_pipeline.setup.probe import DatabaseExam
from etl_pipeline.state.source_tables import read_known_tables
from etl_pipeline.transfer import kernel


def examine(provider: ConfigProvider) -> Iterator[Finding]:
    """Yield each finding on the environment that ``ETL_ENVIRONMENT`` names, as soon as it is known.

    A check that an earlier failure makes impossible yields a finding ``skipped``.
    """
    yield _check_kernel()
    try:
        environment = read_environment()
    except EnvironmentNotSetError as error:
        yield Finding("environment", "failed", str(error).splitlines()[0], error.fix)
        yield from _skip("it is not known which environment")
        return
    yield Finding("environment", "ok", f"{environment}, as {ENVIRONMENT_VARIABLE} says")
    with _quiet():
        try:
            settings = Settings(environment, provider)
        except FaultyConfigurationError as error:
            yield from _show_faults(error.faults)
            yield from _skip("correct the files first")
            return
    yield _check_files(settings)
    addresses = Addresses()
    yield _check_other_environment(settings, addresses)
    yield from _check_databases(settings, addresses)


def _skip(why: str) -> Iterator[Finding]:
    for name in (*(db_type.value for db_type in DatabaseType), "separation", "origin", "tables"):
        yield Finding(name, "skipped", why)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the warnings about the files: a finding reports them."""
    logger = logging.getLogger("etl_pipeline.config")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _check_kernel() -> Finding:
    if kernel.IS_COMPILED:
        return Finding("kernel", "ok", "compiled")
    return Finding(
        "kernel",
        "warning",
        "in Python: rows are rendered more slowly",
        "install a C compiler and Python's headers, then install etl_pipeline again",
    )


def _show_faults(faults: tuple[Fault, ...]) -> Iterator[Finding]:
    for fault in faults:
        yield Finding("files", "failed", f"{fault.where}: {fault.what}", fault.fix)


def _check_files(settings: Settings) -> Finding:
    provider = settings.provider
    place = provider.locate("env")
    if isinstance(provider, FileConfigProvider):
        path = provider.directory / f".env_{settings.environment}"
        if path.exists() and path.stat().st_mode & 0o077:
            return Finding(
                "files",
                "warning",
                f"others may read {path}",
                f"chmod 600 {shlex.quote(str(path))}",
            )
    tables = len(settings.tables())
    copied = (
        count_of(tables, "table is", "tables are") if tables else "every table of the source is"
    )
    return Finding("files", "ok", f"{place}; {copied} copied")


def _check_other_environment(settings: Settings, addresses: Addresses) -> Finding:
    """Check that the other environment uses none of these databases, without connecting to it."""
    (other,) = (name for name in ENVIRONMENTS if name != settings.environment)
    provider = settings.provider
    if not isinstance(provider, FileConfigProvider):
        return Finding("environments", "skipped", "the configuration comes from no files")
    try:
        with _quiet():
            others = Settings(other, FileConfigProvider(provider.directory))
            for db_type in DatabaseType:
                for each in (settings, others):
                    addresses.begin(_host(each, db_type))
            theirs = {t.value: _places(others, t, addresses) for t in DatabaseType}
            mine = {t.value: _places(settings, t, addresses) for t in DatabaseType}
    except FaultyConfigurationError as error:
        what = f"{other} cannot be compared: {error.faults[0].where}: {error.faults[0].what}"
        return Finding("environments", "warning", what, error.faults[0].fix)
    shared = judge_separation(mine, theirs)
    if shared:
        return Finding(
            "environments",
            "failed",
            f"{settings.environment} and {other} share a database: {'; '.join(shared)}",
            f"give {settings.environment} databases of its own",
        )
    if not any(theirs.values()):
        return Finding("environments", "ok", f"the addresses of {other} are not filled in")
    return Finding("environments", "ok", f"no database is also one of {other}")


def _host(settings: Settings, db_type: DatabaseType) -> str:
    host = settings.get_database_config(db_type)["host"] or ""
    return str(host).strip().casefold().rstrip(".")


def _places(settings: Settings, db_type: DatabaseType, addresses: Addresses) -> Places:
    config = settings.get_database_config(db_type)
    if not (config["host"] and config["database"] and config["port"]):
        return frozenset()
    database = str(config["database"])
    if db_type is not DatabaseType.ANALYTICS:
        database = database.casefold()
    kind = "postgres" if db_type is DatabaseType.ANALYTICS else "mysql"
    return frozenset(
        (address, int(config["port"]), f"{kind} {database}")
        for address in map(_plain, addresses.of(_host(settings, db_type)))
    )


def _plain(address: str) -> str:
    """Return *address*, with all loopback addresses of this machine as one name."""
    return "localhost" if is_this_machine(address) else address


def _check_databases(settings: Settings, addresses: Addresses) -> Iterator[Finding]:
    mysql = (DatabaseType.SOURCE, DatabaseType.REPLICATION)
    of_source, of_replication = (_places(settings, db_type, addresses) for db_type in mysql)
    shared = of_source & of_replication
    if shared:
        yield Finding(
            "separation",
            "failed",
            "source and replication are the same database",
            "give replication a database of its own in the .env_… file",
        )
        for name in ("source", "replication"):
            yield Finding(name, "skipped", "not connected to while the two are the same")
    with contextlib.ExitStack() as engines:
        schema = settings.get_database_config(DatabaseType.ANALYTICS)["schema"]
        connect: Callable[..., Engine] = ConnectionFactory.get_analytics_connection
        probe = DatabaseExam(
            settings, DatabaseType.ANALYTICS, connect, lambda engine: read_postgres(engine, schema)
        )
        engines.callback(probe.dispose)
        source = replication = None
        if not shared:
            source, replication = yield from _check_mysql(settings, engines)
        analytics = probe.wait()
        yield analytics.finding
        yield from judge_analytics(analytics.facts) if analytics.facts else ()
        yield _check_schema(settings)
        yield _check_origin(source, replication, analytics.engine, schema)
        yield _check_tables(settings, source, analytics.engine)


def _check_mysql(
    settings: Settings, engines: contextlib.ExitStack
) -> Generator[Finding, None, tuple[Engine | None, Engine | None]]:
    connect: Callable[..., Engine] = ConnectionFactory.get_source_connection
    source_probe = DatabaseExam(settings, DatabaseType.SOURCE, connect, read_mysql)
    connect = ConnectionFactory.get_replication_connection
    probe = DatabaseExam(settings, DatabaseType.REPLICATION, connect, read_mysql)
    for each in (source_probe, probe):
        engines.callback(each.dispose)
    source = source_probe.wait()
    yield source.finding
    yield from judge_source(source.facts) if source.facts else ()
    replication = probe.wait()
    yield replication.finding
    yield from judge_replication(replication.facts, source.facts) if replication.facts else ()
    yield _check_separation(source.engine, replication.engine)
    return source.engine, replication.engine


def _check_separation(source: Engine | None, replication: Engine | None) -> Finding:
    if source is None or replication is None:
        return Finding("separation", "skipped", "source and replication are not both connected")
    try:
        refuse_same_server_database(source, replication)
    except ConfigurationError as error:
        return Finding("separation", "failed", f"{error.where}: {error.what}", error.fix)
    return Finding("separation", "ok", "source and replication are different databases")


def _check_schema(settings: Settings) -> Finding:
    taken = find_taken_schema(settings)
    if taken:
        return Finding("analytics.schema", "failed", f"{taken.where}: {taken.what}", taken.fix)
    return Finding("analytics.schema", "ok", "tables are loaded into raw")


def _check_origin(
    source: Engine | None, replication: Engine | None, analytics: Engine | None, schema: str
) -> Finding:
    if source is None or replication is None or analytics is None:
        return Finding("origin", "skipped", "the three databases are not all connected")
    databases = Databases(source, replication, analytics, schema)
    try:
        origins = check_origins(
            databases, Cancellation(), lambda: read_fitted_source(databases).tables
        )
    except (EtlError, SQLAlchemyError) as error:
        failure = error if isinstance(error, EtlError) else explain(error, "origin")
        return Finding("origin", "failed", f"{failure.where}: {failure.what}", failure.fix)
    if origins.notes:
        return Finding("origin", "ok", "; ".join(origins.notes))
    return Finding("origin", "ok", "neither target holds rows of another source")


def _check_tables(settings: Settings, source: Engine | None, analytics: Engine | None) -> Finding:
    """Check each selected table with the same code as a run; nothing is copied."""
    if source is None or analytics is None:
        return Finding("tables", "skipped", "source and analytics are not both connected")
    try:
        found = read_source_of(source)
        with lend_postgres(analytics, Cancellation()) as connection:
            known = read_known_tables(connection)
            connection.rollback()
        if not found.tables:
            return Finding("tables", "skipped", "the user sees no table at the source")
        given = SelectionInput(found.tables, found.privileges, known, read_table_settings(settings))
        plan = decide_selection(given).plan
    except (EtlError, SQLAlchemyError, psycopg.Error) as error:
        failure = error if isinstance(error, EtlError) else explain(error, "tables")
        return Finding("tables", "failed", f"{failure.where}: {failure.what}", failure.fix)
    return judge_tables([refusal.error for refusal in plan.refused], len(plan.tables))
