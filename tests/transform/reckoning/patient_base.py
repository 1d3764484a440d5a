"""The patient base: active, new, recaptured and lost patients, and who of them is booked.

Active is who was treated in the last 18 months; growth is new + recaptured - lost; pre-appointed
is an active patient with a visit to come (Dental Intelligence, Monthly Report). Each patient is
looked at on the first morning of every month.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import Any

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.bookings import read_bookings
from tests.transform.reckoning.books import NO_DATE, Judges, read_practice_day, read_rows, share
from tests.transform.reckoning.desk_patients import (
    DELETED,
    NON_PATIENT,
    PATIENT,
    PROSPECTIVE,
    read_treated,
)

COLUMNS = (
    "active_at_start", "new_patients", "recaptured", "moved_in", "lost", "moved_out",
    "active_at_end", "active_with_status", "pre_appointed", "pre_appointed_hygiene",
)  # fmt: skip

RATES = {
    "attrition": ("lost", "active_at_start"),
    "pre_appointment": ("pre_appointed", "active_at_end"),
    "hygiene_pre_appointment": ("pre_appointed_hygiene", "active_at_end"),
}


def add_months(day: dt.date, months: int) -> dt.date:
    """The same day of another month, or its last one."""
    place = day.year * 12 + day.month - 1 + months
    first = dt.date(place // 12, place % 12 + 1, 1)
    last = dt.date((place + 1) // 12, (place + 1) % 12 + 1, 1) - dt.timedelta(days=1)
    return min(first + dt.timedelta(days=day.day - 1), last)


def _clinic_of(days: dict[dt.date, int], before: dt.date) -> int | None:
    """Clinic at which somebody is active on a morning; None if they are not."""
    last = max((day for day in days if day < before), default=None)
    return None if last is None or last < add_months(before, -18) else days[last]


def reckon(analytics: PostgresConnection) -> dict[tuple[dt.date, int], dict[str, Any]]:
    """By month and clinic."""
    today = read_practice_day(analytics)
    treated = read_treated(analytics)
    bookings = read_bookings(analytics, today)
    found: defaultdict[tuple[dt.date, int], dict[str, int]] = defaultdict(
        lambda: dict.fromkeys(COLUMNS, 0)
    )
    start = add_months(min(min(days) for days in treated.values()).replace(day=1), 18)
    months = []
    while start <= today:
        months.append((start, min(add_months(start, 1), today + dt.timedelta(days=1))))
        start = add_months(start, 1)
    for row in read_rows(analytics, "patient", "PatNum", "PatStatus", "DateFirstVisit"):
        days = dict(treated.get(row.PatNum, {}))
        if not days or row.PatStatus in (NON_PATIENT, DELETED, PROSPECTIVE):
            continue
        home = days[min(days)]
        if NO_DATE < row.DateFirstVisit < min(days):
            days[row.DateFirstVisit] = home
        days = {day: clinic for day, clinic in days.items() if day <= today}
        for month, end in months:
            before, after = _clinic_of(days, month), _clinic_of(days, end)
            came_to = before
            if before is not None:
                found[month, before]["active_at_start"] += 1
                if after is None:
                    found[month, before]["lost"] += 1
            elif after is not None:
                is_new = min(days) >= month
                came_to = home if is_new else after
                found[month, came_to]["new_patients" if is_new else "recaptured"] += 1
            if after is None:
                continue
            if came_to is not None and came_to != after:
                found[month, came_to]["moved_out"] += 1
                found[month, after]["moved_in"] += 1
            cell = found[month, after]
            evening = end - dt.timedelta(days=1)
            booked = [one for one in bookings.get(row.PatNum, ()) if one.was_booked(evening)]
            cell["active_at_end"] += 1
            cell["active_with_status"] += row.PatStatus == PATIENT
            cell["pre_appointed"] += bool(booked)
            cell["pre_appointed_hygiene"] += any(one.is_hygiene for one in booked)
    return {
        key: cell | {rate: share(cell[part], cell[whole]) for rate, (part, whole) in RATES.items()}
        for key, cell in found.items()
    }


def read_marts(analytics: PostgresConnection) -> dict[tuple[dt.date, int], dict[str, Any]]:
    """The same as the mart has it."""
    columns = (*COLUMNS, *RATES)
    rows = analytics.execute(
        f"SELECT month_start, clinic_id, {', '.join(columns)} FROM marts.patients_by_month".encode()
    ).fetchall()
    return {row[:2]: dict(zip(columns, row[2:], strict=True)) for row in rows}


JUDGES: Judges = (("patient base", reckon, read_marts),)
