"""The statements that make the targets, read whole."""

from __future__ import annotations

import pytest

from etl_pipeline.config.tables_file import ColumnConfig
from etl_pipeline.errors import SchemaError
from etl_pipeline.load.sql import (
    apply_differences,
    create_gone,
    digest_raw,
    own_rows,
    replace_rows,
)
from etl_pipeline.schema.catalog import Column, Index, IndexPart, Table
from etl_pipeline.schema.ddl import (
    create_incoming,
    create_raw,
    create_replica,
    replica_comment,
)
from etl_pipeline.schema.names import (
    incoming_name,
    is_ours,
    quote_mysql,
    quote_postgres,
    replaced_name,
)
from etl_pipeline.transfer.chunk import Chunk, tile
from etl_pipeline.transfer.copy import copy_statement
from etl_pipeline.transfer.load_data import load_statement
from etl_pipeline.transfer.select import render_table, select_bound, select_chunk, select_next_key
from etl_pipeline.verify.compare_sql import (
    compare_chunk,
    compare_keys,
    count_differing,
    create_compared,
)
from tests.expected import Expected

COLLATION = "utf8mb3_general_ci"


def text(name: str, declared: str, comment: str = "", *, nullable: bool = False) -> Column:
    return Column(name, declared.split("(")[0], declared, nullable, "utf8mb3", COLLATION, comment)


ADJUSTMENT = Table(
    "adjustment",
    (
        Column("AdjNum", "bigint", "bigint(20)", is_nullable=False),
        Column("AdjDate", "date", "date", is_nullable=False),
        Column("AdjAmt", "double", "double", is_nullable=False, comment="positive: a charge"),
        Column("Rate", "float", "float", is_nullable=True),
        text("AdjNote", "text", "it's free text \\ no limit", nullable=True),
        text('Weird `%"name', "varchar(10)"),
        Column("SecDateTEdit", "timestamp", "timestamp", is_nullable=False),
        Column("Units", "int", "int(10) unsigned", is_nullable=False),
        Column("Length", "time", "time", is_nullable=False),
        Column("Price", "decimal", "decimal(10,2)", is_nullable=False),
        Column("Big", "bigint", "bigint(20) unsigned", is_nullable=False),
    ),
    ("AdjNum",),
    (
        Index("indexPatNum", (IndexPart("Units"),)),
        Index("note", (IndexPart("AdjNote", 20), IndexPart("AdjDate")), is_unique=True),
        Index("words", (IndexPart("AdjNote"),), kind="FULLTEXT"),
    ),
    comment="What was charged or forgiven",
)
KEYLESS = Table("copy_of_adjustment", ADJUSTMENT.columns[:3])
LINK = Table("link", (ADJUSTMENT.columns[0], ADJUSTMENT.columns[7]), ("AdjNum", "Units"))
ALL = (ADJUSTMENT, KEYLESS, LINK)


@pytest.mark.parametrize("table", ALL, ids=lambda t: t.name)
def test_statements_of_the_replica(table: Table, expected: Expected) -> None:
    ddl = create_replica(table, name=incoming_name(table.name), collations={COLLATION})
    carried = render_table(table)
    parts = [
        ddl.create,
        *ddl.indexes,
        load_statement(incoming_name(table.name), carried),
        select_chunk(carried, Chunk(0)),
        select_chunk(carried, Chunk(1, -5, 70)),
        select_bound(carried, 70, 1000) if carried.is_ordered else "-- one chunk",
        select_next_key(carried, 70) if carried.is_ordered else "-- one chunk",
    ]
    assert ddl.mapped == ()
    expected.check(f"replica_{table.name}.sql", ";\n\n".join(parts) + ";\n")


@pytest.mark.parametrize("table", ALL, ids=lambda t: t.name)
def test_statements_of_raw(table: Table, expected: Expected) -> None:
    carried = render_table(table)
    target = quote_postgres("raw", table.name)
    chunks = tile([10, 20]) if carried.is_ordered else [Chunk(0)]
    rows = own_rows(target, is_partitioned=False)
    changes: tuple[str, ...] = replace_rows(target, carried, rows=rows)
    if table.primary_key:
        apply = apply_differences(target, carried, chunks[1:], rows=rows, has_marks=False)
        changes = (create_gone(carried), *apply)
    ddl = create_raw("raw", table, carried.columns)
    parts = [
        ddl.create,
        copy_statement(target, carried.column_names),
        ddl.key or "-- no key",
        *ddl.comments,
        create_incoming("_etl_incoming", carried.columns),
        *changes,
        digest_raw(rows, carried, chunks[-1:], chunks),
        *create_compared(carried),
        *(
            [compare_chunk(rows, carried, Chunk(1, 10, 20)), compare_keys(rows, carried)]
            if table.primary_key
            else [count_differing(rows, carried)]
        ),
    ]
    expected.check(f"raw_{table.name}.sql", ";\n\n".join(parts) + ";\n")


