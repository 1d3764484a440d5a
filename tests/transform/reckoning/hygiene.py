"""Hygiene: who leaves with the next visit, and how much of it is perio.

Reappointment: of the patients who came for hygiene, those who left with the next hygiene visit
booked (Dental Intelligence, Monthly Report). Perio: D4341, D4342, D4346, D4355, D4381 and D4910 of
all hygiene (Dental Economics, Perio benchmarks).
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from typing import Any

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.bookings import read_bookings, read_hygiene_codes
from tests.transform.reckoning.books import (
    NO_DATE,
    Judges,
    cents,
    read_practice_day,
    read_rows,
    share,
)
from tests.transform.reckoning.desk_patients import COMPLETE, read_treated

Month = tuple[dt.date, int]
CAPITATED = 7


def reckon(analytics: PostgresConnection) -> dict[Month, tuple[Any, ...]]:
    """By month and clinic: hygiene visits, those of perio, reappointed at once, and by today."""
    hygiene, perio = read_hygiene_codes(analytics)
    bookings = read_bookings(analytics, read_practice_day(analytics))
    kinds: defaultdict[tuple[int, dt.date], set[bool]] = defaultdict(set)
    for row in read_rows(analytics, "procedurelog", "PatNum", "ProcDate", "ProcStatus", "CodeNum"):
        if row.ProcStatus == COMPLETE and row.CodeNum in hygiene:
            kinds[row.PatNum, row.ProcDate].add(row.CodeNum in perio)
    found: defaultdict[Month, list[int]] = defaultdict(lambda: [0] * 4)
    for patient, days in read_treated(analytics).items():
        for day, clinic in days.items():
            if (patient, day) not in kinds:
                continue
            booked = [one for one in bookings.get(patient, ()) if one.is_hygiene and one.day > day]
            cell = found[day.replace(day=1), clinic]
            cell[0] += 1
            cell[1] += True in kinds[patient, day]
            cell[2] += any(one.was_booked(day) for one in booked)
            cell[3] += any(one.is_standing for one in booked)
    return {
        key: (*cell, *(share(number, cell[0]) for number in cell[1:]))
        for key, cell in found.items()
    }


def read_marts(analytics: PostgresConnection) -> dict[Month, tuple[Any, ...]]:
    """The same as the mart has it."""
    rows = analytics.execute(
        b"SELECT month_start, clinic_id, hygiene_visits, perio_visits, reappointed, "
        b"reappointed_by_today, perio_share_of_visits, reappointment, reappointment_by_today "
        b"FROM marts.hygiene_by_month WHERE hygiene_visits > 0"
    ).fetchall()
    return {row[:2]: row[2:] for row in rows}


def reckon_production(analytics: PostgresConnection) -> dict[Month, tuple[Any, ...]]:
    """By month and clinic: production of hygiene, and of it that of perio."""
    hygiene, perio = read_hygiene_codes(analytics)
    written_off: defaultdict[int, Decimal] = defaultdict(Decimal)
    for line in read_rows(analytics, "claimproc", "ProcNum", "Status", "WriteOff"):
        if line.Status == CAPITATED:
            written_off[line.ProcNum] += cents(line.WriteOff)
    found: defaultdict[Month, list[Decimal]] = defaultdict(lambda: [Decimal("0.00")] * 2)
    for row in read_rows(
        analytics, "procedurelog", "ProcNum", "ProcStatus", "ProcDate", "CodeNum", "ClinicNum",
        "ProcFee", "UnitQty", "BaseUnits",
    ):  # fmt: skip
        if row.ProcStatus == COMPLETE and row.CodeNum in hygiene and row.ProcDate > NO_DATE:
            amount = cents(row.ProcFee) * (row.UnitQty + row.BaseUnits) - written_off[row.ProcNum]
            cell = found[row.ProcDate.replace(day=1), row.ClinicNum]
            cell[0] += amount
            cell[1] += amount * (row.CodeNum in perio)
    return {key: (*cell, share(cell[1], cell[0])) for key, cell in found.items() if cell[0]}


def read_marts_production(analytics: PostgresConnection) -> dict[Month, tuple[Any, ...]]:
    """The same as the mart has it, where there was some."""
    rows = analytics.execute(
        b"SELECT month_start, clinic_id, hygiene_production, perio_production, perio_share "
        b"FROM marts.hygiene_by_month WHERE hygiene_production <> 0"
    ).fetchall()
    return {row[:2]: row[2:] for row in rows}


JUDGES: Judges = (
    ("hygiene visits", reckon, read_marts),
    ("hygiene production", reckon_production, read_marts_production),
)
