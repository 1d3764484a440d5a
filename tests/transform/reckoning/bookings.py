"""The appointment book as it was: what was booked when, and chairs that became free.

OpenDental keeps each change of an appointment (histappointment). It writes 2 (missed) and 3
(cancelled) when D9986 and D9987 are charted, and a change with the status 5 when an appointment is
broken without a code (HistAppointment.cs; AppointmentL.cs, BreakApptHelper).
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import Any, NamedTuple

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.books import NO_DATE, Judges, read_rows, share

SCHEDULED, COMPLETE, ASAP, BROKEN = 1, 2, 4, 5
STANDING = (SCHEDULED, COMPLETE, ASAP)
PERIO = {"D4341", "D4342", "D4346", "D4355", "D4381", "D4910"}
"""Dental Economics, Perio benchmarks (4341, 4342, 4355, 4381, 4910), and D4346 of 2017."""
ALL_DAY = 24 * 60

Cell = tuple[dt.date, int, int]
"""Day, provider and clinic."""
Line = tuple[Any, ...]


class Opening(NamedTuple):
    """A time of a chair that became free."""

    day: dt.date
    provider: int
    clinic: int
    appointment: int
    starts_at: dt.datetime
    broken_at: dt.datetime
    is_refilled: bool
    is_rebooked: bool


def read_hygiene_codes(analytics: PostgresConnection) -> tuple[set[int], set[int]]:
    """Codes that are hygiene, by OpenDental's mark or as perio; and of them those of perio."""
    rows = read_rows(analytics, "procedurecode", "CodeNum", "ProcCode", "IsHygiene")
    perio = {row.CodeNum for row in rows if row.ProcCode in PERIO}
    return {row.CodeNum for row in rows if row.IsHygiene} | perio, perio


def read_appointments(analytics: PostgresConnection) -> list[Any]:
    """Appointments of the book."""
    return read_rows(
        analytics, "appointment", "AptNum", "PatNum", "AptStatus", "Pattern", "Op", "ProvNum",
        "ProvHyg", "AptDateTime", "IsHygiene", "ClinicNum", "SecDateTEntry", "IsNewPatient",
    )  # fmt: skip


def _read_history(analytics: PostgresConnection) -> list[Any]:
    rows = read_rows(
        analytics, "histappointment", "HistApptNum", "HistDateTStamp", "HistApptAction", "AptNum",
        "PatNum", "AptStatus", "Pattern", "Op", "ProvNum", "ProvHyg", "AptDateTime", "IsHygiene",
        "ClinicNum",
    )  # fmt: skip
    return sorted(rows, key=lambda row: (row.HistDateTStamp, row.HistApptNum))


def _end_of(row: Any) -> dt.datetime:
    end: dt.datetime = row.AptDateTime + dt.timedelta(minutes=5 * len(row.Pattern))
    return end


def read_openings(analytics: PostgresConnection) -> list[Opening]:
    """Broken visits by the history, with what became of the chair's time and of the patient."""
    history = _read_history(analytics)
    visits = [row for row in read_appointments(analytics) if row.AptStatus in STANDING]
    places: defaultdict[int, list[tuple[Any, Any]]] = defaultdict(list)
    for row in history:
        places[row.AptNum].append(((row.AptDateTime, row.Op), row.HistDateTStamp))
    in_chair: defaultdict[tuple[int, dt.date], list[tuple[Any, dt.datetime]]] = defaultdict(list)
    last_visit: dict[int, dt.datetime] = {}
    for visit in visits:
        here = (visit.AptDateTime, visit.Op)
        came_at = visit.SecDateTEntry
        known = places[visit.AptNum]
        if any(place != here for place, _ in known):
            came_at = min((at for place, at in known if place == here), default=came_at)
        in_chair[visit.Op, visit.AptDateTime.date()].append((visit, came_at))
        last_visit[visit.PatNum] = max(
            visit.AptDateTime, last_visit.get(visit.PatNum, visit.AptDateTime)
        )
    found: dict[tuple[int, dt.datetime], Opening] = {}
    for row in history:
        is_broken = row.HistApptAction in (2, 3) or row.AptStatus == BROKEN
        if not is_broken or (row.AptNum, row.AptDateTime) in found:
            continue
        day = row.AptDateTime.date()
        is_refilled = row.Op > 0 and any(
            visit.AptNum != row.AptNum
            and came_at >= row.HistDateTStamp
            and visit.AptDateTime < _end_of(row)
            and _end_of(visit) > row.AptDateTime
            for visit, came_at in in_chair[row.Op, day]
        )
        hygienist = row.ProvHyg if row.IsHygiene else 0
        found[row.AptNum, row.AptDateTime] = Opening(
            day,
            hygienist or row.ProvNum,
            row.ClinicNum,
            row.AptNum,
            row.AptDateTime,
            row.HistDateTStamp,
            is_refilled,
            last_visit.get(row.PatNum, row.AptDateTime) > row.AptDateTime,
        )
    return list(found.values())


