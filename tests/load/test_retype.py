"""A column that becomes of another type, from each type to each other: nothing is in the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pymysql
import pytest

from etl_pipeline.pipeline.summary import RunSummary, VerifySummary
from etl_pipeline.schema.names import quote_mysql
from etl_pipeline.schema.types import TYPES
from tests.conftest import Lab
from tests.rows import is_mariadb, make_table, read_mysql, read_postgres, run_sql

Run = Callable[..., RunSummary]
Verify = Callable[..., VerifySummary]

UUID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
KINDS: dict[str, tuple[str, str]] = {
    "tinyint": ("1", "-128"),
    "smallint unsigned": ("1", "65535"),
    "int": ("7", "-2147483648"),
    "bigint unsigned": ("1", "18446744073709551615"),
    "decimal(20,4)": ("1.5", "-9999999999999999.9999"),
    "float": ("1", "-2.5e30"),
    "double": ("1", "1.7e308"),
    "bit(1)": ("1", "0"),
    "bit(8)": ("1", "b'10000001'"),
    "bit(64)": ("1", "-1"),
    "date": ("'2024-02-29'", "'0000-00-00'"),
    "datetime(6)": ("'2024-02-29 12:34:56.789'", "'2020-00-00'"),
    "timestamp": ("'2024-02-29 12:34:56'", "NULL"),
    "time": ("'12:34:56'", "'-838:59:59'"),
    "year": ("2024", "0"),
    "char(36)": (f"'{UUID}'", "'1'"),
    "text": ("'1'", "'words'"),
    "enum('1','b')": ("'1'", "'b'"),
    "set('1','b')": ("'1'", "'1,b'"),
    "json": ("'1'", """'{"a": [1.10]}'"""),
    "binary(16)": (f"UNHEX(REPLACE('{UUID}', '-', ''))", "x'00'"),
    "blob": ("'1'", "x'00FF'"),
    "point": ("Point(1, 2)", "Point(-1, 0)"),
    "uuid": (f"'{UUID}'", f"'{UUID}'"),
    "inet4": ("'1.2.3.4'", "'0.0.0.1'"),
    "inet6": ("'::1'", "'::ffff:1.2.3.4'"),
}
MARIADB_ONLY = ("uuid", "inet4", "inet6")


def test_every_type_becomes_every_other(lab: Lab, run: Run, verify: Verify) -> None:
    """A table for each type; its columns, one for each other, become of that: all in one run."""
    kinds = [k for k in KINDS if k not in MARIADB_ONLY or is_mariadb(lab.source)]
    for kind in kinds:
        columns = ", ".join(f"c{i} {kind} NULL" for i, _ in enumerate(kinds))
        rows = ", ".join(f"({k}{f', {v}' * len(kinds)})" for k, v in enumerate(KINDS[kind]))
        nulls = f"(9{', NULL' * len(kinds)})"
        name = quote_mysql(kind)
        create = f"CREATE TABLE {name} (k int PRIMARY KEY, {columns})"
        make_table(lab.source, create, f"INSERT INTO {name} VALUES {rows}, {nulls}")
    assert run().is_success
    done = sum(alter(lab, kind, kinds) for kind in kinds)
    assert done > 0.8 * len(kinds) ** 2, "the source itself makes nearly all of them"
    summary = run()
    assert [(o.table, o.error, o.fix) for o in summary.failed] == []
    assert verify(deep=True).is_success
    assert run().total("updated") == 0
    loaded = {kind: read_raw(lab, kind) for kind in kinds}
    lab.analytics.execute("DROP SCHEMA raw CASCADE; CREATE SCHEMA raw")
    lab.analytics.execute(f"GRANT ALL ON SCHEMA raw TO {lab.env['TEST_POSTGRES_ANALYTICS_USER']}")
    assert run(full=True).is_success
    for kind, found in loaded.items():
        assert found == read_raw(lab, kind), kind


def alter(lab: Lab, kind: str, kinds: list[str]) -> int:
    """Make each column of the table of *kind* of another; how many the source itself let be so."""
    done = 0
    for i, other in enumerate(kinds):
        try:
            run_sql(lab.source, f"ALTER TABLE {quote_mysql(kind)} MODIFY c{i} {other} NULL")
            done += 1
        except pymysql.err.MySQLError:
            pass  # it has no way for the values
    return done


def read_raw(lab: Lab, table: str) -> Any:
    """The table's rows as PostgreSQL prints them, by name and type of their columns."""
    columns = lab.analytics.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attnum > 0 "
        "AND attrelid = format('raw.%%I', %s::text)::regclass AND NOT attisdropped "
        "AND attname <> '_etl_loaded_at' ORDER BY attname",
        (table,),
    ).fetchall()
    names = ", ".join(f"{name}::text" for name, _ in columns)
    return columns, lab.analytics.execute(
        f'SELECT {names} FROM raw."{table}" ORDER BY k'.encode()
    ).fetchall()


