"""Goals of the practice: its own file, whatever is in it."""

from __future__ import annotations

import datetime as dt
import shutil
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_pipeline.transform.goals import Goal, parse_goals
from tests.transform.conftest import GOALS, State
from tests.transform.test_command import call

HEADER = "year,month,clinic,production,collections,new_patients,hygiene_visits"
CLINICS = {"0": 0, "1": 1, "lin": 1, "2": 2, "qua": 2, "twice": None}
JUNE = dt.date(2024, 6, 1)


def find_faults(text: str) -> list[tuple[str, str]]:
    _, faults = parse_goals(text, CLINICS, where="goals.csv")
    assert all(fault.fix for fault in faults)
    return [(fault.where, fault.what) for fault in faults]


def test_a_file_of_goals() -> None:
    goals, faults = parse_goals(GOALS, CLINICS, where="goals.csv")
    assert not faults
    assert goals == [
        Goal(JUNE, 1, Decimal(9000), Decimal("8000.50"), 12, 40),
        Goal(JUNE, 2, None, Decimal(7000), None, None),
        Goal(dt.date(2024, 9, 1), 2, Decimal(5000), None, None, None),
        Goal(JUNE, 0, Decimal(100), None, None, 0),
    ]


@pytest.mark.parametrize("text", ["", "\n\n", HEADER, f"{HEADER}\r\n,,,,,,\r\n"])
def test_a_file_without_goals(text: str) -> None:
    assert parse_goals(text, CLINICS, where="goals.csv") == ([], [])


def test_a_file_needs_only_the_columns_that_it_uses() -> None:
    goals, faults = parse_goals("Month, Year ,New_Patients\n6,2024, 7\n", CLINICS, where="x")
    assert (goals, faults) == ([Goal(JUNE, 0, None, None, 7, None)], [])


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("2024,6,XYZ,1,1,1,1", "no clinic is called so"),
        ("2024,6,-1,1,1,1,1", "no clinic is called so"),
        ("2024,6,twice,1,1,1,1", "two clinics are called so"),
        ("2024,13,1,1,1,1,1", "year and month are no month"),
        ("24,6,1,1,1,1,1", "year and month are no month"),
        (",,1,1,1,1,1", "year and month are no month"),
        ("2024,6,1,-5,1,1,1", "production is not an amount"),
        ("2024,6,1,nan,1,1,1", "production is not an amount"),
        ("2024,6,1,1e9,1,1,1", "production is not an amount"),
        ("2024,6,1,٣,1,1,1", "production is not an amount"),
        ("2024,6,1,$9000,1,1,1", "production is not an amount"),
        ('2024,6,1,"9,000",1,1,1', "production is not an amount"),
        ("2024,6,1,1,1.005,1,1", "collections is not an amount"),
        ("2024,6,1,999999999999,1,1,1", "production is not an amount"),
        ("2024,6,1,1,1,1.5,1", "new_patients is not a whole number"),
        ("2024,6,1,1,1,1,many", "hygiene_visits is not a whole number"),
        ("2024,6,1,9,000,1,1,1", "8 cells for 7 columns"),
    ],
)
def test_a_wrong_line_is_named(line: str, what: str) -> None:
    assert find_faults(f"{HEADER}\n2024,5,1,1,1,1,1\n{line}\n") == [("goals.csv, line 3", what)]


def test_all_faults_are_named_at_once() -> None:
    assert find_faults(f"{HEADER}\n2024,0,9,x,x,x,x\n2024,1,1,5,,,\n2024,01,LIN,6,,,\n") == [
        *(
            ("goals.csv, line 2", what)
            for what in (
                "year and month are no month",
                "no clinic is called so",
                "production is not an amount",
                "collections is not an amount",
                "new_patients is not a whole number",
                "hygiene_visits is not a whole number",
            )
        ),
        ("goals.csv, line 4", "the same month and clinic as line 3"),
    ]


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("year;month;clinic", "the first line does not name the columns year and month"),
        ("2024,6,1,9000", "the first line does not name the columns year and month"),
        ("year,month,month", "the first line names a column twice"),
        ("year,month,clinic,goal", "the first line names a column that is not known (place 4)"),
        ("year,month,", "the first line names a column that is not known (place 3)"),
    ],
)
def test_a_wrong_first_line_is_all_that_is_named(header: str, what: str) -> None:
    assert find_faults(f"{header}\nSmith,secret,1,1\n") == [("goals.csv, line 1", what)]


