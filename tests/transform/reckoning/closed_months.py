"""Receivables at the ends of months, as they were when the month was closed, and as they are now.

Figures of ours: ages as in the report Aging of A/R; A/R days are receivables by the net production
of a day, of the last 90 days (Dental Intelligence).
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from typing import Any, NamedTuple

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.accounts import Aged, open_accounts
from tests.transform.reckoning.books import (
    NOTHING,
    Judges,
    read_practice_day,
    read_rows,
    share,
)
from tests.transform.reckoning.production_income import reckon_days


class Month(NamedTuple):
    """Receivables of a clinic at the end of a month, when the month was closed."""

    ages: tuple[Decimal, ...]
    total: Decimal
    write_off_estimate: Decimal
    insurance_estimate: Decimal
    patient_portion: Decimal
    share_over_90: Decimal | None
    net_production_90_days: Decimal
    days: Decimal | None


Closed = dict[tuple[dt.date, int], Month]
"""By month's end and clinic."""


def _clinics(analytics: PostgresConnection) -> dict[int, int]:
    rows = read_rows(analytics, "patient", "PatNum", "ClinicNum")
    return {row.PatNum: row.ClinicNum for row in rows}


def _month_ends(analytics: PostgresConnection, *, closed_today: bool) -> list[dt.date]:
    """Which months the mart has; a test tells that they are the right ones."""
    rows = analytics.execute(
        b"SELECT DISTINCT month_end, closed_on FROM marts.receivables_by_month"
    )
    today = read_practice_day(analytics)
    return sorted({day for day, closed_on in rows if closed_on == today or not closed_today})


def reckon_months(analytics: PostgresConnection) -> Closed:
    """What was owed by clinic at the ends of the months that were closed in this build."""
    accounts, clinics = open_accounts(analytics), _clinics(analytics)
    produced = _net_production(analytics)
    found: Closed = {}
    for day in _month_ends(analytics, closed_today=True):
        aged: defaultdict[int, list[Aged]] = defaultdict(list)
        for family, row in accounts.age(day, is_today=False).items():
            aged[clinics.get(family, 0)].append(row)
        made: defaultdict[int, Decimal] = defaultdict(lambda: NOTHING)
        for (produced_on, clinic), amount in produced.items():
            if dt.timedelta() <= day - produced_on < dt.timedelta(days=90):
                made[clinic] += amount
        for clinic in {*aged, *made}:
            found[day, clinic] = _month(aged[clinic], made[clinic])
    return {key: month for key, month in found.items() if _is_something(month)}


def _month(rows: list[Aged], produced: Decimal) -> Month:
    ages = tuple(sum((row.ages[age] for row in rows), NOTHING) for age in range(4))
    total = sum((row.total for row in rows), NOTHING)
    write_off = sum((row.write_off_estimate for row in rows), NOTHING)
    insurance = sum((row.insurance_estimate for row in rows), NOTHING)
    return Month(
        ages,
        total,
        write_off,
        insurance,
        total - write_off - insurance,
        share(ages[3], sum(ages)),
        produced,
        share(90 * total, produced, places=1),
    )


def _is_something(month: Month) -> bool:
    return any((*month.ages, *month[1:4], month.net_production_90_days))


def _net_production(analytics: PostgresConnection) -> dict[tuple[dt.date, int], Decimal]:
    found: defaultdict[tuple[dt.date, int], Decimal] = defaultdict(lambda: NOTHING)
    for (day, _, clinic), columns in reckon_days(analytics).items():
        found[day, clinic] += columns.get("net_production", NOTHING)
    return found


def read_months(analytics: PostgresConnection, *, closed_today: bool = False) -> Closed:
    """The same as the mart has it, of whatever day it was closed on."""
    rows = analytics.execute(
        b"SELECT month_end, clinic_id, balance_0_30, balance_31_60, balance_61_90, "
        b"balance_over_90, total, write_off_estimate, insurance_estimate, patient_portion, "
        b"share_over_90, net_production_90_days, ar_days FROM marts.receivables_by_month"
    ).fetchall()
    months = set(_month_ends(analytics, closed_today=closed_today))
    found = {row[:2]: Month(row[2:6], *row[6:]) for row in rows if row[0] in months}
    return {key: month for key, month in found.items() if _is_something(month)}


def reckon_totals_now(analytics: PostgresConnection) -> dict[tuple[dt.date, int], tuple[Any, ...]]:
    """What the books say now of the end of each month, twice: as it is, and by what changed."""
    accounts, clinics = open_accounts(analytics), _clinics(analytics)
    months = _month_ends(analytics, closed_today=False)
    found: defaultdict[tuple[dt.date, int], Decimal] = defaultdict(lambda: NOTHING)
    for family, movements in accounts.movements.items():
        for movement in movements:
            found[movement.day, clinics.get(family, 0)] += movement.amount
    totals: defaultdict[tuple[dt.date, int], Decimal] = defaultdict(lambda: NOTHING)
    for (day, clinic), amount in found.items():
        for month in months:
            if day <= month:
                totals[month, clinic] += amount
    return {key: (total, total) for key, total in totals.items() if total}


def read_totals_now(analytics: PostgresConnection) -> dict[tuple[dt.date, int], tuple[Any, ...]]:
    """What the mart says that the books say now of each month's end."""
    rows = analytics.execute(
        b"SELECT month_end, clinic_id, total_now, total + changed_since "
        b"FROM marts.receivables_by_month"
    )
    return {row[:2]: row[2:] for row in rows if any(row[2:])}


JUDGES: Judges = (
    (
        "receivables by month",
        reckon_months,
        lambda analytics: read_months(analytics, closed_today=True),
    ),
    ("receivables by month, now", reckon_totals_now, read_totals_now),
)
