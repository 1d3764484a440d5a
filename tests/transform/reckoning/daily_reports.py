"""Daily Payments, Daily Adjustments, Procedures and Unfinalized Insurance Payments.

RpPaySheet.cs, RpAdjSheet.cs, RpProcSheet.cs, RpUnfinalizedInsPay.cs: by their rows, what each says.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.books import NO_DATE, Judges, cents, read_hidden_types, read_rows
from tests.transform.reckoning.production_income import (
    CAP_CLAIM,
    CAP_COMPLETE,
    COMPLETE,
    PRICED,
    RECEIVED,
    SUPPLEMENTAL,
)


def reckon_payments(analytics: PostgresConnection) -> dict[Any, Decimal]:
    """Amounts by kind, payment, day shown, carrier and clinic."""
    found: defaultdict[Any, Decimal] = defaultdict(Decimal)
    carriers = {
        row.PlanNum: row.CarrierNum
        for row in read_rows(analytics, "insplan", "PlanNum", "CarrierNum")
    }
    checks = {
        row.ClaimPaymentNum for row in read_rows(analytics, "claimpayment", "ClaimPaymentNum")
    }
    for row in read_rows(
        analytics,
        "claimproc",
        "ClaimPaymentNum",
        "Status",
        "DateCP",
        "PlanNum",
        "ClinicNum",
        "InsPayAmt",
    ):
        if row.ClaimPaymentNum in checks and row.Status in (RECEIVED, SUPPLEMENTAL):
            carrier = carriers.get(row.PlanNum, 0)
            key = ("insurance", row.ClaimPaymentNum, row.DateCP, carrier, row.ClinicNum)
            found[key] += cents(row.InsPayAmt)
    hidden_types = read_hidden_types(analytics)
    days = {row.PayNum: row.PayDate for row in read_rows(analytics, "payment", "PayNum", "PayDate")}
    for row in read_rows(analytics, "paysplit", "PayNum", "ClinicNum", "SplitAmt", "UnearnedType"):
        if days.get(row.PayNum, NO_DATE) > NO_DATE and row.UnearnedType not in hidden_types:
            found["patient", row.PayNum, days[row.PayNum], 0, row.ClinicNum] += cents(row.SplitAmt)
    return dict(found)


def read_payments(analytics: PostgresConnection) -> dict[Any, Decimal]:
    """The same as the mart lists it."""
    rows = analytics.execute(
        b"SELECT payment_kind, source_id, listed_date, carrier_id, clinic_id, amount "
        b"FROM marts.report_daily_payments"
    ).fetchall()
    return {row[:5]: row[5] for row in rows}


def reckon_adjustments(analytics: PostgresConnection) -> dict[int, tuple[Any, ...]]:
    """Day, patient, provider, clinic, kind, note and amount of each adjustment."""
    kinds = {
        row.DefNum: row.ItemName for row in read_rows(analytics, "definition", "DefNum", "ItemName")
    }
    return {
        row.AdjNum: (
            row.AdjDate,
            row.PatNum,
            row.ProvNum,
            row.ClinicNum,
            kinds.get(row.AdjType),
            row.AdjNote or None,
            cents(row.AdjAmt),
        )
        for row in read_rows(
            analytics,
            "adjustment",
            "AdjNum",
            "AdjDate",
            "PatNum",
            "ProvNum",
            "ClinicNum",
            "AdjType",
            "AdjNote",
            "AdjAmt",
        )
        if row.AdjDate > NO_DATE
    }


def read_adjustments(analytics: PostgresConnection) -> dict[int, tuple[Any, ...]]:
    """The same as the mart lists it."""
    rows = analytics.execute(
        b"SELECT adjustment_id, report_date, patient_id, provider_id, clinic_id, adjustment_type, "
        b"note, amount FROM marts.report_daily_adjustments"
    ).fetchall()
    return {row[0]: row[1:] for row in rows}


def reckon_procedures(analytics: PostgresConnection) -> dict[int, tuple[Any, ...]]:
    """Day, patient, code, provider, clinic and fee of each completed procedure."""
    codes = {
        row.CodeNum: row.ProcCode
        for row in read_rows(analytics, "procedurecode", "CodeNum", "ProcCode")
    }
    capitation: defaultdict[int, Decimal] = defaultdict(Decimal)
    for row in read_rows(analytics, "claimproc", "ProcNum", "Status", "WriteOff"):
        if row.Status == CAP_COMPLETE:
            capitation[row.ProcNum] += cents(row.WriteOff)
    return {
        row.ProcNum: (
            row.ProcDate,
            row.PatNum,
            codes.get(row.CodeNum),
            row.ProvNum,
            row.ClinicNum,
            cents(row.ProcFee) * (row.UnitQty + row.BaseUnits) - capitation[row.ProcNum],
        )
        for row in read_rows(
            analytics,
            "procedurelog",
            "ProcNum",
            "ProcStatus",
            "ProcDate",
            "PatNum",
            "CodeNum",
            *PRICED,
        )
        if row.ProcStatus == COMPLETE and row.ProcDate > NO_DATE
    }


def read_procedures(analytics: PostgresConnection) -> dict[int, tuple[Any, ...]]:
    """The same as the mart lists it."""
    rows = analytics.execute(
        b"SELECT procedure_id, report_date, patient_id, code, provider_id, clinic_id, fee "
        b"FROM marts.report_procedures"
    ).fetchall()
    return {row[0]: row[1:] for row in rows}


def reckon_unfinalized(analytics: PostgresConnection) -> dict[tuple[str, int], Decimal]:
    """Amounts of the report Unfinalized Insurance Payments (RpUnfinalizedInsPay.cs)."""
    found: defaultdict[tuple[str, int], Decimal] = defaultdict(Decimal)
    for row in read_rows(analytics, "claimpayment", "ClaimPaymentNum", "CheckAmt", "IsPartial"):
        if row.IsPartial:
            found["partial payment", row.ClaimPaymentNum] = cents(row.CheckAmt)
    for row in read_rows(
        analytics, "claimproc", "ClaimNum", "Status", "ClaimPaymentNum", "InsPayAmt", "IsTransfer"
    ):
        is_received = row.Status in (RECEIVED, SUPPLEMENTAL, CAP_CLAIM)
        if row.ClaimPaymentNum == 0 and row.InsPayAmt and is_received and not row.IsTransfer:
            found["unfinalized payment", row.ClaimNum] += cents(row.InsPayAmt)
    return dict(found)


def read_unfinalized(analytics: PostgresConnection) -> dict[tuple[str, int], Decimal]:
    """The same as the mart lists it."""
    rows = analytics.execute(
        b"SELECT payment_kind, source_id, amount FROM marts.report_unfinalized_insurance_payments"
    ).fetchall()
    return {(kind, source): amount for kind, source, amount in rows}


JUDGES: Judges = (
    ("daily payments", reckon_payments, read_payments),
    ("daily adjustments", reckon_adjustments, read_adjustments),
    ("procedures", reckon_procedures, read_procedures),
    ("unfinalized insurance payments", reckon_unfinalized, read_unfinalized),
)
