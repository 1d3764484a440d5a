"""Production and Income as OpenDental adds it up (RpProdInc.cs; manual, page reportprodinc)."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.books import NO_DATE, Judges, cents, read_hidden_types, read_rows

# procedurelog.ProcStatus, appointment.AptStatus, claimproc.Status
PLANNED, COMPLETE = 1, 2
SCHEDULED = 1
NOT_RECEIVED, RECEIVED, SUPPLEMENTAL, CAP_CLAIM, CAP_COMPLETE, CAP_ESTIMATE = 0, 1, 4, 5, 7, 8

PRICED = ("ProvNum", "ClinicNum", "ProcFee", "UnitQty", "BaseUnits")
NOT_DAILY = "income that Daily does not read"
SCHEDULED_DISCOUNT = "discounts of what is scheduled"
COLUMNS = (
    "production",
    "adjustments",
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
    "production": "production",
    "adjustments": "adjustments",
    "writeoff_by_pay_date": "writeoff",
    "pt_income": "pt_income",
    "unearned_pt_income": "pt_income",
    "ins_income": "ins_income",
    NOT_DAILY: "ins_income",
}

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
    """What the report counts on each day, by provider and clinic, in every way to date write-offs.

    The parts of *Monthly* that are scheduled, and income that *Daily* does not read, are columns of
    their own.
    """
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
    """Planned procedures of scheduled visits, less what capitation is to write off; discounts."""
    expected: defaultdict[int, Decimal] = defaultdict(Decimal)
    for row in read_rows(
        analytics, "claimproc", "ProcNum", "Status", "WriteOffEst", "WriteOffEstOverride"
    ):
        if row.Status == CAP_ESTIMATE:
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


def of_days(reckoned: Totals) -> Totals:
    """The columns of the tables by day: the practice dates write-offs by insurance pay date."""
    summed: defaultdict[Key, defaultdict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for key, columns in reckoned.items():
        for column, amount in columns.items():
            if name := BY_DAY.get(column):
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
            },
        ),
        (
            "collections_by_day",
            "collection_date",
            {"pt_income": "patient_payments", "ins_income": "insurance_payments"},
        ),
    ):
        query = f"SELECT {day}, provider_id, clinic_id, {', '.join(columns.values())}"
        for row in analytics.execute(f"{query} FROM marts.{table}".encode()).fetchall():
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
        "tot_prod": add(*production, "writeoff_by_pay_date"),
        "tot_income": add("pt_income", "unearned_pt_income", "ins_income"),
    }


def read_reports(analytics: PostgresConnection) -> dict[str, dict[Any, dict[str, Decimal]]]:
    """The types of the report as the marts have them."""
    return {
        report: _read_report(analytics, report, keys)
        for report, keys in {
            "daily": "report_date, provider_id, clinic_id",
            "monthly": "report_date, clinic_id",
            "annual": "month_start, clinic_id",
            "provider": "month_start, provider_id, clinic_id",
        }.items()
    }


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


def reckon_ways(_analytics: PostgresConnection) -> dict[str, set[str]]:
    """What a write-off is, by ReportsPPOwriteoffDefaultToProcDate (FormRpProdInc.cs)."""
    return {
        "0": {"write-off by pay date"},
        "1": {"write-off by procedure date"},
        "2": {"write-off estimate", "write-off adjustment"},
        "": {"write-off by pay date"},
    }


def read_ways(analytics: PostgresConnection) -> dict[str, set[str]]:
    """The same as the views answer, with each value in ``raw`` for a moment."""
    found = {}
    for value in ("0", "1", "2", ""):
        with analytics.transaction(force_rollback=True):
            analytics.execute(
                b'UPDATE raw.preference SET "ValueString" = %s '
                b"WHERE \"PrefName\" = 'ReportsPPOwriteoffDefaultToProcDate'",
                (value,),
            )
            rows = analytics.execute(
                b"SELECT DISTINCT kind FROM intermediate.int_production_income "
                b"WHERE is_practice_write_off"
            ).fetchall()
        found[value] = {kind for (kind,) in rows}
    return found


JUDGES: Judges = (
    ("production and income", reckon, read_reports),
    ("production and income by day", lambda analytics: of_days(reckon(analytics)), read_days),
    ("ways to date write-offs", reckon_ways, read_ways),
    ("unfinalized insurance payments", reckon_unfinalized, read_unfinalized),
)
