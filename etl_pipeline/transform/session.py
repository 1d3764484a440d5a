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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
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
    BuildPlan,
    BuiltNode,
    Graph,
    Warehouse,
    decide_build,
    decide_following,
    inputs_after,
    read_graph,
    split_unusable,
)
from etl_pipeline.transform.builds import (
    RawState,
    Statement,
    drop_older_record,
    read_built,
    read_definitions,
    read_raw,
    record_build,
    take_raw,
)
from etl_pipeline.transform.dbt_project import (
    CUSTOM,
    assemble_project,
    find_models,
    name_file,
    name_files,
    refuse_schemas,
)
from etl_pipeline.transform.environment import LAYERS, PROJECT, find_folder, make_environment
from etl_pipeline.transform.events import Listener
from etl_pipeline.transform.goals import Goal, digest_goals, read_goals, write_goals
from etl_pipeline.transform.graph_file import load_graph, save_graph
from etl_pipeline.transform.needs import MissingTables, digest_models, find_missing, read_needs
from etl_pipeline.transform.practice_day import (
    PracticeDay,
    decide_day,
    read_newest_entry,
    read_source_clock,
    write_day,
    write_month,
)
from etl_pipeline.transform.process import DbtProcess, start_dbt
from etl_pipeline.transform.removed import read_removed, tidy_removed
from etl_pipeline.transform.summary import Node, Rows, TransformSummary

ROWS_SHOWN = 10
_GRAPH = "graph.json"


def transform_once(
    settings: Settings,
    *,
    select: Sequence[str] = (),
    exclude: Sequence[str] = (),
    everything: bool = False,
    full_refresh: bool = False,
    show_rows: bool = False,
    as_of: date | None = None,
    drop_removed: bool = False,
    listen: Listener,
    project: Path = PROJECT,
) -> TransformSummary:
    """Build the models that changed, or those that *select* names, and test them.

    All of it is one transaction of the warehouse, so every model sees ``raw`` at one instant, and
    readers see the build as a whole.

    Args:
        settings: The settings that say where the warehouse is.
        select: Names of models, or other node selections of dbt; built whether they changed or not.
        exclude: What not to build, in the same words; it stays as it is, and to be built.
        everything: Build all models, whether they changed or not.
        full_refresh: Build all models, and make every row of incremental ones anew.
        show_rows: Return the first rows that fail each test.
        as_of: The day that ages and due dates count from; without it the source's clock in the
            last run, or the newest entries where ``transform.today`` says so.
        drop_removed: Drop the relations of models that the project does not have any more.
        listen: Called with each event.
        project: Folder of the dbt project.

    Raises:
        ConfigurationError: dbt is not installed, a setting is missing, or no model is selected.
        DatabaseError: The warehouse cannot be used, or another transformation is at work.
        KeyboardInterrupt: Somebody pressed Ctrl-C; nothing was changed.
    """
    started_at, started = datetime.now(UTC), time.monotonic()
    with open_warehouse(settings) as (connection, raw_schema):
        build = prepare_build(settings, connection, raw_schema, project, as_of)
        is_whole = not select
        outcome = None
        if is_whole and not (everything or full_refresh):
            outcome = _find_nothing_to_do(build)
        if outcome is None:
            outcome = _build(
                build,
                select,
                exclude,
                everything=everything,
                full_refresh=full_refresh,
                listen=listen,
            )
        nodes = [replace(n, file=name_file(n.id, n.file, build.models)) for n in outcome.nodes]
        return TransformSummary(
            environment=settings.environment,
            started_at=started_at,
            seconds=time.monotonic() - started,
            as_of=build.day.as_of,
            project=project,
            folder=build.folder,
            nodes=nodes,
            not_built=outcome.not_built,
            notes=[
                *_list_missing(build.absent),
                *outcome.notes,
                *tidy_removed(connection, outcome.graph, drop=drop_removed),
                *_tidy_up(connection, build.schemas),
            ],
            rows=[*_failing_rows(connection, build.folder, nodes)] if show_rows else [],
        )


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
        return _variables(self.absent)

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
        return _common_arguments(self.project, self.models, self.folder, self.absent)

    @property
    def digest(self) -> str:
        """Of the project's files and all else that decides on dbt's graph."""
        files = digest_models(self.project, self.models, self.absent)
        return f"{files} {dbt_version()} {__version__}"

    def read_graph(self) -> Graph | None:
        """Return the graph of the last build if the project is the same; else None."""
        return load_graph(self.folder / _GRAPH, self.digest)

    def held(self, raw: RawState, definitions: Iterable[tuple[Any, ...]]) -> Warehouse:
        others = {
            DAY: f"{self.day.as_of} {self.day.today}",
            MONTH: f"{self.day.as_of:%Y-%m}" if self.day.as_of else "none",
            GOALS: digest_goals(self.goals),
        }
        return Warehouse({**raw.versions, **others}, dict(definitions))


@dataclass(frozen=True, slots=True)
class _Outcome:
    nodes: Sequence[Node]
    not_built: Sequence[str]
    graph: Graph
    notes: Sequence[str] = ()


