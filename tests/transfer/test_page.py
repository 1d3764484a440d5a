"""Pages: whatever the key and the size of a page, each row comes once, in the order of the key."""

from __future__ import annotations

from typing import Any

import pytest

from etl_pipeline.schema.catalog import Column, Table
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.page import (
    Key,
    Page,
    has_pages,
    last_key,
    select_page,
    where_page,
)
from etl_pipeline.transfer.reader import read_text
from etl_pipeline.transfer.select import (
    RenderedTable,
    render_table,
    select_chunk,
    select_unreadable,
)
from tests.conftest import Lab
from tests.expected import Expected
from tests.rows import make_table, numbers
from tests.transfer.conftest import read_table_text

NASTY = (
    r"'', ' ', 'a', 'A b', 'Ä', 'ß', 'it''s', '\\', '\\\\N', '\n', '\t', '\0', '%s', '\Z', "
    r"'\"', ';'"
)
TABLES = {
    "words": (
        "CREATE TABLE words (w varchar(40) PRIMARY KEY) CHARSET=utf8mb4",
        *(f"INSERT IGNORE INTO words VALUES ({word})" for word in NASTY.split(", ")),
        f"INSERT INTO words SELECT concat('w', seq, repeat('é', seq % 9)) FROM {numbers(80)}",
    ),
    "old_words": (
        "CREATE TABLE old_words (w char(20), n int, PRIMARY KEY (w, n)) CHARSET=latin1",
        f"INSERT INTO old_words SELECT concat('Ä', seq DIV 7), seq % 7 FROM {numbers(80)}",
    ),
    "mixed": (
        "CREATE TABLE mixed (d date, v varbinary(9), p decimal(30, 4), s datetime(6), x int, "
        "PRIMARY KEY (p, d, v, s))",
        "INSERT INTO mixed SELECT '0000-00-00', UNHEX(HEX(seq % 3 * 100)), "
        "99999999999999999999.0001 + seq DIV 9, '2024-01-01 00:00:00.000001' + INTERVAL seq "
        f"MICROSECOND, seq FROM {numbers(80)}",
    ),
    "numbered": (
        "CREATE TABLE numbered (a smallint unsigned, b bigint, x varchar(9), PRIMARY KEY (a, b))",
        f"INSERT INTO numbered SELECT seq DIV 5, -seq, 'x' FROM {numbers(80)}",
    ),
}


def read_lines(source: Any, text: RenderedTable, statement: str | bytes) -> list[bytes]:
    blocks = read_text(source, statement, text.modes)
    return [line for block in blocks for line in block.text.split(b"\n")[:-1]]


def read_all(source: Any, text: RenderedTable, chunk: Chunk, rows: int) -> list[list[bytes]]:
    """The lines of each page."""
    pages: list[list[bytes]] = []
    key: Key | None = None
    while True:
        lines = read_lines(source, text, select_page(text, Page(chunk, key), rows))
        if not lines:
            return pages
        pages.append(lines)
        key = last_key(text, b"".join(line + b"\n" for line in lines))


@pytest.mark.parametrize("engine", ["InnoDB", "MyISAM"])
@pytest.mark.parametrize("name", TABLES)
def test_pages_of_any_size_are_the_table(lab: Lab, source: Any, name: str, engine: str) -> None:
    ddl, *inserts = TABLES[name]
    make_table(lab.source, ddl, f"ALTER TABLE {name} ENGINE={engine}", *inserts)
    text = read_table_text(lab.source, name)
    assert has_pages(text)
    order = ", ".join(text.table.primary_key)
    names = ", ".join(carried.select for carried in text.columns)
    every = read_lines(source, text, f"SELECT {names} FROM {name} ORDER BY {order}")
    assert len(every) >= 80
    for rows in (1, 7, 1000):
        pages = read_all(source, text, Chunk(0), rows)
        assert [line for page in pages for line in page] == every
        assert all(len(page) == rows for page in pages[:-1])


