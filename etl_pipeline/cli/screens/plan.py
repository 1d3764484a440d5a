"""A plan as text for people, and as JSON for programs; pure functions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from etl_pipeline.cli.screens.drift import drift_json, planned_lines
from etl_pipeline.cli.screens.run import first_lines
from etl_pipeline.formatting import align, count_of
from etl_pipeline.pipeline.plan import Preview, TablePreview

_STEPS = {
    "build": "make its copy anew from every row",
    "full": "read every row, write those that differ",
    "stamped": "read rows stamped since last time, and all keys",
    "tail": "read rows past the last key",
}
_NAMES_SHOWN = 3


def plan_screen(preview: Preview, *, with_sql: bool) -> str:
    """What ``etl plan`` prints: a table a line, with what is special about it, and the sums."""
    heads = align([_cells(one) for one in preview.tables], right=(2, 3, 4))
    lines: list[str] = []
    for head, one in zip(heads, preview.tables, strict=True):
        lines += [head, *_remarks(one, with_sql=with_sql)]
    return "\n".join([*lines, *_sums(preview)])


def _cells(one: TablePreview) -> tuple[str, ...]:
    return (
        one.table,
        one.strategy or "-",
        count_of(one.rows, "row ", "rows"),
        f"{one.data_bytes / 1e6:,.1f} MB",
        f"{one.seconds:,.1f} s" if one.seconds is not None else "-",
        _STEPS[one.what] if one.what and not one.error else "",
    )


def _remarks(one: TablePreview, *, with_sql: bool) -> Iterator[str]:
    if one.because:
        yield f"  since {one.because}"
    yield from first_lines(planned_lines(one.drift))
    if one.error:
        yield f"  would fail: {one.error}"
        if one.fix:
            yield f"  fix: {one.fix}"
    if one.dependents:
        shown = list(one.dependents[:_NAMES_SHOWN])
        rest = len(one.dependents) - len(shown)
        yield f"  used by {', '.join(shown)}" + (f" and {rest} more" if rest else "")
    if with_sql:
        yield from (f"  {line}" for line in _statements(one))


def _statements(one: TablePreview) -> Iterator[str]:
    if one.reads and not one.error:
        yield "-- source, in ranges of the key"
        yield from f"{one.reads};".splitlines()
    for place, statement in one.ddl:
        yield f"-- {place}" + (", not to be executed" if one.error else "")
        yield from f"{statement};".splitlines()


def _sums(preview: Preview) -> list[str]:
    known = [one.seconds for one in preview.tables if one.seconds is not None]
    rows = sum(one.rows for one in preview.tables)
    size = sum(one.data_bytes for one in preview.tables) / 1e6
    if not known:
        time = "no run yet to tell the time from"
    else:
        missing = len(preview.tables) - len(known)
        of = f", without {count_of(missing, 'table')} that no run tells of" if missing else ""
        time = f"{sum(known):,.1f} s of work by the last runs{of}"
    steps: Counter[str] = Counter(t.what for t in preview.tables if t.what and not t.error)
    words = {"build": "to build", "full": "to compare", "stamped": "by stamp", "tail": "by key"}
    parts = [f"{steps[one]} {words[one]}" for one in words if steps[one]]
    if preview.failing:
        parts.append(f"{len(preview.failing)} would fail")
    return [
        "",
        f"{count_of(len(preview.tables), 'table')} ({preview.environment}): {', '.join(parts)}",
        f"  {count_of(rows, 'row')}, {size:,.1f} MB by the source's estimate; {time}",
        *_ddl_sums(preview),
        *first_lines(planned_lines(preview.came_and_went)),
        *(f"  note   {note}" for note in preview.notes),
        "nothing was changed; to do it: etl run",
    ]


def _ddl_sums(preview: Preview) -> Iterator[str]:
    counts = Counter(place for one in preview.tables if not one.error for place, _ in one.ddl)
    if counts:
        made = " and ".join(f"{count:,} in {place}" for place, count in counts.items())
        yield f"  statements that make or alter tables: {made}; --sql shows them"


def plan_json(preview: Preview) -> str:
    """The plan for programs; keys are only ever added."""
    return json.dumps(
        {
            "environment": preview.environment,
            "tables": [
                {
                    "table": one.table,
                    "strategy": one.strategy,
                    "step": one.what,
                    "because": one.because,
                    "rows": one.rows,
                    "bytes": one.data_bytes,
                    "seconds": one.seconds,
                    "reads": one.reads,
                    "ddl": [{"place": place, "statement": text} for place, text in one.ddl],
                    "dependents": list(one.dependents),
                    "error": one.error,
                    "fix": one.fix,
                }
                for one in preview.tables
            ],
            "notes": list(preview.notes),
            "drift": drift_json(preview.drift),
        },
        indent=2,
    )