def test_every_type_of_the_table_of_types_is_tried() -> None:
    tried = {kind.split("(")[0].split()[0] for kind in KINDS}
    assert {TYPES[name].postgres for name in tried} == {rule.postgres for rule in TYPES.values()}


MARKED = {"tables": {"t": {"deletes": "mark"}}}


@pytest.mark.parametrize(
    ("before", "value", "after", "kept"),
    [
        ("bit(1)", "1", "tinyint", "1"),
        ("bit(3)", "5", "bit(8)", "00000101"),
        ("bit(64)", "-1", "bigint unsigned", "18446744073709551615"),
        ("tinyint", "1", "bit(1)", "1"),
        ("bigint", "5", "bit(4)", "0101"),
        ("datetime", "'2024-02-29 12:34:56'", "time", "12:34:56"),
        ("varchar(20)", r"'a\\b'", "blob", r"\x615c62"),
        ("blob", "'words'", "text", "words"),
        ("binary(16)", f"UNHEX(REPLACE('{UUID}', '-', ''))", "uuid", UUID),
        ("uuid", f"'{UUID}'", "binary(16)", "\\x" + UUID.replace("-", "")),
        ("json", "'1'", "int", "1"),
    ],
)
def test_what_only_raw_has_is_cast_where_there_is_a_way(
    lab: Lab, run: Run, before: str, value: str, after: str, kept: str
) -> None:
    if "uuid" in (before, after) and not is_mariadb(lab.source):
        pytest.skip("MySQL has no UUID")
    make_table(
        lab.source,
        f"CREATE TABLE t (k int PRIMARY KEY, c {before}, other int)",
        f"INSERT INTO t VALUES (1, {value}, 1), (2, {value}, 2)",
    )
    assert run(tables=MARKED).is_success
    run_sql(lab.source, "DELETE FROM t WHERE k = 2", f"ALTER TABLE t MODIFY c {after}")
    summary = run(tables=MARKED)
    assert [(o.error, o.fix) for o in summary.failed] == []
    rows = lab.analytics.execute(
        "SELECT k, c::text, other, _etl_deleted_at IS NULL FROM raw.t ORDER BY k"
    ).fetchall()
    assert rows[1] == (2, kept, 2, False)
    assert (rows[0][0], rows[0][3]) == (1, True)


