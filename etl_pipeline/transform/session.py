"""Build the models: check ``raw``, run dbt, drop what was replaced, return the summary."""

from __future__ import annotations

import contextlib
import difflib
import importlib.metadata
import importlib.util
import json
import re
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from etl_pipeline.config import DatabaseType, Settings
from etl_pipeline.core import ConnectionFactory
from etl_pipeline.core.driver_errors import explain
from etl_pipeline.core.pooler import refuse_pooler
from etl_pipeline.core.workers import default_parallelism
from etl_pipeline.errors import (
    ConfigurationError,
    DatabaseError,
    EtlError,
    FaultyConfigurationError,
)
from etl_pipeline.schema.names import quote_postgres
from etl_pipeline.transform import warehouse
from etl_pipeline.transform.environment import LAYERS, PROJECT, find_folder, make_environment
from etl_pipeline.transform.events import Listener
from etl_pipeline.transform.needs import MissingTables, digest_models, find_missing, read_needs
from etl_pipeline.transform.practice_day import (
    decide_day,
    read_newest_entry,
    read_source_clock,
    write_day,
)
from etl_pipeline.transform.process import run_dbt
from etl_pipeline.transform.summary import Node, Rows, TransformSummary

ROWS_SHOWN = 10


def transform_once(
    settings: Settings,
    *,
    select: Sequence[str] = (),
    full_refresh: bool = False,
    show_rows: bool = False,
    as_of: date | None = None,
    listen: Listener,
    project: Path = PROJECT,
) -> TransformSummary:
    """Build the models that *select* names (all, if empty), and test them.

    Args:
        settings: The settings that say where the warehouse is.
        select: Names of models, or other node selections of dbt.
        full_refresh: Make every row of incremental models anew. That also happens when the models
            have changed since the rows were made.
        show_rows: Return the first rows that fail each test.
        as_of: The day that ages and due dates count from; without it the source's clock in the
            last run, or the newest entries where ``transform.today`` says so.
        listen: Called with each event.
        project: Folder of the dbt project.

    Raises:
        ConfigurationError: dbt is not installed, a setting is missing, or no model is selected.
        DatabaseError: The warehouse cannot be used, or another transformation is at work.
        KeyboardInterrupt: Somebody pressed Ctrl-C; every model is the old one or the new one.
    """
    started_at, started = datetime.now(UTC), time.monotonic()
    with _open_warehouse(settings) as (connection, raw_schema):
        needs = read_needs(project)
        columns = warehouse.read_columns(connection, raw_schema)
        absent = find_missing(needs, columns)
        _refuse_empty_raw(absent, needs, raw_schema)
        layers = _layers(settings)
        schemas = [str(config["schema"]) for config in layers.values()]
        digest = digest_models(project, absent)
        day = decide_day(
            as_of,
            clock=read_source_clock(connection),
            entered=read_newest_entry(connection, raw_schema, columns),
            follows_entries=settings.pipeline.transform.today == "entries",
        )
        write_day(connection, schemas[1], day)
        notes = _list_missing(absent)
        built_by = warehouse.read_digest(connection, schemas[1])
        if built_by not in (None, digest) and not full_refresh:
            notes.append("the models are others than last time: every row is made anew")
        with _make_folder(settings) as folder:
            arguments = [
                *_common_arguments(project, folder, absent),
                *(["--full-refresh"] if full_refresh or built_by != digest else []),
                # Only tests whose models are all selected.
                *(["--indirect-selection=cautious", "--select", *select] if select else []),
                *(
                    ["--exclude", *(f"source:raw.{t}+" for t in absent.unusable)]
                    * bool(absent.unusable)
                ),
            ]
            environment = make_environment(
                raw_schema, layers, folder, threads=default_parallelism()
            )
            outcome = run_dbt(
                ["build", *arguments],
                environment,
                folder,
                listen,
                lambda: connection.execute("SELECT 1"),
            )
            if outcome.refusal:
                raise _project_error(outcome.refusal, folder)
            if not outcome.nodes:
                raise _selection_error(select, project)
            summary = TransformSummary(
                environment=settings.environment,
                started_at=started_at,
                seconds=time.monotonic() - started,
                as_of=day.as_of,
                project=project,
                folder=folder,
                nodes=outcome.nodes,
                not_built=_dependents(folder, absent),
                notes=[*notes, *_tidy_up(connection, schemas)],
                rows=[*_failing_rows(connection, folder, outcome.nodes)] if show_rows else [],
            )
        if not select and not any(n.is_failed or n.status == "skipped" for n in summary.models):
            warehouse.write_digest(connection, schemas[1], digest)
        return summary


def write_docs(settings: Settings, *, project: Path = PROJECT) -> Path:
    """Write dbt's documentation of the models as one HTML file, and return it.

    Raises: as ``transform_once``.
    """
    with _open_warehouse(settings) as (connection, raw_schema):
        absent = find_missing(read_needs(project), warehouse.read_columns(connection, raw_schema))
        with _make_folder(settings) as folder:
            environment = make_environment(
                raw_schema, _layers(settings), folder, threads=default_parallelism()
            )
            arguments = [
                "docs",
                "generate",
                "--static",
                *_common_arguments(project, folder, absent),
            ]
            outcome = run_dbt(
                arguments,
                environment,
                folder,
                lambda _: None,
                lambda: connection.execute("SELECT 1"),
            )
            if outcome.refusal:
                raise _project_error(outcome.refusal, folder)
            site = folder / "docs" / "index.html"
            site.parent.mkdir(exist_ok=True)
            (folder / "static_index.html").replace(site)
            return site


