"""What is owed, and what is not earned yet: the marts say what the reckoning says, to the cent."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tests.transform.conftest import State
from tests.transform.reckoning.accounts import Aged

REPORTS = (
    "receivables",
    "aging of receivables",
    "payment plans",
    "unearned income",
    "unearned accounts",
)


@pytest.mark.parametrize("report", REPORTS)
def test_the_reckoning_agrees(first: State, changed: State, report: str) -> None:
    for state in (first, changed):
        reckoned, mart = state.judged[report]
        differing = {
            key: (reckoned.get(key), mart.get(key))
            for key in reckoned.keys() | mart.keys()
            if reckoned.get(key) != mart.get(key)
        }
        assert reckoned
        assert differing == {}
    assert first.judged[report] != changed.judged[report]


def test_ageing_is_told_for_24_months_and_today(first: State) -> None:
    reckoned: dict[Any, Aged] = first.judged["aging of receivables"][0]
    assert len({day for day, _ in reckoned}) == 25
    assert sum(aged.days_over_90 for aged in reckoned.values()) > 0
    assert sum(aged.write_off_estimate for aged in reckoned.values()) > 0


def test_a_plan_takes_over_what_the_patient_owes_and_who_signed_owes_what_is_due(
    changed: State,
) -> None:
    """Plans that are paid as agreed leave nothing old on any account."""
    ((plans, others),) = changed.query(
        "SELECT count(*), count(*) FILTER (WHERE p.guarantor_id <> f.guarantor_id) "
        "FROM marts.report_payment_plans AS p "
        "JOIN intermediate.int_family AS f ON f.patient_id = p.patient_id "
        "WHERE NOT p.is_insurance"
    )
    assert plans > others > 0
    assert changed.query(
        "SELECT entry_kind, count(*) > 0, sum(amount) < 0 FROM intermediate.int_account_entry "
        "WHERE entry_kind LIKE 'payment plan%' GROUP BY 1 ORDER BY 1"
    ) == [
        ("payment plan credit", True, True),
        ("payment plan debit", True, False),
        ("payment plan link", True, True),
    ]


def test_a_hidden_prepayment_counts_nowhere_until_it_is_allocated(changed: State) -> None:
    ((hidden, amount),) = changed.query(
        "SELECT count(*), sum(amount) FROM marts.fact_payment WHERE is_hidden_prepayment"
    )
    assert hidden > 0
    assert amount > 0
    assert changed.query(
        "SELECT count(*) FROM intermediate.int_ledger AS l JOIN marts.fact_payment AS p "
        "ON l.entry_kind = 'patient payment' AND p.split_id = l.source_id "
        "WHERE p.is_hidden_prepayment"
    ) == [(0,)]
    ((paid, collected),) = changed.query(
        "SELECT (SELECT sum(amount) FROM marts.fact_payment), "
        "(SELECT sum(patient_payments) FROM marts.collections_by_day)"
    )
    assert paid - amount == collected


def test_a_write_off_that_the_office_set_is_the_one_that_is_expected(changed: State) -> None:
    ((estimated, expected),) = changed.query(
        'SELECT sum(round(greatest("WriteOffEst", 0)::numeric, 2)), (SELECT '
        "sum(write_off_expected) FROM marts.fact_claim_procedure) FROM raw.claimproc "
        'WHERE "Status" = 0'
    )
    assert expected > 0
    assert expected != estimated


def test_the_report_of_today_is_accounts_receivable(changed: State) -> None:
    assert changed.query(
        "SELECT count(*) FROM marts.accounts_receivable AS a FULL JOIN (SELECT r.* FROM "
        "marts.report_aging_of_receivables AS r JOIN intermediate.int_practice_day AS d "
        "USING (as_of_date)) AS r USING (guarantor_id) WHERE coalesce(a.balance, 0) <> "
        "coalesce(r.total, 0) OR coalesce(a.patient_portion, 0) <> coalesce(r.patient_portion, 0)"
    ) == [(0,)]


def test_a_month_is_closed_once_and_late_edits_show_beside_it(first: State, changed: State) -> None:
    at_closing, closed = first.judged["receivables by month"]
    assert at_closing == closed == first.months
    assert len({month for month, _ in closed}) == 24
    assert closed.items() <= changed.months.items()
    # The days of change end in the next month, whose predecessor is closed by then.
    reckoned, closed_later = changed.judged["receivables by month"]
    assert reckoned == closed_later
    assert {month for month, _ in closed_later} == {dt.date(2024, 6, 30)}
    assert changed.months == closed | closed_later
    now, of_now = changed.judged["receivables by month, now"]
    assert now == of_now
    assert any(of_now.get(key, (0, 0))[0] != month.total for key, month in closed.items())