def test_a_page_reads_no_more_of_the_index_than_it_sends(lab: Lab, source: Any) -> None:
    """In particular, nothing is sorted, and what came before is not read again."""
    for name, (ddl, *inserts) in TABLES.items():
        for engine in ("InnoDB", "MyISAM"):
            make_table(lab.source, f"DROP TABLE IF EXISTS {name}", ddl)
            make_table(lab.source, f"ALTER TABLE {name} ENGINE={engine}", *inserts)
            text = read_table_text(lab.source, name)
            lines = read_lines(source, text, select_page(text, Page(Chunk(0)), 50))
            key = last_key(text, lines[-1] + b"\n")
            before = read_counters(source)
            assert len(read_lines(source, text, select_page(text, Page(Chunk(0), key), 10))) == 10
            assert read_counters(source) - before <= 10 + 5, (name, engine)
            source.rollback()


def read_counters(source: Any) -> int:
    """Rows that the session's statements read by an index, read through, or sorted."""
    with source.cursor() as cursor:
        cursor.execute(
            "SHOW SESSION STATUS WHERE Variable_name IN ('Handler_read_key', 'Handler_read_next', "
            "'Handler_read_first', 'Handler_read_rnd', 'Sort_rows')"
        )
        return sum(int(value) for _, value in cursor.fetchall())


def test_pages_of_a_chunk_stay_in_it(lab: Lab, source: Any) -> None:
    make_table(lab.source, *TABLES["numbered"])
    text = read_table_text(lab.source, "numbered")
    for chunk in (Chunk(0, None, 4), Chunk(1, 4, 9), Chunk(2, 9, None)):
        every = read_lines(source, text, select_chunk(text, chunk))
        pages = read_all(source, text, chunk, 3)
        assert [line for page in pages for line in page] == every
        # What a page holds is told by its two ends as well.
        for lines, after in zip(pages, [None, *pages], strict=False):
            ends = [
                None if page is None else last_key(text, page[-1] + b"\n")
                for page in (after, lines)
            ]
            where = where_page(text, Page(chunk, *ends))
            names = ", ".join(carried.select for carried in text.columns).encode()
            order = b" ORDER BY a, b"
            statement = b"SELECT " + names + b" FROM numbered WHERE " + where + order
            assert read_lines(source, text, statement) == lines


def table(
    *columns: tuple[str, str], key: int = 1, prefixes: tuple[int | None, ...] = ()
) -> RenderedTable:
    made = tuple(
        Column(
            f"c{place}",
            kind,
            {"enum": "enum('a')", "varchar": "varchar(9)"}.get(kind, kind),
            is_nullable=False,
            charset=charset or None,
        )
        for place, (kind, charset) in enumerate(columns)
    )
    names = tuple(column.name for column in made[:key])
    return render_table(Table("t", made, names, key_prefixes=prefixes))


@pytest.mark.parametrize(
    "text",
    [
        table(("int", ""), key=0),
        table(("enum", "utf8mb4")),
        table(("int", ""), ("enum", "utf8mb4"), key=2),
        table(("double", "")),
        table(("varchar", "greek")),
        table(("varchar", "utf8mb4"), prefixes=(5,)),
    ],
    ids=["no key", "enum", "int and enum", "double", "greek", "prefix"],
)
def test_a_key_that_cannot_be_followed_makes_no_pages(text: RenderedTable) -> None:
    assert not has_pages(text)
    assert where_page(text, Page(Chunk(0))) == b"TRUE"


def test_the_statements(expected: Expected) -> None:
    numbered = table(("bigint", ""), ("varchar", "latin1"), key=2)
    words = table(("varchar", "utf8mb4"), ("varchar", "greek"))
    chunk = Chunk(3, 100, 200)
    statements = [
        select_page(numbered, Page(chunk), 5000),
        select_page(numbered, Page(chunk, (b"120", b"it's\\n")), 5000),
        select_page(words, Page(Chunk(0)), 1),
        select_page(words, Page(Chunk(0), (b"a",)), 20),
        *select_unreadable(words, where_page(words, Page(Chunk(0), (b"a",), (b"b",)))).values(),
    ]
    expected.check("pages.sql", "".join(f"{one.decode()};\n" for one in statements))
