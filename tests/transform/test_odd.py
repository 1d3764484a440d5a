"""What happens when raw lacks something, when columns change, and when a model is wrong."""

from __future__ import annotations

import json

from etl_pipeline.cli.screens.transform import transform_screen
from tests.transform.conftest import State


def test_what_needs_a_missing_table_or_column_is_not_built(odd: State) -> None:
    assert set(odd.summary.not_built) == {
        "stg_refattach",
        "int_new_patient",
        "int_patient_month",
        "dim_patient",
        "new_patients_by_source",
        "patients_by_month",
        "goals_by_month",
        "referrals_out_by_month",
        "report_referral_analysis",
        "stg_commlog",
        "int_communication",
        "fact_communication",
    }
    notes = odd.summary.notes
    assert "raw has no table refattach" in notes
    assert "raw has no table preference: read as one without rows" in notes
    assert "raw.commlog has no column Mode_, which is needed" in notes
    assert "raw.fee has no column ProvNum: read as NULL" in notes


def test_the_rest_is_built(odd: State) -> None:
    built = {n.name for n in odd.summary.models if n.status == "success"}
    assert {"accounts_receivable", "production_by_day", "stg_fee"} <= built
    assert not built & set(odd.summary.not_built)
    assert odd.query("SELECT count(*) FROM staging.stg_fee WHERE provider_id IS NOT NULL") == [(0,)]


def test_a_table_that_can_be_done_without_is_read_as_one_without_rows(odd: State) -> None:
    assert odd.query("SELECT count(*) FROM raw.preference_old") != [(0,)]
    assert odd.query("SELECT count(*) FROM staging.stg_preference") == [(0,)]


def test_deleted_rows_that_raw_keeps_are_left_out(odd: State) -> None:
    assert odd.query("SELECT recall_type_id FROM staging.stg_recalltype ORDER BY 1") == [
        (1,), (2,), (3,), (4,),
    ]  # fmt: skip


def test_a_view_of_others_survives_other_columns(odd: State) -> None:
    ((now, before),) = odd.query(
        "SELECT (SELECT count(*) FROM staging.stg_carrier), (SELECT count(*) FROM mine.carriers)"
    )
    assert now == before > 0
    assert odd.query(
        "SELECT has_table_privilege('pg_monitor', 'staging.stg_carrier', 'SELECT')"
    ) == [(True,)]
    (note,) = (n for n in odd.summary.notes if "__before" in n)
    assert note.startswith("mine.carriers still reads staging.stg_carrier__before, as ")


def test_a_model_that_fails_is_named_without_values(odd: State) -> None:
    failed = {n.name: n.words for n in odd.summary.failed if n.kind == "model"}
    assert failed.keys() == {"report_broken_appointments", "report_daily_adjustments"}
    assert failed["report_broken_appointments"] == "invalid text representation (SQLSTATE 22P02)"


def test_a_model_that_breaks_its_contract_says_how_and_stays_as_it_was(odd: State) -> None:
    (words,) = (n.words for n in odd.summary.failed if n.name == "report_daily_adjustments")
    assert words == (
        "the columns are not those of the contract: "
        "amount is double precision, the contract says numeric(12,2); "
        "more integer is not in the contract; note is missing; "
        "mend the model, or the columns of report_daily_adjustments in its .yml (SQLSTATE ET004)"
    )
    assert odd.query(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = 'marts.report_daily_adjustments'::regclass AND attname = 'amount'"
    ) == [("numeric(12,2)",)]


def test_readers_of_the_marts_are_no_part_of_a_build(odd: State) -> None:
    assert {n.kind for n in odd.summary.nodes} == {"model", "seed", "test", "unit_test"}


def test_every_mart_has_a_contract(odd: State) -> None:
    manifest = json.loads((odd.summary.folder / "manifest.json").read_text())
    marts = [n for n in manifest["nodes"].values() if n.get("schema") == "marts"]
    marts = [n for n in marts if n["resource_type"] == "model"]
    assert len(marts) > 40
    assert all(n["contract"]["enforced"] for n in marts)


def test_a_test_that_fails_names_its_file_and_the_number_of_rows(odd: State) -> None:
    (failed,) = (n for n in odd.summary.failed if n.kind == "test")
    assert (failed.name, failed.failures, failed.file) == ("no_clinics", 3, "tests/no_clinics.sql")
    screen = transform_screen(odd.summary)
    assert "test no_clinics: 3 rows of dim_clinic should not be there\n" in screen
    assert f"  file: {odd.summary.project}/tests/no_clinics.sql\n" in screen
    assert "  fix: see the rows: etl transform --select no_clinics --show-rows\n" in screen


def test_rows_are_shown_to_whoever_asks(odd: State) -> None:
    (rows,) = (r for r in odd.summary.rows if r.test == "no_clinics")
    assert (rows.columns, len(rows.rows)) == (("clinic_id", "name"), 3)


def test_nothing_that_dbt_left_holds_a_password_or_a_row(odd: State) -> None:
    password = odd.lab.env["TEST_POSTGRES_ANALYTICS_PASSWORD"]
    for file in odd.summary.folder.rglob("*"):
        if file.is_file() and file.suffix != ".msgpack":
            text = file.read_bytes()
            assert password.encode() not in text, file
            assert b"Office fees" not in text, file
    assert odd.summary.folder.stat().st_mode & 0o77 == 0
    assert not list(odd.summary.folder.rglob("*.log"))
