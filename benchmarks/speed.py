"""The benchmark: this project, its peers and the reference pairs, in turn, in one run.

    python -m benchmarks.speed --rows 1000000 --repeats 3 --practice-rows 2000000

Writes the figures to ``docs/benchmarks.json``, and from them the page and the chart. Servers are
the launcher's, with durable defaults; every table is logged and ends with its primary key.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.contestants import BOTH, MYSQL, SELECT, TABLE, Contestant, all_contestants
from benchmarks.measure import FailedError, Measurement, measure
from benchmarks.memory import etl_run, fill_script
from benchmarks.references import (
    analytics_pair,
    cut_table,
    replication_pair,
    share_out,
    write_texts,
)
from benchmarks.stage import AFTER_WRITING_SECONDS, Stage, open_servers, run_at_source, set_stage
from etl_pipeline import __version__
from etl_pipeline.config import FileConfigProvider, Settings
from etl_pipeline.demo.practice import build_practice
from etl_pipeline.demo.server_databases import connect_mysql
from etl_pipeline.demo.servers import Servers
from etl_pipeline.pipeline.session import open_replication, open_session
from etl_pipeline.transfer.select import TableText, render_table

ROWS_PER_PATIENT = 225
SMALL_TABLES, NEARLY_EMPTY = 446, 350
RUN = shlex.join(etl_run())
Figures = dict[str, list[float]]


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--practice-rows", type=int, default=2_000_000)
    parser.add_argument("--peers", type=Path, default=Path(".venv-bench"))
    parser.add_argument("--only", default="", help="contestants whose names have this in them")
    parser.add_argument("--out", type=Path, default=Path("docs"))
    choices = parser.parse_args()
    figures: dict[str, Any] = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": _machine(),
        "versions": _versions(),
        "rows": choices.rows,
        "repeats": choices.repeats,
    }
    with tempfile.TemporaryDirectory() as name, open_servers(Path(name)) as servers:
        figures["table"] = _measure_table(servers, Path(name), choices)
        if not choices.only:
            figures["practice"] = _measure_practice(servers, Path(name), choices)
            figures["many"] = _measure_many(servers, Path(name), choices.repeats)
    report.write(figures, choices.out, choices.peers)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a benchmark's result


def _look(stage: Stage) -> tuple[list[TableText], frozenset[str]]:
    """The source's tables as a run sees them, and the replication server's collations."""
    with open_session(Settings("test", FileConfigProvider(stage.folder))) as session:
        replication = open_replication(session)
        texts = [render_table(table) for table in session.catalog.values()]
    return texts, frozenset(replication.collations)


def _measure_table(servers: Servers, folder: Path, choices: Any) -> list[dict[str, Any]]:
    stage = set_stage(servers, folder, "bench")
    _say(f"filling {choices.rows:,} rows")
    run_at_source(stage, fill_script(str(choices.rows))[0])
    (text,), collations = _look(stage)
    found = all_contestants(stage, text, choices.rows, collations, choices.peers)
    contestants = [one for one in found if choices.only in one.name or one.kind == SELECT]
    write_texts(stage, cut_table(text, choices.rows // 2 + 1))
    measured: dict[tuple[str, str], list[Measurement]] = {}
    failed: dict[tuple[str, str], str] = {}
    for turn in range(choices.repeats):
        for one in contestants:
            key = (one.kind, one.name)
            if key in failed:
                continue
            try:
                result = _take_turn(stage, one, choices.rows)
            except FailedError as error:
                failed[key] = str(error)
                _say(f"{turn + 1} {one.kind:20} {one.name:28} did not finish: {error}")
                continue
            measured.setdefault(key, []).append(result)
            _say(f"{turn + 1} {one.kind:20} {one.name:28} {result.seconds:7.2f} s")
    return [
        {
            "kind": one.kind,
            "name": one.name,
            "failed": failed.get((one.kind, one.name)),
            **_lists(measured.get((one.kind, one.name), [])),
        }
        for one in contestants
    ]


def _lists(results: list[Measurement]) -> Figures:
    return {
        "seconds": [r.seconds for r in results],
        "cpu": [r.cpu_seconds for r in results],
        "peak_mb": [r.peak_mb for r in results],
        "source_cpu": [r.source_cpu_seconds for r in results],
    }


def _take_turn(stage: Stage, one: Contestant, rows: int) -> Measurement:
    """Clear the targets, let the contestant work, check what it made, and add a key's time."""
    if not one.is_available:
        raise FailedError("is not installed")
    if one.kind != SELECT:
        stage.clear_analytics()
    if one.kind in (MYSQL, BOTH):
        stage.clear_replication()
    if one.keeps_replica and not stage.ask_replication(f"SHOW TABLES LIKE '{TABLE}'"):
        measure(f"{sys.executable} -m benchmarks.hop replicate {TABLE}", stage.env, stage.folder,
                stage.source_pid)  # fmt: skip
        time.sleep(AFTER_WRITING_SECONDS)  # the server goes on writing its pages
    ask = stage.ask_replication if one.kind == MYSQL else stage.ask_analytics
    for statement in one.before:
        ask(statement)
    env = {**stage.env, **one.env}
    result = measure(one.script, env, stage.folder, stage.source_pid)
    if one.kind == SELECT:
        return result
    if one.kind == MYSQL:
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
    return _sum(result, measure(key, stage.env, stage.folder, stage.source_pid))


