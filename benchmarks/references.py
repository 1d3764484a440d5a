"""The reference pairs: the servers' own clients, with nothing between them.

Two clients of the source read the tables to nowhere; at the same time two clients of the target
load the same rows from files of text; then come keys or indexes. What a tool cannot be spared is
what this pair takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.stage import Stage
from etl_pipeline.demo.server_databases import connect_mysql
from etl_pipeline.schema.catalog import Table
from etl_pipeline.schema.ddl import create_raw, create_replica
from etl_pipeline.schema.names import quote_mysql, quote_postgres
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.load_data import load_statement
from etl_pipeline.transfer.reader import read_text
from etl_pipeline.transfer.select import RenderedTable, select_chunk

STREAMS = 2


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of a table, their texts in files of this name, and the SELECT that reads them."""

    text: RenderedTable
    file: str
    select: str


def cut_table(text: RenderedTable, middle: int) -> list[list[Part]]:
    """A table cut at key *middle*: a part for each stream."""
    chunks = (Chunk(0, None, middle), Chunk(1, middle, None))
    return [
        [Part(text, f"{text.name}_{chunk.ordinal}", select_chunk(text, chunk))] for chunk in chunks
    ]


def share_out(texts: Sequence[RenderedTable]) -> list[list[Part]]:
    """Whole tables, the largest first, each to the stream that has least to do."""
    streams: list[list[Part]] = [[] for _ in range(STREAMS)]
    sizes = [0] * STREAMS
    for text in sorted(texts, key=lambda t: -t.table.data_bytes):
        least = sizes.index(min(sizes))
        sizes[least] += text.table.data_bytes + 1
        streams[least].append(Part(text, f"t{text.name}", select_chunk(text, Chunk(0))))
    return streams


def write_texts(stage: Stage, streams: Sequence[Sequence[Part]]) -> None:
    """Write the rows of every part as text for either target, beforehand."""

    def write(parts: Sequence[Part]) -> None:
        with closing(connect_mysql(stage.servers.source, stage.source)) as connection:
            connection.cursor().execute("SET sql_mode = '', time_zone = '+00:00'")
            for part in parts:
                lossless = stage.folder / f"{part.file}.mysql"
                for_copy = stage.folder / f"{part.file}.postgres"
                with lossless.open("wb") as lossless_file, for_copy.open("wb") as copy_file:
                    modes = part.text.modes
                    for block in read_text(connection, part.select, modes, with_copy=True):
                        lossless_file.write(block.text)
                        copy_file.write(block.copy_text)

    with ThreadPoolExecutor(STREAMS) as threads:
        list(threads.map(write, streams))


def replication_pair(
    stage: Stage, streams: Sequence[Sequence[Part]], collations: frozenset[str]
) -> tuple[list[str], str]:
    """The statements that make the replicas beforehand, and the script that is timed."""
    tables = _tables(streams)
    ddl = {t.name: create_replica(t.table, name=t.name, collations=collations) for t in tables}
    loads = [
        [
            load_statement(part.text.name, part.text).replace("row text", f"{part.file}.mysql")
            for part in parts
        ]
        for parts in streams
    ]
    indexes = [[i for part in parts[:] for i in ddl[part.text.name].indexes] for parts in streams]
    if len(tables) == 1:
        indexes = [indexes[0], []]
    client = stage.mysql("replication", "--local-infile=1", "--init-command='SET "
                         "sql_mode=\"NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES\", "
                         "time_zone=\"+00:00\"'")  # fmt: skip
    script = _together(
        stage.folder,
        {
            **_reads(stage, streams),
            **{f"{client} < load{n}.sql": (f"load{n}.sql", sql) for n, sql in enumerate(loads)},
        },
    )
    script += _together(
        stage.folder,
        {f"{client} < index{n}.sql": (f"index{n}.sql", sql) for n, sql in enumerate(indexes)},
    )
    return [ddl[text.name].create for text in tables], script


def analytics_pair(stage: Stage, streams: Sequence[Sequence[Part]]) -> tuple[list[str], str]:
    """The same for ``raw``."""
    tables = _tables(streams)
    copies = [[_copy(part) for part in parts] for parts in streams]
    ddl = {text.name: create_raw("raw", text.table, text.columns) for text in tables}
    keys = [[key for part in parts if (key := ddl[part.text.name].key)] for parts in streams]
    if len(tables) == 1:
        keys = [keys[0], []]
    client = "psql -qX -v ON_ERROR_STOP=1"
    script = _together(
        stage.folder,
        {
            **_reads(stage, streams),
            **{f"{client} -f copy{n}.sql": (f"copy{n}.sql", sql) for n, sql in enumerate(copies)},
        },
    )
    script += _together(
        stage.folder,
        {f"{client} -f key{n}.sql": (f"key{n}.sql", sql) for n, sql in enumerate(keys)},
    )
    return [ddl[text.name].create for text in tables], script


def plain_select(stage: Stage, table: Table) -> str:
    """``SELECT *`` of a table to nowhere."""
    return (
        f"{stage.mysql('source', '--quick')} -e 'SELECT * FROM {quote_mysql(table.name)}' "
        "> /dev/null"
    ).replace("`", "")


def _copy(part: Part) -> str:
    names = ", ".join(quote_postgres(name) for name in part.text.column_names)
    target = quote_postgres("raw", part.text.name)
    return f"\\copy {target} ({names}) FROM '{part.file}.postgres'"


def _tables(streams: Sequence[Sequence[Part]]) -> list[RenderedTable]:
    return list({part.text.name: part.text for parts in streams for part in parts}.values())


def _reads(stage: Stage, streams: Sequence[Sequence[Part]]) -> dict[str, tuple[str, list[str]]]:
    client = stage.mysql("source", "--quick")
    return {
        f"{client} < read{n}.sql > /dev/null": (f"read{n}.sql", [part.select for part in parts])
        for n, parts in enumerate(streams)
    }


def _together(folder: Path, commands: Mapping[str, tuple[str, list[str]]]) -> str:
    """Lines of shell that run *commands* side by side; their files of statements are written."""
    for name, statements in commands.values():
        ended = (s if s.startswith("\\") else f"{s};" for s in statements)
        (folder / name).write_text("".join(f"{statement}\n" for statement in ended))
    starts = "".join(f"{command} & pids+=($!)\n" for command in commands)
    return f'pids=()\n{starts}for pid in "${{pids[@]}}"; do wait "$pid"; done\n'
