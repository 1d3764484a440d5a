"""Production and income, judged by the reckoning to the cent, before and after days of change."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.transform.conftest import State
from tests.transform.reckoning.production_income import of_marts

STATES = ("first", "changed", "anew")


@pytest.mark.parametrize("name", STATES)
def test_production_and_income_by_day(request: pytest.FixtureRequest, name: str) -> None:
    state: State = request.getfixturevalue(name)
    reckoned, marts = state.judged["production and income"]
    assert of_marts(reckoned) == marts
    assert len({day.strftime("%Y-%m") for day, _, _ in marts}) > 24


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
