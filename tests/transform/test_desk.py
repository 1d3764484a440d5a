"""The desk's figures, judged by the reckoning, before and after days of change."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from tests.transform.conftest import State

STATES = ("first", "changed")
PLAYED = dt.date(2024, 7, 13)
"""After the last day that the practice has lived; what is dated later is planned."""


@pytest.fixture(params=STATES)
def state(request: pytest.FixtureRequest) -> State:
    """The warehouse before and after days of change."""
    found: State = request.getfixturevalue(request.param)
    return found


DAY_OF: dict[str, Callable[[Any, Any], Any]] = {
    "broken appointments": lambda _, line: line[0],
    "procedures": lambda _, line: line[0],
    "referral analysis": lambda key, _: key[0],
    "providers' minutes": lambda key, _: key[0],
    "use of chairs": lambda key, line: key[0] if line[2] else None,
    "treatment": lambda key, _: key[0],
}


@pytest.mark.parametrize("report", DAY_OF)
def test_the_desk_s_reports_are_judged_over_24_months(state: State, report: str) -> None:
    reckoned, mart = state.judged[report]
    assert reckoned == mart
    days = [day for key, line in mart.items() if (day := DAY_OF[report](key, line))]
    assert len({day.strftime("%Y-%m") for day in days if day < PLAYED}) >= 24


def test_claims_of_24_months_are_judged_for_being_outstanding(state: State) -> None:
    """Next to all of them are answered, so those of the report are of few months."""
    reckoned, mart = state.judged["outstanding claims"]
    assert reckoned == mart
    ((months, claims),) = state.query(
        "SELECT count(DISTINCT date_trunc('month', service_date)), count(*) FROM marts.fact_claim"
    )
    assert months > 24
    assert claims > 10 * len(mart) > 0


def test_a_provider_works_where_the_chairs_are(state: State) -> None:
    reckoned, mart = state.judged["providers' minutes"]
    assert reckoned == mart
    assert {clinic for _, _, clinic in mart} == {0, 1, 2}


def test_a_chair_is_open_while_somebody_is_to_work_in_it(state: State) -> None:
    reckoned, mart = state.judged["use of chairs"]
    assert reckoned == mart
    assert {chair for _, chair in mart} == set(range(1, 10))
    assert state.query("SELECT count(chair_use) > 150 FROM marts.chair_use_by_day") == [(True,)]


def test_most_visits_are_in_hours_of_their_provider_and_clinic(state: State) -> None:
    """Where the schedule's ClinicNum was read, next to no visit met its provider's hours."""
    ((share,),) = state.query(
        "SELECT avg((provider_use IS NOT NULL)::int) FROM marts.appointments_by_day "
        "WHERE booked_minutes > 0 AND clinic_id > 0 AND appointment_date BETWEEN "
        "'2023-07-01' AND '2024-06-28'"
    )
    assert share > 0.5


def test_broken_visits_are_counted_by_code_and_by_status(state: State) -> None:
    reckoned, mart = state.judged["broken visits"]
    assert reckoned == mart
    assert all(mart.values())


def test_a_broken_visit_that_is_booked_again_stays_counted(state: State) -> None:
    _, mart = state.judged["broken visits"]
    ((by_status,),) = state.query('SELECT count(*) FROM raw.appointment WHERE "AptStatus" = 5')
    assert mart["missed"].total() + mart["cancelled"].total() > by_status > 0


def test_the_report_of_broken_appointments(state: State) -> None:
    reckoned, mart = state.judged["broken appointments"]
    assert reckoned == mart
    assert {way for way, _ in mart} == {"procedure", "adjustment", "status"}
    assert {line[2] for line in mart.values()} == {"D9986", "D9987", None}


def test_recalls_that_are_disabled_for_now_are_not_overdue(state: State) -> None:
    reckoned, rows = state.judged["recalls"]
    assert reckoned == rows
    counted, mart = state.judged["recall status"]
    assert counted == mart
    assert min(mart[name] for name in ("off", "on hold", "overdue", "due")) > 0


def test_new_patients_stay_at_the_clinic_of_their_first_treatment(state: State) -> None:
    reckoned, mart = state.judged["new patients"]
    assert reckoned == mart
    assert state.query(
        "SELECT count(*) > 3 FROM intermediate.int_new_patient AS n "
        "JOIN marts.dim_patient AS p USING (patient_id) WHERE n.clinic_id <> p.clinic_id"
    ) == [(True,)]


def test_who_came_back_is_counted_at_the_clinic_of_then(state: State) -> None:
    reckoned, mart = state.judged["retention"]
    assert reckoned == mart
    assert {clinic for _, clinic in mart} >= {1, 2}


def test_treatment_is_what_needs_acceptance(state: State) -> None:
    reckoned, mart = state.judged["treatment"]
    assert reckoned == mart
    for stage in ("planned", "presented", "accepted", "completed", "done_same_day"):
        assert sum(cell[stage][0] for cell in mart.values()) > 10, stage


def test_claims_that_wait_are_not_sent_whatever_their_dates_say(state: State) -> None:
    reckoned, mart = state.judged["open claims"]
    assert reckoned == mart
    dated = "SELECT count(*) > 0 FROM raw.claim WHERE \"ClaimStatus\" IN ('U', 'H', 'W') AND "
    assert state.query(
        f"{dated} \"DateSent\" > '2021-01-01' AND \"DateSentOrig\" < '1900-01-01'"
    ) == [(True,)]
    assert sum(not_sent for _, not_sent, *_ in mart.values()) > 0


def test_the_report_of_outstanding_claims(state: State) -> None:
    reckoned, mart = state.judged["outstanding claims"]
    assert reckoned == mart
    assert mart


def test_outstanding_claims_tell_who_follows_them_up(first: State) -> None:
    _, mart = first.judged["outstanding claims"]
    assert [line for line in mart.values() if line[9] is not None and line[10] is not None]
    assert [line for line in mart.values() if line[3]]


def test_the_report_of_referrals(state: State) -> None:
    reckoned, mart = state.judged["referral analysis"]
    assert reckoned == mart
    assert sum(line[4] for line in mart.values()) > 10


def test_the_types_of_fee_schedules_have_their_names(state: State) -> None:
    named = dict(
        state.query(
            'SELECT s."FeeSchedType", d.fee_schedule_type FROM marts.dim_fee_schedule AS d '
            'JOIN raw.feesched AS s ON s."FeeSchedNum" = d.fee_schedule_id'
        )
    )
    assert named == {
        0: "normal",
        1: "copay",
        2: "out of network",
        3: "fixed benefit",
        4: "manual blue book",
    }
    assert state.query(
        "SELECT DISTINCT status FROM marts.fact_claim_procedure WHERE status_code = '9'"
    ) == [("insurance history",)]
