"""One hop alone, and tables of an importance alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from etl_pipeline.errors import ConfigurationError
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.pipeline.verify import verify_once
from etl_pipeline.verify.job import VerifyScope
from tests.rows import make_table, read_mysql, read_postgres, run_sql

if TYPE_CHECKING:
    from etl_pipeline.pipeline.summary import RunSummary
    from tests.conftest import Lab

TABLES = {"tables": {"patient": {"table_importance": "critical"}, "word": {}}}


def fill(lab: Lab) -> None:
    make_table(
        lab.source,
        "CREATE TABLE patient (id int PRIMARY KEY, v varchar(9))",
        "INSERT INTO patient VALUES (1, 'a'), (2, NULL)",
    )
    make_table(
        lab.source, "CREATE TABLE word (w varchar(9) PRIMARY KEY)", "INSERT INTO word VALUES ('x')"
    )


def run(lab: Lab, *tables: str, **options: Any) -> RunSummary:
    settings = lab.settings_with(tables=TABLES)
    return run_once(settings, RunRequest(tables, **options), listen=lambda event: None)


def count(lab: Lab, table: str) -> int:
    row = lab.analytics.execute(f"SELECT count(*) FROM raw.{table}".encode()).fetchone()
    assert row
    return int(row[0])


def test_one_hop_after_the_other_is_a_run(lab: Lab) -> None:
    fill(lab)
    first = run(lab, only="replicate")
    assert first.is_success
    assert read_mysql(lab.replication, "patient") == read_mysql(lab.source, "patient")
    assert lab.analytics.execute("SELECT to_regclass('raw.patient')").fetchone() == (None,)
    # The second hop brings what the first brought, and nothing that came later.
    run_sql(lab.source, "INSERT INTO patient VALUES (3, 'late')")
    second = run(lab, only="load")
    assert second.is_success
    assert second.total("inserted") == 3
    assert count(lab, "patient") == 2
    assert all(outcome.grade is None for one in (first, second) for outcome in one.outcomes)
    assert run(lab).total("inserted") == 1
    assert verify_once(
        lab.settings, [], VerifyScope(deep=True), listen=lambda event: None
    ).is_success
    assert read_postgres(lab.analytics, "patient") == read_mysql(lab.source, "patient")


def test_changes_are_brought_hop_by_hop_too(lab: Lab) -> None:
    fill(lab)
    run(lab)
    run_sql(lab.source, "UPDATE patient SET v = 'b' WHERE id = 1", "DELETE FROM word")
    assert run(lab, only="load").total("updated") == 0
    run(lab, only="replicate")
    done = run(lab, only="load")
    assert (done.total("updated"), done.total("deleted")) == (1, 1)
    assert verify_once(
        lab.settings, [], VerifyScope(deep=True), listen=lambda event: None
    ).is_success


def test_what_was_never_replicated_cannot_be_loaded(lab: Lab) -> None:
    fill(lab)
    run(lab, "patient", only="replicate")
    outcomes = {one.table: one for one in run(lab, only="load").outcomes}
    assert outcomes["patient"].error is None
    assert "no run has brought the table to replication yet" in (outcomes["word"].error or "")
    assert outcomes["word"].fix == "etl run word"


def test_a_copy_that_others_altered_is_not_loaded(lab: Lab) -> None:
    fill(lab)
    run(lab, only="replicate")
    run_sql(lab.replication, "ALTER TABLE patient ADD COLUMN mine int")
    run_sql(lab.source, "ALTER TABLE word ADD COLUMN late int")
    errors = {one.table: one.error or "" for one in run(lab, only="load").outcomes}
    assert "altered by somebody else" in errors["patient"]
    assert "of another form than the source's table" in errors["word"]


def test_only_tables_of_an_importance_are_brought(lab: Lab) -> None:
    fill(lab)
    assert [one.table for one in run(lab, importance=["critical"]).outcomes] == ["patient"]
    assert {one.table for one in run(lab, importance=["critical", "standard"]).outcomes} == {
        "patient",
        "word",
    }
    assert run(lab, "patient", importance=["critical"]).is_success
    for tables, importance in (((), ["important"]), (("word",), ["critical"])):
        with pytest.raises(ConfigurationError, match="of this importance"):
            run(lab, *tables, importance=importance)