def reckon_openings(analytics: PostgresConnection) -> dict[Cell, Line]:
    """Openings, those of less than 24 hours, minutes of notice, refilled and rebooked; rates."""
    found: defaultdict[Cell, list[int]] = defaultdict(lambda: [0] * 5)
    for one in read_openings(analytics):
        notice = max(dt.timedelta(), one.starts_at - one.broken_at) // dt.timedelta(minutes=1)
        cell = found[one.day, one.provider, one.clinic]
        for place, number in enumerate(
            (1, notice < ALL_DAY, notice, one.is_refilled, one.is_rebooked)
        ):
            cell[place] += number
    return {
        key: (*cell, share(cell[2], 60 * cell[0], places=1), share(cell[3], cell[0]))
        for key, cell in found.items()
    }


def read_marts_openings(analytics: PostgresConnection) -> dict[Cell, Line]:
    """The same as the mart has it."""
    rows = analytics.execute(
        b"SELECT appointment_date, provider_id, clinic_id, openings, openings_within_24_hours, "
        b"notice_minutes, openings_refilled, openings_rebooked, average_notice_hours, "
        b"refilled_share FROM marts.appointments_by_day "
        b"WHERE openings > 0"
    ).fetchall()
    return {row[:3]: row[3:] for row in rows}


def reckon_lead(analytics: PostgresConnection) -> dict[Cell, Line]:
    """Visits and days from making to the visit, of all and of new patients."""
    found: defaultdict[Cell, list[int]] = defaultdict(lambda: [0] * 4)
    for row in read_appointments(analytics):
        made, day = row.SecDateTEntry.date(), row.AptDateTime.date()
        if row.AptStatus not in STANDING or made <= NO_DATE or day <= NO_DATE:
            continue
        days = max(0, (day - made).days)
        hygienist = row.ProvHyg if row.IsHygiene else 0
        cell = found[day, hygienist or row.ProvNum, row.ClinicNum]
        is_new = row.IsNewPatient != 0
        for place, number in enumerate((1, days, is_new, days * is_new)):
            cell[place] += number
    return {
        key: (*cell, share(cell[1], cell[0], places=1), share(cell[3], cell[2], places=1))
        for key, cell in found.items()
    }


def read_marts_lead(analytics: PostgresConnection) -> dict[Cell, Line]:
    """The same as the mart has it."""
    rows = analytics.execute(
        b"SELECT appointment_date, provider_id, clinic_id, lead_visits, lead_days, "
        b"new_patient_lead_visits, new_patient_lead_days, average_lead_days, "
        b"average_new_patient_lead_days FROM marts.appointments_by_day "
        b"WHERE lead_visits > 0"
    ).fetchall()
    return {row[:3]: row[3:] for row in rows}


class Booking(NamedTuple):
    """A visit of the book; it stood there from *made* to *until*."""

    day: dt.date
    made: dt.date
    until: dt.date
    is_hygiene: bool
    is_standing: bool

    def was_booked(self, evening: dt.date) -> bool:
        """True if it stood in the book on the *evening* of a day, for a later one."""
        return self.made <= evening < min(self.until, self.day)


def read_bookings(analytics: PostgresConnection, today: dt.date) -> dict[int, list[Booking]]:
    """Visits of each patient that are or were booked."""
    hygiene, _ = read_hygiene_codes(analytics)
    with_hygiene = {
        row.AptNum
        for row in read_rows(analytics, "procedurelog", "AptNum", "ProcStatus", "CodeNum")
        if row.ProcStatus in (1, 2) and row.CodeNum in hygiene and row.AptNum
    }
    broken: dict[tuple[int, dt.datetime], dt.date] = {}
    for one in read_openings(analytics):
        broken[one.appointment, one.starts_at] = one.broken_at.date()
    found: defaultdict[int, list[Booking]] = defaultdict(list)
    for row in read_appointments(analytics):
        day = row.AptDateTime.date()
        if row.AptStatus not in (*STANDING, BROKEN) or day <= NO_DATE or not row.PatNum:
            continue
        until = day
        if row.AptStatus == BROKEN:
            until = min(broken.get((row.AptNum, row.AptDateTime), day), day, today)
        found[row.PatNum].append(
            Booking(
                day,
                row.SecDateTEntry.date(),
                until,
                row.IsHygiene != 0 or row.AptNum in with_hygiene,
                row.AptStatus != BROKEN,
            )
        )
    return found


JUDGES: Judges = (
    ("openings", reckon_openings, read_marts_openings),
    ("lead time", reckon_lead, read_marts_lead),
)