def prepare_build(
    settings: Settings,
    connection: psycopg.Connection,
    raw_schema: str,
    project: Path,
    as_of: date | None,
) -> Build:
    """Look at ``raw`` and the settings; raises as ``transform_once``."""
    needs = read_needs(project)
    columns = warehouse.read_columns(connection, raw_schema)
    absent = find_missing(needs, columns)
    _refuse_empty_raw(absent, needs, raw_schema)
    open_state(connection)
    layers = _layers(settings)
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
        _make_folder(settings),
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


def _find_nothing_to_do(build: Build) -> _Outcome | None:
    """Return the outcome if all that was built is as it would be built now; else None.

    It is known without dbt, which takes seconds to start.
    """
    graph = build.read_graph()
    if graph is None:
        return None
    with build.connection.transaction():
        build.connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        raw = take_raw(build.connection.execute(*read_raw(build.raw_schema)).fetchall()[0])
        shown = build.connection.execute(*read_definitions(_schemas(build, graph))).fetchall()
        built = read_built(build.connection)
    usable, not_built = split_unusable(graph, build.absent.unusable)
    plan = decide_build(usable, built, build.held(raw, shown))
    if plan.stale:
        return None
    return _Outcome(_reused(plan, usable, built), not_built, graph)


def _build(
    build: Build,
    select: Sequence[str],
    exclude: Sequence[str],
    *,
    everything: bool,
    full_refresh: bool,
    listen: Listener,
) -> _Outcome:
    """Build in one transaction; what fails is left as it was, all else is committed."""
    started = time.monotonic()
    with start_dbt(
        build.environment, build.folder, lambda: build.connection.execute("SELECT 1")
    ) as dbt:
        graph = build.read_graph() or _parse(build, dbt)
        dbt.begin()
        locked = ", ".join(quote_postgres(build.raw_schema, table) for table in build.tables)
        # Whoever alters a table waits, and nobody who waits for us holds what we need.
        lock: Statement = (f"LOCK TABLE {locked} IN ACCESS SHARE MODE", ())
        raw = take_raw(dbt.execute([lock, read_raw(build.raw_schema)])[0])
        held = build.held(raw, dbt.execute([read_definitions(_schemas(build, graph))]))
        dbt.execute([*build.write_inputs(), drop_older_record(build.schemas[1])])
        usable, not_built = split_unusable(graph, build.absent.unusable)
        built = read_built(build.connection)
        plan = decide_build(usable, built, held)
        if everything or full_refresh:
            plan = BuildPlan(dict.fromkeys(usable, "asked for") | dict(plan.stale), ())
        if not (plan.stale or select):
            return _Outcome(_reused(plan, usable, built), not_built, graph)
        following = frozenset() if full_refresh else decide_following(usable, built, held, plan)
        names = " ".join(sorted(usable[key].name for key in following))
        dbt.execute([("SELECT set_config('etl.following', %s, true)", (names,))])
        _refuse_unknown(exclude, graph, build)
        chosen = _choose(select, exclude, plan, usable, build.absent)
        is_full = ["--full-refresh"] if full_refresh else []
        outcome = dbt.run(["build", *build.arguments, *is_full, *chosen], listen)
        if outcome.refusal:
            raise _project_error(outcome.refusal, build.folder, build.models)
        if not outcome.nodes and (select or not exclude):
            raise _selection_error(select, build.project, build.models)
        done = {n.id for n in outcome.nodes if not n.is_failed and n.status != "skipped"}
        made = inputs_after(usable, built, done, held)
        dbt.execute(
            record_build(
                raw,
                as_of=build.day.as_of,
                seconds=time.monotonic() - started,
                dbt_version=dbt_version(),
                nodes=outcome.nodes,
                graph=graph,
                inputs=made,
                definitions=dict(dbt.execute([read_definitions(_schemas(build, graph))])),
                removed=[one.node for one in read_removed(build.connection, graph)],
            )
        )
        dbt.commit()
    reasons = {} if select else plan.stale
    nodes = [
        replace(node, reason=reasons.get(node.id), took_over=node.id in following)
        for node in outcome.nodes
    ]
    kept = sorted(usable[key].name for key in plan.stale.keys() - {n.id for n in nodes})
    notes = [f"excluded, to be built later: {', '.join(kept)}"] if exclude and kept else []
    if select:
        return _Outcome(nodes, not_built, graph)
    return _Outcome([*nodes, *_reused(plan, usable, built)], not_built, graph, notes)


def _parse(build: Build, dbt: DbtProcess) -> Graph:
    """Let dbt read the project, and keep the graph for later."""
    outcome = dbt.run(["parse", *build.arguments], lambda _: None)
    if outcome.refusal:
        raise _project_error(outcome.refusal, build.folder, build.models)
    manifest = json.loads((build.folder / "manifest.json").read_text(encoding="utf-8"))
    graph = read_graph(manifest, _variables(build.absent))
    refuse_schemas(
        (
            (name_file(key, node.file, build.models), node.relation.split(".")[0])
            for key, node in graph.items()
            if node.relation and key.startswith(f"model.{CUSTOM}.")
        ),
        [build.raw_schema, *build.schemas],
    )
    save_graph(build.folder / _GRAPH, build.digest, graph)
    return graph


