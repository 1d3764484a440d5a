"""Figures of the field's dashboards, judged by the reckoning, before and after days of change."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from tests.transform.conftest import State


def sum_columns(mart: Mapping[Any, tuple[Any, ...]], number: int) -> list[Any]:
    """The sums of the first columns of a mart."""
    return [sum(line[place] for line in mart.values()) for place in range(number)]


@pytest.fixture(params=("first", "changed"))
def state(request: pytest.FixtureRequest) -> State:
    """The warehouse before and after days of change."""
    found: State = request.getfixturevalue(request.param)
    return found


def test_who_leaves_with_the_next_hygiene_visit(state: State) -> None:
    reckoned, mart = state.judged["hygiene visits"]
    assert reckoned == mart
    visits, perio, at_once, by_today = sum_columns(mart, 4)
    assert visits > perio > 0
    assert visits > by_today > at_once > 0


def test_perio_is_a_part_of_hygiene(state: State) -> None:
    reckoned, mart = state.judged["hygiene production"]
    assert reckoned == mart
    hygiene, perio = sum_columns(mart, 2)
    assert 0 < perio < hygiene


def test_patients_come_and_go_and_the_balance_holds(state: State) -> None:
    reckoned, mart = state.judged["patient base"]
    assert reckoned == mart
    for column in ("new_patients", "recaptured", "lost", "pre_appointed_hygiene"):
        assert sum(cell[column] for cell in mart.values()) > 1, column
    ends = {month: 0 for month, _ in mart}
    for (month, _), cell in mart.items():
        ends[month] += cell["active_at_end"]
    for month, end in ends.items():
        after = (month + dt.timedelta(days=32)).replace(day=1)
        if after in ends:
            starts = [cell["active_at_start"] for (m, _), cell in mart.items() if m == after]
            assert sum(starts) == end, month


def test_new_patients_are_the_same_in_every_mart(state: State) -> None:
    assert (
        state.query(
            "SELECT month_start, clinic_id, new_patients FROM marts.patients_by_month "
            "WHERE new_patients > 0 EXCEPT "
            "SELECT month_start, clinic_id, sum(new_patients)::bigint "
            "FROM marts.new_patients_by_source GROUP BY 1, 2"
        )
        == []
    )


def test_broken_visits_leave_openings_and_some_are_refilled(state: State) -> None:
    reckoned, mart = state.judged["openings"]
    assert reckoned == mart
    openings, late, notice, refilled, rebooked = sum_columns(mart, 5)
    assert openings > late > 0 < notice
    assert openings > rebooked > refilled > 0


def test_how_long_before_their_day_visits_are_made(state: State) -> None:
    reckoned, mart = state.judged["lead time"]
    assert reckoned == mart
    assert all(sum_columns(mart, 4))


def test_production_of_a_visit_and_the_quartiles_of_others(state: State) -> None:
    reckoned, mart = state.judged["production of a visit"]
    assert reckoned == mart
    reckoned, quartiles = state.judged["quartiles of providers"]
    assert reckoned == quartiles
    whole = [line for *_, line in quartiles if None not in line]
    assert len(whole) > 10
    for hour25, hour50, hour75, visit25, visit50, visit75 in whole:
        assert hour25 <= hour50 <= hour75
        assert visit25 <= visit50 <= visit75


def test_what_sources_of_referrals_bring(state: State) -> None:
    reckoned, mart = state.judged["referrals in"]
    assert reckoned == mart
    assert state.query(
        "SELECT sum(production) - sum(production_to_date) FROM marts.new_patients_by_source"
    ) == [(Decimal("0.00"),)]


def test_what_comes_of_patients_who_were_sent_away(state: State) -> None:
    reckoned, mart = state.judged["referrals out"]
    assert reckoned == mart
    sent, completed, _, still_open, came_back = sum_columns(mart, 5)
    assert sent >= completed + still_open
    assert min(completed, still_open, came_back) > 0
