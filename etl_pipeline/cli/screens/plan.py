"""A plan as text for people, and as JSON for programs (no I/O)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence

from etl_pipeline.cli.screens.drift import drift_json, planned_lines
from etl_pipeline.cli.screens.run import first_lines
from etl_pipeline.formatting import align, count_of
from etl_pipeline.pipeline.plan import Preview, TablePreview
from etl_pipeline.transform.preview import BuildPreview
from etl_pipeline.transform.summary import MODEL_KINDS

_STEPS = {
    "build": "make its copy anew from every row",
    "compare": "read every row, write those that differ",
    "stamped": "read rows stamped since last time, and all keys",
    "tail": "read rows past the last key",
}
_NAMES_SHOWN = 3
_REASONS_SHOWN = 8


def plan_screen(
    preview: Preview, models: BuildPreview | None = None, *, with_sql: bool = False
) -> str:
    """Return the text of ``etl plan``: a table a line, with what is special about it, and sums.

    *models* is what a build would do; None where it was not asked, or where there are no models.
    """
    heads = align([_cells(table) for table in preview.tables], right=(2, 3, 4))
    lines: list[str] = []
    for head, table in zip(heads, preview.tables, strict=True):
        lines += [head, *_remarks(table, with_sql=with_sql)]
    return "\n".join([*lines, *_sums(preview), *model_lines(models), _last_line(models)])


def _cells(table: TablePreview) -> tuple[str, ...]:
    return (
        table.table,
        table.strategy or "-",
        count_of(table.rows, "row ", "rows"),
        f"{table.data_bytes / 1e6:,.1f} MB",
        f"{table.seconds:,.1f} s" if table.seconds is not None else "-",
        _STEPS[table.what] if table.what and not table.error else "",
    )


def _remarks(table: TablePreview, *, with_sql: bool) -> Iterator[str]:
    if table.because:
        yield f"  since {table.because}"
    yield from first_lines(planned_lines(table.drift))
    if table.error:
        yield f"  would fail: {table.error}"
        if table.fix:
            yield f"  fix: {table.fix}"
    if table.dependents:
        yield f"  used by {_shorten(table.dependents)}"
    if with_sql:
        yield from (f"  {line}" for line in _statements(table))


def _shorten(names: Sequence[str]) -> str:
    shown = names[:_NAMES_SHOWN]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def _statements(table: TablePreview) -> Iterator[str]:
    if table.reads and not table.error:
        yield "-- source, in ranges of the key"
        yield from f"{table.reads};".splitlines()
    for place, statement in table.ddl:
        yield f"-- {place}" + (", not to be executed" if table.error else "")
        yield from f"{statement};".splitlines()


def _sums(preview: Preview) -> list[str]:
    known = [table.seconds for table in preview.tables if table.seconds is not None]
    rows = sum(table.rows for table in preview.tables)
    size = sum(table.data_bytes for table in preview.tables) / 1e6
    if not known:
        time = "no run yet to tell the time from"
    else:
        missing = len(preview.tables) - len(known)
        of = f", without {count_of(missing, 'table')} that no run tells of" if missing else ""
        time = f"{sum(known):,.1f} s of work by the last runs{of}"
    steps: Counter[str] = Counter(t.what for t in preview.tables if t.what and not t.error)
    words = {"build": "to build", "compare": "to compare", "stamped": "by stamp", "tail": "by key"}
    parts = [f"{steps[step]} {words[step]}" for step in words if steps[step]]
    if preview.failing:
        parts.append(f"{len(preview.failing)} would fail")
    return [
        "",
        f"{count_of(len(preview.tables), 'table')} ({preview.environment}): {', '.join(parts)}",
        f"  {count_of(rows, 'row')}, {size:,.1f} MB by the source's estimate; {time}",
        *_ddl_sums(preview),
        *first_lines(planned_lines(preview.came_and_went)),
        *(f"  note   {note}" for note in preview.notes),
    ]


def _last_line(models: BuildPreview | None) -> str:
    return "nothing was changed; to do it: etl run" + (", then etl transform" if models else "")


def model_lines(preview: BuildPreview | None) -> Iterator[str]:
    """Return what a build would do, by reason: the models, and how many tests."""
    if preview is None:
        return
    planned = preview.planned
    if planned is None:
        yield "all models are to be built: none was yet, from this version of the project"
        return
    stale = planned.stale
    models = [node for node in stale if node.kind in MODEL_KINDS]
    total = sum(node.kind in MODEL_KINDS for node in planned.graph.values())
    if not stale:
        yield f"{count_of(total, 'model')} to reuse: nothing changed in raw since they were built"
    else:
        following = sum(node.id in planned.following for node in models)
        by_change = f" ({following} of them what changed alone)" if following else ""
        yield (
            f"{count_of(total, 'model')}, by raw as it is now: {len(models)} to build{by_change}, "
            f"{total - len(models)} to reuse; {count_of(len(stale) - len(models), 'test')} to run"
        )
    by_reason: dict[str, list[str]] = {}
    for node in models:
        by_reason.setdefault(planned.plan.stale[node.id], []).append(node.name)
    reasons = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    for reason, names in reasons[:_REASONS_SHOWN]:
        yield f"  {reason}: {_shorten(names)}"
    if rest := reasons[_REASONS_SHOWN:]:
        count = sum(len(names) for _, names in rest)
        yield f"  for {count_of(len(rest), 'other reason')}: {count_of(count, 'model')}; --json"
    if planned.not_built:
        yield f"  cannot be built, for what raw lacks: {_shorten(planned.not_built)}"


def _ddl_sums(preview: Preview) -> Iterator[str]:
    counts = Counter(place for table in preview.tables if not table.error for place, _ in table.ddl)
    if counts:
        made = " and ".join(f"{count:,} in {place}" for place, count in counts.items())
        yield f"  statements that make or alter tables: {made}; --sql shows them"


def plan_json(preview: Preview, models: BuildPreview | None = None) -> str:
    """The plan for programs; keys are only ever added."""
    return json.dumps(
        {
            "environment": preview.environment,
            "tables": [
                {
                    "table": table.table,
                    "strategy": table.strategy,
                    "step": table.what,
                    "because": table.because,
                    "rows": table.rows,
                    "bytes": table.data_bytes,
                    "seconds": table.seconds,
                    "reads": table.reads,
                    "ddl": [{"place": place, "statement": text} for place, text in table.ddl],
                    "dependents": list(table.dependents),
                    "error": table.error,
                    "fix": table.fix,
                }
                for table in preview.tables
            ],
            "notes": list(preview.notes),
            "drift": drift_json(preview.drift),
            "models": _models_json(models),
        },
        indent=2,
    )


def _models_json(preview: BuildPreview | None) -> dict[str, object] | None:
    if preview is None:
        return None
    planned = preview.planned
    if planned is None:
        return {"all": True, "build": [], "reuse": [], "not_built": []}
    return {
        "all": False,
        "build": [
            {
                "name": node.name,
                "kind": node.kind,
                "because": planned.plan.stale[node.id],
                "takes_over": node.id in planned.following,
            }
            for node in planned.stale
        ],
        "reuse": [planned.graph[key].name for key in planned.plan.fresh],
        "not_built": list(planned.not_built),
    }
