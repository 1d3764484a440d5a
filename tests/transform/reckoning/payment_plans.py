"""Payment plans and money that is not earned yet, as OpenDental's reports list them.

RpPayPlan.cs (Payment Plans) and RpUnearnedIncome.cs (Line Item Unearned Income, Unearned Accounts).
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.accounts import (
    CAP_CLAIM,
    CAP_COMPLETE,
    DEBIT,
    LINKED_ADJUSTMENT,
    LINKED_PROCEDURE,
    RECEIVED,
    SUPPLEMENTAL,
    UNEARNED_TYPES,
    Accounts,
    open_accounts,
)
from tests.transform.reckoning.books import (
    NOTHING,
    Judges,
    cents,
    read_practice_day,
    read_rows,
)

ESTIMATED = (0, 6, 8, 9)
PAID = (RECEIVED, SUPPLEMENTAL, CAP_CLAIM, CAP_COMPLETE)


@dataclass(frozen=True)
class Plan:
    """A row of the report Payment Plans."""

    is_insurance: bool
    principal: Decimal
    interest: Decimal
    paid: Decimal
    balance: Decimal
    due_now: Decimal
    not_due: Decimal
    family_balance: Decimal


def reckon_plans(analytics: PostgresConnection) -> dict[int, Plan]:
    """The report on the practice's day, by plan."""
    accounts, day = open_accounts(analytics), read_practice_day(analytics)
    families = accounts.age(day, is_today=True)
    found = {}
    debits_of: defaultdict[int, list[Any]] = defaultdict(list)
    for charge in accounts.charges:
        if charge.ChargeType == DEBIT:
            debits_of[charge.PayPlanNum].append(charge)
    paid_on = _paid(accounts)
    for plan in accounts.plans:
        debits = debits_of[plan.PayPlanNum]
        due = [charge for charge in debits if charge.ChargeDate <= day]
        interest = sum((cents(charge.Interest) for charge in due), NOTHING)
        due_all = sum((cents(charge.Principal) for charge in due), NOTHING) + interest
        if plan.IsDynamic:
            principal = _linked_principal(accounts, plan.PayPlanNum)
        else:
            principal = sum((cents(charge.Principal) for charge in debits), NOTHING)
        paid = paid_on[plan.PayPlanNum, plan.PlanNum != 0]
        aged = families.get(accounts.family_of(plan.Guarantor))
        owed = aged.total - aged.write_off_estimate - aged.insurance_estimate if aged else NOTHING
        found[plan.PayPlanNum] = Plan(
            is_insurance=plan.PlanNum != 0,
            principal=principal,
            interest=interest,
            paid=paid,
            balance=principal + interest - paid,
            due_now=due_all - paid,
            not_due=principal + interest - due_all,
            family_balance=owed,
        )
    return found


def _paid(accounts: Accounts) -> dict[tuple[int, bool], Decimal]:
    """What was paid on each plan, by patients and (True) by carriers."""
    found: defaultdict[tuple[int, bool], Decimal] = defaultdict(lambda: NOTHING)
    for line in accounts.lines:
        if line.PayPlanNum and line.Status in (RECEIVED, SUPPLEMENTAL, CAP_CLAIM):
            found[line.PayPlanNum, True] += cents(line.InsPayAmt)
    for split in accounts.splits:
        if split.PayPlanNum and not accounts.is_hidden(split):
            found[split.PayPlanNum, False] += cents(split.SplitAmt)
    return found


def _linked_principal(accounts: Accounts, plan: int) -> Decimal:
    """All the work that a dynamic plan is for, as it is today."""
    linked = accounts.linked
    total = NOTHING
    for link in accounts.links:
        if link.PayPlanNum != plan:
            continue
        if link.AmountOverride:
            total += cents(link.AmountOverride)
        elif link.LinkType == LINKED_ADJUSTMENT and link.FKey in linked.adjustments:
            total += linked.left_of_adjustment(linked.adjustments[link.FKey])
        elif link.LinkType == LINKED_PROCEDURE and link.FKey in linked.procedures:
            procedure = linked.procedures[link.FKey]
            total += cents(procedure.ProcFee * max(1, procedure.UnitQty + procedure.BaseUnits))
            total -= linked.paid_for_procedure[link.FKey]
            for adjustment in linked.adjustments_of[link.FKey]:
                total += cents(adjustment.AdjAmt)
            for line in linked.lines_of[link.FKey]:
                total -= _insured(line)
    return total


def _insured(line: Any) -> Decimal:
    if line.Status in PAID:
        return cents(line.InsPayAmt) + cents(line.WriteOff)
    if line.Status not in ESTIMATED:
        return NOTHING
    waived = line.WriteOffEst if line.WriteOffEstOverride == -1 else line.WriteOffEstOverride
    return cents(line.InsPayEst) + cents(max(waived, 0))


def read_plans(analytics: PostgresConnection) -> dict[int, Plan]:
    """The same as the mart has it."""
    return {
        row[0]: Plan(*row[1:])
        for row in analytics.execute(
            b"SELECT payment_plan_id, is_insurance, principal, accumulated_interest, paid, "
            b"balance, due_now, balance_not_due, family_balance FROM marts.report_payment_plans"
        )
    }


Unearned = dict[int, tuple[dt.date, int, str, int, int, Decimal]]
"""Day, patient, type, clinic, provider and amount, by part of a payment."""


def reckon_unearned(analytics: PostgresConnection) -> Unearned:
    """The report Line Item Unearned Income over all days."""
    accounts = open_accounts(analytics)
    types = {
        row.DefNum: row.ItemName
        for row in read_rows(analytics, "definition", "DefNum", "Category", "ItemName")
        if row.Category == UNEARNED_TYPES
    }
    return {
        s.SplitNum: (
            s.DatePay, s.PatNum, types[s.UnearnedType], s.ClinicNum, s.ProvNum, cents(s.SplitAmt)
        )
        for s in accounts.splits
        if s.UnearnedType and not accounts.is_hidden(s)
    }  # fmt: skip


def read_unearned(analytics: PostgresConnection) -> Unearned:
    """The same as the mart has it."""
    rows = analytics.execute(
        b"SELECT split_id, payment_date, patient_id, unearned_type, coalesce(clinic_id, 0), "
        b"coalesce(provider_id, 0), amount FROM marts.report_unearned_income"
    )
    return {row[0]: row[1:] for row in rows}


def reckon_unearned_accounts(analytics: PostgresConnection) -> dict[int, Decimal]:
    """The report Unearned Accounts, by family."""
    accounts = open_accounts(analytics)
    totals: defaultdict[int, Decimal] = defaultdict(Decimal)
    for split in accounts.splits:
        if split.UnearnedType and not accounts.is_hidden(split):
            totals[accounts.family_of(split.PatNum)] += cents(split.SplitAmt)
    return {family: amount for family, amount in totals.items() if amount}


def read_unearned_accounts(analytics: PostgresConnection) -> dict[int, Decimal]:
    """The same as the mart has it."""
    return dict(
        analytics.execute(
            b"SELECT guarantor_id, amount FROM marts.report_unearned_accounts"
        ).fetchall()
    )


JUDGES: Judges = (
    ("payment plans", reckon_plans, read_plans),
    ("unearned income", reckon_unearned, read_unearned),
    ("unearned accounts", reckon_unearned_accounts, read_unearned_accounts),
)
