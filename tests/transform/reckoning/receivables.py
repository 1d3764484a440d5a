"""What families owe, as OpenDental ages accounts (Ledgers.cs, RpAging.cs).

The preference on payment plans is the default, age credits and debits. Amounts are summed as money.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.books import (
    Judges,
    cents,
    read_hidden_types,
    read_practice_day,
    read_rows,
)

TREATMENT_PLANNED, COMPLETE = 1, 2
NOT_RECEIVED, RECEIVED, PREAUTHORIZED, SUPPLEMENTAL, CAP_CLAIM, CAP_COMPLETE = 0, 1, 2, 4, 5, 7
DEBIT = 0
LINKED_ADJUSTMENT, LINKED_PROCEDURE = 1, 2
AWAIT_COMPLETE = 1
UNEARNED_TYPES = 29
NOTHING = Decimal("0.00")


@dataclass(frozen=True)
class Movement:
    """An amount on a patient's account; a payment plan's charge is none before its day."""

    patient: int
    day: dt.date
    amount: Decimal
    is_plan_charge: bool = False
    is_payment: bool = False


@dataclass(frozen=True)
class Aged:
    """A row of the report Aging of A/R."""

    days_0_30: Decimal
    days_31_60: Decimal
    days_61_90: Decimal
    days_over_90: Decimal
    total: Decimal
    write_off_estimate: Decimal
    insurance_estimate: Decimal
    last_payment: dt.date | None

    @property
    def is_empty(self) -> bool:
        """True if the report leaves the family out."""
        return not any(
            (
                self.days_0_30,
                self.days_31_60,
                self.days_61_90,
                self.days_over_90,
                self.total,
                self.write_off_estimate,
                self.insurance_estimate,
            )
        )


class Accounts:
    """The rows of ``raw`` that accounts are made of."""

    def __init__(self, analytics: PostgresConnection) -> None:
        self.procedures = read_rows(
            analytics,
            "procedurelog",
            *("ProcNum", "PatNum", "ProvNum", "ClinicNum", "ProcDate", "ProcStatus", "ProcFee"),
            *("UnitQty", "BaseUnits"),
        )
        self.adjustments = read_rows(
            analytics,
            "adjustment",
            *("AdjNum", "PatNum", "ProvNum", "ClinicNum", "AdjDate", "AdjAmt", "ProcNum"),
        )
        self.splits = read_rows(
            analytics,
            "paysplit",
            *("SplitNum", "PatNum", "DatePay", "SplitAmt", "ProcNum", "AdjNum", "UnearnedType"),
            *("PayPlanNum", "PayPlanChargeNum", "ClinicNum", "ProvNum"),
        )
        self.lines = read_rows(
            analytics,
            "claimproc",
            *("ProcNum", "PatNum", "Status", "ProcDate", "DateCP", "InsPayAmt", "InsPayEst"),
            *("WriteOff", "WriteOffEst", "WriteOffEstOverride", "InsEstTotalOverride"),
            "PayPlanNum",
        )
        self.plans = read_rows(
            analytics,
            "payplan",
            *("PayPlanNum", "PatNum", "Guarantor", "PlanNum", "IsDynamic"),
            "DynamicPayPlanTPOption",
        )
        self.charges = read_rows(
            analytics,
            "payplancharge",
            *("PayPlanNum", "Guarantor", "ChargeDate", "Principal", "Interest", "ChargeType"),
        )
        self.links = read_rows(
            analytics,
            "payplanlink",
            *("PayPlanNum", "LinkType", "FKey", "AmountOverride", "SecDateTEntry"),
        )
        self.hidden_types = read_hidden_types(analytics)
        self.guarantors: dict[int, int] = {
            row.PatNum: row.Guarantor
            for row in read_rows(analytics, "patient", "PatNum", "Guarantor")
        }

    def family_of(self, patient: int) -> int:
        """Who pays; a patient whose guarantor is not there pays for themselves."""
        guarantor = self.guarantors.get(patient, patient)
        return guarantor if guarantor in self.guarantors else patient

    def is_hidden(self, split: Any) -> bool:
        """True for a prepayment that counts nowhere until it is allocated."""
        return split.UnearnedType in self.hidden_types

    @cached_property
    def movements(self) -> list[Movement]:
        """All of them, payment plans by their credits and debits."""
        return [
            *(
                Movement(p.PatNum, p.ProcDate, cents(p.ProcFee * (p.UnitQty + p.BaseUnits)))
                for p in self.procedures
                if p.ProcStatus == COMPLETE
            ),
            *(Movement(a.PatNum, a.AdjDate, cents(a.AdjAmt)) for a in self.adjustments),
            *(
                Movement(s.PatNum, s.DatePay, -cents(s.SplitAmt), is_payment=True)
                for s in self.splits
                if not self.is_hidden(s)
            ),
            *(
                Movement(
                    c.PatNum,
                    c.DateCP,
                    -cents(c.WriteOff) - (NOTHING if c.PayPlanNum else cents(c.InsPayAmt)),
                )
                for c in self.lines
                if c.Status in (RECEIVED, SUPPLEMENTAL, CAP_CLAIM, CAP_COMPLETE)
            ),
            *self._plan_charges(),
            *self._plan_links(),
        ]

    def _plan_charges(self) -> Iterator[Movement]:
        plans = {plan.PayPlanNum: plan for plan in self.plans}
        for charge in self.charges:
            plan = plans[charge.PayPlanNum]
            principal, interest = cents(charge.Principal), cents(charge.Interest)
            if charge.ChargeType != DEBIT:
                yield Movement(plan.PatNum, charge.ChargeDate, -principal, is_plan_charge=True)
            elif plan.PlanNum == 0:
                yield Movement(
                    charge.Guarantor, charge.ChargeDate, principal + interest, is_plan_charge=True
                )

    def _plan_links(self) -> Iterator[Movement]:
        procedures = {p.ProcNum: p for p in self.procedures}
        adjustments = {a.AdjNum: a for a in self.adjustments}
        waiting = {p.PayPlanNum for p in self.plans if p.DynamicPayPlanTPOption == AWAIT_COMPLETE}
        for link in self.links:
            if link.LinkType == LINKED_PROCEDURE and link.FKey in procedures:
                procedure = procedures[link.FKey]
                if procedure.ProcStatus != COMPLETE and link.PayPlanNum in waiting:
                    continue
                left, patient = self._left_of_procedure(procedure), procedure.PatNum
            elif link.LinkType == LINKED_ADJUSTMENT and link.FKey in adjustments:
                adjustment = adjustments[link.FKey]
                left = cents(adjustment.AdjAmt) - sum(
                    (
                        cents(s.SplitAmt)
                        for s in self.splits
                        if s.AdjNum == link.FKey and not s.PayPlanNum
                    ),
                    NOTHING,
                )
                patient = adjustment.PatNum
            else:
                continue
            amount = cents(link.AmountOverride) if link.AmountOverride else left
            yield Movement(patient, link.SecDateTEntry.date(), -amount)

    def _left_of_procedure(self, procedure: Any) -> Decimal:
        """What of a procedure is the patient's and not paid outside of plans."""
        place = (procedure.ProcNum, procedure.PatNum, procedure.ProvNum, procedure.ClinicNum)
        left = cents(procedure.ProcFee * (procedure.UnitQty + procedure.BaseUnits))
        for a in self.adjustments:
            if (a.ProcNum, a.PatNum, a.ProvNum, a.ClinicNum) == place:
                left += cents(a.AdjAmt)
        for c in self.lines:
            if c.ProcNum == procedure.ProcNum and c.Status != PREAUTHORIZED:
                left -= self._insured(c)
        for s in self.splits:
            if s.ProcNum == procedure.ProcNum and not s.PayPlanNum:
                left -= cents(s.SplitAmt)
        return left

    @staticmethod
    def _insured(line: Any) -> Decimal:
        if line.Status in (RECEIVED, SUPPLEMENTAL, CAP_COMPLETE):
            return cents(line.InsPayAmt) + cents(line.WriteOff)
        paid = line.InsPayEst if line.InsEstTotalOverride == -1 else line.InsEstTotalOverride
        waived = (
            max(line.WriteOffEst, 0) if line.WriteOffEstOverride == -1 else line.WriteOffEstOverride
        )
        return cents(paid) + cents(waived)

    def age(self, day: dt.date, *, is_today: bool) -> dict[int, Aged]:
        """The report as of *day*, by family; the total of today holds what is dated later."""
        by_family: dict[int, list[Movement]] = defaultdict(list)
        for movement in self.movements:
            is_there = movement.day <= day or (is_today and not movement.is_plan_charge)
            if movement.amount and is_there:
                by_family[self.family_of(movement.patient)].append(movement)
        pending: dict[int, list[Any]] = defaultdict(list)
        for line in self.lines:
            if self._is_pending(line, day, is_today=is_today):
                pending[self.family_of(line.PatNum)].append(line)
        families = {
            family: _aged(by_family[family], pending[family], day)
            for family in sorted({*by_family, *pending})
        }
        return {family: aged for family, aged in families.items() if not aged.is_empty}

    @staticmethod
    def _is_pending(line: Any, day: dt.date, *, is_today: bool) -> bool:
        if is_today:
            return bool(line.Status == NOT_RECEIVED)
        is_late = line.Status == RECEIVED and line.DateCP > day
        return bool(line.ProcDate <= day and (line.Status == NOT_RECEIVED or is_late))


