"""What Oracle's MySQL has and MariaDB has not; `make test-mysql` runs it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from etl_pipeline.pipeline.session import open_session
from etl_pipeline.pipeline.summary import RunSummary
from tests.conftest import Lab
from tests.rows import (
    is_mariadb,
    make_table,
    numbers,
    read_exactly,
    read_mysql,
    read_postgres,
    run_sql,
)

Run = Callable[..., RunSummary]


@pytest.fixture(autouse=True)
def _mysql(lab: Lab) -> None:
    if is_mariadb(lab.source) or is_mariadb(lab.replication):
        pytest.skip("needs Oracle's MySQL on both sides: make test-mysql")


@contextlib.contextmanager
def setting(connection: Any, name: str, value: str) -> Iterator[None]:
    """A global variable of the server, for the sessions that begin meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT @@global.{name}")
        (before,) = cursor.fetchone()
    run_sql(connection, f"SET GLOBAL {name} = {value}")
    try:
        yield
    finally:
        run_sql(connection, f"SET GLOBAL {name} = {before}")


def copy_twice(lab: Lab, run: Run, *tables: str) -> RunSummary:
    """Run twice and return what the first run did; the copy is equal, the second run idle."""
    first, second = run(), run()
    assert first.is_success, [o.error for o in first.failed]
    assert second.is_success, [o.error for o in second.failed]
    assert sum(second.total(word) for word in ("inserted", "updated", "deleted")) == 0
    for table in tables or ("t",):
        assert read_exactly(lab.replication, table) == read_exactly(lab.source, table)
    return first


def test_negative_zero_arrives_bit_for_bit(lab: Lab, run: Run) -> None:
    make_table(
        lab.source,
        "CREATE TABLE t (k int PRIMARY KEY, d double, f float, m double(10,2))",
        "INSERT INTO t VALUES (1, -0e0, -0e0, -0e0), (2, 0, 0, 0), (3, NULL, NULL, NULL)",
    )
    copy_twice(lab, run)
    rows = lab.analytics.execute("SELECT d::text, f::text, m::text FROM raw.t ORDER BY k")
    # MySQL rounds to the two decimals itself, and stores 0.
    assert rows.fetchall() == [("-0", "-0", "0"), ("0", "0", "0"), (None, None, None)]
    assert read_postgres(lab.analytics, "t") == read_mysql(lab.source, "t")
    run_sql(lab.source, "UPDATE t SET d = 0 WHERE k = 1", "UPDATE t SET f = -0e0 WHERE k = 2")
    assert run().total("updated") == 2
    rows = lab.analytics.execute("SELECT d::text, f::text FROM raw.t WHERE k < 3 ORDER BY k")
    assert rows.fetchall() == [("0", "-0"), ("0", "-0")]


def test_geometry_keeps_its_bytes_and_replication_its_reference_system(lab: Lab, run: Run) -> None:
    # In EPSG 4326 the text is latitude, longitude; what is stored is longitude first.
    make_table(
        lab.source,
        "CREATE TABLE t (k int PRIMARY KEY, p point NOT NULL SRID 4326, g geometry, "
        "SPATIAL KEY (p))",
        "INSERT INTO t VALUES (1, ST_GeomFromText('POINT(52 13)', 4326), "
        "ST_GeomFromText('POLYGON((0 0,0 1,1 1,0 0))')), "
        "(2, ST_GeomFromText('POINT(-33 151)', 4326), "
        "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 2), LINESTRING(0 0,1 1))', 3857))",
    )
    copy_twice(lab, run)
    with lab.replication.cursor() as cursor:
        cursor.execute("SELECT ST_SRID(p), ST_SRID(g), ST_Latitude(p) FROM t ORDER BY k")
        assert cursor.fetchall() == ((4326, 0, 52.0), (4326, 3857, -33.0))
    (wkb,) = lab.analytics.execute("SELECT encode(p, 'hex') FROM raw.t WHERE k = 1").fetchone() or (
        None,
    )
    assert wkb == "0101000000" + "0000000000002a40" + "0000000000004a40"


def test_indexes_over_expressions_are_left_out(lab: Lab, run: Run) -> None:
    make_table(
        lab.source,
        "CREATE TABLE t (k int PRIMARY KEY, c varchar(20), j json, KEY plain (c DESC), "
        "KEY lowered ((lower(c))), KEY mixed (c, (k * 2)), KEY hidden (c, k) INVISIBLE, "
        "KEY many ((CAST(j->'$' AS unsigned ARRAY))))",
        "INSERT INTO t VALUES (1, 'A', '[1, 2]'), (2, 'b', NULL)",
    )
    copy_twice(lab, run)
    with lab.replication.cursor() as cursor:
        cursor.execute("SHOW INDEX FROM t")
        assert {row[2] for row in cursor.fetchall()} == {"PRIMARY", "plain", "hidden"}


@pytest.mark.parametrize("at_replication", [False, True])
def test_generated_invisible_keys(lab: Lab, run: Run, at_replication: bool) -> None:
    server = lab.replication if at_replication else lab.source
    name = "sql_generate_invisible_primary_key"
    if at_replication:
        make_table(lab.source, "CREATE TABLE t (a int)", "INSERT INTO t VALUES (1), (1), (NULL)")
        with setting(server, name, "1"):
            assert run().is_success
    else:
        run_sql(lab.source, f"SET SESSION {name} = 1")
        make_table(lab.source, "CREATE TABLE t (a int)", "INSERT INTO t VALUES (1), (1), (NULL)")
        copy_twice(lab, run)
        key = lab.analytics.execute("SELECT my_row_id FROM raw.t ORDER BY 1").fetchall()
        assert key == [(1,), (2,), (3,)]
    rows = lab.analytics.execute("SELECT a FROM raw.t ORDER BY a").fetchall()
    assert rows == [(1,), (1,), (None,)]


