"""What comes of patients who were sent to the practice, and of those whom it sent away.

A patient's source is the first "referred from" entry (manual, referrals). Of a patient who was
sent away, the day on which the work was completed there, or the status Complete, says that it is
done (manual, referralproctrack; RefAttach.cs, ReferralToStatus).
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from typing import Any

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.books import NO_DATE, Judges, cents, read_rows, share
from tests.transform.reckoning.desk_patients import (
    CAME_FROM,
    COMPLETE,
    DELETED,
    NON_PATIENT,
    PROSPECTIVE,
    read_treated,
)
from tests.transform.reckoning.hygiene import CAPITATED

SENT_TO = 0
DECLINED, DONE = 1, 5

Key = tuple[dt.date, int, int]
"""Month, clinic and source or receiver."""


def _first_sources(analytics: PostgresConnection) -> dict[int, int]:
    rows = read_rows(
        analytics, "refattach", "ItemOrder", "RefAttachNum", "PatNum", "RefType", "ReferralNum"
    )
    sources: dict[int, int] = {}
    for row in sorted(rows):
        if row.RefType == CAME_FROM and row.ReferralNum:
            sources.setdefault(row.PatNum, row.ReferralNum)
    return sources


def reckon_in(analytics: PostgresConnection) -> dict[Key, tuple[int, Decimal, int, Decimal]]:
    """New patients and all that they produced; patients of the month, and their production."""
    sources, treated = _first_sources(analytics), read_treated(analytics)
    known = {
        row.PatNum: row.DateFirstVisit
        for row in read_rows(analytics, "patient", "PatNum", "PatStatus", "DateFirstVisit")
        if row.PatStatus not in (NON_PATIENT, DELETED, PROSPECTIVE) and row.PatNum in treated
    }
    written_off: defaultdict[int, Decimal] = defaultdict(Decimal)
    for line in read_rows(analytics, "claimproc", "ProcNum", "Status", "WriteOff"):
        if line.Status == CAPITATED:
            written_off[line.ProcNum] += cents(line.WriteOff)
    amounts: defaultdict[Key, Decimal] = defaultdict(Decimal)
    patients: defaultdict[Key, set[int]] = defaultdict(set)
    ever: defaultdict[int, Decimal] = defaultdict(Decimal)
    for row in read_rows(
        analytics, "procedurelog", "ProcNum", "PatNum", "ProcStatus", "ProcDate", "ClinicNum",
        "ProcFee", "UnitQty", "BaseUnits",
    ):  # fmt: skip
        if row.ProcStatus == COMPLETE and row.ProcDate > NO_DATE and row.PatNum in known:
            amount = cents(row.ProcFee) * (row.UnitQty + row.BaseUnits) - written_off[row.ProcNum]
            key = row.ProcDate.replace(day=1), row.ClinicNum, sources.get(row.PatNum, 0)
            amounts[key] += amount
            patients[key].add(row.PatNum)
            ever[row.PatNum] += amount
    came: defaultdict[Key, list[int]] = defaultdict(list)
    for patient, said in known.items():
        first = min(treated[patient])
        since = min(first, said) if said > NO_DATE else first
        key = since.replace(day=1), treated[patient][first], sources.get(patient, 0)
        came[key].append(patient)
    zero = Decimal("0.00")
    return {
        key: (
            len(came.get(key, ())),
            sum((ever[patient] for patient in came.get(key, ())), zero),
            len(patients.get(key, ())),
            amounts.get(key, zero) + zero,
        )
        for key in came.keys() | amounts.keys()
    }


def read_marts_in(analytics: PostgresConnection) -> dict[Key, tuple[int, Decimal, int, Decimal]]:
    """The same as the mart has it."""
    rows = analytics.execute(
        b"SELECT month_start, clinic_id, referral_id, new_patients, production_to_date, patients, "
        b"production FROM marts.new_patients_by_source"
    ).fetchall()
    return {row[:3]: row[3:] for row in rows}


def reckon_out(analytics: PostgresConnection) -> dict[Key, tuple[Any, ...]]:
    """Sent, completed, declined, still open, who came back; those with a day, and their days."""
    treated = read_treated(analytics)
    clinics = {
        row.ProcNum: row.ClinicNum
        for row in read_rows(analytics, "procedurelog", "ProcNum", "ClinicNum")
    }
    found: defaultdict[Key, list[int]] = defaultdict(lambda: [0] * 7)
    for row in read_rows(
        analytics, "refattach", "ReferralNum", "PatNum", "RefDate", "RefType", "RefToStatus",
        "ProcNum", "DateProcComplete",
    ):  # fmt: skip
        if row.RefType != SENT_TO or row.RefDate <= NO_DATE:
            continue
        days = treated.get(row.PatNum, {})
        last = max((day for day in days if day <= row.RefDate), default=None)
        clinic = clinics.get(row.ProcNum, 0 if last is None else days[last])
        has_day = row.DateProcComplete > NO_DATE
        is_done = has_day or row.RefToStatus == DONE
        is_declined = not is_done and row.RefToStatus == DECLINED
        numbers = (
            1,
            is_done,
            is_declined,
            not is_done and not is_declined,
            any(day > row.RefDate for day in days),
            has_day,
            max(0, (row.DateProcComplete - row.RefDate).days) if has_day else 0,
        )
        cell = found[row.RefDate.replace(day=1), clinic, row.ReferralNum]
        for place, number in enumerate(numbers):
            cell[place] += number
    return {
        key: (
            *cell,
            share(cell[1], cell[0]),
            share(cell[4], cell[0]),
            share(cell[6], cell[5], places=1),
        )
        for key, cell in found.items()
    }


def read_marts_out(analytics: PostgresConnection) -> dict[Key, tuple[Any, ...]]:
    """The same as the mart has it."""
    rows = analytics.execute(
        b"SELECT month_start, clinic_id, referral_id, sent, completed, declined, still_open, "
        b"came_back, completed_with_day, days_to_complete, completed_share, came_back_share, "
        b"average_days_to_complete FROM marts.referrals_out_by_month"
    ).fetchall()
    return {row[:3]: row[3:] for row in rows}


JUDGES: Judges = (
    ("referrals in", reckon_in, read_marts_in),
    ("referrals out", reckon_out, read_marts_out),
)
