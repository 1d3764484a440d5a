"""Production and income, judged by the reckoning to the cent, before and after days of change."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.transform.conftest import State
from tests.transform.reckoning.production_income import COLUMNS

STATES = ("first", "changed", "anew")


@pytest.mark.parametrize("name", STATES)
def test_production_and_income_by_day(request: pytest.FixtureRequest, name: str) -> None:
    state: State = request.getfixturevalue(name)
    reckoned, marts = state.judged["production and income by day"]
    assert reckoned == marts
    assert len({day.strftime("%Y-%m") for day, _, _ in marts}) > 24


@pytest.mark.parametrize("report", ["daily", "monthly", "annual", "provider"])
@pytest.mark.parametrize("name", STATES)
def test_production_and_income(request: pytest.FixtureRequest, name: str, report: str) -> None:
    """Every column of the report, with write-offs in all three ways, on all days of the books."""
    state: State = request.getfixturevalue(name)
    reckoned, mart = state.judged[f"production and income, {report}"]
    assert reckoned == mart
    columns = {column for row in mart.values() for column in row}
    assert columns >= set(COLUMNS), "the practice has something of everything"


@pytest.mark.parametrize("report", ["daily payments", "daily adjustments", "procedures"])
@pytest.mark.parametrize("name", STATES)
def test_reports_by_row(request: pytest.FixtureRequest, name: str, report: str) -> None:
    state: State = request.getfixturevalue(name)
    reckoned, mart = state.judged[report]
    assert reckoned == mart
    assert len(mart) > 50


def test_capitation_lowers_production_on_the_day_of_the_procedure(first: State) -> None:
    """Gross production 100 and write-off 60 is production 40, and no write-off of insurance."""
    ((lines, charged, produced),) = first.query(
        "SELECT count(*), sum(charge), sum(gross_production) FROM marts.fact_procedure "
        "WHERE is_complete AND capitation_write_off > 0"
    )
    assert lines > 0
    assert 0 < produced < charged
    assert first.query(
        "SELECT count(*) FROM intermediate.int_production_income m "
        "JOIN marts.fact_claim_procedure l ON l.claim_procedure_id = m.source_id "
        "WHERE m.kind LIKE 'write-off%' AND l.status_code = '7'"
    ) == [(0,)]


def test_a_quantity_counts_as_it_is(first: State) -> None:
    """Units and base units together; 0 counts 0."""
    found = dict(
        first.query(
            "SELECT quantity, bool_and(gross_production = fee * quantity) "
            "FROM marts.fact_procedure WHERE is_complete AND capitation_write_off = 0 GROUP BY 1"
        )
    )
    assert found.keys() >= {0, 1, 2}
    assert set(found.values()) == {True}


@pytest.mark.parametrize("name", STATES)
def test_money_that_is_not_finalised_is_listed_and_counts_nowhere(
    request: pytest.FixtureRequest, name: str
) -> None:
    state: State = request.getfixturevalue(name)
    reckoned, mart = state.judged["unfinalized insurance payments"]
    assert reckoned == mart
    assert {kind for kind, _ in mart} == {"partial payment", "unfinalized payment"}
    waiting = sum((v for (kind, _), v in mart.items() if kind == "unfinalized payment"), Decimal())
    assert waiting > 0
