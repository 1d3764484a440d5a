"""Recalls, new patients and who came back.

Recalls: OpenDental's recall list leaves out what is disabled, disabled until a later day, or
disabled until the family owes less (Recalls.cs; manual, page recalledit). New patients and
retention are figures of ours; a patient belongs to the clinic of the treatment, not to that of
today.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.books import (
    NO_DATE,
    NOTHING,
    Judges,
    cents,
    read_practice_day,
    read_rows,
    share,
)

COMPLETE = 2
CAP_COMPLETE = 7
PATIENT, NON_PATIENT, DELETED, PROSPECTIVE = 0, 1, 4, 6
CAME_FROM = 1


def reckon_recalls(analytics: PostgresConnection) -> dict[int, str]:
    """How each recall stands."""
    day = read_practice_day(analytics)
    patients = {
        row.PatNum: row
        for row in read_rows(
            analytics, "patient", "PatNum", "PatStatus", "Guarantor", "BalTotal", "InsEst"
        )
    }
    found = {}
    for row in read_rows(
        analytics, "recall", "RecallNum", "PatNum", "DateDue", "DateScheduled", "IsDisabled",
        "DisableUntilDate", "DisableUntilBalance",
    ):  # fmt: skip
        patient = patients[row.PatNum]
        payer = patients.get(patient.Guarantor, patient)
        owed = cents(payer.BalTotal) - cents(payer.InsEst)
        is_held = row.DisableUntilDate > day or 0 < cents(row.DisableUntilBalance) < owed
        if row.IsDisabled or patient.PatStatus != PATIENT:
            state = "off"
        elif row.DateDue <= NO_DATE:
            state = "never done"
        elif row.DateScheduled >= day:
            state = "booked"
        elif is_held:
            state = "on hold"
        elif row.DateDue < day:
            state = "overdue"
        else:
            state = "due" if row.DateDue <= day + dt.timedelta(days=30) else "later"
        found[row.RecallNum] = state
    return found


def read_recalls(analytics: PostgresConnection) -> dict[int, str]:
    """The same as the models have it; the mart counts these rows."""
    return dict(
        analytics.execute(b"SELECT recall_id, recall_state FROM intermediate.int_recall").fetchall()
    )


def read_recall_status(analytics: PostgresConnection) -> Counter[str]:
    """Recalls of each state as the mart counts them."""
    rows = analytics.execute(
        b"SELECT recall_state, sum(recalls)::int FROM marts.recall_status GROUP BY 1"
    ).fetchall()
    return Counter(dict(rows))


def reckon_recall_status(analytics: PostgresConnection) -> Counter[str]:
    """The same from the recalls; none is without a kind in the practice."""
    return Counter(reckon_recalls(analytics).values())


def read_treated(analytics: PostgresConnection) -> dict[int, dict[dt.date, int]]:
    """Days on which each patient was treated, with the clinic; the lowest named where several."""
    codes = {
        row.CodeNum: row.ProcCode
        for row in read_rows(analytics, "procedurecode", "CodeNum", "ProcCode")
    }
    visits: defaultdict[int, dict[dt.date, int]] = defaultdict(dict)
    for row in read_rows(
        analytics, "procedurelog", "PatNum", "ProcDate", "ProcStatus", "CodeNum", "ClinicNum"
    ):
        is_broken = codes.get(row.CodeNum) in ("D9986", "D9987")
        if row.ProcStatus == COMPLETE and row.PatNum and row.ProcDate > NO_DATE and not is_broken:
            days = visits[row.PatNum]
            named = [n for n in (days.get(row.ProcDate), row.ClinicNum) if n]
            days[row.ProcDate] = min(named, default=0)
    return visits


New = dict[tuple[dt.date, int, int], tuple[int, Decimal]]
"""Patients and the production of their first year, by month, clinic and source."""


def reckon_new(analytics: PostgresConnection) -> New:
    """New patients by month, clinic of the first treatment and source."""
    patients = {
        row.PatNum: row
        for row in read_rows(analytics, "patient", "PatNum", "PatStatus", "DateFirstVisit")
    }
    sources: dict[int, int] = {}
    links = read_rows(
        analytics, "refattach", "PatNum", "RefType", "ItemOrder", "RefAttachNum", "ReferralNum"
    )
    for row in sorted(links, key=lambda row: (row.ItemOrder, row.RefAttachNum)):
        if row.RefType == CAME_FROM and row.ReferralNum:
            sources.setdefault(row.PatNum, row.ReferralNum)
    produced = _production_of_patients(analytics)
    found: New = {}
    for number, days in read_treated(analytics).items():
        patient = patients.get(number)
        if patient is None or patient.PatStatus in (NON_PATIENT, DELETED, PROSPECTIVE):
            continue
        first = min(days)
        said = patient.DateFirstVisit
        since = min(first, said) if said > NO_DATE else first
        year = sum(
            (amount for day, amount in produced[number] if day < _year_after(since)), NOTHING
        )
        key = (since.replace(day=1), days[first], sources.get(number, 0))
        count, total = found.get(key, (0, NOTHING))
        found[key] = (count + 1, total + year)
    return found


def _production_of_patients(
    analytics: PostgresConnection,
) -> defaultdict[int, list[tuple[dt.date, Decimal]]]:
    """What was done for each patient, without what capitation plans write off."""
    waived: defaultdict[int, Decimal] = defaultdict(lambda: NOTHING)
    for row in read_rows(analytics, "claimproc", "ProcNum", "Status", "WriteOff"):
        if row.Status == CAP_COMPLETE:
            waived[row.ProcNum] += cents(row.WriteOff)
    found: defaultdict[int, list[tuple[dt.date, Decimal]]] = defaultdict(list)
    for row in read_rows(
        analytics, "procedurelog", "ProcNum", "PatNum", "ProcDate", "ProcStatus", "ProcFee",
        "UnitQty", "BaseUnits",
    ):  # fmt: skip
        if row.ProcStatus == COMPLETE:
            amount = cents(row.ProcFee) * (row.UnitQty + row.BaseUnits) - waived[row.ProcNum]
            found[row.PatNum].append((row.ProcDate, amount))
    return found


def _year_after(day: dt.date) -> dt.date:
    is_leap_day = (day.month, day.day) == (2, 29)
    return day.replace(year=day.year + 1, day=28 if is_leap_day else day.day)


def read_new(analytics: PostgresConnection) -> New:
    """The same as the mart has it."""
    rows: list[Any] = analytics.execute(
        b"SELECT month_start, clinic_id, referral_id, new_patients, first_year_production "
        b"FROM marts.new_patients_by_source WHERE new_patients > 0"
    ).fetchall()
    return {row[:3]: row[3:] for row in rows}


def _year_before(day: dt.date, years: int) -> dt.date:
    return day.replace(year=day.year - years)


def reckon_retention(
    analytics: PostgresConnection,
) -> dict[tuple[dt.date, int], tuple[int, int, Decimal | None]]:
    """Patients of the year before the last one, and of them those who came back."""
    visits = read_treated(analytics)
    day = read_practice_day(analytics)
    month = min(min(days) for days in visits.values()).replace(day=1)
    month = month.replace(year=month.year + 2)
    found: defaultdict[tuple[dt.date, int], list[bool]] = defaultdict(list)
    while month <= day:
        start, middle = _year_before(month, 2), _year_before(month, 1)
        for days in visits.values():
            before = [d for d in days if start <= d < middle]
            if before:
                is_back = any(middle <= d < month for d in days)
                found[month, days[max(before)]].append(is_back)
        month = (month + dt.timedelta(days=32)).replace(day=1)
    return {
        key: (len(backs), sum(backs), share(sum(backs), len(backs))) for key, backs in found.items()
    }


def read_retention(
    analytics: PostgresConnection,
) -> dict[tuple[dt.date, int], tuple[int, int, Decimal | None]]:
    """The same as the mart has it."""
    rows = analytics.execute(
        b"SELECT month_start, clinic_id, patients_before, came_back, retention "
        b"FROM marts.hygiene_by_month WHERE patients_before IS NOT NULL"
    ).fetchall()
    return {row[:2]: row[2:] for row in rows}


JUDGES: Judges = (
    ("recalls", reckon_recalls, read_recalls),
    ("recall status", reckon_recall_status, read_recall_status),
    ("new patients", reckon_new, read_new),
    ("retention", reckon_retention, read_retention),
)
