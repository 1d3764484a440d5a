"""A run on real servers: the three databases are equal by value, whatever was there before."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from etl_pipeline.errors import ConfigurationError, DatabaseError
from etl_pipeline.pipeline.summary import RunSummary
from etl_pipeline.replicate import chunking
from etl_pipeline.schema import types
from etl_pipeline.schema.ddl import REPLICA_MARK
from tests.conftest import Lab
from tests.rows import is_mariadb, make_table, read_mysql, read_postgres, run_sql
from tests.runs import TABLES, fill

Run = Callable[..., RunSummary]


def assert_equal(lab: Lab, tables: tuple[str, ...] = TABLES) -> None:
    for table in tables:
        source = read_mysql(lab.source, table)
        assert source, f"{table} is empty: nothing would be shown"
        assert read_mysql(lab.replication, table) == source
        assert read_postgres(lab.analytics, table) == source


@pytest.mark.parametrize("engine", ["InnoDB", "MyISAM"])
def test_every_table_is_equal_in_the_three_databases(lab: Lab, run: Run, engine: str) -> None:
    fill(lab, engine)
    summary = run()
    assert summary.is_success
    assert {o.table: o.rows for o in summary.outcomes} == {
        "patient": 6,
        "copy_of_patient": 5,
        "codes": 3,
    }
    assert {o.grade for o in summary.outcomes} == {"value"}
    assert_equal(lab)


@pytest.mark.parametrize("chunk_rows", [1, 2, 5])
def test_chunks_make_no_difference(
    lab: Lab, run: Run, monkeypatch: pytest.MonkeyPatch, chunk_rows: int
) -> None:
    monkeypatch.setattr(chunking, "CHUNK_ROWS", chunk_rows)
    fill(lab)
    assert run().is_success
    assert_equal(lab)
    (count,) = lab.analytics.execute(
        "SELECT count(*) FROM etl.chunk WHERE table_name = 'patient'"
    ).fetchone() or (0,)
    assert count == -(-6 // chunk_rows)


def test_a_second_run_changes_nothing(lab: Lab, run: Run) -> None:
    fill(lab)
    run()
    before = _row_counters(lab)
    assert sum(row[1] for row in before) == 14
    summary = run()
    assert (summary.total("inserted"), summary.total("updated"), summary.total("deleted")) == (
        0,
    ) * 3
    assert _row_counters(lab) == before
    assert_equal(lab)


def test_edits_and_deletes_arrive_and_are_counted(lab: Lab, run: Run) -> None:
    fill(lab)
    run()
    run_sql(
        lab.source,
        "UPDATE patient SET Note = '', DateTStamp = DateTStamp WHERE PatNum = 0",
        "DELETE FROM patient WHERE PatNum = 3",
        "INSERT INTO patient (PatNum, LName) VALUES (4, 'new'), (5, 'newer')",
        "UPDATE codes SET Code = 'D9999' WHERE Version = 2",
        "DELETE FROM copy_of_patient LIMIT 1",
    )
    outcomes = {o.table: (o.inserted, o.updated, o.deleted) for o in run().outcomes}
    assert outcomes["patient"] == (2, 1, 1)
    assert outcomes["codes"] == (1, 0, 1)
    assert_equal(lab)


def test_views_grants_and_comments_on_raw_survive_a_reload(lab: Lab, run: Run) -> None:
    fill(lab)
    run()
    lab.analytics.execute('CREATE VIEW raw.names AS SELECT "PatNum", "LName" FROM raw.patient')
    lab.analytics.execute("GRANT SELECT ON raw.patient TO public")
    lab.analytics.execute("COMMENT ON TABLE raw.codes IS 'mine'")
    identity = "SELECT oid, relacl::text FROM pg_class WHERE oid = 'raw.patient'::regclass"
    before = lab.analytics.execute(identity).fetchone()
    run_sql(lab.source, "UPDATE patient SET LName = 'renamed' WHERE PatNum = 1")
    assert run().is_success
    assert lab.analytics.execute(identity).fetchone() == before
    name = lab.analytics.execute('SELECT "LName" FROM raw.names WHERE "PatNum" = 1').fetchone()
    assert name == ("renamed",)
    comment = lab.analytics.execute("SELECT obj_description('raw.codes'::regclass)").fetchone()
    assert comment == ("mine",)


def test_keys_indexes_names_and_comments_are_carried(lab: Lab, run: Run) -> None:
    fill(lab)
    run()
    with lab.replication.cursor() as cursor:
        cursor.execute("SHOW CREATE TABLE patient")
        ddl = cursor.fetchone()[1]
    for part in (
        "PRIMARY KEY (`PatNum`)",
        "KEY `names` (`LName`(20),`Birthdate`)",
        "KEY `stamp` (`DateTStamp`)",
        "COMMENT 'the key'",
        "COMMENT='people [made by etl_pipeline]'",
        "ENGINE=InnoDB",
    ):
        assert part in ddl
    assert "AUTO_INCREMENT" not in ddl
    assert "ON UPDATE" not in ddl.upper()
    key = lab.analytics.execute(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'raw.codes'::regclass"
    ).fetchone()
    assert key == ('PRIMARY KEY ("Code", "Version")',)
    shown = "bigint(20)" if is_mariadb(lab.source) else "bigint"
    comments = lab.analytics.execute(
        "SELECT obj_description(t), col_description(t, 1) "
        "FROM (SELECT 'raw.patient'::regclass AS t) AS x"
    ).fetchone()
    assert comments == ("people", f"the key [{shown}]")
    analyzed = lab.analytics.execute(
        "SELECT count(*) FROM pg_stats WHERE schemaname = 'raw' AND tablename = 'patient'"
    ).fetchone()
    assert analyzed is not None
    assert analyzed[0] > 0


def test_zero_dates_and_nul_characters_are_altered_in_raw_alone_and_counted(
    lab: Lab, run: Run
) -> None:
    make_table(
        lab.source,
        "CREATE TABLE t (k int PRIMARY KEY, d date NOT NULL, dt datetime(6) NOT NULL, n text)",
        "INSERT INTO t VALUES (1, '0000-00-00', '2022-11-00 10:00:00', 'a\\0b\\0'), "
        "(2, '2022-00-03', '0001-01-01', '\\\\0'), (3, '0001-01-01', '0000-00-00', NULL)",
    )
    summary = run()
    assert summary.altered == {
        ("t", "d", "zero dates"): 2,
        ("t", "dt", "zero dates"): 2,
        ("t", "n", "NUL characters"): 2,
    }
    with lab.replication.cursor() as cursor:
        cursor.execute("SELECT CAST(d AS char), CAST(dt AS char), HEX(n) FROM t ORDER BY k")
        assert cursor.fetchall()[0] == ("0000-00-00", "2022-11-00 10:00:00.000000", "61006200")
    rows = lab.analytics.execute("SELECT k, d::text, dt::text, n FROM raw.t ORDER BY k").fetchall()
    assert rows == [
        (1, None, None, "ab"),
        (2, None, "0001-01-01 00:00:00", "\\0"),
        (3, "0001-01-01", None, None),
    ]
    recorded = lab.analytics.execute("SELECT altered FROM etl.table_run").fetchone()
    assert recorded == (
        {"d": {"zero dates": 2}, "dt": {"zero dates": 2}, "n": {"NUL characters": 2}},
    )


def test_an_unsupported_type_is_refused_by_name_and_the_others_go_on(
    lab: Lab, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every type of MariaDB 10.11 is supported; a newer server's would not be.
    known = {name: rule for name, rule in types.TYPES.items() if name != "geometry"}
    monkeypatch.setattr(types, "TYPES", known)
    fill(lab)
    make_table(lab.source, "CREATE TABLE shapes (k int PRIMARY KEY, outline geometry)")
    summary = run()
    assert not summary.is_success
    (failed,) = summary.failed
    assert failed.table == "shapes"
    assert "geometry" in (failed.error or "")
    assert_equal(lab)


def test_a_table_that_fails_does_not_stop_the_others(lab: Lab, run: Run) -> None:
    fill(lab)
    lab.analytics.execute("CREATE SCHEMA IF NOT EXISTS raw")
    lab.analytics.execute(f"ALTER SCHEMA raw OWNER TO {lab.env['TEST_POSTGRES_ANALYTICS_USER']}")
    lab.analytics.execute("CREATE TABLE raw.codes (mine integer)")
    summary = run()
    (failed,) = summary.failed
    assert failed.table == "codes"
    assert "mine is not at the source" in (failed.error or "")
    assert "Code is missing" in (failed.error or "")
    assert_equal(lab, ("patient", "copy_of_patient"))
    outcome = lab.analytics.execute("SELECT outcome FROM etl.run").fetchone()
    assert outcome == ("failed",)


def test_only_the_tables_that_are_asked_for(lab: Lab, run: Run) -> None:
    fill(lab)
    assert [o.table for o in run(["codes"]).outcomes] == ["codes"]
    assert [o.table for o in run(tables={"tables": {"patient": {}}}).outcomes] == ["patient"]


def test_importance_decides_the_order(lab: Lab, run: Run) -> None:
    fill(lab)
    tables = {
        "patient": {"table_importance": "standard"},
        "copy_of_patient": {"table_importance": "critical"},
        "codes": {"table_importance": "important"},
    }
    summary = run(tables={"tables": tables}, pipeline={"general": {"parallel_tables": 1}})
    assert [o.table for o in summary.outcomes] == ["copy_of_patient", "codes", "patient"]


@pytest.mark.parametrize(
    ("name", "hint"), [("patients", "did you mean patient?"), ("PATIENT", "did you mean patient?")]
)
def test_an_unknown_table_is_refused_with_the_nearest_name(
    lab: Lab, run: Run, name: str, hint: str
) -> None:
    fill(lab)
    with pytest.raises(ConfigurationError) as caught:
        run([name])
    assert caught.value.fix == hint


def test_a_table_of_tables_yml_that_the_source_lacks_fails_by_name(lab: Lab, run: Run) -> None:
    fill(lab)
    summary = run(tables={"tables": {"patient": {}, "patiens": {}}})
    (failed,) = summary.failed
    assert (failed.table, failed.fix) == ("patiens", "did you mean patient?")


def test_a_second_run_at_the_same_time_is_refused(lab: Lab, run: Run) -> None:
    fill(lab)
    seen: list[str] = []

    def listen(event: Any) -> None:
        if not seen:
            seen.append("")
            with pytest.raises(DatabaseError) as caught:
                run()
            seen[0] = caught.value.what

    from etl_pipeline.pipeline.request import RunRequest
    from etl_pipeline.pipeline.run import run_once

    assert run_once(lab.settings, RunRequest(), listen=listen).is_success
    assert "run 1" in seen[0]


def test_what_a_killed_run_left_is_cleaned_up(lab: Lab, run: Run) -> None:
    fill(lab)
    run_sql(
        lab.replication,
        f"CREATE TABLE _etl_incoming_patient (a int) COMMENT '{REPLICA_MARK}'",
        f"CREATE TABLE _etl_replaced_gone (a int) COMMENT '{REPLICA_MARK}'",
    )
    assert run().is_success
    with lab.replication.cursor() as cursor:
        cursor.execute("SHOW TABLES")
        state = "alter chunk compared follower lease origin schema segment table update_time"
        ours = {f"_etl_{what}" for what in state.split()}
        assert {name for (name,) in cursor.fetchall()} == {*TABLES, *ours}


def test_state_of_before_there_were_strips_is_gone_on_with(lab: Lab, run: Run) -> None:
    fill(lab)
    assert run().is_success
    run_sql(lab.replication, "DROP TABLE _etl_segment")
    assert run().is_success
    assert all(outcome.inserted == 0 for outcome in run().outcomes)


def test_more_tables_at_once_than_a_pool_has_room_for_is_refused(lab: Lab, run: Run) -> None:
    fill(lab)
    pipeline = {
        "general": {"parallel_tables": 4},
        "connections": {"analytics": {"pool_size": 2, "max_overflow": 2}},
    }
    with pytest.raises(ConfigurationError) as caught:
        run(pipeline=pipeline)
    assert "connections.analytics" in str(caught.value)


def _row_counters(lab: Lab) -> list[tuple[Any, ...]]:
    """What PostgreSQL counted, once the run's sessions have handed in their counts and gone."""
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
    user = lab.env["TEST_POSTGRES_ANALYTICS_USER"]
    deadline = time.monotonic() + 20
    while lab.analytics.execute(sessions, (user,)).fetchone() != (0,):
        assert time.monotonic() < deadline, "the run left a session behind"
        time.sleep(0.05)
    return lab.analytics.execute(
        "SELECT relname, n_tup_ins, n_tup_upd, n_tup_del, n_dead_tup FROM pg_stat_user_tables "
        "WHERE schemaname = 'raw' ORDER BY relname"
    ).fetchall()
