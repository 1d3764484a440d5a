"""What single strategies promise: the guard, marks, doubtful watermarks, and who may write."""

from __future__ import annotations

from contextlib import closing
from typing import Any, get_args

import pytest

from etl_pipeline.config.tables_file import ExtractionStrategy, TableConfig
from etl_pipeline.errors import DatabaseError, SchemaError
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.pipeline.run_record import RecordConnection
from etl_pipeline.replicate import chunking
from etl_pipeline.replicate.strategy import STRATEGIES, choose_rules
from etl_pipeline.schema.catalog import Column, Index, IndexPart, Table
from etl_pipeline.state import run_sessions, runs
from etl_pipeline.state.records import Selection
from etl_pipeline.state.run_lease import (
    check_replication_lease,
    check_warehouse_lease,
    take_replication_lease,
)
from tests.conftest import Lab
from tests.hops import Bench
from tests.rows import make_table, numbers, read_mysql, read_postgres, run_sql

LOG = (
    "CREATE TABLE log (k int PRIMARY KEY, words varchar(50), stamp timestamp NOT NULL "
    "DEFAULT current_timestamp() ON UPDATE current_timestamp(), KEY (stamp))"
)
FILL = f"INSERT INTO log SELECT seq, 'old', '2024-01-01' + INTERVAL seq MINUTE FROM {numbers(500)}"
INCREMENTAL = {"extraction_strategy": "incremental", "incremental_column": "stamp"}


