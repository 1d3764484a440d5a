"""The result of ``etl transform`` as text for people, and as JSON for programs (no I/O)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from etl_pipeline.core.postgres_errors import MEANING_OF_SQLSTATE
from etl_pipeline.formatting import align, count_of
from etl_pipeline.transform.summary import MODEL_KINDS, Node, Rows, TransformSummary

LINES_SHOWN = 20


def transform_screen(summary: TransformSummary) -> str:
    """Return the text that ``etl transform`` prints at its end."""
    models = summary.models
    lines = [
        f"Transformation ({summary.environment}) "
        f"{'succeeded' if summary.is_success else 'failed'}: "
        f"{_count_done(summary)}, in {summary.seconds:,.1f} s"
    ]
    reused = summary.reused
    if reused:
        kept = [count_of(sum(n.kind in MODEL_KINDS for n in reused), "model")]
        kept += [count_of(sum(n.kind not in MODEL_KINDS for n in reused), "test")]
        lines.append(f"  reused {' and '.join(kept)}: nothing that they are made from changed")
    lines += [f"  note   {note}" for note in summary.notes[:LINES_SHOWN]]
    if len(summary.notes) > LINES_SHOWN:
        lines.append(
            f"  … and {count_of(len(summary.notes) - LINES_SHOWN, 'more note')}: --json has all"
        )
    if summary.not_built:
        lines.append(f"  not built, for what raw lacks: {', '.join(summary.not_built)}")
        lines.append("  what an earlier build left of them stays as it was")
    for node in summary.warned:
        lines.append(f"  worth knowing  {node.name}: {count_of(node.failures or 0, 'row')}")
    for node in summary.failed:
        lines += _failure(node, summary)
    skipped = [n.name for n in models if n.status == "skipped"]
    if skipped:
        lines.append(f"not built, since what they are built from failed: {', '.join(skipped)}")
    for rows in summary.rows:
        lines += _table(rows)
    return "\n".join(lines)


def _count_done(summary: TransformSummary) -> str:
    """Return how many of the models and tests that were not reused were built, and passed."""
    models = [n for n in summary.models if n.status != "reused"]
    tests = [n for n in summary.tests if n.status != "reused"]
    if not (models or tests):
        return "nothing to build"
    built = sum(n.status == "success" for n in models)
    passed = sum(n.status in ("pass", "success", "warn") for n in tests)
    return (
        f"{built} of {count_of(len(models), 'model')} built, "
        f"{passed} of {count_of(len(tests), 'test')} passed"
    )


def _failure(node: Node, summary: TransformSummary) -> Iterable[str]:
    """Return what failed, the file that says so, the SQL that was sent, and the fix."""
    if node.status == "fail" and node.kind == "test":
        about = f" of {', '.join(node.tested)}" if node.tested else ""
        yield f"test {node.name}: {count_of(node.failures or 0, 'row')}{about} should not be there"
    elif node.kind == "unit_test":
        yield f"unit test {node.name}: the example comes out otherwise"
        yield from (f"  {line}" for line in (node.words or "").splitlines())
    else:
        yield f"{node.kind} {node.name}: {node.words or 'could not be built'}"
    yield f"  file: {summary.project / node.file}"
    if node.compiled:
        yield f"  sent: {summary.folder / node.compiled}"
    if node.status == "fail" and node.kind == "test":
        yield f"  fix: see the rows: etl transform --select {node.name} --show-rows"
    else:
        advice = _server_fix(node.words or "")
        again = f"etl transform --select {node.name}+"
        yield f"  fix: {advice}: {again}" if advice else f"  fix: mend the file, then {again}"


def _server_fix(words: str) -> str | None:
    """Return the fix where the server is at fault, not the file: it is full, or lost, or shut down.

    Of class 42, which is about the statement, a missing privilege alone is not the file's.
    """
    state = re.search(r"\(SQLSTATE (\w{5})\)$", words)
    if state is None or (state[1].startswith("42") and state[1] != "42501"):
        return None
    meaning = MEANING_OF_SQLSTATE.get(state[1])
    # Advice with names to fill in is about the tables of raw.
    return meaning.fix if meaning and "{" not in meaning.fix else None


def _table(rows: Rows) -> Iterable[str]:
    yield f"rows of {rows.test}:"
    cells = [[_cell(value) for value in row] for row in rows.rows]
    yield from (f"  {line}" for line in align([rows.columns, *cells]))


def _cell(value: object) -> str:
    return "NULL" if value is None else str(value)


def transform_json(summary: TransformSummary) -> str:
    """The summary of ``etl transform`` for programs; keys are only ever added."""
    return json.dumps(transform_record(summary), indent=2)


def transform_record(summary: TransformSummary) -> dict[str, Any]:
    """Return the content of the JSON."""
    return {
        "environment": summary.environment,
        "outcome": "succeeded" if summary.is_success else "failed",
        "started_at": summary.started_at.isoformat(),
        "seconds": round(summary.seconds, 3),
        "as_of": summary.as_of.isoformat() if summary.as_of else None,
        "notes": list(summary.notes),
        "not_built": list(summary.not_built),
        "nodes": [
            {
                "name": n.name,
                "kind": n.kind,
                "status": n.status,
                "seconds": round(n.seconds, 3),
                "failures": n.failures,
                "error": n.words if n.is_failed and n.status != "fail" else None,
                "file": n.file,
                "reason": n.reason,
                "took_over": n.took_over,
            }
            for n in sorted(summary.nodes, key=lambda n: (n.kind, n.name))
        ],
    }
