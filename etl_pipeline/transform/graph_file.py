"""Keep dbt's graph of the project in a file: a build that has nothing to do needs no dbt then."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from etl_pipeline.transform.build_plan import Graph, GraphNode


def load_graph(file: Path, digest: str) -> Graph | None:
    """Return the graph that was saved for a project of *digest*; None if there is none."""
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        if kept["digest"] != digest:
            return None
        return {node["id"]: _node(node) for node in kept["nodes"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save_graph(file: Path, digest: str, graph: Graph) -> None:
    """Save *graph*, whole or not at all."""
    beside = file.with_suffix(".new")
    nodes = [asdict(node) for node in graph.values()]
    beside.write_text(json.dumps({"digest": digest, "nodes": nodes}), encoding="utf-8")
    beside.replace(file)


def _node(kept: dict[str, Any]) -> GraphNode:
    lists = {name: tuple(value) for name, value in kept.items() if isinstance(value, list)}
    return GraphNode(**kept | lists)
