"""Find out what a build would make anew, by what the warehouse holds now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from etl_pipeline.config import Settings
from etl_pipeline.state.warehouse import is_current
from etl_pipeline.transform.build_plan import (
    BuildPlan,
    BuiltNode,
    Graph,
    GraphNode,
    decide_build,
    decide_following,
    split_unusable,
)
from etl_pipeline.transform.builds import read_built, read_definitions, read_raw, take_raw
from etl_pipeline.transform.environment import PROJECT
from etl_pipeline.transform.inputs import Build, prepare_build, read_warehouse
from etl_pipeline.transform.needs import read_needs
from etl_pipeline.transform.warehouse import read_columns


@dataclass(frozen=True, slots=True)
class PlannedBuild:
    """The plan of a build, decided by the build's own functions.

    Attributes:
        graph: The models, seeds and tests that can be built.
        built: The last build of each node, by its id.
        plan: Which of them would be made anew, and why.
        following: Those of them that would take over what changed.
        not_built: Models that cannot be built, for what raw lacks.
    """

    graph: Graph
    built: Mapping[str, BuiltNode]
    plan: BuildPlan
    following: frozenset[str]
    not_built: Sequence[str]

    @property
    def stale(self) -> list[GraphNode]:
        """Nodes that would be made anew, in an order in which they can be built."""
        return [self.graph[key] for key in self.plan.stale]


def plan_build(build: Build, graph: Graph) -> PlannedBuild:
    """Return what *build* of *graph* would do; it only reads, and all of it at one instant."""
    connection = build.connection
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        raw = take_raw(connection.execute(*read_raw(build.raw_schema)).fetchall()[0])
        shown = connection.execute(*read_definitions(build.schemas_of(graph))).fetchall()
        built = read_built(connection)
    usable, not_built = split_unusable(graph, build.absent.unusable)
    held = build.held(raw, shown)
    plan = decide_build(usable, built, held)
    return PlannedBuild(usable, built, plan, decide_following(usable, built, held, plan), not_built)


@dataclass(frozen=True, slots=True)
class BuildPreview:
    """The answer of ``preview_build``.

    Attributes:
        planned: By node; None if nothing of this project was built yet, so that it would build all.
    """

    planned: PlannedBuild | None


def preview_build(settings: Settings, *, project: Path = PROJECT) -> BuildPreview | None:
    """Return what a build would do; None if raw has nothing that models could be built from.

    Writes nothing, and does not start dbt.

    Raises: as ``transform_once``.
    """
    with read_warehouse(settings) as (connection, raw_schema):
        if read_needs(project).keys().isdisjoint(read_columns(connection, raw_schema)):
            return None
        if not is_current(connection):
            return BuildPreview(None)
        build = prepare_build(settings, connection, raw_schema, project, None)
        graph = build.read_graph()
        return BuildPreview(plan_build(build, graph) if graph else None)
