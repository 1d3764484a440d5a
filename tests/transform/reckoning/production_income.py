"""Production and Income as OpenDental adds it up (RpProdInc.cs; manual, page reportprodinc)."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.books import (
    NO_DATE,
    Judge,
    Judges,
    cents,
    read_hidden_types,
    read_preferences,
    read_rows,
    reckon_once,
)

# procedurelog.ProcStatus, appointment.AptStatus, claimproc.Status
PLANNED, COMPLETE = 1, 2
SCHEDULED = 1
NOT_RECEIVED, RECEIVED, SUPPLEMENTAL, CAP_CLAIM, CAP_COMPLETE, CAP_ESTIMATE = 0, 1, 4, 5, 7, 8
ESTIMATE = 6

PRICED = ("ProvNum", "ClinicNum", "ProcFee", "UnitQty", "BaseUnits")
NOT_DAILY = "income that Daily does not read"
SCHEDULED_DISCOUNT = "discounts of what is scheduled"
COLUMNS = (
    "production",
    "adjustments",
    "writeoff",
    "writeoff_by_pay_date",
    "writeoff_by_procedure_date",
    "writeoff_est",
    "writeoff_adj",
    "pt_income",
    "unearned_pt_income",
    "ins_income",
)
TOTALS = (
    "tot_prod",
    "tot_prod_by_pay_date",
    "tot_prod_by_procedure_date",
    "tot_prod_by_claim_date",
    "tot_income",
)
BY_DAY = {
    "production": ("production", "net_production"),
    "adjustments": ("adjustments", "net_production"),
    "writeoff": ("writeoff", "net_production"),
    "pt_income": ("pt_income", "collections"),
    "unearned_pt_income": ("pt_income", "collections"),
    "ins_income": ("ins_income", "collections"),
    NOT_DAILY: ("ins_income", "collections"),
}
"""What a column of the report is in the tables by day."""

REPORTS = {
    "daily": "report_date, provider_id, clinic_id",
    "monthly": "report_date, clinic_id",
    "annual": "month_start, clinic_id",
    "provider": "month_start, provider_id, clinic_id",
}
"""The types of the report, and what a row of each stands for."""

WRITE_OFFS = {
    "0": {"writeoff_by_pay_date"},
    "1": {"writeoff_by_procedure_date"},
    "2": {"writeoff_est", "writeoff_adj"},
}
"""When a write-off counts, by ReportsPPOwriteoffDefaultToProcDate (FormRpProdInc.cs)."""

Key = tuple[dt.date, int, int]
Totals = dict[Key, dict[str, Decimal]]
"""By day, provider and clinic: the report's columns. A column of 0 is left out."""


@dataclass(frozen=True)
class Movement:
    """An amount that a column of the report counts."""

    column: str
    key: Key
    amount: Decimal


