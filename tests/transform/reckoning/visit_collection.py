"""Over-the-counter collection: what patients pay, on the day of a visit, of their part of its work.

Denticon Practice Analytics ("% OTC Collections"): patient payments of the same date as the
estimated patient amount. McKenzie Management: only payments for services of that day.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from typing import Any, NamedTuple

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.books import NO_DATE, cents, read_rows, share

COMPLETE = 2
NOT_RECEIVED, RECEIVED, CAP_COMPLETE = 0, 1, 7
BROKEN = ("D9986", "D9987")
NOTHING = Decimal("0.00")

Visit = tuple[int, dt.date]
"""A patient and a day."""


class Work(NamedTuple):
    """A completed procedure: whose, when, where, and what of it the patient was to pay."""

    visit: Visit
    clinic: int
    portion: Decimal


def _read_expected(analytics: PostgresConnection) -> dict[int, Decimal]:
    """What the patient does not pay, by procedure: estimates of claims, and capitation."""
    found: defaultdict[int, Decimal] = defaultdict(Decimal)
    for row in read_rows(
        analytics, "claimproc", "ProcNum", "ClaimNum", "Status", "InsPayEst", "WriteOff",
        "WriteOffEst", "WriteOffEstOverride",
    ):  # fmt: skip
        if row.Status == CAP_COMPLETE:
            found[row.ProcNum] += cents(row.WriteOff)
        elif row.ClaimNum and row.Status in (NOT_RECEIVED, RECEIVED):
            waived = row.WriteOffEst if row.WriteOffEstOverride == -1 else row.WriteOffEstOverride
            found[row.ProcNum] += cents(row.InsPayEst)
            found[row.ProcNum] += NOTHING if waived == -1 else cents(waived)
    return found


def _read_work(analytics: PostgresConnection) -> dict[int, Work]:
    broken = {
        row.CodeNum
        for row in read_rows(analytics, "procedurecode", "CodeNum", "ProcCode")
        if row.ProcCode in BROKEN
    }
    expected = _read_expected(analytics)
    adjusted: defaultdict[tuple[int, dt.date], Decimal] = defaultdict(Decimal)
    for row in read_rows(analytics, "adjustment", "ProcNum", "AdjDate", "AdjAmt"):
        adjusted[row.ProcNum, row.AdjDate] += cents(row.AdjAmt)
    return {
        row.ProcNum: Work(
            (row.PatNum, row.ProcDate),
            row.ClinicNum,
            cents(row.ProcFee) * (row.UnitQty + row.BaseUnits)
            + adjusted.get((row.ProcNum, row.ProcDate), NOTHING)
            - expected.get(row.ProcNum, NOTHING),
        )
        for row in read_rows(
            analytics, "procedurelog", "ProcNum", "PatNum", "ProcStatus", "ProcDate", "CodeNum",
            "ClinicNum", "ProcFee", "UnitQty", "BaseUnits",
        )
        if row.ProcStatus == COMPLETE
        and row.CodeNum not in broken
        and row.ProcDate > NO_DATE
        and row.PatNum
    }  # fmt: skip


def _read_paid(analytics: PostgresConnection, work: dict[int, Work]) -> dict[Visit, Decimal]:
    moved = {
        row.PayNum
        for row in read_rows(analytics, "payment", "PayNum", "PayType")
        if not row.PayType
    }
    paid: defaultdict[Visit, Decimal] = defaultdict(Decimal)
    for row in read_rows(
        analytics, "paysplit", "PayNum", "PatNum", "ProcNum", "AdjNum", "PayPlanNum", "DatePay",
        "UnearnedType", "SplitAmt",
    ):  # fmt: skip
        if row.PayNum in moved or row.UnearnedType or row.PayPlanNum:
            continue
        if row.ProcNum in work and work[row.ProcNum].visit[1] == row.DatePay:
            paid[work[row.ProcNum].visit] += cents(row.SplitAmt)
        elif not row.ProcNum and not row.AdjNum:
            paid[row.PatNum, row.DatePay] += cents(row.SplitAmt)
    return paid


def reckon(analytics: PostgresConnection) -> dict[Any, tuple[Any, ...]]:
    """Part of the patients, what they paid of it, and the ratio, by month and clinic."""
    work = _read_work(analytics)
    paid = _read_paid(analytics, work)
    portions: defaultdict[Visit, Decimal] = defaultdict(Decimal)
    clinics: defaultdict[Visit, set[int]] = defaultdict(set)
    for done in work.values():
        portions[done.visit] += done.portion
        clinics[done.visit].add(done.clinic)
    cells: defaultdict[Any, list[Decimal]] = defaultdict(lambda: [NOTHING, NOTHING])
    for visit, portion in portions.items():
        if portion > 0:
            clinic = min((c for c in clinics[visit] if c), default=0)
            cell = cells[visit[1].replace(day=1), clinic]
            cell[0] += portion
            cell[1] += max(NOTHING, min(portion, paid.get(visit, NOTHING)))
    return {key: (part, at_visit, share(at_visit, part)) for key, (part, at_visit) in cells.items()}


def read_mart(analytics: PostgresConnection) -> dict[Any, tuple[Any, ...]]:
    """The same as the mart has it."""
    rows = analytics.execute(
        b"SELECT month_start, clinic_id, visit_patient_portion, paid_at_visits, "
        b"over_the_counter_ratio FROM marts.collection_ratio_by_month "
        b"WHERE visit_patient_portion <> 0 OR paid_at_visits <> 0"
    ).fetchall()
    return {row[:2]: row[2:] for row in rows}


JUDGES = (("over-the-counter collection", reckon, read_mart),)