def _sum(one: Measurement, other: Measurement) -> Measurement:
    return Measurement(
        one.seconds + other.seconds,
        one.cpu_seconds + other.cpu_seconds,
        max(one.peak_mb, other.peak_mb),
        one.source_cpu_seconds + other.source_cpu_seconds,
    )


def _expect(found: list[tuple[Any, ...]], rows: int) -> None:
    if found != [(rows,)]:
        raise FailedError(f"left {found[0][0]:,} rows of {rows:,}")


def _measure_practice(servers: Servers, folder: Path, choices: Any) -> dict[str, Any]:
    """Both hops of a practice's tables, beside the reference pairs of the same tables."""
    stage = set_stage(servers, folder, "practice")
    _say(f"making a practice of {choices.practice_rows:,} rows")
    with closing(connect_mysql(servers.source, stage.source)) as connection:
        built = build_practice(connection, patients=choices.practice_rows // ROWS_PER_PATIENT)
    texts, collations = _look(stage)
    streams = share_out(texts)
    write_texts(stage, streams)
    tables, script = replication_pair(stage, streams, collations)
    raw_tables, raw_script = analytics_pair(stage, streams)
    seconds: Figures = {"run": [], "again": [], "replication pair": [], "analytics pair": []}

    def take(name: str, what: str, prepare: Callable[[], object]) -> None:
        prepare()
        result = measure(what, stage.env, stage.folder, stage.source_pid)
        seconds[name].append(result.seconds)
        _say(f"practice: {name:20} {result.seconds:7.2f} s")

    def clear() -> None:
        stage.clear_analytics()
        stage.clear_replication()

    for _ in range(choices.repeats):
        take("run", RUN, clear)
        take("again", RUN, lambda: None)
        take("replication pair", script,
             lambda: (clear(), [stage.ask_replication(one) for one in tables]))  # fmt: skip
        take("analytics pair", raw_script,
             lambda: (clear(), [stage.ask_analytics(one) for one in raw_tables]))  # fmt: skip
    return {"tables": len(texts), "rows": sum(built.rows.values()), **seconds}


def _measure_many(servers: Servers, folder: Path, repeats: int) -> dict[str, Any]:
    """What it costs to look at many tables, most of them nearly empty."""
    stage = set_stage(servers, folder, "many")
    _say(f"making {SMALL_TABLES} tables")
    for number in range(SMALL_TABLES):
        rows = number % 6 if number < NEARLY_EMPTY else 3000
        run_at_source(
            stage,
            f"CREATE TABLE t{number} (id bigint PRIMARY KEY, name varchar(50), stamp datetime, "
            "fee double, note text, kind int, KEY (name));\n"
            f"INSERT INTO t{number} SELECT seq, concat('name ', seq), "
            "from_unixtime(1600000000 + seq), seq / 4, if(seq % 2, NULL, 'text'), seq "
            f"FROM seq_1_to_3000 WHERE seq <= {rows}",
        )
    seconds: Figures = {"first": [], "again": []}
    for _ in range(repeats):
        stage.clear_analytics()
        stage.clear_replication()
        for name, taken in seconds.items():
            taken.append(measure(RUN, stage.env, stage.folder, stage.source_pid).seconds)
            _say(f"{SMALL_TABLES} tables: {name:20} {taken[-1]:7.2f} s")
    return {"tables": SMALL_TABLES, "nearly_empty": NEARLY_EMPTY, **seconds}


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