@reckon_once
def reckon(analytics: PostgresConnection) -> Totals:
    """What the report counts on each day, by provider and clinic, in every way to date write-offs.

    ``writeoff`` is the one of the way that the practice chose. The parts of *Monthly* that are
    scheduled, and income that *Daily* does not read, are columns of their own.
    """
    chosen = WRITE_OFFS[read_preferences(analytics)["ReportsPPOwriteoffDefaultToProcDate"]]
    totals: defaultdict[Key, defaultdict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for movement in (
        *_production(analytics),
        *_adjustments(analytics),
        *_write_offs(analytics),
        *_expected_write_offs(analytics),
        *_patient_income(analytics),
        *_insurance_income(analytics),
        *_scheduled(analytics),
    ):
        if movement.key[0] > NO_DATE:
            totals[movement.key][movement.column] += movement.amount
            if movement.column in chosen:
                totals[movement.key]["writeoff"] += movement.amount
    return _without_nothing(totals)


def _without_nothing(totals: Mapping[Any, Mapping[str, Decimal]]) -> dict[Any, dict[str, Decimal]]:
    found = {key: {c: v for c, v in columns.items() if v} for key, columns in totals.items()}
    return {key: columns for key, columns in found.items() if columns}


def _production(analytics: PostgresConnection) -> Iterator[Movement]:
    """Price times units and base units as they are; less the write-off of lines CapComplete."""
    capitation: defaultdict[int, Decimal] = defaultdict(Decimal)
    for row in read_rows(analytics, "claimproc", "ProcNum", "Status", "WriteOff"):
        if row.Status == CAP_COMPLETE:
            capitation[row.ProcNum] += cents(row.WriteOff)
    for row in read_rows(analytics, "procedurelog", "ProcNum", "ProcStatus", "ProcDate", *PRICED):
        if row.ProcStatus == COMPLETE:
            key = (row.ProcDate, row.ProvNum, row.ClinicNum)
            yield Movement("production", key, _price(row) - capitation[row.ProcNum])


def _price(row: Any) -> Decimal:
    units: int = row.UnitQty + row.BaseUnits
    return cents(row.ProcFee) * units


def _adjustments(analytics: PostgresConnection) -> Iterator[Movement]:
    for row in read_rows(analytics, "adjustment", "AdjDate", "ProvNum", "ClinicNum", "AdjAmt"):
        key = (row.AdjDate, row.ProvNum, row.ClinicNum)
        yield Movement("adjustments", key, cents(row.AdjAmt))


def _write_offs(analytics: PostgresConnection) -> Iterator[Movement]:
    """By insurance pay date and by procedure date; the latter reads lines not received, too."""
    for row in read_rows(
        analytics, "claimproc", "Status", "DateCP", "ProcDate", "ProvNum", "ClinicNum", "WriteOff"
    ):
        amount = -cents(row.WriteOff)
        if row.Status in (RECEIVED, SUPPLEMENTAL):
            key = (row.DateCP, row.ProvNum, row.ClinicNum)
            yield Movement("writeoff_by_pay_date", key, amount)
        if row.Status in (NOT_RECEIVED, RECEIVED, SUPPLEMENTAL):
            key = (row.ProcDate, row.ProvNum, row.ClinicNum)
            yield Movement("writeoff_by_procedure_date", key, amount)


def _expected_write_offs(analytics: PostgresConnection) -> Iterator[Movement]:
    """By claim date: the snapshot's write-off (-1 is none), then the difference to the real one."""
    snapshots = {
        row.ClaimProcNum: row
        for row in read_rows(analytics, "claimsnapshot", "ClaimProcNum", "Writeoff", "DateTEntry")
    }
    for row in read_rows(
        analytics,
        "claimproc",
        "ClaimProcNum",
        "Status",
        "DateCP",
        "ProvNum",
        "ClinicNum",
        "WriteOff",
    ):
        snapshot = snapshots.get(row.ClaimProcNum)
        expected = cents(snapshot.Writeoff) if snapshot and snapshot.Writeoff != -1 else Decimal()
        if snapshot and row.Status in (NOT_RECEIVED, RECEIVED, SUPPLEMENTAL):
            key = (snapshot.DateTEntry.date(), row.ProvNum, row.ClinicNum)
            yield Movement("writeoff_est", key, -expected)
        if row.Status in (RECEIVED, SUPPLEMENTAL):
            key = (row.DateCP, row.ProvNum, row.ClinicNum)
            yield Movement("writeoff_adj", key, expected - cents(row.WriteOff))


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
        analytics, "claimproc", "ClaimPaymentNum", "Status", "ProvNum", "ClinicNum", "InsPayAmt"
    ):
        if row.ClaimPaymentNum in checks:
            key = (checks[row.ClaimPaymentNum], row.ProvNum, row.ClinicNum)
            column = "ins_income" if row.Status in (RECEIVED, SUPPLEMENTAL) else NOT_DAILY
            yield Movement(column, key, cents(row.InsPayAmt))


def _scheduled(analytics: PostgresConnection) -> Iterator[Movement]:
    """Planned procedures of scheduled visits, less expected write-offs; discounts.

    Those of capitation are taken off always, those of other plans if the practice chose so.
    """
    expected: defaultdict[int, Decimal] = defaultdict(Decimal)
    counted = {CAP_ESTIMATE}
    if read_preferences(analytics)["ReportPandIschedProdSubtractsWO"] == "1":
        counted.add(ESTIMATE)
    for row in read_rows(
        analytics, "claimproc", "ProcNum", "Status", "WriteOffEst", "WriteOffEstOverride"
    ):
        if row.Status in counted:
            override = row.WriteOffEstOverride
            amount = override if override != -1 else row.WriteOffEst
            expected[row.ProcNum] += cents(amount) if amount != -1 else Decimal()
    visits = {
        row.AptNum: row
        for row in read_rows(
            analytics, "appointment", "AptNum", "AptStatus", "AptDateTime", "ClinicNum"
        )
        if row.AptStatus == SCHEDULED
    }
    for row in read_rows(
        analytics,
        "procedurelog",
        "ProcNum",
        "AptNum",
        "ProcStatus",
        "Discount",
        "DiscountPlanAmt",
        *PRICED,
    ):
        if row.ProcStatus == PLANNED and row.AptNum in visits:
            visit = visits[row.AptNum]
            day = visit.AptDateTime.date()
            key = (day, row.ProvNum, visit.ClinicNum)
            yield Movement("sched", key, _price(row) - expected[row.ProcNum])
            discount = cents(row.Discount) + cents(row.DiscountPlanAmt)
            yield Movement(SCHEDULED_DISCOUNT, (day, row.ProvNum, row.ClinicNum), -discount)


