"""Treatment that is planned and neither done nor booked, in money.

RpTreatmentFinder.cs (planned procedures of a patient, and patients without appointments to come);
the manual's page treatmentplan and ClaimProcs.cs (GetInsEstTotal, GetWriteOffEstimate) for what
plans are expected to pay.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from typing import Any

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.books import NO_DATE, cents, read_practice_day, read_rows
from tests.transform.reckoning.treatment import read_treatment_codes

PLANNED, COMPLETE = 1, 2
SCHEDULED, ASAP = 1, 4
ESTIMATE, CAP_ESTIMATE = 6, 8
BROKEN = ("D9986", "D9987")
NOTHING = Decimal("0.00")


def _eighteen_months_before(day: dt.date) -> dt.date:
    months = day.year * 12 + day.month - 1 - 18
    for last in range(day.day, 27, -1):
        try:
            return dt.date(months // 12, months % 12 + 1, last)
        except ValueError:
            continue
    return dt.date(months // 12, months % 12 + 1, day.day)


def _read_estimates(analytics: PostgresConnection) -> dict[int, tuple[Decimal, Decimal]]:
    """What plans are expected to pay and to waive, by procedure; an override goes before it."""
    found: defaultdict[int, tuple[Decimal, Decimal]] = defaultdict(lambda: (NOTHING, NOTHING))
    for row in read_rows(
        analytics, "claimproc", "ProcNum", "Status", "InsEstTotal", "InsEstTotalOverride",
        "WriteOffEst", "WriteOffEstOverride",
    ):  # fmt: skip
        if row.Status in (ESTIMATE, CAP_ESTIMATE):
            override, total = row.InsEstTotalOverride, row.InsEstTotal
            pays = cents(total if override == -1 else override)
            waived = row.WriteOffEst if row.WriteOffEstOverride == -1 else row.WriteOffEstOverride
            paid, written_off = found[row.ProcNum]
            written_off += NOTHING if waived == -1 else cents(waived)
            found[row.ProcNum] = (paid + pays, written_off)
    return dict(found)


def _read_visits(analytics: PostgresConnection) -> dict[int, dt.date]:
    """Last day of treatment, by patient."""
    broken = {
        row.CodeNum
        for row in read_rows(analytics, "procedurecode", "CodeNum", "ProcCode")
        if row.ProcCode in BROKEN
    }
    last: dict[int, dt.date] = {}
    for row in read_rows(analytics, "procedurelog", "PatNum", "ProcStatus", "ProcDate", "CodeNum"):
        if row.ProcStatus == COMPLETE and row.CodeNum not in broken and row.ProcDate > NO_DATE:
            last[row.PatNum] = max(row.ProcDate, last.get(row.PatNum, NO_DATE))
    return last


def reckon(analytics: PostgresConnection) -> dict[Any, dict[str, Any]]:
    """By patient, provider and clinic."""
    day = read_practice_day(analytics)
    treatment, estimates = read_treatment_codes(analytics), _read_estimates(analytics)
    booked: dict[int, dt.date] = {}
    upcoming: dict[int, dt.date] = {}
    for row in read_rows(analytics, "appointment", "AptNum", "AptStatus", "AptDateTime", "PatNum"):
        if row.AptStatus in (SCHEDULED, ASAP) and row.AptDateTime.date() >= day:
            booked[row.AptNum] = visit = row.AptDateTime.date()
            upcoming[row.PatNum] = min(visit, upcoming.get(row.PatNum, visit))
    last = _read_visits(analytics)
    statuses = {
        row.PatNum: row.PatStatus for row in read_rows(analytics, "patient", "PatNum", "PatStatus")
    }
    cells: dict[Any, dict[str, Any]] = {}
    for row in read_rows(
        analytics, "procedurelog", "ProcNum", "PatNum", "AptNum", "ProcStatus", "DateTP", "ProvNum",
        "ClinicNum", "CodeNum", "ProcFee", "UnitQty", "BaseUnits", "Discount", "DiscountPlanAmt",
    ):  # fmt: skip
        if row.ProcStatus != PLANNED:
            continue
        visit = last.get(row.PatNum)
        cell = cells.setdefault(
            (row.PatNum, row.ProvNum, row.ClinicNum),
            {
                "is_active": statuses.get(row.PatNum) == 0
                and visit is not None
                and visit > _eighteen_months_before(day),
                "last_visit_date": visit,
                "next_visit_date": upcoming.get(row.PatNum),
                "open_procedures": 0,
                "unscheduled_procedures": 0,
                "oldest_planned_date": None,
                **dict.fromkeys(
                    ("open_amount", "unscheduled_amount", "estimated_amount", "insurance_estimate"),
                    NOTHING,
                ),
                **dict.fromkeys(("write_off_estimate", "discount", "patient_estimate"), NOTHING),
            },
        )
        amount = cents(row.ProcFee) * (row.UnitQty + row.BaseUnits)
        cell["open_procedures"] += 1
        cell["open_amount"] += amount
        if row.CodeNum not in treatment or row.AptNum in booked:
            continue
        pays, waived = estimates.get(row.ProcNum, (NOTHING, NOTHING))
        discount = cents(row.Discount) + cents(row.DiscountPlanAmt)
        cell["unscheduled_procedures"] += 1
        cell["unscheduled_amount"] += amount
        cell["estimated_amount"] += amount if row.ProcNum in estimates else NOTHING
        cell["insurance_estimate"] += pays
        cell["write_off_estimate"] += waived
        cell["discount"] += discount
        cell["patient_estimate"] += amount - pays - waived - discount
        if row.DateTP > NO_DATE:
            oldest = cell["oldest_planned_date"]
            cell["oldest_planned_date"] = min(row.DateTP, oldest or row.DateTP)
    return cells


def read_mart(analytics: PostgresConnection) -> dict[Any, dict[str, Any]]:
    """The same as the mart has it."""
    columns = (
        "is_active", "last_visit_date", "next_visit_date", "open_procedures",
        "unscheduled_procedures", "oldest_planned_date", "open_amount", "unscheduled_amount",
        "estimated_amount", "insurance_estimate", "write_off_estimate", "discount",
        "patient_estimate",
    )  # fmt: skip
    rows = analytics.execute(
        f"SELECT patient_id, provider_id, clinic_id, {', '.join(columns)} "
        "FROM marts.unscheduled_treatment".encode()
    ).fetchall()
    return {row[:3]: dict(zip(columns, row[3:], strict=True)) for row in rows}


JUDGES = (("unscheduled treatment", reckon, read_mart),)
