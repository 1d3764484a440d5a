"""The models on a practice: everything is built, passes, and reconciles with raw to the cent."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest

from tests.docs.pages import find_blocks, read_page
from tests.transform.conftest import GRANTED, INCREMENTAL, VIEWS, State
from tests.transform.reconcile import PAIRS

AS_THE_PRACTICE_AGED = [name for name in PAIRS if "famaging" in PAIRS[name][1]]


def test_everything_is_built_and_passes(first: State) -> None:
    assert first.summary.is_success, first.summary.failed
    assert {n.status for n in first.summary.models} == {"success"}
    assert {n.status for n in first.summary.tests} == {"pass"}
    assert len(first.summary.models) > 70
    assert len(first.summary.tests) > 80
    assert (first.summary.not_built, first.summary.notes) == ([], [])


def test_only_what_may_warn_warns_after_changes(changed: State) -> None:
    assert changed.summary.is_success, changed.summary.failed
    warned = {n.name: n.failures for n in changed.summary.warned}
    assert warned == {
        "dim_provider_without_inferred": 1,
        "known_codes": 1,
        "dates_out_of_range": 4,
    }
    assert changed.query(
        "SELECT provider_id, count(*) FROM marts.fact_procedure WHERE provider_id = 999 GROUP BY 1"
    ) == [(999, 2)]
    assert changed.query(
        "SELECT status, outcome, count(*) FROM marts.fact_appointment "
        "WHERE status LIKE 'unknown%' GROUP BY 1, 2"
    ) == [("unknown 77", "not a visit", 3)]


KEYS = {
    "patient_id": "dim_patient",
    "provider_id": "dim_provider",
    "clinic_id": "dim_clinic",
    "procedure_code_id": "dim_procedure_code",
    "plan_id": "dim_insurance_plan",
    "carrier_id": "dim_carrier",
}


def test_a_join_of_facts_and_dimensions_loses_no_row(changed: State) -> None:
    """No key is NULL, and every member has a name: none (0), and what is not there (999)."""
    columns = changed.query(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = 'marts' AND table_name LIKE 'fact%'"
    )
    joined = [(fact, key) for fact, key in columns if key in KEYS]
    assert len(joined) > 20
    for fact, key in joined:
        assert changed.query(
            f"SELECT count(*), count(d.{key}) FROM marts.{fact} f "
            f"LEFT JOIN marts.{KEYS[key]} d ON d.{key} = f.{key}"
        ) == changed.query(f"SELECT count(*), count(*) FROM marts.{fact}"), (fact, key)
    assert changed.query(
        "SELECT abbreviation, last_name FROM marts.dim_provider WHERE is_missing ORDER BY 1"
    ) == [("none", "no provider"), ("unknown 999", "unknown provider 999")]
    ((without_provider,),) = changed.query(
        "SELECT count(*) FROM marts.fact_payment WHERE provider_id = 0"
    )
    assert without_provider > 0


@pytest.mark.parametrize("pair", PAIRS)
def test_a_first_build_reconciles(first: State, pair: str) -> None:
    assert first.totals[pair].mart == first.totals[pair].raw != 0


@pytest.mark.parametrize("pair", [name for name in PAIRS if name not in AS_THE_PRACTICE_AGED])
def test_a_build_after_changes_reconciles(changed: State, pair: str) -> None:
    assert changed.totals[pair].mart == changed.totals[pair].raw != 0


def test_a_transfer_moves_money_and_collects_none(changed: State) -> None:
    assert changed.query(
        "SELECT sum(amount), count(*), bool_and(is_transfer) FROM marts.fact_payment "
        "WHERE payment_id = 900001"
    ) == [(Decimal("0.00"), 2, True)]


def test_a_name_that_the_office_changed_reaches_old_rows(changed: State) -> None:
    assert changed.query(
        "SELECT DISTINCT payment_type FROM marts.fact_payment WHERE payment_type_id = 1003"
    ) == [("Plastic",)]


def test_a_family_without_a_guarantor_who_lives_still_owes(first: State) -> None:
    ((families, owed),) = first.query(
        "SELECT count(*), sum(balance) FROM marts.accounts_receivable "
        "WHERE NOT has_living_guarantor"
    )
    assert families > 0
    assert owed != 0


@pytest.mark.parametrize("name", INCREMENTAL)
def test_incremental_equals_made_anew(first: State, changed: State, anew: State, name: str) -> None:
    assert anew.summary.is_success
    assert changed.rows[name] == anew.rows[name] != first.rows[name]


def test_every_table_is_the_same_as_made_anew(changed: State, anew: State) -> None:
    assert len(changed.digests) > 40
    assert changed.digests == anew.digests


def test_an_incremental_build_leaves_other_rows_alone(first: State, changed: State) -> None:
    """Most rows are the very rows of the first build: nothing of theirs was written."""
    before, after = (set(state.rows["marts.fact_procedure"]) for state in (first, changed))
    assert 0 < len(before ^ after) < len(before) / 4


def test_views_and_grants_of_others_stay(changed: State) -> None:
    assert len(changed.query(f"SELECT FROM {next(iter(VIEWS))}")) > 0
    for name in VIEWS:
        assert changed.query(f"SELECT to_regclass('{name}') IS NOT NULL") == [(True,)]
    for name in GRANTED:
        assert changed.query(f"SELECT has_table_privilege('pg_monitor', '{name}', 'SELECT')") == [
            (True,)
        ]
    assert changed.query("SELECT sum(balance) FROM mine.open") == changed.query(
        "SELECT sum(balance) FROM marts.accounts_receivable"
    )


def test_views_of_ours_follow_a_column_of_another_type(changed: State) -> None:
    altered = {"appointment": ("AptStatus", "int_appointment"), "procedurelog": ("ProcStatus", "")}
    events = changed.query(
        "SELECT table_name, subject, dependents FROM etl.drift_event "
        "WHERE kind = 'column_retyped' AND verdict = 'follow' AND done_at IS NOT NULL"
    )
    assert {(table, column) for table, column, _ in events} == {
        (table, column) for table, (column, _) in altered.items()
    }
    for table, column, dependents in events:
        assert f"staging.stg_{table}" in dependents
        assert changed.query(f'SELECT DISTINCT pg_typeof("{column}")::text FROM raw.{table}') == [
            ("integer",)
        ]
        for view in dependents:
            described = f"SELECT obj_description('{view}'::regclass) IS NOT NULL"
            assert changed.query(described) == [(True,)], view
        # They show the rows of now, before dbt makes them anew and afterwards.
        assert changed.query(f"SELECT count(*) FROM staging.stg_{table}") == changed.query(
            f"SELECT count(*) FROM raw.{table}"
        )


def test_no_time_zone_has_a_say(first: State) -> None:
    """Views are read in the zone of whoever reads them; ages and days are the practice's own."""
    admin = first.lab.analytics
    # The version of a row is a text that only builds compare, which set the zone.
    views = first.query(
        "SELECT c.relname, string_agg(quote_ident(a.attname), ', ') FROM pg_class c "
        "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 "
        "WHERE a.attname <> '_etl_version' AND c.relkind = 'v' "
        "AND c.relnamespace = 'intermediate'::regnamespace GROUP BY 1"
    )
    found: dict[str, dict[str, set[Any]]] = {}
    try:
        for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):  # 25 hours apart
            admin.execute(f"SET TimeZone TO '{zone}'".encode())
            found[zone] = {
                name: set(first.query(f"SELECT {columns} FROM intermediate.{name}"))
                for name, columns in views
            }
    finally:
        admin.execute(b"RESET TimeZone")
    east, west = found.values()
    assert sum(map(len, east.values())) > 1000
    for name, _ in views:
        assert east[name] == west[name], name


