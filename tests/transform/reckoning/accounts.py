"""Accounts of families, as OpenDental ages them (Ledgers.cs).

Payment plans count as the practice chose (PayPlan.cs, PayPlanVersions). Amounts are summed as
money.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.books import (
    NOTHING,
    cents,
    read_hidden_types,
    read_preferences,
    read_rows,
    reckon_once,
)

TREATMENT_PLANNED, COMPLETE = 1, 2
NOT_RECEIVED, RECEIVED, PREAUTHORIZED, SUPPLEMENTAL, CAP_CLAIM, CAP_COMPLETE = 0, 1, 2, 4, 5, 7
DEBIT = 0
LINKED_ADJUSTMENT, LINKED_PROCEDURE = 1, 2
AWAIT_COMPLETE = 1
UNEARNED_TYPES = 29
DO_NOT_AGE, AGE_CREDITS_AND_DEBITS, AGE_CREDITS_ONLY, NO_CHARGES = "1", "2", "3", "4"


class Movement(NamedTuple):
    """An amount on a patient's account; a payment plan's charge is none before its day."""

    patient: int
    day: dt.date
    amount: Decimal
    is_plan_charge: bool = False
    is_payment: bool = False


class Aged(NamedTuple):
    """A row of the report Aging of A/R."""

    days_0_30: Decimal
    days_31_60: Decimal
    days_61_90: Decimal
    days_over_90: Decimal
    total: Decimal
    write_off_estimate: Decimal
    insurance_estimate: Decimal
    patient_portion: Decimal
    last_payment: dt.date | None

    @property
    def ages(self) -> tuple[Decimal, ...]:
        """What is owed by age, the youngest first."""
        return self[:4]

    @property
    def is_empty(self) -> bool:
        """True if the report leaves the family out."""
        return not any(self[:7])


class Account(NamedTuple):
    """A row of ``accounts_receivable``: by age what is owed, expected and left; and the rest."""

    owed: tuple[Decimal, ...]
    expected: tuple[Decimal, ...]
    left: tuple[Decimal, ...]
    credit: Decimal
    dated_later: Decimal
    last_payment: dt.date | None

    @property
    def is_empty(self) -> bool:
        """True if the family owes and expects nothing."""
        return not any((*self.owed, *self.expected, self.credit, self.dated_later))


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
            *("PayPlanNum", "PatNum", "Guarantor", "PlanNum", "IsDynamic", "PayPlanDate"),
            *("CompletedAmt", "DynamicPayPlanTPOption"),
        )
        self.charges = read_rows(
            analytics,
            "payplancharge",
            *("PayPlanNum", "PatNum", "Guarantor", "ChargeDate", "Principal", "Interest"),
            "ChargeType",
        )
        self.links = read_rows(
            analytics,
            "payplanlink",
            *("PayPlanNum", "LinkType", "FKey", "AmountOverride", "SecDateTEntry"),
        )
        self.hidden_types = read_hidden_types(analytics)
        self.plans_age = read_preferences(analytics)["PayPlansVersion"]
        self.guarantors: dict[int, int] = {
            row.PatNum: row.Guarantor
            for row in read_rows(analytics, "patient", "PatNum", "Guarantor")
        }
        self._aged_on: dict[tuple[dt.date, bool], dict[int, Aged]] = {}

    def family_of(self, patient: int) -> int:
        """Who pays; a patient whose guarantor is not there pays for themselves."""
        guarantor = self.guarantors.get(patient, patient)
        return guarantor if guarantor in self.guarantors else patient

    def is_hidden(self, split: Any) -> bool:
        """True for a prepayment that counts nowhere until it is allocated."""
        return split.UnearnedType in self.hidden_types

    @cached_property
    def linked(self) -> Linked:
        """The work and the adjustments that dynamic plans are for."""
        return Linked(self)

    @cached_property
    def movements(self) -> dict[int, list[Movement]]:
        """All movements by family."""
        found: defaultdict[int, list[Movement]] = defaultdict(list)
        for part in (
            self._entries(),
            self._plan_charges(),
            self._plan_links(),
            self._whole_plans(),
        ):
            for movement in part:
                if movement.amount:
                    found[self.family_of(movement.patient)].append(movement)
        return found

    def _entries(self) -> Iterator[Movement]:
        for p in self.procedures:
            if p.ProcStatus == COMPLETE:
                amount = cents(p.ProcFee * (p.UnitQty + p.BaseUnits))
                yield Movement(p.PatNum, p.ProcDate, amount)
        for a in self.adjustments:
            yield Movement(a.PatNum, a.AdjDate, cents(a.AdjAmt))
        skips_plans = self.plans_age in (DO_NOT_AGE, AGE_CREDITS_ONLY)
        for s in self.splits:
            if not self.is_hidden(s) and not (skips_plans and s.PayPlanNum):
                yield Movement(s.PatNum, s.DatePay, -cents(s.SplitAmt), is_payment=True)
        for c in self.lines:
            if c.Status in (RECEIVED, SUPPLEMENTAL, CAP_CLAIM, CAP_COMPLETE):
                paid = NOTHING if c.PayPlanNum else cents(c.InsPayAmt)
                yield Movement(c.PatNum, c.DateCP, -cents(c.WriteOff) - paid)

    def _plan_charges(self) -> Iterator[Movement]:
        if self.plans_age not in (AGE_CREDITS_AND_DEBITS, AGE_CREDITS_ONLY):
            return
        has_debits = self.plans_age == AGE_CREDITS_AND_DEBITS
        plans = {plan.PayPlanNum: plan for plan in self.plans}
        for charge in self.charges:
            plan = plans[charge.PayPlanNum]
            principal, interest = cents(charge.Principal), cents(charge.Interest)
            if charge.ChargeType != DEBIT:
                patient = plan.PatNum if has_debits else charge.PatNum
                yield Movement(patient, charge.ChargeDate, -principal, is_plan_charge=True)
            elif plan.PlanNum == 0 and has_debits:
                yield Movement(
                    charge.Guarantor, charge.ChargeDate, principal + interest, is_plan_charge=True
                )

    def _plan_links(self) -> Iterator[Movement]:
        if self.plans_age not in (AGE_CREDITS_AND_DEBITS, AGE_CREDITS_ONLY):
            return
        waiting = {p.PayPlanNum for p in self.plans if p.DynamicPayPlanTPOption == AWAIT_COMPLETE}
        for link in self.links:
            if link.LinkType == LINKED_PROCEDURE and link.FKey in self.linked.procedures:
                procedure = self.linked.procedures[link.FKey]
                if procedure.ProcStatus != COMPLETE and link.PayPlanNum in waiting:
                    continue
                left, patient = self._left_of_procedure(procedure), procedure.PatNum
            elif link.LinkType == LINKED_ADJUSTMENT and link.FKey in self.linked.adjustments:
                adjustment = self.linked.adjustments[link.FKey]
                left, patient = self.linked.left_of_adjustment(adjustment), adjustment.PatNum
            else:
                continue
            amount = cents(link.AmountOverride) if link.AmountOverride else left
            yield Movement(patient, link.SecDateTEntry.date(), -amount)

    def _whole_plans(self) -> Iterator[Movement]:
        if self.plans_age == DO_NOT_AGE:
            for plan in self.plans:
                yield Movement(plan.PatNum, plan.PayPlanDate, -cents(plan.CompletedAmt))

    def _left_of_procedure(self, procedure: Any) -> Decimal:
        """What of a procedure is the patient's and not paid outside of plans."""
        place = (procedure.PatNum, procedure.ProvNum, procedure.ClinicNum)
        left = cents(procedure.ProcFee * (procedure.UnitQty + procedure.BaseUnits))
        for a in self.linked.adjustments_of[procedure.ProcNum]:
            if (a.PatNum, a.ProvNum, a.ClinicNum) == place:
                left += cents(a.AdjAmt)
        for c in self.linked.lines_of[procedure.ProcNum]:
            if c.Status != PREAUTHORIZED:
                left -= self._insured(c)
        return left - self.linked.paid_for_procedure[procedure.ProcNum]

    @staticmethod
    def _insured(line: Any) -> Decimal:
        if line.Status in (RECEIVED, SUPPLEMENTAL, CAP_COMPLETE):
            return cents(line.InsPayAmt) + cents(line.WriteOff)
        paid = line.InsPayEst if line.InsEstTotalOverride == -1 else line.InsEstTotalOverride
        waived = (
            max(line.WriteOffEst, 0) if line.WriteOffEstOverride == -1 else line.WriteOffEstOverride
        )
        return cents(paid) + cents(waived)

    @cached_property
    def pending(self) -> dict[int, list[Any]]:
        """By family the lines that are not received, and those that once were not."""
        found: defaultdict[int, list[Any]] = defaultdict(list)
        for line in self.lines:
            if line.Status in (NOT_RECEIVED, RECEIVED) and (line.WriteOff or line.InsPayEst):
                found[self.family_of(line.PatNum)].append(line)
        return found

    def age(self, day: dt.date, *, is_today: bool) -> dict[int, Aged]:
        """The report as of *day*, by family; the total of today holds what is dated later."""
        if (day, is_today) not in self._aged_on:
            families = {
                family: _aged(
                    self._movements_until(family, day, is_today=is_today),
                    self.pending_on(family, day, is_today=is_today),
                    day,
                )
                for family in {*self.movements, *self.pending}
            }
            self._aged_on[day, is_today] = {
                family: aged for family, aged in families.items() if not aged.is_empty
            }
        return self._aged_on[day, is_today]

    def accounts(self, day: dt.date) -> dict[int, Account]:
        """What families owe today, in the parts of ``accounts_receivable``."""
        families = {
            family: _account(
                self._movements_until(family, day, is_today=True),
                self.pending_on(family, day, is_today=True),
                day,
            )
            for family in {*self.movements, *self.pending}
        }
        return {family: account for family, account in families.items() if not account.is_empty}

    def _movements_until(self, family: int, day: dt.date, *, is_today: bool) -> list[Movement]:
        return [
            movement
            for movement in self.movements.get(family, ())
            if movement.day <= day or (is_today and not movement.is_plan_charge)
        ]

    def pending_on(self, family: int, day: dt.date, *, is_today: bool) -> list[Any]:
        """Lines of the family's claims of which the carrier's answer was waited for."""
        lines = self.pending.get(family, ())
        if is_today:
            return [line for line in lines if line.Status == NOT_RECEIVED]
        return [
            line
            for line in lines
            if line.ProcDate <= day
            and (line.Status == NOT_RECEIVED or (line.Status == RECEIVED and line.DateCP > day))
        ]


