"""Decide which models, seeds and tests a build makes anew, and why (no I/O).

A node of dbt's graph is fresh if it was built by the same code, from tables of ``raw`` that hold
the same since, for the same day, and nobody else has changed it. Doubt counts as a change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Any

DAY, MONTH, GOALS = "day", "month", "_etl_goal"
"""Names, among the inputs of a node, of what is no table of ``raw``: the day that the models count
from, its month, and the practice's goals."""
_OTHERS = {
    DAY: "the day is another",
    MONTH: "the month is another",
    GOALS: "the goals are others",
}
_FAILED = ("error", "fail", "skipped", "runtime error")
_MODELS = ("model", "seed")
_RAW = "source.practice.raw."
_OURS = {"_etl_practice_day": DAY, "_etl_practice_month": MONTH, GOALS: GOALS}
_VIEWS = ("view", "kept_view")


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A model, a seed or a test of the project.

    Attributes:
        id: dbt's name of it, such as ``model.practice.dim_date``.
        kind: ``model``, ``seed``, ``test`` or ``unit_test``.
        relation: ``schema.name`` of a model or a seed; else None.
        is_view: It holds no rows of its own, so it is the same whatever ``raw`` holds.
        is_of_code: A test of what the code alone decides (``meta: {proven_by: code}``).
        parents: Ids of the nodes that it is made from, in order.
        sources: What it reads besides: tables of ``raw``, ``DAY`` and ``GOALS``.
        code_digest: SHA-256 of all that decides what it makes of the same rows.
        compares_versions: It knows of its rows which have changed, by ``_etl_version``.
        follows: Ids of the parents of which it takes over the rows that a build changes.
        file: The file of the project that defines it.
    """

    id: str
    kind: str
    name: str
    relation: str | None
    is_view: bool
    parents: tuple[str, ...]
    sources: tuple[str, ...]
    code_digest: str
    is_of_code: bool = False
    compares_versions: bool = False
    follows: tuple[str, ...] = ()
    file: str = ""

    @property
    def has_rows(self) -> bool:
        """True if what ``raw`` holds decides what it is: a table, or a test of rows."""
        if self.kind == "test":
            return not self.is_of_code
        return self.kind == "model" and not self.is_view


@dataclass(frozen=True, slots=True)
class BuiltNode:
    """Record of the last build of a node; see ``etl.build_node``."""

    build_id: int
    status: str
    failures: int | None
    seconds: float
    code_digest: str
    inputs: Mapping[str, str | None]
    definition: str | None


@dataclass(frozen=True, slots=True)
class Warehouse:
    """Content of the warehouse at the instant of a build, by digests.

    Attributes:
        versions: By table of ``raw``, ``DAY`` and ``GOALS``: a digest of what it holds; None if
            that is not known, as of a table that others have written.
        definitions: By ``schema.name``: the definition of a view, or the counters of a table.
    """

    versions: Mapping[str, str | None]
    definitions: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """The nodes of a build.

    Attributes:
        stale: Why each node is made anew, by its id, in an order in which they can be built.
        fresh: The nodes that stay as they are.
    """

    stale: Mapping[str, str] = field(default_factory=dict)
    fresh: Sequence[str] = ()


Graph = Mapping[str, GraphNode]
"""The nodes by id, each after those that it is made from."""


def read_graph(manifest: Mapping[str, Any], variables: object) -> dict[str, GraphNode]:
    """Return the graph of dbt's manifest.

    Args:
        manifest: The content of ``manifest.json``.
        variables: The variables that dbt was given.
    """
    nodes = {
        key: node
        for part in ("nodes", "unit_tests")
        for key, node in manifest[part].items()
        if node["resource_type"] in ("model", "seed", "test", "unit_test")
    }
    sources = manifest["sources"]
    raw = {source["schema"] for key, source in sources.items() if key.startswith(_RAW)}
    common = _digest(
        manifest["metadata"]["dbt_version"],
        variables,
        sorted(
            (key, macro["macro_sql"])
            for key, macro in manifest["macros"].items()
            if not key.startswith(("macro.dbt.", "macro.dbt_postgres."))
        ),
    )
    parents = {key: _depends(node) for key, node in nodes.items()}
    inlined: dict[str, tuple[list[str], list[list[object]]]] = {}
    order = TopologicalSorter(
        {key: [p for p in found if p in nodes] for key, found in parents.items()}
    ).static_order()
    graph: dict[str, GraphNode] = {}
    for key in order:
        node = nodes[key]
        inner = [inlined[p] for p in parents[key] if p in inlined]
        all_above = dict.fromkeys([*parents[key], *(p for above, _ in inner for p in above)])
        code = [_own_code(node), *(part for _, parts in inner for part in parts)]
        if node["config"].get("materialized") == "ephemeral":
            # It is part of the statements of those that read it, and nothing of its own.
            inlined[key] = [*all_above], code
            continue
        read = [p for p in all_above if p in sources]
        above = tuple(p for p in all_above if p in graph)
        graph[key] = GraphNode(
            id=key,
            kind=node["resource_type"],
            name=node["name"],
            relation=f"{node['schema']}.{node['alias']}"
            if node["resource_type"] in _MODELS
            else None,
            is_view=node["config"].get("materialized") in _VIEWS,
            parents=above,
            sources=tuple(_name_source(sources[p], raw) for p in read),
            code_digest=_digest(common, *code, [graph[p].code_digest for p in above]),
            is_of_code=node["config"].get("meta", {}).get("proven_by") == "code",
            compares_versions=_compares_versions(node),
            follows=tuple(
                p
                for p in above
                if graph[p].name in node["config"].get("meta", {}).get("follows", ())
            ),
            file=node["original_file_path"],
        )
    return graph


def split_unusable(graph: Graph, tables: Iterable[str]) -> tuple[dict[str, GraphNode], list[str]]:
    """Return *graph* without what is made from *tables* of raw, and the names of such models."""
    lacking = frozenset(tables)
    usable, models = {}, []
    for key, node in graph.items():
        if lacking.isdisjoint(_all_sources(node, graph)):
            usable[key] = node
        elif node.kind == "model":
            models.append(node.name)
    return usable, sorted(models)


def decide_build(graph: Graph, built: Mapping[str, BuiltNode], held: Warehouse) -> BuildPlan:
    """Decide which nodes of *graph* are made anew, and why.

    Args:
        graph: The project.
        built: The last build of each node, by its id.
        held: What the warehouse holds now.
    """
    stale: dict[str, str] = {}
    for key, node in graph.items():
        if reason := _why_stale(node, graph, built.get(key), held, stale):
            stale[key] = reason
    return BuildPlan(stale, [key for key in graph if key not in stale])


def decide_following(
    graph: Graph, built: Mapping[str, BuiltNode], held: Warehouse, plan: BuildPlan
) -> frozenset[str]:
    """Return the nodes that may take over what changed, in place of being made as a whole.

    Such a node was built by the same code, nobody else has changed it, and what it was made from is
    known. One that follows others must have been built from what they hold, and all else that it is
    made from must be as it was.
    """
    following: set[str] = set()
    for key in plan.stale:
        node, last = graph[key], built.get(key)
        if last is None or last.status in _FAILED or last.code_digest != node.code_digest:
            continue
        if node.relation is None or held.definitions.get(node.relation) != last.definition:
            continue
        now = current_inputs(node, graph, held)
        if None in now.values() or any(last.inputs.get(name) is None for name in now):
            continue
        if node.compares_versions or (
            node.follows
            and all(p in following or p not in plan.stale for p in node.follows)
            and all(_agree(last, built[p]) for p in node.follows)
            and all(now[name] == last.inputs[name] for name in _sources_besides(node, graph))
        ):
            following.add(key)
    return frozenset(following)


def _agree(node: BuiltNode, parent: BuiltNode) -> bool:
    """True if *node* was made from what *parent* holds."""
    return all(node.inputs.get(name) == version for name, version in parent.inputs.items())


def _sources_besides(node: GraphNode, graph: Graph) -> frozenset[str]:
    """Return what reaches *node* in other ways than by the nodes that it follows."""
    others = [graph[p] for p in node.parents if p not in node.follows]
    return frozenset(node.sources).union(*(_all_sources(other, graph) for other in others))


def current_inputs(node: GraphNode, graph: Graph, held: Warehouse) -> dict[str, str | None]:
    """Return what *node* would be made from if all that it is made from were made anew."""
    return {name: held.versions.get(name) for name in sorted(_all_sources(node, graph))}


def inputs_after(
    graph: Graph,
    built: Mapping[str, BuiltNode],
    done: Set[str],
    held: Warehouse,
) -> dict[str, dict[str, str | None]]:
    """Return what each node of *done* was made from.

    A table that was not made anew holds what it was made from then, and so does what is made from
    it now. Where a node is made from two states of one table of raw, or by way of a view of other
    code, what it holds is not known.
    """
    made: dict[str, dict[str, str | None]] = {}
    for key, node in graph.items():
        if key not in done and node.is_view and not _is_of_its_code(node, built.get(key)):
            made[key] = dict.fromkeys(_all_sources(node, graph))
            continue
        if key not in done and node.has_rows:
            made[key] = dict(built[key].inputs) if key in built else {}
            missing = _all_sources(node, graph) - made[key].keys()
            made[key] |= dict.fromkeys(missing)
            continue
        inputs: dict[str, str | None] = {name: held.versions.get(name) for name in node.sources}
        for parent in node.parents:
            for name, version in made[parent].items():
                inputs[name] = version if inputs.get(name, version) == version else None
        made[key] = inputs
    return {key: made[key] for key in graph if key in done}


def _is_of_its_code(node: GraphNode, last: BuiltNode | None) -> bool:
    return last is not None and (last.code_digest, last.status in _FAILED) == (
        node.code_digest,
        False,
    )


def _why_stale(
    node: GraphNode,
    graph: Graph,
    last: BuiltNode | None,
    held: Warehouse,
    stale: Mapping[str, str],
) -> str | None:
    if last is None:
        return "never built"
    if last.status in _FAILED:
        return "it failed last time"
    if last.code_digest != node.code_digest:
        return "its code, or that of what it is made from, is another"
    if node.relation and held.definitions.get(node.relation) is None:
        return "it is not there"
    if node.relation and held.definitions[node.relation] != last.definition:
        return "others changed it"
    if not node.has_rows:
        return None
    now = current_inputs(node, graph, held)
    unknown = [name for name, version in now.items() if version is None]
    if unknown:
        return f"{_name_tables(unknown)} may have changed"
    changed = [name for name, version in now.items() if last.inputs.get(name) != version]
    if changed:
        tables = [name for name in changed if name not in _OTHERS]
        return f"{_name_tables(tables)} changed" if tables else _OTHERS[changed[0]]
    above = [graph[key].name for key in _tables_above(node, graph) if key in stale]
    return f"{above[0]} is made anew" if above else None


def _name_tables(names: Iterable[str]) -> str:
    first, *others = sorted(names)
    first = first if "." in first else f"raw.{first}"
    return first + (f" and {len(others)} more" if others else "")


def _all_sources(node: GraphNode, graph: Graph) -> frozenset[str]:
    found = set(node.sources)
    waiting, seen = list(node.parents), set(node.parents)
    while waiting:
        parent = graph[waiting.pop()]
        found.update(parent.sources)
        waiting += (new := [p for p in parent.parents if p not in seen])
        seen.update(new)
    return frozenset(found)


def _tables_above(node: GraphNode, graph: Graph) -> list[str]:
    """Return the nearest nodes above *node* that hold rows of their own."""
    found: list[str] = []
    waiting, seen = list(node.parents), set(node.parents)
    while waiting:
        key = waiting.pop()
        parent = graph[key]
        if not parent.is_view:
            found.append(key)
            continue
        waiting += (new := [p for p in parent.parents if p not in seen])
        seen.update(new)
    return sorted(found)


def _depends(node: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys((node.get("depends_on") or {}).get("nodes", ())))


def _compares_versions(node: Mapping[str, Any]) -> bool:
    meta = node["config"].get("meta", {})
    return "scope" in meta and "follows" not in meta


def _name_source(source: Mapping[str, Any], raw: Set[str]) -> str:
    """Return the name of a source in ``Warehouse.versions``; of a table of others one not there."""
    name = str(source["identifier"])
    if name in _OURS:
        return _OURS[name]
    return name if source["schema"] in raw else f"{source['schema']}.{name}"


def _own_code(node: Mapping[str, Any]) -> list[object]:
    """Return all of a node of the manifest that decides what it makes, and says of itself."""
    kept = (
        "raw_code",
        "config",
        "description",
        "columns",
        "test_metadata",
        "given",
        "expect",
        "overrides",
        "schema",
        "alias",
    )
    return [node.get("checksum"), *(node.get(name) for name in kept)]


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
