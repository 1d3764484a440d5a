"""Choose the nodes of a build for dbt, and say what is wrong with a choice or with the project."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from etl_pipeline.errors import (
    ConfigurationError,
    EtlError,
)
from etl_pipeline.transform.build_plan import (
    BuildPlan,
    Graph,
)
from etl_pipeline.transform.dbt_project import (
    name_files,
)
from etl_pipeline.transform.needs import MissingTables

CHOSEN = "chosen"
"""Name of the folder, in dbt's working folder, whose ``run_results.json`` says what is chosen."""
_SKIPPED = "skipped"


def choose_nodes(
    select: Sequence[str],
    exclude: Sequence[str],
    plan: BuildPlan,
    graph: Graph,
    absent: MissingTables,
    folder: Path,
) -> list[str]:
    """Return the arguments that choose the nodes of a build.

    Nodes of a plan are chosen as those that an earlier invocation has skipped, whose record is
    ``write_chosen``'s: by their names dbt would look through all nodes for each of them, which
    took two seconds.

    Args:
        select: Words of the user's; empty for what the plan says.
        exclude: Likewise.
        plan: What is to be built.
        graph: The project.
        absent: What raw lacks.
        folder: dbt's working folder.
    """
    if not select:
        kinds = {graph[key].kind for key in plan.stale}
        # dbt takes the examples of a model along with it.
        examples = [] if "unit_test" in kinds else ["--exclude-resource-types", "unit_test"]
        chosen = ["--select", f"result:{_SKIPPED}", f"--state={folder / CHOSEN}"]
        excluded = ["--exclude", *exclude] if exclude else []
        return [*examples, "--indirect-selection=empty", *chosen, *excluded]
    # Only tests whose models are all selected.
    left = [*exclude, *(f"source:raw.{table}+" for table in absent.unusable)]
    excluded = ["--exclude", *left] if left else []
    return ["--indirect-selection=cautious", "--select", *select, *excluded]


def write_chosen(folder: Path, nodes: Iterable[str]) -> None:
    """Write dbt's record of results (run-results, version 6) in which *nodes* were skipped."""
    place = folder / CHOSEN
    place.mkdir(exist_ok=True)
    result = {
        "status": _SKIPPED,
        "timing": [],
        "thread_id": "",
        "execution_time": 0.0,
        "adapter_response": {},
        "message": None,
        "failures": None,
        "compiled": None,
        "compiled_code": None,
        "relation_name": None,
    }
    record = {
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/run-results/v6.json"},
        "results": [{"unique_id": node, **result} for node in nodes],
        "elapsed_time": 0.0,
        "args": {},
    }
    (place / "run_results.json").write_text(json.dumps(record), encoding="utf-8")


def refuse_unknown(exclude: Sequence[str], graph: Graph, project: Path, own: Path | None) -> None:
    """Raise an error for a name that no model has: dbt would build what was to be left alone."""
    names = {node.name for node in graph.values()}
    for word in exclude:
        if (name := re.fullmatch(r"@?(?:\d*\+)?(\w+)(?:\+\d*)?", word)) and name[1] not in names:
            raise selection_error([name[1]], project, own)


def project_error(words: str, folder: Path, models: Path | None) -> EtlError:
    """Return the error for a project that dbt refuses with *words*."""
    words, files = name_files(words, models)
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    return ConfigurationError(
        "dbt cannot work with the project: " + " ".join(lines[:6]),
        where=files[0] if files else str(folder),
        fix="mend what it names, then run again",
    )


def selection_error(select: Sequence[str], project: Path, own: Path | None) -> ConfigurationError:
    """Return the error for a choice that names no model; *own* is the folder of the user's."""
    folders = [project / "models", *([own] if own else [])]
    models = [path.stem for folder in folders for path in folder.rglob("*.sql")]
    near = difflib.get_close_matches(select[0].strip("+") if select else "", models, n=1)
    return ConfigurationError(
        "no model is called so" if select else "nothing could be built",
        where=" ".join(select) or None,
        fix=f"did you mean {near[0]}?" if near else "etl transform, which builds all",
    )
