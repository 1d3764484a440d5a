"""Render the state of tables and the history of runs, as text and as JSON (no I/O)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from etl_pipeline.cli.screens.drift import recorded_json, recorded_lines
from etl_pipeline.formatting import age_of, align_within, count_of
from etl_pipeline.pipeline.status import Status, TableStatus
from etl_pipeline.pipeline.summary import find_oldest
from etl_pipeline.state.history import DriftRecord, RunRecord, TableRecord


def status_screen(status: Status, width: int | None = None) -> str:
    """Return the text of ``etl status``: the sums, what is wrong, then a line a table.

    Args:
        status: Of the tables.
        width: Columns of the terminal; None for as many as it takes.
    """
    head = (
        "table", "strategy", "grade", "~source", "replication", "raw",
        "read", "last run", "next full pass",
    )  # fmt: skip
    lines = [_status_line(table, status.now) for table in status.tables]
    screen = [_status_sums(status), *_followed(status), *_compared(status), *_built(status)]
    for table in status.tables:
        problem = table.problem or (table.last.error if table.last else None)
        if problem:
            screen += [f"{table.table}: {problem}"]
    spare = [head.index(name) for name in ("replication", "~source", "next full pass", "strategy")]
    screen += ["", *_aligned([head, *lines], width, spare)]
    marks = [(table.table, table.good.watermark) for table in status.tables if table.good]
    screen += [f"{table}: watermark {mark}" for table, mark in marks if mark]
    return "\n".join(screen)


def _status_sums(status: Status) -> str:
    """Return how many tables are in which state, and the age of the oldest reading."""
    states = Counter(_state(table) for table in status.tables)
    parts = [f"{states[state]:,} {state}" for state in ("ok", "failed", "never loaded")]
    read = [table.good.read_from for table in status.tables if table.good and table.good.read_from]
    age = f"; oldest read {age_of(status.now - min(read))} ago" if read else ""
    shown = ", ".join(part for part in parts if not part.startswith("0 "))
    return (
        f"{count_of(len(status.tables), 'table')} ({status.environment})"
        f"{': ' if shown else ''}{shown}{age}"
    )


def _state(table: TableStatus) -> str:
    if table.problem or (table.last and table.last.error):
        return "failed"
    return "ok" if table.last else "never loaded"


def _followed(status: Status) -> Iterable[str]:
    """Say how far the source's log has been followed, and what was last."""
    follower = status.follower
    if follower is None:
        return
    shown = (
        f"raw shows the source of {age_of(status.now - follower.shows_at)} ago"
        if follower.shows_at
        else "tables are being compared"
    )
    word = "" if follower.is_at_work else ", and nobody follows now"
    place = follower.position.split(" ", 1)[0]
    yield f"followed: {shown}, batch {follower.batch:,}, log at {place}{word}"
    minute = follower.minute
    if minute:
        yield (
            f"followed: {count_of(minute.transactions, 'transaction')} in the last busy minute "
            f"({minute.minute:%H:%M} UTC), {count_of(minute.batches, 'batch', 'batches')}, lag "
            f"{minute.lag_seconds:,.1f} s at most"
        )
    for table, because in sorted(follower.waiting.items()):
        yield f"{table}: waits to be compared as a whole, since {because}"


def _compared(status: Status) -> Iterable[str]:
    """The oldest proof of each copy."""
    for place, oldest in (
        ("replication", find_oldest(status.compared.replication)),
        ("raw", find_oldest(status.compared.raw)),
    ):
        if oldest:
            table, at = oldest
            age = f"{age_of(status.now - at)} ago" if at else "never, by what is known"
            yield f"oldest proof of {place}: {age} ({table})"


def _built(status: Status) -> Iterable[str]:
    """Say which state of raw the models show, and what failed."""
    build = status.build
    if build is None:
        return
    run = f", after run {build.run_id}" if build.run_id else ""
    day = f"; ages count from {build.as_of}" if build.as_of else ""
    yield f"models: raw as it was {age_of(status.now - build.shows_at)} ago{run}{day}"
    if build.failed:
        failed = count_of(build.failed, "model or test", "models or tests")
        yield f"models: {failed} failed last time"


def _status_line(table: TableStatus, now: datetime) -> tuple[str, ...]:
    read_from = table.followed_to or (table.good.read_from if table.good else None)
    grade = "followed" if table.followed_to else (table.good.grade if table.good else None)
    return (
        table.table,
        table.strategy,
        grade or "-",
        _number(table.source_rows),
        _number(table.replica_rows),
        _number(table.raw_rows),
        f"{age_of(now - read_from)} ago" if read_from else "never",
        _last(table),
        _due(table.next_full_pass, now),
    )


def _last(table: TableStatus) -> str:
    if table.problem:
        return "refused"
    if table.last is None:
        return "-"
    return f"{table.last.run_id} {'failed' if table.last.error else 'ok'}"