@reckon_once
def reckon_days(analytics: PostgresConnection) -> Totals:
    """The columns of the tables by day, with write-offs when the practice counts them."""
    summed: defaultdict[Key, defaultdict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for key, columns in reckon(analytics).items():
        for column, amount in columns.items():
            for name in BY_DAY.get(column, ()):
                summed[key][name] += amount
    return _without_nothing(summed)


def read_days(analytics: PostgresConnection) -> Totals:
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
                "net_production": "net_production",
            },
        ),
        (
            "collections_by_day",
            "collection_date",
            {
                "pt_income": "patient_payments",
                "ins_income": "insurance_payments",
                "collections": "collections",
            },
        ),
    ):
        query = f"SELECT {day}, provider_id, clinic_id, {', '.join(columns.values())}"
        for row in analytics.execute(f"{query} FROM marts.{table}".encode()):
            totals[row[:3]] |= dict(zip(columns, row[3:], strict=True))
    return _without_nothing(totals)


def of_report(reckoned: Totals, report: str) -> dict[Any, dict[str, Decimal]]:
    """A type of the report: its columns, its totals among them, by its rows."""
    summed: defaultdict[Any, defaultdict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for (day, provider, clinic), columns in reckoned.items():
        month = day.replace(day=1)
        key = {
            "daily": (day, provider, clinic),
            "monthly": (day, clinic),
            "annual": (month, clinic),
            "provider": (month, provider, clinic),
        }[report]
        for column, amount in columns.items():
            if column in ("sched", SCHEDULED_DISCOUNT) and report != "monthly":
                continue
            if column == NOT_DAILY and report not in ("monthly", "annual"):
                continue
            name = {NOT_DAILY: "ins_income", SCHEDULED_DISCOUNT: "adjustments"}.get(column, column)
            summed[key][name] += amount
    return _without_nothing(
        {
            key: columns if report == "daily" else columns | _totals(columns)
            for key, columns in summed.items()
        }
    )


def _totals(columns: Mapping[str, Decimal]) -> dict[str, Decimal]:
    def add(*names: str) -> Decimal:
        return sum((columns.get(name, Decimal()) for name in names), Decimal())

    production = ("production", "sched", "adjustments")
    return {
        "tot_prod_by_pay_date": add(*production, "writeoff_by_pay_date"),
        "tot_prod_by_procedure_date": add(*production, "writeoff_by_procedure_date"),
        "tot_prod_by_claim_date": add(*production, "writeoff_est", "writeoff_adj"),
        "tot_prod": add(*production, "writeoff"),
        "tot_income": add("pt_income", "unearned_pt_income", "ins_income"),
    }


def _judge_report(report: str, keys: str) -> Judge:
    return (
        f"production and income, {report}",
        lambda analytics: of_report(reckon(analytics), report),
        lambda analytics: _read_report(analytics, report, keys),
    )


def _read_report(
    analytics: PostgresConnection, report: str, keys: str
) -> dict[Any, dict[str, Decimal]]:
    columns = [*COLUMNS, *(["sched"] if report == "monthly" else [])]
    columns += TOTALS if report != "daily" else []
    sums = ", ".join(f"sum({column})" for column in columns)
    query = f"SELECT {keys}, {sums} FROM marts.report_production_income_{report} GROUP BY {keys}"
    width = keys.count(",") + 1
    return _without_nothing(
        {
            row[:width]: dict(zip(columns, row[width:], strict=True))
            for row in analytics.execute(query.encode()).fetchall()
        }
    )


def reckon_schedule(analytics: PostgresConnection) -> dict[Key, Decimal]:
    """Scheduled production as the practice wants it, by day, provider and clinic of the visit."""
    totals: defaultdict[Key, Decimal] = defaultdict(Decimal)
    for movement in _scheduled(analytics):
        if movement.column == "sched":
            totals[movement.key] += movement.amount
    return {key: amount for key, amount in totals.items() if amount}


def reckon_write_offs(analytics: PostgresConnection, way: str) -> dict[Key, Decimal]:
    """Write-offs in one of the ways to date them."""
    found = {
        key: sum((columns.get(column, Decimal()) for column in WRITE_OFFS[way]), Decimal())
        for key, columns in reckon(analytics).items()
    }
    return {key: amount for key, amount in found.items() if amount}


JUDGES: Judges = (
    *(_judge_report(report, keys) for report, keys in REPORTS.items()),
    ("production and income by day", reckon_days, read_days),
)
