"""Working hours of providers and open chairs (Schedule.cs, Operatory.cs; manual, operatoryedit).

A provider's block has ClinicNum 0 and its chairs in scheduleop; without any, the provider works in
the chairs of which they are the dentist or the hygienist. Minutes are counted one by one.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.books import NO_DATE, Judges, read_rows, reckon_once, share

PROVIDER = 1
SCHEDULED, COMPLETE, ASAP = 1, 2, 4

Day = dt.date


@reckon_once
def _blocks(analytics: PostgresConnection) -> list[tuple[Any, range, list[Any]]]:
    """Each block of a provider with its minutes of the day and its chairs."""
    return list(_read_blocks(analytics))


def _read_blocks(analytics: PostgresConnection) -> Iterator[tuple[Any, range, list[Any]]]:
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


@reckon_once
def _worked(analytics: PostgresConnection) -> dict[tuple[Day, int, int], set[int]]:
    """Minutes of the day in which somebody was to work, by day, provider and clinic."""
    worked: defaultdict[tuple[Day, int, int], set[int]] = defaultdict(set)
    for row, minutes, chairs in _blocks(analytics):
        assert row.ClinicNum == 0
        clinics = {chair.ClinicNum for chair in chairs}
        clinic = clinics.pop() if len(clinics) == 1 else 0
        worked[row.SchedDate, row.ProvNum, clinic].update(minutes)
    return worked


def reckon_hours(analytics: PostgresConnection) -> dict[tuple[Day, int], int]:
    """Minutes that a provider was to work on a day, at whatever clinics; each counts once."""
    found: defaultdict[tuple[Day, int], set[int]] = defaultdict(set)
    for (day, provider, _), minutes in _worked(analytics).items():
        found[day, provider] |= minutes
    return {key: len(minutes) for key, minutes in found.items()}


def reckon_providers(
    analytics: PostgresConnection,
) -> dict[tuple[Day, int, int], tuple[int, Decimal | None]]:
    """Minutes that somebody was to work, and how far they are booked."""
    booked: Counter[tuple[Day, int, int]] = Counter()
    for row in read_rows(
        analytics, "appointment", "AptStatus", "AptDateTime", "ProvNum", "ProvHyg", "IsHygiene",
        "ClinicNum", "Pattern",
    ):  # fmt: skip
        if row.AptStatus in (SCHEDULED, COMPLETE, ASAP):
            provider = (row.IsHygiene and row.ProvHyg) or row.ProvNum
            booked[row.AptDateTime.date(), provider, row.ClinicNum] += 5 * len(row.Pattern)
    return {
        key: (len(minutes), share(booked[key], len(minutes)))
        for key, minutes in _worked(analytics).items()
    }


def read_providers(
    analytics: PostgresConnection,
) -> dict[tuple[Day, int, int], tuple[int, Decimal | None]]:
    """The same as the mart has it."""
    rows = analytics.execute(
        b"SELECT appointment_date, provider_id, clinic_id, provider_minutes, provider_use "
        b"FROM marts.appointments_by_day WHERE provider_minutes IS NOT NULL"
    ).fetchall()
    return {row[:3]: row[3:] for row in rows}


def reckon_chairs(
    analytics: PostgresConnection,
) -> dict[tuple[Day, int], tuple[int, int, int | None, Decimal | None]]:
    """Visits, their minutes, minutes of being open and the use, by day and chair."""
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
            share(sum(booked.get(key, ())), len(opened.get(key, ()))),
        )
        for key in booked.keys() | opened.keys()
    }


def read_chairs(
    analytics: PostgresConnection,
) -> dict[tuple[Day, int], tuple[int, int, int | None, Decimal | None]]:
    """The same as the mart has it."""
    rows = analytics.execute(
        b"SELECT appointment_date, operatory_id, visits, booked_minutes, open_minutes, chair_use "
        b"FROM marts.chair_use_by_day"
    ).fetchall()
    return {row[:2]: row[2:] for row in rows}


JUDGES: Judges = (
    ("providers' minutes", reckon_providers, read_providers),
    ("use of chairs", reckon_chairs, read_chairs),
)
