"""The result of ``etl verify`` as text for people, and as JSON for programs (no I/O)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from etl_pipeline.cli.screens.run import as_json, failure_lines, first_lines
from etl_pipeline.formatting import align, count_of
from etl_pipeline.pipeline.summary import VerifySummary
from etl_pipeline.transfer.select import HIDDEN
from etl_pipeline.verify.job import VerifyScope
from etl_pipeline.verify.result import (
    Discrepancy,
    RowDifference,
    SideBySide,
    VerifyResult,
    name_columns,
)

_VALUE_WIDTH = 40


def verify_screen(summary: VerifySummary) -> str:
    """Return the text that ``etl verify`` prints at its end."""
    results = sorted(summary.results, key=lambda v: v.table)
    total, rows = len(results), sum(v.rows for v in results)
    moved = [v for v in results if v.moved]
    lines = [
        f"Comparison ({summary.environment}): {_headline(summary, bool(moved))}",
        f"  rows   {rows:,} in {summary.seconds:,.1f} s",
        f"  proof  {_proof(summary.scope)}",
    ]
    if summary.scope.sample is not None:
        chunks, of = sum(v.chunks for v in results), sum(v.of_chunks for v in results)
        lines.append(f"  sample {chunks:,} of {count_of(of, 'chunk')}, chosen at random")
    lines += first_lines(f"  moved  {_moved(result)}" for result in moved)
    lines += first_lines(f"  note   {v.table}: {note}" for v in results for note in v.notes)
    for result in summary.different:
        lines += _result_lines(result, shows_values=summary.scope.show_values)
    if moved and total:
        lines.append("next: etl run    brings what has changed at the source")
    return "\n".join(lines)


def _headline(summary: VerifySummary, has_moved: bool) -> str:
    """Return how many tables are equal, and where; ``raw`` counts only where it was compared."""
    total = len(summary.results)
    good = total - len(summary.different)
    places = summary.scope.only or ("replication and raw" if has_moved else "")
    repaired_count = sum(v.is_repaired for v in summary.results)
    if places:
        words = f" as loaded in {places}"
    elif summary.scope.deep:
        words = ": source = replication = raw (value)"
    else:
        words = ": source = replication (value), raw as loaded"
    part = "" if summary.scope.sample is None else ", in a sample"
    return f"{good} of {count_of(total, 'table')}{part}{words}" + (
        f"; {repaired_count} repaired" if repaired_count else ""
    )


def _proof(scope: VerifyScope) -> str:
    by_value = "by value" if scope.deep else "by digest"
    if scope.only == "replication":
        return "replication by digest"
    if scope.only == "raw":
        return f"raw {by_value}"
    hint = "" if scope.deep else "; --deep compares raw by value"
    return f"replication and raw {by_value}{hint}"


def _moved(result: VerifyResult) -> str:
    rows = count_of(result.moved, "row")
    since = f" of {_instant(result.moved_since)}" if result.moved_since else ""
    return f"{result.table}: {rows} changed at the source since the read{since}"


def _result_lines(result: VerifyResult, *, shows_values: bool) -> Iterator[str]:
    if result.error:
        yield from failure_lines(result.table, result.error, result.fix)
    for discrepancy in result.discrepancies:
        yield from _discrepancy_lines(result.table, discrepancy)
    for repaired in result.repaired:
        count = sum(repaired.rows.values())
        rows = count_of(count, "row")
        yield f"  repaired: {rows} of {result.table} copied again into {repaired.place}"
    if result.unrepaired:
        yield f"  not repaired: {result.unrepaired}"
    if not result.is_repaired:
        keys = [key for d in result.discrepancies for key in d.keys]
        if not shows_values and any(HIDDEN in key for key in keys):
            command = f"etl verify {result.table} --show-values"
            yield f"  {HIDDEN} is text in a key; to see it: {command}"
        fixes = dict.fromkeys(d.fix for d in result.discrepancies if d.fix)
        yield from (f"  fix: {fix}" for fix in fixes)


def _discrepancy_lines(table: str, discrepancy: Discrepancy) -> Iterator[str]:
    yield f"{table}: {discrepancy.place}: {discrepancy.what}"
    if discrepancy.read_at and discrepancy.looked_at:
        first, *later = discrepancy.looked_at
        again = "".join(f" and {at:%H:%M:%S}" for at in later)
        read = f"{discrepancy.read_at:%Y-%m-%d %H:%M:%S}"
        yield f"  read at the source {read}, looked at {first:%Y-%m-%d %H:%M:%S}{again} UTC"
    for row in discrepancy.rows:
        yield f"  key {row.key}: {_words(row)}"
        if row.values:
            yield from _side_by_side(row.values, discrepancy.place)
    more = discrepancy.count - len(discrepancy.rows)
    if discrepancy.rows and more > 0:
        yield f"  … and {more:,} more"


def _words(row: RowDifference) -> str:
    if row.kind != "differs":
        return row.kind
    return f"differs in {name_columns(row.columns)}" if row.columns else "differs"


def _side_by_side(values: SideBySide, place: str) -> Iterator[str]:
    """Two rows as columns, a line a column of the table, those that differ marked."""
    head = ("", "source", place)
    rows = [
        (
            name,
            _value(values.expected, position),
            _value(values.held, position),
        )
        for position, name in enumerate(values.columns)
    ]
    for (name, expected, held), line in zip([head, *rows], align([head, *rows]), strict=True):
        mark = "≠" if name and expected != held else " "
        yield f"  {mark} {line}"


def _value(row: tuple[str | None, ...] | None, position: int) -> str:
    if row is None:
        return "-"
    value = row[position]
    if value is None:
        return "NULL"
    quoted = "'" + value.replace("\n", "\\n") + "'"
    return quoted if len(quoted) <= _VALUE_WIDTH else quoted[: _VALUE_WIDTH - 1] + "…"


def _instant(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"


def verify_json(summary: VerifySummary) -> str:
    """The summary of ``etl verify`` for programs; keys are only ever added."""
    return as_json(
        {
            "environment": summary.environment,
            "equal": not summary.different,
            "deep": summary.scope.deep,
            "only": summary.scope.only,
            "sample": summary.scope.sample,
            "started_at": summary.started_at.isoformat(),
            "seconds": round(summary.seconds, 3),
            "tables": [
                _result_json(result) for result in sorted(summary.results, key=lambda v: v.table)
            ],
        }
    )


def _result_json(result: VerifyResult) -> dict[str, Any]:
    return {
        "table": result.table,
        "equal": result.is_equal,
        "rows": result.rows,
        "chunks": result.chunks,
        "of_chunks": result.of_chunks,
        "moved": result.moved,
        "moved_since": _iso(result.moved_since),
        "discrepancies": [_discrepancy_json(d) for d in result.discrepancies],
        "repaired": [
            {"place": repair.place, "rows": sum(repair.rows.values())} for repair in result.repaired
        ],
        "unrepaired": result.unrepaired,
        "notes": result.notes,
        "error": result.error,
        "fix": result.fix,
    }


def _discrepancy_json(discrepancy: Discrepancy) -> dict[str, Any]:
    return {
        "place": discrepancy.place,
        "what": discrepancy.what,
        "count": discrepancy.count,
        "keys": list(discrepancy.keys),
        "rows": [_row_json(row) for row in discrepancy.rows],
        "read_at": _iso(discrepancy.read_at),
        "looked_at": [at.isoformat() for at in discrepancy.looked_at],
        "fix": discrepancy.fix,
    }


def _row_json(row: RowDifference) -> dict[str, Any]:
    known: dict[str, Any] = {"key": row.key, "kind": row.kind, "columns": list(row.columns)}
    if row.values:
        for name, values in (("expected", row.values.expected), ("held", row.values.held)):
            known[name] = values and dict(zip(row.values.columns, values, strict=True))
    return known


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