def _aged(movements: list[Movement], pending: list[Any], day: dt.date) -> Aged:
    """Credits pay the oldest charges first, by the four ages."""
    charges = [NOTHING] * 4
    credit = NOTHING
    for movement in movements:
        days = (day - movement.day).days
        if movement.amount < 0 <= days:
            credit -= movement.amount
        elif days >= 0:
            charges[(days > 30) + (days > 60) + (days > 90)] += movement.amount
    left = []
    for owed in reversed(charges):
        paid = min(owed, credit)
        credit -= paid
        left.append(owed - paid)
    payments = [movement.day for movement in movements if movement.is_payment]
    days_over_90, days_61_90, days_31_60, days_0_30 = left
    return Aged(
        days_0_30=days_0_30,
        days_31_60=days_31_60,
        days_61_90=days_61_90,
        days_over_90=days_over_90,
        total=sum((movement.amount for movement in movements), NOTHING),
        write_off_estimate=sum((cents(line.WriteOff) for line in pending), NOTHING),
        insurance_estimate=sum((cents(line.InsPayEst) for line in pending), NOTHING),
        last_payment=max(payments, default=None),
    )


def report_days(analytics: PostgresConnection) -> list[dt.date]:
    """The practice's day, and the last days of the 24 months before its own."""
    today = read_practice_day(analytics)
    days, first = [today], today.replace(day=1)
    for _ in range(24):
        days.append(first - dt.timedelta(days=1))
        first = days[-1].replace(day=1)
    return days


