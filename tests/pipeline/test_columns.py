"""Columns as they are declared and as ``tables.yml`` chooses: carried, left out, or refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from etl_pipeline.pipeline.summary import RunSummary, VerifySummary
from etl_pipeline.schema import types
from tests.conftest import Lab
from tests.pipeline.test_types import ALL_BYTES
from tests.rows import is_mariadb, make_table, numbers, read_exactly, run_sql

Run = Callable[..., RunSummary]


def test_generated_and_invisible_columns_bring_their_values(lab: Lab, run: Run) -> None:
    hidden = "h int INVISIBLE DEFAULT 7" if is_mariadb(lab.source) else "h int DEFAULT 7 INVISIBLE"
    make_table(
        lab.source,
        "CREATE TABLE t (k int PRIMARY KEY, a int, v int GENERATED ALWAYS AS (a * 2) VIRTUAL, "
        f"s int GENERATED ALWAYS AS (a + 1) STORED, {hidden}, KEY (v))",
        "INSERT INTO t (k, a) VALUES (1, 10), (2, NULL)",
    )
    assert run().is_success
    rows = lab.analytics.execute("SELECT k, a, v, s, h FROM raw.t ORDER BY k").fetchall()
    assert rows == [(1, 10, 20, 11, 7), (2, None, None, None, 7)]


def test_json_keeps_its_spelling(lab: Lab, run: Run) -> None:
    if not (is_mariadb(lab.source) and is_mariadb(lab.replication)):
        pytest.skip("MySQL normalises JSON itself")
    value = '{"b": 1,  "a": [1.0, null], "a": "\\u00e9\\n"}'
    make_table(lab.source, "CREATE TABLE t (k int PRIMARY KEY, c json)")
    with lab.source.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES (1, %s)", (value,))
    assert run().is_success
    assert lab.analytics.execute("SELECT c::text FROM raw.t").fetchall() == [(value,)]


def test_a_boolean_only_where_it_is_asked_for(lab: Lab, run: Run) -> None:
    make_table(
        lab.source,
        "CREATE TABLE t (k int PRIMARY KEY, flag tinyint NOT NULL, b bit(1), j json)",
        "INSERT INTO t VALUES (1, 1, b'0', '{\"b\": 1, \"a\": 2}'), (2, 0, b'1', NULL)",
    )
    columns = {"flag": {"type": "boolean"}, "b": {"type": "boolean"}, "j": {"type": "jsonb"}}
    assert run(tables={"tables": {"t": {"columns": columns}}}).is_success
    rows = lab.analytics.execute("SELECT k, flag, b, j::text FROM raw.t ORDER BY k").fetchall()
    assert rows == [(1, True, False, '{"a": 2, "b": 1}'), (2, False, True, None)]


@pytest.mark.parametrize("loaded_before", [False, True])
def test_a_value_the_override_cannot_hold_stops_the_table_with_key_and_column(
    lab: Lab, run: Run, loaded_before: bool
) -> None:
    make_table(
        lab.source,
        "CREATE TABLE t (k int, j int, flag tinyint NOT NULL, PRIMARY KEY (k, j))",
        "INSERT INTO t VALUES (1, 1, 1), (7, 3, 0)",
    )
    tables = {"tables": {"t": {"columns": {"flag": {"type": "boolean"}}}}}
    if loaded_before:
        assert run(tables=tables).is_success
    with lab.source.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES (7, 4, 2)")
    (failed,) = run(tables=tables).failed
    assert failed.error == "column flag cannot hold its value as boolean, in the row of key 7, 4"
    assert "tables.yml" in (failed.fix or "")
    if loaded_before:
        assert lab.analytics.execute("SELECT count(*) FROM raw.t").fetchone() == (2,)
    else:
        assert lab.analytics.execute("SELECT to_regclass('raw.t')").fetchone() == (None,)


REFUSED = [
    ("jsonb", "json", r"""'{"a": "\\u0000"}'"""),
    ("json", "text", "'{'"),
    ("uuid", "char(36)", "'6ba7b810-9dad-11d1-80b4-00c04fd430cx'"),
    ("inet", "varchar(40)", "'10.0.0.256'"),
    ("smallint", "int", "40000"),
    ("integer", "varchar(9)", "'1x'"),
    ("bigint", "bigint unsigned", "18446744073709551615"),
    ("numeric", "varchar(9)", "'ten'"),
    ("boolean", "tinyint", "-1"),
]


def test_no_value_is_bent_to_fit_its_type(lab: Lab, run: Run) -> None:
    tables: dict[str, Any] = {}
    for chosen, declared, value in REFUSED:
        make_table(
            lab.source,
            f"CREATE TABLE `of_{chosen}` (k int PRIMARY KEY, c {declared} NULL)",
            f"INSERT INTO `of_{chosen}` VALUES (4, NULL), (5, {value})",
        )
        tables[f"of_{chosen}"] = {"columns": {"c": {"type": chosen}}}
    failed = {outcome.table: outcome.error for outcome in run(tables={"tables": tables}).failed}
    assert failed == {
        f"of_{chosen}": f"column c cannot hold its value as {chosen}, in the row of key 5"
        for chosen, _, _ in REFUSED
    }
    shown = lab.analytics.execute("SELECT relname FROM pg_class WHERE relname LIKE 'of_%'")
    assert shown.fetchall() == []


def test_a_date_of_no_calendar_is_replicated_and_refused_by_key(lab: Lab, run: Run) -> None:
    make_table(lab.source, "CREATE TABLE t (k int PRIMARY KEY, d date)")
    run_sql(
        lab.source,
        "SET SESSION sql_mode = 'ALLOW_INVALID_DATES'",
        "INSERT INTO t VALUES (1, '2024-02-29'), (2, '2023-02-31')",
    )
    (failed,) = run().failed
    assert failed.error == "column d cannot hold its value as date, in the row of key 2"
    assert read_exactly(lab.replication, "t") == read_exactly(lab.source, "t")


def test_a_type_that_is_not_in_the_table_is_carried_where_it_is_asked_for(
    lab: Lab, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlisted = ("enum", "point")
    known = {name: rule for name, rule in types.TYPES.items() if name not in unlisted}
    monkeypatch.setattr(types, "TYPES", known)
    make_table(
        lab.source,
        "CREATE TABLE t "
        "(k int PRIMARY KEY, word enum('a', 'tab\\t') CHARACTER SET utf8mb4, p point)",
        "INSERT INTO t VALUES (1, 'tab\\t', ST_GeomFromText('POINT(1 2)')), (2, NULL, NULL)",
    )
    (failed,) = run().failed
    assert "type enum('a','tab" in (failed.error or "")
    columns = {"word": {"type": "text"}, "p": {"type": "bytea"}}
    for _ in range(2):
        summary = run(tables={"tables": {"t": {"columns": columns}}})
        assert summary.is_success, summary.failed
    assert summary.total("updated") == 0
    assert read_exactly(lab.replication, "t") == read_exactly(lab.source, "t")
    rows = lab.analytics.execute("SELECT word, encode(p, 'hex') FROM raw.t ORDER BY k").fetchall()
    assert rows == [
        ("tab\t", "00000000" + "0101000000000000000000f03f0000000000000040"),
        (None, None),
    ]


def test_a_refused_value_early_in_a_large_chunk_is_located_too(lab: Lab, run: Run) -> None:
    make_table(
        lab.source,
        "CREATE TABLE t (k int PRIMARY KEY, flag tinyint NOT NULL, c varchar(40))",
        "INSERT INTO t SELECT seq, IF(seq = 20003, 3, seq % 2), left(sha2(seq, 256), 32) "
        f"FROM {numbers(120_000)}",
    )
    (failed,) = run(tables={"tables": {"t": {"columns": {"flag": {"type": "boolean"}}}}}).failed
    assert (failed.error or "").endswith("in the row of key 20003")


def test_an_excluded_column_goes_nowhere(lab: Lab, run: Run) -> None:
    make_table(
        lab.source,
        "CREATE TABLE t (k int PRIMARY KEY, secret varchar(20), other int, KEY (secret, other))",
        "INSERT INTO t VALUES (1, 'hush', 2)",
    )
    assert run(tables={"tables": {"t": {"columns": {"secret": {"exclude": True}}}}}).is_success
    with lab.replication.cursor() as cursor:
        cursor.execute("SELECT * FROM t")
        assert cursor.fetchall() == ((1, 2),)
    assert lab.analytics.execute("SELECT k, other FROM raw.t").fetchall() == [(1, 2)]


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"sekret": {"exclude": True}}, "did you mean secret?"),
        ({"k": {"exclude": True}}, "primary key cannot be excluded"),
        ({"bytes": {"type": "text"}}, "a binary column cannot be carried as text"),
    ],
)
def test_choices_that_cannot_be_followed_are_refused(
    lab: Lab, run: Run, columns: dict[str, dict[str, object]], what: str
) -> None:
    make_table(
        lab.source, "CREATE TABLE t (k int PRIMARY KEY, secret varchar(20), bytes varbinary(9))"
    )
    (failed,) = run(tables={"tables": {"t": {"columns": columns}}}).failed
    assert what in f"{failed.error} {failed.fix}"


@pytest.mark.parametrize(
    ("charset", "byte"), [("cp1250", "81"), ("cp1251", "98"), ("tis620", "DB")]
)
def test_bytes_without_a_character_are_refused_not_altered(
    lab: Lab, run: Run, charset: str, byte: str
) -> None:
    make_table(
        lab.source,
        f"CREATE TABLE t (k int PRIMARY KEY, c varchar(9) CHARACTER SET {charset})",
        "INSERT INTO t VALUES (1, 'a'), (2, NULL), (3, '')",
    )
    assert run().is_success
    with lab.source.cursor() as cursor:
        cursor.execute(f"INSERT INTO t VALUES (4, _{charset} x'41{byte}')")
    (failed,) = run().failed
    assert f"1 value holds bytes that {charset} has no character for" in (failed.error or "")
    assert lab.analytics.execute("SELECT count(*) FROM raw.t").fetchone() == (3,)


def test_rows_arrive_by_insert_where_local_infile_is_off(lab: Lab, run: Run) -> None:
    make_table(lab.source, "CREATE TABLE u (k int PRIMARY KEY)", "INSERT INTO u VALUES (1)")
    make_table(
        lab.source,
        "CREATE TABLE t (k int PRIMARY KEY, c text, b varbinary(300), f bit(5), d double)",
        f"INSERT INTO t VALUES (1, 'it''s\\t\\\\N\\n\\0', x'{ALL_BYTES}', b'101', 0.1), "
        "(2, NULL, NULL, NULL, NULL), (3, '\\\\N', '', b'0', -1e-300)",
    )
    with lab.replication.cursor() as cursor:
        cursor.execute("SELECT @@global.local_infile")
        (before,) = cursor.fetchone()
        cursor.execute("SET GLOBAL local_infile = 0")
        try:
            summary = run()
        finally:
            cursor.execute("SET GLOBAL local_infile = %s", (before,))
    assert summary.is_success, summary.failed
    (said,) = [note for note in summary.notes if "local_infile is off" in note]
    assert said.endswith("SET GLOBAL local_infile = 1 there changes it")
    assert [outcome.notes for outcome in summary.outcomes] == [[], []]
    assert read_exactly(lab.replication, "t") == read_exactly(lab.source, "t")


def test_a_key_of_text_is_no_part_of_an_error_or_a_record(
    lab: Lab, run: Callable[..., RunSummary], verify: Callable[..., VerifySummary]
) -> None:
    """It may be a patient's name; whoever asks for values sees it."""
    make_table(
        lab.source,
        "CREATE TABLE people (Name varchar(40), Visit int, Flag int, PRIMARY KEY (Name, Visit))",
        "INSERT INTO people VALUES ('Smith, Ann', 4, 1)",
    )
    choice = {"tables": {"people": {"columns": {"Flag": {"type": "boolean"}}}}}
    assert run(tables=choice).is_success
    run_sql(lab.source, "UPDATE people SET Flag = 7")
    (failed,) = run(tables=choice).failed
    assert (failed.error or "").endswith("in the row of key …, 4")
    run_sql(lab.source, "UPDATE people SET Flag = 1")
    run_sql(lab.replication, "UPDATE people SET Flag = 0")

    def keys(**scope: bool) -> list[str]:
        results = verify(tables=choice, **scope).results
        return [key for one in results for d in one.discrepancies for key in d.keys]

    assert keys()[0] == "…, 4"
    assert keys(show_values=True)[0] == "Smith, Ann, 4"
    keys(show_values=True, repair=True)
    rows = lab.analytics.execute("SELECT concat(error, notes) FROM etl.table_run").fetchall()
    assert len(rows) >= 3
    assert not [words for (words,) in rows if "Smith" in words]
