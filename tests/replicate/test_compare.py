"""A replica and a table of ``raw`` that are there already: only what changed is written.

The law: whatever happened at the source, and whatever state a kill or a hand left the copies in,
the three databases are equal after both hops.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import Any
from unittest import mock

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from etl_pipeline.load.job import LoadResult
from etl_pipeline.replicate import chunking, compare, compare_chunk, table
from etl_pipeline.state import replicas, segments
from tests.conftest import Lab
from tests.hops import Bench
from tests.rows import is_mariadb, make_table, read_mysql, read_postgres, run_sql

KEYS = 60
TABLES = {
    "plain": "CREATE TABLE plain (k int PRIMARY KEY, u int NULL UNIQUE, w varchar(20))",
    "pair": "CREATE TABLE pair (k int, u int, w varchar(20), PRIMARY KEY (k, u))",
    "words": "CREATE TABLE words (k varchar(9) PRIMARY KEY, u int, w varchar(20))",
    "blobs": "CREATE TABLE blobs (k int, u int, w varbinary(9), PRIMARY KEY (w, k))",
    "loose": "CREATE TABLE loose (k int, u int, w varchar(20))",
}

EVENTS = ["run", "first hop", "replica", "raw", "rendering", *(f"kill {n}" for n in range(1, 9))]
KEY = st.integers(0, KEYS)
DEEDS = st.one_of(
    st.tuples(st.just("REPLACE INTO {t} VALUES ({0}, {1}, 'new {1}')"), KEY, KEY),
    st.tuples(st.just("INSERT IGNORE INTO {t} VALUES ({0}, {1}, '')"), KEY, KEY),
    st.tuples(st.just("INSERT IGNORE INTO {t} SELECT seq, seq, 'x' FROM {numbers}"), KEY, KEY),
    st.tuples(st.just("UPDATE IGNORE {t} SET w = CONCAT(w, '{1}') WHERE k = {0}"), KEY, KEY),
    st.tuples(st.just("UPDATE IGNORE {t} SET w = 'all' WHERE k < {0}"), KEY, KEY),
    st.tuples(st.just("UPDATE IGNORE {t} SET k = {1} WHERE k = {0}"), KEY, KEY),
    st.tuples(st.just("UPDATE IGNORE {t} SET u = {1} WHERE k = {0}"), KEY, KEY),
    st.tuples(st.just("DELETE FROM {t} WHERE k BETWEEN {0} AND {1}"), KEY, KEY),
    st.tuples(st.just("TRUNCATE {t}"), KEY, KEY),
)
SWAP = (
    "UPDATE plain SET u = NULL WHERE k IN (3, 40)",
    "UPDATE plain SET u = 40 WHERE k = 3",
    "UPDATE plain SET u = 3 WHERE k = 40",
)


@pytest.fixture
def bench(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Chunks of seven rows in segments of one or two, three lines that may differ in a chunk."""
    monkeypatch.setattr(chunking, "CHUNK_ROWS", 7)
    monkeypatch.setattr(segments, "LEAST_BYTES", 16)
    monkeypatch.setattr(compare, "FEW_ROWS", 3)
    made = Bench(lab)
    yield made
    made.close()


class KilledError(Exception):
    """Stands for the end of the process: connections close, and what is uncommitted is gone."""


def assert_equal(bench: Bench, table: str) -> None:
    expected = read_mysql(bench.lab.source, table)
    assert read_mysql(bench.lab.replication, table) == expected
    assert read_postgres(bench.lab.analytics, table) == expected


@pytest.mark.parametrize("table", TABLES)
def test_days_of_work(
    bench: Bench, table: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_table(bench.lab.source, TABLES[table])
    examples = 1000 if request.config.getoption("--long") else 40
    all_keys = "(" + " UNION ALL ".join(f"SELECT {k} AS seq" for k in range(KEYS)) + ") AS n"

    @settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        days=st.lists(
            st.tuples(
                st.lists(DEEDS, max_size=4),
                st.sampled_from(EVENTS),
            ),
            min_size=1,
            max_size=4,
        )
    )
    def check(days: list[tuple[list[tuple[str, int, int]], str]]) -> None:
        for deeds, event in days:
            with bench.lab.source.cursor() as cursor:
                cursor.execute("SET SESSION sql_mode = ''")
                for deed, one, other in deeds:
                    cursor.execute(deed.format(one, other, t=table, numbers=all_keys))
            _befall(bench, table, event, monkeypatch)
            bench.copy(table)
            assert_equal(bench, table)
            assert bench.copy(table) == LoadResult()

    check()