@contextlib.contextmanager
def _open_warehouse(settings: Settings) -> Iterator[tuple[psycopg.Connection, str]]:
    """Yield a connection that holds the lock, and the schema of the copied tables."""
    _refuse_without_dbt()
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
            warehouse.lock_transforms(connection)
            schemas = [str(config["schema"]) for config in _layers(settings).values()]
            warehouse.ensure_layers(connection, schemas)
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


def has_dbt() -> bool:
    """Return True if dbt and its adapter are installed."""
    try:
        return None not in map(importlib.util.find_spec, ("dbt.cli", "dbt.adapters.postgres"))
    except ModuleNotFoundError:
        return False


def install_dbt() -> str:
    """Return the command that installs dbt for this very program, wherever it lies."""
    wanted = [
        requirement.split(";")[0].strip()
        for requirement in importlib.metadata.requires("etl_pipeline") or ()
        if re.search(r"""extra\s*==\s*['"]transform['"]""", requirement)
    ]
    return shlex.join([sys.executable, "-m", "pip", "install", *wanted])


def _refuse_without_dbt() -> None:
    if not has_dbt():
        raise ConfigurationError(
            "dbt is not installed",
            where="etl transform",
            fix=install_dbt(),
        )


def _refuse_empty_raw(absent: MissingTables, needs: Any, schema: str) -> None:
    if len(absent.tables) == len(needs):
        raise EtlError(
            "none of the tables that the models read is there",
            where=f"schema {schema}",
            fix="etl run, then etl transform",
        )


def _layers(settings: Settings) -> dict[str, dict[str, Any]]:
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


@contextlib.contextmanager
def _make_folder(settings: Settings) -> Iterator[Path]:
    """Yield dbt's working folder (mode 700); it stays, so that dbt starts faster next time."""
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
    yield folder.resolve()


def _common_arguments(project: Path, folder: Path, absent: MissingTables) -> list[str]:
    """Return the arguments that every command of dbt gets; nothing is sent to third parties."""
    variables = {
        "missing_columns": {table: list(names) for table, names in absent.missing.items()},
        "missing_tables": list(absent.empty),
        "marked_tables": list(absent.marked),
    }
    return [
        f"--project-dir={project}",
        f"--profiles-dir={project}",
        f"--target-path={folder}",
        f"--log-path={folder}",
        "--log-level-file=none",
        "--no-send-anonymous-usage-stats",
        "--no-version-check",
        "--quiet",
        "--no-use-colors",
        f"--vars={json.dumps(variables)}",
    ]


def _list_missing(absent: MissingTables) -> list[str]:
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


def _dependents(folder: Path, absent: MissingTables) -> list[str]:
    """Return the models that depend on what raw lacks, by dbt's own graph."""
    if not absent.unusable:
        return []
    children: dict[str, list[str]] = json.loads(
        (folder / "manifest.json").read_text(encoding="utf-8")
    )["child_map"]
    waiting = [key for t in absent.unusable for key in children if key.endswith(f".raw.{t}")]
    found: set[str] = set()
    while waiting:
        key = waiting.pop()
        waiting += [child for child in children.get(key, ()) if child not in found]
        found.update(children.get(key, ()))
    return sorted(key.split(".")[2] for key in found if key.startswith("model."))


def _project_error(words: str, folder: Path) -> EtlError:
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    return ConfigurationError(
        "dbt cannot work with the project: " + " ".join(lines[:6]),
        where=str(folder),
        fix="mend what it names, then run again",
    )


def _selection_error(select: Sequence[str], project: Path) -> ConfigurationError:
    models = [path.stem for path in (project / "models").rglob("*.sql")]
    near = difflib.get_close_matches(select[0].strip("+") if select else "", models, n=1)
    return ConfigurationError(
        "no model is called so" if select else "nothing could be built",
        where=" ".join(select) or None,
        fix=f"did you mean {near[0]}?" if near else "etl transform, which builds all",
    )


def _tidy_up(connection: psycopg.Connection, schemas: Sequence[str]) -> Iterator[str]:
    for name, views in warehouse.drop_replaced(connection, schemas).items():
        now = re.sub(f"{warehouse.BEFORE}[0-9]*", "", name)
        yield (
            f"{', '.join(views)} still read{'s' * (len(views) == 1)} {name}, as {now} was before "
            f"its columns changed; make it anew on {now}, and the next etl transform drops the "
            "old one"
        )


def _failing_rows(
    connection: psycopg.Connection, folder: Path, nodes: Sequence[Node]
) -> Iterator[Rows]:
    for node in nodes:
        if node.kind == "test" and node.status in ("fail", "warn") and node.compiled:
            statement = (folder / node.compiled).read_text(encoding="utf-8")
            columns, rows = warehouse.read_rows(connection, statement, ROWS_SHOWN)
            yield Rows(node.name, columns, rows)