def _schemas(build: Build, graph: Graph) -> list[str]:
    """Return the schemas of all models: ours, and those that hers name."""
    named = {node.relation.split(".")[0] for node in graph.values() if node.relation}
    return sorted({*build.schemas, *named})


def _choose(
    select: Sequence[str],
    exclude: Sequence[str],
    plan: BuildPlan,
    graph: Graph,
    absent: MissingTables,
) -> list[str]:
    """Return the arguments that choose the nodes of a build."""
    if not select:
        chosen = [graph[key].selector for key in plan.stale]
        kinds = {graph[key].kind for key in plan.stale}
        # dbt takes the examples of a model along with it.
        examples = [] if "unit_test" in kinds else ["--exclude-resource-types", "unit_test"]
        excluded = ["--exclude", *exclude] if exclude else []
        return [*examples, "--indirect-selection=empty", "--select", *chosen, *excluded]
    # Only tests whose models are all selected.
    left = [*exclude, *(f"source:raw.{table}+" for table in absent.unusable)]
    excluded = ["--exclude", *left] if left else []
    return ["--indirect-selection=cautious", "--select", *select, *excluded]


def _refuse_unknown(exclude: Sequence[str], graph: Graph, build: Build) -> None:
    """Raise an error for a name that no model has: dbt would build what was to be left alone."""
    names = {node.name for node in graph.values()}
    for word in exclude:
        if (name := re.fullmatch(r"@?(?:\d*\+)?(\w+)(?:\+\d*)?", word)) and name[1] not in names:
            raise _selection_error([name[1]], build.project, build.models)


def _reused(plan: BuildPlan, graph: Graph, built: Mapping[str, BuiltNode]) -> list[Node]:
    return [
        Node(
            id=key,
            name=graph[key].name,
            kind=graph[key].kind,
            status="reused",
            seconds=0.0,
            failures=built[key].failures,
            words=None,
            file=graph[key].file,
            compiled=None,
            schema=(graph[key].relation or "").split(".")[0],
            before=built[key].status,
        )
        for key in plan.fresh
    ]


def write_docs(settings: Settings, *, project: Path = PROJECT) -> Path:
    """Write dbt's documentation of the models as one HTML file, and return it.

    Raises: as ``transform_once``.
    """
    with open_warehouse(settings) as (connection, raw_schema):
        absent = find_missing(read_needs(project), warehouse.read_columns(connection, raw_schema))
        folder, models = _make_folder(settings), find_models(settings)
        environment = make_environment(raw_schema, _layers(settings), folder)
        common = _common_arguments(project, models, folder, absent)
        arguments = ["docs", "generate", "--static", *common]
        with start_dbt(environment, folder, lambda: connection.execute("SELECT 1")) as dbt:
            outcome = dbt.run(arguments, lambda _: None)
        if outcome.refusal:
            raise _project_error(outcome.refusal, folder, models)
        site = folder / "docs" / "index.html"
        site.parent.mkdir(exist_ok=True)
        (folder / "static_index.html").replace(site)
        return site


@contextlib.contextmanager
def open_warehouse(
    settings: Settings, *, is_locked: bool = True
) -> Iterator[tuple[psycopg.Connection, str]]:
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
            if is_locked:
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


def dbt_version() -> str:
    """Return the version of dbt that is installed."""
    return importlib.metadata.version("dbt-core")


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


def _make_folder(settings: Settings) -> Path:
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


def _common_arguments(
    project: Path, models: Path | None, folder: Path, absent: MissingTables
) -> list[str]:
    """Return the arguments that every command of dbt gets; nothing is sent to third parties."""
    return [
        f"--project-dir={assemble_project(folder, project, models, _variables(absent))}",
        f"--profiles-dir={project}",
        f"--target-path={folder}",
        f"--log-path={folder}",
        "--log-level-file=none",
        "--no-send-anonymous-usage-stats",
        "--no-version-check",
        "--quiet",
        "--no-use-colors",
    ]


def _variables(absent: MissingTables) -> dict[str, object]:
    """Return the variables that dbt is given."""
    return {
        "missing_columns": {table: list(names) for table, names in absent.missing.items()},
        "missing_tables": list(absent.empty),
        "unusable_tables": list(absent.unusable),
        "marked_tables": list(absent.marked),
    }


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


def _project_error(words: str, folder: Path, models: Path | None) -> EtlError:
    words, files = name_files(words, models)
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    return ConfigurationError(
        "dbt cannot work with the project: " + " ".join(lines[:6]),
        where=files[0] if files else str(folder),
        fix="mend what it names, then run again",
    )


def _selection_error(select: Sequence[str], project: Path, own: Path | None) -> ConfigurationError:
    folders = [project / "models", *([own] if own else [])]
    models = [path.stem for folder in folders for path in folder.rglob("*.sql")]
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
