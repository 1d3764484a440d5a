"""Every figure of every mart is judged by a reckoning, and every reckoning agrees."""

from __future__ import annotations

from typing import Any

import pytest

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.conftest import Lab
from tests.transform.conftest import JUDGES, State
from tests.transform.judging import list_differences
from tests.transform.register import find_judges

NAMES = [name for name, _, _ in JUDGES]


def test_every_figure_is_judged(changed: State) -> None:
    """Whoever adds a column of money, or of a rate, adds the reckoning that judges it."""
    assert [figure for figure, judge in changed.register.items() if judge is None] == []
    assert len(changed.register) > 150


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("state", ["first", "changed", "anew"])
def test_every_reckoning_agrees(request: pytest.FixtureRequest, state: str, name: str) -> None:
    reckoned, mart = request.getfixturevalue(state).judged[name]
    assert list_differences(reckoned, mart) == {}
    assert reckoned


CHOICES = {
    "ReportsPPOwriteoffDefaultToProcDate": {"0", "1", "2"},
    "ReportPandIschedProdSubtractsWO": {"0", "1"},
    "PayPlansVersion": {"1", "2", "3", "4"},
}


@pytest.mark.parametrize("name", CHOICES)
def test_the_practice_chooses_how_money_counts(changed: State, name: str) -> None:
    """Its own row of the preferences decides, and each value says something else."""
    judged = {value: pair for (chosen, value), pair in changed.chosen.items() if chosen == name}
    assert judged.keys() == CHOICES[name]
    for reckoned, mart in judged.values():
        assert list_differences(reckoned, mart) == {}
    said = [reckoned for reckoned, _ in judged.values()]
    assert all(one != other for place, one in enumerate(said) for other in said[:place])


def test_judges_have_names_of_their_own() -> None:
    assert sorted(NAMES) == sorted(set(NAMES))


@pytest.fixture
def rents(lab: Lab) -> PostgresConnection:
    """A mart and a view of it."""
    lab.analytics.execute(b"CREATE SCHEMA marts")
    lab.analytics.execute(
        b"CREATE TABLE marts.rent (clinic_id int, month_start date, amount numeric(12, 2), "
        b"share numeric, rooms int, PRIMARY KEY (month_start, clinic_id))"
    )
    lab.analytics.execute(
        b"INSERT INTO marts.rent VALUES (1, '2024-01-01', 10, 0.5, 3), (2, '2024-01-01', 30, NULL, "
        b"4), (1, '2024-02-01', 10, 0.25, 3)"
    )
    lab.analytics.execute(
        b"CREATE VIEW marts.report_rent AS SELECT month_start, sum(amount) AS total "
        b"FROM marts.rent GROUP BY month_start"
    )
    return lab.analytics


def read_with(query: str) -> Any:
    return lambda analytics: analytics.execute(query.encode()).fetchall()


@pytest.mark.parametrize(
    ("query", "noticed"),
    [
        ("SELECT clinic_id, month_start, amount FROM marts.rent ORDER BY 1, 2", {"amount"}),
        ("SELECT month_start, sum(amount) FROM marts.rent GROUP BY 1 ORDER BY 1", {"amount"}),
        ("SELECT sum(amount), sum(share) FROM marts.rent", set()),
        ("SELECT clinic_id, share FROM marts.rent ORDER BY month_start, 1", {"share"}),
        ("SELECT round(amount) FROM marts.rent ORDER BY month_start, clinic_id", set()),
        ("SELECT amount FROM marts.rents", None),
        ("SELECT total FROM marts.report_rent ORDER BY month_start", {"total"}),
    ],
)
def test_a_judge_is_who_notices_a_cent_in_another_row(
    rents: PostgresConnection, query: str, noticed: set[str] | None
) -> None:
    if noticed is None:
        rents.execute(b"CREATE TABLE marts.rents AS SELECT 1 AS amount")
    before = read_with("SELECT * FROM marts.rent ORDER BY month_start, clinic_id")(rents)
    register = find_judges(rents, [("judge", dict, read_with(query))])
    assert register.keys() == {
        ("rent", "amount"),
        ("rent", "share"),
        ("report_rent", "total"),
    }
    assert {column for (_, column), judge in register.items() if judge} == (noticed or set())
    assert read_with("SELECT * FROM marts.rent ORDER BY month_start, clinic_id")(rents) == before