class Linked:
    """The work and the adjustments that dynamic plans are for, with what lowers them."""

    def __init__(self, accounts: Accounts) -> None:
        work = {link.FKey for link in accounts.links if link.LinkType == LINKED_PROCEDURE}
        changes = {link.FKey for link in accounts.links if link.LinkType == LINKED_ADJUSTMENT}
        self.procedures = {p.ProcNum: p for p in accounts.procedures if p.ProcNum in work}
        self.adjustments = {a.AdjNum: a for a in accounts.adjustments if a.AdjNum in changes}
        self.adjustments_of: defaultdict[int, list[Any]] = defaultdict(list)
        self.lines_of: defaultdict[int, list[Any]] = defaultdict(list)
        self.paid_for_procedure: defaultdict[int, Decimal] = defaultdict(lambda: NOTHING)
        self._paid_for_adjustment: defaultdict[int, Decimal] = defaultdict(lambda: NOTHING)
        for adjustment in accounts.adjustments:
            if adjustment.ProcNum in work:
                self.adjustments_of[adjustment.ProcNum].append(adjustment)
        for line in accounts.lines:
            if line.ProcNum in work:
                self.lines_of[line.ProcNum].append(line)
        for split in accounts.splits:
            if not split.PayPlanNum and split.ProcNum in work:
                self.paid_for_procedure[split.ProcNum] += cents(split.SplitAmt)
            if not split.PayPlanNum and split.AdjNum in changes:
                self._paid_for_adjustment[split.AdjNum] += cents(split.SplitAmt)

    def left_of_adjustment(self, adjustment: Any) -> Decimal:
        """What of an adjustment is not paid outside of plans."""
        return cents(adjustment.AdjAmt) - self._paid_for_adjustment[adjustment.AdjNum]


