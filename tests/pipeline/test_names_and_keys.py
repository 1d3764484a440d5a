"""Names and keys of every kind, all of them in one practice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from etl_pipeline.demo.servers import Servers
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.pipeline.summary import RunSummary
from etl_pipeline.replicate import chunking
from etl_pipeline.schema.names import postgres_name, quote_mysql, quote_postgres
from etl_pipeline.state.records import TableOutcome
from tests.conftest import Lab, open_lab
from tests.rows import is_mariadb, make_table, read_exactly

Run = Callable[..., RunSummary]

HOSTILE_NAMES = [
    "select", "with space", 'quo"te', "back`tick", "per%cent", "per%%s", "ünïcode_Ω", "a'b", "t{0}",
    "a\\b", "x" * 64, "x" * 63 + "y", "Ω" * 40, "semi;colon", "dash--dash", "new\nline",
]  # fmt: skip


@dataclass(frozen=True)
class Copied:
    """The databases after two runs, and what each run did."""

    lab: Lab
    first: RunSummary
    second: RunSummary

    def outcomes(self, table: str) -> list[TableOutcome]:
        """What either run did with *table*."""
        return [
            outcome
            for summary in (self.first, self.second)
            for outcome in summary.outcomes
            if outcome.table == table
        ]


def copy_twice(lab: Lab) -> Copied:
    first, second = (
        run_once(lab.settings, RunRequest(), listen=lambda event: None) for _ in range(2)
    )
    return Copied(lab, first, second)


@pytest.fixture(scope="module")
def named(servers: Servers) -> Iterator[Copied]:
    with open_lab(servers) as lab:
        for name in HOSTILE_NAMES:
            quoted = quote_mysql(name)
            make_table(
                lab.source,
                f"CREATE TABLE {quoted} (k int, {quoted} varchar(9), "
                f"PRIMARY KEY (k), KEY {quoted} ({quoted})) COMMENT 'a''b\\\\'",
                f"INSERT INTO {quoted} VALUES (1, 'one'), (2, NULL)",
            )
        yield copy_twice(lab)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_names_of_tables_and_columns(named: Copied, name: str) -> None:
    lab = named.lab
    outcomes = named.outcomes(name)
    assert [outcome.error for outcome in outcomes] == [None, None]
    in_raw = name if len(name.encode()) <= 63 else postgres_name(name)
    assert len(in_raw.encode()) <= 63
    columns = lab.analytics.execute(
        "SELECT a.attname FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid "
        "WHERE relnamespace = 'raw'::regnamespace AND c.relname = %s AND attnum > 0",
        (in_raw,),
    ).fetchall()
    assert columns == [("k",), (in_raw,), ("_etl_loaded_at",)]
    said = [note for note in named.second.notes if note.startswith(f"{name}: {name} is called")]
    assert len(said) == (0 if in_raw == name else 2)
    quoted = quote_mysql(name)
    with lab.replication.cursor() as cursor:
        cursor.execute(f"SELECT {quoted} FROM {quoted} ORDER BY k")
        assert cursor.fetchall() == (("one",), (None,))


def test_long_names_that_begin_alike_stay_apart() -> None:
    shortened = {postgres_name(name) for name in HOSTILE_NAMES}
    assert len(shortened) == len(HOSTILE_NAMES)


def test_tables_that_differ_by_case_only(lab: Lab, run: Run) -> None:
    for name in ("Names", "names"):
        make_table(
            lab.source,
            f"CREATE TABLE {name} (k int PRIMARY KEY, c varchar(9))",
            f"INSERT INTO {name} VALUES (1, '{name}')",
        )
    assert run().is_success
    for name in ("Names", "names"):
        assert lab.analytics.execute(f'SELECT c FROM raw."{name}"').fetchall() == [(name,)]


def test_a_column_of_our_own_name_is_refused(lab: Lab, run: Run) -> None:
    make_table(lab.source, "CREATE TABLE t (k int PRIMARY KEY, _etl_loaded_at int)")
    (failed,) = run().failed
    assert "a name that is ours" in (failed.error or "")
    choice = {"t": {"columns": {"_etl_loaded_at": {"exclude": True}}}}
    assert run(tables={"tables": choice}).is_success


def test_a_column_of_postgresqls_own_is_refused(lab: Lab, run: Run) -> None:
    make_table(lab.source, "CREATE TABLE t (k int PRIMARY KEY, ctid int)")
    (failed,) = run().failed
    assert "PostgreSQL's own" in (failed.error or "")


KEYS = [
    ("composite", "a int, b int, PRIMARY KEY (a, b)", "(1, 2), (1, 1), (0, 9), (-5, 0)"),
    (
        "composite, text first",
        "a varchar(9), b int, PRIMARY KEY (a, b)",
        "('x', 1), ('X', 2), ('', 3)",
    ),
    (
        "text, case-insensitive",
        "a varchar(9) COLLATE utf8mb4_general_ci PRIMARY KEY, b int",
        "('b', 1), ('A', 2), ('a b', 3), ('ö', 4), ('Z', 5)",
    ),
    (
        "text, trailing spaces",
        "a varchar(9) COLLATE {nopad} PRIMARY KEY, b int",
        "('a', 1), ('a ', 2), ('a  ', 3)",
    ),
    (
        "number, then text",
        "a int, b varchar(9) COLLATE utf8mb4_general_ci, PRIMARY KEY (a, b)",
        "(1, 'b'), (1, 'A'), (1, '_'), (1, 'ö'), (1, 'Z')",
    ),
    (
        "number, then an enum with its error value",
        "a int, b enum('z', 'a'), PRIMARY KEY (a, b)",
        "(1, 'a'), (1, 'z'), (1, '')",
    ),
    ("binary", "a varbinary(9) PRIMARY KEY, b int", "(x'00', 1), (x'0000', 2), (x'FF5C', 3)"),
    ("negative", "a int PRIMARY KEY, b int", "(-2147483648, 1), (-1, 2), (0, 3), (2147483647, 4)"),
    ("sparse", "a bigint PRIMARY KEY, b int", "(1, 1), (9000000000000000000, 2)"),
    (
        "unsigned",
        "a bigint unsigned PRIMARY KEY, b int",
        "(0, 1), (18446744073709551615, 2), (9223372036854775808, 3)",
    ),
    ("datetime", "a datetime(6) PRIMARY KEY, b int", "('2024-01-01', 1), ('0001-01-01', 2)"),
    ("decimal", "a decimal(20,2) PRIMARY KEY, b int", "(-1.50, 1), (1.25, 2)"),
    ("none", "a int, b int", "(1, 1), (1, 1), (NULL, 2)"),
    ("none, but unique", "a int NOT NULL UNIQUE, b int", "(1, 1), (2, 1)"),
    ("prefix of text", "a text, b int, PRIMARY KEY (a(3))", "('abc1', 1), ('abd', 2)"),
    ("empty table", "a int PRIMARY KEY, b int", ""),
]


@pytest.fixture(scope="module")
def keyed(servers: Servers) -> Iterator[Copied]:
    """A chunk a row."""
    with pytest.MonkeyPatch.context() as patch, open_lab(servers) as lab:
        patch.setattr(chunking, "CHUNK_ROWS", 1)
        nopad = "utf8mb4_nopad_bin" if is_mariadb(lab.source) else "utf8mb4_0900_bin"
        for name, columns, rows in KEYS:
            table, declared = quote_mysql(name), columns.format(nopad=nopad)
            inserts = [f"INSERT IGNORE INTO {table} VALUES {rows}"] if rows else []
            make_table(
                lab.source, f"CREATE TABLE {table} ({declared}) DEFAULT CHARSET=utf8mb4", *inserts
            )
        yield copy_twice(lab)


@pytest.mark.parametrize("name", [key[0] for key in KEYS])
def test_keys(keyed: Copied, name: str) -> None:
    lab = keyed.lab
    outcomes = keyed.outcomes(name)
    assert [outcome.error for outcome in outcomes] == [None, None]
    again = outcomes[1]
    assert (again.inserted, again.updated, again.deleted) == (0, 0, 0)
    rows = read_exactly(lab.source, name)
    assert read_exactly(lab.replication, name) == rows
    count = f"SELECT count(*) FROM {quote_postgres('raw', name)}"
    assert lab.analytics.execute(count.encode()).fetchone() == (len(rows),)
