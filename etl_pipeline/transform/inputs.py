"""Prepare a build: what it will be made from, as settings and warehouse say before it begins."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from etl_pipeline import __version__
from etl_pipeline.config import DatabaseType, Settings
from etl_pipeline.core import ConnectionFactory
from etl_pipeline.core.driver_errors import explain
from etl_pipeline.core.pooler import refuse_pooler
from etl_pipeline.errors import (
    ConfigurationError,
    DatabaseError,
    EtlError,
    FaultyConfigurationError,
)
from etl_pipeline.schema.names import quote_postgres
from etl_pipeline.state.warehouse import open_state
from etl_pipeline.transform import warehouse
from etl_pipeline.transform.build_plan import (
    DAY,
    GOALS,
    MONTH,
    Graph,
    Warehouse,
)
from etl_pipeline.transform.builds import (
    RawState,
    Statement,
)
from etl_pipeline.transform.dbt_project import (
    assemble_project,
    find_models,
)
from etl_pipeline.transform.dbt_version import dbt_version, refuse_without_dbt
from etl_pipeline.transform.environment import LAYERS, find_folder, make_environment
from etl_pipeline.transform.goals import Goal, digest_goals, read_goals, write_goals
from etl_pipeline.transform.graph_file import load_graph
from etl_pipeline.transform.needs import MissingTables, digest_models, find_missing, read_needs
from etl_pipeline.transform.practice_day import (
    PracticeDay,
    decide_day,
    read_newest_entry,
    read_source_clock,
    write_day,
    write_month,
)

GRAPH = "graph.json"
"""Name of the file, in dbt's working folder, that keeps the graph of the last build."""


@dataclass(frozen=True, slots=True)
class Build:
    """All that a build knows before it begins; made by ``prepare_build``."""

    connection: psycopg.Connection
    raw_schema: str
    layers: Mapping[str, Mapping[str, Any]]
    schemas: Sequence[str]
    project: Path
    models: Path | None
    folder: Path
    absent: MissingTables
    tables: Sequence[str]
    day: PracticeDay
    goals: Sequence[Goal]

    @property
    def environment(self) -> dict[str, str]:
        """Environment of dbt's process."""
        return make_environment(self.raw_schema, self.layers, self.folder)

    @property
    def variables(self) -> dict[str, object]:
        """The variables that dbt is given."""
        return project_variables(self.absent)

    def write_inputs(self) -> Sequence[Statement]:
        """Return the statements that write what models read beside raw: the day, and goals."""
        schema = self.schemas[1]
        return [
            *write_day(schema, self.day),
            *write_month(schema, self.day),
            *write_goals(schema, self.goals),
        ]

    @property
    def arguments(self) -> list[str]:
        """Arguments of every command of dbt."""
        return common_arguments(self.project, self.models, self.folder, self.absent)

    @property
    def digest(self) -> str:
        """Of the project's files and all else that decides on dbt's graph."""
        files = digest_models(self.project, self.models, self.absent)
        return f"{files} {dbt_version()} {__version__}"

    def read_graph(self) -> Graph | None:
        """Return the graph of the last build if the project is the same; else None."""
        return load_graph(self.folder / GRAPH, self.digest)

    def schemas_of(self, graph: Graph) -> list[str]:
        """Return the schemas of all models: ours, and those that hers name."""
        named = {node.relation.split(".")[0] for node in graph.values() if node.relation}
        return sorted({*self.schemas, *named})

    def held(self, raw: RawState, definitions: Iterable[tuple[Any, ...]]) -> Warehouse:
        """Return what the warehouse holds, by ``read_raw`` and ``read_definitions``."""
        others = {
            DAY: f"{self.day.as_of} {self.day.today}",
            MONTH: f"{self.day.as_of:%Y-%m}" if self.day.as_of else "none",
            GOALS: digest_goals(self.goals),
        }
        return Warehouse({**raw.versions, **others}, dict(definitions))


def prepare_build(
    settings: Settings,
    connection: psycopg.Connection,
    raw_schema: str,
    project: Path,
    as_of: date | None,
) -> Build:
    """Look at ``raw`` and the settings, and write nothing; raises as ``transform_once``."""
    needs = read_needs(project)
    columns = warehouse.read_columns(connection, raw_schema)
    absent = find_missing(needs, columns)
    _refuse_empty_raw(absent, needs, raw_schema)
    layers = read_layers(settings)
    clock = read_source_clock(connection)
    follows_entries = settings.pipeline.transform.today == "entries"
    # To look for the newest entries reads all of five tables.
    is_asked = follows_entries or clock is None
    return Build(
        connection,
        raw_schema,
        layers,
        [str(config["schema"]) for config in layers.values()],
        project,
        find_models(settings),
        find_folder(settings).resolve(),
        absent,
        sorted(needs.keys() & columns.keys()),
        decide_day(
            as_of,
            clock=clock,
            entered=read_newest_entry(connection, raw_schema, columns) if is_asked else None,
            follows_entries=follows_entries,
        ),
        read_goals(settings, connection, raw_schema, columns),
    )


