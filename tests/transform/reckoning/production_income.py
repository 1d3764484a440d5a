"""Production and Income as OpenDental adds it up (RpProdInc.cs; manual, page reportprodinc)."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.books import NO_DATE, cents, read_hidden_types, read_rows

COMPLETE = 2
NOT_RECEIVED, RECEIVED, SUPPLEMENTAL, CAP_CLAIM = 0, 1, 4, 5

Key = tuple[dt.date, int, int]
Totals = dict[Key, dict[str, Decimal]]
"""By day, provider and clinic: the report's columns. A column of 0 is left out."""


@dataclass(frozen=True)
class Movement:
    """An amount that a column of the report counts."""

    column: str
    key: Key
    amount: Decimal


def reckon(analytics: PostgresConnection) -> Totals:
    """The report over all days."""
    totals: defaultdict[Key, defaultdict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for movement in (
        *_production(analytics),
        *_adjustments(analytics),
        *_write_offs(analytics),
        *_patient_income(analytics),
        *_insurance_income(analytics),
    ):
        if movement.key[0] > NO_DATE:
            totals[movement.key][movement.column] += movement.amount
    found = {key: {c: v for c, v in columns.items() if v} for key, columns in totals.items()}
    return {key: columns for key, columns in found.items() if columns}


def _production(analytics: PostgresConnection) -> Iterator[Movement]:
    for row in read_rows(
        analytics, "procedurelog", "ProcStatus", "ProcDate", "ProvNum", "ClinicNum", "ProcFee"
    ):
        if row.ProcStatus == COMPLETE:
            key = (row.ProcDate, row.ProvNum, row.ClinicNum)
            yield Movement("production", key, cents(row.ProcFee))


def _adjustments(analytics: PostgresConnection) -> Iterator[Movement]:
    for row in read_rows(analytics, "adjustment", "AdjDate", "ProvNum", "ClinicNum", "AdjAmt"):
        key = (row.AdjDate, row.ProvNum, row.ClinicNum)
        yield Movement("adjustments", key, cents(row.AdjAmt))


def _write_offs(analytics: PostgresConnection) -> Iterator[Movement]:
    """By insurance pay date: lines that are received or supplements."""
    for row in read_rows(
        analytics, "claimproc", "Status", "DateCP", "ProvNum", "ClinicNum", "WriteOff"
    ):
        if row.Status in (RECEIVED, SUPPLEMENTAL):
            key = (row.DateCP, row.ProvNum, row.ClinicNum)
            yield Movement("writeoff", key, -cents(row.WriteOff))


def _patient_income(analytics: PostgresConnection) -> Iterator[Movement]:
    """Prepayments of a hidden type, whose definition has a value, are left out."""
    hidden_types = read_hidden_types(analytics)
    for row in read_rows(
        analytics, "paysplit", "DatePay", "ProvNum", "ClinicNum", "SplitAmt", "UnearnedType"
    ):
        key = (row.DatePay, row.ProvNum, row.ClinicNum)
        column = "unearned_pt_income" if row.UnearnedType else "pt_income"
        if row.UnearnedType not in hidden_types:
            yield Movement(column, key, cents(row.SplitAmt))


def _insurance_income(analytics: PostgresConnection) -> Iterator[Movement]:
    """Lines with a payment, on the day of its cheque; without one they count nowhere."""
    checks = {
        row.ClaimPaymentNum: row.CheckDate
        for row in read_rows(analytics, "claimpayment", "ClaimPaymentNum", "CheckDate")
    }
    for row in read_rows(
        analytics, "claimproc", "ClaimPaymentNum", "ProvNum", "ClinicNum", "InsPayAmt"
    ):
        if row.ClaimPaymentNum in checks:
            key = (checks[row.ClaimPaymentNum], row.ProvNum, row.ClinicNum)
            yield Movement("ins_income", key, cents(row.InsPayAmt))


def read_marts(analytics: PostgresConnection) -> Totals:
    """The same as the marts have it by day."""
    totals: defaultdict[Key, dict[str, Decimal]] = defaultdict(dict)
    for table, day, columns in (
        (
            "production_by_day",
            "production_date",
            {
                "production": "gross_production",
                "adjustments": "adjustments",
                "writeoff": "-write_offs",
            },
        ),
        (
            "collections_by_day",
            "collection_date",
            {"patients_paid": "patient_payments", "ins_income": "insurance_payments"},
        ),
    ):
        query = f"SELECT {day}, provider_id, clinic_id, {', '.join(columns.values())}"
        for row in analytics.execute(f"{query} FROM marts.{table}".encode()).fetchall():
            found = dict(zip(columns, row[3:], strict=True))
            totals[row[:3]] |= {name: value for name, value in found.items() if value}
    return {key: columns for key, columns in totals.items() if columns}


def of_marts(reckoned: Totals) -> Totals:
    """The reckoning with the columns of `read_marts`, which tell no income that is not earned."""
    totals = {}
    for key, columns in reckoned.items():
        rest = dict(columns)
        paid = rest.pop("pt_income", Decimal()) + rest.pop("unearned_pt_income", Decimal())
        totals[key] = rest | ({"patients_paid": paid} if paid else {})
    return {key: columns for key, columns in totals.items() if columns}


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
