"""The results of commands as text for people, and as JSON for programs (no I/O)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from etl_pipeline.cli.screens.drift import drift_json, drift_lines
from etl_pipeline.cli.screens.transform import transform_record
from etl_pipeline.core.source_usage import SourceUsage
from etl_pipeline.errors import EtlError
from etl_pipeline.formatting import age_of, count_of
from etl_pipeline.pipeline.summary import ComparisonAges, RunSummary, find_oldest
from etl_pipeline.state.records import TableOutcome
from etl_pipeline.transfer.kernel_python import NEGATIVE_ZEROS, NUL_CHARACTERS, ZERO_DATES
from etl_pipeline.transform.summary import TransformSummary

Models = TransformSummary | EtlError | None
"""What became of the models after a run, why they could not be begun, or None: none were wanted."""

_ALTERED = {
    ZERO_DATES: "zero date → NULL",
    NUL_CHARACTERS: "NUL character → removed",
    NEGATIVE_ZEROS: "negative zero → 0, in replication too",
}
LINES_SHOWN = 20
"""Lines of one kind on a screen, altered columns or notes, at most."""
ALIKE_SHOWN = 3
"""Tables that failed for one reason are named one by one up to here."""


_DONE = {
    "replicate": "brought to replication; raw is as it was",
    "load": "loaded from replication; no row of the source was read",
    "backfill": "read again in the range and made equal there",
}
GRADES = {"value": "equal (value)", "keys+stamp": "keys and stamps", "append": "log's end"}
"""What each grade is called where it is claimed: equality of the highest alone."""


def run_screen(summary: RunSummary) -> str:
    """Return the text that ``etl run`` prints at its end."""
    total, failed = len(summary.outcomes), summary.failed
    rows = summary.total("rows")
    verdict = "succeeded" if summary.is_success else "failed"
    speed = f", {rows / summary.seconds:,.0f} rows/s" if summary.seconds else ""
    lines = [
        f"Run {summary.run_id} ({summary.environment}) {verdict}: "
        f"{total - len(failed)} of {count_of(total, 'table')}{_proven_words(summary)}",
        f"  rows   {rows:,} ({_size(summary.total('text_bytes'))} as text) "
        f"in {summary.seconds:,.1f} s{speed}",
    ]
    if total > len(failed):
        lines += _proofs(summary)
        lines += [
            f"  raw    {summary.total('inserted'):,} inserted, {summary.total('updated'):,} "
            f"updated, {summary.total('deleted'):,} deleted",
        ]
        lines += _actual(summary)
    lines += _source_usage(summary.source_usage)
    lines += first_lines(
        f"  altered in raw  {table}.{column}: {count:,} × {_ALTERED.get(kind, kind)}"
        for (table, column, kind), count in sorted(summary.altered.items())
    )
    outcomes = sorted(summary.outcomes, key=lambda o: o.table)
    lines += first_lines(drift_lines(summary.drift))
    notes = [*summary.notes, *(note for outcome in outcomes for note in outcome.notes)]
    lines += first_lines(
        f"  mended {o.table}: {correction}" for o in outcomes for correction in o.corrections
    )
    lines += first_lines(f"  note   {note}" for note in notes)
    lines += _failures(failed)
    return "\n".join(lines)


def _proven_words(summary: RunSummary) -> str:
    """Return how many tables were proven to which grade; only grade ``value`` is called equal."""
    if summary.only:
        return f" {_DONE[summary.only]}"
    grades, taken = summary.grades, len(summary.taken_over)
    if grades["value"] == grades.total() + taken:
        return f" {GRADES['value']}"
    parts = [f"{words} {grades[grade]}" for grade, words in GRADES.items() if grades[grade]]
    parts += [f"taken over {taken}"] if taken else []
    return f": {', '.join(parts)}"


_PROOFS = {
    "value": "every value at the source compared with what its copy was given",
    "keys+stamp": "keys, and rows with a new stamp, compared",
    "append": "the end of the log compared",
}


def _proofs(summary: RunSummary) -> Iterable[str]:
    """Return a line for each grade that was reached, with the age of what it rests on.

    Likewise one for what was read by a run that was cut off.
    """
    label = "proof"
    for grade, words in _PROOFS.items():
        if summary.grades[grade]:
            rest = "" if grade == "value" else f"; {_rest(summary, grade)}"
            yield f"  {label:5}  {grade}: {words}{rest}"
            label = ""
    taken = summary.taken_over
    if taken:
        read = min(outcome.read_from for outcome in taken if outcome.read_from)
        runs = sorted({outcome.finished_in or summary.continues or 0 for outcome in taken})
        yield (
            f"  {label:5}  {count_of(len(taken), 'table')} taken over from "
            f"{'run' if len(runs) == 1 else 'runs'} {', '.join(map(str, runs))}, "
            f"read {age_of(_end(summary) - read)} ago"
        )


def _rest(summary: RunSummary, grade: str) -> str:
    """Return what the values of tables of *grade* rest on that the run did not read."""
    proven = [outcome.proven_at for outcome in summary.outcomes if outcome.grade == grade]
    known = [instant for instant in proven if instant]
    if len(known) < len(proven):
        return "all values never"
    return f"all values {age_of(_end(summary) - min(known))} ago"


def _end(summary: RunSummary) -> datetime:
    return summary.started_at + timedelta(seconds=summary.seconds)


def _actual(summary: RunSummary) -> Iterable[str]:
    """Return the age of the oldest proof that each copy holds what it was given.

    Nothing is claimed of tables that failed.
    """
    found = {
        "raw": find_oldest(summary.compared.raw),
        "replication": find_oldest(summary.compared.replication),
    }
    places: dict[str, list[str]] = {}
    for place, oldest in found.items():
        if oldest:
            places.setdefault(_since(summary, *oldest), []).append(place)
    label, apart = "stands", ", but for what failed" if summary.failed else ""
    for since, names in places.items():
        yield f"  {label:6} {' and '.join(names)} as given{apart}: {since}"
        label = ""


def _since(summary: RunSummary, table: str, at: datetime | None) -> str:
    if at is None:
        return f"a part was never compared ({table})"
    if at >= summary.started_at:
        return "all written or compared in this run"
    return f"all written or compared in the last {age_of(_end(summary) - at)}"


def _source_usage(source_usage: SourceUsage) -> Iterable[str]:
    """Return what the run has cost the source."""
    if not source_usage.statements:
        return
    table = f" ({source_usage.longest_of})" if source_usage.longest_of else ""
    yield (
        f"  source {count_of(source_usage.statements, 'statement')}, "
        f"{source_usage.seconds:,.1f} s in all, {_size(source_usage.bytes)}; "
        f"the longest {source_usage.longest_seconds:,.2f} s{table}"
    )
    if source_usage.waited_seconds:
        yield f"  source reading waited {source_usage.waited_seconds:,.1f} s because it was busy"


def _failures(failed: Sequence[TableOutcome]) -> Iterable[str]:
    """Return what failed and its fix; tables that share a reason, such as the hour, share lines."""
    alike: dict[str, list[TableOutcome]] = {}
    for outcome in failed:
        alike.setdefault(outcome.error or "", []).append(outcome)
    for error, outcomes in alike.items():
        names = [outcome.table for outcome in outcomes]
        if len(names) <= ALIKE_SHOWN:
            for outcome in outcomes:
                yield from failure_lines(outcome.table, error, outcome.fix)
            continue
        rest = len(names) - ALIKE_SHOWN
        fix = (outcomes[0].fix or "").replace(f"etl run {names[0]}", "etl run")
        yield from failure_lines(f"{', '.join(names[:ALIKE_SHOWN])} and {rest:,} more", error, fix)


def first_lines(lines: Iterable[str]) -> list[str]:
    """The first of *lines*, and how many more there are: the rest is for ``--json``."""
    every = list(lines)
    more = len(every) - LINES_SHOWN
    rest = [f"  … and {more:,} more such lines: --json has all"] if more > 0 else []
    return every[:LINES_SHOWN] + rest


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:,.1f} kB"


def failure_lines(table: str, what: str, fix: str | None) -> Iterable[str]:
    """The lines of a table that failed."""
    yield f"{table}: {what}"
    if fix:
        yield f"  fix: {fix}"


def is_success(summary: RunSummary, models: Models) -> bool:
    """True if each table reached its grade, and each wanted model is built and passes its tests."""
    return summary.is_success and (
        models is None or (isinstance(models, TransformSummary) and models.is_success)
    )


def run_json(summary: RunSummary, models: Models = None) -> str:
    """The summary of ``etl run`` for programs; keys are only ever added."""
    return as_json(
        {
            "run_id": summary.run_id,
            "environment": summary.environment,
            "only": summary.only,
            "outcome": "succeeded" if summary.is_success else "failed",
            "started_at": summary.started_at.isoformat(),
            "seconds": round(summary.seconds, 3),
            "rows": summary.total("rows"),
            "text_bytes": summary.total("text_bytes"),
            "inserted": summary.total("inserted"),
            "updated": summary.total("updated"),
            "deleted": summary.total("deleted"),
            "discrepancies": len(summary.failed),
            "continues": summary.continues,
            "taken_over": [outcome.table for outcome in summary.taken_over],
            "proven": {grade: summary.grades[grade] for grade in GRADES},
            "notes": list(summary.notes),
            "transformation": _models_record(models),
            "source": _source_record(summary.source_usage),
            "drift": drift_json(summary.drift),
            "tables": [
                _table_record(outcome, summary.compared)
                for outcome in sorted(summary.outcomes, key=lambda outcome: outcome.table)
            ],
        }
    )


def _source_record(usage: SourceUsage) -> dict[str, Any]:
    return {
        "statements": usage.statements,
        "seconds": round(usage.seconds, 3),
        "rows": usage.rows,
        "bytes": usage.bytes,
        "longest_seconds": round(usage.longest_seconds, 3),
        "longest_of": usage.longest_of or None,
        "waited_seconds": round(usage.waited_seconds, 3),
    }


def _table_record(outcome: TableOutcome, compared: ComparisonAges) -> dict[str, Any]:
    return {
        "table": outcome.table,
        "strategy": outcome.strategy,
        "grade": outcome.grade,
        "rows": outcome.rows,
        "rows_read": outcome.rows_read,
        "text_bytes": outcome.text_bytes,
        "seconds": round(outcome.seconds, 3),
        "inserted": outcome.inserted,
        "updated": outcome.updated,
        "deleted": outcome.deleted,
        "read_from": _instant(outcome.read_from),
        "read_to": _instant(outcome.read_to),
        "proven_at": _instant(outcome.proven_at),
        "raw_compared_at": _instant(compared.raw.get(outcome.table)),
        "replica_compared_at": _instant(compared.replication.get(outcome.table)),
        "watermark": outcome.watermark,
        "finished_in": outcome.finished_in,
        "altered": [
            {"column": column, "kind": kind, "count": count}
            for (column, kind), count in sorted(outcome.altered.items())
        ],
        "notes": outcome.notes,
        "mended": outcome.corrections,
        "error": outcome.error,
        "fix": outcome.fix,
    }


def _instant(value: datetime | None) -> str | None:
    return value.isoformat() if value else None


def _models_record(models: Models) -> dict[str, Any] | None:
    if isinstance(models, EtlError):
        return {"outcome": "failed", "error": str(models).splitlines()[0], "fix": models.fix}
    return None if models is None else transform_record(models)


def as_json(value: Any) -> str:
    """*value* for programs."""
    # ASCII: whatever encoding the reader expects, it is the same.
    return json.dumps(value, indent=2)
