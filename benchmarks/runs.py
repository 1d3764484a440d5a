"""Whole runs: after changes, of a practice, of many tables that are nearly empty."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.book import Book, say
from benchmarks.changes import FIRST, UNCHANGED, Changes
from benchmarks.measure import Measurement, least_disturbed, measure
from benchmarks.memory import etl_run
from benchmarks.references import analytics_pair, replication_pair, share_out, write_texts
from benchmarks.stage import Stage, run_at_source, set_stage
from etl_pipeline.config import FileConfigProvider, Settings
from etl_pipeline.demo.practice import build_practice
from etl_pipeline.demo.server_databases import connect_mysql
from etl_pipeline.demo.servers import Servers
from etl_pipeline.pipeline.session import open_session
from etl_pipeline.transfer.select import RenderedTable, render_table

ROWS_PER_PATIENT = 225
SMALL_TABLES, NEARLY_EMPTY = 446, 350
REPLICATION_PAIR, ANALYTICS_PAIR = "the reference pair of replication", "the one of raw"
RUN = shlex.join(etl_run())


def look(stage: Stage) -> tuple[list[RenderedTable], frozenset[str]]:
    """The source's tables as a run sees them, and the replication server's collations."""
    with open_session(Settings("test", FileConfigProvider(stage.folder))) as session:
        texts = [render_table(table) for table in session.catalog.values()]
    names = stage.ask_replication("SELECT collation_name FROM information_schema.collations")
    return texts, frozenset(name for (name,) in names)


def measure_changes(stage: Stage, book: Book, choices: Any) -> None:
    """Runs over the benchmark's table after changes, beside peers that follow changes."""
    (text,), _ = look(stage)
    changes = Changes(stage, text, choices.rows, choices.peers)
    book.begin("changes")
    for name, taken in changes.measure(choices.repeats):
        book.add("changes", name, taken)
    for name, why in changes.failed.items():
        book.fail("changes", name, why)


def measure_practice(servers: Servers, folder: Path, book: Book, choices: Any) -> None:
    """Both hops of a practice's tables, beside the reference pairs of the same tables."""
    stage = set_stage(servers, folder, "practice")
    say(f"making a practice of {choices.practice_rows:,} rows")
    with closing(connect_mysql(servers.source, stage.source)) as connection:
        built = build_practice(connection, patients=choices.practice_rows // ROWS_PER_PATIENT)
    texts, collations = look(stage)
    streams = share_out(texts)
    write_texts(stage, streams)
    tables, script = replication_pair(stage, streams, collations)
    raw_tables, raw_script = analytics_pair(stage, streams)
    book.begin("practice", tables=len(texts), rows=sum(built.rows.values()))

    def take(name: str, what: str, tables: Sequence[str] = (), raw: Sequence[str] = ()) -> None:
        def once() -> Measurement:
            if name != UNCHANGED:
                stage.clear_analytics()
                stage.clear_replication()
            for statement in tables:
                stage.ask_replication(statement)
            for statement in raw:
                stage.ask_analytics(statement)
            return measure(what, stage.env, stage.folder, stage.server_pids)

        book.add("practice", name, least_disturbed(once))

    for _ in range(choices.repeats):
        take(FIRST, RUN)
        take(UNCHANGED, RUN)
        take(REPLICATION_PAIR, script, tables=tables)
        take(ANALYTICS_PAIR, raw_script, raw=raw_tables)


def measure_many(servers: Servers, folder: Path, book: Book, choices: Any) -> None:
    """What it costs to look at many tables, most of them nearly empty."""
    stage = set_stage(servers, folder, "many")
    say(f"making {SMALL_TABLES} tables")
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
    book.begin("many", tables=SMALL_TABLES, nearly_empty=NEARLY_EMPTY)
    take = functools.partial(measure, RUN, stage.env, stage.folder, stage.server_pids)
    for _ in range(choices.repeats):
        stage.clear_analytics()
        stage.clear_replication()
        book.add("many", FIRST, take())
        book.add("many", UNCHANGED, least_disturbed(take))