@pytest.mark.parametrize(
    ("before", "value", "after", "other", "state"),
    [
        ("time", "'12:34:56'", "datetime", "'2024-02-29'", "42846"),
        ("varchar(20)", "'n/a'", "int", "3", "22P02"),
        ("int", "300", "bit(4)", "1", "22P02"),
        ("bit(8)", "255", "bit(4)", "1", "22P02"),
    ],
)
def test_what_only_raw_has_is_lost_by_nobodys_silence(
    lab: Lab, run: Run, before: str, value: str, after: str, other: str, state: str
) -> None:
    make_table(
        lab.source,
        f"CREATE TABLE t (k int PRIMARY KEY, c {before}, other int)",
        f"INSERT INTO t VALUES (1, {value}, 1), (2, {value}, 2), (3, {value}, 3)",
    )
    assert run(tables=MARKED).is_success
    run_sql(
        lab.source,
        "DELETE FROM t WHERE k = 2",
        "ALTER TABLE t DROP c",
        f"ALTER TABLE t ADD c {after}",
        f"UPDATE t SET c = {other} WHERE k = 1",
    )
    before_it = lab.analytics.execute("SELECT * FROM raw.t ORDER BY k").fetchall()
    (failed,) = run(tables=MARKED).failed
    assert (failed.error or "").startswith("rows that are marked as deleted hold what does not fit")
    assert (failed.error or "").endswith(f"({state})")
    assert failed.fix == "etl run t --accept-drift (what only raw has of it is lost)"
    held = lab.analytics.execute("SELECT * FROM raw.t ORDER BY k").fetchall()
    assert [row[:3] for row in held] == [row[:3] for row in before_it]
    assert run(["t"], tables=MARKED, accept_drift=True).is_success
    rows = lab.analytics.execute(
        "SELECT k, c IS NULL, other, _etl_deleted_at IS NULL FROM raw.t ORDER BY k"
    ).fetchall()
    assert rows == [(1, False, 1, True), (2, True, 2, False), (3, True, 3, True)]


def test_a_column_that_the_source_dropped_keeps_its_values(lab: Lab, run: Run) -> None:
    make_table(
        lab.source,
        "CREATE TABLE t (k int PRIMARY KEY, c time, old varchar(9), other int)",
        "INSERT INTO t VALUES (1, '12:34', 'a', 1), (2, '12:34', 'b', 2)",
    )
    assert run().is_success
    run_sql(
        lab.source,
        "ALTER TABLE t DROP old, MODIFY c datetime, ADD new int",
        "UPDATE t SET new = k, c = '2024-02-29', other = 3 - k + (k = 1)",
        "UPDATE t SET other = 2 WHERE k = 2",
    )
    assert run().total("updated") == 2
    rows = lab.analytics.execute("SELECT k, c::text, old, other, new FROM raw.t ORDER BY k")
    assert rows.fetchall() == [
        (1, "2024-02-29 00:00:00", None, 3, 1),  # it became another row
        (2, "2024-02-29 00:00:00", "b", 2, 2),
    ]


@pytest.mark.parametrize("marks", [False, True])
def test_a_key_that_cannot_be_cast_is_loaded_anew(lab: Lab, run: Run, *, marks: bool) -> None:
    tables = MARKED if marks else None
    make_table(
        lab.source,
        "CREATE TABLE t (a int, c time, other int, PRIMARY KEY (a, c))",
        "INSERT INTO t VALUES (1, '12:34', 1), (2, '12:34', 2), (3, '1:00', 3)",
    )
    assert run(tables=tables).is_success
    run_sql(lab.source, "DELETE FROM t WHERE a = 3", "ALTER TABLE t MODIFY c datetime")
    if marks:
        (failed,) = run(tables=tables).failed
        assert failed.error == (
            "old values do not fit, and the key changed, too: "
            "c interval → timestamp without time zone (42846)"
        )
        assert lab.analytics.execute("SELECT count(*) FROM raw.t").fetchone() == (3,)
    summary = run(["t"], tables=tables, accept_drift=marks)
    assert [(o.error, o.fix) for o in summary.failed] == []
    rows = lab.analytics.execute("SELECT a, c::time::text, other FROM raw.t ORDER BY a").fetchall()
    assert rows == [(1, "12:34:00", 1), (2, "12:34:00", 2)]


def test_a_table_without_a_key_follows_too(lab: Lab, run: Run) -> None:
    make_table(
        lab.source,
        "CREATE TABLE t (c time, d bit(1))",
        "INSERT INTO t VALUES ('12:34', 1), ('12:34', 1), (NULL, 0)",
    )
    assert run().is_success
    run_sql(lab.source, "ALTER TABLE t MODIFY c datetime, MODIFY d tinyint")
    summary = run()
    assert [(o.error, o.fix) for o in summary.failed] == []
    assert read_postgres(lab.analytics, "t") == read_mysql(lab.source, "t")
