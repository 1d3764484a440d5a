"""What the source's user may not see is not what the source does not have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from etl_pipeline.pipeline.plan import preview_run
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.status import read_status
from etl_pipeline.pipeline.summary import RunSummary
from etl_pipeline.setup.discover import discover
from tests.conftest import Lab
from tests.pipeline.test_drift import run
from tests.rows import is_mariadb, make_table, run_sql

PATIENT = """
CREATE TABLE patient (
  PatNum bigint NOT NULL PRIMARY KEY, LName varchar(20), SSN varchar(20), Fee int,
  KEY name_ssn (LName, SSN), KEY ssn (SSN), KEY fee (Fee))"""
PATIENT_ROWS = "INSERT INTO patient VALUES (1, 'a', '1', 10), (2, 'b', '2', 20)"
VISIT = "CREATE TABLE visit (a int, b int, c int, PRIMARY KEY (a, b))"
VISIT_ROWS = "INSERT INTO visit VALUES (1, 1, 1), (1, 2, 2)"
NOTE = "CREATE TABLE note (id int PRIMARY KEY, word varchar(9))"
NOTE_ROWS = "INSERT INTO note VALUES (1, 'a')"


@pytest.fixture
def practice(lab: Lab) -> Lab:
    """Three tables, with a user who may read the database."""
    make_table(lab.source, PATIENT, PATIENT_ROWS)
    make_table(lab.source, VISIT, VISIT_ROWS)
    make_table(lab.source, NOTE, NOTE_ROWS)
    return lab


def user_of(lab: Lab) -> str:
    return f"`{lab.env['TEST_OPENDENTAL_SOURCE_USER']}`@`%`"


def regrant(lab: Lab, *grants: str) -> None:
    """Let the source's user have what *grants* say (``SELECT ON note``), and nothing else."""
    user, database = user_of(lab), lab.env["TEST_OPENDENTAL_SOURCE_DB"]
    run_sql(lab.source, f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {user}")
    for grant in grants:
        privilege, _, table = grant.partition(" ON ")
        run_sql(lab.source, f"GRANT {privilege} ON `{database}`.{table} TO {user}")


def failures(summary: RunSummary) -> dict[str, str]:
    return {outcome.table: f"{outcome.error}\n{outcome.fix}" for outcome in summary.failed}


def ssn_in_raw(lab: Lab) -> list[Any]:
    rows = lab.analytics.execute('SELECT "SSN" FROM raw.patient ORDER BY "PatNum"')
    return [value for (value,) in rows.fetchall()]


def indexes_of_replica(lab: Lab) -> set[str]:
    with lab.replication.cursor() as cursor:
        cursor.execute("SHOW INDEX FROM patient")
        return {row[2] for row in cursor.fetchall()}


OTHERS = ("SELECT ON visit", "SELECT ON note")
SEEN = "SELECT (PatNum, LName, Fee) ON patient"


@pytest.mark.parametrize("is_named", [False, True])
def test_a_column_whose_privilege_was_taken_away_is_no_dropped_column(
    practice: Lab, tmp_path: Path, is_named: bool
) -> None:
    tables: Any = {"tables": {"patient": {}, "visit": {}, "note": {}}} if is_named else None
    assert run(practice, tables=tables).is_success
    indexes = indexes_of_replica(practice)
    regrant(practice, SEEN, *OTHERS)
    run_sql(practice.source, "UPDATE patient SET LName = 'new', SSN = '11'")
    for _ in range(2):
        summary = run(practice, tables=tables)
        (said,) = failures(summary).values()
        assert "may not read all columns" in said
        database = practice.env["TEST_OPENDENTAL_SOURCE_DB"]
        assert f"GRANT SELECT ON `{database}`.`patient` TO {user_of(practice)}" in said
        assert summary.drift == []
    plan = preview_run(practice.settings_with(tables=tables), RunRequest(), folder=tmp_path)
    assert (plan.drift, [one.table for one in plan.failing]) == ([], ["patient"])
    assert ssn_in_raw(practice) == ["1", "2"]
    assert indexes_of_replica(practice) == indexes
    regrant(practice, "SELECT ON *")
    assert run(practice, tables=tables).is_success
    assert ssn_in_raw(practice) == ["11", "11"]


def test_columns_that_may_not_be_read_are_excluded_by_name_or_the_table_fails(
    practice: Lab, tmp_path: Path
) -> None:
    regrant(practice, SEEN, *OTHERS)
    assert list(failures(run(practice))) == ["patient"]
    excluded: dict[str, Any] = {"columns": {"SSN": {"exclude": True}}}
    tables = {"tables": {"patient": excluded, "visit": {}, "note": {}}}
    summary = run(practice, tables=tables)
    assert failures(summary) == {}
    assert any("may not read all columns" in note for note in summary.notes)
    assert run(practice, tables=tables).drift == []
    regrant(practice, "SELECT (PatNum, LName) ON patient", *OTHERS)
    said = failures(run(practice, tables=tables))["patient"]
    assert said.startswith("not seen any more: Fee;")
    assert "--accept-drift" in said
    row = practice.analytics.execute('SELECT sum("Fee") FROM raw.patient').fetchone()
    assert row == (30,)
    plan = preview_run(practice.settings_with(tables=tables), RunRequest(), folder=tmp_path)
    (failing,) = plan.failing
    assert (failing.error or "").startswith("not seen any more: Fee;")
    assert (plan.drift, failing.ddl) == ([], ())
    accepted = run(practice, ("patient",), tables=tables, accept_drift=True)
    assert [(e.kind, e.subject) for e in accepted.drift if e.kind == "column_dropped"] == [
        ("column_dropped", "Fee")
    ]


@pytest.mark.parametrize("columns", ["a, c", "b, c", "c"])
def test_a_hidden_column_of_the_key_makes_no_table_without_a_key(
    practice: Lab, columns: str
) -> None:
    regrant(practice, f"SELECT ({columns}) ON visit", "SELECT ON patient", "SELECT ON note")
    excluded = {"columns": {n: {"exclude": True} for n in "ab" if n not in columns}}
    for tables in (None, {"tables": {"visit": excluded}}):
        said = failures(run(practice, ("visit",), tables=tables))["visit"]
        assert "sees no whole primary key" in said


def test_grants_on_every_column_hide_nothing(practice: Lab) -> None:
    assert run(practice).is_success
    regrant(practice, "SELECT (PatNum, LName, SSN, Fee) ON patient", *OTHERS)
    summary = run(practice)
    assert (failures(summary), summary.drift) == ({}, [])
    regrant(practice, "INSERT ON patient", SEEN, *OTHERS)
    assert list(failures(run(practice))) == ["patient"]
    regrant(practice, "INSERT ON patient", *OTHERS)
    assert list(failures(run(practice))) == ["patient"]


def test_a_lost_grant_is_a_failure_each_night_until_it_is_accepted(
    practice: Lab, tmp_path: Path
) -> None:
    assert run(practice).is_success
    regrant(practice, "SELECT ON note")
    for _ in range(2):
        summary = run(practice)
        assert set(failures(summary)) == {"patient", "visit"}
        for table, said in failures(summary).items():
            assert "the server does not say which" in said
            assert f"`.`{table}` TO {user_of(practice)}" in said
        assert summary.drift == []
    settings = practice.settings_with()
    plan = preview_run(settings, RunRequest(), folder=tmp_path)
    assert (plan.drift, {one.table for one in plan.failing}) == ([], {"patient", "visit"})
    status = {one.table: one for one in read_status(settings, []).tables}
    assert "may not read it any more" in (status["visit"].problem or "")
    accepted = run(practice, ("visit",), accept_drift=True)
    assert accepted.is_success
    assert [(e.kind, e.verdict) for e in accepted.drift] == [("table_dropped", "follow")]
    assert set(failures(run(practice))) == {"patient"}
    regrant(practice, "SELECT ON *")
    back = run(practice)
    assert back.is_success
    assert [(e.table, e.detail) for e in back.drift] == [("visit", "it is back")]


def test_a_dropped_table_that_is_named_fails_until_it_is_accepted(practice: Lab) -> None:
    tables: dict[str, Any] = {"tables": {"patient": {}, "note": {}}}
    assert run(practice, tables=tables).is_success
    run_sql(practice.source, "DROP TABLE note")
    for _ in range(2):
        assert failures(run(practice, tables=tables)) == {
            "note": "the source has the table no more\netl run note --accept-drift"
        }
    assert run(practice, ("note",), tables=tables, accept_drift=True).is_success
    later = run(practice, tables=tables)
    assert later.is_success
    assert any(note.startswith("note: not at the source") for note in later.notes)
    assert practice.analytics.execute("SELECT count(*) FROM raw.note").fetchone() == (1,)


def test_a_view_in_place_of_a_table_is_told_as_one(practice: Lab) -> None:
    assert run(practice).is_success
    run_sql(practice.source, "DROP TABLE note", "CREATE VIEW note AS SELECT a AS id FROM visit")
    assert failures(run(practice))["note"].startswith("the source has a view of this name")


def test_what_a_role_lets_the_user_see_counts_while_it_is_active(practice: Lab) -> None:
    user, database = user_of(practice), practice.env["TEST_OPENDENTAL_SOURCE_DB"]
    role = f"{database}_role"
    default = (f"SET DEFAULT ROLE {role} FOR {user}", f"SET DEFAULT ROLE NONE FOR {user}")
    if not is_mariadb(practice.source):
        default = (f"SET DEFAULT ROLE {role} TO {user}", f"SET DEFAULT ROLE NONE TO {user}")
    pattern = database.replace("_", r"\_")
    regrant(practice)
    run_sql(
        practice.source,
        f"CREATE ROLE {role}",
        f"GRANT SELECT ON `{pattern}`.* TO {role}",
        f"GRANT {role} TO {user}",
        default[0],
    )
    try:
        assert run(practice).is_success
        run_sql(practice.source, f"GRANT SELECT ON `{database}`.note TO {user}", default[1])
        assert set(failures(run(practice))) == {"patient", "visit"}
        run_sql(practice.source, default[0], "DROP TABLE visit")
        gone = run(practice)
        assert (failures(gone), [e.kind for e in gone.drift]) == ({}, ["table_dropped"])
    finally:
        run_sql(practice.source, f"DROP ROLE {role}")


def test_nothing_is_chosen_for_a_table_of_which_columns_may_be_hidden(
    practice: Lab, tmp_path: Path
) -> None:
    regrant(practice, SEEN, "SELECT ON note")
    settings = practice.settings_with(tables={"tables": {"patient": {}, "visit": {}}})
    found = discover(settings, tmp_path, [])
    assert dict(found.choices) == {}
    shown = "\n".join(found.notes)
    assert "patient: nothing is chosen, since the user may not read all columns" in shown
    assert (
        "visit is named in tables.yml, and is not seen at the source: the source does not show"
        in shown
    )


def test_a_new_table_that_is_seen_by_half_is_reported_and_fails(practice: Lab) -> None:
    assert run(practice).is_success
    run_sql(practice.source, "CREATE TABLE late (id int PRIMARY KEY, secret int)")
    regrant(practice, "SELECT ON patient", *OTHERS, "SELECT (id) ON late")
    summary = run(practice)
    assert list(failures(summary)) == ["late"]
    assert [(e.table, e.verdict) for e in summary.drift] == [("late", "report")]
    assert list(failures(run(practice))) == ["late"]
