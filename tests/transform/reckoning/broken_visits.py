"""Broken visits by code, by adjustment and by status (RpBrokenAppointments.cs).

Manual: pages apptbreak and reportbrokenappt. The report joins patient and provider, so rows without
them are not in it; by status the provider may be missing.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal
from typing import Any

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.books import Judges, cents, read_rows

COMPLETE = 2
BROKEN, UNSCHEDULED = 5, 3
MISSED, CANCELLED = "D9986", "D9987"

Cell = tuple[dt.date, int, int]


def _charted(analytics: PostgresConnection) -> list[tuple[str, Any]]:
    codes = {
        row.CodeNum: row.ProcCode
        for row in read_rows(analytics, "procedurecode", "CodeNum", "ProcCode")
    }
    rows = read_rows(
        analytics, "procedurelog", "ProcNum", "PatNum", "ProvNum", "ClinicNum", "CodeNum",
        "ProcStatus", "ProcDate", "ProcFee",
    )  # fmt: skip
    return [
        (codes[row.CodeNum], row)
        for row in rows
        if row.ProcStatus == COMPLETE and codes.get(row.CodeNum) in (MISSED, CANCELLED)
    ]


def reckon_days(analytics: PostgresConnection) -> dict[str, Counter[Cell]]:
    """Broken visits by day, provider and clinic, by the codes and by status."""
    found: dict[str, Counter[Cell]] = {
        name: Counter() for name in ("missed", "cancelled", "broken", "unscheduled")
    }
    for code, row in _charted(analytics):
        name = "missed" if code == MISSED else "cancelled"
        found[name][row.ProcDate, row.ProvNum, row.ClinicNum] += 1
    for row in read_rows(
        analytics, "appointment", "AptStatus", "AptDateTime", "ProvNum", "ProvHyg", "IsHygiene",
        "ClinicNum",
    ):  # fmt: skip
        if row.AptStatus in (BROKEN, UNSCHEDULED):
            name = "broken" if row.AptStatus == BROKEN else "unscheduled"
            provider = (row.IsHygiene and row.ProvHyg) or row.ProvNum
            found[name][row.AptDateTime.date(), provider, row.ClinicNum] += 1
    return found


def read_days(analytics: PostgresConnection) -> dict[str, Counter[Cell]]:
    """The same as the mart has it."""
    rows = analytics.execute(
        b"SELECT appointment_date, provider_id, clinic_id, missed_by_code, cancelled_by_code, "
        b"broken_by_status, unscheduled_by_status FROM marts.appointments_by_day"
    ).fetchall()
    return {
        name: Counter({row[:3]: row[place] for row in rows if row[place]})
        for place, name in enumerate(("missed", "cancelled", "broken", "unscheduled"), start=3)
    }


def reckon_report(analytics: PostgresConnection) -> dict[tuple[str, int], tuple[Any, ...]]:
    """Lines of the report: day, provider, code, patient, clinic and amount."""
    patients = {
        row.PatNum: f"{row.LName}, {row.FName}"
        for row in read_rows(analytics, "patient", "PatNum", "LName", "FName")
    }
    providers = {
        row.ProvNum: row.Abbr for row in read_rows(analytics, "provider", "ProvNum", "Abbr")
    }
    clinics = {
        row.ClinicNum: row.Description
        for row in read_rows(analytics, "clinic", "ClinicNum", "Description")
    }
    preferences = {
        row.PrefName: row.ValueString
        for row in read_rows(analytics, "preference", "PrefName", "ValueString")
    }
    found: dict[tuple[str, int], tuple[Any, ...]] = {}

    def add(
        way: str, key: int, row: Any, day: dt.date, code: str | None, amount: Decimal | None
    ) -> None:
        if row.PatNum in patients and (way == "status" or row.ProvNum in providers):
            found[way, key] = (
                day, providers.get(row.ProvNum), code, patients[row.PatNum],
                clinics.get(row.ClinicNum, "Unassigned"), amount,
            )  # fmt: skip

    for code, row in _charted(analytics):
        add("procedure", row.ProcNum, row, row.ProcDate, code, cents(row.ProcFee))
    kind = int(preferences["BrokenAppointmentAdjustmentType"])
    for row in read_rows(
        analytics, "adjustment", "AdjNum", "AdjType", "AdjDate", "AdjAmt", "PatNum", "ProvNum",
        "ClinicNum",
    ):  # fmt: skip
        if row.AdjType == kind:
            add("adjustment", row.AdjNum, row, row.AdjDate, None, cents(row.AdjAmt))
    for row in read_rows(
        analytics, "appointment", "AptNum", "AptStatus", "AptDateTime", "PatNum", "ProvNum",
        "ClinicNum",
    ):  # fmt: skip
        if row.AptStatus == BROKEN:
            add("status", row.AptNum, row, row.AptDateTime.date(), None, None)
    return found


def read_report(analytics: PostgresConnection) -> dict[tuple[str, int], tuple[Any, ...]]:
    """The same as the mart lists it."""
    rows = analytics.execute(
        b"SELECT counted_by, source_id, broken_date, provider, procedure_code, patient, clinic, "
        b"amount FROM marts.report_broken_appointments"
    ).fetchall()
    return {row[:2]: row[2:] for row in rows}


JUDGES: Judges = (
    ("broken visits", reckon_days, read_days),
    ("broken appointments", reckon_report, read_report),
)