def reckon_aging(analytics: PostgresConnection) -> dict[tuple[dt.date, int], Aged]:
    """The report Aging of A/R as of each of the report's days."""
    accounts, today = Accounts(analytics), read_practice_day(analytics)
    return {
        (day, family): aged
        for day in report_days(analytics)
        for family, aged in accounts.age(day, is_today=day == today).items()
    }


def read_aging(analytics: PostgresConnection) -> dict[tuple[dt.date, int], Aged]:
    """The same as the mart has it, asked for a day at a time."""
    return {
        (day, row[0]): Aged(*row[1:])
        for day in report_days(analytics)
        for row in analytics.execute(
            b"SELECT guarantor_id, balance_0_30, balance_31_60, balance_61_90, balance_over_90, "
            b"total, write_off_estimate, insurance_estimate, last_payment_date "
            b"FROM marts.report_aging_of_receivables WHERE as_of_date = %s",
            (day,),
        )
    }


def reckon_receivables(analytics: PostgresConnection) -> dict[int, Aged]:
    """The report as of the practice's day, with the estimates in one."""
    aged = Accounts(analytics).age(read_practice_day(analytics), is_today=True)
    return {family: _with_one_estimate(row) for family, row in aged.items()}


def read_receivables(analytics: PostgresConnection) -> dict[int, Aged]:
    """The same as ``accounts_receivable`` has it, without families that owe and expect nothing."""
    rows = analytics.execute(
        b"SELECT guarantor_id, balance_0_30, balance_31_60, balance_61_90, balance_over_90, "
        b"balance, insurance_portion, patient_portion, last_payment_date "
        b"FROM marts.accounts_receivable"
    )
    found = {}
    for family, new, old, older, oldest, balance, insurance, patient, paid_on in rows:
        assert balance - insurance == patient
        found[family] = Aged(new, old, older, oldest, balance, NOTHING, insurance, paid_on)
    return {family: aged for family, aged in found.items() if not aged.is_empty}


