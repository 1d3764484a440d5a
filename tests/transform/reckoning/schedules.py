"""Working hours of providers and open chairs (Schedule.cs, Operatory.cs; manual, operatoryedit).

A provider's block has ClinicNum 0 and its chairs in scheduleop; without any, the provider works in
the chairs of which they are the dentist or the hygienist. Minutes are counted one by one.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.books import NO_DATE, Judges, read_rows

PROVIDER = 1
SCHEDULED, COMPLETE, ASAP = 1, 2, 4

Day = dt.date


def _blocks(analytics: PostgresConnection) -> Iterator[tuple[Any, range, list[Any]]]:
    """Each block of a provider with its minutes of the day and its chairs."""
    chairs = {
        row.OperatoryNum: row
        for row in read_rows(
            analytics, "operatory", "OperatoryNum", "ClinicNum", "ProvDentist", "ProvHygienist",
            "IsHidden",
        )
    }  # fmt: skip
    attached = defaultdict(set)
    for row in read_rows(analytics, "scheduleop", "ScheduleNum", "OperatoryNum"):
        attached[row.ScheduleNum].add(row.OperatoryNum)
    for row in read_rows(
        analytics, "schedule", "ScheduleNum", "SchedDate", "StartTime", "StopTime", "SchedType",
        "ProvNum", "ClinicNum",
    ):  # fmt: skip
        if row.SchedType != PROVIDER or not row.ProvNum:
            continue
        minutes = range(*(int(t.total_seconds()) // 60 for t in (row.StartTime, row.StopTime)))
        found = [chairs[number] for number in attached[row.ScheduleNum]]
        if not found:
            found = [
                chair
                for chair in chairs.values()
                if row.ProvNum in (chair.ProvDentist, chair.ProvHygienist) and not chair.IsHidden
            ]
        yield row, minutes, found


def reckon_providers(analytics: PostgresConnection) -> dict[tuple[Day, int, int], int]:
    """Minutes that somebody was to work, by day, provider and clinic."""
    worked: defaultdict[tuple[Day, int, int], set[int]] = defaultdict(set)
    for row, minutes, chairs in _blocks(analytics):
        assert row.ClinicNum == 0
        clinics = {chair.ClinicNum for chair in chairs}
        clinic = clinics.pop() if len(clinics) == 1 else 0
        worked[row.SchedDate, row.ProvNum, clinic].update(minutes)
    return {key: len(minutes) for key, minutes in worked.items()}


def read_providers(analytics: PostgresConnection) -> dict[tuple[Day, int, int], int]:
    """The same as the mart has it."""
    rows = analytics.execute(
        b"SELECT appointment_date, provider_id, clinic_id, provider_minutes "
        b"FROM marts.appointments_by_day WHERE provider_minutes IS NOT NULL"
    ).fetchall()
    return {row[:3]: row[3] for row in rows}


def reckon_chairs(
    analytics: PostgresConnection,
) -> dict[tuple[Day, int], tuple[int, int, int | None]]:
    """Visits, their minutes and minutes of being open, by day and chair."""
    opened: defaultdict[tuple[Day, int], set[int]] = defaultdict(set)
    for row, minutes, chairs in _blocks(analytics):
        for chair in chairs:
            opened[row.SchedDate, chair.OperatoryNum].update(minutes)
    booked: defaultdict[tuple[Day, int], list[int]] = defaultdict(list)
    for row in read_rows(analytics, "appointment", "AptStatus", "AptDateTime", "Op", "Pattern"):
        if row.AptStatus in (SCHEDULED, COMPLETE, ASAP) and row.AptDateTime.date() > NO_DATE:
            booked[row.AptDateTime.date(), row.Op].append(5 * len(row.Pattern))
    return {
        key: (
            len(booked.get(key, ())),
            sum(booked.get(key, ())),
            len(opened[key]) if key in opened else None,
        )
        for key in booked.keys() | opened.keys()
    }


def read_chairs(
    analytics: PostgresConnection,
) -> dict[tuple[Day, int], tuple[int, int, int | None]]:
    """The same as the mart has it."""
    rows = analytics.execute(
        b"SELECT appointment_date, operatory_id, visits, booked_minutes, open_minutes "
        b"FROM marts.chair_use_by_day"
    ).fetchall()
    return {row[:2]: row[2:] for row in rows}


JUDGES: Judges = (
    ("providers' minutes", reckon_providers, read_providers),
    ("use of chairs", reckon_chairs, read_chairs),
)