def test_sentinels_are_null(first: State) -> None:
    assert first.query(
        "SELECT count(*) FILTER (WHERE birth_date < '1901-01-01'), count(*) FILTER "
        "(WHERE birth_date IS NULL) > 0 FROM staging.stg_patient WHERE patient_id <= 1000"
    ) in ([(0, True)], [(0, False)])
    assert first.query("SELECT count(*) FROM staging.stg_procedurelog WHERE provider_id = 0") == [
        (0,)
    ]
    assert first.query(
        "SELECT count(*) FROM staging.stg_procedurelog WHERE procedure_date = '0001-01-01'"
    ) == [(0,)]


def test_every_relation_is_described(first: State) -> None:
    """In the database too: comments are what an analyst sees."""
    assert (
        first.query(
            "SELECT c.relname FROM pg_class c WHERE c.relnamespace::regnamespace::text IN "
            "('staging', 'intermediate', 'marts') AND c.relkind IN ('r', 'v') "
            "AND obj_description(c.oid, 'pg_class') IS NULL"
        )
        == []
    )
    assert (
        first.query(
            "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
            "WHERE c.relnamespace = 'marts'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 "
            "AND NOT a.attisdropped AND col_description(c.oid, a.attnum) IS NULL"
        )
        == []
    )


@pytest.mark.parametrize("query", find_blocks(read_page("docs/transform.md"), "sql"))
def test_the_examples_of_the_page_answer_with_rows(first: State, query: str) -> None:
    assert first.query(query)


def test_the_page_names_every_mart_and_no_other(first: State) -> None:
    named = set(re.findall(r"`((?:dim|fact)_\w+|\w+_by_\w+|\w+)`", read_page("docs/transform.md")))
    marts = {
        name
        for (name,) in first.query(
            "SELECT relname FROM pg_class WHERE relnamespace = 'marts'::regnamespace "
            "AND relkind = 'r'"
        )
    }
    assert marts <= named
    assert {name for name in named if name.startswith(("dim_", "fact_"))} <= marts