def _with_one_estimate(aged: Aged) -> Aged:
    return Aged(
        aged.days_0_30,
        aged.days_31_60,
        aged.days_61_90,
        aged.days_over_90,
        aged.total,
        NOTHING,
        aged.write_off_estimate + aged.insurance_estimate,
        aged.last_payment,
    )


Closed = dict[tuple[dt.date, int], tuple[Decimal, ...]]
"""Ages, total and estimates, by month's end and clinic."""


def reckon_months(analytics: PostgresConnection) -> Closed:
    """What was owed at the ends of the 24 months before the practice's, by clinic."""
    accounts = Accounts(analytics)
    clinics = {
        row.PatNum: row.ClinicNum for row in read_rows(analytics, "patient", "PatNum", "ClinicNum")
    }
    found: dict[tuple[dt.date, int], list[Decimal]] = defaultdict(lambda: [NOTHING] * 7)
    for day in report_days(analytics)[1:]:
        for family, aged in accounts.age(day, is_today=False).items():
            row = (
                aged.days_0_30,
                aged.days_31_60,
                aged.days_61_90,
                aged.days_over_90,
                aged.total,
                aged.write_off_estimate,
                aged.insurance_estimate,
            )
            key = (day, clinics.get(family, 0))
            found[key] = [a + b for a, b in zip(found[key], row, strict=True)]
    return {key: tuple(row) for key, row in found.items() if any(row)}


def read_months(analytics: PostgresConnection) -> Closed:
    """The same as the mart has it, of whatever day it was closed on."""
    rows = analytics.execute(
        b"SELECT month_end, clinic_id, balance_0_30, balance_31_60, balance_61_90, "
        b"balance_over_90, total, write_off_estimate, insurance_estimate "
        b"FROM marts.receivables_by_month"
    )
    return {(row[0], row[1]): row[2:] for row in rows if any(row[2:])}


def read_totals_now(analytics: PostgresConnection) -> dict[tuple[dt.date, int], Decimal]:
    """What the mart says that the books say now of each month's end."""
    rows = analytics.execute(
        b"SELECT month_end, clinic_id, total_now FROM marts.receivables_by_month"
    )
    return {(row[0], row[1]): row[2] for row in rows}


JUDGES: Judges = (
    ("receivables", reckon_receivables, read_receivables),
    ("aging of receivables", reckon_aging, read_aging),
    ("receivables by month", reckon_months, read_months),
    ("receivables by month, now", reckon_months, read_totals_now),
)
