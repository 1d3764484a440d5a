"""Claims, write-offs, collections and planned treatment in money: what the practice has of each.

That the reckoning agrees with the marts is tested for all themes at once, in test_register.py.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.transform.conftest import State
from tests.transform.reckoning import (
    claim_answers,
    plan_write_offs,
    unscheduled,
    visit_collection,
)

STATES = ("first", "changed")


@pytest.fixture(params=STATES)
def state(request: pytest.FixtureRequest) -> State:
    """The warehouse before and after days of change."""
    found: State = request.getfixturevalue(request.param)
    return found


def test_days_of_change_move_every_figure(first: State, changed: State) -> None:
    for theme in (claim_answers, plan_write_offs, visit_collection, unscheduled):
        for name, _, _ in theme.JUDGES:
            assert first.judged[name] != changed.judged[name], name


def test_what_goes_to_the_deductible_is_no_denial(state: State) -> None:
    """Nor is a line of a claim that was received as total."""
    ((unpaid, to_deductible, as_total, denied),) = state.query(
        "SELECT count(*), count(*) FILTER (WHERE to_deductible), count(*) FILTER (WHERE as_total), "
        "count(*) FILTER (WHERE NOT to_deductible AND NOT as_total) FROM (SELECT "
        '"FeeBilled" - "WriteOff" - "DedApplied" < 0.005 AS to_deductible, EXISTS (SELECT FROM '
        'raw.claimproc AS t WHERE t."ClaimNum" = l."ClaimNum" AND t."ProcNum" = 0 AND '
        't."Status" = 1) AS as_total FROM raw.claimproc AS l '
        'WHERE "Status" = 1 AND "FeeBilled" > 0 AND "InsPayAmt" = 0) AS line'
    )
    counted = state.query(
        "SELECT sum(denied_lines), sum(denied) > 0, sum(denied_paid_later) > 0 "
        "FROM marts.claims_by_month_and_carrier"
    )
    assert unpaid > denied > 0
    assert min(to_deductible, as_total) > 0
    assert counted == [(denied, True, True)]


def test_carriers_answer_only_what_was_sent(state: State) -> None:
    """In the practice, too, so that the days that they take mean something."""
    assert state.query(
        "SELECT count(*) FROM raw.claim WHERE \"ClaimStatus\" = 'R' "
        'AND ("DateSentOrig" < \'1900-01-02\' OR "DateReceived" < "DateSentOrig")'
    ) == [(0,)]
    assert state.query(
        "SELECT min(days_to_answer) >= 0, max(days_to_answer) > 60, min(days_to_pay) >= 0 "
        "FROM marts.fact_claim WHERE claim_type <> 'preauthorization'"
    ) == [(True, True, True)]


def test_codes_add_up_to_production(state: State) -> None:
    by_code, by_day = (
        state.query(
            f"SELECT date_trunc('month', {day})::date, provider_id, clinic_id, "
            f"sum(gross_production) FROM marts.{mart} GROUP BY 1, 2, 3 "
            "HAVING sum(gross_production) <> 0 ORDER BY 1, 2, 3"
        )
        for mart, day in (
            ("production_by_month_and_code", "month_start"),
            ("production_by_day", "production_date"),
        )
    )
    assert by_code == by_day


def test_write_offs_of_plans_are_those_of_production(state: State) -> None:
    ((of_plans,),) = state.query("SELECT sum(write_off) FROM marts.write_offs_by_month_and_plan")
    ((of_days,),) = state.query("SELECT sum(write_offs) FROM marts.production_by_day")
    assert of_plans == of_days > 0
    ways = {way for way, *_ in state.judged["write-offs of plans, in each way"][1]}
    assert ways == {"pay date", "procedure date", "claim date"}


def test_most_is_paid_at_the_visit_and_never_more_than_the_part(state: State) -> None:
    _, mart = state.judged["over-the-counter collection"]
    ratios = [ratio for _, _, ratio in mart.values()]
    assert Decimal("0.3") < sum(ratios) / len(ratios) < Decimal("0.9")
    assert max(ratios) <= 1
    assert state.query(
        "SELECT count(*) FROM intermediate.int_visit_collection "
        "WHERE paid_at_visit NOT BETWEEN 0 AND patient_portion"
    ) == [(0,)]


def test_open_treatment_lies_beside_the_treatment_finder(state: State) -> None:
    """Patients of status Patient without an appointment to come, and what is planned for them."""
    finder = state.query(
        'SELECT p."PatNum", sum(round("ProcFee"::numeric, 2) * ("UnitQty" + "BaseUnits")) '
        "FROM raw.procedurelog AS p JOIN raw.patient AS n "
        'ON n."PatNum" = p."PatNum" AND n."PatStatus" = 0 WHERE "ProcStatus" = 1 '
        'AND p."PatNum" NOT IN (SELECT "PatNum" FROM raw.appointment WHERE "AptStatus" = 1 '
        'AND "AptDateTime" >= (SELECT as_of_date FROM intermediate.int_practice_day)) '
        'GROUP BY 1 HAVING sum("ProcFee" * ("UnitQty" + "BaseUnits")) > 0 ORDER BY 1'
    )
    assert finder
    assert finder == state.query(
        "SELECT patient_id, sum(open_amount) FROM marts.unscheduled_treatment "
        "WHERE patient_status = 'patient' AND next_visit_date IS NULL "
        "GROUP BY 1 HAVING sum(open_amount) > 0 ORDER BY 1"
    )


def test_unscheduled_treatment_has_estimates_and_all_kinds_of_patients(state: State) -> None:
    (sums,) = state.query(
        "SELECT sum(unscheduled_amount), sum(insurance_estimate), sum(write_off_estimate), "
        "sum(patient_estimate), sum(open_amount - unscheduled_amount) "
        "FROM marts.unscheduled_treatment"
    )
    assert min(sums) > 0
    assert state.query("SELECT DISTINCT is_active FROM marts.unscheduled_treatment ORDER BY 1") == [
        (False,),
        (True,),
    ]