def _befall(bench: Bench, table: str, event: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What may happen between two runs."""
    if event == "first hop":  # killed between the hops
        bench.replicate(bench.read_text(table))
    elif event.startswith("kill"):  # before a chunk of the first hop is remembered
        with monkeypatch.context() as patch:
            left = int(event.removeprefix("kill "))
            remember_chunks = replicas.remember_chunks

            def remember_or_die(*args: Any) -> None:
                nonlocal left
                left -= 1
                if left == 0:
                    raise KilledError
                remember_chunks(*args)

            patch.setattr(replicas, "remember_chunks", remember_or_die)
            with contextlib.suppress(KilledError):
                bench.replicate(bench.read_text(table))
    elif event == "replica":
        with bench.lab.replication.cursor() as cursor:
            cursor.execute("SHOW TABLES LIKE %s", (table,))
            if cursor.fetchone():
                cursor.execute(f"DELETE FROM {table} LIMIT 1")
    elif event == "raw":
        bench.lab.analytics.execute(
            f"DO $$ BEGIN IF to_regclass('raw.{table}') IS NOT NULL THEN "
            f"DELETE FROM raw.{table} WHERE ctid = (SELECT min(ctid) FROM raw.{table}); "
            "END IF; END $$"
        )
    elif event == "rendering":
        monkeypatch.setattr(
            "etl_pipeline.replicate.identity.RENDERING", id(object())
        )  # another version of the program


def test_values_that_swap_under_a_unique_key_arrive(bench: Bench) -> None:
    rows = ", ".join(f"({k}, {k}, 'row {k}')" for k in range(KEYS))
    make_table(bench.lab.source, TABLES["plain"], f"INSERT INTO plain VALUES {rows}")
    bench.copy("plain")
    run_sql(bench.lab.source, *SWAP)
    assert bench.copy("plain") == LoadResult(updated=2)
    assert_equal(bench, "plain")


def test_only_rows_that_differ_are_written(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "CHECKPOINT_SECONDS", 3600)
    rows = ", ".join(f"({k}, {k}, 'row {k}')" for k in range(KEYS))
    make_table(bench.lab.source, TABLES["plain"], f"INSERT INTO plain VALUES {rows}")
    bench.copy("plain")
    before = _written(bench)
    run_sql(
        bench.lab.source,
        "UPDATE plain SET w = 'new' WHERE k IN (2, 30)",
        "DELETE FROM plain WHERE k = 31",
        f"INSERT INTO plain VALUES ({KEYS}, NULL, 'more')",
    )
    assert bench.copy("plain") == LoadResult(inserted=1, updated=2, deleted=1)
    # Two rows changed, one went, one came: by delete and insert in the replica. Three chunks are
    # remembered anew with their segments, and whose the replicas are.
    state = 3 + 3 + 1 if is_mariadb(bench.lab.replication) else 0
    assert _written(bench) - before == Counter(deleted=3, written=3 + state)
    before = _written(bench)
    assert bench.copy("plain") == LoadResult()
    assert _written(bench) - before == Counter(written=1 if state else 0)


def test_of_the_replica_only_segments_that_differ_are_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ", ".join(f"({k}, {k}, 'row {k}')" for k in range(KEYS))
    make_table(bench.lab.source, TABLES["plain"], f"INSERT INTO plain VALUES {rows}")
    bench.copy("plain")
    compare_rows = mock.Mock(side_effect=compare_chunk.compare_rows)
    monkeypatch.setattr(compare, "compare_rows", compare_rows)
    for round_ in range(3):  # what is remembered of segments after a change is as good
        run_sql(
            bench.lab.source,
            f"UPDATE plain SET w = 'new {round_}' WHERE k IN (2, 30)",
            f"DELETE FROM plain WHERE k = {40 + 7 * round_}",
        )
        assert bench.copy("plain") == LoadResult(updated=2, deleted=1)
        assert_equal(bench, "plain")
    compare_rows.assert_not_called()
    # Somebody writes into a segment that is read, so all of the chunk is; and what stands in the
    # same segment as a row that changed is set right.
    run_sql(bench.lab.replication, "UPDATE plain SET w = 'forged' WHERE k IN (2, 5)")
    run_sql(bench.lab.source, "UPDATE plain SET w = 'newer' WHERE k = 2")
    bench.copy("plain")
    assert_equal(bench, "plain")
    compare_rows.assert_called_once()


def test_too_many_changes_to_hold_are_read_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "MOST_CHANGES", 1)
    rows = ", ".join(f"({k}, {k}, 'row {k}')" for k in range(KEYS))
    make_table(bench.lab.source, TABLES["plain"], f"INSERT INTO plain VALUES {rows}")
    bench.copy("plain")
    run_sql(bench.lab.source, "UPDATE plain SET w = 'new' WHERE k IN (2, 30)")
    text = bench.read_text("plain")
    replicated = bench.replicate(text)
    assert replicated.changes == {}
    assert bench.load(text, replicated) == LoadResult(updated=2)
    assert_equal(bench, "plain")


def _written(bench: Bench) -> Counter[str]:
    """Rows that the replication server wrote and deleted, by its own count.

    MariaDB counts those of all tables. So does MySQL, and what it makes to answer a SHOW as well;
    but it can tell those of the replica.
    """
    with bench.lab.replication.cursor() as cursor:
        if is_mariadb(bench.lab.replication):
            cursor.execute(
                "SELECT variable_name, variable_value FROM information_schema.global_status "
                "WHERE variable_name IN ('HANDLER_DELETE', 'HANDLER_WRITE')"
            )
            found = {name.upper(): int(value) for name, value in cursor.fetchall()}
            return Counter(deleted=found["HANDLER_DELETE"], written=found["HANDLER_WRITE"])
        cursor.execute(
            "SELECT count_delete, count_insert FROM performance_schema."
            "table_io_waits_summary_by_table WHERE object_schema = DATABASE() "
            "AND object_name = 'plain'"
        )
        deleted, written = cursor.fetchone() or (0, 0)
        return Counter(deleted=deleted, written=written)


def test_statistics_are_made_anew_where_much_has_changed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunking, "CHUNK_ROWS", 1000)
    make_table(bench.lab.source, TABLES["plain"])

    def estimate_after(*keys: int) -> float:
        rows = ", ".join(f"({key}, {key}, '')" for key in keys)
        run_sql(bench.lab.source, f"INSERT INTO plain VALUES {rows}")
        bench.copy("plain")
        query = "SELECT reltuples FROM pg_class WHERE oid = 'raw.plain'::regclass"
        row = bench.lab.analytics.execute(query).fetchone()
        assert row is not None
        return float(row[0])

    assert estimate_after(*range(200)) == 200
    assert estimate_after(*range(200, 205)) == 200
    assert estimate_after(*range(205, 305)) == 305
    assert_equal(bench, "plain")