def test_a_collation_the_replica_does_not_know_is_mapped_and_said() -> None:
    ddl = create_replica(ADJUSTMENT, name="x", collations={"utf8mb4_bin", "utf8mb3_bin"})
    assert "`AdjNote` text CHARACTER SET utf8mb3 COLLATE utf8mb3_bin NULL" in ddl.create
    assert len(ddl.mapped) == 2
    assert ddl.mapped[0] == (
        "adjustment.AdjNote: collation utf8mb3_general_ci is unknown to the replication server; "
        "utf8mb3_bin is used"
    )


@pytest.mark.parametrize(
    ("charset", "collation", "known", "used", "is_said"),
    [
        ("utf8mb4", "utf8mb4_0900_ai_ci", "utf8mb4_bin utf8mb4_nopad_bin", "nopad_bin", True),
        ("utf8mb4", "utf8mb4_uca1400_ai_ci", "utf8mb4_bin utf8mb4_0900_bin", "0900_bin", True),
        ("gb18030", "gb18030_chinese_ci", "utf8mb4_nopad_bin", "nopad_bin", True),
        ("utf8", "utf8_general_ci", "utf8mb3_general_ci", "utf8mb3_general_ci", False),
    ],
)
def test_the_finest_collation_stands_in(
    charset: str, collation: str, known: str, used: str, is_said: bool
) -> None:
    column = Column("c", "varchar", "varchar(9)", False, charset, collation)
    ddl = create_replica(Table("t", (column,)), name="x", collations=set(known.split()))
    assert f"{used} NOT NULL" in ddl.create
    assert bool(ddl.mapped) is is_said


@pytest.mark.parametrize("comment", ["", "people", "x" * 2048])
def test_the_comment_of_a_replica_says_whose_it_is(comment: str) -> None:
    said = replica_comment(Table("t", (), comment=comment))
    assert said.endswith("[made by etl_pipeline]")
    assert said.startswith((comment[:2000] or "[").rstrip())
    assert len(said) <= 2048  # of MySQL


def test_text_in_a_key_has_an_order_of_its_own_on_each_server() -> None:
    number = Column("k", "int", "int", is_nullable=False)
    for second, is_ordered in ((text("c", "enum('b','a')"), False), (number, True)):
        table = Table("t", (number, second), ("k", second.name))
        assert render_table(table).is_ordered is is_ordered


def test_an_unknown_type_is_refused_by_name() -> None:
    table = Table("t", (Column("meaning", "xmltype", "xmltype", is_nullable=True),))
    with pytest.raises(SchemaError) as caught:
        render_table(table)
    assert caught.value.where == "t.meaning"
    assert "xmltype" in caught.value.what
    assert "exclude: true" in (caught.value.fix or "")
    for words, choice in (("{type: text}", "text"), ("{type: bytea}", "bytea")):
        assert words in (caught.value.fix or "")
        (carried,) = render_table(table, {"meaning": ColumnConfig(type=choice)}).columns  # type: ignore[arg-type]
        assert carried.postgres_type == choice
    for choice in ("integer", "json"):
        with pytest.raises(SchemaError, match="not supported"):
            render_table(table, {"meaning": ColumnConfig(type=choice)})  # type: ignore[arg-type]


def test_bytea_is_for_bytes() -> None:
    words = Table("t", (text("c", "varchar(9)"),))
    with pytest.raises(SchemaError, match="only bytes are carried as bytea"):
        render_table(words, {"c": ColumnConfig(type="bytea")})
    blob = Table("t", (Column("c", "blob", "blob", is_nullable=True),))
    assert render_table(blob, {"c": ColumnConfig(type="bytea")}) == render_table(blob)


@pytest.mark.parametrize("length", [1, 50, 51, 64])
def test_names_of_temporary_tables_fit_and_differ(length: int) -> None:
    name = "x" * length
    for make in (incoming_name, replaced_name):
        assert len(make(name)) <= 64
        assert is_ours(make(name))
        assert make(name) != make(name[:-1] + "y")


def test_quotes_inside_names_are_doubled() -> None:
    assert quote_mysql("a`b", "c") == "`a``b`.`c`"
    assert quote_postgres('a"b', "c%") == '"a""b"."c%"'
