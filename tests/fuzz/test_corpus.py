"""The fuzzer's recorded packets; ``pytest --rewrite`` records them anew from a real server."""

from __future__ import annotations

import contextlib

import pytest

from etl_pipeline.schema.catalog import Column
from etl_pipeline.schema.types import map_column
from etl_pipeline.transfer import kernel_python, wire
from etl_pipeline.transfer.kernel_python import ServerErrorPacket
from etl_pipeline.transfer.layout import Layout
from tests.conftest import Lab
from tests.fuzz.cases import read_corpus, write_corpus
from tests.rows import make_table

TABLES = {
    "numbers": (
        {
            "k": "bigint", "u": "bigint unsigned", "d": "decimal(20,4)", "f": "float",
            "g": "double", "b": "bit(5)", "t": "time", "y": "year",
        },
        "(-1, 18446744073709551615, -0.0001, 0.1, -1e-300, b'101', '-838:59:59', 0), "
        "(2, 0, 9999999999999999.9999, 3.4e38, 1e308, b'0', '00:00:00', 2155), "
        "(3, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    ),
    "dates": (
        {"k": "int", "d": "date", "dt": "datetime(6)", "ts": "timestamp"},
        "(1, '0000-00-00', '2022-11-00 10:00:00', '2024-02-29 01:02:03'), "
        "(2, '9999-12-31', '2022-00-03 00:00:00.000001', '2038-01-19 03:14:07'), "
        "(3, NULL, '0000-05-01 23:59:59', '1970-01-01 00:00:01')",
    ),
    "words": (
        {"k": "int", "a": "varchar(300)", "b": "text", "c": "varbinary(300)", "e": "char(3)"},
        r"(1, 'tab\there', 'line\r\nbreak \\ \0 end\\', x'00FF090A5C', ''), "
        r"(2, '\\N', 'NULL', '', '\\.'), (3, NULL, '', NULL, NULL), "
        "(4, repeat('x', 250), repeat('y', 251), repeat(x'00', 252), 'Ωж'), "
        "(5, repeat('z', 300), repeat('\\0', 270), repeat(x'FB', 251), '   ')",
    ),
    "shapes": (
        {"k": "int", "g": "geometry", "p": "point"},
        "(1, ST_GeomFromText('LINESTRING(0 0, 1 2)', 4326), ST_GeomFromText('POINT(1 2)')), "
        "(2, NULL, NULL)",
    ),
}  # fmt: skip


@pytest.fixture
def recorded(request: pytest.FixtureRequest) -> None:
    """The corpus, new where ``--rewrite`` asks for it."""
    if request.config.getoption("--rewrite"):
        lab: Lab = request.getfixturevalue("lab")
        for name, (columns, rows) in TABLES.items():
            declared = ", ".join(f"{column} {kind} NULL" for column, kind in columns.items())
            make_table(lab.source, f"CREATE TABLE {name} ({declared})")
            make_table(lab.source, f"INSERT INTO {name} VALUES {rows}")
            _record(lab, name, columns, name)
            _record(lab, name, columns, f"{name} WHERE k = -5", as_name=f"no_{name}")
        broken = "words WHERE k < 3 OR (SELECT k FROM numbers WHERE words.k = 5) IS NULL"
        _record(lab, "words", TABLES["words"][0], broken, as_name="broken_off")


def _record(
    lab: Lab, table: str, columns: dict[str, str], source: str, *, as_name: str | None = None
) -> None:
    carried = [
        map_column(table, Column(name, kind.split("(")[0].split()[0], kind, is_nullable=True))
        for name, kind in columns.items()
    ]
    statement = f"SELECT {', '.join(c.select for c in carried)} FROM {source}"
    result = wire.open_result(lab.source, statement)
    layout = Layout(tuple(c.mode for c in carried), result.forms)
    block: bytes | bytearray = b""
    is_end = False
    while not is_end:
        block = wire.read_more(lab.source, bytes(block), 0)
        try:
            is_end = kernel_python.render(block, layout, with_copy=False).is_end
        except ServerErrorPacket:
            is_end = True
    wire.close_statement(lab.source, result.statement)
    write_corpus(as_name or table, layout, bytes(block))


@pytest.mark.usefixtures("recorded")
def test_the_corpus_holds_whole_results() -> None:
    corpus = read_corpus()
    assert len(corpus) == 2 * len(TABLES) + 1
    errors = rows = 0
    for layout, block in corpus:
        with contextlib.suppress(ServerErrorPacket):
            rendered = kernel_python.render(block, layout, with_copy=True)
            assert rendered.is_end
            assert rendered.consumed == len(block) < 4096
            rows += rendered.rows
            errors -= 1
        errors += 1
    assert (rows, errors) == (13, 1)