@pytest.mark.parametrize("text", [f'{HEADER}\n2024,6,"1', 'a"b"c,"d" e', "x" * 200_000])
def test_what_is_no_csv_is_refused(text: str) -> None:
    assert find_faults(text)


@given(st.text() | st.text("0123456789,.\n\r\"' \0").map(lambda lines: f"{HEADER}\n{lines}"))
def test_any_text_gives_goals_or_faults(text: str) -> None:
    goals, faults = parse_goals(text, CLINICS, where="goals.csv")
    assert not (goals and faults and len(goals) > text.count("\n") + text.count("\r"))
    assert len({goal[:2] for goal in goals}) == len(goals)


def test_without_a_file_there_are_no_goals(first: State) -> None:
    assert first.query(
        "SELECT count(*) > 50, count(production_goal), count(collections_goal), "
        "count(new_patients_goal), count(hygiene_visits_goal) FROM marts.goals_by_month"
    ) in ([(True, 0, 0, 0, 0)], [(True, 3, 2, 1, 2)])


def test_goals_stand_beside_what_there_is(changed: State) -> None:
    rows = changed.query(
        "SELECT month_start, clinic_id, production_goal, collections_goal, new_patients_goal, "
        "hygiene_visits_goal FROM marts.goals_by_month WHERE num_nonnulls(production_goal, "
        "collections_goal, new_patients_goal, hygiene_visits_goal) > 0"
    )
    assert {Goal(*row) for row in rows} == set(parse_goals(GOALS, CLINICS, where="")[0])
    assert (
        changed.query(
            "SELECT month_start, clinic_id, net_production, gross_production, collections "
            "FROM marts.goals_by_month WHERE (net_production, gross_production, collections) <> "
            "(0, 0, 0) EXCEPT SELECT month_start, clinic_id, net_production, gross_production, "
            "collections FROM marts.collection_ratio_by_month"
        )
        == []
    )
    for figure, mart in (
        ("collections", "collection_ratio_by_month"),
        ("new_patients", "new_patients_by_source"),
        ("hygiene_visits", "hygiene_by_month"),
    ):
        by_clinic = f"SELECT month_start, clinic_id, sum({figure}) FROM marts.{{}} GROUP BY 1, 2"
        found, expected = (
            {row[:2]: row[2] for row in changed.query(by_clinic.format(name)) if row[2]}
            for name in ("goals_by_month", mart)
        )
        assert found == expected, figure
    assert changed.query(
        "SELECT production_reached = round(net_production / 9000, 4), "
        "collections_reached = round(collections / 8000.50, 4), "
        "new_patients_reached = round(new_patients / 12.0, 4), "
        "hygiene_visits_reached = round(hygiene_visits / 40.0, 4) "
        "FROM marts.goals_by_month WHERE month_start = '2024-06-01' AND clinic_id = 1"
    ) == [(True, True, True, True)]
    assert changed.query(
        "SELECT net_production, production_reached, hygiene_visits_reached, is_full_month "
        "FROM marts.goals_by_month WHERE month_start = '2024-09-01' AND clinic_id = 2"
    ) == [(0, 0, None, False)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"year,month,clinic,production\n2024,6,NOWHERE,1\n", ("no clinic is called so", "line 2")),
        (b"year,month\n2024,\xe4\n", ("not UTF-8",)),
        (b"year,month\n" + b"\n" * 1_000_001, ("larger than 1 MB",)),
        (b"year,month,clinic\n" + b"1,1,1\n" * 30, ("10 faults more",)),
        (None, ("cannot be read", "goals.csv")),
    ],
)
def test_a_wrong_file_stops_the_transformation_before_it_begins(
    changed: State, tmp_path: Path, content: bytes | None, words: tuple[str, ...]
) -> None:
    folder = shutil.copytree(
        changed.config_folder,
        tmp_path / "config",
        ignore=shutil.ignore_patterns("transform_target"),
    )
    (folder / "goals.csv").unlink()
    if content is not None:
        (folder / "goals.csv").write_bytes(content)
    before = changed.query("SELECT xmin::text FROM intermediate._etl_goal ORDER BY 1")
    code, stdout, stderr = call(changed, "transform", folder=folder)
    assert code == 2
    assert not stdout
    assert "Traceback" not in stderr
    assert "NOWHERE" not in stderr
    for word in (*words, "fix: "):
        assert word in stderr
    assert changed.query("SELECT xmin::text FROM intermediate._etl_goal ORDER BY 1") == before