@contextlib.contextmanager
def open_warehouse(
    settings: Settings, *, is_locked: bool = True
) -> Iterator[tuple[psycopg.Connection, str]]:
    """Yield a connection for a build, and the schema of the copied tables.

    The schemas of the models, the state and dbt's working folder are there then.

    Args:
        settings: The settings that say where the warehouse is.
        is_locked: Hold the lock of transformations until the end.
    """
    with _connect(settings) as (connection, raw_schema):
        if is_locked:
            warehouse.lock_transforms(connection)
        schemas = [str(config["schema"]) for config in read_layers(settings).values()]
        warehouse.ensure_layers(connection, schemas)
        open_state(connection)
        make_folder(settings)
        yield connection, raw_schema


@contextlib.contextmanager
def read_warehouse(settings: Settings) -> Iterator[tuple[psycopg.Connection, str]]:
    """Yield a connection that can only read, and the schema of the copied tables."""
    with _connect(settings) as (connection, raw_schema):
        connection.execute("SET default_transaction_read_only = on")
        yield connection, raw_schema


@contextlib.contextmanager
def _connect(settings: Settings) -> Iterator[tuple[psycopg.Connection, str]]:
    refuse_without_dbt()
    faults = settings.find_faults(DatabaseType.ANALYTICS)
    if faults:
        raise FaultyConfigurationError(faults)
    engine = ConnectionFactory.get_analytics_connection(settings)
    place = f"analytics {engine.url.host}:{engine.url.port}/{engine.url.database}"
    try:
        try:
            refuse_pooler(engine, place)
            lent = engine.raw_connection()
        except (SQLAlchemyError, psycopg.Error) as error:
            raise explain(error, place) from error
        connection: Any = lent.driver_connection
        try:
            connection.rollback()
            connection.autocommit = True
            yield connection, str(settings.get_analytics_connection_config()["schema"])
        except psycopg.errors.InsufficientPrivilege as error:
            raise DatabaseError(
                "the user may not create the schemas of the models, or not write there",
                where=place,
                fix=f"GRANT CREATE ON DATABASE {quote_postgres(engine.url.database or '')} "
                f"TO {quote_postgres(engine.url.username or '')}",
            ) from error
        except psycopg.Error as error:
            raise explain(error, place) from error
        finally:
            lent.invalidate()
    finally:
        engine.dispose()


def _refuse_empty_raw(absent: MissingTables, needs: Any, schema: str) -> None:
    if len(absent.tables) == len(needs):
        raise EtlError(
            "none of the tables that the models read is there",
            where=f"schema {schema}",
            fix="etl run, then etl transform",
        )


def read_layers(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return how to connect to the schema of each layer, by the layer's name."""
    return dict(
        zip(
            LAYERS,
            (
                settings.get_analytics_staging_connection_config(),
                settings.get_analytics_intermediate_connection_config(),
                settings.get_analytics_marts_connection_config(),
            ),
            strict=True,
        )
    )


def make_folder(settings: Settings) -> Path:
    """Return dbt's working folder (mode 700); it stays, so that dbt starts faster next time."""
    folder = find_folder(settings)
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the folder cannot be made ({error.strerror})",
            where=str(folder),
            fix="name another one in pipeline.yml: transform: {folder: …}",
        ) from error
    return folder.resolve()


def common_arguments(
    project: Path, models: Path | None, folder: Path, absent: MissingTables
) -> list[str]:
    """Return the arguments that every command of dbt gets; nothing is sent to third parties."""
    return [
        f"--project-dir={assemble_project(folder, project, models, project_variables(absent))}",
        f"--profiles-dir={project}",
        f"--target-path={folder}",
        f"--log-path={folder}",
        "--log-level-file=none",
        "--no-send-anonymous-usage-stats",
        "--no-version-check",
        "--quiet",
        "--no-use-colors",
    ]


def project_variables(absent: MissingTables) -> dict[str, object]:
    """Return the variables that dbt is given."""
    return {
        "missing_columns": {table: list(names) for table, names in absent.missing.items()},
        "missing_tables": list(absent.empty),
        "unusable_tables": list(absent.unusable),
        "marked_tables": list(absent.marked),
    }


def list_missing(absent: MissingTables) -> list[str]:
    """Return a note on each table and column that the models would read and raw lacks."""
    notes = [f"raw has no table {table}" for table in absent.tables]
    notes += [f"raw has no table {table}: read as one without rows" for table in absent.empty]
    notes += [
        f"raw.{table} has no column {column}, which is needed"
        for table, columns in absent.needed.items()
        for column in columns
    ]
    notes += [
        f"raw.{table} has no column {column}: read as NULL"
        for table, columns in absent.missing.items()
        for column in columns
    ]
    return notes