def _ages_of(movements: list[Movement], day: dt.date) -> tuple[list[Decimal], Decimal]:
    """What is owed by age and the credit that is left: credits pay the oldest charges first."""
    charges = [NOTHING] * 4
    credit = NOTHING
    for movement in movements:
        days = (day - movement.day).days
        if days < 0:
            continue
        if movement.amount < 0:
            credit -= movement.amount
        else:
            charges[(days > 30) + (days > 60) + (days > 90)] += movement.amount
    left = []
    for owed in reversed(charges):
        paid = min(owed, credit)
        credit -= paid
        left.append(owed - paid)
    return left[::-1], credit


def _last_payment(movements: list[Movement]) -> dt.date | None:
    return max((movement.day for movement in movements if movement.is_payment), default=None)


def _aged(movements: list[Movement], pending: list[Any], day: dt.date) -> Aged:
    ages, _ = _ages_of(movements, day)
    total = sum((movement.amount for movement in movements), NOTHING)
    write_off = sum((cents(line.WriteOff) for line in pending), NOTHING)
    insurance = sum((cents(line.InsPayEst) for line in pending), NOTHING)
    youngest, young, old, oldest = ages
    return Aged(
        days_0_30=youngest,
        days_31_60=young,
        days_61_90=old,
        days_over_90=oldest,
        total=total,
        write_off_estimate=write_off,
        insurance_estimate=insurance,
        patient_portion=total - write_off - insurance,
        last_payment=_last_payment(movements),
    )


def _account(movements: list[Movement], pending: list[Any], day: dt.date) -> Account:
    owed, credit = _ages_of(movements, day)
    expected = [NOTHING] * 4
    for line in pending:
        days = (day - line.ProcDate).days
        expected[(days > 30) + (days > 60) + (days > 90)] += cents(line.WriteOff)
        expected[(days > 30) + (days > 60) + (days > 90)] += cents(line.InsPayEst)
    return Account(
        owed=tuple(owed),
        expected=tuple(expected),
        left=tuple(a - b for a, b in zip(owed, expected, strict=True)),
        credit=NOTHING - credit,
        dated_later=sum((m.amount for m in movements if m.day > day), NOTHING),
        last_payment=_last_payment(movements),
    )


open_accounts = reckon_once(Accounts)