def _due(instant: datetime | None, now: datetime) -> str:
    if instant is None:
        return "each run"
    return "next run" if instant <= now else f"in {age_of(instant - now)}"


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _aligned(
    rows: Sequence[Sequence[str]], width: int | None = None, spare: Sequence[int] = ()
) -> list[str]:
    """*rows* in columns; those that hold numbers below their head are flush right.

    Columns of *spare* are left out, first named first, where *width* has no room for them.
    """
    numbers = [
        i
        for i, column in enumerate(zip(*rows[1:], strict=True))
        if all(cell[:1].isdigit() or cell == "-" for cell in column)
    ]
    return align_within(width, rows, numbers, spare)


def history_screen(runs: Sequence[RunRecord], width: int | None = None) -> str:
    """Return the text of ``etl history``; *width* as in ``status_screen``."""
    head = (
        "run", "started (UTC)", "took", "outcome", "tables", "failed", "drift", "rows",
        "inserted", "updated", "deleted", "proven",
    )  # fmt: skip
    lines = [
        (
            str(run.run_id),
            f"{run.started_at:%Y-%m-%d %H:%M:%S}",
            _took(run),
            _outcome(run),
            str(run.tables),
            str(run.failed),
            _number(run.drift_events),
            _number(run.rows),
            _number(run.inserted),
            _number(run.updated),
            _number(run.deleted),
            _proven(run),
        )
        for run in runs
    ]
    spare = [head.index(name) for name in ("drift", "rows", "took", "tables", "proven")]
    return "\n".join(_aligned([head, *lines], width, spare))


def _proven(run: RunRecord) -> str:
    """Return how many tables reached which grade."""
    counts = {
        "value": run.proven_value,
        "keys+stamp": run.proven_keys_stamp,
        "append": run.proven_append,
        "taken over": run.taken_over,
    }.items()
    return ", ".join(f"{grade} {count:,}" for grade, count in counts if count) or "-"


def _took(run: RunRecord) -> str:
    end = run.finished_at or run.seen_at
    return f"{(end - run.started_at).total_seconds():,.1f} s" if end else "-"


def _outcome(run: RunRecord) -> str:
    words = run.outcome or "not ended"
    return f"{words}, after {run.continues}" if run.continues else words


def run_record_screen(
    run: RunRecord,
    tables: Sequence[TableRecord],
    drift: Sequence[DriftRecord],
    width: int | None = None,
) -> str:
    """Return the text of ``etl show``; *width* as in ``status_screen``."""
    lines = [
        f"Run {run.run_id}: {run.outcome or 'not ended'}",
        f"  started  {run.started_at:%Y-%m-%d %H:%M:%S} UTC, took {_took(run)}",
        f"  by       {run.os_user or '?'} on {run.host}, process {run.process_id}, "
        f"etl_pipeline {run.etl_version}",
    ]
    if run.continues:
        lines.append(f"  went on with run {run.continues}, which was cut off")
    if tables:
        head = (
            "table", "strategy", "grade", "rows", "read", "inserted", "updated", "deleted",
            "seconds", "read at (UTC)",
        )  # fmt: skip
        spare = [head.index(name) for name in ("read at (UTC)", "read", "strategy", "seconds")]
        lines += _aligned([head, *map(_table_line, tables)], width, spare)
    for table in tables:
        lines += _remarks(table)
    lines += recorded_lines(drift)
    return "\n".join(lines)


def _table_line(table: TableRecord) -> tuple[str, ...]:
    return (
        table.table_name,
        table.strategy,
        table.grade or ("failed" if table.error else "-"),
        _number(table.rows),
        _number(table.rows_read),
        _number(table.inserted),
        _number(table.updated),
        _number(table.deleted),
        f"{table.seconds:,.1f}",
        _span(table.read_from, table.read_to),
    )


def _span(start: datetime | None, end: datetime | None) -> str:
    if start is None or end is None:
        return "-"
    first, last = f"{start:%Y-%m-%d %H:%M:%S}", f"{end:%H:%M:%S}"
    return first if first.endswith(last) else f"{first} to {last}"


def _remarks(table: TableRecord) -> Iterable[str]:
    if table.error:
        yield f"{table.table_name}: {table.error}"
    if table.finished_in:
        yield f"{table.table_name}: taken over from run {table.finished_in}, which was cut off"
    if table.watermark:
        yield f"{table.table_name}: watermark {table.watermark}"
    yield from (f"  note   {note}" for note in table.notes)


def status_json(status: Status) -> str:
    """``etl status`` for programs; keys are only ever added."""
    return _json(
        {
            "environment": status.environment,
            "now": status.now,
            "tables": [asdict(table) for table in status.tables],
            "build": asdict(status.build) if status.build else None,
            "follower": asdict(status.follower) if status.follower else None,
        }
    )


def history_json(runs: Sequence[RunRecord]) -> str:
    """``etl history`` for programs; keys are only ever added."""
    return _json({"runs": [asdict(run) for run in runs]})


def run_record_json(
    run: RunRecord, tables: Sequence[TableRecord], drift: Sequence[DriftRecord]
) -> str:
    """``etl show`` for programs; keys are only ever added."""
    return _json(
        {
            **asdict(run),
            "tables_done": [asdict(table) for table in tables],
            "drift": recorded_json(drift),
        }
    )


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, default=lambda instant: instant.isoformat())