def test_a_server_that_wants_a_key_is_named(lab: Lab, run: Run) -> None:
    make_table(lab.source, "CREATE TABLE keyless (a int)", "CREATE TABLE t (k int PRIMARY KEY)")
    with setting(lab.replication, "sql_require_primary_key", "1"):
        summary = run()
    (failed,) = summary.failed
    assert failed.table == "keyless"
    assert "no table without a primary key" in (failed.error or "")
    assert "sql_require_primary_key" in (failed.fix or "")


def test_collations_that_do_not_pad(lab: Lab, run: Run) -> None:
    make_table(
        lab.source,
        "CREATE TABLE t (a int, c varchar(9) COLLATE utf8mb4_0900_ai_ci, "
        "d varchar(9) COLLATE utf8mb4_0900_as_cs NOT NULL UNIQUE, "
        "e varchar(9) CHARACTER SET gb18030, PRIMARY KEY (a, c))",
        "INSERT INTO t VALUES (1, 'a', 'x', '中'), (1, 'a ', 'X', '🦷'), (1, 'ö ', 'x ', ''), "
        "(1, 'B', 'é', NULL)",
    )
    (outcome,) = copy_twice(lab, run).outcomes
    assert "collation" not in " ".join(outcome.notes)
    assert read_postgres(lab.analytics, "t") == read_mysql(lab.source, "t")


def test_json_of_every_kind(lab: Lab, run: Run) -> None:
    make_table(
        lab.source,
        "CREATE TABLE t (k int PRIMARY KEY, j json)",
        r"""INSERT INTO t VALUES
        (1, '{"b": 1, "a": "tab\\t \\"q\\" \\\\ \\u00e9 🦷"}'), (2, '[1.0, -0.0, 1e100, null]'),
        (3, CAST(CAST('2024-01-01 10:00:00.5' AS datetime(6)) AS json)), (4, '"\'"'),
        (5, CAST(18446744073709551615 AS json)), (6, JSON_ARRAY(1.10, true, CAST('x' AS binary))),
        (7, NULL), (8, 'null'), (9, CONCAT('"', REPEAT('x', 300000), '"'))""",
    )
    copy_twice(lab, run)
    with lab.source.cursor() as cursor:
        cursor.execute("SELECT k, j FROM t ORDER BY k")
        expected = list(cursor.fetchall())
    rows = lab.analytics.execute("SELECT k, j::text FROM raw.t ORDER BY k").fetchall()
    assert rows == expected
    assert rows[5] == (6, '[1.10, true, "base64:type15:eA=="]')


def test_the_size_of_a_table_is_todays(lab: Lab) -> None:
    # Cut by the size that it had when it was empty, a large table would come in tiny chunks.
    make_table(lab.source, "CREATE TABLE t (k int PRIMARY KEY, c char(200))")
    with lab.source.cursor() as cursor:  # somebody's question: MySQL keeps the answer for a day
        cursor.execute(
            "SELECT table_rows, data_length FROM information_schema.tables "
            "WHERE table_schema = DATABASE() AND table_name = 't'"
        )
        assert cursor.fetchone()[0] == 0
    run_sql(lab.source, f"INSERT INTO t SELECT seq, 'x' FROM {numbers(20_000)}")
    with open_session(lab.settings) as session:
        table = session.catalog["t"]
    assert table.rows_estimate > 1000
    assert table.data_bytes / table.rows_estimate < 4000


def test_users_who_only_read_draw_no_warning(
    lab: Lab, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    make_table(lab.source, "CREATE TABLE t (k int PRIMARY KEY)")
    user = lab.env["TEST_OPENDENTAL_SOURCE_USER"]
    run_sql(lab.source, f"GRANT PROCESS, SHOW_ROUTINE ON *.* TO `{user}`@`%`")
    with caplog.at_level(logging.WARNING):
        assert run().is_success
        assert "can write" not in caplog.text
        run_sql(lab.source, f"GRANT SYSTEM_VARIABLES_ADMIN ON *.* TO `{user}`@`%`")
        run()
    assert "SYSTEM_VARIABLES_ADMIN ON *.*" in caplog.text


def test_logins_without_tls(lab: Lab, run: Run) -> None:
    # caching_sha2_password sends a password that is not cached under the server's RSA key.
    make_table(lab.source, "CREATE TABLE t (k int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    for name in ("TEST_OPENDENTAL_SOURCE_SSL_MODE", "TEST_MYSQL_REPLICATION_SSL_MODE"):
        lab.env[name] = "disabled"
    run_sql(lab.source, "FLUSH PRIVILEGES")
    assert run().is_success


def test_vectors_are_carried_as_their_bytes(lab: Lab, run: Run) -> None:
    make_table(
        lab.source,
        "CREATE TABLE t (k int PRIMARY KEY, v vector(3))",
        "INSERT INTO t VALUES (1, STRING_TO_VECTOR('[1,-2.5,0]')), (2, NULL)",
    )
    copy_twice(lab, run)
    with lab.replication.cursor() as cursor:
        cursor.execute("SELECT VECTOR_TO_STRING(v) FROM t ORDER BY k")
        assert cursor.fetchall() == (("[1.00000e+00,-2.50000e+00,0.00000e+00]",), (None,))
    rows = lab.analytics.execute("SELECT encode(v, 'hex') FROM raw.t ORDER BY k").fetchall()
    assert rows == [("0000803f" + "000020c0" + "00000000",), (None,)]
    (failed,) = run(tables={"tables": {"t": {"columns": {"v": {"type": "text"}}}}}).failed
    assert "a binary column cannot be carried as text" in (failed.error or "")
    assert "it is carried as bytea" in (failed.fix or "")