@pytest.fixture
def log_table(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Five hundred rows in five chunks."""
    monkeypatch.setattr(chunking, "CHUNK_ROWS", 100)
    make_table(lab.source, LOG, FILL)
    return lab


def run(lab: Lab, table: dict[str, Any], **options: Any) -> Any:
    settings = lab.settings_with(tables={"tables": {"log": table}})
    summary = run_once(settings, RunRequest(**options), listen=lambda event: None)
    (outcome,) = summary.outcomes
    return outcome


def assert_equal(lab: Lab) -> None:
    source = read_mysql(lab.source, "log")
    assert read_mysql(lab.replication, "log") == source
    assert read_postgres(lab.analytics, "log") == source


@pytest.mark.parametrize("table", [{}, INCREMENTAL, {"extraction_strategy": "full_table"}])
def test_a_table_that_would_lose_many_rows_is_stopped(log_table: Lab, table: Any) -> None:
    assert run(log_table, table).error is None
    assert run(log_table, table).error is None
    before = read_mysql(log_table.replication, "log")
    run_sql(log_table.source, "DELETE FROM log WHERE k > 300")
    stopped = run(log_table, table)
    assert stopped.error.startswith("200 of 500 rows (40%) would be deleted in replication")
    assert stopped.fix.endswith("etl run log --allow-deletes log")
    assert (before - read_mysql(log_table.replication, "log")).total() <= 100
    assert read_postgres(log_table.analytics, "log") == before
    assert run(log_table, table, allow_deletes=["log"]).deleted == 200
    assert_equal(log_table)


def test_a_hundred_rows_may_always_go_and_a_table_may_be_given_more(log_table: Lab) -> None:
    strict = {"max_delete_fraction": 0}
    assert run(log_table, strict).error is None
    run_sql(log_table.source, "DELETE FROM log WHERE k <= 100")
    assert run(log_table, strict).deleted == 100
    run_sql(log_table.source, "DELETE FROM log WHERE k <= 300")
    assert "200 of 400 rows (50%)" in run(log_table, strict).error
    assert run(log_table, {"max_delete_fraction": 0.5}).deleted == 200
    assert_equal(log_table)


@pytest.mark.parametrize("strategy", [{}, INCREMENTAL], ids=["fingerprint", "incremental"])
def test_marked_rows_stay_in_raw_and_come_back(log_table: Lab, strategy: Any) -> None:
    marked = {**strategy, "deletes": "mark"}
    run(log_table, marked)
    run(log_table, marked)
    run_sql(log_table.source, "DELETE FROM log WHERE k IN (7, 350)")
    assert run(log_table, marked).deleted == 2
    gone = "SELECT k FROM raw.log WHERE _etl_deleted_at IS NOT NULL ORDER BY k"
    assert log_table.analytics.execute(gone).fetchall() == [(7,), (350,)]
    assert len(read_mysql(log_table.replication, "log")) == 498
    run_sql(log_table.source, "INSERT INTO log (k, words) VALUES (7, 'back')")
    back = run(log_table, marked)
    assert (back.inserted, back.updated, back.deleted) == (0, 1, 0)
    assert log_table.analytics.execute(gone).fetchall() == [(350,)]
    refused = run(log_table, strategy)
    assert "tables.yml does not say 'deletes: mark'" in refused.error


def test_incremental_reads_what_is_new_and_names_its_grade(log_table: Lab) -> None:
    first = run(log_table, INCREMENTAL)
    assert (first.grade, first.rows_read, first.watermark) == (
        "value", 500, "2024-01-01 08:20:00",
    )  # fmt: skip
    run_sql(
        log_table.source,
        "UPDATE log SET words = 'new' WHERE k IN (3, 204)",
        "UPDATE log SET words = 'silent', stamp = stamp WHERE k = 9",
        "INSERT INTO log VALUES (501, 'old stamp', '2020-01-01')",
        "DELETE FROM log WHERE k = 11",
    )
    second = run(log_table, INCREMENTAL)
    # The two rows, the hour before the watermark, and the row that its key told of.
    assert (second.grade, second.rows_read) == ("keys+stamp", 2 + 61 + 1)
    assert (second.inserted, second.updated, second.deleted) == (1, 2, 1)
    run_sql(log_table.replication, "UPDATE _etl_table SET proven_at = '2024-01-01'")
    third = run(log_table, INCREMENTAL)
    assert (third.grade, third.updated) == ("value", 1)
    assert third.notes == ["log: every row was read, since its full pass was due"]
    assert_equal(log_table)


def test_append_only_reads_the_end(log_table: Lab) -> None:
    appended = {"extraction_strategy": "append_only"}
    run(log_table, appended)
    run_sql(
        log_table.source,
        "UPDATE log SET words = 'edited' WHERE k = 3",
        f"INSERT INTO log SELECT 500 + seq, 'more', now() FROM {numbers(150)}",
    )
    second = run(log_table, appended)
    assert (second.grade, second.inserted, second.updated) == ("append", 150, 0)
    assert second.rows_read < 300
    run_sql(log_table.replication, "UPDATE _etl_table SET proven_at = '2024-01-01'")
    assert run(log_table, appended).updated == 1
    assert_equal(log_table)


DOUBTS = {
    "no stamp as high as the watermark": "UPDATE log SET stamp = '2024-01-01', words = 'restored'",
    "rows in number": None,
}


@pytest.mark.parametrize("doubt", DOUBTS)
def test_a_watermark_in_doubt_brings_a_full_pass(log_table: Lab, doubt: str) -> None:
    run(log_table, INCREMENTAL)
    change = DOUBTS[doubt]
    if change:
        run_sql(log_table.source, change)
    else:
        run_sql(log_table.replication, "DELETE FROM log WHERE k < 50")
    outcome = run(log_table, INCREMENTAL)
    assert outcome.grade == "value"
    assert doubt in outcome.notes[0]
    assert_equal(log_table)


def test_a_clock_that_goes_back_brings_a_full_pass(log_table: Lab) -> None:
    run(log_table, INCREMENTAL)
    run_sql(log_table.replication, "UPDATE _etl_table SET watermark = '2099-01-01 00:00:00'")
    outcome = run(log_table, INCREMENTAL)
    assert outcome.grade == "value"
    assert "the source's clock went back" in outcome.notes[0]


def test_a_silent_run_is_taken_over_and_cannot_write_any_more(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The silent run is another process: none of its sessions is this one's.
    monkeypatch.setattr(run_sessions, "list_own", lambda *place: frozenset())
    with closing(Bench(lab)) as bench, RecordConnection(bench.databases) as silent:
        runs.lock_runs(silent.connection)
        old = runs.start_run(silent.connection, Selection()).lease
        with RecordConnection(bench.databases) as other:
            with pytest.raises(DatabaseError, match=rf"run {old.run_id} \(process \d+ on .*\)"):
                runs.lock_runs(other.connection)
            lab.analytics.execute("UPDATE etl.heartbeat SET seen_at = now() - INTERVAL '2 min'")
            runs.lock_runs(other.connection)
            new = runs.start_run(other.connection, Selection()).lease
            outcomes = lab.analytics.execute("SELECT outcome FROM etl.run ORDER BY 1").fetchall()
            assert ("lost",) in outcomes
            with bench.databases.replication.connect() as connection:
                driver: Any = connection.connection.driver_connection
                take_replication_lease(driver, new)
                check_replication_lease(driver, new)
                with pytest.raises(DatabaseError, match=f"taken over from run {old.run_id}"):
                    check_replication_lease(driver, old)
            with other.connection.transaction():
                check_warehouse_lease(other.connection, new)
                with pytest.raises(DatabaseError, match=f"taken over from run {old.run_id}"):
                    check_warehouse_lease(other.connection, old)


def column(
    name: str, kind: str = "timestamp", *, null: bool = False, stamped: bool = True
) -> Column:
    return Column(name, kind.split("(")[0], kind, null, is_stamped=stamped)


STAMPED = Table(
    "log",
    (column("k", "int(11)", stamped=False), column("DateTStamp")),
    ("k",),
    (Index("stamp", (IndexPart("DateTStamp"),)),),
)
NO_KEY = Table("log", STAMPED.columns)
WORDY = Table("log", (Column("k", "varchar", "varchar(9)", False),), ("k",))
OTHERS = Table(
    "log",
    (
        column("k", "int(11)", stamped=False),
        column("d", "date", stamped=False),
        column("n", null=True),
        column("c", "datetime", stamped=False),
    ),
    ("k",),
)


@pytest.mark.parametrize(
    ("table", "config", "what"),
    [
        (STAMPED, {"incremental_column": "DateTSamp"}, "DateTSamp is not at the source"),
        (STAMPED, {"incremental_column": "k"}, "is of type int(11), not a timestamp or datetime"),
        (STAMPED, {}, "incremental needs an incremental_column"),
        (OTHERS, {"incremental_column": "d"}, "is of type date"),
        (OTHERS, {"incremental_column": "n"}, "can be NULL"),
        (NO_KEY, {"incremental_column": "DateTStamp"}, "incremental needs a primary key"),
        (WORDY, {"extraction_strategy": "append_only"}, "begins with an integer"),
        (NO_KEY, {"extraction_strategy": "full_table", "deletes": "mark"}, "needs a primary key"),
    ],
)
def test_a_strategy_that_does_not_fit_is_refused(table: Table, config: Any, what: str) -> None:
    with pytest.raises(SchemaError, match=r".") as caught:
        choose_rules(table, TableConfig(**{"extraction_strategy": "incremental", **config}))
    assert what in caught.value.what
    assert caught.value.fix


def test_a_doubtful_stamp_is_noted() -> None:
    config = TableConfig(extraction_strategy="incremental", incremental_column="c")
    notes = choose_rules(OTHERS, config).warnings
    assert "the server does not set c by itself" in notes[0]
    assert "no index begins with c" in notes[1]
    config = TableConfig(extraction_strategy="incremental", incremental_column="DateTStamp")
    assert not choose_rules(STAMPED, config).warnings


def test_every_strategy_that_a_file_may_name_has_an_entry() -> None:
    assert set(get_args(ExtractionStrategy)) == set(STRATEGIES)
    grades = {name: strategy.usual_pass.grade for name, strategy in STRATEGIES.items()}
    assert grades == {
        "full_table": "value",
        "fingerprint": "value",
        "incremental": "keys+stamp",
        "append_only": "append",
    }
