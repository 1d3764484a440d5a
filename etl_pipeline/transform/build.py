"""Build the models: check ``raw``, run dbt, drop what was replaced, return the summary."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg

from etl_pipeline.config import Settings
from etl_pipeline.schema.names import quote_postgres
from etl_pipeline.transform import warehouse
from etl_pipeline.transform.build_plan import (
    BuildPlan,
    BuiltNode,
    Graph,
    decide_build,
    decide_following,
    inputs_after,
    read_graph,
    split_unusable,
)
from etl_pipeline.transform.builds import (
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
    find_models,
    name_file,
    refuse_schemas,
)
from etl_pipeline.transform.dbt_version import dbt_version
from etl_pipeline.transform.environment import PROJECT, make_environment
from etl_pipeline.transform.events import Listener
from etl_pipeline.transform.graph_file import save_graph
from etl_pipeline.transform.inputs import (
    GRAPH,
    Build,
    common_arguments,
    list_missing,
    make_folder,
    open_warehouse,
    prepare_build,
    project_variables,
    read_layers,
)
from etl_pipeline.transform.needs import find_missing, read_needs
from etl_pipeline.transform.preview import plan_build
from etl_pipeline.transform.process import DbtProcess, start_dbt
from etl_pipeline.transform.removed import read_removed, tidy_removed
from etl_pipeline.transform.selection import (
    choose_nodes,
    project_error,
    refuse_unknown,
    selection_error,
    write_chosen,
)
from etl_pipeline.transform.summary import Node, Rows, TransformSummary

ROWS_SHOWN = 10


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
                *list_missing(build.absent),
                *outcome.notes,
                *tidy_removed(connection, outcome.graph, drop=drop_removed),
                *_tidy_up(connection, build.schemas),
            ],
            rows=[*_failing_rows(connection, build.folder, nodes)] if show_rows else [],
        )


@dataclass(frozen=True, slots=True)
class _Outcome:
    nodes: Sequence[Node]
    not_built: Sequence[str]
    graph: Graph
    notes: Sequence[str] = ()


def _find_nothing_to_do(build: Build) -> _Outcome | None:
    """Return the outcome if all that was built is as it would be built now; else None.

    It is known without dbt, which takes seconds to start.
    """
    graph = build.read_graph()
    if graph is None:
        return None
    planned = plan_build(build, graph)
    if planned.plan.stale:
        return None
    return _Outcome(_reused(planned.plan, planned.graph, planned.built), planned.not_built, graph)


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
        held = build.held(raw, dbt.execute([read_definitions(build.schemas_of(graph))]))
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
        refuse_unknown(exclude, graph, build.project, build.models)
        write_chosen(build.folder, plan.stale)
        chosen = choose_nodes(select, exclude, plan, usable, build.absent, build.folder)
        is_full = ["--full-refresh"] if full_refresh else []
        outcome = dbt.run(["build", *build.arguments, *is_full, *chosen], listen)
        if outcome.refusal:
            raise project_error(outcome.refusal, build.folder, build.models)
        if not outcome.nodes and (select or not exclude):
            raise selection_error(select, build.project, build.models)
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
                definitions=dict(dbt.execute([read_definitions(build.schemas_of(graph))])),
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
        raise project_error(outcome.refusal, build.folder, build.models)
    manifest = json.loads((build.folder / "manifest.json").read_text(encoding="utf-8"))
    graph = read_graph(manifest, project_variables(build.absent))
    refuse_schemas(
        (
            (name_file(key, node.file, build.models), node.relation.split(".")[0])
            for key, node in graph.items()
            if node.relation and key.startswith(f"model.{CUSTOM}.")
        ),
        [build.raw_schema, *build.schemas],
    )
    save_graph(build.folder / GRAPH, build.digest, graph)
    return graph


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
        folder, models = make_folder(settings), find_models(settings)
        environment = make_environment(raw_schema, read_layers(settings), folder)
        common = common_arguments(project, models, folder, absent)
        arguments = ["docs", "generate", "--static", *common]
        with start_dbt(environment, folder, lambda: connection.execute("SELECT 1")) as dbt:
            outcome = dbt.run(arguments, lambda _: None)
        if outcome.refusal:
            raise project_error(outcome.refusal, folder, models)
        site = folder / "docs" / "index.html"
        site.parent.mkdir(exist_ok=True)
        (folder / "static_index.html").replace(site)
        return site


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
