"""The benchmark: this project, its peers and the reference pairs, in turn, in one run.

    python -m benchmarks.speed --rows 1000000 --repeats 3 --practice-rows 2000000

Writes the figures to ``docs/benchmarks.json``, and from them the page and the chart. Servers are
the launcher's, with durable defaults; every table is logged and ends with its primary key.
"""

from __future__ import annotations

import argparse
import functools
import os
import platform
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.book import Book, say
from benchmarks.contestants import BOTH, MYSQL, PAIR, SELECT, TABLE, Contestant, all_contestants
from benchmarks.measure import FailedError, Measurement, least_disturbed, measure
from benchmarks.memory import fill_script
from benchmarks.references import cut_table, write_texts
from benchmarks.runs import look, measure_changes, measure_many, measure_practice
from benchmarks.stage import AFTER_WRITING_SECONDS, Stage, open_servers, run_at_source, set_stage
from etl_pipeline import __version__

PARTS = ("table", "changes", "practice", "many")


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--practice-rows", type=int, default=2_000_000)
    parser.add_argument("--peers", type=Path, default=Path(".venv-bench"))
    parser.add_argument("--only", default="", help="contestants whose names have this in them")
    parser.add_argument("--parts", default=",".join(PARTS), help="what is measured; else all")
    parser.add_argument("--append", action="store_true", help="add to the turns that are there")
    parser.add_argument("--out", type=Path, default=Path("docs"))
    choices = parser.parse_args()
    facts = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": _machine(),
        "versions": _versions(),
        "rows": choices.rows,
    }
    book = Book(choices.out, facts, appends=choices.append)
    try:
        _measure_parts(book, choices)
    finally:
        report.write(book.figures, choices.out, choices.peers)


def _measure_parts(book: Book, choices: Any) -> None:
    parts = choices.parts.split(",")
    with tempfile.TemporaryDirectory() as name, open_servers(Path(name)) as servers:
        if "table" in parts or "changes" in parts:
            stage = set_stage(servers, Path(name), "bench")
            say(f"filling {choices.rows:,} rows")
            run_at_source(stage, fill_script(str(choices.rows))[0])
        if "table" in parts:
            _measure_table(stage, book, choices)
        if "changes" in parts:
            measure_changes(stage, book, choices)
        if "practice" in parts:
            measure_practice(servers, Path(name), book, choices)
        if "many" in parts:
            measure_many(servers, Path(name), book, choices)


def _measure_table(stage: Stage, book: Book, choices: Any) -> None:
    (text,), collations = look(stage)
    found = all_contestants(stage, text, choices.rows, collations, choices.peers)
    contestants = [contestant for contestant in found if choices.only in contestant.name]
    write_texts(stage, cut_table(text, choices.rows // 2 + 1))
    for contestant in found:
        # Else whoever comes first pays for a new server's files. What fails is told in its turn.
        if contestant.name == PAIR:
            with suppress(FailedError):
                _take_turn(stage, contestant, choices.rows)
    book.begin("table")
    failed: set[tuple[str, str]] = set()
    for _ in range(choices.repeats):
        for contestant in contestants:
            if (contestant.kind, contestant.name) in failed:
                continue
            take = functools.partial(_take_turn, stage, contestant, choices.rows)
            try:
                book.add("table", contestant.name, least_disturbed(take), contestant.kind)
            except FailedError as error:
                failed.add((contestant.kind, contestant.name))
                book.fail("table", contestant.name, str(error), contestant.kind)


def _take_turn(stage: Stage, contestant: Contestant, rows: int) -> Measurement:
    """Clear the targets, let the contestant work, check what it made, and add a key's time."""
    if not contestant.is_available:
        raise FailedError("is not installed")
    if contestant.kind != SELECT:
        stage.clear_analytics()
    if contestant.kind in (MYSQL, BOTH):
        stage.clear_replication()
    if contestant.keeps_replica and not stage.ask_replication(f"SHOW TABLES LIKE '{TABLE}'"):
        measure(f"{sys.executable} -m benchmarks.hop replicate {TABLE}", stage.env, stage.folder,
                stage.server_pids)  # fmt: skip
        time.sleep(AFTER_WRITING_SECONDS)  # the server goes on writing its pages
    ask = stage.ask_replication if contestant.kind == MYSQL else stage.ask_analytics
    for statement in contestant.before:
        ask(statement)
    env = {**stage.env, **contestant.env}
    result = measure(contestant.script, env, stage.folder, stage.server_pids)
    if contestant.kind == SELECT:
        return result
    if contestant.kind == MYSQL:
        _expect(stage.ask_replication(f"SELECT COUNT(*) FROM {TABLE}"), rows)
        return result
    _expect(stage.ask_analytics(f"SELECT count(*) FROM raw.{TABLE}"), rows)
    is_keyed = stage.ask_analytics(
        f"SELECT 1 FROM pg_index WHERE indrelid = 'raw.{TABLE}'::regclass AND indisprimary"
    )
    if is_keyed:
        return result
    ((column,),) = stage.ask_analytics(
        "SELECT quote_ident(attname) FROM pg_attribute "
        f"WHERE attrelid = 'raw.{TABLE}'::regclass AND attnum > 0 "
        "AND lower(replace(attname, '_', '')) = 'procnum'"
    )
    key = f"psql -qX -c 'ALTER TABLE raw.{TABLE} ADD PRIMARY KEY ({column})'"
    return _sum(result, measure(key, stage.env, stage.folder, stage.server_pids))


def _sum(first: Measurement, other: Measurement) -> Measurement:
    return Measurement(
        first.seconds + other.seconds,
        first.cpu_seconds + other.cpu_seconds,
        max(first.peak_mb, other.peak_mb),
        first.source_cpu_seconds + other.source_cpu_seconds,
        max(first.elsewhere, other.elsewhere),
    )


def _expect(found: list[tuple[Any, ...]], rows: int) -> None:
    if found != [(rows,)]:
        raise FailedError(f"left {found[0][0]:,} rows of {rows:,}")


def _machine() -> dict[str, Any]:
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {"processor": model, "cores": os.cpu_count(), "memory_gb": round(pages / 2**30)}


def _versions() -> dict[str, str]:
    def ask(*command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return (done.stdout or done.stderr).strip().splitlines()[0]

    return {
        "etl_pipeline": __version__,
        "Python": platform.python_version(),
        "MariaDB": ask("mariadbd", "--version").partition("Ver ")[2].split()[0],
        "PostgreSQL": ask("psql", "--version").split()[2],
    }


if __name__ == "__main__":
    main()
