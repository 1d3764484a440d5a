"""The results of commands as text for people, and as JSON for programs; pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from etl_pipeline.pipeline.summary import RunSummary, VerifySummary
from etl_pipeline.sync.verify import Verdict


def run_screen(summary: RunSummary) -> str:
    """What ``etl run`` prints at its end."""
    done = len(summary.outcomes) - len(summary.failed)
    rows = summary.total("rows")
    speed = rows / summary.seconds if summary.seconds else 0
    head = (
        f"Run {summary.run_id} ({summary.environment}) "
        f"{'succeeded' if summary.is_success else 'failed'}: "
        f"{done} of {len(summary.outcomes)} tables equal, {rows:,} rows, "
        f"{summary.total('text_bytes') / 1e6:,.1f} MB in {summary.seconds:,.1f} s "
        f"({speed:,.0f} rows/s)"
    )
    lines = [head]
    if done:
        lines += [
            "  proof  value: every value was compared with the source by digest",
            f"  raw    {summary.total('inserted'):,} inserted, {summary.total('updated'):,} "
            f"updated, {summary.total('deleted'):,} deleted",
        ]
    lines += [
        f"  altered in raw  {table}.{column}: {count:,} {kind}"
        for (table, column, kind), count in sorted(summary.altered.items())
    ]
    notes = list(summary.notes) + [note for o in summary.outcomes for note in o.notes]
    lines += [f"  note   {note}" for note in notes]
    for outcome in summary.failed:
        lines += _failure(outcome.table, outcome.error or "", outcome.fix)
    return "\n".join(lines)


def _failure(table: str, what: str, fix: str | None) -> Iterable[str]:
    yield f"{table}: {what}"
    if fix:
        yield f"  fix: {fix}"


def run_json(summary: RunSummary) -> str:
    """The summary of ``etl run`` for programs; keys are only ever added."""
    return _json(
        {
            "run_id": summary.run_id,
            "environment": summary.environment,
            "outcome": "succeeded" if summary.is_success else "failed",
            "started_at": summary.started_at.isoformat(),
            "seconds": round(summary.seconds, 3),
            "rows": summary.total("rows"),
            "text_bytes": summary.total("text_bytes"),
            "inserted": summary.total("inserted"),
            "updated": summary.total("updated"),
            "deleted": summary.total("deleted"),
            "discrepancies": len(summary.failed),
            "notes": list(summary.notes),
            "tables": [
                {
                    "table": o.table,
                    "strategy": o.strategy,
                    "grade": o.grade,
                    "rows": o.rows,
                    "text_bytes": o.text_bytes,
                    "seconds": round(o.seconds, 3),
                    "inserted": o.inserted,
                    "updated": o.updated,
                    "deleted": o.deleted,
                    "altered": [
                        {"column": column, "kind": kind, "count": count}
                        for (column, kind), count in sorted(o.altered.items())
                    ],
                    "notes": o.notes,
                    "error": o.error,
                    "fix": o.fix,
                }
                for o in sorted(summary.outcomes, key=lambda o: o.table)
            ],
        }
    )


def verify_screen(summary: VerifySummary) -> str:
    """What ``etl verify`` prints at its end."""
    total = len(summary.verdicts)
    equal = total - len(summary.different)
    rows = sum(v.rows for v in summary.verdicts)
    how = "by value" if summary.deep else "by digest"
    lines = [
        f"{equal} of {total} tables are equal in source, replication and raw ({how}), "
        f"{rows:,} rows in {summary.seconds:,.1f} s"
    ]
    for verdict in summary.different:
        lines += _verdict_lines(verdict, deep=summary.deep)
    return "\n".join(lines)


def _verdict_lines(verdict: Verdict, *, deep: bool) -> Iterable[str]:
    if verdict.error:
        yield from _failure(verdict.table, verdict.error, verdict.fix)
        return
    for discrepancy in verdict.discrepancies:
        yield f"{verdict.table}: {discrepancy.place}: {discrepancy.what}"
        if discrepancy.keys:
            yield f"  keys: {', '.join(discrepancy.keys)}"
    if not deep and any(not d.keys for d in verdict.discrepancies):
        yield f"  see: etl verify {verdict.table} --deep"
    yield f"  fix: etl run {verdict.table}"


def verify_json(summary: VerifySummary) -> str:
    """The summary of ``etl verify`` for programs; keys are only ever added."""
    return _json(
        {
            "environment": summary.environment,
            "equal": summary.is_success,
            "deep": summary.deep,
            "started_at": summary.started_at.isoformat(),
            "seconds": round(summary.seconds, 3),
            "tables": [
                {
                    "table": v.table,
                    "equal": v.is_equal,
                    "rows": v.rows,
                    "discrepancies": [
                        {"place": d.place, "what": d.what, "keys": list(d.keys)}
                        for d in v.discrepancies
                    ],
                    "error": v.error,
                    "fix": v.fix,
                }
                for v in sorted(summary.verdicts, key=lambda v: v.table)
            ],
        }
    )


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
